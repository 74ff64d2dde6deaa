//! Cryptographic operations: Sign, Verify and `GetPublicKey`.

use std::sync::{Arc, Mutex};

use jwt::Algorithm;
use serde_json::{Value, json};

use super::{
    named_key::require_enabled,
    operation::{KmsOperation, Perform, Resource},
};
use crate::{
    iam::ConditionContext,
    kms::{
        crypto::{KeyMaterial, TypedMessage},
        error::KmsError,
        input::Input,
        output::{blob, with_present},
        store::{KeyUsage, Store, StoredKey, lock},
    },
    recording::recorder,
};

/// The operations of this file.
pub(super) const ALL: &[&KmsOperation] = &[&SIGN, &VERIFY, &GET_PUBLIC_KEY];

const SIGN: KmsOperation = KmsOperation {
    name: "Sign",
    perform: Perform::Unlocked(sign),
    resource: Resource::KeyOrAlias,
    condition_keys: Some(condition_keys),
};

const VERIFY: KmsOperation = KmsOperation {
    name: "Verify",
    perform: Perform::Unlocked(verify),
    resource: Resource::KeyOrAlias,
    condition_keys: Some(condition_keys),
};

const GET_PUBLIC_KEY: KmsOperation = KmsOperation {
    name: "GetPublicKey",
    perform: Perform::Unlocked(public_key),
    resource: Resource::KeyOrAlias,
    condition_keys: None,
};

fn condition_keys(context: &mut ConditionContext, input: &Input) -> Result<(), KmsError> {
    context.set("kms:SigningAlgorithm", input.text("SigningAlgorithm")?);
    context.set("kms:MessageType", [message_type(input)?]);
    Ok(())
}

fn sign(store: &Mutex<Store>, input: &Input) -> Result<Value, KmsError> {
    let request = SigningRequest::read(store, input)?;
    let message = request.message()?;
    input.end_dry_run()?;
    let signature = request.material.sign(request.algorithm, &message)?;
    recorder().record_signature(&signature);
    Ok(json!({
        "KeyId": request.arn,
        "Signature": blob(&signature),
        "SigningAlgorithm": request.algorithm.kms_name(),
    }))
}

/// Verifies a signature. Like KMS, it reports an invalid signature as an error, never as `SignatureValid: false`.
fn verify(store: &Mutex<Store>, input: &Input) -> Result<Value, KmsError> {
    let signature = input.bytes("Signature", 1..=SIGNATURE_MAX_BYTES)?;
    let request = SigningRequest::read(store, input)?;
    let message = request.message()?;
    input.end_dry_run()?;
    if !request.material.verify(request.algorithm, &message, &signature) {
        return Err(KmsError::new("KMSInvalidSignatureException", ""));
    }
    Ok(json!({
        "KeyId": request.arn,
        "SignatureValid": true,
        "SigningAlgorithm": request.algorithm.kms_name(),
    }))
}

fn public_key(store: &Mutex<Store>, input: &Input) -> Result<Value, KmsError> {
    let (key, arn) = find_enabled(store, input)?;
    if matches!(*key.material, KeyMaterial::Symmetric) {
        return Err(KmsError::new(
            "UnsupportedOperationException",
            format!("GetPublicKey is not supported for {arn}."),
        ));
    }
    let algorithms = match key.usage {
        KeyUsage::SignVerify => {
            let names = key.spec.signing_algorithms().iter().map(|algorithm| algorithm.kms_name());
            ("SigningAlgorithms", names.collect())
        }
        KeyUsage::EncryptDecrypt => {
            ("EncryptionAlgorithms", json!(key.spec.encryption_algorithms()))
        }
    };
    let response = json!({
        "KeyId": arn,
        "PublicKey": blob(&key.material.public_key()?),
        "CustomerMasterKeySpec": key.spec.name(),
        "KeySpec": key.spec.name(),
        "KeyUsage": key.usage.name(),
    });
    Ok(with_present(response, [algorithms]))
}

/// The members that Sign and Verify share, with every check that KMS makes.
struct SigningRequest {
    arn: String,
    material: Arc<KeyMaterial>,
    algorithm: Algorithm,
    bytes: Vec<u8>,
    message_type: String,
}

impl SigningRequest {
    fn read(store: &Mutex<Store>, input: &Input) -> Result<Self, KmsError> {
        let bytes = input.bytes("Message", 1..=MESSAGE_MAX_BYTES)?;
        let message_type = message_type(input)?.to_owned();
        if !["RAW", "DIGEST", "EXTERNAL_MU"].contains(&&*message_type) {
            let constraint = "satisfy enum value set: [RAW, DIGEST, EXTERNAL_MU]";
            return Err(KmsError::constraint("messageType", constraint));
        }
        let name = input.required("SigningAlgorithm")?;
        let is_named = |algorithm: &&Algorithm| algorithm.kms_name() == name;
        if Algorithm::ALL.iter().all(|it| !is_named(&it)) && !UNSUPPORTED_ALGORITHMS.contains(&name)
        {
            return Err(KmsError::constraint("signingAlgorithm", "satisfy enum value set"));
        }
        let (key, arn) = find_enabled(store, input)?;
        if key.usage != KeyUsage::SignVerify {
            let usage = key.usage.name();
            let message =
                format!("{arn} key usage is {usage} which is not valid for this operation.");
            return Err(KmsError::new("InvalidKeyUsageException", message));
        }
        let Some(&algorithm) = key.spec.signing_algorithms().iter().find(is_named) else {
            let spec = key.spec.name();
            let message = format!("Algorithm {name} is incompatible with key spec {spec}.");
            return Err(KmsError::new("InvalidKeyUsageException", message));
        };
        Ok(Self { arn, material: key.material, algorithm, bytes, message_type })
    }

    fn message(&self) -> Result<TypedMessage<'_>, KmsError> {
        TypedMessage::new(&self.message_type, &self.bytes, self.algorithm)
    }
}

fn message_type(input: &Input) -> Result<&str, KmsError> {
    Ok(input.text("MessageType")?.unwrap_or("RAW"))
}

/// The key that the request names, if it is enabled, and its ARN.
fn find_enabled(store: &Mutex<Store>, input: &Input) -> Result<(StoredKey, String), KmsError> {
    let store = lock(store);
    let key = store.find(input.required("KeyId")?)?.clone();
    let arn = store.key_arn(&key.id);
    require_enabled(&key, &arn)?;
    Ok((key, arn))
}

/// Algorithms of KMS that sign no tokens.
const UNSUPPORTED_ALGORITHMS: [&str; 2] = ["ED25519_PH_SHA_512", "SM2DSA"];
/// The limits of the service model, in bytes.
const MESSAGE_MAX_BYTES: usize = 4096;
const SIGNATURE_MAX_BYTES: usize = 6144;

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde_json::{Value, json};

    use crate::kms::{
        crypto::KeySpec,
        fixture::{service, sign_request},
    };

    #[test]
    fn invalid_sign_request_is_refused() {
        let service = service();
        let (key, encrypting) = (
            service.create("RSA_2048", "SIGN_VERIFY"),
            service.create("RSA_2048", "ENCRYPT_DECRYPT"),
        );
        let symmetric = service.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT");
        let bytes = |bytes: usize| STANDARD.encode(vec![0; bytes]);
        let of = |changes: Value| sign_request(&key, changes);
        let rows = [
            ("RAW", of(json!({})), None),
            ("4096 bytes", of(json!({"Message": bytes(4096)})), None),
            ("4097 bytes", of(json!({"Message": bytes(4097)})), Some("ValidationException")),
            ("no bytes", of(json!({"Message": ""})), Some("ValidationException")),
            ("a digest", of(json!({"Message": bytes(32), "MessageType": "DIGEST"})), None),
            (
                "a short digest",
                of(json!({"Message": bytes(31), "MessageType": "DIGEST"})),
                Some("ValidationException"),
            ),
            (
                "a digest of another hash",
                of(json!({"Message": bytes(48), "MessageType": "DIGEST"})),
                Some("ValidationException"),
            ),
            ("an unknown type", of(json!({"MessageType": "WHOLE"})), Some("ValidationException")),
            (
                "an unknown algorithm",
                of(json!({"SigningAlgorithm": "RS256"})),
                Some("ValidationException"),
            ),
            ("not base64", of(json!({"Message": "?"})), Some("SerializationException")),
            ("a number", of(json!({"Message": 1})), Some("SerializationException")),
            (
                "a dry run that is a string",
                of(json!({"DryRun": "true"})),
                Some("SerializationException"),
            ),
            ("an empty key id", of(json!({"KeyId": ""})), Some("ValidationException")),
            (
                "an unknown type and an unknown key",
                sign_request("alias/unknown", json!({"MessageType": "WHOLE"})),
                Some("ValidationException"),
            ),
            (
                "an ARN without key/",
                sign_request(&format!("arn:aws:kms:us-east-1:000000000000:{key}"), json!({})),
                Some("NotFoundException"),
            ),
            (
                "an algorithm of another key spec that signs no tokens",
                of(json!({"SigningAlgorithm": "SM2DSA"})),
                Some("InvalidKeyUsageException"),
            ),
            ("a dry run", of(json!({"DryRun": true})), Some("DryRunOperationException")),
            ("no key id", of(json!({"KeyId": null})), Some("ValidationException")),
            (
                "an unknown key",
                sign_request("00000000-0000-0000-0000-000000000000", json!({})),
                Some("NotFoundException"),
            ),
            (
                "the resource part of an ARN",
                sign_request(&format!("key/{key}"), json!({})),
                Some("NotFoundException"),
            ),
            (
                "an algorithm of another key spec",
                of(json!({"SigningAlgorithm": "ECDSA_SHA_256"})),
                Some("InvalidKeyUsageException"),
            ),
            (
                "an unknown alias",
                sign_request("alias/unknown", json!({})),
                Some("NotFoundException"),
            ),
            (
                "another account's key",
                sign_request(&format!("arn:aws:kms:us-east-1:111122223333:key/{key}"), json!({})),
                Some("NotFoundException"),
            ),
            (
                "a key for encryption",
                sign_request(&encrypting, json!({})),
                Some("InvalidKeyUsageException"),
            ),
            (
                "a symmetric key",
                sign_request(&symmetric, json!({})),
                Some("InvalidKeyUsageException"),
            ),
        ];
        for (name, input, expected) in rows {
            assert_eq!(service.call("Sign", &input).err(), expected, "{name}");
        }
    }

    #[test]
    fn every_algorithm_signs_and_verifies_every_message_type() {
        let service = service();
        for spec in KeySpec::ALL.into_iter().skip(1) {
            let key = service.create(spec.name(), "SIGN_VERIFY");
            for algorithm in spec.signing_algorithms() {
                let case = format!("{} {algorithm}", spec.name());
                let request = |message: &[u8], kind: &str| {
                    sign_request(
                        &key,
                        json!({
                            "SigningAlgorithm": algorithm.kms_name(),
                            "Message": STANDARD.encode(message),
                            "MessageType": kind,
                        }),
                    )
                };
                let verify = |mut input: Value, signed: &Value| {
                    input["Signature"] = signed["Signature"].clone();
                    service
                        .call("Verify", &input)
                        .map(|response| response["SignatureValid"] == true)
                };
                let raw = request(b"message", "RAW");
                let signed = service.call("Sign", &raw).unwrap();
                assert_eq!(verify(raw, &signed), Ok(true), "{case}");
                let other = request(b"massage", "RAW");
                assert_eq!(verify(other, &signed), Err("KMSInvalidSignatureException"), "{case}");
                for (kind, bytes) in [
                    ("DIGEST", vec![7; 32]),
                    ("DIGEST", vec![7; 48]),
                    ("DIGEST", vec![7; 64]),
                    ("EXTERNAL_MU", vec![7; 64]),
                    ("EXTERNAL_MU", vec![7; 63]),
                ] {
                    let is_accepted = match (algorithm.kms_name(), kind, bytes.len()) {
                        ("ED25519_SHA_512", ..) => false,
                        ("ML_DSA_SHAKE_256", kind, length) => kind == "EXTERNAL_MU" && length == 64,
                        (name, "DIGEST", length) => name.ends_with(&format!("SHA_{}", 8 * length)),
                        _ => false,
                    };
                    let input = request(&bytes, kind);
                    let case = format!("{case} {kind} {}", bytes.len());
                    match service.call("Sign", &input) {
                        Ok(signed) => {
                            assert!(is_accepted, "{case}");
                            assert_eq!(verify(input, &signed), Ok(true), "{case}");
                            let other = request(&vec![8; bytes.len()], kind);
                            assert_eq!(
                                verify(other, &signed),
                                Err("KMSInvalidSignatureException"),
                                "{case}"
                            );
                        }
                        Err(code) => {
                            assert_eq!(
                                (is_accepted, code),
                                (false, "ValidationException"),
                                "{case}"
                            );
                        }
                    }
                }
            }
        }
    }
}
