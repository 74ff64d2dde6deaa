//! Providers that do not respond with usable keys: a fault, never a refusal.

use std::time::{Duration, Instant};

use countersign_oidc::{KeysError, Purpose};
use jwt::UnixTime;
use serde_json::{Value, json};

use crate::{
    NO_KEYS, NOW,
    Outcome::{self, Valid},
    UNREACHABLE, outcome,
    provider::{Provider, Reply},
    tokens::{SigningKey, header, merged},
    verifier,
};

/// The result of a valid assertion for a provider with these replies, and the number of requests.
async fn with_replies(metadata: Option<Reply>, keys: Option<Reply>) -> (Outcome, usize) {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[key.jwk("k")]).await;
    if let Some(reply) = metadata {
        provider.reply_for_metadata(reply);
    }
    if let Some(reply) = keys {
        provider.reply_for_keys(reply);
    }
    let verifier = verifier(&[provider.entry()]);
    let found = outcome(&verifier, &key.sign(&header("k"), &provider.claims()), NOW).await;
    (found, provider.take_requests())
}

#[tokio::test]
async fn response_without_usable_keys_is_a_fault() {
    let text = |value: Value| Some(Reply::Text(value.to_string()));
    let html = || Some(Reply::Text("<!doctype html><title>Sign in</title>".into()));
    let key = SigningKey::ed25519(1).jwk("k");
    let of_entry = "http://127.0.0.1:9";
    let metadata = |issuer: &str, keys: &str| text(json!({"issuer": issuer, "jwks_uri": keys}));
    let private = merged(key.clone(), json!({"d": "AAAA"}));
    let symmetric = json!({"kty": "oct", "k": "AAAA", "kid": "k"});
    let rows = [
        ("metadata of another issuer", metadata("https://a.example", of_entry), None, NO_KEYS, 1),
        ("metadata without issuer", text(json!({"jwks_uri": of_entry})), None, NO_KEYS, 1),
        ("metadata are HTML", html(), None, NO_KEYS, 1),
        ("metadata are empty", Some(Reply::Text(String::new())), None, NO_KEYS, 1),
        ("metadata are a redirect", Some(Reply::Redirect("/keys".into())), None, NO_KEYS, 1),
        ("metadata are missing", Some(Reply::Status(404)), None, NO_KEYS, 1),
        ("metadata are not available", Some(Reply::Status(503)), None, UNREACHABLE, 1),
        ("metadata of 100 MB", Some(Reply::Long(100_000_000)), None, NO_KEYS, 1),
        (
            "keys are a redirect",
            None,
            Some(Reply::Redirect("/.well-known/openid-configuration".into())),
            NO_KEYS,
            2,
        ),
        ("keys are HTML", None, html(), NO_KEYS, 2),
        ("keys of 100 MB", None, Some(Reply::Long(100_000_000)), NO_KEYS, 2),
        ("keys are not allowed", None, Some(Reply::Status(403)), NO_KEYS, 2),
        ("keys are requested too often", None, Some(Reply::Status(429)), UNREACHABLE, 2),
        ("keys are not available", None, Some(Reply::Status(500)), UNREACHABLE, 2),
        ("keys are incomplete", None, Some(Reply::Incomplete), UNREACHABLE, 2),
        ("no content", None, Some(Reply::Status(204)), NO_KEYS, 2),
        ("no list of keys", None, text(json!({"kty": "OKP"})), NO_KEYS, 2),
        ("repeated member", None, Some(Reply::Text(r#"{"keys":[],"keys":[]}"#.into())), NO_KEYS, 2),
        ("an empty set", None, text(json!({"keys": []})), NO_KEYS, 2),
        ("101 keys", None, text(json!({"keys": vec![key.clone(); 101]})), NO_KEYS, 2),
        (
            "a key, and more objects than a key set has",
            None,
            text(json!({"keys": [key.clone()], "more": vec![json!({}); 1000]})),
            NO_KEYS,
            2,
        ),
        (
            "a key, and many objects",
            None,
            text(json!({"keys": [key.clone()], "more": vec![json!({}); 990]})),
            Valid,
            2,
        ),
        ("100 keys", None, text(json!({"keys": vec![key.clone(); 100]})), Valid, 2),
        ("a private key alone", None, text(json!({"keys": [private]})), NO_KEYS, 2),
        ("a symmetric key alone", None, text(json!({"keys": [symmetric]})), NO_KEYS, 2),
        (
            "keys of another algorithm",
            None,
            text(json!({"keys": [SigningKey::p256().jwk("k")]})),
            NO_KEYS,
            2,
        ),
        (
            "late keys",
            None,
            Some(Reply::Late(Duration::from_secs(1), json!({"keys": [key]}).to_string())),
            Valid,
            2,
        ),
    ];
    let mut wrong = Vec::new();
    for (name, metadata, keys, expected, requests) in rows {
        let found = with_replies(metadata, keys).await;
        if found != (expected, requests) {
            wrong.push(format!("{name}: {found:?}, not {expected:?} after {requests} requests"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn keys_of_another_transport_are_not_fetched() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[key.jwk("k")]).await;
    let verifier = verifier(&[provider.entry()]);
    for (second, url) in
        ["http://keys.example/keys", "file:///etc/passwd", "/keys", "ftp://127.0.0.1/keys"]
            .iter()
            .enumerate()
    {
        let metadata = json!({"issuer": provider.url, "jwks_uri": url}).to_string();
        provider.reply_for_metadata(Reply::Text(metadata));
        let assertion = key.sign(&header("k"), &provider.claims());
        let later = NOW + 60 * u64::try_from(second).unwrap();
        assert_eq!(outcome(&verifier, &assertion, later).await, NO_KEYS, "{url}");
        assert_eq!(provider.take_requests(), 1, "{url}");
    }
}

#[tokio::test]
async fn long_body_is_not_read_to_its_end() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[]).await;
    provider.reply_for_keys(Reply::Long(100_000_000));
    let verifier = verifier(&[provider.entry()]);
    let assertion = key.sign(&header("k"), &provider.claims());
    assert_eq!(outcome(&verifier, &assertion, NOW).await, NO_KEYS);
    assert!(provider.sent_bytes() < 10_000_000, "{} bytes", provider.sent_bytes());
}

#[tokio::test]
async fn slow_provider_is_a_fault_after_three_seconds() {
    let late = || Reply::Late(Duration::from_secs(2), String::new());
    let slow_metadata = with_replies(Some(Reply::Slow), None);
    let slow_keys = with_replies(None, Some(Reply::Slow));
    // Both together take longer than the time for one.
    let key = SigningKey::ed25519(1);
    let both = async {
        let provider = Provider::start(&[]).await;
        let metadata =
            json!({"issuer": provider.url, "jwks_uri": format!("{}/keys", provider.url)});
        provider.reply_for_metadata(Reply::Late(Duration::from_secs(2), metadata.to_string()));
        provider.reply_for_keys(late());
        let verifier = verifier(&[provider.entry()]);
        let found = outcome(&verifier, &key.sign(&header("k"), &provider.claims()), NOW).await;
        (found, provider.take_requests())
    };
    let started = Instant::now();
    let (metadata, keys, both) = tokio::join!(slow_metadata, slow_keys, both);
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!([metadata, keys, both], [(UNREACHABLE, 1), (UNREACHABLE, 2), (UNREACHABLE, 2)]);
    assert!((2.9..4.5).contains(&seconds), "{seconds} seconds");
}

#[tokio::test]
async fn fault_names_the_issuer_and_the_reason() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[key.jwk("k")]).await;
    provider.reply_for_metadata(Reply::Redirect("https://a.example/".repeat(100)));
    let verifier = verifier(&[provider.entry()]);
    let assertion = key.sign(&header("k"), &provider.claims());
    let now = UnixTime::from_seconds(NOW);
    let fault = verifier.verify(&assertion, Purpose::Grant, now).await.unwrap_err();
    assert_eq!(fault.issuer, provider.url);
    let KeysError::Fetch { url, error } = &*fault.error else { panic!("{fault:?}") };
    assert_eq!(*url, format!("{}/.well-known/openid-configuration", provider.url));
    let location = "https://a.example/".repeat(100)[..200].to_owned();
    let expected = format!(
        "the response is a redirect (status 302) to {location:?}: redirects are not followed: use the final URL"
    );
    assert_eq!(error.to_string(), expected);
}
