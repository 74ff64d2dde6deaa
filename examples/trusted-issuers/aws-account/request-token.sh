#!/bin/sh
# With credentials of the role, in the other account.
set -eu
: "${TOKEN_ENDPOINT_URL:?the output TokenEndpointUrl of the stack}"

id_token=$(aws sts get-web-identity-token --audience https://api.example --signing-algorithm ES384 \
  --duration-seconds 300 --query WebIdentityToken --output text)
printf %s "$id_token" |
  curl -sS --fail-with-body "$TOKEN_ENDPOINT_URL" \
    --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer \
    --data-urlencode assertion@-
