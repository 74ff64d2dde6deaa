//! Verifiers in other languages accept the tokens; they discover the keys from the issuer's URL.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use local::{Bytes, Request, Stack, http};
use serde_json::{Value, json};

use crate::{ALIAS, TEMPLATE, token, with_parameters};

#[expect(unreachable_pub, reason = "the documentation shows this file")]
#[path = "../../../../interop/jsonwebtoken.rs"]
mod with_jsonwebtoken;

pub(crate) const AUDIENCE: &str = "https://api.example";

/// A program of interop/ that takes a token on standard input and the arguments `ISSUER AUDIENCE`.
pub(crate) struct Client {
    program: &'static str,
    pub(crate) script: &'static str,
    /// The arguments of `program` with which it succeeds only if the packages are installed.
    check: &'static [&'static str],
    /// The algorithms that the library lacks.
    unsupported: &'static [&'static str],
}

pub(crate) const CLIENTS: [Client; 4] = [
    Client {
        program: "python3",
        script: "pyjwt.py",
        check: &["-c", "import jwt.algorithms; assert jwt.algorithms.has_crypto"],
        unsupported: &["Ed25519"],
    },
    Client {
        program: "python3",
        script: "joserfc_jwt.py",
        check: &["-c", "import joserfc"],
        unsupported: &[],
    },
    Client {
        program: "node",
        script: "jose.js",
        check: &["--input-type=module", "-e", "import 'jose'"],
        unsupported: &[],
    },
    Client {
        program: "node",
        script: "aws-jwt-verify.js",
        check: &["--input-type=module", "-e", "import 'aws-jwt-verify'"],
        unsupported: &["PS256", "Ed25519"],
    },
];

/// The algorithms that jsonwebtoken lacks. Its program is compiled into this test.
const UNSUPPORTED_BY_JSONWEBTOKEN: [&str; 2] = ["ES512", "Ed25519"];

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop")
}

/// Whether a language is installed with the packages of its programs.
pub(crate) fn is_installed(program: &str, arguments: &[&str]) -> bool {
    let found = Command::new(program).args(arguments).current_dir(folder()).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        assert!(
            env::var_os("CI").is_none(),
            "{program} and the packages of interop/ must be installed"
        );
        eprintln!(
            "SKIPPED: {program} or a package of interop/ is not installed; see CONTRIBUTING.md"
        );
    }
    found
}

/// Whether `openssl` accepts the signature of a token, with the public key from KMS.
fn openssl_accepts(stack: &Stack, algorithm: &str, token: &str) -> bool {
    let key = stack.kms.perform("GetPublicKey", &json!({"KeyId": ALIAS})).unwrap();
    let key = STANDARD.decode(key["PublicKey"].as_str().unwrap()).unwrap();
    let file = env::temp_dir().join(format!("countersign-{}.pem", std::process::id()));
    let name = file.display().to_string();
    let to_pem = ["pkey", "-pubin", "-inform", "DER", "-out", &name];
    assert!(run_program("openssl", &to_pem, &key).status.success());
    let script = ["openssl.sh", algorithm, &name];
    let is_accepted = run_program("sh", &script, token.as_bytes()).status.success();
    fs::remove_file(file).unwrap();
    is_accepted
}

/// Runs a program with this on its standard input.
pub(crate) fn run_program(program: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses early may not read all of it.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

impl Client {
    pub(crate) fn is_installed(&self) -> bool {
        is_installed(self.program, self.check)
    }

    /// Whether the client accepts a token with this subject. It prints the subject only then.
    pub(crate) fn accepts(&self, issuer: &str, subject: &str, token: &str) -> bool {
        let Self { program, script, .. } = self;
        let output = run_program(program, &[script, issuer, AUDIENCE], token.as_bytes());
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.success(), printed.trim() == subject, "{script}: {printed}");
        output.status.success()
    }
}

async fn get(stack: &Stack, path: &str) -> Value {
    let request = Request::get(path).body(Bytes::new()).unwrap();
    let answer = http::send(stack.gateway.address(), request).await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
    serde_json::from_slice(answer.body()).unwrap()
}

/// Copies of a token, each with another change. `other` is a valid token with other claims.
fn tampered(token: &str, other: &str) -> Vec<String> {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = input.split_once('.').unwrap();
    let mut raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    raw[7] ^= 1;
    let (_, other_signature) = other.rsplit_once('.').unwrap();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let payload = payload.replace("test-user", "root-user");
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    vec![
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(&raw)),
        format!("{input}.{other_signature}"),
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(payload)),
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_accept_valid_tokens_and_refuse_changed_ones() {
    let clients: Vec<_> = CLIENTS.iter().filter(|client| client.is_installed()).collect();
    let has_openssl = is_installed("openssl", &["version"]);
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let rows = [
        ("RSA_2048", "RS256"),
        ("RSA_2048", "PS256"),
        ("ECC_NIST_P256", "ES256"),
        ("ECC_NIST_P384", "ES384"),
        ("ECC_NIST_P521", "ES512"),
        ("ECC_NIST_EDWARDS25519", "Ed25519"),
    ];
    for (spec, algorithm) in rows {
        let parameters = [("KeySpec", spec), ("SigningAlgorithm", algorithm)];
        let options = with_parameters(&parameters, &[("TOKEN_AUDIENCE", AUDIENCE)]);
        let stack = Stack::start(&template, &options).await.unwrap();
        let good = token(&stack, json!({"sub": "test-user"})).await;
        let other = token(&stack, json!({"sub": "root-user"})).await;
        let other_audience =
            token(&stack, json!({"sub": "test-user", "aud": "https://other.example"})).await;

        let issuer = format!("http://{}", stack.gateway.address());
        let metadata = get(&stack, "/.well-known/openid-configuration").await;
        assert_eq!(metadata["issuer"], issuer);
        assert_eq!(metadata["id_token_signing_alg_values_supported"], json!([algorithm]));
        let path = metadata["jwks_uri"].as_str().unwrap().strip_prefix(&issuer).unwrap();
        let keys = get(&stack, path).await;

        for client in &clients {
            let case = format!("{algorithm} {}", client.script);
            let expected = !client.unsupported.contains(&algorithm);
            assert_eq!(client.accepts(&issuer, "test-user", &good), expected, "{case}");
            let mut bad = tampered(&good, &other);
            bad.push(other_audience.clone());
            for (at, token) in bad.iter().enumerate() {
                assert!(!client.accepts(&issuer, "test-user", token), "{case}: tampered {at}");
            }
        }
        if has_openssl {
            assert!(openssl_accepts(&stack, algorithm, &good), "{algorithm} openssl");
            for (at, token) in tampered(&good, &other).iter().enumerate() {
                assert!(!openssl_accepts(&stack, algorithm, token), "{algorithm} openssl: {at}");
            }
        }
        // jsonwebtoken fails to parse a set with an unknown key type.
        let keys = serde_json::from_value(keys);
        let accepts_with_jsonwebtoken = |token: &str| {
            let keys = keys.as_ref().ok()?;
            with_jsonwebtoken::verify(keys, &issuer, AUDIENCE, token).ok()
        };
        assert_eq!(
            accepts_with_jsonwebtoken(&good).is_some(),
            !UNSUPPORTED_BY_JSONWEBTOKEN.contains(&algorithm),
            "{algorithm} jsonwebtoken"
        );
        assert!(
            tampered(&good, &other).iter().all(|token| accepts_with_jsonwebtoken(token).is_none())
        );
        assert!(accepts_with_jsonwebtoken(&other_audience).is_none());
    }
}

#[test]
fn documentation_includes_each_client() {
    let page = folder().join("../docs/src/verifying.md");
    let page = fs::read_to_string(page).unwrap();
    let scripts = CLIENTS.iter().map(|client| client.script);
    for name in scripts.chain(["jsonwebtoken.rs", "openssl.sh"]) {
        assert!(folder().join(name).is_file(), "{name} does not exist");
        let include = format!("{{{{#include ../../interop/{name}}}}}");
        assert!(page.lines().any(|line| line == include), "verifying.md does not include {name}");
    }
}
