//! A signing key: its public key and the algorithm that the ring uses it with.

use aws_sdk_kms::{
    operation::get_public_key::GetPublicKeyOutput,
    types::{KeySpec, KeyUsageType, SigningAlgorithmSpec},
};
use jwt::{Algorithm, Jwk, PublicKey, Rejection, SignedParts, VerifyingKey};

use crate::{
    Fault, KeyName,
    message::{self, Message},
    response::{self, InvalidResponse},
};

/// A KMS key of a ring, with its public key.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key id, which is the `kid` of its tokens.
    pub id: String,
    /// The key ARN, as sent to KMS in Sign and Verify.
    pub arn: String,
    /// The public key.
    pub public: PublicKey,
    /// The algorithm of its signatures. The key and the configuration decide it, never a token.
    pub algorithm: Algorithm,
    verifying: VerifyingKey,
}

impl Key {
    /// Checks the response to `GetPublicKey` for `name`. Without `algorithm`, the key has the default algorithm
    /// of its `KeySpec`.
    pub(crate) fn from_response(
        name: &KeyName,
        output: GetPublicKeyOutput,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, Fault> {
        let invalid = |problem| Fault::invalid_response("GetPublicKey", problem);
        let unsupported = |problem| Fault::unsupported_key("GetPublicKey", problem);
        let key_spec = key_spec(&output);
        let arn = output.key_id.unwrap_or_default();
        let requested = response::key_id(name.as_str());
        let is_requested = |id: &&str| requested.is_none_or(|requested| requested == *id);
        let id = response::key_id(&arn).filter(is_requested);
        let id = id.ok_or_else(|| invalid(InvalidResponse::Key))?.to_owned();
        let key_spec = key_spec.ok_or_else(|| invalid(InvalidResponse::Spec))?;
        let spec = key_spec.as_str().to_owned();
        if let Some(usage) = output.key_usage
            && usage != KeyUsageType::SignVerify
        {
            return Err(unsupported(UnsupportedKey::Usage { usage: usage.as_str().to_owned() }));
        }
        let of_spec = message::algorithms(&key_spec);
        let Some(default) = of_spec.first() else {
            return Err(unsupported(UnsupportedKey::Spec { spec }));
        };
        let public = output.public_key.and_then(|der| PublicKey::from_spki(der.as_ref()).ok());
        let public = public.filter(|public| public.algorithms() == of_spec);
        let public = public.ok_or_else(|| invalid(InvalidResponse::PublicKey))?;
        let of_key = output.signing_algorithms.unwrap_or_default();
        if of_key.is_empty() {
            return Err(invalid(InvalidResponse::Algorithms));
        }
        let algorithm = algorithm.unwrap_or(*default);
        if !of_spec.contains(&algorithm) || !of_key.contains(&message::signing_algorithm(algorithm))
        {
            return Err(unsupported(UnsupportedKey::Algorithm { spec, algorithm }));
        }
        let verifying = VerifyingKey::new(&public, algorithm);
        let verifying = verifying.map_err(|_| unsupported(UnsupportedKey::Spec { spec }))?;
        Ok(Self { id, arn, public, algorithm, verifying })
    }

    /// The key as it is published.
    #[must_use]
    pub fn jwk(&self) -> Jwk {
        Jwk {
            key_id: Some(self.id.clone()),
            algorithm: Some(self.algorithm),
            ..Jwk::new(self.public.clone())
        }
    }

    /// Verifies a signature with the public key, without calling KMS.
    pub(crate) fn verify_locally(&self, parts: &SignedParts<'_>) -> Result<(), Rejection> {
        self.expect_algorithm(parts)?;
        let is_valid = self.verifying.verify(parts.signing_input.as_bytes(), &parts.signature);
        if is_valid { Ok(()) } else { Err(Rejection::Signature) }
    }

    /// The message and the signature in the form of KMS Verify.
    ///
    /// # Errors
    /// If this key cannot have made the signature, so that no call is needed: the algorithm differs, the
    /// signature does not have the key's form, or KMS cannot sign a message of this length.
    pub(crate) fn to_verify_request(
        &self,
        parts: &SignedParts<'_>,
    ) -> Result<(Message, Vec<u8>), Rejection> {
        self.expect_algorithm(parts)?;
        let input = parts.signing_input.as_bytes();
        let message = Message::new(input, self.algorithm, Some(&self.public));
        let signature = message::to_kms(&self.public, &parts.signature);
        message.zip(signature).ok_or(Rejection::Signature)
    }

    /// Checks the `KeyId` and `SigningAlgorithm` of a 2xx response of Sign or Verify (AWS KMS API Reference,
    /// "Response Elements").
    pub(crate) fn expect_response(
        &self,
        key_id: Option<&str>,
        algorithm: Option<&SigningAlgorithmSpec>,
    ) -> Result<(), InvalidResponse> {
        // Some emulators return only the key id in GetPublicKey. Then the ARN must have this id.
        let is_this_key = |key_id: &str| {
            key_id == self.arn || self.arn == self.id && response::key_id(key_id) == Some(&self.id)
        };
        if !key_id.is_some_and(is_this_key) {
            return Err(InvalidResponse::Key);
        }
        if algorithm != Some(&message::signing_algorithm(self.algorithm)) {
            return Err(InvalidResponse::Algorithm);
        }
        Ok(())
    }

    fn expect_algorithm(&self, parts: &SignedParts<'_>) -> Result<(), Rejection> {
        if parts.algorithm == self.algorithm {
            return Ok(());
        }
        Err(Rejection::WrongAlgorithm { key: self.algorithm, token: parts.algorithm })
    }
}

/// Why a key cannot sign tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnsupportedKey {
    #[error("a key of KeyUsage {usage} does not sign tokens")]
    Usage { usage: String },
    #[error("a key of KeySpec {spec} does not sign tokens")]
    Spec { spec: String },
    #[error("a key of KeySpec {spec} does not sign with {algorithm} (SIGNING_ALGORITHM)")]
    Algorithm { spec: String, algorithm: Algorithm },
}

/// The `KeySpec`, or its deprecated name `CustomerMasterKeySpec`, which some emulators send alone.
fn key_spec(output: &GetPublicKeyOutput) -> Option<KeySpec> {
    #[expect(deprecated, reason = "the older name of the same member")]
    let older = output.customer_master_key_spec();
    let older = || older.map(|spec| KeySpec::from(spec.as_str()));
    output.key_spec.clone().or_else(older)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use jwt::Curve;

    use super::*;

    /// A key whose private key is unknown: an EC public key is the base point of its curve.
    pub(crate) fn key(id: &str, algorithm: Algorithm) -> Arc<Key> {
        let public = match algorithm {
            Algorithm::Es256 => {
                let base = P256_BASE.map(u128::to_be_bytes).concat();
                let (x, y) = base.split_at(32);
                PublicKey::Ec { curve: Curve::P256, x: x.to_vec(), y: y.to_vec() }
            }
            Algorithm::Ed25519 => PublicKey::Ed25519([&[0x58], &[0x66; 31][..]].concat()),
            _ => PublicKey::Rsa { n: vec![0x81; 256], e: vec![1, 0, 1] },
        };
        let verifying = VerifyingKey::new(&public, algorithm).unwrap();
        let arn = format!("arn:aws:kms:us-east-1:1:key/{id}");
        Arc::new(Key { id: id.into(), arn, public, algorithm, verifying })
    }

    /// SEC 2 section 2.4.2: the upper and lower halves of both coordinates.
    const P256_BASE: [u128; 4] = [
        0x6b17_d1f2_e12c_4247_f8bc_e6e5_63a4_40f2,
        0x7703_7d81_2deb_33a0_f4a1_3945_d898_c296,
        0x4fe3_42e2_fe1a_7f9b_8ee7_eb4a_7c0f_9e16,
        0x2bce_3357_6b31_5ece_cbb6_4068_37bf_51f5,
    ];

    #[test]
    fn signature_that_the_key_cannot_have_made_is_not_sent_to_kms() {
        use Algorithm::{Ed25519, Es256, Ps256, Rs256};
        let wrong = |key, token| Err(Rejection::WrongAlgorithm { key, token });
        let no = Err(Rejection::Signature);
        let mut zero_r = vec![0; 64];
        zero_r[63] = 1;
        let rows = [
            ("RSA signature of the key's size", Rs256, Rs256, 10, vec![1; 256], Ok(())),
            ("RSA signature too short", Rs256, Rs256, 10, vec![1; 255], no),
            ("RSA signature too long", Rs256, Rs256, 10, vec![1; 257], no),
            ("empty signature", Rs256, Rs256, 10, vec![], no),
            ("algorithm with another padding", Rs256, Ps256, 10, vec![1; 256], wrong(Rs256, Ps256)),
            ("configured padding", Ps256, Ps256, 10, vec![1; 256], Ok(())),
            ("algorithm of another key type", Rs256, Es256, 10, vec![1; 64], wrong(Rs256, Es256)),
            ("ECDSA r and s in range", Es256, Es256, 10, vec![1; 64], Ok(())),
            ("ECDSA r is zero", Es256, Es256, 10, zero_r, no),
            ("ECDSA r and s above the order", Es256, Es256, 10, vec![0xff; 64], no),
            ("ECDSA signature in DER", Es256, Es256, 10, vec![0x30; 70], no),
            ("longest raw message", Ed25519, Ed25519, 4096, vec![1; 64], Ok(())),
            ("Ed25519 message longer than KMS accepts", Ed25519, Ed25519, 4097, vec![1; 64], no),
            ("long ECDSA message, hashed", Es256, Es256, 4097, vec![1; 64], Ok(())),
        ];
        for (name, of_key, algorithm, bytes, signature, expected) in rows {
            let signing_input = &"x".repeat(bytes);
            let parts = SignedParts { algorithm, key_id: None, signing_input, signature };
            assert_eq!(key("k", of_key).to_verify_request(&parts).map(|_| ()), expected, "{name}");
        }
    }
}
