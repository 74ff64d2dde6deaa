import json
import sys
from urllib.request import urlopen

import jwt

issuer, audience = sys.argv[1:]
token = sys.stdin.read().strip()

metadata = json.load(urlopen(f"{issuer}/.well-known/openid-configuration"))
key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(token)
algorithms = metadata["id_token_signing_alg_values_supported"]
claims = jwt.decode(token, key, algorithms=algorithms, issuer=issuer, audience=audience)
print(claims["sub"])
