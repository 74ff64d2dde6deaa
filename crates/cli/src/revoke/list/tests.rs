use policy::revocation::RevokedTokens;
use serde_json::{Value, json};

use super::*;

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

fn entry(tokens: RevokedTokens) -> NewEntry {
    let revocation = Revocation { issuer: "us".into(), tokens, expires: None, reason: None };
    NewEntry { revocation, claims: None }
}

fn token(id: &str) -> NewEntry {
    entry(RevokedTokens::Id(id.into()))
}

fn subject(subject: &str, issued_before: u64) -> NewEntry {
    let issued_before = UnixTime::from_seconds(issued_before);
    entry(RevokedTokens::OfSubject { subject: subject.into(), issued_before })
}

fn added(text: &str, entry: &NewEntry) -> Change {
    add(text, entry, NOW).unwrap()
}

#[test]
fn entry_is_added_and_the_others_keep_their_order_and_text() {
    let rows = [
        ("an empty list", "[]", ""),
        ("white space", "\n[ ]\n", ""),
        (
            "one entry a line",
            "[\n  {\"iss\": \"us\", \"jti\": \"1\"},\n  {\"jti\":\"2\",\"iss\":\"us\"}\n]\n",
            "  {\"iss\": \"us\", \"jti\": \"1\"},\n  {\"jti\":\"2\",\"iss\":\"us\"},\n",
        ),
        (
            "entries on several lines, and one on the same line",
            "[{\n\"iss\" : \"a\\nb c\",\n \"jti\": \"1\"}, {\"iss\": \"us\", \"jti\": \"2\"}]",
            "  {\"iss\": \"a\\nb c\", \"jti\": \"1\"},\n  {\"iss\": \"us\", \"jti\": \"2\"},\n",
        ),
    ];
    for (name, before, kept) in rows {
        let text = format!("[\n{kept}  {{\"iss\": \"us\", \"jti\": \"new\"}}\n]\n");
        let change = Change::Added { text: text.clone(), removed: 0 };
        assert_eq!(added(before, &token("new")), change, "{name}");
        let more = text.replace("\n]\n", ",\n  {\"iss\": \"us\", \"jti\": \"other\"}\n]\n");
        let change = Change::Added { text: more, removed: 0 };
        assert_eq!(added(&text, &token("other")), change, "{name}");
    }
}

#[test]
fn entry_has_all_its_members() {
    let mut by_id = token("1\"");
    by_id.revocation.expires = Some(UnixTime::from_seconds(1_800_003_600));
    by_id.revocation.reason = Some("a \"lost\" laptop\n".into());
    let rows = [
        (
            by_id,
            r#"{"iss": "us", "jti": "1\"", "exp": 1800003600, "reason": "a \"lost\" laptop\n"}"#,
        ),
        (subject("ann", 7), r#"{"iss": "us", "sub": "ann", "issued_before": 7}"#),
    ];
    for (entry, expected) in rows {
        let text = format!("[\n  {expected}\n]\n");
        assert_eq!(added("[]", &entry), Change::Added { text, removed: 0 });
    }
}

#[test]
fn entries_of_expired_tokens_are_removed() {
    let list = r#"[{"iss": "us", "jti": "1", "exp": 1799999699},
        {"iss": "us", "jti": "2", "exp": 1799999700},
        {"iss": "us", "sub": "ann", "issued_before": 1, "exp": 5}, {"iss": "us", "jti": "3"}]"#;
    let text = "[\n  {\"iss\": \"us\", \"jti\": \"2\", \"exp\": 1799999700},\n  \
                {\"iss\": \"us\", \"jti\": \"3\"},\n  {\"iss\": \"us\", \"jti\": \"new\"}\n]\n";
    assert_eq!(added(list, &token("new")), Change::Added { text: text.into(), removed: 2 });
    let again = added(list, &token("1"));
    assert!(matches!(again, Change::Added { removed: 2, .. }), "an expired entry revokes nothing");
}

#[test]
fn tokens_that_an_entry_revokes_are_not_added() {
    let text = r#"[{"iss": "us", "jti": "1"}, {"iss": "us", "sub": "ann", "issued_before": 1000},
        {"iss": "them", "jti": "2"}, {"iss": "them", "sub": "bob", "issued_before": 1000}]"#;
    let of = |subject: &str, issued_at: Option<u64>| {
        let mut claims = json!({"iss": "us", "jti": "3", "sub": subject});
        claims.as_object_mut().unwrap().extend(issued_at.map(|at| ("iat".into(), json!(at))));
        NewEntry { claims: claims.as_object().cloned(), ..token("3") }
    };
    let rows = [
        ("the token", token("1"), true),
        ("the token of another issuer", token("2"), false),
        ("another token", token("3"), false),
        ("the subject", subject("ann", 1000), true),
        ("the subject, earlier", subject("ann", 999), true),
        ("the subject, later", subject("ann", 1001), false),
        ("the subject of another issuer", subject("bob", 1000), false),
        ("a subject with the name of a token", subject("1", 0), false),
        ("a token of the subject", of("ann", Some(999)), true),
        ("a token of the subject at the time", of("ann", Some(1000)), false),
        ("a token of the subject without iat", of("ann", None), true),
        ("a token of another subject", of("bob", Some(1)), false),
    ];
    for (name, entry, expected) in rows {
        assert_eq!(added(text, &entry) == Change::AlreadyRevoked, expected, "{name}");
    }
}

#[test]
fn list_that_a_function_refuses_is_not_changed() {
    let rows = [
        ("", "1:1: has no value, write `[]` for a list without revocations"),
        ("null", "1:1: has no value, write `[]` for a list without revocations"),
        ("[\n {\"iss\"", "2:7: not JSON: EOF while parsing an object"),
        (
            "[\n {\"iss\": \"us\"},\n {}, {}]",
            "2:2: revocation 1 must have `iss` and `jti`, or `iss`, `sub` and `issued_before` (and 2 more: run \
             `countersign check`)",
        ),
    ];
    for (text, expected) in rows {
        let error = add(text, &token("1"), NOW).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text:?}");
    }
}

#[test]
fn list_over_the_maximum_length_is_refused() {
    let list = |count: usize| {
        let entries: Vec<Value> =
            (0..count).map(|number| json!({"iss": "us", "jti": format!("{number}")})).collect();
        json!(entries).to_string()
    };
    assert!(add(&list(9_999), &token("new"), NOW).is_ok());
    let error = add(&list(10_000), &token("new"), NOW).unwrap_err();
    let expected = " has 10001 revocations, but at most 10000 are allowed: remove expired ones";
    assert_eq!(error.to_string(), expected);
    let mut long = token("new");
    long.revocation.reason = Some("x".repeat(4 * 1024 * 1024));
    assert_eq!(add("[]", &long, NOW), Err(ChangeError::TooLong));
}
