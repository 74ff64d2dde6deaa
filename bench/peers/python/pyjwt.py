"""An authorizer with PyJWT and the public key (PKCS #1, DER) in the file PUBLIC_KEY."""

import os
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.serialization import load_der_public_key

from runtime import run

ISSUER = os.environ["TOKEN_ISSUER"]
KEY = load_der_public_key(Path(os.environ["PUBLIC_KEY"]).read_bytes())


def authorize(event, context):
    try:
        scheme, token = event["headers"]["Authorization"].split(" ")
        claims = jwt.decode(
            token, KEY, algorithms=["RS256"], issuer=ISSUER, options={"require": ["exp"]}
        )
    except (KeyError, TypeError, ValueError, jwt.InvalidTokenError):
        raise Exception("Unauthorized")
    if scheme != "Bearer":
        raise Exception("Unauthorized")

    return {
        "principalId": claims["sub"],
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": event["methodArn"],
                }
            ],
        },
    }


run(authorize)
