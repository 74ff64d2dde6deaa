//! Sign, Verify and `GetPublicKey`: what a key's material is for.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{
    api::{Input, blob},
    error::KmsError,
    lock,
    material::{Material, Message},
    spec::SigningAlgorithm,
    store::{Key, State, Store, Usage},
};

pub(super) fn sign(store: &Mutex<Store>, input: &Input) -> Result<Value, KmsError> {
    let request = Request::read(store, input)?;
    let message = request.message()?;
    input.dry_run()?;
    let signature = request.material.sign(request.algorithm, &message)?;
    Ok(json!({
        "KeyId": request.arn,
        "Signature": blob(&signature),
        "SigningAlgorithm": request.algorithm.name(),
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
        "SigningAlgorithm": request.algorithm.name(),
    }))
}

pub(super) fn public_key(store: &Mutex<Store>, input: &Input) -> Result<Value, KmsError> {
    let (key, arn) = usable(store, input)?;
    let algorithms: Vec<_> = match key.usage {
        Usage::SignVerify => {
            key.spec.signing_algorithms().iter().map(|algorithm| algorithm.name()).collect()
        }
        Usage::EncryptDecrypt => Vec::new(),
    };
    if matches!(*key.material, Material::Symmetric) {
        return Err(KmsError::new(
            "UnsupportedOperationException",
            format!("GetPublicKey is not supported for {arn}."),
        ));
    }
    Ok(json!({
        "KeyId": arn,
        "PublicKey": blob(&key.material.public_key()?),
        "CustomerMasterKeySpec": key.spec.name(),
        "KeySpec": key.spec.name(),
        "KeyUsage": key.usage.name(),
        "SigningAlgorithms": algorithms,
    }))
}

/// What Sign and Verify have in common, with every check that KMS makes of it.
struct Request {
    arn: String,
    material: Arc<Material>,
    algorithm: SigningAlgorithm,
    bytes: Vec<u8>,
    kind: String,
}

impl Request {
    fn read(store: &Mutex<Store>, input: &Input) -> Result<Self, KmsError> {
        let bytes = input.bytes("Message", 1..=MESSAGE_MAX_BYTES)?;
        let kind = input.text("MessageType")?.unwrap_or("RAW").to_owned();
        let algorithm = SigningAlgorithm::from_name(input.required("SigningAlgorithm")?)
            .ok_or_else(|| KmsError::constraint("signingAlgorithm", "satisfy enum value set"))?;
        let (key, arn) = usable(store, input)?;
        if key.usage != Usage::SignVerify {
            let usage = key.usage.name();
            let message =
                format!("{arn} key usage is {usage} which is not valid for this operation.");
            return Err(KmsError::new("InvalidKeyUsageException", message));
        }
        if !key.spec.signing_algorithms().contains(&algorithm) {
            let (algorithm, spec) = (algorithm.name(), key.spec.name());
            let message = format!("Algorithm {algorithm} is incompatible with key spec {spec}.");
            return Err(KmsError::new("InvalidKeyUsageException", message));
        }
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
    match key.state {
        State::Enabled => Ok((key, arn)),
        State::Disabled => Err(KmsError::new("DisabledException", format!("{arn} is disabled."))),
        State::PendingDeletion { .. } => {
            Err(KmsError::new("KMSInvalidStateException", format!("{arn} is pending deletion.")))
        }
    }
}

/// The bounds of the service model.
const MESSAGE_MAX_BYTES: usize = 4096;
const SIGNATURE_MAX_BYTES: usize = 6144;
