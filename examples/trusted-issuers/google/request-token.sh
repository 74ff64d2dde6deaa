#!/bin/sh
# On Compute Engine, GKE, Cloud Run or Cloud Run functions, as the service account of the workload.
set -eu
: "${TOKEN_ENDPOINT_URL:?the output TokenEndpointUrl of the stack}"

curl -sS --fail-with-body -G -H 'Metadata-Flavor: Google' \
  http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/identity \
  --data-urlencode audience=https://api.example |
  curl -sS --fail-with-body "$TOKEN_ENDPOINT_URL" \
    --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer \
    --data-urlencode assertion@-
