#!/bin/sh
# A machine-to-machine application whose credentials are a key pair (Private Key JWT).
# CLIENT_ASSERTION is what it has signed with its private key, with the audience https://acme.eu.auth0.com/.
set -eu
: "${TOKEN_ENDPOINT_URL:?the output TokenEndpointUrl of the stack}"
: "${CLIENT_ASSERTION:?an assertion of the application}"

printf %s "$CLIENT_ASSERTION" |
  curl -sS --fail-with-body https://acme.eu.auth0.com/oauth/token \
    --data-urlencode grant_type=client_credentials \
    --data-urlencode audience=https://api.example \
    --data-urlencode client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
    --data-urlencode client_assertion@- |
  jq -j .access_token |
  curl -sS --fail-with-body "$TOKEN_ENDPOINT_URL" \
    --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer \
    --data-urlencode assertion@-
