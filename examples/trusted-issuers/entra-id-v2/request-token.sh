#!/bin/sh
# On a virtual machine of Azure with a managed identity.
set -eu
: "${TOKEN_ENDPOINT_URL:?the output TokenEndpointUrl of the stack}"

curl -sS --fail-with-body -G -H 'Metadata: true' http://169.254.169.254/metadata/identity/oauth2/token \
  --data-urlencode api-version=2018-02-01 \
  --data-urlencode resource=api://66666666-7777-4888-9999-aaaaaaaaaaaa |
  jq -j .access_token |
  curl -sS --fail-with-body "$TOKEN_ENDPOINT_URL" \
    --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer \
    --data-urlencode assertion@-
