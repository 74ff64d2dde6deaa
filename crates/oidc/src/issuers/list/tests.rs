use jwt::{Algorithm, KeyError};
use serde_json::{Value, json};

use super::*;
use crate::{EntryError, KeySource, UrlError};

/// RFC 8037 appendix A.2.
const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn okp() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": X, "kid": "a"})
}

fn entry(more: Value) -> Value {
    merged(json!({"issuer": "https://a.example", "audience": "https://api.example"}), more)
}

fn client(more: Value) -> Value {
    merged(json!({"issuer": "ci", "client": true, "jwks_uri": "https://a.example/keys"}), more)
}

/// Both objects; a member that is null in the second one is left out.
fn merged(mut base: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("an object") };
    let members = base.as_object_mut().unwrap();
    members.extend(more);
    members.retain(|_, value| !value.is_null());
    base
}

fn read(entries: &[Value]) -> Result<TrustedIssuers, TrustedIssuersError> {
    Value::from(entries).to_string().parse()
}

#[test]
fn members_and_defaults_are_read() {
    let list = read(&[
        entry(json!({})),
        json!({
            "issuer": "https://b.example/",
            "jwks_uri": "https://keys.example/b?v=2",
            "audience": ["b", "c"],
            "algorithms": ["ES256", "EdDSA"],
            "typ": "at+jwt",
            "max_age_seconds": 300,
            "subject_claim": "oid",
            "scope_claim": "scp",
            "required_claims": {"tid": "7", "n": [1, true, "x"]},
        }),
        client(
            json!({"issuer": "c", "jwks": {"keys": [okp()]}, "jwks_uri": null, "algorithms": "Ed25519",
            "accept_token_endpoint_audience": true}),
        ),
    ]);
    let list = list.unwrap();
    let [discovered, by_uri, inline] = list.entries() else { panic!("three entries") };
    let KeySource::Discovery(url) = &discovered.keys else { panic!("{discovered:?}") };
    assert_eq!(url.to_string(), "https://a.example/.well-known/openid-configuration");
    assert_eq!(
        (&*discovered.algorithms, &*discovered.subject_claim),
        (&[Algorithm::Rs256][..], "sub")
    );
    assert_eq!(
        (discovered.max_age, &discovered.scope_claim, discovered.is_client),
        (None, &None, false)
    );
    assert!(discovered.token_types.is_empty() && discovered.required_claims.is_empty());
    assert!(!discovered.accepts_token_endpoint_audience);

    let KeySource::JwksUri(url) = &by_uri.keys else { panic!("{by_uri:?}") };
    assert_eq!(url.to_string(), "https://keys.example/b?v=2");
    assert_eq!(by_uri.audiences, ["b", "c"]);
    assert_eq!(by_uri.algorithms, [Algorithm::Es256, Algorithm::Ed25519]);
    assert_eq!((&*by_uri.token_types, &*by_uri.subject_claim), (&["at+jwt".to_owned()][..], "oid"));
    assert_eq!(by_uri.max_age.map(|age| age.as_secs()), Some(300));
    assert_eq!(by_uri.scope_claim.as_deref(), Some("scp"));
    let required: Vec<_> =
        by_uri.required_claims.iter().map(|claim| (&*claim.name, &*claim.values)).collect();
    assert_eq!(
        required,
        [("n", &[json!(1), json!(true), json!("x")][..]), ("tid", &[json!("7")][..])]
    );

    assert!(matches!(&inline.keys, KeySource::Jwks(set) if set.keys.len() == 1), "{inline:?}");
    assert!(
        inline.is_client && inline.accepts_token_endpoint_audience && inline.audiences.is_empty()
    );
    assert_eq!(list.get("c"), Some(inline));
    assert_eq!(list.get("https://b.example"), None);
    assert!(read(&[]).unwrap().is_empty());
}

/// Checks that each entry is refused for this reason.
fn assert_refused<const ROWS: usize>(rows: [(&str, Value, EntryError); ROWS]) {
    let mut wrong = Vec::new();
    for (name, entry, expected) in rows {
        let expected = Err(TrustedIssuersError::Entry { number: 2, problem: expected });
        let found = read(&[json!({"issuer": "https://first.example"}), entry]);
        if found != expected {
            wrong.push(format!("{name}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// So many claims with so many values each.
fn required_claims(claims: usize, values: usize) -> Value {
    let mut required = json!({});
    for number in 0..claims {
        required[format!("claim-{number}")] = json!(vec!["a"; values]);
    }
    json!({"required_claims": required})
}

#[test]
fn entry_can_have_16_audiences_and_16_required_claims_of_16_values() {
    for members in [json!({"audience": vec!["a"; 16]}), required_claims(16, 16)] {
        let read = json!([entry(members)]).to_string().parse::<TrustedIssuers>();
        assert!(read.is_ok(), "{read:?}");
    }
}

#[test]
fn member_that_is_missing_unknown_or_of_another_type_is_refused() {
    let not_text = |member| EntryError::Type { member, expected: "a string" };
    let not_texts = |member| EntryError::Type { member, expected: "a string or a list of strings" };
    let age = EntryError::Number { member: "max_age_seconds", min: 1, max: 31_536_000 };
    assert_refused([
        ("no issuer", entry(json!({"issuer": null})), EntryError::Missing("issuer")),
        ("issuer is a number", entry(json!({"issuer": 7})), not_text("issuer")),
        ("empty issuer", entry(json!({"issuer": ""})), EntryError::Name("issuer")),
        (
            "space after the issuer",
            entry(json!({"issuer": "https://a.example "})),
            EntryError::Name("issuer"),
        ),
        (
            "long issuer",
            entry(json!({"issuer": format!("https://a.example/{}", "x".repeat(512))})),
            EntryError::Name("issuer"),
        ),
        ("unknown member", entry(json!({"aud": "a"})), EntryError::UnknownMember("aud".into())),
        ("no algorithm", entry(json!({"algorithms": []})), EntryError::Count("algorithms")),
        ("algorithm is a number", entry(json!({"algorithms": [256]})), not_texts("algorithms")),
        ("no audience in the list", entry(json!({"audience": []})), EntryError::Count("audience")),
        ("17 audiences", entry(json!({"audience": vec!["a"; 17]})), EntryError::Count("audience")),
        ("empty audience", entry(json!({"audience": ""})), EntryError::Name("audience")),
        (
            "flag is a string",
            entry(json!({"accept_shared_audience": "true"})),
            EntryError::Type { member: "accept_shared_audience", expected: "true or false" },
        ),
        ("no age", entry(json!({"max_age_seconds": 0})), age.clone()),
        ("age of more than a year", entry(json!({"max_age_seconds": 31_536_001})), age.clone()),
        ("age is a fraction", entry(json!({"max_age_seconds": 1.5})), age.clone()),
        ("age is a string", entry(json!({"max_age_seconds": "60"})), age),
        (
            "empty subject claim",
            entry(json!({"subject_claim": ""})),
            EntryError::Name("subject_claim"),
        ),
        ("scope claim is a list", entry(json!({"scope_claim": ["scp"]})), not_text("scope_claim")),
        (
            "required claims are a list",
            entry(json!({"required_claims": ["a"]})),
            EntryError::RequiredClaims,
        ),
        ("no required claim", entry(json!({"required_claims": {}})), EntryError::RequiredClaims),
        (
            "no value of a required claim",
            entry(json!({"required_claims": {"a": []}})),
            EntryError::RequiredClaims,
        ),
        ("17 required claims", entry(required_claims(17, 1)), EntryError::RequiredClaims),
        (
            "17 values of a required claim",
            entry(required_claims(1, 17)),
            EntryError::RequiredClaims,
        ),
        (
            "required object",
            entry(json!({"required_claims": {"a": {"b": 1}}})),
            EntryError::RequiredClaims,
        ),
        (
            "required fraction",
            entry(json!({"required_claims": {"a": [1.5]}})),
            EntryError::RequiredClaims,
        ),
        (
            "client is a string",
            client(json!({"client": "yes"})),
            EntryError::Type { member: "client", expected: "true or false" },
        ),
    ]);
}

#[test]
fn url_with_a_weak_transport_is_refused() {
    let url = |problem| EntryError::Url { member: "jwks_uri", problem };
    assert_refused([
        (
            "http",
            entry(json!({"issuer": "http://a.example"})),
            EntryError::Discovery(UrlError::NotHttps),
        ),
        (
            "http of this machine",
            entry(json!({"issuer": "http://127.0.0.1:1"})),
            EntryError::Discovery(UrlError::NotHttps),
        ),
        (
            "issuer without a URL",
            entry(json!({"issuer": "accounts.google.com"})),
            EntryError::Discovery(UrlError::NotHttp),
        ),
        (
            "issuer with a query",
            entry(json!({"issuer": "https://a.example?t=1"})),
            EntryError::Discovery(UrlError::Query),
        ),
        (
            "issuer with a password",
            entry(json!({"issuer": "https://a:b@a.example"})),
            EntryError::Discovery(UrlError::UserName),
        ),
        (
            "http of the keys",
            entry(json!({"jwks_uri": "http://a.example/k"})),
            url(UrlError::NotHttps),
        ),
        (
            "http of the keys on this machine",
            entry(json!({"jwks_uri": "http://localhost/k"})),
            url(UrlError::NotHttps),
        ),
        ("a path to the keys", entry(json!({"jwks_uri": "/keys"})), url(UrlError::NotHttp)),
    ]);
}

#[test]
fn algorithm_type_or_audience_that_weakens_the_proof_is_refused() {
    let shared = |audience: &str| EntryError::SharedAudience(audience.into());
    assert_refused([
        ("HS256", entry(json!({"algorithms": ["RS256", "HS256"]})), EntryError::Symmetric("HS256")),
        ("HS512", entry(json!({"algorithms": "HS512"})), EntryError::Symmetric("HS512")),
        ("none", entry(json!({"algorithms": ["none"]})), EntryError::Symmetric("none")),
        (
            "unknown algorithm",
            entry(json!({"algorithms": "RS1"})),
            EntryError::Algorithm(jwt::UnknownAlgorithm),
        ),
        (
            "audience of AWS STS",
            entry(json!({"audience": "sts.amazonaws.com"})),
            shared("sts.amazonaws.com"),
        ),
        (
            "audience of Entra ID in a list",
            entry(json!({"audience": ["b", "api://AzureADTokenExchange"]})),
            shared("api://AzureADTokenExchange"),
        ),
        (
            "default audience of GitHub",
            entry(json!({"audience": "https://github.com/acme"})),
            shared("https://github.com/acme"),
        ),
        (
            "the issuer as audience",
            entry(json!({"audience": "https://A.example/"})),
            shared("https://A.example/"),
        ),
        (
            "shared audience not accepted",
            entry(json!({"audience": "sts.amazonaws.com", "accept_shared_audience": false})),
            shared("sts.amazonaws.com"),
        ),
        (
            "DPoP proofs",
            entry(json!({"typ": ["at+jwt", "DPoP+jwt"]})),
            EntryError::TokenType("dpop+jwt"),
        ),
        (
            "key binding",
            entry(json!({"typ": "application/kb+jwt"})),
            EntryError::TokenType("kb+jwt"),
        ),
        ("logout tokens", entry(json!({"typ": "logout+jwt"})), EntryError::TokenType("logout+jwt")),
        (
            "event tokens",
            entry(json!({"typ": "secevent+jwt"})),
            EntryError::TokenType("secevent+jwt"),
        ),
        (
            "introspection responses",
            entry(json!({"typ": "token-introspection+jwt"})),
            EntryError::TokenType("token-introspection+jwt"),
        ),
    ]);
}

#[test]
fn keys_of_an_entry_that_cannot_be_used_are_refused() {
    let private = merged(okp(), json!({"d": X}));
    let symmetric = json!({"kty": "oct", "k": "AAAA"});
    let short = json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"});
    let keys = |keys: Vec<Value>| json!({"algorithms": "Ed25519", "jwks": {"keys": keys}});
    let unusable = |problem| EntryError::UnusableKey { index: 1, problem };
    let length = KeyError::KeyLength { algorithm: Algorithm::Ed25519, expected: 32, bytes: 3 };
    assert_refused([
        (
            "two sources of keys",
            entry(merged(keys(vec![okp()]), json!({"jwks_uri": "https://a.example/k"}))),
            EntryError::TwoKeySources,
        ),
        (
            "keys are a list",
            entry(json!({"jwks": []})),
            EntryError::KeySet(KeyError::Json(jwt::json::JsonError::NotAnObject)),
        ),
        ("no keys", entry(keys(vec![])), EntryError::KeyCount(0)),
        ("101 keys", entry(keys(vec![okp(); 101])), EntryError::KeyCount(101)),
        (
            "private key",
            entry(keys(vec![okp(), private])),
            EntryError::KeySet(KeyError::PrivateKeyInSet { index: 1, member: "d" }),
        ),
        (
            "symmetric key",
            entry(keys(vec![okp(), symmetric])),
            unusable(KeyError::PrivateKey { member: "k" }),
        ),
        ("broken key", entry(keys(vec![okp(), short])), unusable(length)),
        (
            "encryption key",
            entry(keys(vec![okp(), merged(okp(), json!({"use": "enc"}))])),
            unusable(KeyError::Use),
        ),
        (
            "keys of another algorithm",
            entry(merged(keys(vec![okp()]), json!({"algorithms": "RS256"}))),
            EntryError::NoFittingKey,
        ),
    ]);
}

#[test]
fn member_of_the_other_role_is_refused() {
    assert_refused([
        (
            "token endpoint of an issuer",
            entry(json!({"accept_token_endpoint_audience": true})),
            EntryError::IssuerMember("accept_token_endpoint_audience"),
        ),
        ("client without keys", client(json!({"jwks_uri": null})), EntryError::ClientKeys),
        (
            "client with an audience",
            client(json!({"audience": "a"})),
            EntryError::ClientMember("audience"),
        ),
        (
            "client with another subject",
            client(json!({"subject_claim": "a"})),
            EntryError::ClientMember("subject_claim"),
        ),
    ]);
}

#[test]
fn shared_audience_is_accepted_if_the_entry_says_so() {
    let opted_in = entry(json!({"audience": "sts.amazonaws.com", "accept_shared_audience": true}));
    assert_eq!(read(&[opted_in]).unwrap().entries()[0].audiences, ["sts.amazonaws.com"]);
}

#[test]
fn http_of_this_machine_is_accepted_if_the_caller_allows_it() {
    let local = json!([{"issuer": "http://127.0.0.1:9000"}, {"issuer": "b", "jwks_uri": "http://[::1]:9000/keys"}]);
    assert!(TrustedIssuers::read(&local.to_string(), Transport::LoopbackHttp).is_ok());
    let remote = json!([{"issuer": "http://a.example:9000"}]);
    assert!(TrustedIssuers::read(&remote.to_string(), Transport::LoopbackHttp).is_err());
}

#[test]
fn names_that_differ_only_by_slash_or_case_are_refused() {
    let name = |name: &str| json!({"issuer": name, "jwks_uri": "https://a.example/keys"});
    let rows = [
        ("https://a.example", "https://a.example", false),
        ("https://a.example", "https://a.example/", false),
        ("https://a.example/T", "https://a.example/t", false),
        ("HTTPS://a.example/t//", "https://a.example/t", false),
        ("ci", "CI", false),
        ("https://a.example/t", "https://a.example/u", true),
        ("https://a.example/t", "https://a.example", true),
    ];
    for (first, second, is_valid) in rows {
        let found = read(&[name("https://0.example"), name(first), name(second)]).map(|_| ());
        let same = TrustedIssuersError::SameIssuer { first: 2, second: 3 };
        assert_eq!(found, if is_valid { Ok(()) } else { Err(same) }, "{first} {second}");

        let list = read(&[name("https://0.example"), name(first)]).unwrap();
        let own = TrustedIssuersError::OwnIssuer(2);
        let expected = if is_valid { Ok(()) } else { Err(own) };
        assert_eq!(list.check_own_issuer(second), expected, "{first} {second}");
    }
}

#[test]
fn text_that_is_not_a_list_is_refused() {
    for text in ["", "null", "{}", "[1]", r#"[{"issuer":"a","issuer":"b"}]"#, "[] []"] {
        let read = text.parse::<TrustedIssuers>();
        assert!(matches!(read, Err(TrustedIssuersError::Form(_))), "{text}: {read:?}");
    }
    let many: Vec<_> =
        (0..101).map(|number| json!({"issuer": format!("https://{number}.example")})).collect();
    assert_eq!(read(&many), Err(TrustedIssuersError::TooMany(101)));
    assert!(read(&many[1..]).is_ok());
}

#[test]
fn errors_name_the_entry_and_the_member() {
    let rows = [
        (
            entry(json!({"max_age_seconds": 0})),
            "trusted issuer 1: `max_age_seconds` must be a whole number from 1 to 31536000",
        ),
        (
            entry(json!({"issuer": "http://a.example"})),
            "trusted issuer 1: without `jwks_uri` and `jwks`, the keys are discovered: `issuer` must be an https URL: \
             with http, anyone on the network path could replace the keys",
        ),
        (
            entry(json!({"audience": "sts.amazonaws.com"})),
            "trusted issuer 1: `audience` has \"sts.amazonaws.com\", which other services accept too: a token from one of \
             them would be accepted here. Use an audience of your own, or set `accept_shared_audience` to true",
        ),
    ];
    for (entry, expected) in rows {
        assert_eq!(read(&[entry]).unwrap_err().to_string(), expected);
    }
}
