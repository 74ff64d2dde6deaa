//! `countersign sign`, `verify`, `inspect` and `event`.

use std::{env, fs};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use local::Stack;
use serde_json::{Value, json};
use testing::{InjectFaults, InjectedFault};

use crate::{ALIAS, TEMPLATE, cloud::Cloud, options, run_with_input, to_text};

#[tokio::test(flavor = "multi_thread")]
async fn payload_is_signed_byte_for_byte_and_verified_with_every_source_of_keys() {
    let cloud = Cloud::start().await;
    cloud.succeed(&format!("key create {ALIAS} --spec ECC_NIST_P256 --yes"), "");
    let payload = "{ \"sub\": \"test-user\",\n\"iss\":\"us\", \"exp\": 1911744000 }\n";
    let token = cloud.succeed(&format!("sign --key {ALIAS} -"), payload);
    let part = token.split('.').nth(1).unwrap();
    assert_eq!(part, URL_SAFE_NO_PAD.encode(payload));

    let folder = env::temp_dir().join(format!("countersign-keys-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("jwks.json");
    fs::write(&file, cloud.succeed(&format!("jwks {ALIAS}"), "")).unwrap();
    let commands = [
        format!("verify --key {ALIAS} --issuer us -"),
        format!("verify --key {ALIAS} --local --issuer us -"),
        format!("verify --jwks {} --issuer us -", file.display()),
    ];
    let input = token.rsplit_once('.').unwrap().0;
    let forged = format!("{input}.{}", "A".repeat(86));
    for command in &commands {
        let claims: Value = serde_json::from_str(&cloud.succeed(command, &token)).unwrap();
        assert_eq!(claims["sub"], "test-user", "{command}");
        let (code, out, _) = cloud.run(command, &forged);
        assert_eq!((code, out.starts_with("refused: ")), (Some(1), true), "{command}: {out}");
        let (code, out, _) = cloud.run(&command.replace(" us ", " them "), &token);
        assert_eq!(
            (code, &*out),
            (Some(1), "refused: unexpected issuer: `iss` is \"us\", not \"them\"\n"),
            "{command}"
        );
    }
    fs::remove_dir_all(folder).unwrap();

    let shown = cloud.succeed("inspect -", &forged);
    assert!(shown.starts_with("NOT VERIFIED"), "{shown}");
    assert!(shown.contains("exp: valid until 2030-07-31 16:00:00 UTC"), "{shown}");
    let (code, out, _) = cloud.run("inspect --json -", "not a token");
    assert_eq!(code, Some(1), "{out}");
    let without_exp = cloud.run(&format!("sign --key {ALIAS} -"), "{}");
    assert!(without_exp.2.contains("no exp"), "{}", without_exp.2);
    for payload in ["[]", "{", r#"{"a":1,"a":2}"#, ""] {
        let (code, out, error) = cloud.run(&format!("sign --key {ALIAS} -"), payload);
        assert_eq!((code, &*out), (Some(2), ""), "{payload}: {error}");
    }
    let pem = cloud.succeed(&format!("pem {ALIAS}"), "");
    assert!(pem.contains(" ES256\n-----BEGIN PUBLIC KEY-----\n"), "{pem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_printed_as_they_were_signed() {
    let cloud = Cloud::start().await;
    cloud.succeed(&format!("key create {ALIAS} --spec ECC_NIST_P256 --yes"), "");
    let numbers = r#""id":12345678901234567890123,"x":[0.12345678901234567890,1.50,1E2,-0]"#;
    let payload = format!(r#"{{"exp":1911744000,{numbers}}}"#);
    let token = cloud.succeed(&format!("sign --key {ALIAS} -"), &payload);
    let verify = format!("verify --key {ALIAS}");
    for command in [&*format!("{verify} -"), &format!("{verify} --json -"), "inspect --json -"] {
        let shown = cloud.succeed(command, &token);
        assert!(shown.contains(&payload), "{command}: {shown}");
        assert!(serde_json::from_str::<Value>(&shown).unwrap().is_object(), "{command}: {shown}");
        assert_eq!(shown.lines().count(), 1, "{command}: {shown}");
    }
    let shown: String = cloud.succeed("inspect -", &token).split_whitespace().collect();
    assert!(shown.contains(numbers), "{shown}");
    let signature_only = cloud.succeed(&format!("{verify} --signature-only --json -"), &token);
    assert_eq!(signature_only, "{\"claims\":null,\"good\":true,\"unchecked\":[\"claims\"]}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn typ_is_compared_as_a_media_type() {
    let cloud = Cloud::start().await;
    cloud.succeed(&format!("key create {ALIAS} --spec ECC_NIST_P256 --yes"), "");
    let rows = [
        ("application/at+jwt", "at+jwt", 0),
        ("AT+JWT", "at+jwt", 0),
        ("at+jwt", "application/at+jwt", 0),
        ("jwt", "JWT", 0),
        ("at+jwt", "JWT", 1),
        ("text/at+jwt", "at+jwt", 1),
    ];
    for (signed, expected, code) in rows {
        let sign = format!("sign --key {ALIAS} --token-type {signed} -");
        let token = cloud.succeed(&sign, r#"{"exp":1911744000}"#);
        let verify = format!("verify --key {ALIAS} --token-type {expected} -");
        let (exit, out, error) = cloud.run(&verify, &token);
        assert_eq!(exit, Some(code), "{signed} as {expected}: {out}{error}");
    }
}

/// The token of the event is verified with keys that are discovered from the issuer's URL.
#[tokio::test(flavor = "multi_thread")]
async fn event_gets_a_new_token_and_verify_discovers_its_keys() {
    let stack = Stack::start(&fs::read_to_string(TEMPLATE).unwrap(), &options(&[])).await.unwrap();
    let issuer = format!("http://{}", stack.gateway.address());
    let endpoint = format!("http://{}", stack.kms.address());
    let run = |arguments: &[&str], input: &str| {
        let settings = [
            ("TOKEN_ISSUER", &*issuer),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
        ];
        let output = run_with_input(arguments, &settings, input.as_bytes());
        assert!(output.status.success(), "{arguments:?}: {}", to_text(&output.stderr));
        to_text(&output.stdout)
    };
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/authorize-expired.json");
    // The names of these options are those of the AWS CLI.
    let flags = ["--endpoint-url", &endpoint, "--region", "us-east-1"];
    let claims = r#"{"sub":"event-user","scope":"read"}"#;
    let event = run(&[&["event", file, "--claims", claims], &flags[..]].concat(), "");
    let event: Value = serde_json::from_str(&event).unwrap();
    let answer = stack.functions["Authorizer"].invoke(&event).await.result.unwrap();
    assert_eq!(answer["principalId"], "event-user");
    let token = event["headers"]["Authorization"].as_str().unwrap().replace("Bearer ", "");
    let claims = run(&["verify", "--issuer", &issuer, "-"], &token);
    assert!(claims.contains("event-user"), "{claims}");
    let keys = format!("{issuer}/.well-known/jwks.json");
    assert!(run(&["verify", "--jwks", &keys, "-"], &token).contains("event-user"));
}

/// The unreadable alias may have the key. The authorizer refuses the token, but the command line must not
/// report it as invalid.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_key_is_a_fault_while_an_alias_is_unreadable() {
    let cloud = Cloud::start().await;
    cloud.succeed(&format!("key create {ALIAS} --yes"), "");
    cloud.succeed("key create alias/other --yes", "");
    let claims = json!({"iss": "us", "exp": 4_102_444_800_u32}).to_string();
    let token = cloud.succeed("sign --key alias/other -", &claims);
    let verify = format!("verify --key {ALIAS} -");
    let (code, out, _) = cloud.run(&verify, &token);
    assert_eq!(code, Some(1), "{out}");
    let previous = "alias/countersign-previous";
    cloud.kms.inject(Some(InjectedFault::ErrorFor(previous, "AccessDeniedException")));
    let (code, out, error) = cloud.run(&verify, &token);
    assert_eq!((code, &*out), (Some(3), ""), "{error}");
    assert!(error.contains("access denied"), "{error}");
}
