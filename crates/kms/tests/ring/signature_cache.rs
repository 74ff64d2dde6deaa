//! Repeated tokens with a signature cache.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_kms::{
    Cause, Fault, Keyring, KmsVerifier, RequestMetrics, SignatureCache, Verification,
};
use jwt::{Algorithm, Rejection, SignedParts, UnverifiedToken, Verifier};
use local::kms::Kms;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{
    ALIAS, HOUR, NEXT, PREVIOUS, add_neighbors, advance, create_key, kms, move_alias,
    named_keyring, new_keyring, sign, verifier,
};

const LIFETIME: Duration = Duration::from_mins(1);

/// The result of a verification, and whether it was cached.
type Verified = (Result<Result<(), Rejection>, Cause>, Option<bool>);

async fn verify_parts(
    verifier: KmsVerifier<'_>,
    cache: &SignatureCache,
    parts: &SignedParts<'_>,
) -> Verified {
    let metrics = RequestMetrics::default();
    let verifier = KmsVerifier { signature_cache: Some(cache), metrics: &metrics, ..verifier };
    let verified = verifier.verify(parts).await.map_err(|fault: Fault| fault.cause);
    (verified, metrics.signature_cached())
}

async fn verify(keyring: &Arc<Keyring>, cache: &SignatureCache, token: &str) -> Verified {
    let parts = UnverifiedToken::parse(token).unwrap().signed_parts().unwrap();
    verify_parts(verifier(keyring), cache, &parts).await
}

/// The token with another key id in its header, or none. Its signature does not match then.
fn with_key_id(token: &str, algorithm: &str, key_id: Option<&str>) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    let header = json!({"alg": algorithm, "kid": key_id});
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

const VALID: Result<Result<(), Rejection>, Cause> = Ok(Ok(()));
const HIT: Verified = (VALID, Some(true));
const MISS: Verified = (VALID, Some(false));

fn current_key(kms: &Kms) -> String {
    let output = kms.perform("DescribeKey", &json!({"KeyId": ALIAS})).unwrap();
    output["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn token_that_was_seen_before_costs_no_call() {
    let kms = kms().await;
    let (keyring, cache) = (new_keyring(&kms, HOUR), SignatureCache::new(LIFETIME));
    let first = sign(&keyring, json!({"sub": "a"})).await;
    let second = sign(&keyring, json!({"sub": "b"})).await;
    let mut rows = Vec::new();
    for (seconds, token) in [(0, &first), (0, &first), (0, &second), (59, &first), (1, &first)] {
        advance(seconds).await;
        let calls = kms.calls();
        let verified = verify(&keyring, &cache, token.reveal()).await;
        rows.push((verified, kms.calls() - calls));
    }
    assert_eq!(rows, [(MISS, 1), (HIT, 0), (MISS, 1), (HIT, 0), (MISS, 1)]);
}

#[tokio::test]
async fn hundred_tokens_in_a_thousand_requests_cost_a_hundred_calls() {
    let kms = kms().await;
    let (keyring, cache) = (new_keyring(&kms, HOUR), SignatureCache::new(LIFETIME));
    let mut tokens = Vec::new();
    for number in 0..100 {
        tokens.push(sign(&keyring, json!({"sub": format!("{number}")})).await);
    }
    let calls = kms.calls();
    let mut hits = 0;
    for request in 0..1000 {
        let verified = verify(&keyring, &cache, tokens[request % 100].reveal()).await;
        assert_eq!(verified.0, VALID);
        hits += usize::from(verified == HIT);
    }
    assert_eq!((kms.calls() - calls, hits), (100, 900));
}

#[tokio::test]
async fn local_verification_uses_the_cache_too() {
    let kms = kms().await;
    let (keyring, cache) = (new_keyring(&kms, HOUR), SignatureCache::new(LIFETIME));
    let token = sign(&keyring, json!({})).await;
    let parts = UnverifiedToken::parse(token.reveal()).unwrap().signed_parts().unwrap();
    let local = KmsVerifier { verification: Verification::Local, ..verifier(&keyring) };
    assert_eq!(verify_parts(local, &cache, &parts).await, MISS);
    assert_eq!(verify_parts(local, &cache, &parts).await, HIT);
}

#[tokio::test]
async fn invalid_signature_is_never_cached() {
    let kms = kms().await;
    let (keyring, cache) = (new_keyring(&kms, HOUR), SignatureCache::new(LIFETIME));
    let first = sign(&keyring, json!({"sub": "a"})).await;
    let second = sign(&keyring, json!({"sub": "b"})).await;
    assert_eq!(verify(&keyring, &cache, first.reveal()).await, MISS);
    let (_, signature) = first.reveal().rsplit_once('.').unwrap();
    let (input, _) = second.reveal().rsplit_once('.').unwrap();
    let mixed = format!("{input}.{signature}");
    for _ in 0..2 {
        let verified = verify(&keyring, &cache, &mixed).await;
        assert_eq!(verified, (Ok(Err(Rejection::Signature)), Some(false)));
    }
    assert_eq!(verify(&keyring, &cache, first.reveal()).await, HIT);
}

#[tokio::test]
async fn entry_of_a_key_that_left_the_ring_does_not_count() {
    let kms = kms().await;
    add_neighbors(&kms);
    let refresh = Duration::from_secs(10);
    let (keyring, cache) = (new_keyring(&kms, refresh), SignatureCache::new(LIFETIME));
    let token = sign(&keyring, json!({})).await;
    assert_eq!(verify(&keyring, &cache, token.reveal()).await, MISS);
    let (old, new) = (current_key(&kms), create_key(&kms, "RSA_2048"));

    // Rotated: the key is the previous one now.
    move_alias(&kms, PREVIOUS, &old);
    move_alias(&kms, ALIAS, &new);
    advance(10).await;
    assert_eq!(verify(&keyring, &cache, token.reveal()).await, HIT);

    // Retired.
    move_alias(&kms, PREVIOUS, &new);
    advance(10).await;
    let unknown = (Ok(Err(Rejection::UnknownKey)), None);
    assert_eq!(verify(&keyring, &cache, token.reveal()).await, unknown);
}

#[tokio::test]
async fn token_without_key_id_belongs_to_the_current_key() {
    let kms = kms().await;
    let refresh = Duration::from_secs(10);
    let (keyring, cache) = (new_keyring(&kms, refresh), SignatureCache::new(LIFETIME));
    let signature = crate::support::signature(&kms);
    let parts =
        SignedParts { algorithm: Algorithm::Rs256, key_id: None, signing_input: "a.b", signature };
    assert_eq!(verify_parts(verifier(&keyring), &cache, &parts).await, MISS);
    assert_eq!(verify_parts(verifier(&keyring), &cache, &parts).await, HIT);
    move_alias(&kms, ALIAS, &create_key(&kms, "RSA_2048"));
    advance(10).await;
    let rejected = (Ok(Err(Rejection::Signature)), Some(false));
    assert_eq!(verify_parts(verifier(&keyring), &cache, &parts).await, rejected);
}

#[tokio::test]
async fn entry_of_another_algorithm_does_not_count() {
    let kms = kms().await;
    let cache = SignatureCache::new(LIFETIME);
    let keyring = |algorithm| named_keyring(&kms, ALIAS, Some(algorithm), HOUR);
    let (rs256, ps256) = (keyring(Algorithm::Rs256), keyring(Algorithm::Ps256));
    let token = sign(&rs256, json!({})).await;
    assert_eq!(verify(&rs256, &cache, token.reveal()).await, MISS);
    let (key, token_algorithm) = (Algorithm::Ps256, Algorithm::Rs256);
    let wrong = Rejection::WrongAlgorithm { key, token: token_algorithm };
    assert_eq!(verify(&ps256, &cache, token.reveal()).await, (Ok(Err(wrong)), None));
    let changed = with_key_id(token.reveal(), "PS256", Some(&current_key(&kms)));
    let rejected = (Ok(Err(Rejection::Signature)), Some(false));
    assert_eq!(verify(&ps256, &cache, &changed).await, rejected);
    assert_eq!(verify(&rs256, &cache, token.reveal()).await, HIT);
}

#[tokio::test]
async fn disabled_key_is_noticed_when_the_entry_expires() {
    let kms = kms().await;
    let (keyring, cache) = (new_keyring(&kms, HOUR), SignatureCache::new(LIFETIME));
    let token = sign(&keyring, json!({"sub": "a"})).await;
    let other = sign(&keyring, json!({"sub": "b"})).await;
    assert_eq!(verify(&keyring, &cache, token.reveal()).await, MISS);
    kms.perform("DisableKey", &json!({"KeyId": current_key(&kms)})).unwrap();
    let disabled = (Err(Cause::KeyState), Some(false));
    assert_eq!(verify(&keyring, &cache, other.reveal()).await, disabled, "not seen before");
    advance(59).await;
    assert_eq!(verify(&keyring, &cache, token.reveal()).await, HIT);
    advance(1).await;
    assert_eq!(verify(&keyring, &cache, token.reveal()).await, disabled);
}

#[tokio::test]
async fn key_that_a_refresh_drops_is_not_trusted_because_of_an_entry() {
    let kms = kms().await;
    add_neighbors(&kms);
    let refresh = Duration::from_secs(10);
    let (keyring, cache) = (new_keyring(&kms, refresh), SignatureCache::new(LIFETIME));
    let token = sign(&keyring, json!({})).await;
    let old = current_key(&kms);
    move_alias(&kms, PREVIOUS, &old);
    move_alias(&kms, ALIAS, &create_key(&kms, "RSA_2048"));
    move_alias(&kms, NEXT, &current_key(&kms));
    advance(10).await;
    assert_eq!(verify(&keyring, &cache, token.reveal()).await, MISS);
    kms.perform("DisableKey", &json!({"KeyId": old})).unwrap();
    advance(10).await;
    let unknown = (Ok(Err(Rejection::UnknownKey)), None);
    assert_eq!(verify(&keyring, &cache, token.reveal()).await, unknown);
}

/// Sends 64 requests with one token at the same time.
async fn verify_64_times(keyring: &Arc<Keyring>, token: &str) -> Vec<Verified> {
    let cache = Arc::new(SignatureCache::new(LIFETIME));
    let mut requests = JoinSet::new();
    for _ in 0..64 {
        let (keyring, cache) = (Arc::clone(keyring), Arc::clone(&cache));
        let token = token.to_owned();
        requests.spawn(async move { verify(&keyring, &cache, &token).await });
    }
    requests.join_all().await
}

#[tokio::test]
async fn one_of_64_simultaneous_requests_with_a_token_calls_kms() {
    let kms = kms().await;
    let keyring = new_keyring(&kms, HOUR);
    let token = sign(&keyring, json!({})).await;
    let calls = kms.calls();
    let verified = verify_64_times(&keyring, token.reveal()).await;
    let count = |wanted: &Verified| verified.iter().filter(|verified| *verified == wanted).count();
    assert_eq!((count(&MISS), count(&HIT)), (1, 63));
    assert_eq!(kms.calls() - calls, 1);
}

#[tokio::test]
async fn simultaneous_requests_with_a_forged_token_are_all_rejected() {
    let kms = kms().await;
    let keyring = new_keyring(&kms, HOUR);
    let token = sign(&keyring, json!({"sub": "a"})).await;
    let other = sign(&keyring, json!({"sub": "b"})).await;
    let (input, _) = token.reveal().rsplit_once('.').unwrap();
    let (_, signature) = other.reveal().rsplit_once('.').unwrap();
    let calls = kms.calls();
    let verified = verify_64_times(&keyring, &format!("{input}.{signature}")).await;
    let rejected = (Ok(Err(Rejection::Signature)), Some(false));
    assert_eq!(verified, vec![rejected; 64]);
    assert_eq!(kms.calls() - calls, 1, "the others are verified locally first");
}

#[tokio::test]
async fn simultaneous_requests_during_a_fault_are_all_faults() {
    let kms = kms().await;
    let keyring = new_keyring(&kms, HOUR);
    let token = sign(&keyring, json!({})).await;
    kms.perform("DisableKey", &json!({"KeyId": current_key(&kms)})).unwrap();
    let verified = verify_64_times(&keyring, token.reveal()).await;
    assert_eq!(verified, vec![(Err(Cause::KeyState), Some(false)); 64]);
}
