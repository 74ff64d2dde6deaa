//! The next and the previous key, and the published key set.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign_kms::{Cause, Keyring};
use jwt::{Algorithm, Rejection};
use serde_json::json;
use testing::{InjectFaults, InjectedFault};

use crate::support::{
    ALIAS, HOUR, NEXT, PREVIOUS, add_neighbors, advance, client, create_key, kms, move_alias,
    named_keyring, new_keyring, serve, sign, verify_token,
};

#[tokio::test]
async fn next_and_previous_key_are_trusted_and_do_not_sign() {
    let kms = kms().await;
    let keys = [("-next", "ECC_NIST_P256"), ("-previous", "RSA_3072")].map(|(suffix, spec)| {
        let key = create_key(&kms, spec);
        let alias = json!({"AliasName": format!("{ALIAS}{suffix}"), "TargetKeyId": key});
        kms.perform("CreateAlias", &alias).unwrap();
        key
    });
    let keyring = named_keyring(&kms, ALIAS, Some(Algorithm::Ps256), HOUR);
    let ring = keyring.ring().await.unwrap();
    let known: Vec<_> = ring.keys().map(|key| (&*key.id, key.algorithm)).collect();
    let current = &*ring.current.id;
    // The configured algorithm applies to the keys that support it.
    let [next, previous] = [(&*keys[0], Algorithm::Es256), (&*keys[1], Algorithm::Ps256)];
    assert_eq!(known, [(current, Algorithm::Ps256), next, previous]);
    let token = sign(&keyring, json!({})).await;
    assert_eq!(verify_token(&keyring, token.reveal()).await, Ok(()));
    let signer_of = |key: &str| named_keyring(&kms, key, None, HOUR);
    for key in &keys {
        let token = sign(&signer_of(key), json!({})).await;
        let verified = verify_token(&keyring, token.reveal()).await;
        let expected = if *key == keys[0] {
            Ok(())
        } else {
            // Without a configured algorithm, an RSA key signs with RS256.
            let (key, token) = (Algorithm::Ps256, Algorithm::Rs256);
            Err(Rejection::WrongAlgorithm { key, token })
        };
        assert_eq!(verified, expected);
    }

    // A disabled key and a key without an alias are not in the ring.
    kms.perform("DisableKey", &json!({"KeyId": keys[1]})).unwrap();
    kms.perform("DeleteAlias", &json!({"AliasName": format!("{ALIAS}-next")})).unwrap();
    let keyring = new_keyring(&kms, HOUR);
    assert_eq!(keyring.ring().await.unwrap().keys().count(), 1);
    // A ring of a key id has one key and needs one call.
    let calls = kms.calls();
    assert_eq!(signer_of(&keys[0]).ring().await.unwrap().keys().count(), 1);
    assert_eq!(kms.calls() - calls, 1);
}

/// During a transient fault, the unknown key may exist. A lasting fault is the operator's to correct; clients must
/// not be able to cause errors with it.
#[tokio::test]
async fn unknown_key_id_is_a_fault_only_while_an_alias_fault_is_transient() {
    let rows = [
        (r#"{"__type":"NotFoundException"}"#, None),
        (r#"{"__type":"DisabledException"}"#, None),
        (r#"{"__type":"AccessDeniedException"}"#, None),
        (r#"{"__type":"UnknownException"}"#, None),
        (r#"{"__type":"ThrottlingException"}"#, Some(Cause::Throttled)),
        ("{}", Some(Cause::Unreachable)),
    ];
    for (body, expected) in rows {
        let kms = kms().await;
        let key = kms.perform("GetPublicKey", &json!({"KeyId": ALIAS})).unwrap().to_string();
        let endpoint = serve(move |request| {
            if request.contains("-next") || request.contains("-previous") {
                (400, body.to_owned())
            } else {
                (200, key.clone())
            }
        });
        let keyring = Keyring::new(client(&endpoint), ALIAS.parse().unwrap(), None, HOUR);
        let keyring = Arc::new(keyring);
        let current = keyring.ring().await.unwrap().current.id.clone();
        assert!(keyring.find(Some(&current)).await.unwrap().is_some(), "{body}");
        let unknown = keyring.find(Some("unknown")).await;
        assert_eq!(unknown.err().map(|fault| fault.cause), expected, "{body}");
    }
}

/// The number of published keys and whether the key set may be cached, or the cause of the fault.
async fn published(keyring: &Arc<Keyring>) -> Result<(usize, bool), Cause> {
    let published = keyring.published_ring().await.map_err(|fault| fault.cause)?;
    Ok((published.ring.keys().count(), published.next_fault.is_none()))
}

#[tokio::test]
async fn incomplete_key_set_is_not_published() {
    let rows = [
        (PREVIOUS, "ThrottlingException", Err(Cause::Throttled)),
        (PREVIOUS, "AccessDeniedException", Err(Cause::AccessDenied)),
        (PREVIOUS, "NotFoundException", Ok((2, true))),
        (PREVIOUS, "DisabledException", Ok((2, true))),
        (NEXT, "ThrottlingException", Ok((2, false))),
        (NEXT, "AccessDeniedException", Ok((2, false))),
        (NEXT, "NotFoundException", Ok((2, true))),
        (ALIAS, "ThrottlingException", Err(Cause::Throttled)),
        (ALIAS, "DisabledException", Err(Cause::KeyState)),
    ];
    let kms = kms().await;
    add_neighbors(&kms);
    for (alias, code, expected) in rows {
        let keyring = new_keyring(&kms, HOUR);
        kms.inject(Some(InjectedFault::ErrorFor(alias, code)));
        assert_eq!(published(&keyring).await, expected, "{alias} {code}");
        // It is loaded again soon, but not with each request.
        let calls = kms.calls();
        assert_eq!(published(&keyring).await, expected, "{alias} {code} again");
        let is_retried_soon = expected == Err(Cause::Throttled);
        assert!(is_retried_soon || kms.calls() == calls, "{alias} {code} again");
        kms.inject(None);
        if expected.is_err() {
            advance(11).await;
            assert_eq!(published(&keyring).await, Ok((3, true)), "{alias} {code} ended");
        }
    }
}

#[tokio::test]
async fn last_complete_key_set_is_published_while_the_previous_key_is_unreadable() {
    for code in ["ThrottlingException", "AccessDeniedException"] {
        let kms = kms().await;
        add_neighbors(&kms);
        let keyring = new_keyring(&kms, Duration::from_mins(5));
        let complete = keyring.published_ring().await.unwrap().ring;
        kms.inject(Some(InjectedFault::ErrorFor(PREVIOUS, code)));
        advance(301).await;
        let again = keyring.published_ring().await.unwrap();
        assert!(Arc::ptr_eq(&again.ring, &complete) && again.next_fault.is_none(), "{code}");

        // The set does not have the new next key, so it must not be cached any more.
        let next = create_key(&kms, "RSA_2048");
        move_alias(&kms, NEXT, &next);
        advance(361).await;
        assert_eq!(published(&keyring).await, Ok((3, false)), "{code}");

        // Once the next key signs, the set does not have the key of new tokens.
        move_alias(&kms, ALIAS, &next);
        advance(361).await;
        assert!(published(&keyring).await.is_err(), "{code}");
        kms.inject(None);
        advance(11).await;
        let published = keyring.published_ring().await.unwrap();
        assert!(
            published.ring.find(Some(&next)).is_some() && published.next_fault.is_none(),
            "{code}"
        );
    }
}

#[tokio::test]
async fn last_key_set_is_published_while_kms_is_down() {
    let kms = kms().await;
    add_neighbors(&kms);
    let keyring = new_keyring(&kms, Duration::from_mins(5));
    assert_eq!(published(&keyring).await, Ok((3, true)));
    drop(kms);
    advance(3601).await;
    assert_eq!(published(&keyring).await, Ok((3, true)));
}

#[tokio::test]
async fn lasting_alias_fault_is_reported_once_per_load() {
    static REPORTED: Mutex<Vec<(String, Cause)>> = Mutex::new(Vec::new());
    let kms = kms().await;
    let of = |alias: &str, cause| vec![(alias.to_owned(), cause)];
    let rows = [
        (PREVIOUS, "AccessDeniedException", of(PREVIOUS, Cause::AccessDenied), true),
        (PREVIOUS, "UnknownException", of(PREVIOUS, Cause::Refused), true),
        (PREVIOUS, "ThrottlingException", vec![], false),
        (PREVIOUS, "NotFoundException", vec![], true),
        (NEXT, "UnknownException", of(NEXT, Cause::Refused), true),
        // Authorization may not see the new alias yet.
        (NEXT, "AccessDeniedException", vec![], true),
        (ALIAS, "AccessDeniedException", vec![], false),
    ];
    for (alias, code, expected, is_refused) in rows {
        kms.inject(Some(InjectedFault::ErrorFor(alias, code)));
        let keyring = Arc::new(
            Arc::into_inner(new_keyring(&kms, HOUR)).unwrap().on_neighbor_fault(|alias, fault| {
                REPORTED.lock().unwrap().push((alias.to_string(), fault.cause));
            }),
        );
        for _ in 0..3 {
            let found = keyring.find(Some("unknown")).await;
            assert_eq!(found.is_ok(), is_refused, "{alias} {code}");
        }
        let reported = || std::mem::take(&mut *REPORTED.lock().unwrap());
        assert_eq!(reported(), expected, "{alias} {code}");
        advance(301).await;
        let _ = keyring.find(Some("unknown")).await;
        let afterwards = match (alias, code) {
            (NEXT, "AccessDeniedException") => of(NEXT, Cause::AccessDenied),
            _ => expected,
        };
        assert_eq!(reported(), afterwards, "{alias} {code} five minutes later");
    }
}
