//! `countersign revoke`: the file with the revocations.

use std::{fs, os::unix::fs::PermissionsExt, process::Command, thread};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{BINARY, configuration_files::Folder, run, run_with_input, to_text};

/// A file with revocations in a separate folder.
struct List {
    folder: Folder,
    path: String,
}

impl List {
    fn new(name: &str, text: &str) -> Self {
        let folder = Folder::new(&format!("revoke-{name}"));
        folder.write("revocations.json", text);
        let path = format!("{}/revocations.json", folder.config());
        Self { folder, path }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    /// Runs the command with this on its standard input. The exit code and the output.
    fn revoke(&self, arguments: &[&str], input: &str) -> (Option<i32>, String) {
        let arguments = [&["revoke", "--file", &self.path], arguments].concat();
        let output = run_with_input(&arguments, &[], input.as_bytes());
        (output.status.code(), to_text(&output.stdout) + &to_text(&output.stderr))
    }

    /// The names of the files in the folder of the list, including the list.
    fn files(&self) -> usize {
        fs::read_dir(self.folder.config()).unwrap().count()
    }
}

fn token(claims: &Value) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = encode(r#"{"alg":"EdDSA"}"#);
    format!("{header}.{}.{}", encode(&claims.to_string()), encode(&"s".repeat(64)))
}

#[test]
fn token_is_revoked_once_and_not_printed() {
    let list = List::new("token", "[]\n");
    let claims = json!({"iss": "us", "jti": "1", "sub": "ann", "exp": 4_000_000_000_u64});
    let token = token(&claims);
    let (code, text) = list.revoke(&["--reason", "lost", "-"], &token);
    assert_eq!(code, Some(0), "{text}");
    let expected =
        "[\n  {\"iss\": \"us\", \"jti\": \"1\", \"exp\": 4000000000, \"reason\": \"lost\"}\n]\n";
    assert_eq!(list.text(), expected);
    for part in [
        "NOT VERIFIED",
        "revoked the token 1 of us",
        "the entry is needed until 2096-10-02 ",
        "removed 0 expired entries",
        "\n  sam build && sam deploy\nIn the folder of a released package, which has no source code:\n  sam deploy\n",
        "flush-stage-authorizers-cache",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains(&token), "{text}");
    for argument in [&*token, "-"] {
        let (code, text) = list.revoke(&[argument], &token);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("not changed: an entry revokes this already"), "{text}");
        assert!(!text.contains(&token) && !text.contains("sam deploy"), "{text}");
    }
    assert_eq!((list.text(), list.files()), (expected.to_owned(), 3));
}

#[test]
fn tokens_are_revoked_by_their_claims() {
    let rows: [(&[&str], &str); 5] = [
        (&["--issuer", "us", "--jti", "1"], r#"{"iss": "us", "jti": "1"}"#),
        (
            &["--issuer", "us", "--jti", "1", "--exp", "4000000000"],
            r#"{"iss": "us", "jti": "1", "exp": 4000000000}"#,
        ),
        (
            &["--issuer", "us", "--subject", "ann", "--issued-before", "1800000000"],
            r#"{"iss": "us", "sub": "ann", "issued_before": 1800000000}"#,
        ),
        (
            &["--issuer", "us", "--subject", "ann", "--issued-before", "2027-01-15T08:00:00Z"],
            r#"{"iss": "us", "sub": "ann", "issued_before": 1800000000}"#,
        ),
        (
            &["--issuer", "us", "--subject", "ann", "--issued-before", "7", "--exp", "4000000000"],
            r#"{"iss": "us", "sub": "ann", "issued_before": 7, "exp": 4000000000}"#,
        ),
    ];
    for (arguments, expected) in rows {
        let list = List::new("claims", "[]");
        let (code, text) = list.revoke(arguments, "");
        assert_eq!(code, Some(0), "{arguments:?}: {text}");
        assert_eq!(list.text(), format!("[\n  {expected}\n]\n"), "{arguments:?}");
    }
    let list = List::new("now", "[]");
    list.revoke(&["--issuer", "us", "--subject", "ann"], "");
    let entries: Value = serde_json::from_str(&list.text()).unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let issued_before = entries[0]["issued_before"].as_u64().unwrap();
    assert!((now - 60..=now).contains(&issued_before), "{issued_before} {now}");
}

#[test]
fn invalid_arguments_and_lists_leave_the_file_as_it_is() {
    let no_id = token(&json!({"iss": "us", "sub": "ann"}));
    let no_issuer = token(&json!({"jti": "1", "sub": "ann"}));
    let wrong_id = token(&json!({"iss": "us", "jti": 1}));
    let hint = "revoke all tokens of its subject with --issuer ISS --subject SUB";
    let by_id: &[&str] = &["--issuer", "us", "--jti", "1"];
    let rows: [(&str, &str, &[&str], &str, &str); 15] = [
        ("a token without jti", "[]", &["-"], &no_id, hint),
        ("a token without iss", "[]", &["-"], &no_issuer, hint),
        ("a token whose jti is a number", "[]", &["-"], &wrong_id, "the token has no `jti`"),
        ("not a token", "[]", &["-"], "Bearer a.b.c", "not a token: it begins with `Bearer `"),
        ("claims that are not JSON", "[]", &["-"], "eyJ.e.s", "not a token: its claims are not"),
        ("no arguments", "[]", &[], "", "required"),
        ("an issuer alone", "[]", &["--issuer", "us"], "", "--jti"),
        ("a token and options", "[]", &["-", "--issuer", "us", "--jti", "1"], "", "cannot be used"),
        (
            "an id and a subject",
            "[]",
            &["--issuer", "us", "--jti", "1", "--subject", "ann"],
            "",
            "cannot be used",
        ),
        (
            "a time in milliseconds",
            "[]",
            &["--issuer", "us", "--subject", "ann", "--issued-before", "1800000000000"],
            "",
            "must be a whole number of seconds since 1970, or a time such as",
        ),
        (
            "an expired token by its id",
            "[]",
            &["--issuer", "us", "--jti", "1", "--exp", "1"],
            "",
            "expired tokens need no entry",
        ),
        ("half a list", "[\n {\"iss\"", by_id, "", "revocations.json:2:7: not JSON: EOF"),
        ("an empty file", "", by_id, "", "revocations.json:1:1: has no value"),
        (
            "an invalid entry",
            "[\n  {\"iss\": \"us\"}]",
            by_id,
            "",
            "revocations.json:2:3: revocation 1 must have `iss` and `jti`",
        ),
        (
            "an unknown member",
            r#"[{"iss": "us", "jti": "1", "until": 1}]"#,
            by_id,
            "",
            "revocations.json:1:2: revocation 1: unknown field `until`",
        ),
    ];
    for (name, text, arguments, input, expected) in rows {
        let list = List::new("invalid", text);
        let (code, output) = list.revoke(arguments, input);
        assert_eq!(code, Some(2), "{name}: {output}");
        assert!(output.contains(expected), "{name}: {output}");
        assert_eq!((list.text().as_str(), list.files()), (text, 3), "{name}");
    }
    let folder = Folder::new("revoke-none");
    let missing = format!("{}/none.json", folder.config());
    let output = run(&["revoke", "--file", &missing, "--issuer", "us", "--jti", "1"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(to_text(&output.stderr).contains("none.json: No such file"));
}

#[test]
fn expired_token_needs_no_entry() {
    let list = List::new("expired", "[]");
    let (code, text) = list.revoke(&["-"], &token(&json!({"iss": "us", "jti": "1", "exp": 1})));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("not changed: the token expired 1970-01-01 00:00:01 UTC"), "{text}");
    assert_eq!(list.text(), "[]");
}

#[test]
fn file_is_replaced_where_it_is_and_readable_for_functions() {
    let list = List::new("link", "[]");
    let link = format!("{}/link.json", list.folder.config());
    std::os::unix::fs::symlink("revocations.json", &link).unwrap();
    fs::set_permissions(&list.path, fs::Permissions::from_mode(0o600)).unwrap();
    let script = "umask 077 && exec \"$0\" revoke --file \"$1\" --issuer us --jti 1";
    let mut command = Command::new("sh");
    command.args(["-c", script, BINARY, &link]);
    let output = testing::run_recorded(&mut command, b"").unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", to_text(&output.stderr));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&list.path).unwrap().permissions().mode() & 0o7777, 0o644);
    assert_eq!(list.text(), "[\n  {\"iss\": \"us\", \"jti\": \"1\"}\n]\n");
}

#[test]
fn runs_at_the_same_time_lose_no_entry() {
    let list = List::new("parallel", "[]");
    thread::scope(|scope| {
        for id in 0..8 {
            let list = &list;
            scope.spawn(move || {
                let (code, text) = list.revoke(&["--issuer", "us", "--jti", &id.to_string()], "");
                assert_eq!(code, Some(0), "{text}");
            });
        }
    });
    let entries: Value = serde_json::from_str(&list.text()).unwrap();
    assert_eq!(entries.as_array().unwrap().len(), 8, "{entries}");
    assert_eq!(list.files(), 3);
}
