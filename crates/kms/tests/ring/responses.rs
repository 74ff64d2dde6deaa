//! Responses of KMS, of emulators and of proxies.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_kms::{Cause, Keyring};
use jwt::{Algorithm, Rejection, SignedParts, Signer, UnsignedToken, Verifier};
use serde_json::{Map, Value, json};

use crate::support::{
    ALIAS, HOUR, advance, client, create_key, keyring_at, kms, serve, signature, signer, verifier,
};

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
    let valid =
        VALID.replace("true", &format!("\"{signature}\"")).replace("SignatureValid", "Signature");
    let rows = [
        ("valid", valid.clone(), None),
        ("empty", String::new(), Some(Cause::InvalidResponse)),
        ("no members", "{}".into(), Some(Cause::InvalidResponse)),
        (
            "a bare signature",
            json!({"Signature": signature}).to_string(),
            Some(Cause::InvalidResponse),
        ),
        ("another key", valid.replace("ARN", OTHER), Some(Cause::InvalidResponse)),
        ("another algorithm", valid.replace("256", "384"), Some(Cause::InvalidResponse)),
        ("a short signature", valid.replace(&signature, "AAAA"), Some(Cause::InvalidResponse)),
        ("no signature", valid.replace("\"Signature\"", "\"Other\""), Some(Cause::InvalidResponse)),
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
        let (valid, is_valid) = (key.to_string(), Arc::new(AtomicBool::new(false)));
        let is_valid_now = Arc::clone(&is_valid);
        let endpoint = serve(move |request| {
            if request.contains("-next") || request.contains("-previous") {
                (400, r#"{"__type":"NotFoundException"}"#.into())
            } else if is_valid_now.load(Ordering::Relaxed) {
                (200, valid.clone())
            } else {
                (200, body.clone())
            }
        });
        let first_load = keyring_at(&endpoint, ALIAS).ring().await;
        assert_eq!(first_load.err().map(|fault| fault.cause), expected, "{name}");

        is_valid.store(true, Ordering::Relaxed);
        let keyring = keyring_at(&endpoint, ALIAS);
        let ring = keyring.ring().await.unwrap();
        is_valid.store(false, Ordering::Relaxed);
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
async fn failed_load_has_its_cause() {
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
