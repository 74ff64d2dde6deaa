//! The ring against the local KMS and against servers with other responses.

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

fn new_keyring(kms: &Kms, refresh: Duration) -> Arc<Keyring> {
    named_keyring(kms, ALIAS, None, refresh)
}

fn named_keyring(
    kms: &Kms,
    name: &str,
    algorithm: Option<Algorithm>,
    refresh: Duration,
) -> Arc<Keyring> {
    let client = client(&format!("http://{}", kms.address()));
    Arc::new(Keyring::new(client, name.parse().unwrap(), algorithm, refresh))
}

fn signer(keyring: &Arc<Keyring>) -> KmsSigner<'_> {
    KmsSigner { keyring, stopwatch: &STOPWATCH, max_token_bytes: None }
}

fn verifier(keyring: &Arc<Keyring>) -> KmsVerifier<'_> {
    KmsVerifier { keyring, verification: Verification::Kms, stopwatch: &STOPWATCH }
}

fn local_verifier(keyring: &Arc<Keyring>) -> KmsVerifier<'_> {
    KmsVerifier { verification: Verification::Local, ..verifier(keyring) }
}

static STOPWATCH: LazyLock<Stopwatch> = LazyLock::new(Stopwatch::default);

const HOUR: Duration = Duration::from_hours(1);

/// Advances the clock of `tokio`.
async fn advance(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

async fn sign(keyring: &Arc<Keyring>, claims: Value) -> Token {
    let Value::Object(mut claims) = claims else { panic!("an object") };
    claims.insert("iss".into(), "us".into());
    claims.insert("exp".into(), 2000.into());
    let unsigned = UnsignedToken::new("JWT", &claims);
    signer(keyring).sign(&unsigned).await.unwrap().token
}

/// Verifies a token with KMS.
async fn verify_token(keyring: &Arc<Keyring>, token: &str) -> Result<(), Rejection> {
    let validation = Validation {
        issuer: Some("us".into()),
        audiences: Some(vec![]),
        token_type: "JWT".into(),
        leeway: Duration::ZERO,
    };
    let now = jwt::UnixTime::from_seconds(1000);
    let candidate = UnverifiedToken::parse(token)?.screen(&validation, now)?;
    candidate.confirm(&verifier(keyring)).await.unwrap().map(|_| ())
}

/// Every `KeySpec` for tokens, with algorithms to test.
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

/// An unsigned token whose signing input for this key has exactly this many bytes.
fn unsigned_token(bytes: usize, algorithm: Algorithm, key_id: &str) -> UnsignedToken {
    let with = |padding: usize, kind: &str| {
        let claims = json!({"iss": "us", "exp": 2000, "a": "x".repeat(padding)});
        UnsignedToken::new(kind, claims.as_object().unwrap())
    };
    let length = |token: &UnsignedToken| token.signing_input(algorithm, key_id).as_bytes().len();
    // Base64url cannot have some lengths; another length of `typ` makes up for it.
    let kinds = ["JWT", "JWTx", "JWTxx", "JWTxxx"];
    let mut candidates = kinds.iter().flat_map(|kind| {
        let short = bytes.saturating_sub(length(&with(0, kind))) * 3 / 4;
        (short.saturating_sub(4)..short + 4).map(move |padding| with(padding, kind))
    });
    candidates.find(|token| length(token) == bytes).unwrap()
}

#[tokio::test]
async fn every_algorithm_signs_and_verifies_with_kms_and_locally() {
    let kms = kms().await;
    for (spec, algorithms) in SPECS {
        let name = create_key(&kms, spec);
        for algorithm in algorithms.iter().copied() {
            let keyring = named_keyring(&kms, &name, Some(algorithm), HOUR);
            let ring = keyring.ring().await.unwrap();
            let key = &ring.current;
            let verifying_key = VerifyingKey::new(&key.public, algorithm).unwrap();
            for bytes in [4095, 4096, 4097, 8000] {
                let case = format!("{spec} {algorithm} {bytes}");
                let unsigned = unsigned_token(bytes, algorithm, &key.id);
                let signed = match signer(&keyring).sign(&unsigned).await {
                    Ok(signed) => signed,
                    Err(fault) => {
                        let is_refused = algorithm == Algorithm::Ed25519 && bytes > 4096;
                        assert!(is_refused && fault.cause == Cause::TooLong, "{case}: {fault}");
                        continue;
                    }
                };
                let (input, signature) = signed.token.reveal().rsplit_once('.').unwrap();
                assert_eq!(input.len(), bytes, "{case}");
                let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
                assert!(verifying_key.verify(input.as_bytes(), &signature), "{case}");
                let parts = |signature: Vec<u8>| SignedParts {
                    algorithm,
                    key_id: Some(key.id.clone()),
                    signing_input: input,
                    signature,
                };
                let valid = parts(signature.clone());
                assert_eq!(verifier(&keyring).verify(&valid).await.unwrap(), Ok(()), "{case}");
                assert_eq!(
                    local_verifier(&keyring).verify(&valid).await.unwrap(),
                    Ok(()),
                    "{case}"
                );
                let mut changed = signature;
                let middle = changed.len() / 2;
                changed[middle] ^= 1;
                let invalid = parts(changed);
                for verifier in [verifier(&keyring), local_verifier(&keyring)] {
                    let verified = verifier.verify(&invalid).await.unwrap();
                    assert_eq!(verified, Err(Rejection::Signature), "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn too_long_token_is_refused_without_a_call_to_sign() {
    let kms = kms().await;
    let rows = [
        // An RSA-2048 signature has 342 characters of base64url.
        ("RSA_2048", 7000, 7343, Some(7343), Ok(())),
        ("RSA_2048", 7000, 7343, Some(7342), Err(7342)),
        ("RSA_2048", 7849, 8192, Some(9000), Ok(())),
        ("RSA_2048", 7850, 8193, Some(9000), Err(8192)),
        ("RSA_2048", 7850, 8193, None, Ok(())),
        // An ML-DSA-87 signature has 6170.
        ("ML_DSA_87", 2829, 9000, Some(9000), Ok(())),
        ("ML_DSA_87", 2830, 9001, Some(9000), Err(9000)),
    ];
    for (spec, input_bytes, bytes, max_token_bytes, expected) in rows {
        let keyring = named_keyring(&kms, &create_key(&kms, spec), None, HOUR);
        let key = Arc::clone(&keyring.ring().await.unwrap().current);
        let unsigned = unsigned_token(input_bytes, key.algorithm, &key.id);
        let calls = kms.calls();
        let signer = KmsSigner { max_token_bytes, ..signer(&keyring) };
        let signed = signer.sign(&unsigned).await;
        let length = signed.as_ref().map(|signed| signed.token.reveal().len());
        let expected_length =
            expected.map(|()| bytes).map_err(|max| Cause::TokenTooLong { bytes, max });
        assert_eq!(
            length.map_err(|fault| fault.cause),
            expected_length,
            "{spec} {bytes} {max_token_bytes:?}"
        );
        assert_eq!(kms.calls() - calls, u64::from(expected.is_ok()), "{spec} {bytes}");
    }
}

#[tokio::test]
async fn configured_algorithm_that_the_key_does_not_have_is_a_fault() {
    let kms = kms().await;
    let rows = [
        ("RSA_2048", Algorithm::Es256),
        ("ECC_NIST_P256", Algorithm::Rs256),
        ("ECC_NIST_P256", Algorithm::Es256k),
        ("ML_DSA_44", Algorithm::MlDsa65),
    ];
    for (spec, algorithm) in rows {
        let name = create_key(&kms, spec);
        let keyring = named_keyring(&kms, &name, Some(algorithm), HOUR);
        let fault = keyring.ring().await.unwrap_err();
        assert_eq!(fault.cause, Cause::UnsupportedKey, "{spec} {algorithm}");
        let message = ErrorChain(&fault).to_string();
        assert!(message.contains(spec) && message.contains(algorithm.name()), "{message}");
    }
}

#[tokio::test]
async fn signed_token_is_valid_and_changed_token_is_rejected() {
    let kms = kms().await;
    let keyring = new_keyring(&kms, HOUR);
    let (token, other) =
        (sign(&keyring, json!({"a": 1})).await, sign(&keyring, json!({"a": 2})).await);
    assert_eq!(verify_token(&keyring, token.reveal()).await, Ok(()));
    let (input, _) = token.reveal().rsplit_once('.').unwrap();
    let (_, signature) = other.reveal().rsplit_once('.').unwrap();
    let mixed = format!("{input}.{signature}");
    let mut calls_per_token = Vec::new();
    for (seconds, token) in [(0, &mixed), (0, &mixed), (59, &mixed), (1, &mixed)] {
        advance(seconds).await;
        let calls = kms.calls();
        assert_eq!(verify_token(&keyring, token).await, Err(Rejection::Signature));
        calls_per_token.push(kms.calls() - calls);
    }
    assert_eq!(calls_per_token, [1, 0, 0, 1], "one call a minute, otherwise local verification");
    assert_eq!(
        verify_token(&keyring, token.reveal()).await,
        Ok(()),
        "KMS verifies what the public key accepts"
    );
}

#[tokio::test]
async fn signature_that_no_key_of_the_ring_can_have_made_costs_no_call() {
    let kms = kms().await;
    let keyring = new_keyring(&kms, HOUR);
    let key = keyring.ring().await.unwrap().current.id.clone();
    let calls = kms.calls();
    let rows = [
        ("a short signature", Some(key), 255, Rejection::Signature),
        ("a short signature without key id", None, 255, Rejection::Signature),
        ("an alias as key id", Some(ALIAS.into()), 256, Rejection::UnknownKey),
        ("an unknown key id", Some("k".into()), 256, Rejection::UnknownKey),
    ];
    for (name, key_id, bytes, expected) in rows {
        let signature = vec![0; bytes];
        let parts =
            SignedParts { algorithm: Algorithm::Rs256, key_id, signing_input: "a.b", signature };
        for verifier in [verifier(&keyring), local_verifier(&keyring)] {
            assert_eq!(verifier.verify(&parts).await.unwrap(), Err(expected), "{name}");
        }
    }
    assert_eq!(kms.calls() - calls, 0, "the ring was just loaded");
}

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
    advance(359).await;
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

/// The key's signature over `a.b`.
fn signature(kms: &Kms) -> Vec<u8> {
    let input = json!({
        "KeyId": ALIAS, "Message": STANDARD.encode("a.b"),
        "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256",
    });
    let output = kms.perform("Sign", &input).unwrap();
    STANDARD.decode(output["Signature"].as_str().unwrap()).unwrap()
}

/// A keyring of a server with the public key of a new key and one response to every other request, in which `ARN`
/// stands for the key ARN. Returns it with a signature of the key.
async fn keyring_with_response(status: u16, body: &str) -> (Arc<Keyring>, Vec<u8>) {
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

/// Starts a server in the place of KMS.
fn serve(respond: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let respond = Arc::new(respond);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let respond = Arc::clone(&respond);
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
                // Reads up to a closing brace: no request here has one before its end.
                while !request.ends_with(b"}") {
                    match stream.read(&mut buffer).unwrap() {
                        0 => break,
                        read => request.extend_from_slice(&buffer[..read]),
                    }
                }
                let (status, body) = respond(&String::from_utf8_lossy(&request));
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}");
                // The client may have closed the connection.
                let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
            });
        }
    });
    endpoint
}

type VerifyResult = Result<Result<(), Rejection>, Cause>;

#[tokio::test]
async fn verify_response_is_valid_invalid_or_a_fault() {
    let invalid = Err(Rejection::Signature);
    let rows: &[(&str, u16, &str, VerifyResult)] = &[
        ("valid", 200, VALID, Ok(Ok(()))),
        (
            "SignatureValid is false",
            200,
            &VALID.replace("true", "false"),
            Ok(Err(Rejection::Signature)),
        ),
        ("no SignatureValid", 200, &VALID.replace(r#""SignatureValid":true,"#, ""), Ok(invalid)),
        ("empty body", 200, "", Err(Cause::InvalidResponse)),
        ("no content", 204, "", Err(Cause::InvalidResponse)),
        ("no members", 200, "{}", Err(Cause::InvalidResponse)),
        ("only SignatureValid", 200, r#"{"SignatureValid":true}"#, Err(Cause::InvalidResponse)),
        (
            "only SignatureValid, false",
            200,
            r#"{"SignatureValid":false}"#,
            Err(Cause::InvalidResponse),
        ),
        ("ARN of another key", 200, &VALID.replace("ARN", OTHER), Err(Cause::InvalidResponse)),
        ("alias as KeyId", 200, &VALID.replace("ARN", ALIAS), Err(Cause::InvalidResponse)),
        ("a longer ARN", 200, &VALID.replace("ARN", "ARN1"), Err(Cause::InvalidResponse)),
        ("another algorithm", 200, &VALID.replace("256", "512"), Err(Cause::InvalidResponse)),
        (
            "false for another key",
            200,
            &VALID.replace("ARN", OTHER).replace("true", "false"),
            Err(Cause::InvalidResponse),
        ),
        (
            "invalid signature error",
            400,
            r#"{"__type":"KMSInvalidSignatureException"}"#,
            Ok(invalid),
        ),
        ("throttled", 400, r#"{"__type":"ThrottlingException"}"#, Err(Cause::Throttled)),
        ("denied", 400, r#"{"__type":"AccessDeniedException"}"#, Err(Cause::AccessDenied)),
        (
            "expired credentials",
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
        ("validation error", 400, r#"{"__type":"ValidationException"}"#, Err(Cause::Refused)),
        ("HTML error of a proxy", 503, "<html>", Err(Cause::Unreachable)),
        ("HTML page of a proxy", 200, "<html>", Err(Cause::Unreachable)),
    ];
    for (name, status, body, expected) in rows {
        let (keyring, signature) = keyring_with_response(*status, body).await;
        let parts = SignedParts {
            algorithm: Algorithm::Rs256,
            key_id: None,
            signing_input: "a.b",
            signature,
        };
        let verified = verifier(&keyring).verify(&parts).await.map_err(|fault| fault.cause);
        assert_eq!(verified, *expected, "{name}");
    }
}

/// The response of KMS to a valid signature of the key `ARN`.
const VALID: &str =
    r#"{"KeyId":"ARN","SignatureValid":true,"SigningAlgorithm":"RSASSA_PKCS1_V1_5_SHA_256"}"#;
/// The ARN of another key.
const OTHER: &str = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555";

#[tokio::test]
async fn sign_response_that_does_not_answer_the_request_is_a_fault() {
    let signature = STANDARD.encode([1; 256]);
    let good =
        VALID.replace("true", &format!("\"{signature}\"")).replace("SignatureValid", "Signature");
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
        let (keyring, _) = keyring_with_response(200, &body).await;
        let signed = signer(&keyring).sign(&UnsignedToken::new("JWT", &Map::new())).await;
        assert_eq!(signed.err().map(|fault| fault.cause), expected, "{name}");
    }
}

/// A proxy between a function and KMS may send any response.
#[tokio::test]
async fn invalid_key_response_is_transient() {
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
    let mut without_both = without_spec(key.clone());
    without_both["CustomerMasterKeySpec"] = Value::Null;
    let id = key["KeyId"].as_str().unwrap().rsplit('/').next().unwrap();
    let rows = [
        ("only the id, as some emulators send it", with("KeyId", id.into()), None),
        ("only CustomerMasterKeySpec", without_spec(key.clone()).to_string(), None),
        ("no KeyUsage", with("KeyUsage", Value::Null), None),
        ("empty", String::new(), Some(Cause::InvalidResponse)),
        ("no members", "{}".into(), Some(Cause::InvalidResponse)),
        ("no KeyId", with("KeyId", Value::Null), Some(Cause::InvalidResponse)),
        ("alias as KeyId", with("KeyId", alias.into()), Some(Cause::InvalidResponse)),
        ("no KeySpec", without_both.to_string(), Some(Cause::InvalidResponse)),
        ("no PublicKey", with("PublicKey", Value::Null), Some(Cause::InvalidResponse)),
        ("truncated public key", with("PublicKey", "MIIB".into()), Some(Cause::InvalidResponse)),
        (
            "public key of another KeySpec",
            with("PublicKey", ec["PublicKey"].clone()),
            Some(Cause::InvalidResponse),
        ),
        (
            "no SigningAlgorithms",
            with("SigningAlgorithms", Value::Null),
            Some(Cause::InvalidResponse),
        ),
        (
            "key for encryption",
            with("KeyUsage", "ENCRYPT_DECRYPT".into()),
            Some(Cause::UnsupportedKey),
        ),
        (
            "key for key agreement",
            with("KeyUsage", "KEY_AGREEMENT".into()),
            Some(Cause::UnsupportedKey),
        ),
        (
            "KeySpec that does not sign tokens",
            with("KeySpec", "SM2".into()),
            Some(Cause::UnsupportedKey),
        ),
    ];
    for (name, body, expected) in rows {
        let (good, is_good) = (key.to_string(), Arc::new(AtomicBool::new(false)));
        let is_good_now = Arc::clone(&is_good);
        let endpoint = serve(move |request| {
            if request.contains("-next") || request.contains("-previous") {
                (400, r#"{"__type":"NotFoundException"}"#.into())
            } else if is_good_now.load(Ordering::Relaxed) {
                (200, good.clone())
            } else {
                (200, body.clone())
            }
        });
        let first_load = keyring_at(&endpoint, ALIAS).ring().await;
        assert_eq!(first_load.err().map(|fault| fault.cause), expected, "{name}");

        is_good.store(true, Ordering::Relaxed);
        let keyring = keyring_at(&endpoint, ALIAS);
        let ring = keyring.ring().await.unwrap();
        is_good.store(false, Ordering::Relaxed);
        advance(3601).await;
        let is_kept = keyring.ring().await.is_ok_and(|kept| kept.current.id == ring.current.id);
        assert_eq!(is_kept, expected != Some(Cause::UnsupportedKey), "{name}");
    }

    // The response to a request by key id must name that key.
    let body = with("KeyId", OTHER.into());
    let endpoint = serve(move |_| (200, body.clone()));
    let fault = keyring_at(&endpoint, id).ring().await.unwrap_err();
    assert_eq!(fault.cause, Cause::InvalidResponse);
    let other = OTHER.rsplit('/').next().unwrap();
    assert!(keyring_at(&endpoint, other).ring().await.is_ok());
}

/// Some emulators return the key id instead of the ARN in `GetPublicKey`.
#[tokio::test]
async fn arn_in_a_response_must_have_the_requested_key_id() {
    let arn = "arn:aws:kms:us-east-1:000000000000:key/";
    for (suffix, expected) in [("ID", Ok(Ok(()))), ("ID1", Err(Cause::InvalidResponse))] {
        let kms = kms().await;
        let signature = signature(&kms);
        let mut key = kms.perform("GetPublicKey", &json!({"KeyId": ALIAS})).unwrap();
        let id = key["KeyId"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let response = VALID.replace("ARN", &format!("{arn}{}", suffix.replace("ID", &id)));
        key["KeyId"] = id.into();
        let endpoint = serve(move |request| {
            (200, if request.contains("GetPublicKey") { key.to_string() } else { response.clone() })
        });
        let keyring = keyring_at(&endpoint, ALIAS);
        let parts = SignedParts {
            algorithm: Algorithm::Rs256,
            key_id: None,
            signing_input: "a.b",
            signature,
        };
        let verified = verifier(&keyring).verify(&parts).await.map_err(|fault| fault.cause);
        assert_eq!(verified, expected, "{suffix}");
    }
}

#[tokio::test]
async fn fault_of_a_load_has_a_cause() {
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
    assert_eq!(load(&endpoint, "alias/unknown").await, Err(Cause::NotFound));
    assert_eq!(load(&endpoint, symmetric.as_str().unwrap()).await, Err(Cause::UnsupportedKey));
    let for_encryption = json!({"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"});
    let for_encryption =
        kms.perform("CreateKey", &for_encryption).unwrap()["KeyMetadata"]["KeyId"].clone();
    assert_eq!(load(&endpoint, for_encryption.as_str().unwrap()).await, Err(Cause::UnsupportedKey));
    assert_eq!(load("http://127.0.0.1:1", name).await, Err(Cause::Unreachable));
}

#[tokio::test]
async fn disabled_key_is_a_fault_and_not_a_rejection() {
    let kms = kms().await;
    let keyring = new_keyring(&kms, HOUR);
    let key = keyring.ring().await.unwrap().current.clone();
    let signature = signature(&kms);
    kms.perform("DisableKey", &json!({"KeyId": key.id})).unwrap();
    let unsigned = UnsignedToken::new("JWT", &Map::new());
    assert_eq!(signer(&keyring).sign(&unsigned).await.unwrap_err().cause, Cause::KeyState);
    let parts =
        SignedParts { algorithm: Algorithm::Rs256, key_id: None, signing_input: "a.b", signature };
    assert_eq!(verifier(&keyring).verify(&parts).await.unwrap_err().cause, Cause::KeyState);
    // Local verification notices it at the next refresh.
    assert_eq!(local_verifier(&keyring).verify(&parts).await.unwrap(), Ok(()));
}
