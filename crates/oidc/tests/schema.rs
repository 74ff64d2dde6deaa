//! The JSON Schema of trusted issuers, which editors use, against the parser, which decides.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::{collections::BTreeSet, fs, path::Path};

use boon::{Compiler, Schemas};
use countersign_oidc::{KeySource, ProviderUrl, Transport, TrustedIssuers};
use jwt::Algorithm;
use proptest::{option::weighted, prelude::*, sample::select};
use serde_json::{Map, Value, json};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config");
const SCHEMA: &str = "schemas/trusted-issuers.schema.json";

fn read(path: impl AsRef<Path>) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Whether each document follows the schema, and whether the parser accepts it.
fn verdicts(documents: &[Value]) -> Vec<(bool, bool)> {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("schema.json", read(Path::new(CONFIG).join(SCHEMA))).unwrap();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();
    let verdict = |document: &Value| {
        let is_valid = document.to_string().parse::<TrustedIssuers>().is_ok();
        (schemas.validate(document, index).is_ok(), is_valid)
    };
    documents.iter().map(verdict).collect()
}

fn assert_verdicts(documents: &[Value], expected: (bool, bool)) {
    let wrong: Vec<_> = documents
        .iter()
        .zip(verdicts(documents))
        .filter(|(_, found)| *found != expected)
        .map(|(document, found)| format!("{document}: schema, parser: {found:?}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The list with one entry, which has these members too.
fn with(more: &Value) -> Value {
    let mut entry = json!({"issuer": "https://a.example"});
    let members = entry.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    json!([entry])
}

fn client(more: &Value) -> Value {
    let mut client = json!({"issuer": "ci", "client": true, "jwks_uri": "https://a.example/keys"});
    client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    with(&client)
}

/// RFC 8037 appendix A.2.
fn key() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

#[test]
fn examples_are_valid() {
    let files = fs::read_dir(Path::new(CONFIG).join("examples")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let is_own = |path: &Path| path.to_str().unwrap().contains("/trusted-issuers.");
    let mut examples: Vec<_> = files.filter(|path| is_own(path)).map(read).collect();
    assert!(examples.len() >= 2, "{examples:?}");
    let providers = fs::read_dir(Path::new(CONFIG).join("../examples/trusted-issuers")).unwrap();
    examples
        .extend(providers.map(|folder| read(folder.unwrap().path().join("trusted-issuers.json"))));
    assert_verdicts(&examples, (true, true));
}

#[test]
fn schema_agrees_with_the_parser() {
    let keys = |keys: &[Value]| json!({"algorithms": "Ed25519", "jwks": {"keys": keys}});
    let valid = [
        json!([]),
        with(&json!({})),
        with(&json!({"client": false, "audience": "a"})),
        with(&json!({"audience": ["a", "b"], "typ": "at+jwt", "scope_claim": "scp"})),
        with(&json!({"audience": "sts.amazonaws.com", "accept_shared_audience": true})),
        with(&json!({"algorithms": "ES256"})),
        with(&json!({"algorithms": ["EdDSA", "ML-DSA-87"]})),
        with(&json!({"issuer": "HTTPS://a.example/t/"})),
        with(&json!({"issuer": "accounts.google.com", "jwks_uri": "HTTPS://a.example?v=3"})),
        with(&json!({"issuer": "https://a.example?t", "jwks_uri": "https://a.example/x?v=3"})),
        with(&keys(&[key()])),
        with(&json!({"max_age_seconds": 31_536_000, "subject_claim": "oid"})),
        with(&json!({"required_claims": {"a": "b", "c": [1, true, "d"]}})),
        client(&json!({})),
        client(&json!({"accept_token_endpoint_audience": true, "max_age_seconds": 1})),
    ];
    assert_verdicts(&valid, (true, true));
    let invalid = [
        json!(null),
        json!({}),
        json!(["https://a.example"]),
        json!([{}]),
        with(&json!({"issuer": ""})),
        with(&json!({"issuer": 7})),
        with(&json!({"issuer": "x".repeat(513), "jwks_uri": "https://a.example"})),
        with(&json!({"issuer": "http://a.example"})),
        with(&json!({"issuer": "a.example"})),
        with(&json!({"issuer": "https://a.example?t"})),
        with(&json!({"issuer": "https://a@a.example"})),
        with(&json!({"jwks_uri": "http://a.example"})),
        with(&json!({"jwks_uri": "/keys"})),
        with(&json!({"jwks_uri": "https://a@a.example/keys"})),
        with(&json!({"jwks_uri": "https://a.example/keys#1"})),
        with(&json!({"jwks_uri": "https://a.example/keys", "jwks": {"keys": [key()]}})),
        with(&json!({"jwks": {"keys": []}})),
        with(&json!({"jwks": {"keys": vec![key(); 101]}})),
        with(&json!({"jwks": {"keys": [7]}})),
        with(&json!({"jwks": [key()]})),
        with(&keys(&[json!({"kty": "oct", "k": "AAAA"})])),
        with(&keys(&[json!({"kty": "OKP", "crv": "Ed25519", "x": key()["x"], "d": "AAAA"})])),
        with(&json!({"audience": []})),
        with(&json!({"audience": vec!["a"; 17]})),
        with(&json!({"audience": [7]})),
        with(&json!({"algorithms": "HS256"})),
        with(&json!({"algorithms": ["RS256", "none"]})),
        with(&json!({"algorithms": []})),
        with(&json!({"accept_shared_audience": "yes"})),
        with(&json!({"max_age_seconds": 0})),
        with(&json!({"max_age_seconds": 31_536_001})),
        with(&json!({"max_age_seconds": "60"})),
        with(&json!({"subject_claim": ["sub"]})),
        with(&json!({"required_claims": {}})),
        with(&json!({"required_claims": {"a": null}})),
        with(&json!({"required_claims": {"a": []}})),
        with(&json!({"required_claims": {"a": 1.5}})),
        with(&json!({"required_claims": ["a"]})),
        with(&json!({"aud": "a"})),
        with(&json!({"accept_token_endpoint_audience": true})),
        with(&json!({"client": true})),
        client(&json!({"audience": "a"})),
        client(&json!({"subject_claim": "a"})),
        (0..101).map(|number| json!({"issuer": format!("https://{number}.example")})).collect(),
    ];
    // `null` removes a member in the rows, so this one is written out.
    assert_verdicts(&[json!([{"issuer": "https://a.example", "typ": null}])], (false, false));
    assert_verdicts(&invalid, (false, false));
    // Only the parser checks: shared audiences, types of other tokens, keys, and entries that depend on each other.
    let refused_by_parser = [
        with(&json!({"issuer": "https://a.example "})),
        with(&json!({"jwks_uri": "https://a.example:0/"})),
        with(&json!({"audience": "sts.amazonaws.com"})),
        with(&json!({"audience": "https://a.example"})),
        with(&json!({"typ": "logout+jwt"})),
        with(&json!({"jwks": {"keys": [key()]}})),
        with(&keys(&[json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"})])),
        json!([{"issuer": "https://a.example"}, {"issuer": "https://A.example/"}]),
    ];
    assert_verdicts(&refused_by_parser, (true, false));
}

/// `EdDSA` is another name of an algorithm (RFC 8037), which new programs replace by `Ed25519` (RFC 9864).
#[test]
fn schema_has_all_algorithms() {
    let schema = read(Path::new(CONFIG).join(SCHEMA));
    let names = schema.pointer("/$defs/algorithm/enum").unwrap().as_array().unwrap();
    let names: BTreeSet<_> = names.iter().map(|name| name.as_str().unwrap()).collect();
    let expected = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).chain(["EdDSA"]);
    assert_eq!(names, expected.collect());
}

/// Values of the members of an entry, valid ones and others.
fn pool() -> Vec<(&'static str, Vec<Value>)> {
    let keys = |keys: &[Value]| json!({"keys": keys});
    let symmetric = json!({"kty": "oct", "k": "AAAA"});
    let urls = [
        "https://a.example",
        "https://a.example/t/",
        "HTTPS://A.example",
        "http://a.example",
        "http://127.0.0.1",
        "https://a.example?t",
        "https://a.example#t",
        "https://a@b.example",
        "a",
        "",
        "a b",
        "https://",
    ];
    let urls: Vec<_> = urls.into_iter().map(Value::from).collect();
    let flags = || vec![json!(true), json!(false), json!(null), json!("true")];
    let names = |names: &[&str]| {
        let lists = [json!([]), json!(names), json!([names]), json!(7), json!({})];
        names.iter().map(|&name| name.into()).chain(lists).collect::<Vec<Value>>()
    };
    vec![
        ("issuer", urls.clone()),
        ("jwks_uri", urls),
        ("jwks", vec![keys(&[key()]), keys(&[]), keys(&[key(), symmetric]), json!([]), json!({})]),
        ("client", flags()),
        ("accept_shared_audience", flags()),
        ("accept_token_endpoint_audience", flags()),
        ("audience", names(&["orders", "sts.amazonaws.com", "https://a.example"])),
        ("algorithms", names(&["RS256", "Ed25519", "HS256", "none", "rs256"])),
        ("typ", names(&["at+jwt", "dpop+jwt", ""])),
        ("max_age_seconds", vec![json!(1), json!(0), json!(-1), json!(1.5), json!(31_536_001)]),
        ("subject_claim", names(&["oid", ""])),
        ("scope_claim", names(&["scp", " "])),
        (
            "required_claims",
            vec![
                json!({"a": 1}),
                json!({"a": ["b", true]}),
                json!({"a": []}),
                json!({}),
                json!([]),
            ],
        ),
        ("other", vec![json!(1)]),
    ]
}

/// An entry with some of these members.
fn entry() -> impl Strategy<Value = Value> {
    let members: Vec<_> = pool()
        .into_iter()
        .map(|(name, values)| {
            let probability = match name {
                "issuer" => 0.99,
                "other" => 0.02,
                _ => 0.25,
            };
            weighted(probability, select(values)).prop_map(move |value| (name.to_owned(), value))
        })
        .collect();
    members.prop_map(|members| {
        members
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect::<Map<_, _>>()
            .into()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, ..ProptestConfig::default() })]

    #[test]
    fn accepted_entries_follow_the_schema_and_the_rules_of_the_parser(entry in entry()) {
        let list = json!([entry]);
        let Ok(issuers) = list.to_string().parse::<TrustedIssuers>() else { return Ok(()) };
        prop_assert_eq!(verdicts(&[list]), [(true, true)]);
        let [issuer] = issuers.entries() else { panic!("one entry") };
        prop_assert!(!issuer.algorithms.is_empty());
        prop_assert!(!issuer.token_types.contains(&"dpop+jwt".to_owned()));
        let is_shared = |audience: &String| {
            let is_issuer = issuer.issuer.trim_end_matches('/').eq_ignore_ascii_case(audience);
            is_issuer || audience == "sts.amazonaws.com"
        };
        let has_shared = issuer.audiences.iter().any(is_shared);
        prop_assert!(!has_shared || entry["accept_shared_audience"] == true);
        let is_https = |url: &ProviderUrl| url.transport() == Transport::Https;
        match &issuer.keys {
            KeySource::Discovery(url) => prop_assert!(is_https(url) && !issuer.is_client),
            KeySource::JwksUri(url) => prop_assert!(is_https(url)),
            KeySource::Jwks(set) => prop_assert_eq!(set.keys.len(), 1),
        }
    }
}
