//! `verify` and `inspect`: the sources of keys, and the output.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    aws_server::{AwsServer, Recorded},
    public_keys::{Signer, TemporaryFile, claims, verify},
    run_with_input, to_text,
};

#[test]
fn refusals_and_faults_say_what_is_wrong_in_one_line() {
    let signer = Signer::new();
    let file = TemporaryFile::new(signer.jwk(None).to_string());
    let keys = ["--jwks", file.name()];
    let good = signer.token(None, &claims());
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        signer.token(None, &claims)
    };
    let expired = with("exp", json!(1_700_000_000));
    let ago = |seconds: u64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        json!(now.as_secs() - seconds)
    };
    let (recently, long_ago) = (with("exp", ago(30)), with("exp", ago(90)));
    let red = with("iss", json!("\u{1b}[31mus\u{202e}\u{9b}"));
    let rows: [(&str, &str, &[&str], i32, &str); 25] = [
        ("good", &good, &[], 0, "\"sub\":\"me\""),
        ("two line breaks and blanks", &format!("{good} \r\n\n"), &[], 0, "\"sub\":\"me\""),
        ("padded", &format!("{good}="), &[], 1, "malformed base64url: it has padding (`=`)"),
        ("with its scheme", &format!("Bearer {good}"), &[], 1, "it begins with `Bearer `"),
        ("byte order mark", &format!("\u{feff}{good}"), &[], 1, "it begins with a byte order mark"),
        ("blank before it", &format!(" {good}"), &[], 1, "white space"),
        ("empty", "", &[], 1, "it is empty"),
        ("two parts", "a.b", &[], 1, "it has 2 parts instead of 3"),
        ("expired", &expired, &[], 1, "refused: expired: `exp` is 2023-11-14 22:13:20 UTC ("),
        ("just expired", &recently, &[], 1, "seconds ago)"),
        ("just expired, with leeway", &recently, &["--leeway", "60"], 0, "me"),
        ("expired before the leeway", &long_ago, &["--leeway", "60"], 1, "expired"),
        ("leeway out of bounds", &good, &["--leeway", "301"], 2, "--leeway"),
        ("empty token type", &good, &["--token-type", ""], 2, "--token-type"),
        (
            "not yet valid",
            &with("nbf", json!(4_102_444_800_u32)),
            &[],
            1,
            "`nbf` is 2100-01-01 00:00:00 UTC (in ",
        ),
        (
            "issued in the future",
            &with("iat", json!(4_102_444_800_u32)),
            &[],
            1,
            "`iat` is 2100-01-01",
        ),
        (
            "another issuer",
            &good,
            &["--issuer", "them"],
            1,
            "unexpected issuer: `iss` is \"us\", not \"them\"",
        ),
        (
            "no audience",
            &good,
            &["--audience", "a"],
            1,
            "unexpected audience: `aud` is missing, not \"a\"",
        ),
        (
            "another audience",
            &with("aud", json!(["x", "y"])),
            &["--audience", "a", "--audience", "b"],
            1,
            "`aud` is [\"x\",\"y\"], not \"a, b\"",
        ),
        ("another type", &good, &["--token-type", "at+jwt"], 1, "`typ` is \"JWT\", not \"at+jwt\""),
        (
            "a number as sub",
            &with("sub", json!(7)),
            &[],
            1,
            "malformed claims: `sub` is 7, but must be a string",
        ),
        (
            "text as exp",
            &with("exp", json!("1")),
            &[],
            1,
            "`exp` is \"1\", but must be a number of seconds",
        ),
        (
            "control characters",
            &red,
            &["--issuer", "us"],
            1,
            r#"`iss` is "\u001b[31mus\u202e\u009b", not"#,
        ),
        ("no file", &good, &["--jwks", "/nowhere"], 2, "cannot be used multiple times"),
        ("issuer that is not a URL", &good, &[], 0, "me"),
    ];
    for (name, token, more, code, expected) in rows {
        let (exit, text) = verify(&[&keys, more].concat(), token);
        assert_eq!(exit, Some(code), "{name}: {text}");
        assert!(text.contains(expected), "{name}: {text}");
        if code == 1 {
            assert_eq!(text.lines().count(), 1, "{name}: {text}");
        }
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{9b}', '\u{7f}']), "{name}: {text:?}");
    }
}

/// Arguments, more arguments, the variable, the exit code and the text.
type AlgorithmRow<'a> = (&'a [&'a str], &'a [&'a str], &'a str, i32, &'a str);

/// The variable is a setting of the functions, which counts for the keys of a ring alone.
#[test]
fn algorithm_counts_for_the_keys_of_a_ring_alone() {
    let signer = Signer::new();
    let (good, keys) = (signer.token(None, &claims()), signer.jwk(None).to_string());
    let keys = TemporaryFile::new(keys);
    let jwks = ["verify", "-", "--jwks", keys.name()];
    let ring = ["verify", "-", "--key", "alias/a"];
    let issuer = ["verify", "-", "--issuer", "http://127.0.0.1:1"];
    let rows: [AlgorithmRow<'_>; 7] = [
        (&jwks, &[], "RS256", 0, "me"),
        (&jwks, &[], "none", 0, "me"),
        (&jwks, &["--algorithm", "ES256"], "", 2, "cannot be used with"),
        (&jwks, &["--local"], "", 2, "cannot be used with"),
        (&issuer, &["--algorithm", "ES256"], "", 2, "--key <ALIAS|ID>"),
        (&issuer, &[], "RS256", 3, "127.0.0.1:1"),
        (&ring, &[], "none", 2, "SIGNING_ALGORITHM"),
    ];
    for (arguments, more, variable, code, expected) in rows {
        let arguments = [arguments, more].concat();
        let settings = [("SIGNING_ALGORITHM", variable)];
        let output = run_with_input(&arguments, &settings, good.as_bytes());
        let text = to_text(&output.stdout) + &to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {variable}: {text}");
        assert!(text.contains(expected), "{arguments:?} {variable}: {text}");
    }
}

/// A file that cannot be read is a mistake of the caller, in every command.
#[test]
fn missing_files_are_usage_errors_in_every_command() {
    let settings = [("TOKEN_ISSUER", "us"), ("KEY_ALIAS", "alias/a")];
    let rows: [&[&str]; 7] = [
        &["sign", "/nowhere"],
        &["event", "/nowhere"],
        &["explain", "--event", "/nowhere", "--jwks", "/dev/null"],
        &["explain", "--event", "-", "--rules", "/nowhere"],
        &["verify", "-", "--jwks", "/nowhere"],
        &["local", "--port", "0", "--kms-port", "0", "--api", "/nowhere"],
        &["local", "--port", "0", "--kms-port", "0", "--state", "/dev/null/nowhere"],
    ];
    for arguments in rows {
        let output = run_with_input(arguments, &settings, b"");
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains("nowhere") || error.contains("/dev/null"), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    }
}

#[test]
fn inspect_and_usage_errors_escape_control_characters() {
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let header = part("{\"alg\":\"RS256\",\"kid\":\"\u{9b}31m\"}");
    let claims = part("{\"sub\":\"a\u{202e}b\u{7f}\\u001b[2J\",\"exp\":4102444800}");
    let token = format!("{header}.{claims}.c2ln");
    for arguments in [&["inspect", "-"][..], &["inspect", "--json", "-"]] {
        let output = run_with_input(arguments, &[], token.as_bytes());
        let text = to_text(&output.stdout);
        assert!(text.contains(r"a\u202eb\u007f\u001b[2J") && text.contains(r"\u009b31m"), "{text}");
    }
    for (arguments, code, expected) in [
        (["inspect", "--\u{1b}[31m\u{202e}"], 2, r"\u202e"),
        (["verify", "\u{1b}[31m"], 2, "--issuer"),
        (["event", "no-\u{9b}\u{1b}[31m"], 2, r"no-\u009b\u001b[31m"),
    ] {
        let output = run_with_input(&arguments, &[("TOKEN_ISSUER", "us")], b"");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let text = to_text(&output.stderr);
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{text:?}");
        assert!(text.contains(expected), "{text:?}");
    }
}

/// RFC 8037 appendix A: the only key of every key set below, which does not sign the token.
const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// Serves the metadata of an issuer for each path. The path also says where its keys are.
fn issuers(request: &Recorded) -> (u16, String) {
    let host = request.headers.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let path = request.line.split(' ').nth(1).unwrap();
    let Some(name) = path.strip_suffix("/.well-known/openid-configuration") else {
        return (200, KEYS.into());
    };
    let scheme = if host.starts_with("localhost") { "https" } else { "http" };
    let base = format!("{scheme}://{host}");
    let (issuer, jwks_uri) = match name {
        "/slash" => (format!("{base}/slash/"), format!("{base}/keys")),
        "/file" => (format!("{base}/file"), "/etc/hostname".into()),
        "/relative" => (format!("{base}/relative"), "keys.json".into()),
        "/file-url" => (format!("{base}/file-url"), "file:///etc/hostname".into()),
        "/insecure" => (format!("{base}/insecure"), format!("http://{host}/keys")),
        "/other" => (format!("{base}/else"), format!("{base}/keys")),
        "/gone" => return (404, String::new()),
        "/moved" => return (302, String::new()),
        _ => (format!("{base}{name}"), format!("{base}/keys")),
    };
    (200, json!({"issuer": issuer, "jwks_uri": jwks_uri}).to_string())
}

#[test]
fn keys_of_an_issuer_are_found_by_its_name_alone() {
    let (plain, (tls, bundle)) = (AwsServer::with_responses(issuers), AwsServer::with_tls(issuers));
    let (http, https) = (plain.url(), format!("https://localhost:{}", tls.address.port()));
    let signer = Signer::new();
    // Case, issuer, exit code, text. No key fits: 1 means that the keys were found.
    let rows = [
        ("http", format!("{http}/a"), 1, "the `alg` of the token is ES256"),
        ("https", format!("{https}/a"), 1, "the `alg` of the token is ES256"),
        ("a slash at the end", format!("{http}/slash/"), 1, "the `alg` of the token is ES256"),
        (
            "a slash that the issuer does not have",
            format!("{http}/a/"),
            3,
            "the metadata belongs to another issuer",
        ),
        (
            "jwks_uri is a path",
            format!("{https}/file"),
            3,
            "jwks_uri \"/etc/hostname\" must be an https URL",
        ),
        ("jwks_uri is a path, http", format!("{http}/file"), 3, "must be an https URL"),
        ("jwks_uri is relative", format!("{http}/relative"), 3, "must be an https URL"),
        ("jwks_uri is a file URL", format!("{http}/file-url"), 3, "must be an https URL"),
        (
            "http jwks_uri of an https issuer",
            format!("{https}/insecure"),
            3,
            "must be an https URL: with http",
        ),
        ("another issuer", format!("{http}/other"), 3, "the metadata belongs to another issuer"),
        ("missing", format!("{http}/gone"), 3, "the response has the status 404"),
        ("redirect", format!("{http}/moved"), 3, "the response is a redirect (status 302)"),
    ];
    for (case, issuer, code, expected) in rows {
        let mut claims = claims();
        claims["iss"] = issuer.clone().into();
        let token = signer.token(None, &claims);
        let arguments = ["verify", "--issuer", &issuer, "-"];
        let output = run_with_input(&arguments, &[("AWS_CA_BUNDLE", &bundle)], token.as_bytes());
        let text = to_text(&output.stdout) + &to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{case}: {text}");
        assert!(text.contains(expected) && text.lines().count() <= 2, "{case}: {text}");
        let requests = [plain.take(), tls.take()].concat();
        assert!(!requests.is_empty(), "{case}");
        for request in &requests {
            let agent = format!("user-agent: countersign/{}", env!("CARGO_PKG_VERSION"));
            assert!(request.headers.contains(&agent), "{case}: {}", request.headers);
            assert!(!request.line.contains("//.well-known"), "{case}: {}", request.line);
        }
        let fetched_keys = requests.iter().any(|request| request.line.ends_with("/keys"));
        assert_eq!(fetched_keys, code == 1, "{case}: {requests:?}");
    }
}
