"""An authorizer, or with OPERATION=Sign an issuer, with one boto3 client for all invocations."""

import base64
import json
import os
import time
import uuid

import boto3

from runtime import run

ALIAS = os.environ["KEY_ALIAS"]
ALGORITHM = "RSASSA_PKCS1_V1_5_SHA_256"

kms = boto3.client("kms", region_name=os.environ["AWS_REGION"])


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def authorize(event, context):
    try:
        scheme, token = event["headers"]["Authorization"].split(" ")
        header, payload, signature = token.split(".")
        claims, signature = json.loads(decode(payload)), decode(signature)
        good = scheme == "Bearer" and claims["exp"] > time.time()
    except (KeyError, TypeError, ValueError):
        good = False
    if not good:
        raise Exception("Unauthorized")

    try:
        kms.verify(
            KeyId=ALIAS,
            Message=f"{header}.{payload}".encode(),
            MessageType="RAW",
            Signature=signature,
            SigningAlgorithm=ALGORITHM,
        )
    except kms.exceptions.KMSInvalidSignatureException:
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


def issue(event, context):
    now = int(time.time())
    header = {"alg": "RS256", "typ": "JWT", "kid": os.environ["KEY"]}
    claims = {
        **event["claims"],
        "iat": now,
        "exp": now + event["expires_in"],
        "iss": os.environ["TOKEN_ISSUER"],
        "jti": str(uuid.uuid4()),
    }
    message = ".".join(
        encode(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims)
    )
    answer = kms.sign(
        KeyId=ALIAS,
        Message=message.encode(),
        MessageType="RAW",
        SigningAlgorithm=ALGORITHM,
    )
    return {"token": f"{message}.{encode(answer['Signature'])}"}


run(issue if os.environ.get("OPERATION") == "Sign" else authorize)
