"""The packages of `sam build` under the Lambda Runtime Interface Emulator of the SAM CLI, and the
authorizer under `cargo lambda watch`.

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


def invoke(event, port=9180, function="function"):
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/{function}/invocations"
    deadline = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(url, event.encode(), timeout=300) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            # How `cargo lambda watch` passes on an error of the function.
            return json.load(error)
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def emulated(function, settings, events):
    """The function's answers to the events."""
    command = [emulator, "--runtime-interface-emulator-address", "127.0.0.1:9180"]
    command += ["--runtime-api-address", "127.0.0.1:9101", "./bootstrap"]
    environment = {**settings, **role(function)}
    return served(function, command, build / function, environment, lambda: map(invoke, events))


def watched(settings, events):
    """The authorizer's answers under `cargo lambda watch`, and those of `cargo lambda invoke`."""
    address = ["--invoke-address", "127.0.0.1", "--invoke-port", "9190"]
    command = ["cargo", "lambda", "watch", "--ignore-changes", *address]
    environment = {**os.environ, **settings, **role("Authorizer")}

    def ask():
        answers = [invoke(event, 9190, "authorizer") for event in events]
        told = subprocess.run(
            ["cargo", "lambda", "invoke", *address, "authorizer", "--data-ascii", events[-1]],
            check=True,
            capture_output=True,
            text=True,
        )
        return [*answers, json.loads(told.stdout)]

    return served("watch", command, ".", environment, ask)


def role(function):
    """The credentials by which the local KMS knows the function and its role."""
    return {"AWS_ACCESS_KEY_ID": function, "AWS_SECRET_ACCESS_KEY": "local"}


def served(name, command, folder, environment, ask):
    """What `ask` returns while the command runs."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    reader = threading.Thread(target=lambda: keep(f"{name}.log", process.stdout.read()))
    reader.start()
    try:
        return list(ask())
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

        def check(where, name, expected, answer):
            nonlocal wrong
            good = expected(answer)
            wrong += not good
            print(f"{'ok  ' if good else 'WRONG'} {where} {name}" + ("" if good else f": {answer}"))

        for function in sorted({function for _, function, _, _ in cases}):
            own = [case for case in cases if case[1] == function]
            answers = emulated(function, settings, [event for *_, event in own])
            for (name, _, expected, _), answer in zip(own, answers, strict=True):
                check(function, name, expected, answer)
        own = [case for case in cases if case[1] == "Authorizer"]
        answers = watched(settings, [event for *_, event in own])
        own.append(("cargo lambda invoke", "Authorizer", allowed, ""))
        for (name, _, expected, _), answer in zip(own, answers, strict=True):
            check("cargo lambda watch", name, expected, answer)
        return f"{wrong} answers are wrong" if wrong else None
    finally:
        local.terminate()
        keep("local.log", local.communicate()[0])


sys.exit(main())
