//! The public keys of `verify`: formats, keys that cannot be used, and files that cannot be read.

use std::{
    env, fs,
    io::{self, Read, Write},
    net::TcpListener,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use serde_json::{Value, json};

use crate::{aws_server::AwsServer, run_with_input, to_text};

/// A file that is removed when it is dropped.
pub(crate) struct TemporaryFile(PathBuf);

impl TemporaryFile {
    pub(crate) fn new(content: impl AsRef<[u8]>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let file =
            env::temp_dir().join(format!("countersign-verifying-{}-{number}", process::id()));
        fs::write(&file, content).unwrap();
        Self(file)
    }

    pub(crate) fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A key, and a token that it signs.
pub(crate) struct Signer(KeyPair);

impl Signer {
    pub(crate) fn new() -> Self {
        Self(KeyPair::generate().unwrap())
    }

    fn spki(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }

    pub(crate) fn jwk(&self, kid: Option<&str>) -> Value {
        let spki = self.spki();
        let (x, y) = spki[spki.len() - 64..].split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        let mut jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
        if let Some(kid) = kid {
            jwk["kid"] = kid.into();
        }
        jwk
    }

    /// A certificate of the key, as in `x5c`.
    pub(crate) fn certificate(&self) -> String {
        let params = CertificateParams::new(["attacker.example".to_owned()]).unwrap();
        STANDARD.encode(params.self_signed(&self.0).unwrap().der())
    }

    pub(crate) fn private_pem(&self) -> String {
        pem("PRIVATE KEY", &self.0.serialize_der())
    }

    pub(crate) fn token(&self, kid: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::ES256) };
        self.token_with(&header, claims)
    }

    pub(crate) fn token_with(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &EncodingKey::from_ec_der(&self.0.serialize_der())).unwrap()
    }
}

pub(crate) fn claims() -> Value {
    json!({"iss": "us", "sub": "me", "exp": 4_102_444_800_u32})
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// The exit code and the output of `verify - ARGUMENTS`.
pub(crate) fn verify(arguments: &[&str], token: &str) -> (Option<i32>, String) {
    let output = run_with_input(&[&["verify", "-"], arguments].concat(), &[], token.as_bytes());
    (output.status.code(), to_text(&output.stdout) + &to_text(&output.stderr))
}

fn with_comment(mut json: Value, comment: &str) -> String {
    json["comment"] = comment.into();
    json.to_string()
}

#[test]
fn keys_are_read_in_every_common_format() {
    let (signer, other) = (Signer::new(), Signer::new());
    let params = CertificateParams::new(["keys.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&signer.0).unwrap();
    let certificate: &[u8] = certificate.der();
    let spki = signer.spki();
    let (own, foreign) = (pem("PUBLIC KEY", &spki), pem("PUBLIC KEY", &other.spki()));
    let rows: [(&str, Vec<u8>, i32, &str); 16] = [
        ("JWK", signer.jwk(None).to_string().into(), 0, "me"),
        ("JWK with a byte order mark", format!("\u{feff}{}", signer.jwk(None)).into(), 0, "me"),
        ("PEM", own.clone().into(), 0, "me"),
        (
            "PEM with CRLF and text",
            format!("my key\r\n\r\n{}", own.replace('\n', "\r\n")).into(),
            0,
            "me",
        ),
        ("DER", spki.clone(), 0, "me"),
        ("certificate in PEM", pem("CERTIFICATE", certificate).into(), 0, "me"),
        ("certificate in DER", certificate.to_vec(), 0, "me"),
        ("two keys in PEM", format!("{foreign}{own}").into(), 0, "me"),
        (
            "keys with ids, as `pem` writes them",
            format!("b ES256\n{foreign}a ES256\n{own}").into(),
            0,
            "me",
        ),
        (
            "the id of another key",
            format!("a ES256\n{foreign}b ES256\n{own}").into(),
            1,
            "invalid signature",
        ),
        ("another key", foreign.clone().into(), 1, "invalid signature"),
        (
            "private key",
            pem("PRIVATE KEY", &signer.0.serialize_der()).into(),
            2,
            "PEM block 1: it is a private key",
        ),
        ("truncated private key", "-----BEGIN PRIVATE KEY-----\nAAAA".into(), 2, "a private key"),
        ("other bytes", vec![0xff; 9], 2, "not a JWK Set, a JWK, PEM, or DER"),
        ("JSON with the text of PEM", with_comment(signer.jwk(None), &own).into(), 0, "me"),
        (
            "JSON with white space and the text of PEM",
            format!("\n {}", with_comment(json!({"keys": [signer.jwk(None)]}), &own)).into(),
            0,
            "me",
        ),
    ];
    let token = signer.token(Some("a"), &claims());
    for (name, content, code, expected) in rows {
        let file = TemporaryFile::new(content);
        let (exit, text) = verify(&["--jwks", file.name()], &token);
        assert_eq!(exit, Some(code), "{name}: {text}");
        assert!(text.contains(expected), "{name}: {text}");
    }
}

/// As for JWK Sets: the other keys of the file are used.
#[test]
fn unusable_pem_block_is_named_and_its_token_is_not_refused() {
    let (signer, other) = (Signer::new(), Signer::new());
    let (own, foreign) = (pem("PUBLIC KEY", &signer.spki()), pem("PUBLIC KEY", &other.spki()));
    let unsupported = pem("RSA PUBLIC KEY", &[0]);
    let broken = "-----BEGIN PUBLIC KEY-----\n?\n-----END PUBLIC KEY-----\n";
    let truncated = own.replace("-----END PUBLIC KEY-----\n", "");
    // Case, file, exit code, texts.
    let rows: [(&str, String, i32, &[&str]); 9] = [
        (
            "an unsupported block before the key",
            format!("{unsupported}{own}"),
            0,
            &["PEM block 1 cannot be used: \"RSA PUBLIC KEY\" is not supported", "me"],
        ),
        (
            "an unsupported block after another key",
            format!("{foreign}{unsupported}"),
            3,
            &[
                "PEM block 2 cannot be used",
                "the token may be signed with a key that cannot be used",
            ],
        ),
        ("not base64", broken.to_owned(), 3, &["PEM block 1 cannot be used: it is not base64"]),
        ("truncated", truncated.clone(), 3, &["-----END PUBLIC KEY----- is missing"]),
        (
            "truncated before the key",
            format!("{truncated}{own}"),
            0,
            &["PEM block 1 cannot be used: -----END PUBLIC KEY----- is missing", "me"],
        ),
        (
            "the id of the token",
            format!("b ES256\n{foreign}a ES256\n{broken}"),
            3,
            &["PEM block 2 cannot be used", "the token may be signed with"],
        ),
        (
            "another id",
            format!("a ES256\n{foreign}b ES256\n{broken}"),
            1,
            &["PEM block 2 cannot be used", "refused: invalid signature"],
        ),
        (
            "another algorithm",
            format!("a ES256\n{foreign}a ES384\n{broken}"),
            1,
            &["refused: invalid signature"],
        ),
        (
            "an invalid certificate",
            format!("{}{own}", pem("CERTIFICATE", &[0])),
            0,
            &["PEM block 1 cannot be used: not a DER-encoded X.509 certificate"],
        ),
    ];
    let token = signer.token(Some("a"), &claims());
    for (name, content, code, texts) in rows {
        let file = TemporaryFile::new(content);
        let (exit, text) = verify(&["--jwks", file.name()], &token);
        assert_eq!(exit, Some(code), "{name}: {text}");
        for expected in texts {
            assert!(text.contains(expected), "{name}: {expected}: {text}");
        }
    }
}

#[test]
fn input_above_the_limit_is_refused_with_the_limit() {
    let signer = Signer::new();
    let token = signer.token(None, &claims());
    let long = " ".repeat(6 * 1024 * 1024);
    let server = AwsServer::with_responses(|_| (200, " ".repeat(6 * 1024 * 1024 + 1)));
    let file = TemporaryFile::new(format!("{}{long}", signer.jwk(None)));
    let (code, text) = verify(&["--jwks", file.name()], &token);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains(&format!("{}: longer than 6 MiB", file.name())), "{text}");
    let (code, text) = verify(&["--jwks", "/dev/null"], &format!("{token}{long}"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("standard input: longer than 6 MiB"), "{text}");
    let (code, text) = verify(&["--jwks", &server.url()], &token);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("the response is longer than 6 MiB"), "{text}");
    // Exactly the limit.
    let key = signer.jwk(None).to_string();
    let file = TemporaryFile::new(format!("{key}{}", &long[key.len()..]));
    let (code, text) = verify(&["--jwks", file.name()], &token);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn unusable_key_is_named_and_its_token_is_not_refused() {
    let signer = Signer::new();
    let good = |kid: Option<&str>| signer.jwk(kid);
    let with = |mut jwk: Value, name: &str, value: Value| {
        jwk[name] = value;
        jwk
    };
    let symmetric = json!({"kty": "oct", "k": "AAAA", "kid": "s"});
    let future = json!({"kty": "future", "kid": "f"});
    let null_alg = with(good(Some("a")), "alg", Value::Null);
    let rsa =
        json!({"kty": "RSA", "kid": "a", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([0xff; 256])});
    let roca = include_str!("../../../jwt/src/key/roca.rs");
    let weak = roca.split("b\"").nth(1).unwrap().split('"').next().unwrap();
    let weak: String = weak.chars().filter(char::is_ascii_hexdigit).collect();
    let weak: Vec<u8> =
        (0..256).map(|at| u8::from_str_radix(&weak[2 * at..2 * at + 2], 16).unwrap()).collect();
    let weak =
        json!({"kty": "RSA", "kid": "w\u{1b}", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(weak)});
    // Case, keys, kid of the token, exit code, texts.
    let rows: [(&str, Value, &str, i32, &[&str]); 8] = [
        ("same kid, another type first", json!([rsa, good(Some("a"))]), "a", 0, &["me"]),
        ("same kid, another type second", json!([good(Some("a")), rsa]), "a", 0, &["me"]),
        (
            "symmetric and unknown keys too",
            json!([symmetric, future, good(Some("a"))]),
            "a",
            0,
            &[
                "keys[0] (kid \"s\") cannot be used",
                "keys[1] (kid \"f\") cannot be used: unknown key type",
            ],
        ),
        (
            "null in place of alg",
            json!([null_alg]),
            "a",
            3,
            &[
                "keys[0] (kid \"a\") cannot be used: member `alg` must be a string",
                "cannot check the signature",
            ],
        ),
        (
            "kid of a symmetric key",
            json!([symmetric, good(Some("a"))]),
            "s",
            3,
            &["keys[0] cannot be used"],
        ),
        (
            "kid of no key",
            json!([symmetric, good(Some("a"))]),
            "x",
            1,
            &["refused: unknown key: `kid` is \"x\""],
        ),
        (
            "weak key",
            json!([weak, good(Some("a"))]),
            "w\u{1b}",
            3,
            &["keys[0] (kid \"w\\u{1b}\") cannot be used: the RSA key has the ROCA weakness"],
        ),
        (
            "private key",
            json!([with(good(None), "d", json!("AAAA"))]),
            "a",
            2,
            &["`d` of a private key"],
        ),
    ];
    for (name, keys, kid, code, texts) in rows {
        let file = TemporaryFile::new(json!({"keys": keys}).to_string());
        let token = signer.token(Some(kid), &claims());
        let (exit, text) = verify(&["--jwks", file.name()], &token);
        assert_eq!(exit, Some(code), "{name}: {text}");
        for expected in texts {
            assert!(text.contains(expected), "{name}: {expected}: {text}");
        }
    }
}

#[test]
fn sources_of_keys_that_cannot_be_read_are_usage_errors() {
    let token = Signer::new().token(None, &claims());
    let (empty, broken) = (TemporaryFile::new(" \n"), TemporaryFile::new("keys"));
    // A server that answers a TLS handshake as nginx does.
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let https = format!("https://{}", plain.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = plain.accept().unwrap();
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").unwrap();
        // Until the client closes the connection.
        let _ = io::copy(&mut stream, &mut io::sink());
    });
    let rows: [(&[&str], i32, &str); 11] = [
        (&["--jwks", "-"], 2, "only one of the token and --jwks can be standard input"),
        (&["--jwks", ""], 2, "--jwks must not be empty"),
        (&["--jwks", empty.name()], 2, "it is empty"),
        (&["--jwks", broken.name()], 2, "at most 16 levels (line 1, column 1)"),
        (&["--jwks", "http://"], 2, "--jwks must be a URL with a host and a valid port"),
        (&["--jwks", "http:///k"], 2, "--jwks must be a URL with a host and a valid port"),
        (
            &["--jwks", "http://127.0.0.1:99999/k"],
            2,
            "--jwks must be a URL with a host and a valid",
        ),
        (&["--jwks", "http://me:secret@127.0.0.1/k"], 2, "--jwks must not have a user name"),
        (&["--issuer", "http://127.0.0.1:0"], 2, "--issuer must be a URL with a host and a valid"),
        (&["--issuer", "https://me:secret@127.0.0.1"], 2, "--issuer must not have a user name"),
        (&["--jwks", &https], 3, "the server does not use TLS"),
    ];
    for (arguments, code, expected) in rows {
        let (exit, text) = verify(arguments, &token);
        assert_eq!(exit, Some(code), "{arguments:?}: {text}");
        assert!(text.contains(expected) && !text.contains("secret"), "{arguments:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
    }
    let keys = Signer::new();
    let (token, set) = (keys.token(None, &claims()), keys.jwk(None).to_string());
    let output = run_with_input(&["verify", &token, "--jwks", "-"], &[], set.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", to_text(&output.stderr));
}

#[test]
fn invalid_key_source_is_named() {
    let good = Signer::new().token(None, &claims());
    let (code, text) = verify(&["--issuer", "us"], &good);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--issuer must be an https URL"), "{text}");
    let broken = TemporaryFile::new("{\n \"keys\": [\n}");
    let (code, text) = verify(&["--jwks", broken.name()], &good);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains(broken.name()) && text.contains("line 3, column 1"), "{text}");
}
