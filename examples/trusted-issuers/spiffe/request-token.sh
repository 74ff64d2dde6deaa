#!/bin/sh
# On a node with a SPIRE agent, as the workload.
set -eu
: "${TOKEN_ENDPOINT_URL:?the output TokenEndpointUrl of the stack}"

spire-agent api fetch jwt -audience https://api.example -socketPath /run/spire/sockets/agent.sock -output json |
  jq -j '.[0].svids[0].svid' |
  curl -sS --fail-with-body "$TOKEN_ENDPOINT_URL" \
    --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer \
    --data-urlencode assertion@-
