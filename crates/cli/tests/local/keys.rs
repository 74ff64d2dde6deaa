//! `countersign key`: refused commands, which change nothing.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, process::Command};

use serde_json::{Value, json};

use crate::{BINARY, cloud::Cloud};

#[tokio::test(flavor = "multi_thread")]
async fn invalid_rings_and_arguments_are_reported_and_change_nothing() {
    let cloud = Cloud::start().await;
    let symmetric = cloud.create_key(&json!({}));
    let signing = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"});
    let disabled = cloud.create_key(&signing);
    let good = cloud.create_key(&signing);
    for (alias, key) in [
        ("alias/symmetric", &symmetric),
        ("alias/disabled", &disabled),
        ("alias/good", &good),
        ("alias/good-next", &good),
        ("alias/good-previous", &good),
        ("alias/both", &good),
        ("alias/both-next", &disabled),
        ("alias/both-previous", &disabled),
    ] {
        cloud.alias(alias, key);
    }
    cloud.kms.perform("DisableKey", &json!({"KeyId": disabled})).unwrap();
    let before = cloud.aws_cli_state();
    let rows = [
        ("key rotate alias/nobody", 3, "there is no alias/nobody"),
        ("key rotate alias/symmetric", 3, "KeySpec SYMMETRIC_DEFAULT, which does not sign tokens"),
        ("key rotate alias/disabled", 3, "which is Disabled: enable it"),
        ("key rotate alias/both", 3, "-next and -previous both point at"),
        ("key rotate alias/good --signing-algorithm RS256", 3, "does not sign with RS256"),
        ("key rotate alias/good --spec RSA_2048 --signing-algorithm ES256", 3, "KeySpec RSA_2048"),
        ("key rotate alias/good --publication-wait 1259", 2, "at least 1260 seconds"),
        ("key rotate alias/good --token-lifetime-max 1h", 2, "TOKEN_LIFETIME_MAX_SECONDS must be"),
        ("key rotate alias/good --spec HMAC_256", 2, "must be a KeySpec that signs tokens"),
        ("key rotate alias/good-next", 2, "must not end in -next or -previous"),
        ("key rotate good", 2, "must be alias/"),
        ("key create alias/good", 1, "alias/good already exists"),
        ("key rollback alias/good", 3, "was not promoted"),
        ("key create alias/new --administrator admin", 2, "must be the ARN of an IAM user or role"),
        ("key create alias/good --dry-run", 1, "alias/good already exists"),
        ("key show alias/nobody", 3, "there is no alias/nobody"),
        ("key show alias/disabled", 3, "The next step is blocked"),
        ("key list alias/nobody", 1, ""),
        ("jwks alias/nobody", 3, "no such key"),
        ("pem alias/symmetric", 3, "the key does not support the operation"),
        ("sign --key alias/disabled -", 3, "the key is not enabled"),
        ("sign --key alias/good --algorithm HS256 -", 2, "HS256"),
        ("verify --key alias/good --jwks keys.json -", 2, "cannot be used with"),
        ("verify --local --issuer us -", 2, "--key"),
        ("verify -", 2, "--issuer"),
        ("event nothing.json", 2, "nothing.json"),
    ];
    for (line, code, message) in rows {
        let (exit, out, error) = cloud.run(line, r#"{"exp":1911744000}"#);
        assert_eq!(exit, Some(code), "{line}: {out}{error}");
        assert!(format!("{out}{error}").contains(message), "{line}: {out}{error}");
    }
    assert_eq!(cloud.aws_cli_state(), before, "the commands changed the ring");
    let (code, out, _) = cloud.run("key show alias/missing --json", "");
    let out: Value = serde_json::from_str(&out).unwrap();
    assert!(code == Some(3) && out["error"].as_str().unwrap().contains("alias/missing"), "{out}");
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl";
    for line in ["verify --key=TOKEN -", "sign --key alias/good TOKEN", "event TOKEN", "jwks TOKEN"]
    {
        let (code, out, error) = cloud.run(&line.replace("TOKEN", token), "");
        assert!(matches!(code, Some(2 | 3)), "{line}: {code:?}");
        assert!(!format!("{out}{error}").contains(token), "{line}: {out}{error}");
    }
    let not_utf8 = OsStr::from_bytes(b"\xff");
    for arguments in [[OsStr::new("inspect"), not_utf8], [OsStr::new("jwks"), not_utf8]] {
        let mut command = Command::new(BINARY);
        let output =
            testing::run_recorded(command.args(arguments).env("NOT_UTF8", not_utf8), b"").unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(cloud.json("key list").as_array().unwrap().len(), 7);
    let dry = cloud.succeed("key rotate alias/good --dry-run", "");
    assert!(dry.contains("would create a key of KeySpec ECC_NIST_P256"), "{dry}");
    assert_eq!(cloud.aws_cli_state(), before, "a dry run changed the ring");
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_creation_of_a_ring_leaves_no_key() {
    let cloud = Cloud::start().await;
    let before = cloud.kms.perform("ListKeys", &json!({})).unwrap();
    let key = cloud.create_key(&json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}));
    cloud.alias("alias/new-next", &key);
    let (code, out, _) = cloud.run("key create alias/new --yes", "");
    assert_eq!((code, out.contains("alias/new-next already exists")), (Some(1), true), "{out}");
    let after = cloud.kms.perform("ListKeys", &json!({})).unwrap();
    let count = |keys: &Value| keys["Keys"].as_array().unwrap().len();
    assert_eq!(count(&after), count(&before) + 1, "only the key of this test was created");
}
