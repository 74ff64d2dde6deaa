//! Signing and verification.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_kms::{Cause, ErrorChain, KmsSigner};
use jwt::{Algorithm, Rejection, SignedParts, Signer, UnsignedToken, Verifier, VerifyingKey};
use serde_json::{Map, json};

use crate::support::{
    ALIAS, HOUR, advance, create_key, kms, local_verifier, named_keyring, new_keyring, sign,
    signature, signer, verifier, verify_token,
};

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
