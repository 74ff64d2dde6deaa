//! Signing and verifying with a KMS that is as strict as the real one.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{
    io::{Read, Write},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use countersign_kms::{
    Cause, Client, ErrorChain, Keyring, KmsSigner, KmsVerifier, Stopwatch, Verification,
};
use jwt::{
    Algorithm, Rejection, SignedParts, Signer, Token, UnsignedToken, UnverifiedToken, Validation,
    Verifier, VerifyingKey,
};
use local::kms::Kms;
use runtime::Settings;
use serde_json::{Map, Value, json};
use testing::{InjectFaults, InjectedFault};
use tokio::net::TcpListener;

const ALIAS: &str = "alias/ring";
const NEXT: &str = "alias/ring-next";
const PREVIOUS: &str = "alias/ring-previous";

/// A KMS with one key under the alias.
async fn kms() -> Kms {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kms = Kms::start(listener, "us-east-1", None).unwrap();
    let key = create_key(&kms, "RSA_2048");
    kms.perform("CreateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": key})).unwrap();
    kms
}

fn create_key(kms: &Kms, spec: &str) -> String {
    let key = kms.perform("CreateKey", &json!({"KeySpec": spec, "KeyUsage": "SIGN_VERIFY"}));
    key.unwrap()["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

fn client(endpoint: &str) -> Client {
    let values = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL_KMS", endpoint),
    ];
    let mut settings: Settings =
        values.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    runtime::connect(&mut settings).unwrap()
}

fn ring(kms: &Kms, refresh: Duration) -> Arc<Keyring> {
    ring_of(kms, ALIAS, None, refresh)
}

fn ring_of(kms: &Kms, name: &str, algorithm: Option<Algorithm>, refresh: Duration) -> Arc<Keyring> {
    let client = client(&format!("http://{}", kms.address()));
    Arc::new(Keyring::new(client, name.parse().unwrap(), algorithm, refresh))
}

fn signer(keyring: &Arc<Keyring>) -> KmsSigner<'_> {
    KmsSigner { keyring, stopwatch: &UNREAD, max_token_bytes: None }
}

fn verifier(keyring: &Arc<Keyring>) -> KmsVerifier<'_> {
    KmsVerifier { keyring, verification: Verification::Kms, stopwatch: &UNREAD }
}

fn local(keyring: &Arc<Keyring>) -> KmsVerifier<'_> {
    KmsVerifier { verification: Verification::Local, ..verifier(keyring) }
}

static UNREAD: LazyLock<Stopwatch> = LazyLock::new(Stopwatch::default);

const HOUR: Duration = Duration::from_hours(1);

/// Moves the clock of everything that waits.
async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

async fn sign(keyring: &Arc<Keyring>, claims: Value) -> Token {
    let Value::Object(mut claims) = claims else { panic!("an object") };
    claims.insert("iss".into(), "us".into());
    claims.insert("exp".into(), 2000.into());
    let draft = UnsignedToken::new("JWT", &claims);
    signer(keyring).sign(&draft).await.unwrap().token
}

/// The claims of a good token, or why it is refused.
async fn confirm(keyring: &Arc<Keyring>, token: &str) -> Result<(), Rejection> {
    let profile = Validation {
        issuer: Some("us".into()),
        audiences: Some(vec![]),
        token_type: "JWT".into(),
        leeway: Duration::ZERO,
    };
    let now = jwt::UnixTime::from_seconds(1000);
    let candidate = UnverifiedToken::parse(token)?.screen(&profile, now)?;
    candidate.confirm(&verifier(keyring)).await.unwrap().map(|_| ())
}

/// Every `KeySpec` that signs tokens, with every algorithm that its keys can have.
const SPECS: [(&str, &[Algorithm]); 11] = {
    use Algorithm::*;
    [
        ("RSA_2048", &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512]),
        ("RSA_3072", &[Rs256, Ps384]),
        ("RSA_4096", &[Rs512, Ps256]),
        ("ECC_NIST_P256", &[Es256]),
        ("ECC_NIST_P384", &[Es384]),
        ("ECC_NIST_P521", &[Es512]),
        ("ECC_SECG_P256K1", &[Es256k]),
        ("ECC_NIST_EDWARDS25519", &[Ed25519]),
        ("ML_DSA_44", &[MlDsa44]),
        ("ML_DSA_65", &[MlDsa65]),
        ("ML_DSA_87", &[MlDsa87]),
    ]
};

/// A draft whose signing input has exactly this many bytes under a key of this algorithm.
fn draft(bytes: usize, algorithm: Algorithm, key_id: &str) -> UnsignedToken {
    let with = |padding: usize, kind: &str| {
        let claims = json!({"iss": "us", "exp": 2000, "a": "x".repeat(padding)});
        UnsignedToken::new(kind, claims.as_object().unwrap())
    };
    let length = |draft: &UnsignedToken| draft.signing_input(algorithm, key_id).as_bytes().len();
    // Base64 skips some lengths, which another length of the header makes up for.
    let kinds = ["JWT", "JWTx", "JWTxx", "JWTxxx"];
    let drafts = kinds.iter().flat_map(|kind| {
        let short = bytes.saturating_sub(length(&with(0, kind))) * 3 / 4;
        (short.saturating_sub(4)..short + 4).map(move |padding| with(padding, kind))
    });
    let mut drafts = drafts;
    drafts.find(|draft| length(draft) == bytes).unwrap()
}

#[tokio::test]
async fn every_algorithm_signs_and_verifies_through_kms_and_here() {
    let kms = kms().await;
    for (spec, algorithms) in SPECS {
        let name = create_key(&kms, spec);
        for algorithm in algorithms.iter().copied() {
            let keyring = ring_of(&kms, &name, Some(algorithm), HOUR);
            let ring = keyring.ring().await.unwrap();
            let key = &ring.current;
            let here = VerifyingKey::new(&key.public, algorithm).unwrap();
            for bytes in [4095, 4096, 4097, 8000] {
                let case = format!("{spec} {algorithm} {bytes}");
                let draft = draft(bytes, algorithm, &key.id);
                let signed = match signer(&keyring).sign(&draft).await {
                    Ok(signed) => signed,
                    Err(fault) => {
                        let refused = algorithm == Algorithm::Ed25519 && bytes > 4096;
                        assert!(refused && fault.cause == Cause::TooLong, "{case}: {fault}");
                        continue;
                    }
                };
                let (input, signature) = signed.token.reveal().rsplit_once('.').unwrap();
                assert_eq!(input.len(), bytes, "{case}");
                let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
                assert!(here.verify(input.as_bytes(), &signature), "{case}");
                let proof = |signature: Vec<u8>| SignedParts {
                    algorithm,
                    key_id: Some(key.id.clone()),
                    signing_input: input,
                    signature,
                };
                let good = proof(signature.clone());
                assert_eq!(verifier(&keyring).verify(&good).await.unwrap(), Ok(()), "{case}");
                assert_eq!(local(&keyring).verify(&good).await.unwrap(), Ok(()), "{case}");
                let mut changed = signature;
                let middle = changed.len() / 2;
                changed[middle] ^= 1;
                let bad = proof(changed);
                for verifier in [verifier(&keyring), local(&keyring)] {
                    let judged = verifier.verify(&bad).await.unwrap();
                    assert_eq!(judged, Err(Rejection::Signature), "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn token_that_is_too_long_is_refused_before_kms_is_asked() {
    let kms = kms().await;
    let rows = [
        // The signature has 342 characters.
        ("RSA_2048", 7000, 7343, Some(7343), Ok(())),
        ("RSA_2048", 7000, 7343, Some(7342), Err(7342)),
        ("RSA_2048", 7849, 8192, Some(9000), Ok(())),
        ("RSA_2048", 7850, 8193, Some(9000), Err(8192)),
        ("RSA_2048", 7850, 8193, None, Ok(())),
        // The signature has 6170.
        ("ML_DSA_87", 2829, 9000, Some(9000), Ok(())),
        ("ML_DSA_87", 2830, 9001, Some(9000), Err(9000)),
    ];
    for (spec, input_bytes, bytes, max_token_bytes, expected) in rows {
        let keyring = ring_of(&kms, &create_key(&kms, spec), None, HOUR);
        let key = Arc::clone(&keyring.ring().await.unwrap().current);
        let draft = draft(input_bytes, key.algorithm, &key.id);
        let calls = kms.calls();
        let signer = KmsSigner { max_token_bytes, ..signer(&keyring) };
        let signed = signer.sign(&draft).await;
        let length = signed.as_ref().map(|signed| signed.token.reveal().len());
        let cause = expected.map(|()| bytes).map_err(|max| Cause::TokenTooLong { bytes, max });
        assert_eq!(
            length.map_err(|fault| fault.cause),
            cause,
            "{spec} {bytes} {max_token_bytes:?}"
        );
        assert_eq!(kms.calls() - calls, u64::from(expected.is_ok()), "{spec} {bytes}");
    }
}

#[tokio::test]
async fn an_algorithm_that_the_key_does_not_have_stops_the_start() {
    let kms = kms().await;
    let rows = [
        ("RSA_2048", Algorithm::Es256),
        ("ECC_NIST_P256", Algorithm::Rs256),
        ("ECC_NIST_P256", Algorithm::Es256k),
        ("ML_DSA_44", Algorithm::MlDsa65),
    ];
    for (spec, algorithm) in rows {
        let name = create_key(&kms, spec);
        let keyring = ring_of(&kms, &name, Some(algorithm), HOUR);
        let fault = keyring.ring().await.unwrap_err();
        assert_eq!(fault.cause, Cause::UnsupportedKey);
        let said = ErrorChain(&fault).to_string();
        assert!(said.contains(spec) && said.contains(algorithm.name()), "{said}");
    }
}

#[tokio::test]
async fn a_signed_token_is_good_and_a_changed_one_is_not() {
    let kms = kms().await;
    let keyring = ring(&kms, HOUR);
    let (token, other) =
        (sign(&keyring, json!({"a": 1})).await, sign(&keyring, json!({"a": 2})).await);
    assert_eq!(confirm(&keyring, token.reveal()).await, Ok(()));
    let (input, _) = token.reveal().rsplit_once('.').unwrap();
    let (_, signature) = other.reveal().rsplit_once('.').unwrap();
    let mixed = format!("{input}.{signature}");
    let mut seen = Vec::new();
    for (seconds, token) in [(0, &mixed), (0, &mixed), (59, &mixed), (1, &mixed)] {
        later(seconds).await;
        let calls = kms.calls();
        assert_eq!(confirm(&keyring, token).await, Err(Rejection::Signature));
        seen.push(kms.calls() - calls);
    }
    assert_eq!(seen, [1, 0, 0, 1], "once a minute KMS is asked, else the public key tells");
    assert_eq!(confirm(&keyring, token.reveal()).await, Ok(()), "KMS has the last word");
}

#[tokio::test]
async fn kms_is_not_asked_about_what_the_key_cannot_have_signed() {
    let kms = kms().await;
    let keyring = ring(&kms, HOUR);
    let key = keyring.ring().await.unwrap().current.id.clone();
    let calls = kms.calls();
    let rows = [
        ("a short signature", Some(key), 255, Rejection::Signature),
        ("no key id and a short signature", None, 255, Rejection::Signature),
        ("an alias as key id", Some(ALIAS.into()), 256, Rejection::UnknownKey),
        ("another unknown key", Some("k".into()), 256, Rejection::UnknownKey),
    ];
    for (name, key_id, bytes, expected) in rows {
        let signature = vec![0; bytes];
        let proof =
            SignedParts { algorithm: Algorithm::Rs256, key_id, signing_input: "a.b", signature };
        for verifier in [verifier(&keyring), local(&keyring)] {
            assert_eq!(verifier.verify(&proof).await.unwrap(), Err(expected), "{name}");
        }
    }
    assert_eq!(kms.calls() - calls, 0, "the ring was loaded a moment ago");
}

#[tokio::test]
async fn the_ring_follows_its_alias() {
    let kms = kms().await;
    let keyring = ring(&kms, HOUR);
    let before = sign(&keyring, json!({})).await;
    let next = create_key(&kms, "RSA_3072");
    kms.perform("UpdateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": next})).unwrap();
    let new_keyring = ring(&kms, HOUR);
    let after = sign(&new_keyring, json!({})).await;
    assert_eq!(confirm(&new_keyring, after.reveal()).await, Ok(()));
    assert_eq!(confirm(&new_keyring, before.reveal()).await, Err(Rejection::UnknownKey));

    // An old ring takes its time to look again for a key that it does not know.
    assert_eq!(confirm(&keyring, before.reveal()).await, Ok(()));
    assert_eq!(confirm(&keyring, after.reveal()).await, Err(Rejection::UnknownKey));
    let calls = kms.calls();
    later(11).await;
    assert_eq!(confirm(&keyring, after.reveal()).await, Ok(()));
    assert_eq!(kms.calls() - calls, 4, "GetPublicKey of three aliases, and Verify");
}

#[tokio::test]
async fn the_ring_is_refreshed_when_it_is_due_and_not_before() {
    let kms = kms().await;
    let keyring = ring(&kms, Duration::from_mins(5));
    let mut calls = vec![kms.calls()];
    for seconds in [0, 299, 2, 1, 300] {
        later(seconds).await;
        keyring.ring().await.unwrap();
        calls.push(kms.calls());
    }
    assert_eq!(calls, [0, 3, 3, 6, 6, 9]);
}

#[tokio::test]
async fn the_keys_beside_the_current_one_are_trusted_and_do_not_sign() {
    let kms = kms().await;
    let keys = [("-next", "ECC_NIST_P256"), ("-previous", "RSA_3072")].map(|(suffix, spec)| {
        let key = create_key(&kms, spec);
        let alias = json!({"AliasName": format!("{ALIAS}{suffix}"), "TargetKeyId": key});
        kms.perform("CreateAlias", &alias).unwrap();
        key
    });
    let keyring = ring_of(&kms, ALIAS, Some(Algorithm::Ps256), HOUR);
    let held = keyring.ring().await.unwrap();
    let known: Vec<_> = held.keys().map(|key| (&*key.id, key.algorithm)).collect();
    let current = &*held.current.id;
    // The setting is for the kind of key that it fits.
    let [next, previous] = [(&*keys[0], Algorithm::Es256), (&*keys[1], Algorithm::Ps256)];
    assert_eq!(known, [(current, Algorithm::Ps256), next, previous]);
    let token = sign(&keyring, json!({})).await;
    assert_eq!(confirm(&keyring, token.reveal()).await, Ok(()));
    let signer_of = |key: &str| ring_of(&kms, key, None, HOUR);
    for key in &keys {
        let token = sign(&signer_of(key), json!({})).await;
        let judged = confirm(&keyring, token.reveal()).await;
        let expected = if *key == keys[0] {
            Ok(())
        } else {
            // It signs with RS256 where nothing else is set.
            let (key, token) = (Algorithm::Ps256, Algorithm::Rs256);
            Err(Rejection::WrongAlgorithm { key, token })
        };
        assert_eq!(judged, expected);
    }

    // Taken out of service, a key is no longer one of the ring.
    kms.perform("DisableKey", &json!({"KeyId": keys[1]})).unwrap();
    kms.perform("DeleteAlias", &json!({"AliasName": format!("{ALIAS}-next")})).unwrap();
    let keyring = ring(&kms, HOUR);
    assert_eq!(keyring.ring().await.unwrap().keys().count(), 1);
    // A key by its id has none beside it, and nobody is asked.
    let calls = kms.calls();
    assert_eq!(signer_of(&keys[0]).ring().await.unwrap().keys().count(), 1);
    assert_eq!(kms.calls() - calls, 1);
}

/// A KMS that knows the current key, and has these answers for the keys beside it. While a fault passes
/// by itself, the key may be there; a lasting one is the operator's, and no caller's to bring about.
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

/// Adds a next and a previous key to the ring.
fn add_neighbors(kms: &Kms) {
    for suffix in ["-next", "-previous"] {
        let key = create_key(kms, "RSA_2048");
        let alias = json!({"AliasName": format!("{ALIAS}{suffix}"), "TargetKeyId": key});
        kms.perform("CreateAlias", &alias).unwrap();
    }
}

fn move_alias(kms: &Kms, alias: &str, key: &str) {
    kms.perform("UpdateAlias", &json!({"AliasName": alias, "TargetKeyId": key})).unwrap();
}

/// How many keys are published and whether they may be cached, or why none are.
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
        let keyring = ring(&kms, HOUR);
        kms.inject(Some(InjectedFault::ErrorFor(alias, code)));
        assert_eq!(published(&keyring).await, expected, "{alias} {code}");
        // It is asked for again soon, and not with each request.
        let calls = kms.calls();
        assert_eq!(published(&keyring).await, expected, "{alias} {code} again");
        let is_soon = expected == Err(Cause::Throttled);
        assert!(is_soon || kms.calls() == calls, "{alias} {code} again");
        kms.inject(None);
        if expected.is_err() {
            later(11).await;
            assert_eq!(published(&keyring).await, Ok((3, true)), "{alias} {code} is over");
        }
    }
}

#[tokio::test]
async fn last_complete_key_set_is_published_while_the_previous_key_is_unknown() {
    for code in ["ThrottlingException", "AccessDeniedException"] {
        let kms = kms().await;
        add_neighbors(&kms);
        let keyring = ring(&kms, Duration::from_mins(5));
        let complete = keyring.published_ring().await.unwrap().ring;
        kms.inject(Some(InjectedFault::ErrorFor(PREVIOUS, code)));
        later(301).await;
        let again = keyring.published_ring().await.unwrap();
        assert!(Arc::ptr_eq(&again.ring, &complete) && again.next_fault.is_none(), "{code}");

        // A new next key is not one of that set, which must not be cached any more.
        let next = create_key(&kms, "RSA_2048");
        move_alias(&kms, NEXT, &next);
        later(361).await;
        assert_eq!(published(&keyring).await, Ok((3, false)), "{code}");

        // Once it signs, the set has no key for its tokens.
        move_alias(&kms, ALIAS, &next);
        later(361).await;
        assert!(published(&keyring).await.is_err(), "{code}");
        kms.inject(None);
        later(11).await;
        let known = keyring.published_ring().await.unwrap();
        assert!(known.ring.find(Some(&next)).is_some() && known.next_fault.is_none(), "{code}");
    }
}

#[tokio::test]
async fn key_set_is_published_as_it_was_while_kms_is_down() {
    let kms = kms().await;
    add_neighbors(&kms);
    let keyring = ring(&kms, Duration::from_mins(5));
    assert_eq!(published(&keyring).await, Ok((3, true)));
    drop(kms);
    later(3601).await;
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
        // IAM may not have seen the new alias.
        (NEXT, "AccessDeniedException", vec![], true),
        (ALIAS, "AccessDeniedException", vec![], false),
    ];
    for (alias, code, expected, is_refused) in rows {
        kms.inject(Some(InjectedFault::ErrorFor(alias, code)));
        let keyring = Arc::new(Arc::into_inner(ring(&kms, HOUR)).unwrap().on_neighbor_fault(
            |alias, fault| {
                REPORTED.lock().unwrap().push((alias.to_string(), fault.cause));
            },
        ));
        for _ in 0..3 {
            let found = keyring.find(Some("unknown")).await;
            assert_eq!(found.is_ok(), is_refused, "{alias} {code}");
        }
        let reported = || std::mem::take(&mut *REPORTED.lock().unwrap());
        assert_eq!(reported(), expected, "{alias} {code}");
        later(301).await;
        let _ = keyring.find(Some("unknown")).await;
        let afterwards = match (alias, code) {
            (NEXT, "AccessDeniedException") => of(NEXT, Cause::AccessDenied),
            _ => expected,
        };
        assert_eq!(reported(), afterwards, "{alias} {code} five minutes later");
    }
}

#[tokio::test]
async fn a_slow_kms_does_not_hold_up_a_ring_that_works() {
    let kms = kms().await;
    let keyring = ring(&kms, HOUR);
    let ring = keyring.ring().await.unwrap();
    kms.inject(Some(InjectedFault::Late(Duration::from_millis(700))));
    later(3601).await;
    assert!(Arc::ptr_eq(&keyring.ring().await.unwrap(), &ring), "the last ring serves on");
    let refreshed = async {
        while Arc::ptr_eq(&keyring.ring().await.unwrap(), &ring) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refreshed).await.expect("the new one is there");
}

/// A rotation counts on it: what a ring trusts may be old, but not what it signs with.
#[tokio::test]
async fn a_ring_of_long_ago_does_not_sign() {
    let kms = kms().await;
    let keyring = ring(&kms, Duration::from_mins(5));
    let old = keyring.ring().await.unwrap().current.id.clone();
    let next = create_key(&kms, "RSA_2048");
    kms.perform("UpdateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": next})).unwrap();
    let signed_by = async |keyring: &Arc<Keyring>| {
        let signed = signer(keyring).sign(&UnsignedToken::new("JWT", &Map::new())).await;
        signed.map(|signed| signed.key_id).map_err(|fault| fault.cause)
    };
    kms.inject(Some(InjectedFault::Late(Duration::from_millis(700))));
    later(359).await;
    assert_eq!(
        signed_by(&keyring).await,
        Ok(old),
        "a refresh that is due a minute ago is waited for a moment"
    );
    let keyring = ring(&kms, Duration::from_mins(5));
    assert_eq!(signed_by(&keyring).await, Ok(next.clone()));
    let last = create_key(&kms, "RSA_2048");
    kms.perform("UpdateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": last})).unwrap();
    later(361).await;
    assert_eq!(
        signed_by(&keyring).await,
        Ok(last),
        "one that is due longer is waited for until it is there"
    );
    drop(kms);
    later(361).await;
    assert_eq!(keyring.ring().await.map(|_| ()).map_err(|fault| fault.cause), Ok(()));
    assert_eq!(signed_by(&keyring).await, Err(Cause::Unreachable));
}

#[tokio::test]
async fn an_outage_at_a_refresh_leaves_the_ring_as_it_is() {
    let kms = kms().await;
    let keyring = ring(&kms, Duration::from_mins(5));
    let ring = keyring.ring().await.unwrap();
    drop(kms);
    later(360).await;
    assert!(Arc::ptr_eq(&keyring.ring().await.unwrap(), &ring));
    // What the ring does not know, nobody knows now.
    later(11).await;
    assert_eq!(keyring.find(Some("unknown")).await.unwrap_err().cause, Cause::Unreachable);
    assert_eq!(keyring.find(Some("unknown")).await.unwrap_err().cause, Cause::Unreachable);
    let known = keyring.find(Some(&ring.current.id)).await.unwrap();
    assert_eq!(known.unwrap().arn, ring.current.arn);
}

#[tokio::test]
async fn transient_error_at_a_refresh_leaves_the_ring_as_it_is() {
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
        let keyring = ring(&kms, HOUR);
        let loaded = keyring.ring().await.unwrap();
        let body = format!(r#"{{"__type":"{code}"}}"#).leak();
        kms.inject(Some(InjectedFault::Response(status, body)));
        later(3601).await;
        let _ = keyring.ring().await;
        later(11).await;
        let stays = keyring.ring().await.is_ok_and(|ring| Arc::ptr_eq(&ring, &loaded));
        assert_eq!(stays, expected, "{status} {code}");
        if expected {
            let unknown = keyring.find(Some("unknown")).await;
            assert!(unknown.is_err_and(|fault| fault.cause.is_transient()), "{status} {code}");
        }
    }
}

#[tokio::test]
async fn what_kms_says_at_a_refresh_counts_at_once() {
    let alias = json!({"AliasName": ALIAS});
    let kms = kms().await;
    let symmetric = kms.perform("CreateKey", &json!({})).unwrap()["KeyMetadata"]["KeyId"].clone();
    let keyring = ring(&kms, Duration::from_mins(5));
    let key = keyring.ring().await.unwrap().current.id.clone();
    kms.perform("DisableKey", &json!({"KeyId": key})).unwrap();
    later(301).await;
    assert_eq!(keyring.ring().await.unwrap_err().cause, Cause::KeyState);
    kms.perform("EnableKey", &json!({"KeyId": key})).unwrap();
    let calls = kms.calls();
    assert_eq!(keyring.ring().await.unwrap_err().cause, Cause::KeyState);
    assert_eq!(kms.calls() - calls, 0, "not asked again in the same second");
    later(2).await;
    assert_eq!(keyring.ring().await.unwrap().current.id, key);
    kms.perform("DeleteAlias", &alias).unwrap();
    later(301).await;
    assert_eq!(keyring.ring().await.unwrap_err().cause, Cause::NotFound);
    let to_symmetric = json!({"AliasName": ALIAS, "TargetKeyId": symmetric});
    kms.perform("CreateAlias", &to_symmetric).unwrap();
    later(2).await;
    assert_eq!(keyring.ring().await.unwrap_err().cause, Cause::UnsupportedKey);
}

/// The key's signature over `a.b`.
fn signature(kms: &Kms) -> Vec<u8> {
    let input = json!({
        "KeyId": ALIAS, "Message": STANDARD.encode("a.b"),
        "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256",
    });
    let answer = kms.perform("Sign", &input).unwrap();
    STANDARD.decode(answer["Signature"].as_str().unwrap()).unwrap()
}

/// A server in the place of KMS that knows the key and has one answer to everything else, in which
/// `ARN` stands for the key's; and a signature of the key.
async fn stand_in(status: u16, body: &str) -> (Arc<Keyring>, Vec<u8>) {
    let kms = kms().await;
    let signature = signature(&kms);
    let key = kms.perform("GetPublicKey", &json!({"KeyId": ALIAS})).unwrap();
    let body = body.replace("ARN", key["KeyId"].as_str().unwrap());
    let endpoint = serve(move |request| {
        if request.contains("GetPublicKey") {
            (200, key.to_string())
        } else {
            (status, body.clone())
        }
    });
    (keyring_at(&endpoint, ALIAS), signature)
}

fn keyring_at(endpoint: &str, name: &str) -> Arc<Keyring> {
    Arc::new(Keyring::new(client(endpoint), name.parse().unwrap(), None, HOUR))
}

/// Something in KMS's place that gives these answers.
fn serve(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
                // The body's end is not looked for: no request here has another brace at an end.
                while !request.ends_with(b"}") {
                    match stream.read(&mut buffer).unwrap() {
                        0 => break,
                        read => request.extend_from_slice(&buffer[..read]),
                    }
                }
                let (status, body) = answer(&String::from_utf8_lossy(&request));
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}");
                // Whoever asked may have given up.
                let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
            });
        }
    });
    endpoint
}

type Judged = Result<Result<(), Rejection>, Cause>;

#[tokio::test]
async fn every_answer_of_verify_is_a_yes_a_no_or_a_fault() {
    let no = Err(Rejection::Signature);
    let rows: &[(&str, u16, &str, Judged)] = &[
        ("yes", 200, YES, Ok(Ok(()))),
        ("false", 200, &YES.replace("true", "false"), Ok(Err(Rejection::Signature))),
        ("nothing said", 200, &YES.replace(r#""SignatureValid":true,"#, ""), Ok(no)),
        ("empty", 200, "", Err(Cause::InvalidResponse)),
        ("no content", 204, "", Err(Cause::InvalidResponse)),
        ("no members", 200, "{}", Err(Cause::InvalidResponse)),
        ("a bare yes", 200, r#"{"SignatureValid":true}"#, Err(Cause::InvalidResponse)),
        ("a bare false", 200, r#"{"SignatureValid":false}"#, Err(Cause::InvalidResponse)),
        ("another key", 200, &YES.replace("ARN", OTHER), Err(Cause::InvalidResponse)),
        ("an alias", 200, &YES.replace("ARN", ALIAS), Err(Cause::InvalidResponse)),
        ("a longer ARN", 200, &YES.replace("ARN", "ARN1"), Err(Cause::InvalidResponse)),
        ("another algorithm", 200, &YES.replace("256", "512"), Err(Cause::InvalidResponse)),
        (
            "false of another key",
            200,
            &YES.replace("ARN", OTHER).replace("true", "false"),
            Err(Cause::InvalidResponse),
        ),
        ("no", 400, r#"{"__type":"KMSInvalidSignatureException"}"#, Ok(no)),
        ("throttled", 400, r#"{"__type":"ThrottlingException"}"#, Err(Cause::Throttled)),
        ("denied", 400, r#"{"__type":"AccessDeniedException"}"#, Err(Cause::AccessDenied)),
        (
            "old credentials",
            400,
            r#"{"__type":"ExpiredTokenException"}"#,
            Err(Cause::CredentialsExpired),
        ),
        ("internal", 500, r#"{"__type":"KMSInternalException"}"#, Err(Cause::Unavailable)),
        (
            "key unavailable",
            500,
            r#"{"__type":"KeyUnavailableException"}"#,
            Err(Cause::Unavailable),
        ),
        ("dependency", 503, r#"{"__type":"DependencyTimeoutException"}"#, Err(Cause::Unavailable)),
        ("disabled", 409, r#"{"__type":"DisabledException"}"#, Err(Cause::KeyState)),
        (
            "wrong usage",
            400,
            r#"{"__type":"InvalidKeyUsageException"}"#,
            Err(Cause::UnsupportedKey),
        ),
        ("not valid", 400, r#"{"__type":"ValidationException"}"#, Err(Cause::Refused)),
        ("not KMS's", 503, "<html>", Err(Cause::Unreachable)),
        ("not KMS's either", 200, "<html>", Err(Cause::Unreachable)),
    ];
    for (name, status, body, expected) in rows {
        let (keyring, signature) = stand_in(*status, body).await;
        let proof = SignedParts {
            algorithm: Algorithm::Rs256,
            key_id: None,
            signing_input: "a.b",
            signature,
        };
        let judged = verifier(&keyring).verify(&proof).await.map_err(|fault| fault.cause);
        assert_eq!(judged, *expected, "{name}");
    }
}

/// As KMS answers a good signature of the key `ARN`.
const YES: &str =
    r#"{"KeyId":"ARN","SignatureValid":true,"SigningAlgorithm":"RSASSA_PKCS1_V1_5_SHA_256"}"#;
/// The ARN of another key.
const OTHER: &str = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555";

#[tokio::test]
async fn sign_response_that_does_not_answer_the_request_is_a_fault() {
    let signature = STANDARD.encode([1; 256]);
    let good =
        YES.replace("true", &format!("\"{signature}\"")).replace("SignatureValid", "Signature");
    let rows = [
        ("good", good.clone(), None),
        ("empty", String::new(), Some(Cause::InvalidResponse)),
        ("no members", "{}".into(), Some(Cause::InvalidResponse)),
        (
            "a bare signature",
            json!({"Signature": signature}).to_string(),
            Some(Cause::InvalidResponse),
        ),
        ("another key", good.replace("ARN", OTHER), Some(Cause::InvalidResponse)),
        ("another algorithm", good.replace("256", "384"), Some(Cause::InvalidResponse)),
        ("a short signature", good.replace(&signature, "AAAA"), Some(Cause::InvalidResponse)),
        ("no signature", good.replace("\"Signature\"", "\"Other\""), Some(Cause::InvalidResponse)),
    ];
    for (name, body, expected) in rows {
        let (keyring, _) = stand_in(200, &body).await;
        let signed = signer(&keyring).sign(&UnsignedToken::new("JWT", &Map::new())).await;
        assert_eq!(signed.err().map(|fault| fault.cause), expected, "{name}");
    }
}

/// A proxy between a function and KMS may respond with anything.
#[tokio::test]
async fn unusable_key_response_stops_no_start_and_costs_no_ring() {
    let kms = kms().await;
    let key = kms.perform("GetPublicKey", &json!({"KeyId": ALIAS})).unwrap();
    let with = |name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key.to_string()
    };
    let alias = format!("arn:aws:kms:us-east-1:000000000000:{ALIAS}");
    let ec = create_key(&kms, "ECC_NIST_P256");
    let ec = kms.perform("GetPublicKey", &json!({"KeyId": ec})).unwrap();
    let without_spec = |mut key: Value| {
        key["KeySpec"] = Value::Null;
        key
    };
    let mut bare = without_spec(key.clone());
    bare["CustomerMasterKeySpec"] = Value::Null;
    let id = key["KeyId"].as_str().unwrap().rsplit('/').next().unwrap();
    let rows = [
        ("the id alone, as some emulators have it", with("KeyId", id.into()), None),
        ("the spec's older name alone", without_spec(key.clone()).to_string(), None),
        ("no usage", with("KeyUsage", Value::Null), None),
        ("empty", String::new(), Some(Cause::InvalidResponse)),
        ("no members", "{}".into(), Some(Cause::InvalidResponse)),
        ("no key named", with("KeyId", Value::Null), Some(Cause::InvalidResponse)),
        ("an alias named", with("KeyId", alias.into()), Some(Cause::InvalidResponse)),
        ("no spec", bare.to_string(), Some(Cause::InvalidResponse)),
        ("no key", with("PublicKey", Value::Null), Some(Cause::InvalidResponse)),
        ("half a key", with("PublicKey", "MIIB".into()), Some(Cause::InvalidResponse)),
        (
            "a key of another kind",
            with("PublicKey", ec["PublicKey"].clone()),
            Some(Cause::InvalidResponse),
        ),
        ("no algorithms", with("SigningAlgorithms", Value::Null), Some(Cause::InvalidResponse)),
        ("a cipher", with("KeyUsage", "ENCRYPT_DECRYPT".into()), Some(Cause::UnsupportedKey)),
        ("a key agreement", with("KeyUsage", "KEY_AGREEMENT".into()), Some(Cause::UnsupportedKey)),
        ("a spec that signs no tokens", with("KeySpec", "SM2".into()), Some(Cause::UnsupportedKey)),
    ];
    for (name, body, expected) in rows {
        let (good, is_good) = (key.to_string(), Arc::new(AtomicBool::new(false)));
        let first = Arc::clone(&is_good);
        let endpoint = serve(move |request| {
            if request.contains("-next") || request.contains("-previous") {
                (400, r#"{"__type":"NotFoundException"}"#.into())
            } else if first.load(Ordering::Relaxed) {
                (200, good.clone())
            } else {
                (200, body.clone())
            }
        });
        let cold = keyring_at(&endpoint, ALIAS).ring().await;
        assert_eq!(cold.err().map(|fault| fault.cause), expected, "{name}");

        is_good.store(true, Ordering::Relaxed);
        let keyring = keyring_at(&endpoint, ALIAS);
        let ring = keyring.ring().await.unwrap();
        is_good.store(false, Ordering::Relaxed);
        later(3601).await;
        let stays = keyring.ring().await.is_ok_and(|kept| kept.current.id == ring.current.id);
        assert_eq!(stays, expected != Some(Cause::UnsupportedKey), "{name}");
    }

    // Asked for by its id, it must be that key.
    let body = with("KeyId", OTHER.into());
    let endpoint = serve(move |_| (200, body.clone()));
    let fault = keyring_at(&endpoint, id).ring().await.unwrap_err();
    assert_eq!(fault.cause, Cause::InvalidResponse);
    let other = OTHER.rsplit('/').next().unwrap();
    assert!(keyring_at(&endpoint, other).ring().await.is_ok());
}

/// Some emulators respond to `GetPublicKey` with the id where KMS has the ARN.
#[tokio::test]
async fn arn_in_a_response_must_have_the_requested_key_id() {
    let arn = "arn:aws:kms:us-east-1:000000000000:key/";
    for (suffix, expected) in [("ID", Ok(Ok(()))), ("ID1", Err(Cause::InvalidResponse))] {
        let kms = kms().await;
        let signature = signature(&kms);
        let mut key = kms.perform("GetPublicKey", &json!({"KeyId": ALIAS})).unwrap();
        let id = key["KeyId"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let yes = YES.replace("ARN", &format!("{arn}{}", suffix.replace("ID", &id)));
        key["KeyId"] = id.into();
        let endpoint = serve(move |request| {
            (200, if request.contains("GetPublicKey") { key.to_string() } else { yes.clone() })
        });
        let keyring = keyring_at(&endpoint, ALIAS);
        let proof = SignedParts {
            algorithm: Algorithm::Rs256,
            key_id: None,
            signing_input: "a.b",
            signature,
        };
        let judged = verifier(&keyring).verify(&proof).await.map_err(|fault| fault.cause);
        assert_eq!(judged, expected, "{suffix}");
    }
}

#[tokio::test]
async fn faults_have_causes() {
    let kms = kms().await;
    let key = json!({"KeyId": create_key(&kms, "RSA_2048")});
    let name = key["KeyId"].as_str().unwrap();
    let symmetric = kms.perform("CreateKey", &json!({})).unwrap()["KeyMetadata"]["KeyId"].clone();
    let endpoint = format!("http://{}", kms.address());
    let load = async |endpoint: &str, name: &str| {
        let keyring = Keyring::new(client(endpoint), name.parse().unwrap(), None, HOUR);
        let keyring = Arc::new(keyring);
        keyring.ring().await.map(|_| ()).map_err(|fault| fault.cause)
    };
    assert_eq!(load(&endpoint, name).await, Ok(()));
    kms.perform("DisableKey", &key).unwrap();
    assert_eq!(load(&endpoint, name).await, Err(Cause::KeyState));
    kms.perform("ScheduleKeyDeletion", &key).unwrap();
    assert_eq!(load(&endpoint, name).await, Err(Cause::KeyState));
    assert_eq!(load(&endpoint, "alias/nobody").await, Err(Cause::NotFound));
    assert_eq!(load(&endpoint, symmetric.as_str().unwrap()).await, Err(Cause::UnsupportedKey));
    let cipher = json!({"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"});
    let cipher = kms.perform("CreateKey", &cipher).unwrap()["KeyMetadata"]["KeyId"].clone();
    assert_eq!(load(&endpoint, cipher.as_str().unwrap()).await, Err(Cause::UnsupportedKey));
    assert_eq!(load("http://127.0.0.1:1", name).await, Err(Cause::Unreachable));
}

#[tokio::test]
async fn a_disabled_key_is_a_fault_and_not_a_refusal() {
    let kms = kms().await;
    let keyring = ring(&kms, HOUR);
    let key = keyring.ring().await.unwrap().current.clone();
    let signature = signature(&kms);
    kms.perform("DisableKey", &json!({"KeyId": key.id})).unwrap();
    let draft = UnsignedToken::new("JWT", &Map::new());
    assert_eq!(signer(&keyring).sign(&draft).await.unwrap_err().cause, Cause::KeyState);
    let proof =
        SignedParts { algorithm: Algorithm::Rs256, key_id: None, signing_input: "a.b", signature };
    assert_eq!(verifier(&keyring).verify(&proof).await.unwrap_err().cause, Cause::KeyState);
    // Here, nobody knows of it before the ring is refreshed.
    assert_eq!(local(&keyring).verify(&proof).await.unwrap(), Ok(()));
}
