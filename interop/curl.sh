#!/bin/sh
# Usage: curl.sh jwt-bearer METADATA_URL [NAME=VALUE]... < assertion
#        curl.sh sigv4 ISSUER ACCESS_KEY_ID:SECRET_ACCESS_KEY [NAME=VALUE]...
# Requests a token and calls the API with it. Prints {status, body, whoami}. `sigv4` needs curl 7.75 or newer.
set -eu
member() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

grant=$1 url=$2
shift 2
case $grant in
jwt-bearer)
    metadata=$(curl -sSf "$url")
    issuer=$(printf '%s' "$metadata" | member issuer)
    endpoint=$(printf '%s' "$metadata" | member token_endpoint)
    set -- grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer assertion@- "$@" ;;
sigv4)
    issuer=$url endpoint=$url/token credentials=$1
    shift
    set -- grant_type=client_credentials "$@" ;;
esac
for parameter; do
    set -- "$@" --data-urlencode "$parameter"
    shift
done
[ "$grant" != sigv4 ] || set -- --aws-sigv4 aws:amz:us-east-1:execute-api --user "$credentials" "$@"

response=$(curl -sS -w '\n%{http_code}' "$@" "$endpoint")
status=$(printf '%s' "$response" | tail -n 1)
body=$(printf '%s' "$response" | sed '$d')
whoami=null
if [ "$status" = 200 ]; then
    token=$(printf '%s' "$body" | member access_token)
    whoami=$(curl -sSf -H "Authorization: Bearer $token" "$issuer/whoami")
fi
printf '{"status":%s,"body":%s,"whoami":%s}\n' "$status" "$body" "$whoami"
