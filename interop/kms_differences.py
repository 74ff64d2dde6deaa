"""Compares the local KMS with the documentation of AWS KMS.

Usage: kms_differences.py ENDPOINT_URL

Calls the operations with boto3 and the AWS CLI. What KMS documents comes from two sources: the service
model in botocore has the members, limits, enumerations and errors of each operation; what a model cannot
state stands beside the call, from the KMS API reference and developer guide. Each difference is printed
with its explanation. The exit code is 1 if a difference has none.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "us-east-1"
ACCOUNT = "000000000000"
SUCCESS = "success"
INVALID = "ValidationException"

# "HTTP Status Code" of each error in the API reference. Every other error has 400.
STATUS_500 = {"DependencyTimeoutException", "KeyUnavailableException", "KMSInternalException"}
# The examples of the AWS CLI show it without a message.
WITHOUT_MESSAGE = {"KMSInvalidSignatureException"}
# "Common Errors" in the API reference, and those that the protocol adds.
COMMON_ERRORS = {
    "AccessDeniedException",
    "NotAuthorizedException",
    "SerializationException",
    "ThrottlingException",
    "UnknownOperationException",
    INVALID,
}

# Why a difference is intended: the operation, or * for every one, and the case.
EXPLANATIONS = {
    ("*", "operation"): "only the operations that signing keys need exist",
    ("*", "GrantTokens"): "grant tokens are not read: a grant has effect at once",
    ("*", "GranteeServicePrincipal"): "grants are to principals of the account",
    ("*", "RetiringServicePrincipal"): "grants are to principals of the account",
    ("ListKeys", "ResourceOwners"): "there is one account",
    ("CreateKey", "KeySpec HMAC_256"): "no key that cannot sign tokens",
    ("CreateKey", "KeyUsage KEY_AGREEMENT"): "no key that cannot sign tokens",
    ("CreateKey", "Origin EXTERNAL"): "key material is created here",
    ("CreateKey", "MultiRegion"): "there is one Region",
    ("CreateGrant", "Constraints"): "they apply to encryption contexts",
}


class Kms:
    """A client that records the body and the status of each response."""

    def __init__(self, endpoint):
        config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
        self.client = boto3.client(
            "kms",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id="interop",
            aws_secret_access_key="interop",
            config=config,
        )
        self.model = self.client.meta.service_model
        self.client.meta.events.register("before-parse.kms", self.record)
        self.body, self.status = {}, 0

    def record(self, response_dict, **_):
        self.body = json.loads(response_dict["body"] or b"{}")
        self.status = response_dict["status_code"]

    def call(self, operation, **members):
        """The code of the error, or `success`, and the response."""
        try:
            response = getattr(self.client, xform_name(operation))(**members)
            return SUCCESS, response
        except ClientError as error:
            return error.response["Error"]["Code"], error.response


class Report:
    """The rows of the table, and how many comparisons there were."""

    def __init__(self):
        self.rows, self.comparisons = [], 0

    def compare(self, operation, case, documented, local):
        """Adds a row if the local KMS does not do what is documented."""
        self.comparisons += 1
        if documented == local:
            return
        reason = EXPLANATIONS.get((operation, case)) or EXPLANATIONS.get(("*", case))
        row = (operation, case, str(documented), str(local), reason or "UNEXPLAINED")
        if row not in self.rows:
            self.rows.append(row)

    def unexplained(self):
        return [row for row in self.rows if row[-1] == "UNEXPLAINED"]

    def print(self):
        header = ("operation", "case", "documented", "local", "explanation")
        widths = [max(len(row[i]) for row in [header, *self.rows]) for i in range(len(header))]
        for row in [header, tuple("-" * width for width in widths), *self.rows]:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        print(f"\n{self.comparisons} comparisons, {len(self.rows)} differences, ", end="")
        print(f"{len(self.unexplained())} unexplained")


def check_response(kms, report, operation, case, outcome):
    """Compares the last response with the model: its members or its error, and its status."""
    model = kms.model.operation_model(operation)
    if outcome == SUCCESS:
        report.compare(operation, f"{case}: status", 200, kms.status)
        unknown = unknown_members(kms.body, model.output_shape)
        report.compare(operation, f"{case}: unknown members", [], unknown)
        return
    status = 500 if outcome in STATUS_500 else 400
    report.compare(operation, f"{case}: status of {outcome}", status, kms.status)
    documented = {shape.metadata.get("error", {}).get("code", shape.name) for shape in model.error_shapes}
    is_documented = outcome in documented | COMMON_ERRORS
    report.compare(operation, f"{case}: {outcome}", "documented", "documented" if is_documented else "not")
    if outcome not in WITHOUT_MESSAGE:
        report.compare(operation, f"{case}: has a message", True, bool(kms.body.get("message")))


def unknown_members(value, shape, path=""):
    """The members of a response that the model does not have."""
    if shape is None:
        return sorted(value)
    if shape.type_name == "structure":
        found = [f"{path}{name}" for name in value if name not in shape.members]
        known = [(name, each) for name, each in value.items() if name in shape.members]
        for name, each in known:
            found += unknown_members(each, shape.members[name], f"{path}{name}.")
        return sorted(found)
    if shape.type_name == "list":
        return sorted({name for each in value for name in unknown_members(each, shape.member, path)})
    return []


def invalid_values(shape):
    """Values that violate the constraints of a shape, by name."""
    limits = shape.metadata
    if shape.type_name == "string":
        if limits.get("enum"):
            yield "an unknown value", "UNKNOWN"
            return
        if "max" in limits:
            yield "too long", "a" * (limits["max"] + 1)
        if limits.get("min", 0) > 0:
            yield "empty", ""
    elif shape.type_name == "blob":
        if "max" in limits:
            yield "too long", b"a" * (limits["max"] + 1)
        if limits.get("min", 0) > 0:
            yield "empty", b""
    elif shape.type_name == "integer":
        if "max" in limits:
            yield "too large", limits["max"] + 1
        if "min" in limits:
            yield "too small", limits["min"] - 1
    elif shape.type_name == "list":
        if "max" in limits:
            yield "too many", ["a"] * (limits["max"] + 1)
        if shape.member.type_name == "string":
            for name, value in invalid_values(shape.member):
                yield f"an item that is {name}", [value]


def compare_constraints(kms, report, requests):
    """Violates each constraint of the model in an otherwise valid request."""
    for operation, request in requests.items():
        shape = kms.model.operation_model(operation).input_shape
        for member in shape.required_members:
            members = {name: value for name, value in request.items() if name != member}
            outcome, _ = kms.call(operation, **members)
            report.compare(operation, f"without {member}", INVALID, outcome)
        for member, member_shape in shape.members.items():
            is_unread = any((name, member) in EXPLANATIONS for name in [operation, "*"])
            for name, value in invalid_values(member_shape):
                outcome, _ = kms.call(operation, **{**request, member: value})
                case = member if is_unread else f"{member} {name}"
                report.compare(operation, case, INVALID, outcome)
                if outcome == INVALID:
                    check_response(kms, report, operation, case, outcome)
    for name, value in [("TagKey", "a" * 129), ("TagKey", ""), ("TagValue", "a" * 257)]:
        tag = {"TagKey": "a", "TagValue": "b", name: value}
        outcome, _ = kms.call("TagResource", **{**requests["TagResource"], "Tags": [tag]})
        report.compare("TagResource", f"{name} of {len(value)} characters", INVALID, outcome)


def compare_operations(kms, report):
    """Operations that the local KMS lacks."""
    supported = valid_requests(kms)
    missing = [name for name in kms.model.operation_names if name not in supported]
    for operation in missing:
        outcome, _ = kms.call(operation)
        has_operation = outcome != "UnknownOperationException"
        report.compare(operation, "operation", "exists", "exists" if has_operation else outcome)


def create_key(kms, spec="ECC_NIST_P256", usage="SIGN_VERIFY"):
    outcome, response = kms.call("CreateKey", KeySpec=spec, KeyUsage=usage)
    assert outcome == SUCCESS, response
    return response["KeyMetadata"]["KeyId"]


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(principal, action):
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*"}


ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service"


def compare_behaviour(kms, report):
    """What the API reference and the developer guide state about single calls."""

    def expect(operation, case, documented, **members):
        outcome, response = kms.call(operation, **members)
        report.compare(operation, case, documented, outcome)
        if outcome == documented:
            check_response(kms, report, operation, case, outcome)
        return response

    ec, rsa = create_key(kms), create_key(kms, "RSA_2048")
    encrypting = create_key(kms, "RSA_2048", "ENCRYPT_DECRYPT")
    symmetric = create_key(kms, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    arn = f"arn:aws:kms:{REGION}:{ACCOUNT}"

    # Keys
    for spec in ["RSA_3072", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519",
                 "ML_DSA_44", "ML_DSA_65", "ML_DSA_87"]:
        expect("CreateKey", f"KeySpec {spec}", SUCCESS, KeySpec=spec, KeyUsage="SIGN_VERIFY")
    expect("CreateKey", "KeySpec HMAC_256", SUCCESS, KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    expect("CreateKey", "KeyUsage KEY_AGREEMENT", SUCCESS, KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")
    expect("CreateKey", "no KeyUsage for an asymmetric key", INVALID, KeySpec="ECC_NIST_P256")
    expect("CreateKey", "a curve for encryption", INVALID, KeySpec="ECC_NIST_P256", KeyUsage="ENCRYPT_DECRYPT")
    expect("CreateKey", "Origin EXTERNAL", SUCCESS, Origin="EXTERNAL")
    expect("CreateKey", "MultiRegion", SUCCESS, MultiRegion=True)
    expect("CreateKey", "a tag of aws:", "TagException", Tags=[{"TagKey": "aws:a", "TagValue": ""}])
    expect("CreateKey", "a policy that is not JSON", "MalformedPolicyDocumentException", Policy="{")
    locked = policy(allow(ROLE, "kms:*"))
    expect("CreateKey", "a policy that locks out", "MalformedPolicyDocumentException", Policy=locked)
    expect("CreateKey", "a policy that locks out, without the check", SUCCESS, Policy=locked,
           BypassPolicyLockoutSafetyCheck=True)
    for name in [ec, f"{arn}:key/{ec}"]:
        expect("DescribeKey", "by id or ARN", SUCCESS, KeyId=name)
    expect("DescribeKey", "an unknown key", "NotFoundException", KeyId="00000000-0000-0000-0000-000000000000")
    expect("DescribeKey", "another account's key", "NotFoundException",
           KeyId=f"arn:aws:kms:{REGION}:111122223333:key/{ec}")
    expect("ListKeys", "all", SUCCESS)

    # Signatures
    message = {"Message": b"message", "SigningAlgorithm": "ECDSA_SHA_256"}
    signed = expect("Sign", "RAW", SUCCESS, KeyId=ec, **message)
    expect("Verify", "RAW", SUCCESS, KeyId=ec, Signature=signed["Signature"], **message)
    other = {**message, "Message": b"another"}
    forged = "KMSInvalidSignatureException"
    expect("Verify", "another message", forged, KeyId=ec, Signature=signed["Signature"], **other)
    expect("Verify", "a signature that is not DER", forged, KeyId=ec, Signature=b"\1" * 64, **message)
    digest = {**message, "Message": b"\0" * 32, "MessageType": "DIGEST"}
    expect("Sign", "DIGEST", SUCCESS, KeyId=ec, **digest)
    expect("Sign", "a digest of another length", INVALID, KeyId=ec, **{**digest, "Message": b"\0" * 31})
    expect("Sign", "4096 bytes", SUCCESS, KeyId=ec, **{**message, "Message": b"a" * 4096})
    usage = "InvalidKeyUsageException"
    expect("Sign", "an algorithm of another KeySpec", usage, KeyId=rsa, **message)
    expect("Sign", "a key for encryption", usage, KeyId=encrypting,
           **{**message, "SigningAlgorithm": "RSASSA_PSS_SHA_256"})
    expect("Sign", "DryRun", "DryRunOperationException", KeyId=ec, DryRun=True, **message)
    expect("Verify", "DryRun", "DryRunOperationException", KeyId=ec, DryRun=True, Signature=signed["Signature"],
           **message)
    expect("GetPublicKey", "an asymmetric key", SUCCESS, KeyId=ec)
    expect("GetPublicKey", "a symmetric key", "UnsupportedOperationException", KeyId=symmetric)

    # Aliases
    expect("CreateAlias", "a new name", SUCCESS, AliasName="alias/interop", TargetKeyId=ec)
    expect("CreateAlias", "an existing name", "AlreadyExistsException", AliasName="alias/interop", TargetKeyId=rsa)
    expect("CreateAlias", "no prefix", INVALID, AliasName="interop", TargetKeyId=ec)
    expect("CreateAlias", "alias/aws/", "NotAuthorizedException", AliasName="alias/aws/a", TargetKeyId=ec)
    for name in ["alias/interop", f"{arn}:alias/interop"]:
        expect("DescribeKey", "by alias", SUCCESS, KeyId=name)
    expect("UpdateAlias", "a key of another KeySpec", SUCCESS, AliasName="alias/interop", TargetKeyId=rsa)
    expect("UpdateAlias", "a key of another KeyUsage", INVALID, AliasName="alias/interop", TargetKeyId=encrypting)
    expect("UpdateAlias", "an unknown name", "NotFoundException", AliasName="alias/none", TargetKeyId=ec)
    expect("ListAliases", "of a key", SUCCESS, KeyId=rsa)
    expect("ListAliases", "Limit 100", SUCCESS, Limit=100)
    expect("ListAliases", "Limit 101", INVALID, Limit=101)
    expect("DeleteAlias", "an existing name", SUCCESS, AliasName="alias/interop")
    expect("DeleteAlias", "an unknown name", "NotFoundException", AliasName="alias/interop")

    # Tags
    tags = [{"TagKey": f"tag{number:02}", "TagValue": ""} for number in range(51)]
    expect("TagResource", "50 tags", SUCCESS, KeyId=ec, Tags=tags[:50])
    expect("TagResource", "a 51st tag", "LimitExceededException", KeyId=ec, Tags=tags[50:])
    expect("TagResource", "51 tags", "TagException", KeyId=rsa, Tags=tags)
    expect("TagResource", "two of a name", "TagException", KeyId=rsa, Tags=[tags[0], tags[0]])
    page = expect("ListResourceTags", "a page", SUCCESS, KeyId=ec, Limit=30)
    report.compare("ListResourceTags", "first page", (30, True), (len(page["Tags"]), page["Truncated"]))
    page = expect("ListResourceTags", "a second page", SUCCESS, KeyId=ec, Limit=30, Marker=page["NextMarker"])
    report.compare("ListResourceTags", "second page", (20, False), (len(page["Tags"]), page["Truncated"]))
    expect("ListResourceTags", "Limit 51", INVALID, KeyId=ec, Limit=51)

    # Grants
    grant = {"KeyId": ec, "GranteePrincipal": ROLE, "Operations": ["Sign"], "RetiringPrincipal": ROOT}
    expect("CreateGrant", "DryRun", "DryRunOperationException", DryRun=True, **grant)
    granted = expect("CreateGrant", "Sign", SUCCESS, **grant)
    expect("CreateGrant", "an operation of other keys", INVALID, **{**grant, "Operations": ["Encrypt"]})
    expect("CreateGrant", "Constraints", SUCCESS, **{**grant, "KeyId": symmetric, "Operations": ["Encrypt"]},
           Constraints={"EncryptionContextSubset": {"a": "b"}})
    expect("CreateGrant", "a principal that is no ARN", "InvalidArnException", **{**grant, "GranteePrincipal": "a"})
    expect("ListGrants", "of a key", SUCCESS, KeyId=ec)
    expect("ListGrants", "Limit 101", INVALID, KeyId=ec, Limit=101)
    expect("ListRetirableGrants", "of a principal", SUCCESS, RetiringPrincipal=ROOT)
    expect("RetireGrant", "DryRun", "DryRunOperationException", GrantToken=granted["GrantToken"], DryRun=True)
    expect("RetireGrant", "a token of no grant", "InvalidGrantTokenException", GrantToken="a")
    expect("RetireGrant", "by token", SUCCESS, GrantToken=granted["GrantToken"])
    granted = expect("CreateGrant", "again", SUCCESS, **grant)
    names = {"KeyId": ec, "GrantId": granted["GrantId"]}
    expect("RevokeGrant", "DryRun", "DryRunOperationException", DryRun=True, **names)
    expect("RevokeGrant", "by id", SUCCESS, **names)
    expect("RevokeGrant", "an unknown grant", "NotFoundException", **names)

    # Key policies
    mine = policy(allow(ROOT, "kms:*"))
    expect("PutKeyPolicy", "default", SUCCESS, KeyId=ec, PolicyName="default", Policy=mine)
    stored = expect("GetKeyPolicy", "default", SUCCESS, KeyId=ec, PolicyName="default")
    report.compare("GetKeyPolicy", "the stored policy", mine, stored["Policy"])
    expect("GetKeyPolicy", "another name", "NotFoundException", KeyId=ec, PolicyName="other")
    expect("PutKeyPolicy", "another name", "UnsupportedOperationException", KeyId=ec, PolicyName="other", Policy=mine)
    expect("PutKeyPolicy", "one that locks out", "MalformedPolicyDocumentException", KeyId=ec, Policy=locked)
    long = mine + " " * (32 * 1024 + 1 - len(mine))
    expect("PutKeyPolicy", "more than 32 KB", "LimitExceededException", KeyId=ec, Policy=long)

    # Key states
    expect("DisableKey", "an enabled key", SUCCESS, KeyId=ec)
    for operation in ["Sign", "GetPublicKey"]:
        members = message if operation == "Sign" else {}
        expect(operation, "a disabled key", "DisabledException", KeyId=ec, **members)
    expect("EnableKey", "a disabled key", SUCCESS, KeyId=ec)
    expect("ScheduleKeyDeletion", "6 days", INVALID, KeyId=ec, PendingWindowInDays=6)
    expect("ScheduleKeyDeletion", "31 days", INVALID, KeyId=ec, PendingWindowInDays=31)
    expect("CancelKeyDeletion", "a key that is not deleted", "KMSInvalidStateException", KeyId=ec)
    expect("ScheduleKeyDeletion", "7 days", SUCCESS, KeyId=ec, PendingWindowInDays=7)
    described = expect("DescribeKey", "a key pending deletion", SUCCESS, KeyId=ec)
    report.compare("DescribeKey", "KeyState", "PendingDeletion", described["KeyMetadata"]["KeyState"])
    for operation in ["Sign", "GetPublicKey", "EnableKey", "DisableKey", "ScheduleKeyDeletion"]:
        members = message if operation == "Sign" else {}
        expect(operation, "a key pending deletion", "KMSInvalidStateException", KeyId=ec, **members)
    expect("CancelKeyDeletion", "a key pending deletion", SUCCESS, KeyId=ec)
    described = expect("DescribeKey", "a key that stays", SUCCESS, KeyId=ec)
    report.compare("DescribeKey", "KeyState after", "Disabled", described["KeyMetadata"]["KeyState"])


def valid_requests(kms):
    """A valid request of each operation whose constraints are violated, with a key that nothing changes."""
    key = create_key(kms)
    message = {"KeyId": key, "Message": b"a", "SigningAlgorithm": "ECDSA_SHA_256"}
    grant = {"KeyId": key, "GrantId": "a"}
    return {
        "CancelKeyDeletion": {"KeyId": key},
        "CreateAlias": {"AliasName": "alias/constraint", "TargetKeyId": key},
        "CreateGrant": {"KeyId": key, "GranteePrincipal": ROLE, "Operations": ["Sign"]},
        "CreateKey": {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
        "DeleteAlias": {"AliasName": "alias/constraint"},
        "DescribeKey": {"KeyId": key},
        "DisableKey": {"KeyId": key},
        "EnableKey": {"KeyId": key},
        "GetKeyPolicy": {"KeyId": key},
        "GetPublicKey": {"KeyId": key},
        "ListAliases": {},
        "ListGrants": {"KeyId": key},
        "ListKeys": {},
        "ListResourceTags": {"KeyId": key},
        "ListRetirableGrants": {"RetiringPrincipal": ROLE},
        "PutKeyPolicy": {"KeyId": key, "Policy": policy(allow(ROOT, "kms:*"))},
        "RetireGrant": grant,
        "RevokeGrant": grant,
        "ScheduleKeyDeletion": {"KeyId": key},
        "Sign": message,
        "TagResource": {"KeyId": key, "Tags": [{"TagKey": "a", "TagValue": "b"}]},
        "UpdateAlias": {"AliasName": "alias/constraint", "TargetKeyId": key},
        "Verify": {**message, "Signature": b"a"},
    }


def file(folder, contents):
    """The path of a new file with these contents."""
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as created:
        created.write(contents)
    return created.name


def compare_cli(endpoint, report, folder):
    """The same life of a key with the AWS CLI."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "AWS_ACCESS_KEY_ID": "interop",
        "AWS_SECRET_ACCESS_KEY": "interop",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_KMS": endpoint,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_PAGER": "",
    }

    def run(operation, documented, *arguments):
        command = ["aws", "kms", xform_name(operation, "-"), "--output", "json", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        message = f"({documented}) when calling the {operation} operation: "
        has_message = documented == SUCCESS or message in done.stderr
        outcome = documented if (done.returncode == 0) == (documented == SUCCESS) and has_message else done.stderr
        report.compare(operation, "AWS CLI", documented, outcome.strip())
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else {}

    created = run("CreateKey", SUCCESS, "--key-spec", "RSA_2048", "--key-usage", "SIGN_VERIFY",
                  "--tags", "TagKey=a,TagValue=b")
    key = created["KeyMetadata"]["KeyId"]
    run("CreateAlias", SUCCESS, "--alias-name", "alias/cli", "--target-key-id", key)
    listed = run("ListAliases", SUCCESS, "--key-id", key)
    names = [alias["AliasName"] for alias in listed.get("Aliases", [])]
    report.compare("ListAliases", "names with the AWS CLI", ["alias/cli"], names)
    # Version 1 of the AWS CLI takes bytes where version 2 takes base64: both read files alike.
    message = ["--message", f"fileb://{file(folder, b'message')}", "--signing-algorithm", "RSASSA_PSS_SHA_256"]
    signed = run("Sign", SUCCESS, "--key-id", "alias/cli", *message)
    signature = file(folder, base64.b64decode(signed["Signature"]))
    run("Verify", SUCCESS, "--key-id", "alias/cli", *message, "--signature", f"fileb://{signature}")
    run("GetPublicKey", SUCCESS, "--key-id", "alias/cli")
    run("ListResourceTags", SUCCESS, "--key-id", key)
    run("GetKeyPolicy", SUCCESS, "--key-id", key, "--policy-name", "default")
    run("GetKeyPolicy", "NotFoundException", "--key-id", key, "--policy-name", "other")
    run("DisableKey", SUCCESS, "--key-id", key)
    run("Sign", "DisabledException", "--key-id", key, *message)
    run("ScheduleKeyDeletion", SUCCESS, "--key-id", key, "--pending-window-in-days", "7")
    run("EnableKeyRotation", "UnknownOperationException", "--key-id", key)


def main():
    (endpoint,) = sys.argv[1:]
    kms, report = Kms(endpoint), Report()
    compare_behaviour(kms, report)
    compare_constraints(kms, report, valid_requests(kms))
    compare_operations(kms, report)
    with tempfile.TemporaryDirectory() as folder:
        compare_cli(endpoint, report, folder)
    report.print()
    sys.exit(1 if report.unexplained() else 0)


if __name__ == "__main__":
    main()
