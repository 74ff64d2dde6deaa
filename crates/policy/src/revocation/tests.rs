use std::convert::Infallible;

use super::*;
use jwt::{Rejection, SignedParts, UnverifiedToken, Validation, Verifier};

struct AnySignature;

impl Verifier for AnySignature {
    type Error = Infallible;

    async fn verify(&self, _: &SignedParts<'_>) -> Result<Result<(), Rejection>, Infallible> {
        Ok(Ok(()))
    }
}

async fn claims(claims: &Value) -> Claims {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut claims = claims.clone();
    claims["exp"] = 4_000_000_000_u64.into();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let token =
        [&encode(r#"{"alg":"EdDSA"}"#), &encode(&claims.to_string()), &encode(&"s".repeat(64))];
    let token = token.map(String::as_str).join(".");
    let validation = Validation::new(None, None);
    let now = UnixTime::from_seconds(1_900_000_000);
    let candidate = UnverifiedToken::parse(&token).unwrap().screen(&validation, now).unwrap();
    candidate.confirm(&AnySignature).await.unwrap().unwrap()
}

#[tokio::test]
async fn exactly_the_named_tokens_are_revoked() {
    let revocations: Revocations = json!([
        {"iss": "us", "jti": "1", "exp": 1_800_000_000, "reason": "a laptop was lost"},
        {"iss": "us", "sub": "ann", "issued_before": 1000},
        {"iss": "us", "sub": "ann", "issued_before": 900},
        {"iss": "them", "jti": "2"},
    ])
    .to_string()
    .parse()
    .unwrap();
    let rows = [
        ("the token", json!({"iss": "us", "jti": "1"}), true),
        ("another token", json!({"iss": "us", "jti": "3"}), false),
        ("part of an id", json!({"iss": "us", "jti": "1 "}), false),
        ("the id of another issuer", json!({"iss": "us", "jti": "2"}), false),
        ("the other issuer", json!({"iss": "them", "jti": "2"}), true),
        ("an unknown issuer", json!({"iss": "eve", "jti": "1", "sub": "ann"}), false),
        ("no issuer", json!({"jti": "1", "sub": "ann"}), false),
        ("no id", json!({"iss": "us"}), false),
        ("the subject, before", json!({"iss": "us", "sub": "ann", "iat": 999}), true),
        ("the subject, just before", json!({"iss": "us", "sub": "ann", "iat": 999.5}), true),
        ("the subject, at the time", json!({"iss": "us", "sub": "ann", "iat": 1000}), false),
        ("the subject, after", json!({"iss": "us", "sub": "ann", "iat": 1001}), false),
        ("the subject, without iat", json!({"iss": "us", "sub": "ann"}), true),
        ("another subject", json!({"iss": "us", "sub": "bob", "iat": 999}), false),
        ("the subject of another issuer", json!({"iss": "them", "sub": "ann", "iat": 1}), false),
        ("both", json!({"iss": "us", "jti": "1", "sub": "ann", "iat": 2000}), true),
    ];
    for (name, members, expected) in rows {
        assert_eq!(revocations.contains(&claims(&members).await), expected, "{name}");
    }
    assert_eq!(revocations.len(), 3);
    assert!("[]".parse::<Revocations>().unwrap().is_empty());
}

#[test]
fn list_that_does_not_name_tokens_is_refused() {
    let tokens = "revocation 1 must have `iss` and `jti`, or `iss`, `sub` and `issued_before`";
    let rows = [
        ("{}", "is not a JSON list of revocations: not a JSON array of objects"),
        ("[", "is not a JSON list of revocations: not JSON with unique member names and at most"),
        (r#"[{"jti": "1"}]"#, "revocation 1: missing field `iss`"),
        (r#"[{"iss": "us"}]"#, tokens),
        (r#"[{"iss": "us", "sub": "ann"}]"#, tokens),
        (r#"[{"iss": "us", "issued_before": 1}]"#, tokens),
        (r#"[{"iss": "us", "jti": "1", "sub": "ann", "issued_before": 1}]"#, tokens),
        (r#"[{"iss": "us", "jti": "1", "issued_before": 1}]"#, tokens),
        (r#"[{"iss": "us", "jti": "1", "expires": 1}]"#, "revocation 1: unknown field `expires`"),
        (r#"[{"iss": "us", "jti": 1}]"#, "revocation 1: a member has an invalid value"),
        (
            r#"[{"iss": "us", "jti": "1", "exp": "soon"}]"#,
            "revocation 1: a member has an invalid value",
        ),
        (
            r#"[{"iss": "us", "jti": "1", "exp": -1}]"#,
            "revocation 1: a member has an invalid value",
        ),
        (
            r#"[{"iss": "us", "jti": "1", "exp": 1800000000000}]"#,
            "revocation 1: `exp` must be in seconds since 1970",
        ),
        (
            r#"[{"iss": "us", "sub": "ann", "issued_before": 1800000000000}]"#,
            "revocation 1: `issued_before` must be in seconds since 1970",
        ),
    ];
    for (text, expected) in rows {
        let problem = text.parse::<Revocations>().unwrap_err().to_string();
        assert!(problem.starts_with(expected), "{text}: {problem}");
    }
    let list = |count: usize| {
        json!(vec![json!({"iss": "us", "jti": "1"}); count]).to_string().parse::<Revocations>()
    };
    assert!(list(10_000).is_ok());
    let problem = "has 10001 revocations, but at most 10000 are allowed: remove expired ones";
    assert_eq!(list(10_001).unwrap_err().to_string(), problem);
}

fn token(id: &str) -> Revocation {
    let tokens = RevokedTokens::Id(id.into());
    Revocation { issuer: "us".into(), tokens, expires: None, reason: None }
}

fn subject(subject: &str, issued_before: u64) -> Revocation {
    let issued_before = UnixTime::from_seconds(issued_before);
    let tokens = RevokedTokens::OfSubject { subject: subject.into(), issued_before };
    Revocation { tokens, ..token("") }
}

#[test]
fn entry_is_read_as_it_was_written() {
    let all = Revocation {
        expires: Some(UnixTime::from_seconds(1_800_003_600)),
        reason: Some("a \"lost\" laptop\n".into()),
        ..token("1\"")
    };
    let rows = [
        (token("1"), r#"{"iss": "us", "jti": "1"}"#),
        (all, r#"{"iss": "us", "jti": "1\"", "exp": 1800003600, "reason": "a \"lost\" laptop\n"}"#),
        (subject("ann", 7), r#"{"iss": "us", "sub": "ann", "issued_before": 7}"#),
    ];
    for (entry, expected) in rows {
        assert_eq!(entry.to_json(), expected);
        assert_eq!(Revocation::read_all(&format!("[{expected}]")), Ok(vec![entry]));
    }
}

#[test]
fn entry_covers_what_it_revokes() {
    let of_them = |entry| Revocation { issuer: "them".into(), ..entry };
    let rows = [
        ("the token", token("1"), token("1"), true),
        ("another token", token("1"), token("2"), false),
        ("the token of another issuer", token("1"), of_them(token("1")), false),
        ("the subject", subject("ann", 1000), subject("ann", 1000), true),
        ("the subject, earlier", subject("ann", 1000), subject("ann", 999), true),
        ("the subject, later", subject("ann", 1000), subject("ann", 1001), false),
        ("another subject", subject("ann", 1000), subject("bob", 1), false),
        ("the subject of another issuer", subject("a", 2), of_them(subject("a", 1)), false),
        ("a subject with the name of a token", token("1"), subject("1", 0), false),
        ("a token with the name of a subject", subject("1", 1000), token("1"), false),
    ];
    for (name, entry, other, expected) in rows {
        assert_eq!(entry.covers(&other), expected, "{name}");
    }
}

#[test]
fn entry_names_its_tokens_for_people() {
    let time = |time: UnixTime| format!("second {}", time.seconds());
    assert_eq!(token("1").describe(time), "the token 1 of us");
    let expected = "the tokens of ann, of us, issued before second 7";
    assert_eq!(subject("ann", 7).describe(time), expected);
}
