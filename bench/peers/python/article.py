"""An authorizer as in tutorials: parses the token itself and creates a client for each invocation."""

import base64
import json
import os
import time

import boto3

from runtime import run


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def lambda_handler(event, context):
    try:
        scheme, token = event["headers"]["Authorization"].split(" ")
        header, payload, signature = token.split(".")
        claims, signature = json.loads(decode(payload)), decode(signature)
        good = scheme == "Bearer" and claims["exp"] > time.time()
    except (KeyError, TypeError, ValueError):
        good = False
    if not good:
        raise Exception("Unauthorized")

    kms = boto3.client("kms", region_name=os.environ["AWS_REGION"])
    try:
        kms.verify(
            KeyId=os.environ["KEY_ALIAS"],
            Message=f"{header}.{payload}".encode(),
            MessageType="RAW",
            Signature=signature,
            SigningAlgorithm="RSASSA_PKCS1_V1_5_SHA_256",
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


run(lambda_handler)
