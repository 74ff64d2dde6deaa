#!/bin/sh
# CODE and CODE_VERIFIER are those of the sign-in with PKCE and the scope openid, at https://acme.eu.auth0.com/authorize.
# The application is public: it has no secret.
set -eu
: "${TOKEN_ENDPOINT_URL:?the output TokenEndpointUrl of the stack}"
: "${CODE:?the authorization code}" "${CODE_VERIFIER:?the code verifier of PKCE}"

curl -sS --fail-with-body https://acme.eu.auth0.com/oauth/token \
  --data-urlencode grant_type=authorization_code \
  --data-urlencode client_id=kXx6VqZ1mT8pLrYbC3nWdJ0sFgHa9EuQ \
  --data-urlencode redirect_uri=https://app.example/callback \
  --data-urlencode "code=$CODE" \
  --data-urlencode "code_verifier=$CODE_VERIFIER" |
  jq -j .id_token |
  curl -sS --fail-with-body "$TOKEN_ENDPOINT_URL" \
    --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer \
    --data-urlencode assertion@-
