"""A client of the Lambda Runtime API that handles one event at a time over one connection."""

import json
import os
from http.client import HTTPConnection

INVOCATION = "/2018-06-01/runtime/invocation"


def run(handler):
    # HTTPConnection sets TCP_NODELAY.
    connection = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        head, event = exchange(connection, "GET", "next")
        invocation = head["Lambda-Runtime-Aws-Request-Id"]
        try:
            # The functions do not use the context.
            outcome, answer = "response", handler(json.loads(event), None)
        except Exception as error:
            outcome = "error"
            answer = {"errorMessage": str(error), "errorType": type(error).__name__}
        exchange(connection, "POST", f"{invocation}/{outcome}", json.dumps(answer).encode())


def exchange(connection, method, path, body=None):
    connection.request(method, f"{INVOCATION}/{path}", body)
    response = connection.getresponse()
    return response.headers, response.read()
