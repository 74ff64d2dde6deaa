//! Tokens of the stack and of other programs: the AWS CLI, `openssl`, and public keys in files.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jwt::{Jwk, PublicKey};
use local::{Request, http};
use serde_json::{Value, json};

use crate::{ALIAS, Local, command, run, run_with_input, to_text};

#[tokio::test]
async fn new_token_is_verified_with_the_public_key() {
    let local = Local::start(&[]);
    let token = local.token().await;
    let request = Request::post("/").header("x-amz-target", "TrentService.GetPublicKey");
    let request = request.body(json!({"KeyId": ALIAS}).to_string().into()).unwrap();
    let answer = http::send(local.kms, request).await.unwrap();
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    let spki = STANDARD.decode(answer["PublicKey"].as_str().unwrap()).unwrap();
    let key = PublicKey::from_spki(&spki).unwrap();
    let id = answer["KeyId"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let jwk = Jwk { key_id: Some(id), ..Jwk::new(key) };
    let file = env::temp_dir().join(format!("countersign-key-{}.json", std::process::id()));
    fs::write(&file, jwk.to_json().to_string()).unwrap();
    let name = file.display().to_string();
    let issuer = format!("http://{}", local.api);
    let rows: [(&str, &[&str], i32); 5] = [
        ("no options", &[], 0),
        ("the issuer of the token", &["--issuer", &*issuer], 0),
        ("another issuer", &["--issuer", "another"], 1),
        ("an audience that the token does not have", &["--audience", "a"], 1),
        ("another type", &["--token-type", "at+jwt"], 1),
    ];
    for (case, more, code) in rows {
        let output = run(&[&["verify", "--jwks", &*name], more, &[&*token]].concat(), &[]);
        assert_eq!(output.status.code(), Some(code), "{case}: {}", to_text(&output.stdout));
        assert_eq!(to_text(&output.stdout).contains("test-user"), code == 0, "{case}");
    }
    fs::remove_file(file).unwrap();
}

#[test]
fn tokens_are_verified_with_public_keys_from_a_file() {
    type Row<'a> = (&'a str, &'a PathBuf, &'a [&'a str], &'a str, i32, &'a str);
    let folder = env::temp_dir().join(format!("countersign-verify-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let examples = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../jwt/tests/rfc.json")).unwrap();
    let examples: Value = serde_json::from_slice(&examples).unwrap();
    // RFC 7515 A.2: expired since 2011. RFC 7520 4.1: a payload that is not JSON.
    let (claims, prose) = (&examples[0], &examples[3]);
    let (key, set, other) = (folder.join("key"), folder.join("set"), folder.join("other"));
    fs::write(&key, claims["jwk"].to_string()).unwrap();
    fs::write(&set, json!({"keys": [prose["jwk"]]}).to_string()).unwrap();
    fs::write(&other, "{}").unwrap();
    let verify = |file: &PathBuf, more: &[&str], token: &str| {
        let file = file.display().to_string();
        let arguments = [&["verify", "--jwks", &*file], more, &["-"]].concat();
        let output = run_with_input(&arguments, &[], token.as_bytes());
        (output.status.code().unwrap(), to_text(&output.stdout))
    };
    let (expired, jws) = (claims["token"].as_str().unwrap(), prose["token"].as_str().unwrap());
    let (input, signature) = expired.rsplit_once('.').unwrap();
    let changed = format!("{input}.A{}", signature.strip_prefix(|_| true).unwrap());
    let signature_only: &[&str] = &["--signature-only"];
    let rows: [Row<'_>; 12] = [
        ("valid signature", &key, signature_only, expired, 0, "no claims were checked"),
        (
            "line end after the token",
            &key,
            signature_only,
            &format!("{expired}\n"),
            0,
            "no claims were checked",
        ),
        ("payload that is not JSON", &set, signature_only, jws, 0, "no claims were checked"),
        ("expired token", &key, &[], expired, 1, "expired"),
        ("expired token, JSON output", &key, &["--json"], expired, 1, r#""reason":"Expired""#),
        ("changed signature", &key, signature_only, &changed, 1, "invalid signature"),
        ("another key", &set, signature_only, expired, 1, "refused"),
        ("payload that is not JSON as a token", &set, &[], jws, 1, "malformed claims"),
        ("one word", &key, signature_only, "nonsense", 1, "not a signed token"),
        ("empty input", &key, signature_only, "", 1, "not a signed token"),
        ("file without keys", &other, signature_only, expired, 2, ""),
        ("missing file", &folder.join("none"), signature_only, expired, 2, ""),
    ];
    for (name, file, more, token, code, expected) in rows {
        let (status, answer) = verify(file, more, token);
        assert_eq!(status, code, "{name}: {answer}");
        assert!(answer.contains(expected), "{name}: {answer}");
    }
    assert_eq!(verify(&key, &["--signature-only", "--issuer", "x"], expired).0, 2);
    for (example, code) in examples.as_array().unwrap().iter().zip([0; 10]) {
        fs::write(&set, example["jwk"].to_string()).unwrap();
        let (status, answer) = verify(&set, signature_only, example["token"].as_str().unwrap());
        assert_eq!(status, code, "{}: {answer}", example["name"]);
    }
    let mut unsuitable = claims["jwk"].clone();
    unsuitable["use"] = "enc".into();
    fs::write(&set, unsuitable.to_string()).unwrap();
    assert_eq!(verify(&set, signature_only, expired).0, 3, "the only key cannot be used");
    unsuitable["d"] = "AAAA".into();
    fs::write(&set, unsuitable.to_string()).unwrap();
    assert_eq!(verify(&set, signature_only, expired).0, 2);

    // The exit code holds even if the output is closed.
    let file = key.display().to_string();
    let mut child = command(&["verify", "--jwks", &*file, "--signature-only", &*changed], &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), to_text(&output.stderr)), (Some(1), String::new()));

    // A surplus token is not repeated in the error message.
    let output = run(&["verify", "--jwks", &*file, expired, expired], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!to_text(&output.stderr).contains(expired));
    fs::remove_dir_all(folder).unwrap();
}

/// The authorizer accepts a token that the AWS CLI has signed; the AWS CLI and `openssl` accept a token of
/// the issuer.
#[tokio::test]
async fn tokens_are_interchangeable_with_the_aws_cli_and_openssl() {
    let is_installed = ["aws", "openssl"].iter().all(|tool| {
        Command::new(tool)
            .arg(if *tool == "aws" { "--version" } else { "version" })
            .output()
            .is_ok()
    });
    if !is_installed {
        assert!(env::var_os("CI").is_none(), "the AWS CLI and openssl must be installed");
        eprintln!("SKIPPED: the AWS CLI or openssl is not installed");
        return;
    }
    let local = Local::start(&[("TOKEN_ISSUER", "my-lambda"), ("KEY_REFRESH_SECONDS", "1")]);
    let folder = env::temp_dir().join(format!("countersign-by-hand-{}", local.child.id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name).display().to_string();
    let aws = |arguments: &str| {
        let output = Command::new("aws")
            .arg("kms")
            .args(arguments.split(' '))
            .args(["--endpoint-url", &format!("http://{}", local.kms)])
            .args(["--region", "us-east-1", "--output", "text"])
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .output()
            .unwrap();
        (
            output.status.success(),
            to_text(&output.stdout).trim().to_owned() + &to_text(&output.stderr),
        )
    };
    let signing = "--message-type RAW --signing-algorithm RSASSA_PKCS1_V1_5_SHA_256";
    let sign = |key: &str, input: &str| {
        fs::write(file("input"), input).unwrap();
        let message = format!("--message fileb://{}", file("input"));
        let (good, signature) =
            aws(&format!("sign --key-id {key} {message} {signing} --query Signature"));
        assert!(good, "{signature}");
        signature.replace('+', "-").replace('/', "_").replace('=', "")
    };
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = part(r#"{"alg":"RS256","typ":"JWT"}"#);
    let input =
        format!("{header}.{}", part(r#"{"sub":"test-user","iss":"my-lambda","exp":1911744000}"#));

    let by_hand = format!("{input}.{}", sign(ALIAS, &input));
    let (status, body) = local.whoami(&format!("Bearer {by_hand}")).await;
    assert_eq!(
        (status, &body["sub"], &body["exp"]),
        (200, &json!("test-user"), &json!(1_911_744_000))
    );

    // openssl verifies a token of the issuer with the public key from KMS.
    let token = local.token().await;
    let (input, signature) = token.rsplit_once('.').unwrap();
    fs::write(file("input"), input).unwrap();
    fs::write(file("signature"), URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let (_, key) = aws(&format!("get-public-key --key-id {ALIAS} --query PublicKey"));
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n");
    fs::write(file("key.pem"), pem).unwrap();
    let openssl = || {
        let command = ["dgst", "-sha256", "-verify", &file("key.pem"), "-signature"];
        let mut openssl = Command::new("openssl");
        openssl.args(command).args([&file("signature"), &file("input")]).output().unwrap()
    };
    assert_eq!(to_text(&openssl().stdout).trim(), "Verified OK");
    let verify = format!(
        "verify --key-id {ALIAS} --message fileb://{} --signature fileb://{} {signing}",
        file("input"),
        file("signature")
    );
    let (good, answer) = aws(&verify);
    assert!(good && answer.contains("True"), "{answer}");
    fs::write(file("input"), format!("{input} ")).unwrap();
    assert!(!openssl().status.success());
    let (good, answer) = aws(&verify);
    assert!(!good && answer.contains("KMSInvalidSignatureException"), "{answer}");

    // Repointing all aliases of the ring makes the tokens of the old key invalid.
    let create = "create-key --key-spec RSA_2048 --key-usage SIGN_VERIFY --query KeyMetadata.KeyId";
    let (good, next) = aws(create);
    assert!(good, "{next}");
    for suffix in ["", "-next", "-previous"] {
        let update = format!("update-alias --alias-name {ALIAS}{suffix} --target-key-id {next}");
        assert!(aws(&update).0);
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let rotated = local.token().await;
    assert_eq!(local.whoami(&format!("Bearer {rotated}")).await.0, 200);
    assert_eq!(local.whoami(&format!("Bearer {token}")).await.0, 401);
    fs::remove_dir_all(folder).unwrap();
}
