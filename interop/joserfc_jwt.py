import json
import sys
from urllib.request import urlopen

from joserfc import jwt
from joserfc.jwk import KeySet

issuer, audience = sys.argv[1:]
token = sys.stdin.read().strip()

metadata = json.load(urlopen(f"{issuer}/.well-known/openid-configuration"))
keys = KeySet.import_key_set(json.load(urlopen(metadata["jwks_uri"])))
algorithms = metadata["id_token_signing_alg_values_supported"]
claims = jwt.decode(token, keys, algorithms=algorithms).claims
required = {"iss": issuer, "aud": audience}
rules = {name: {"essential": True, "value": value} for name, value in required.items()}
jwt.JWTClaimsRegistry(exp={"essential": True}, **rules).validate(claims)
print(claims["sub"])
