//! Sign, Verify and `GetPublicKey`: what a key's material is for.

use std::sync::{Arc, Mutex};

use jwt::Algorithm;
use serde_json::{Value, json};

use super::{
    error::KmsError,
    input::{Input, blob, with},
    keys::enabled,
    lock,
    material::{Material, Message},
    store::{Key, Store, Usage},
};
use crate::recording::recorder;

pub(super) fn sign(store: &Mutex<Store>, input: &Input) -> Result<Value, KmsError> {
    let request = Request::read(store, input)?;
    let message = request.message()?;
    input.dry_run()?;
    let signature = request.material.sign(request.algorithm, &message)?;
    recorder().signature(&signature);
    Ok(json!({
        "KeyId": request.arn,
        "Signature": blob(&signature),
        "SigningAlgorithm": request.algorithm.kms_name(),
    }))
}

/// Never answers that a signature is invalid: that is an error.
pub(super) fn verify(store: &Mutex<Store>, input: &Input) -> Result<Value, KmsError> {
    let signature = input.bytes("Signature", 1..=SIGNATURE_MAX_BYTES)?;
    let request = Request::read(store, input)?;
    let message = request.message()?;
    input.dry_run()?;
    if !request.material.verify(request.algorithm, &message, &signature) {
        return Err(KmsError::new("KMSInvalidSignatureException", ""));
    }
    Ok(json!({
        "KeyId": request.arn,
        "SignatureValid": true,
        "SigningAlgorithm": request.algorithm.kms_name(),
    }))
}

pub(super) fn public_key(store: &Mutex<Store>, input: &Input) -> Result<Value, KmsError> {
    let (key, arn) = usable(store, input)?;
    if matches!(*key.material, Material::Symmetric) {
        return Err(KmsError::new(
            "UnsupportedOperationException",
            format!("GetPublicKey is not supported for {arn}."),
        ));
    }
    let can = match key.usage {
        Usage::SignVerify => {
            let names = key.spec.signing_algorithms().iter().map(|algorithm| algorithm.kms_name());
            ("SigningAlgorithms", names.collect())
        }
        Usage::EncryptDecrypt => ("EncryptionAlgorithms", json!(key.spec.encryption_algorithms())),
    };
    let answer = json!({
        "KeyId": arn,
        "PublicKey": blob(&key.material.public_key()?),
        "CustomerMasterKeySpec": key.spec.name(),
        "KeySpec": key.spec.name(),
        "KeyUsage": key.usage.name(),
    });
    Ok(with(answer, [can]))
}

/// What Sign and Verify have in common, with every check that KMS makes of it.
struct Request {
    arn: String,
    material: Arc<Material>,
    algorithm: Algorithm,
    bytes: Vec<u8>,
    kind: String,
}

impl Request {
    fn read(store: &Mutex<Store>, input: &Input) -> Result<Self, KmsError> {
        let bytes = input.bytes("Message", 1..=MESSAGE_MAX_BYTES)?;
        let kind = input.text("MessageType")?.unwrap_or("RAW").to_owned();
        if !["RAW", "DIGEST", "EXTERNAL_MU"].contains(&&*kind) {
            let kinds = "satisfy enum value set: [RAW, DIGEST, EXTERNAL_MU]";
            return Err(KmsError::constraint("messageType", kinds));
        }
        let name = input.required("SigningAlgorithm")?;
        let is_named = |algorithm: &&Algorithm| algorithm.kms_name() == name;
        if Algorithm::ALL.iter().all(|it| !is_named(&it)) && !ELSEWHERE.contains(&name) {
            return Err(KmsError::constraint("signingAlgorithm", "satisfy enum value set"));
        }
        let (key, arn) = usable(store, input)?;
        if key.usage != Usage::SignVerify {
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
        Ok(Self { arn, material: key.material, algorithm, bytes, kind })
    }

    fn message(&self) -> Result<Message<'_>, KmsError> {
        Message::read(&self.kind, &self.bytes, self.algorithm)
    }
}

/// The key that the request names, if its state lets it be used.
fn usable(store: &Mutex<Store>, input: &Input) -> Result<(Key, String), KmsError> {
    let store = lock(store);
    let key = store.find(input.required("KeyId")?)?.clone();
    let arn = store.key_arn(&key.id);
    enabled(&key, &arn)?;
    Ok((key, arn))
}

/// Known to KMS, and of no use for tokens.
const ELSEWHERE: [&str; 2] = ["ED25519_PH_SHA_512", "SM2DSA"];
/// The bounds of the service model.
const MESSAGE_MAX_BYTES: usize = 4096;
const SIGNATURE_MAX_BYTES: usize = 6144;

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde_json::{Value, json};

    use super::super::{
        fixture::{signing, state},
        spec,
    };

    #[test]
    fn what_sign_refuses() {
        let state = state();
        let (key, encrypting) =
            (state.create("RSA_2048", "SIGN_VERIFY"), state.create("RSA_2048", "ENCRYPT_DECRYPT"));
        let symmetric = state.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT");
        let bytes = |bytes: usize| STANDARD.encode(vec![0; bytes]);
        let of = |changes: Value| signing(&key, changes);
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
            ("a made-up type", of(json!({"MessageType": "WHOLE"})), Some("ValidationException")),
            (
                "a made-up algorithm",
                of(json!({"SigningAlgorithm": "RS256"})),
                Some("ValidationException"),
            ),
            ("not base64", of(json!({"Message": "?"})), Some("SerializationException")),
            ("a number", of(json!({"Message": 1})), Some("SerializationException")),
            ("a dry run in words", of(json!({"DryRun": "true"})), Some("SerializationException")),
            ("no name", of(json!({"KeyId": ""})), Some("ValidationException")),
            (
                "a made-up type and no key",
                signing("alias/nobody", json!({"MessageType": "WHOLE"})),
                Some("ValidationException"),
            ),
            (
                "half of another ARN",
                signing(&format!("arn:aws:kms:us-east-1:000000000000:{key}"), json!({})),
                Some("NotFoundException"),
            ),
            (
                "an algorithm of no use here",
                of(json!({"SigningAlgorithm": "SM2DSA"})),
                Some("InvalidKeyUsageException"),
            ),
            ("a dry run", of(json!({"DryRun": true})), Some("DryRunOperationException")),
            ("no key", of(json!({"KeyId": null})), Some("ValidationException")),
            (
                "an unknown key",
                signing("00000000-0000-0000-0000-000000000000", json!({})),
                Some("NotFoundException"),
            ),
            ("half an ARN", signing(&format!("key/{key}"), json!({})), Some("NotFoundException")),
            (
                "another kind's algorithm",
                of(json!({"SigningAlgorithm": "ECDSA_SHA_256"})),
                Some("InvalidKeyUsageException"),
            ),
            ("an unknown alias", signing("alias/nobody", json!({})), Some("NotFoundException")),
            (
                "another account's key",
                signing(&format!("arn:aws:kms:us-east-1:111122223333:key/{key}"), json!({})),
                Some("NotFoundException"),
            ),
            (
                "a key for encryption",
                signing(&encrypting, json!({})),
                Some("InvalidKeyUsageException"),
            ),
            ("a symmetric key", signing(&symmetric, json!({})), Some("InvalidKeyUsageException")),
        ];
        for (name, input, expected) in rows {
            assert_eq!(state.call("Sign", &input).err(), expected, "{name}");
        }
    }

    #[test]
    fn every_algorithm_signs_and_verifies_every_form_of_a_message() {
        let state = state();
        for spec in spec::Spec::ALL.into_iter().skip(1) {
            let key = state.create(spec.name(), "SIGN_VERIFY");
            for algorithm in spec.signing_algorithms() {
                let case = format!("{} {algorithm}", spec.name());
                let with = |message: &[u8], kind: &str| {
                    signing(
                        &key,
                        json!({
                            "SigningAlgorithm": algorithm.kms_name(),
                            "Message": STANDARD.encode(message),
                            "MessageType": kind,
                        }),
                    )
                };
                let verify = |mut request: Value, signed: &Value| {
                    request["Signature"] = signed["Signature"].clone();
                    state.call("Verify", &request).map(|answer| answer["SignatureValid"] == true)
                };
                let raw = with(b"message", "RAW");
                let signed = state.call("Sign", &raw).unwrap();
                assert_eq!(verify(raw, &signed), Ok(true), "{case}");
                let other = with(b"massage", "RAW");
                assert_eq!(verify(other, &signed), Err("KMSInvalidSignatureException"), "{case}");
                for (kind, bytes) in [
                    ("DIGEST", vec![7; 32]),
                    ("DIGEST", vec![7; 48]),
                    ("DIGEST", vec![7; 64]),
                    ("EXTERNAL_MU", vec![7; 64]),
                    ("EXTERNAL_MU", vec![7; 63]),
                ] {
                    let taken = match (algorithm.kms_name(), kind, bytes.len()) {
                        ("ED25519_SHA_512", ..) => false,
                        ("ML_DSA_SHAKE_256", kind, length) => kind == "EXTERNAL_MU" && length == 64,
                        (name, "DIGEST", length) => name.ends_with(&format!("SHA_{}", 8 * length)),
                        _ => false,
                    };
                    let request = with(&bytes, kind);
                    let case = format!("{case} {kind} {}", bytes.len());
                    match state.call("Sign", &request) {
                        Ok(signed) => {
                            assert!(taken, "{case}");
                            assert_eq!(verify(request, &signed), Ok(true), "{case}");
                            let other = with(&vec![8; bytes.len()], kind);
                            assert_eq!(
                                verify(other, &signed),
                                Err("KMSInvalidSignatureException"),
                                "{case}"
                            );
                        }
                        Err(code) => {
                            assert_eq!((taken, code), (false, "ValidationException"), "{case}");
                        }
                    }
                }
            }
        }
    }
}
