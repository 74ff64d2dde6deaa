//! `countersign issuance explain`.

use std::{env, fs, path::PathBuf, process};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{run, run_with_input, to_text};

const CI: &str = "https://ci.example";

/// A folder with a policy and trusted issuers, that is removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("countersign-issuance-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let folder = Self(folder);
        let when = "claims.repository_id == '42'";
        folder.write(
            "policy.json",
            &json!([
                {"caller": "*"},
                {"caller": {"issuer": CI, "when": "claims.repository_id == '7'"}},
                {"caller": {"issuer": CI, "when": when}, "scope": "read"},
                {
                    "caller": {"issuer": CI, "when": when}, "subject_from": "'ci:' + claims.repository_id",
                    "scope": ["deploy", "read"], "max_lifetime": 300,
                },
                {"caller": {"issuer": CI, "when": "true"}, "scope": "*"},
            ]),
        );
        let issuers =
            json!([{"issuer": CI, "subject_claim": "name", "audience": "https://api.example"}]);
        folder.write("trusted.json", &issuers);
        folder
    }

    fn write(&self, name: &str, content: &Value) {
        fs::write(self.0.join(name), content.to_string()).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// The exit code, the output and the errors of the command for a token with these claims.
    fn explain(&self, claims: &Value, more: &[&str]) -> (Option<i32>, String, String) {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let token = format!("{}.{}.AAAA", part(&json!({"alg": "RS256"})), part(claims));
        let (policy, trusted) = (self.path("policy.json"), self.path("trusted.json"));
        let files = ["--policy", &policy, "--trusted-issuers", &trusted];
        let arguments = [&["issuance", "explain", "--token", "-"], &files[..], more].concat();
        let settings = [("TOKEN_AUDIENCE", "https://api.example")];
        let output = run_with_input(&arguments, &settings, format!("{token}\n").as_bytes());
        (output.status.code(), to_text(&output.stdout), to_text(&output.stderr))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn job(repository: &str) -> Value {
    json!({"iss": CI, "sub": "ignored", "name": "job", "repository_id": repository})
}

#[test]
fn rules_are_explained_up_to_the_one_that_grants() {
    let folder = Folder::new("grant");
    let (code, text, _) = folder.explain(&job("42"), &["--form", "scope=deploy"]);
    let expected = "assertion: issuer https://ci.example, subject job\n\
                    not checked: its signature, times, audience, type and revocations\n\
                    rule 1: applies to other callers\n\
                    rule 2: `when` is not true for the claims\n\
                    rule 3: does not grant the scope, or has no default scope\n\
                    rule 4: grants {\"aud\":\"https://api.example\",\"scope\":\"deploy\",\"sub\":\"ci:42\"} for 300 seconds\n\
                    granted\n";
    assert_eq!((code, &*text), (Some(0), expected));

    let (code, text, _) =
        folder.explain(&job("42"), &["--json", "--form", "scope=admin%20x&expires_in=60"]);
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, found["rules"].as_array().unwrap().len()), (Some(0), 5));
    let claims = json!({"sub": "job", "aud": "https://api.example", "scope": "admin x"});
    let expected = json!({"rule": 5, "granted": true, "claims": claims, "expires_in": 60});
    assert_eq!(found["rules"][4], expected);
}

#[test]
fn refusal_has_the_error_of_the_token_endpoint() {
    let folder = Folder::new("refusal");
    let rows = [
        (job("1"), "", "refused: invalid_scope (the request must name a scope"),
        (
            job("42"),
            "scope=a&resource=https://other.example/",
            "refused: invalid_target (the issuance policy does not",
        ),
        (
            json!({"iss": "https://other.example", "name": "job"}),
            "",
            "refused: invalid_grant (the assertion has an issuer that is not trusted: its `iss` is not in ",
        ),
        (
            json!({"iss": CI, "sub": "job"}),
            "",
            "refused: invalid_grant (the assertion has no subject: `name` is missing, empty or not a string)",
        ),
    ];
    for (claims, form, expected) in rows {
        let (code, text, _) = folder.explain(&claims, &["--form", form]);
        let last = text.lines().last().unwrap_or_default();
        assert!(code == Some(1) && last.starts_with(expected), "{code:?} {text}");
    }
}

/// The checks of the token endpoint before and after the rules, in its order.
#[test]
fn other_checks_of_the_token_endpoint_are_made_too() {
    let folder = Folder::new("checks");
    let tenant = json!({
        "issuer": CI, "audience": "https://api.example", "required_claims": {"tenant": "acme"},
    });
    let keys = "https://client.example/keys";
    let client = json!({"issuer": "client-1", "client": true, "jwks_uri": keys});
    folder.write("trusted.json", &json!([tenant, client]));
    folder.write(
        "policy.json",
        &json!([
            {"caller": {"issuer": CI}, "subject_from": "'ci:' + claims.sub", "claims_from": {"groups": "claims.groups"}},
            {"caller": {"issuer": "client-1"}},
        ]),
    );
    let job = |changes: Value| {
        let mut job = json!({"iss": CI, "sub": "job", "tenant": "acme", "groups": ["a"]});
        job.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        job
    };
    let all = json!({"cnf": {}, "events": {}, "act": {}, "tenant": "other", "sub": "", "x": "x".repeat(16_384)});
    let without = |names: &[&str]| {
        let mut changes = all.as_object().unwrap().clone();
        changes.retain(|name, _| !names.contains(&&**name));
        job(changes.into())
    };
    let long = json!({"groups": ["g".repeat(6000)]});
    let rows = [
        ("too long", without(&[]), "invalid_grant (the assertion is too long)"),
        ("bound", without(&["x"]), "invalid_grant (the assertion is bound to a key, "),
        (
            "another purpose",
            without(&["x", "cnf"]),
            "invalid_grant (the assertion is a token for another purpose)",
        ),
        (
            "delegated",
            without(&["x", "cnf", "events"]),
            "invalid_grant (the assertion is for an actor on behalf of its subject (`act`))",
        ),
        (
            "a required claim",
            without(&["x", "cnf", "events", "act"]),
            "invalid_grant (the assertion lacks a claim that its issuer must set: `required_claims` of its issuer names \
             `tenant`)",
        ),
        (
            "no subject",
            without(&["x", "cnf", "events", "act", "tenant"]),
            "invalid_grant (the assertion has no subject: `sub` is missing, empty or not a string)",
        ),
        ("long claims", job(long), "invalid_request (the claims exceed "),
        (
            "another client",
            json!({"iss": "client-1", "sub": "client-2"}),
            "invalid_client (`iss` and `sub` of the assertion must be the client id)",
        ),
    ];
    for (name, claims, expected) in rows {
        let (code, text, error) = folder.explain(&claims, &[]);
        let last = text.lines().last().unwrap_or_default();
        let fits = last.starts_with(&format!("refused: {expected}"));
        assert!(code == Some(1) && fits, "{name}: {code:?} {text} {error}");
        let (code, text, _) = folder.explain(&claims, &["--json"]);
        let found: Value = serde_json::from_str(&text).unwrap();
        let error = expected.split(' ').next().unwrap();
        assert_eq!((code, &found["granted"]), (Some(1), &json!(false)), "{name}");
        assert_eq!(found["error"], error, "{name}");
        assert!(found["problem"].as_str().unwrap().starts_with(expected), "{name}: {found}");
    }
    for claims in [job(json!({})), json!({"iss": "client-1", "sub": "client-1"})] {
        let (code, text, error) = folder.explain(&claims, &[]);
        assert!(code == Some(0) && text.ends_with("granted\n"), "{code:?} {text} {error}");
    }
}

#[test]
fn rule_that_is_too_expensive_is_named() {
    let folder = Folder::new("budget");
    let when = "claims.groups.all(group, group in claims.allowed)";
    let rules = json!([{"caller": {"issuer": CI, "when": when}}, {"caller": {"issuer": CI, "when": "true"}, "scope": "a"}]);
    folder.write("policy.json", &rules);
    let numbers = vec![1; 1500];
    let claims = json!({"iss": CI, "name": "job", "groups": numbers, "allowed": numbers});
    let (code, text, _) = folder.explain(&claims, &["--form", "scope=b"]);
    let expected = "rule 1: `when` is too expensive for the claims, and was not evaluated\n\
                    rule 2: does not grant the scope, or has no default scope\n\
                    refused: unauthorized_client (the issuance policy does not grant the request: `when` of rule 1 is";
    assert!(code == Some(1) && text.contains(expected), "{code:?} {text}");
}

#[test]
fn invalid_input_is_named() {
    let folder = Folder::new("invalid");
    let rows = [
        (vec!["--form", "scope=a&scope=b"], "--form: the parameter scope must not be repeated"),
        (vec!["--form", "resource=orders"], "--form: resource must be an absolute URI"),
        (vec!["--form", "expires_in=3601"], "--form: expires_in must be at most 3600"),
    ];
    for (more, expected) in rows {
        let (code, _, error) = folder.explain(&job("42"), &more);
        assert!(code == Some(2) && error.contains(expected), "{code:?} {error}");
    }
    folder.write("policy.json", &json!([{"caller": {"issuer": "https://other.example"}}]));
    let (code, _, error) = folder.explain(&job("42"), &[]);
    let expected = "policy.json: rule 1: the issuer of `caller` is not in TRUSTED_ISSUERS";
    assert!(code == Some(2) && error.contains(expected), "{code:?} {error}");
    let output = run(&["issuance", "explain", "--token", "-", "--policy", "-"], &[]);
    assert_eq!(output.status.code(), Some(2));
}
