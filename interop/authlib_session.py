"""Requests tokens with Authlib, and calls the API with them. Input and output are those of oauth4webapi.js.

A request with {sigv4: [access key id, secret access key]} is for `POST /token`, whose callers IAM authenticates.
"""

import json
import os
import sys

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2 import rfc8414
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc import discovery as oidc
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from joserfc.jwk import ECKey
from requests.auth import AuthBase

# `countersign local` has no TLS. Without this variable, the schemas of the library require https.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "true"


class SigV4(AuthBase):
    """Signs a request for API Gateway."""

    def __init__(self, key_id, secret, region="us-east-1"):
        self.signer = SigV4Auth(Credentials(key_id, secret), "execute-api", region)

    def __call__(self, request):
        headers = {"Content-Type": request.headers["Content-Type"]}
        signed = AWSRequest(request.method, request.url, headers, request.body)
        self.signer.add_auth(signed)
        request.headers.update(signed.headers.items())
        return request


def discover(issuer, discovery):
    if discovery == "oidc":
        url = oidc.get_well_known_url(issuer, external=True)
        metadata = oidc.OpenIDProviderMetadata(requests.get(url).json())
        metadata.validate()
        return metadata
    if discovery == "location":
        url = f"{issuer}/.well-known/oauth-authorization-server"
    else:
        url = rfc8414.get_well_known_url(issuer, external=True)
    metadata = requests.get(url).json()
    # The schema requires a response type, and there is none.
    assert metadata["response_types_supported"] == []
    rfc8414.AuthorizationServerMetadata(metadata, response_types_supported=["none"]).validate()
    return metadata


def open_session(request):
    """A session of the client, and the arguments of its token requests."""
    issuer = request["issuer"]
    if "sigv4" in request:
        arguments = {"url": f"{issuer}/token", "auth": SigV4(*request["sigv4"])}
        return OAuth2Session(), arguments
    metadata = discover(issuer, request["discovery"])
    assert metadata["issuer"] == issuer
    arguments = {"url": metadata["token_endpoint"]}
    if request["grant_type"] != "client_credentials":
        return OAuth2Session(request["client_id"], token_endpoint_auth_method="none"), arguments
    key = ECKey.import_key(request["key"])
    session = OAuth2Session(
        request["client_id"], key, token_endpoint_auth_method="private_key_jwt"
    )
    # The first parameter becomes `aud`. Without it, that is the token endpoint.
    method = PrivateKeyJWT(issuer, claims=request.get("claims"), alg="ES256")
    session.register_client_auth_method(method)
    return session, arguments


def run(request):
    session, arguments = open_session(request)
    # The errors of the library have no status.
    statuses = []
    session.register_compliance_hook(
        "access_token_response", lambda response: statuses.append(response.status_code) or response
    )
    parameters = dict(request["parameters"])
    try:
        body = session.fetch_token(
            grant_type=request["grant_type"], **arguments, **parameters
        )
    except OAuthError as error:
        body = {"error": error.error, "error_description": error.description}
        return {"status": statuses[-1], "body": body}
    whoami = session.get(f"{request['issuer']}/whoami")
    whoami.raise_for_status()
    return {"status": statuses[-1], "body": body, "whoami": whoami.json()}


print(json.dumps([run(request) for request in json.load(sys.stdin)]))
