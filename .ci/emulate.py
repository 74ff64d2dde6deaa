"""The packages of `sam build`, under the Lambda Runtime Interface Emulator of the SAM CLI.

emulate.py EMULATOR COUNTERSIGN: every file in events/ is sent to its function, and every event for
the authorizer once more with a good token in it. KMS is `countersign local`'s, which holds the
functions to the roles of template.yaml. What the processes write, and the tokens, is kept where
COUNTERSIGN_EVIDENCE says, for the check of the logs.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

emulator, countersign = sys.argv[1:]
build = Path(".aws-sam/build")
evidence = os.environ.get("COUNTERSIGN_EVIDENCE")
ISSUER = "https://issuer.example"
TOKEN = r"eyJ[\w-]+\.[\w-]+\.[\w-]+"


def refused(answer):
    return answer.get("errorMessage") == "Unauthorized"


def allowed(answer):
    statement = answer["policyDocument"]["Statement"][0]
    return statement["Effect"] == "Allow" and answer["principalId"] == "test-user"


def token(answer):
    return answer["access_token"].count(".") == 2 and answer["expires_in"] == 900


def proxied(check):
    return lambda answer: answer["statusCode"] == 200 and check(json.loads(answer["body"]))


EXPECTED = {
    "authorize-expired.json": ("Authorizer", refused),
    "authorize-http-api.json": ("Authorizer", refused),
    "authorize-no-credentials.json": ("Authorizer", refused),
    "authorize-token.json": ("Authorizer", refused),
    "authorize-websocket.json": ("Authorizer", refused),
    "issue-invoke.json": ("Issuer", token),
    "issue-jwks.json": ("Issuer", proxied(lambda body: body["keys"][0]["alg"] == "RS256")),
    "issue-post-token.json": ("Issuer", proxied(token)),
    "rotate.json": ("Rotator", lambda answer: answer["next"] == "prepare"),
}


def keep(name, text):
    if evidence:
        with Path(evidence, f"emulated-{name}").open("a") as file:
            file.write(text)


def invoke(event):
    url = "http://127.0.0.1:9180/2015-03-31/functions/function/invocations"
    deadline = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(url, event.encode(), timeout=30) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def emulated(function, settings, events):
    """The function's answers to the events."""
    command = [emulator, "--runtime-interface-emulator-address", "127.0.0.1:9180"]
    command += ["--runtime-api-address", "127.0.0.1:9101", "./bootstrap"]
    role = {"AWS_ACCESS_KEY_ID": f"{function}Role", "AWS_SECRET_ACCESS_KEY": "local"}
    process = subprocess.Popen(
        command,
        cwd=build / function,
        env={**settings, **role},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    reader = threading.Thread(target=lambda: keep(f"{function}.log", process.stdout.read()))
    reader.start()
    try:
        return [invoke(event) for event in events]
    finally:
        os.killpg(process.pid, 9)
        process.wait()
        reader.join()


def main():
    files = sorted(path.name for path in Path("events").iterdir())
    assert files == sorted(EXPECTED), "each file in events/ has its answer here"
    local = subprocess.Popen(
        [countersign, "local", "--port", "0", "--kms-port", "0"]
        + ["--parameter-overrides", "RotationDays=90"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        kms = next(found for line in local.stdout if (found := re.match(r"KMS\s+(\S+)", line)))
        settings = {
            "KEY_ALIAS": "alias/countersign",
            "TOKEN_ISSUER": ISSUER,
            "ROTATION_DAYS": "90",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_KMS": kms[1],
        }
        credentials = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        cases = [(name, *EXPECTED[name], Path("events", name).read_text()) for name in files]
        for name, (function, _) in EXPECTED.items():
            if function == "Authorizer" and name != "authorize-no-credentials.json":
                event = subprocess.run(
                    [countersign, "event", f"events/{name}"],
                    env={**settings, **credentials},
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
                keep("tokens.secrets", "\n".join(re.findall(TOKEN, event)) + "\n")
                cases.append((f"{name} with a good token", function, allowed, event))
        wrong = 0
        for function in sorted({function for _, function, _, _ in cases}):
            own = [case for case in cases if case[1] == function]
            answers = emulated(function, settings, [event for *_, event in own])
            for (name, _, expected, _), answer in zip(own, answers, strict=True):
                good = expected(answer)
                wrong += not good
                print(f"{'ok  ' if good else 'WRONG'} {function} {name}" + ("" if good else f": {answer}"))
        return f"{wrong} answers are wrong" if wrong else None
    finally:
        local.terminate()
        keep("local.log", local.communicate()[0])


sys.exit(main())
