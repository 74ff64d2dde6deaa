"""Compares the source of the command line's credentials with that of botocore, which the AWS CLI uses.

Usage: credential_sources.py COUNTERSIGN [SEED [COUNT]]

Writes random configuration files, selects a profile, and compares the access key that `countersign key show` signs
with. A server on this machine stands in for KMS and STS. Prints each difference with its files. The exit code is 1 if
there is one.
"""

import os
import random
import re
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import botocore.session

ROLE = "arn:aws:iam::111122223333:role"
CONFIG_HEADINGS = """
[default]|[profile default]|[profile p]|[profile "p"]|[profile 'p']|[profile p] # comment|[ profile p ]|[profile q]
[profile p q]|[profile "p q"]|[profile p\\ q]|[profile "p"q]|[profiles p]|[profilep]|  [profile p]|[p]|["p"]|[it's]
[profile p#x]|[services s]|[sso-session p]|[plugins]
""".replace("\n", "|").strip("|").split("|")
CREDENTIALS_HEADINGS = ["[default]", "[p]", "[q]", "[p q]", '["p"]', "[profile p]", "[ p ]", "[p] ; comment"]


class Service(BaseHTTPRequestHandler):
    """KMS without keys, and STS. The access keys that sign requests to KMS are kept."""

    access_keys = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        key = re.search("Credential=([^/]+)", self.headers.get("authorization", ""))
        key = key.group(1) if key else "TOKEN"
        action = re.search("Action=(AssumeRole[A-Za-z]*)", body)
        if action:
            response = (
                "<{0}Response><{0}Result><Credentials><AccessKeyId>ROLEOF{1}</AccessKeyId>"
                "<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
                "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{0}Result></{0}Response>"
            ).format(action.group(1), key)
        else:
            self.access_keys.append(key)
            response = '{"Aliases": [], "Truncated": false}'
        self.send_response(200)
        self.send_header("content-length", str(len(response)))
        self.end_headers()
        self.wfile.write(response.encode())

    def log_message(self, *_):
        pass


def properties(choose, token):
    """The lines of one source of credentials, or of something else that a section can have."""
    key = choose("ABCD") + choose("0123456789")
    process = '{"Version": 1, "AccessKeyId": "PROCESS%s", "SecretAccessKey": "s"}' % key
    return choose(
        [
            [f"aws_access_key_id = {key}", "aws_secret_access_key = s"],
            [f"AWS_ACCESS_KEY_ID:{key}", "aws_secret_access_key: s"],
            [f"  aws_access_key_id = {key}", "  aws_secret_access_key = s"],
            [f"aws_access_key_id = {key}"],
            ["aws_session_token = t"],
            [f"credential_process = echo '{process}'"],
            [f"role_arn = {ROLE}/a", f"source_profile = {choose(['p', 'q', 'p q', 'default', 'nowhere'])}"],
            [f"role_arn = {ROLE}/b", f"web_identity_token_file = {token}"],
            [f"role_arn = {ROLE}/c", "credential_source = Environment"],
            [f"web_identity_token_file = {token}"],
            ["source_profile = p"],
            ["sso_account_id = 111122223333"],
            ["services = s"],
            ["region = us-east-1"],
            ["duration_seconds = 900"],
            ["s3 =", "  max_queue_size = 3"],
            ["output = json", "", "  continued"],
            ["no value"],
            ["empty ="],
            ["# comment"],
            [""],
        ]
    )


def file(rng, headings, token):
    lines = []
    for _ in range(rng.randrange(1, 5)):
        lines.append(rng.choice(headings))
        for _ in range(rng.randrange(4)):
            lines += properties(rng.choice, token)
    return "\n".join(lines) + "\n"


def of_botocore(profile):
    try:
        credentials = botocore.session.Session(profile=profile).get_credentials()
        return credentials.get_frozen_credentials().access_key if credentials else None
    except Exception:  # Of many kinds: the AWS CLI prints each of them.
        return None


def of_countersign(program, profile, environment):
    Service.access_keys.clear()
    option = ["--profile", profile] if profile else []
    command = [program, "key", "show", "alias/a", *option]
    output = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    lines = [line for line in output.stderr.splitlines() if not line.startswith("note: ")]
    if len(lines) != 1:
        return f"{len(lines)} lines of errors: {output.stderr}"
    return Service.access_keys[0] if Service.access_keys else None


def main():
    program = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    rng = random.Random(seed)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Such as those that record what the program prints.
    outer, differences = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}, 0
    with tempfile.TemporaryDirectory() as home:
        os.mkdir(f"{home}/.aws")
        token = f"{home}/token"
        with open(token, "w") as out:
            out.write("token")
        for _ in range(count):
            files = {"config": file(rng, CONFIG_HEADINGS, token)}
            files["credentials"] = file(rng, CREDENTIALS_HEADINGS, token) if rng.random() < 0.6 else ""
            for name, text in files.items():
                with open(f"{home}/.aws/{name}", "w") as out:
                    out.write(text)
            environment = {
                **outer,
                "HOME": home,
                "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_MAX_ATTEMPTS": "1",
            }
            if rng.random() < 0.3:
                environment |= {"AWS_ACCESS_KEY_ID": "ENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "s"}
            if rng.random() < 0.3:
                environment |= {"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": f"{ROLE}/d"}
            profile = rng.choice(["p", "p", "q", "p q", "default", None])
            if profile and rng.random() < 0.5:
                environment["AWS_PROFILE"] = profile
                profile = None
            os.environ.clear()
            os.environ.update(environment)
            expected, actual = of_botocore(profile), of_countersign(program, profile, environment)
            if expected != actual:
                differences += 1
                print(f"botocore: {expected}, countersign: {actual}, --profile {profile}, {environment}")
                for name, text in files.items():
                    print(f"--- {name}\n{text}")
    print(f"{count} comparisons, {differences} differences")
    sys.exit(1 if differences else 0)


main()
