//! When keys are fetched, and how many requests callers can cause.

use std::{sync::Arc, time::Duration};

use countersign_oidc::Purpose;
use serde_json::json;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    NO_KEYS, NOW,
    Outcome::{Refused, Valid},
    UNREACHABLE, outcome,
    provider::{Provider, Reply},
    tokens::{SigningKey, header},
    verifier, verify,
};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

#[tokio::test]
async fn keys_are_fetched_once_and_again_after_ten_minutes() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[key.jwk("k")]).await;
    let verifier = verifier(&[provider.entry()]);
    let assertion = key.sign(&header("k"), &provider.claims());
    let rows = [(0, 2), (1, 0), (599, 0), (600, 2), (601, 0), (HOUR * 23, 2)];
    for (later, requests) in rows {
        assert_eq!(outcome(&verifier, &assertion, NOW + later).await, Valid, "{later} s");
        assert_eq!(provider.take_requests(), requests, "{later} s");
    }
}

#[tokio::test]
async fn key_that_is_no_longer_published_is_refused_after_ten_minutes() {
    let (old, new) = (SigningKey::ed25519(1), SigningKey::ed25519(2));
    let provider = Provider::start(&[old.jwk("old")]).await;
    let verifier = verifier(&[provider.entry()]);
    let assertion = old.sign(&header("old"), &provider.claims());
    assert_eq!(outcome(&verifier, &assertion, NOW).await, Valid);
    provider.publish(&[new.jwk("new")]);
    assert_eq!(outcome(&verifier, &assertion, NOW + 599).await, Valid);
    assert_eq!(outcome(&verifier, &assertion, NOW + 600).await, Refused("UnknownKey"));
}

#[tokio::test]
async fn new_key_is_found_after_the_cooldown() {
    let (old, new) = (SigningKey::ed25519(1), SigningKey::ed25519(2));
    let provider = Provider::start(&[old.jwk("old")]).await;
    let verifier = verifier(&[provider.entry()]);
    let of = |key: &SigningKey, kid: &str| key.sign(&header(kid), &provider.claims());
    assert_eq!(outcome(&verifier, &of(&old, "old"), NOW).await, Valid);
    provider.publish(&[old.jwk("old"), new.jwk("new")]);
    provider.take_requests();
    let rows = [(29, Refused("UnknownKey"), 0), (30, Valid, 2), (31, Valid, 0)];
    for (later, expected, requests) in rows {
        let found = outcome(&verifier, &of(&new, "new"), NOW + later).await;
        assert_eq!((found, provider.take_requests()), (expected, requests), "{later} s");
    }
    // A token without `kid` may be of a newer key too.
    provider.publish(&[SigningKey::ed25519(3).jwk("newest")]);
    let without_kid = SigningKey::ed25519(3).sign(&json!({"alg": "EdDSA"}), &provider.claims());
    let rows = [(59, Refused("InvalidSignature"), 0), (60, Valid, 2)];
    for (later, expected, requests) in rows {
        let found = outcome(&verifier, &without_kid, NOW + later).await;
        assert_eq!((found, provider.take_requests()), (expected, requests), "{later} s");
    }
    // A wrong signature of a known key does not cause a fetch.
    let forged = of(&new, "newest");
    let found = outcome(&verifier, &forged, NOW + 120).await;
    assert_eq!((found, provider.take_requests()), (Refused("InvalidSignature"), 0));
}

#[tokio::test]
async fn flood_of_unknown_keys_causes_one_fetch_in_thirty_seconds() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[key.jwk("k")]).await;
    let verifier = Arc::new(verifier(&[provider.entry()]));
    let claims = provider.claims();
    for seconds in [0, 10, 29] {
        let mut flood = JoinSet::new();
        for number in 0..200 {
            let assertion = key.sign(&header(&format!("{seconds}-{number}")), &claims);
            let verifier = Arc::clone(&verifier);
            flood.spawn(async move { outcome(&verifier, &assertion, NOW + seconds).await });
        }
        assert!(flood.join_all().await.iter().all(|found| *found == Refused("UnknownKey")));
        let valid = outcome(&verifier, &key.sign(&header("k"), &claims), NOW + seconds).await;
        assert_eq!(valid, Valid);
    }
    assert_eq!(provider.take_requests(), 2, "metadata and keys, once");
    for number in 0..100 {
        let assertion = key.sign(&header(&format!("x{number}")), &claims);
        assert_eq!(outcome(&verifier, &assertion, NOW + 30).await, Refused("UnknownKey"));
    }
    assert_eq!(provider.take_requests(), 2, "once more");
}

#[tokio::test]
async fn one_request_fetches_the_keys_for_all() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[]).await;
    let keys = json!({"keys": [key.jwk("k")]}).to_string();
    provider.reply_for_keys(Reply::Late(Duration::from_millis(300), keys));
    let verifier = Arc::new(verifier(&[provider.entry()]));
    let assertion: Arc<str> = key.sign(&header("k"), &provider.claims()).into();
    let mut all = JoinSet::new();
    for _ in 0..50 {
        let (verifier, assertion) = (Arc::clone(&verifier), Arc::clone(&assertion));
        all.spawn(async move { outcome(&verifier, &assertion, NOW).await });
    }
    assert!(all.join_all().await.iter().all(|found| *found == Valid));
    assert_eq!(provider.take_requests(), 2);
}

#[tokio::test]
async fn provider_that_is_down_before_the_first_fetch_is_a_fault() {
    let key = SigningKey::ed25519(1);
    let mut down = Provider::start(&[key.jwk("k")]).await;
    let other = Provider::start(&[key.jwk("k")]).await;
    down.stop().await;
    let verifier = verifier(&[down.entry(), other.entry()]);
    let assertion = key.sign(&header("k"), &down.claims());
    for later in 0..10 {
        assert_eq!(outcome(&verifier, &assertion, NOW + later).await, UNREACHABLE);
    }
    // An issuer that is down does not affect other issuers.
    let assertion = key.sign(&header("k"), &other.claims());
    assert_eq!(outcome(&verifier, &assertion, NOW).await, Valid);
}

#[tokio::test]
async fn failed_fetch_is_repeated_after_five_seconds() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[key.jwk("k")]).await;
    provider.reply_for_metadata(Reply::Status(503));
    let verifier = Arc::new(verifier(&[provider.entry()]));
    let assertion: Arc<str> = key.sign(&header("k"), &provider.claims()).into();
    let mut flood = JoinSet::new();
    for number in 0..200 {
        let (verifier, assertion) = (Arc::clone(&verifier), Arc::clone(&assertion));
        flood.spawn(async move { outcome(&verifier, &assertion, NOW + number % 5).await });
    }
    assert!(flood.join_all().await.iter().all(|found| *found == UNREACHABLE));
    assert_eq!(provider.take_requests(), 1);
    let metadata = json!({"issuer": provider.url, "jwks_uri": format!("{}/keys", provider.url)});
    provider.reply_for_metadata(Reply::Text(metadata.to_string()));
    let first = NOW + 4 + 5;
    assert_eq!(outcome(&verifier, &assertion, first).await, Valid);
    assert_eq!(provider.take_requests(), 2);
}

#[tokio::test]
async fn last_keys_are_used_for_an_hour_while_the_provider_is_down() {
    let key = SigningKey::ed25519(1);
    let unreachable = [Reply::Status(503), Reply::Incomplete];
    let broken = [Reply::Redirect("/login".into()), Reply::Text("<html></html>".into())];
    for (reply, fault) in
        unreachable.into_iter().map(|it| (it, UNREACHABLE)).chain(broken.map(|it| (it, NO_KEYS)))
    {
        let provider = Provider::start(&[key.jwk("k")]).await;
        let verifier = verifier(&[provider.entry()]);
        let assertion = key.sign(&header("k"), &provider.claims());
        assert_eq!(outcome(&verifier, &assertion, NOW).await, Valid);
        provider.take_requests();
        provider.reply_for_keys(reply);
        let unknown = key.sign(&header("new"), &provider.claims());
        let rows = [
            (&assertion, 10 * MINUTE, Valid, 2),
            (&assertion, 10 * MINUTE + 29, Valid, 0),
            // A newer key may exist.
            (&unknown, 10 * MINUTE + 29, fault, 0),
            (&assertion, 10 * MINUTE + 30, Valid, 2),
            (&assertion, HOUR - 1, Valid, 2),
            (&assertion, HOUR, fault, 0),
            // The third attempt failed, so there are 20 seconds to the next one.
            (&assertion, HOUR + 18, fault, 0),
            (&assertion, HOUR + 19, fault, 2),
        ];
        for (assertion, later, expected, requests) in rows {
            let found = outcome(&verifier, assertion, NOW + later).await;
            assert_eq!((found, provider.take_requests()), (expected, requests), "{later} s");
        }
        provider.publish(&[key.jwk("k")]);
        assert_eq!(outcome(&verifier, &assertion, NOW + HOUR + 49).await, Valid);
    }
}

#[tokio::test]
async fn intervals_between_failing_attempts_grow() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[key.jwk("k")]).await;
    let metadata = json!({"issuer": provider.url, "jwks_uri": format!("{}/keys", provider.url)});
    provider.reply_for_metadata(Reply::Status(503));
    let verifier = verifier(&[provider.entry()]);
    let assertion = key.sign(&header("k"), &provider.claims());
    let attempts = async |from: u64, to: u64| {
        let mut attempts = Vec::new();
        for later in from..to {
            let found = outcome(&verifier, &assertion, NOW + later).await;
            assert!([UNREACHABLE, Valid].contains(&found), "{later} s: {found:?}");
            if provider.take_requests() > 0 {
                attempts.push(later);
            }
        }
        attempts
    };
    assert_eq!(attempts(0, 100).await, [0, 5, 15, 35, 65, 95]);
    // After a success, the first failures are repeated early again.
    provider.reply_for_metadata(Reply::Text(metadata.to_string()));
    assert_eq!(attempts(100, 130).await, [125]);
    provider.reply_for_metadata(Reply::Status(503));
    let later = 125 + 2 * HOUR;
    assert_eq!(attempts(later, later + 16).await, [later, later + 5, later + 15]);
}

#[tokio::test]
async fn attempt_that_times_out_is_repeated_thirty_seconds_after_its_end() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[key.jwk("k")]).await;
    provider.reply_for_metadata(Reply::Slow);
    let verifier = verifier(&[provider.entry()]);
    let assertion = key.sign(&header("k"), &provider.claims());
    assert_eq!(outcome(&verifier, &assertion, NOW).await, UNREACHABLE);
    assert_eq!(provider.take_requests(), 1);
    // It took three seconds.
    provider.reply_for_metadata(Reply::Status(503));
    for (later, requests) in [(5, 0), (30, 0), (32, 0), (33, 1)] {
        assert_eq!(outcome(&verifier, &assertion, NOW + later).await, UNREACHABLE);
        assert_eq!(provider.take_requests(), requests, "{later} s");
    }
}

#[tokio::test]
async fn fault_says_whether_the_last_keys_are_in_use() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[key.jwk("k")]).await;
    let verifier = verifier(&[provider.entry()]);
    let of = |kid: &str| key.sign(&header(kid), &provider.claims());
    assert_eq!(outcome(&verifier, &of("k"), NOW).await, Valid);
    provider.reply_for_keys(Reply::Status(503));
    for (kid, later, has_keys) in [("new", 30, true), ("new", HOUR, false), ("k", HOUR, false)] {
        let assertion = of(kid);
        let fault = verify(&verifier, &assertion, Purpose::Grant, NOW + later).await.unwrap_err();
        assert_eq!(fault.has_keys, has_keys, "{kid} {later} s");
    }
}

#[tokio::test]
async fn withdrawn_keys_are_not_used() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[key.jwk("k")]).await;
    let verifier = verifier(&[provider.entry()]);
    let assertion = key.sign(&header("k"), &provider.claims());
    assert_eq!(outcome(&verifier, &assertion, NOW).await, Valid);
    provider.publish(&[]);
    assert_eq!(outcome(&verifier, &assertion, NOW + 599).await, Valid);
    assert_eq!(outcome(&verifier, &assertion, NOW + 600).await, NO_KEYS);
}

#[tokio::test]
async fn slow_refresh_does_not_hold_up_other_requests() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[key.jwk("k")]).await;
    let verifier = Arc::new(verifier(&[provider.entry()]));
    let assertion: Arc<str> = key.sign(&header("k"), &provider.claims()).into();
    assert_eq!(outcome(&verifier, &assertion, NOW).await, Valid);
    provider.reply_for_metadata(Reply::Slow);
    let refresh = {
        let (verifier, assertion) = (Arc::clone(&verifier), Arc::clone(&assertion));
        tokio::spawn(async move { outcome(&verifier, &assertion, NOW + 600).await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    let other = outcome(&verifier, &assertion, NOW + 601);
    assert_eq!(timeout(Duration::from_secs(1), other).await, Ok(Valid));
    assert_eq!(refresh.await.unwrap(), Valid, "with the last keys, after three seconds");
}

#[tokio::test]
async fn dropped_attempt_counts_as_an_attempt() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[key.jwk("k")]).await;
    let keys = json!({"keys": [key.jwk("k")]}).to_string();
    provider.reply_for_keys(Reply::Late(Duration::from_millis(500), keys));
    let verifier = verifier(&[provider.entry()]);
    let assertion = key.sign(&header("k"), &provider.claims());
    let dropped = timeout(Duration::from_millis(200), outcome(&verifier, &assertion, NOW)).await;
    assert!(dropped.is_err());
    provider.take_requests();
    for _ in 0..20 {
        assert_eq!(outcome(&verifier, &assertion, NOW + 1).await, UNREACHABLE);
    }
    assert_eq!(provider.take_requests(), 0);
    assert_eq!(outcome(&verifier, &assertion, NOW + 5).await, Valid);
}

#[tokio::test]
async fn keys_in_the_entry_are_never_fetched() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[SigningKey::ed25519(2).jwk("k")]).await;
    let mut entry = provider.entry();
    entry["jwks"] = json!({"keys": [key.jwk("k")]});
    let verifier = verifier(&[entry]);
    for (kid, expected) in [("k", Valid), ("unknown", Refused("UnknownKey"))] {
        let assertion = key.sign(&header(kid), &provider.claims());
        assert_eq!(outcome(&verifier, &assertion, NOW).await, expected, "{kid}");
    }
    assert_eq!(provider.take_requests(), 0);
}

#[tokio::test]
async fn keys_of_a_jwks_uri_need_no_metadata() {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[key.jwk("k")]).await;
    provider.reply_for_metadata(Reply::Status(500));
    let mut entry = provider.entry();
    entry["jwks_uri"] = format!("{}/keys", provider.url).into();
    let verifier = verifier(&[entry]);
    let assertion = key.sign(&header("k"), &provider.claims());
    assert_eq!(outcome(&verifier, &assertion, NOW).await, Valid);
    assert_eq!(provider.take_requests(), 1);
}
