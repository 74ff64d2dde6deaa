//! When the ring is loaded again, and what a failed load changes.

use std::{sync::Arc, time::Duration};

use countersign_kms::{Cause, Keyring};
use jwt::{Rejection, Signer, UnsignedToken};
use serde_json::{Map, json};
use testing::{InjectFaults, InjectedFault};

use crate::support::{
    ALIAS, HOUR, advance, create_key, kms, new_keyring, sign, signer, verify_token,
};

#[tokio::test]
async fn ring_follows_its_alias() {
    let kms = kms().await;
    let keyring = new_keyring(&kms, HOUR);
    let before = sign(&keyring, json!({})).await;
    let next = create_key(&kms, "RSA_3072");
    kms.perform("UpdateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": next})).unwrap();
    let new_keyring = new_keyring(&kms, HOUR);
    let after = sign(&new_keyring, json!({})).await;
    assert_eq!(verify_token(&new_keyring, after.reveal()).await, Ok(()));
    assert_eq!(verify_token(&new_keyring, before.reveal()).await, Err(Rejection::UnknownKey));

    // A ring that was just loaded is not loaded again for an unknown key.
    assert_eq!(verify_token(&keyring, before.reveal()).await, Ok(()));
    assert_eq!(verify_token(&keyring, after.reveal()).await, Err(Rejection::UnknownKey));
    let calls = kms.calls();
    advance(11).await;
    assert_eq!(verify_token(&keyring, after.reveal()).await, Ok(()));
    assert_eq!(kms.calls() - calls, 4, "three times GetPublicKey, and Verify");
}

#[tokio::test]
async fn ring_is_refreshed_only_when_due() {
    let kms = kms().await;
    let keyring = new_keyring(&kms, Duration::from_mins(5));
    let mut calls = vec![kms.calls()];
    for seconds in [0, 299, 2, 1, 300] {
        advance(seconds).await;
        keyring.ring().await.unwrap();
        calls.push(kms.calls());
    }
    assert_eq!(calls, [0, 3, 3, 6, 6, 9]);
}

#[tokio::test]
async fn slow_refresh_does_not_delay_requests() {
    let kms = kms().await;
    let keyring = new_keyring(&kms, HOUR);
    let ring = keyring.ring().await.unwrap();
    kms.inject(Some(InjectedFault::Late(Duration::from_millis(700))));
    advance(3601).await;
    assert!(Arc::ptr_eq(&keyring.ring().await.unwrap(), &ring), "the last ring stays in use");
    let refreshed = async {
        while Arc::ptr_eq(&keyring.ring().await.unwrap(), &ring) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refreshed).await.expect("the ring is refreshed");
}

/// The rotation relies on this limit. An old ring may still verify.
#[tokio::test]
async fn ring_that_is_too_old_does_not_sign() {
    let kms = kms().await;
    let keyring = new_keyring(&kms, Duration::from_mins(5));
    let old = keyring.ring().await.unwrap().current.id.clone();
    let next = create_key(&kms, "RSA_2048");
    kms.perform("UpdateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": next})).unwrap();
    let signed_by = async |keyring: &Arc<Keyring>| {
        let signed = signer(keyring).sign(&UnsignedToken::new("JWT", &Map::new())).await;
        signed.map(|signed| signed.key_id).map_err(|fault| fault.cause)
    };
    kms.inject(Some(InjectedFault::Late(Duration::from_millis(700))));
    // Not 359: on a busy machine, the requests themselves take longer than a second.
    advance(330).await;
    assert_eq!(
        signed_by(&keyring).await,
        Ok(old),
        "a signature waits only briefly for a refresh that was due less than a minute ago"
    );
    let keyring = new_keyring(&kms, Duration::from_mins(5));
    assert_eq!(signed_by(&keyring).await, Ok(next.clone()));
    let last = create_key(&kms, "RSA_2048");
    kms.perform("UpdateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": last})).unwrap();
    advance(361).await;
    assert_eq!(
        signed_by(&keyring).await,
        Ok(last),
        "a signature waits for a refresh that was due more than a minute ago"
    );
    drop(kms);
    advance(361).await;
    assert_eq!(keyring.ring().await.map(|_| ()).map_err(|fault| fault.cause), Ok(()));
    assert_eq!(signed_by(&keyring).await, Err(Cause::Unreachable));
}

#[tokio::test]
async fn outage_at_a_refresh_keeps_the_last_ring() {
    let kms = kms().await;
    let keyring = new_keyring(&kms, Duration::from_mins(5));
    let ring = keyring.ring().await.unwrap();
    drop(kms);
    advance(360).await;
    assert!(Arc::ptr_eq(&keyring.ring().await.unwrap(), &ring));
    // An unknown key may exist.
    advance(11).await;
    assert_eq!(keyring.find(Some("unknown")).await.unwrap_err().cause, Cause::Unreachable);
    assert_eq!(keyring.find(Some("unknown")).await.unwrap_err().cause, Cause::Unreachable);
    let known = keyring.find(Some(&ring.current.id)).await.unwrap();
    assert_eq!(known.unwrap().arn, ring.current.arn);
}

#[tokio::test]
async fn transient_error_at_a_refresh_keeps_the_last_ring() {
    let rows = [
        (400, "ThrottlingException", true),
        (400, "SlowDown", true),
        (400, "TooManyRequestsException", true),
        (500, "InternalFailure", true),
        (503, "ServiceUnavailableException", true),
        (400, "RequestTimeout", true),
        (500, "UnknownException", true),
        (509, "UnknownException", true),
        (429, "UnknownException", true),
        (408, "UnknownException", true),
        (400, "UnknownException", false),
        (400, "NotFoundException", false),
    ];
    for (status, code, expected) in rows {
        let kms = kms().await;
        let keyring = new_keyring(&kms, HOUR);
        let loaded = keyring.ring().await.unwrap();
        let body = format!(r#"{{"__type":"{code}"}}"#).leak();
        kms.inject(Some(InjectedFault::Response(status, body)));
        advance(3601).await;
        let _ = keyring.ring().await;
        advance(11).await;
        let is_kept = keyring.ring().await.is_ok_and(|ring| Arc::ptr_eq(&ring, &loaded));
        assert_eq!(is_kept, expected, "{status} {code}");
        if expected {
            let unknown = keyring.find(Some("unknown")).await;
            assert!(unknown.is_err_and(|fault| fault.cause.is_transient()), "{status} {code}");
        }
    }
}

#[tokio::test]
async fn lasting_error_at_a_refresh_takes_effect_at_once() {
    let alias = json!({"AliasName": ALIAS});
    let kms = kms().await;
    let symmetric = kms.perform("CreateKey", &json!({})).unwrap()["KeyMetadata"]["KeyId"].clone();
    let keyring = new_keyring(&kms, Duration::from_mins(5));
    let key = keyring.ring().await.unwrap().current.id.clone();
    kms.perform("DisableKey", &json!({"KeyId": key})).unwrap();
    advance(301).await;
    assert_eq!(keyring.ring().await.unwrap_err().cause, Cause::KeyState);
    kms.perform("EnableKey", &json!({"KeyId": key})).unwrap();
    let calls = kms.calls();
    assert_eq!(keyring.ring().await.unwrap_err().cause, Cause::KeyState);
    assert_eq!(kms.calls() - calls, 0, "not loaded again in the same second");
    advance(2).await;
    assert_eq!(keyring.ring().await.unwrap().current.id, key);
    kms.perform("DeleteAlias", &alias).unwrap();
    advance(301).await;
    assert_eq!(keyring.ring().await.unwrap_err().cause, Cause::NotFound);
    let to_symmetric = json!({"AliasName": ALIAS, "TargetKeyId": symmetric});
    kms.perform("CreateAlias", &to_symmetric).unwrap();
    advance(2).await;
    assert_eq!(keyring.ring().await.unwrap_err().cause, Cause::UnsupportedKey);
}
