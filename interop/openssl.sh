#!/bin/sh
# Usage: openssl.sh ALG KEY.pem < token
# Checks only the signature: openssl does not read claims.
set -eu
alg=$1 key=$2
token=$(cat)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

printf '%s' "${token%.*}" > "$folder/input"
signature=$(printf '%s' "${token##*.}" | tr -- '-_' '+/')
case $((${#signature} % 4)) in 2) signature=$signature== ;; 3) signature=$signature= ;; esac
printf '%s' "$signature" | openssl base64 -d -A > "$folder/signature"

check() { openssl dgst "$@" -verify "$key" -signature "$folder/signature" "$folder/input"; }
case $alg in
RS256) check -sha256 ;;
PS256) check -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest ;;
ES*)
    # RFC 7518 section 3.4 concatenates R and S. openssl expects a DER sequence of both.
    hex=$(od -An -v -tx1 "$folder/signature" | tr -d ' \n')
    half=$((${#hex} / 2))
    printf 'asn1=SEQUENCE:rs\n[rs]\nr=INTEGER:0x%s\ns=INTEGER:0x%s\n' \
        "$(printf '%s' "$hex" | cut -c "-$half")" \
        "$(printf '%s' "$hex" | cut -c "$((half + 1))-")" > "$folder/asn1"
    openssl asn1parse -genconf "$folder/asn1" -noout -out "$folder/signature"
    check "-sha${alg#ES}" ;;
Ed25519) openssl pkeyutl -verify -pubin -inkey "$key" -rawin \
    -sigfile "$folder/signature" -in "$folder/input" ;;
esac
