use aws_sdk_kms::{
    operation::get_public_key::GetPublicKeyOutput,
    types::{KeySpec, KeyUsageType, SigningAlgorithmSpec},
};
use jwt::{Algorithm, PublicKey, Rejection, SignedParts, VerifyingKey};

use crate::{
    Fault, KeyName,
    message::{self, Message},
    response::{self, InvalidResponse},
};

/// The public side of a KMS key.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key id: the `kid` of its tokens.
    pub id: String,
    /// The key ARN: what KMS is asked with.
    pub arn: String,
    /// What its signatures are verified with.
    pub public: PublicKey,
    /// The algorithm of its signatures, decided by the key and the settings, never by a token.
    pub algorithm: Algorithm,
    verifying: VerifyingKey,
}

impl Key {
    /// Reads the answer about the key of this name, for this algorithm or the usual one of its kind.
    pub(crate) fn read(
        name: &KeyName,
        answer: GetPublicKeyOutput,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, Fault> {
        let invalid = |problem| Fault::invalid("GetPublicKey", problem);
        let unsupported = |problem| Fault::unsupported_key("GetPublicKey", problem);
        let key_spec = key_spec(&answer);
        let arn = answer.key_id.unwrap_or_default();
        let asked = response::key_id(name.as_str());
        let id = response::key_id(&arn).filter(|id| asked.is_none_or(|asked| asked == *id));
        let id = id.ok_or_else(|| invalid(InvalidResponse::Key))?.to_owned();
        let key_spec = key_spec.ok_or_else(|| invalid(InvalidResponse::Spec))?;
        let spec = key_spec.as_str().to_owned();
        if let Some(usage) = answer.key_usage
            && usage != KeyUsageType::SignVerify
        {
            return Err(unsupported(UnsupportedKey::Usage { usage: usage.as_str().to_owned() }));
        }
        let all = message::algorithms(&key_spec);
        let Some(usual) = all.first() else {
            return Err(unsupported(UnsupportedKey::Spec { spec }));
        };
        let public = answer.public_key.and_then(|der| PublicKey::from_spki(der.as_ref()).ok());
        let public = public.filter(|public| public.algorithms() == all);
        let public = public.ok_or_else(|| invalid(InvalidResponse::PublicKey))?;
        let can = answer.signing_algorithms.unwrap_or_default();
        if can.is_empty() {
            return Err(invalid(InvalidResponse::Algorithms));
        }
        let algorithm = algorithm.unwrap_or(*usual);
        if !all.contains(&algorithm) || !can.contains(&message::spec(algorithm)) {
            return Err(unsupported(UnsupportedKey::Pair { spec, algorithm }));
        }
        let verifying = VerifyingKey::new(&public, algorithm);
        let verifying = verifying.map_err(|_| unsupported(UnsupportedKey::Spec { spec }))?;
        Ok(Self { id, arn, public, algorithm, verifying })
    }

    /// Whether this key made the signature, told here from its public half.
    pub(crate) fn verify(&self, proof: &SignedParts<'_>) -> Result<(), Rejection> {
        self.expect_algorithm(proof)?;
        let good = self.verifying.verify(proof.signing_input.as_bytes(), &proof.signature);
        if good { Ok(()) } else { Err(Rejection::Signature) }
    }

    /// The signature as KMS takes it, if this key can have made it at all: what can be told
    /// without asking KMS.
    pub(crate) fn to_verify_request(
        &self,
        proof: &SignedParts<'_>,
    ) -> Result<(Message, Vec<u8>), Rejection> {
        self.expect_algorithm(proof)?;
        let input = proof.signing_input.as_bytes();
        let message = Message::new(input, self.algorithm, &self.public);
        let signature = message::to_kms(&self.public, &proof.signature);
        message.zip(signature).ok_or(Rejection::Signature)
    }

    /// Checks what Sign and Verify name in every 2xx response: the ARN of the key that was used, and the
    /// algorithm (AWS KMS API reference, response elements).
    pub(crate) fn expect_response(
        &self,
        key_id: Option<&str>,
        algorithm: Option<&SigningAlgorithmSpec>,
    ) -> Result<(), InvalidResponse> {
        // Where GetPublicKey names the id alone, as some emulators do, the ARN must be of this id.
        let is_key = |named: &str| {
            named == self.arn || self.arn == self.id && response::key_id(named) == Some(&self.id)
        };
        if !key_id.is_some_and(is_key) {
            return Err(InvalidResponse::Key);
        }
        if algorithm != Some(&message::spec(self.algorithm)) {
            return Err(InvalidResponse::Algorithm);
        }
        Ok(())
    }

    fn expect_algorithm(&self, proof: &SignedParts<'_>) -> Result<(), Rejection> {
        if proof.algorithm == self.algorithm {
            return Ok(());
        }
        Err(Rejection::WrongAlgorithm { key: self.algorithm, token: proof.algorithm })
    }
}

/// The answer's `KeySpec`, or what it was called before, which some emulators still have alone.
fn key_spec(answer: &GetPublicKeyOutput) -> Option<KeySpec> {
    #[expect(deprecated, reason = "the older name of the same member")]
    let older = answer.customer_master_key_spec();
    let older = || older.map(|spec| KeySpec::from(spec.as_str()));
    answer.key_spec.clone().or_else(older)
}

/// Why a key cannot sign tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnsupportedKey {
    #[error("a key of KeyUsage {usage} does not sign tokens")]
    Usage { usage: String },
    #[error("a key of KeySpec {spec} does not sign tokens")]
    Spec { spec: String },
    #[error("a key of KeySpec {spec} does not sign with {algorithm} (SIGNING_ALGORITHM)")]
    Pair { spec: String, algorithm: Algorithm },
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use jwt::Curve;

    use super::*;

    /// A key without a private half: the points are the base points of their curves.
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

    /// SEC 2 section 2.4.2, in halves of the two numbers.
    const P256_BASE: [u128; 4] = [
        0x6b17_d1f2_e12c_4247_f8bc_e6e5_63a4_40f2,
        0x7703_7d81_2deb_33a0_f4a1_3945_d898_c296,
        0x4fe3_42e2_fe1a_7f9b_8ee7_eb4a_7c0f_9e16,
        0x2bce_3357_6b31_5ece_cbb6_4068_37bf_51f5,
    ];

    #[test]
    fn what_the_key_cannot_have_made_is_not_sent_to_kms() {
        use Algorithm::{Ed25519, Es256, Ps256, Rs256};
        let wrong = |key, token| Err(Rejection::WrongAlgorithm { key, token });
        let no = Err(Rejection::Signature);
        let mut zero_r = vec![0; 64];
        zero_r[63] = 1;
        let rows = [
            ("its size", Rs256, Rs256, 10, vec![1; 256], Ok(())),
            ("too short", Rs256, Rs256, 10, vec![1; 255], no),
            ("too long", Rs256, Rs256, 10, vec![1; 257], no),
            ("none", Rs256, Rs256, 10, vec![], no),
            ("another padding", Rs256, Ps256, 10, vec![1; 256], wrong(Rs256, Ps256)),
            ("the setting's padding", Ps256, Ps256, 10, vec![1; 256], Ok(())),
            ("another kind", Rs256, Es256, 10, vec![1; 64], wrong(Rs256, Es256)),
            ("two numbers", Es256, Es256, 10, vec![1; 64], Ok(())),
            ("r is zero", Es256, Es256, 10, zero_r, no),
            ("past the order", Es256, Es256, 10, vec![0xff; 64], no),
            ("DER", Es256, Es256, 10, vec![0x30; 70], no),
            ("4096 bytes", Ed25519, Ed25519, 4096, vec![1; 64], Ok(())),
            ("more than KMS takes", Ed25519, Ed25519, 4097, vec![1; 64], no),
            ("more than KMS takes, hashed", Es256, Es256, 4097, vec![1; 64], Ok(())),
        ];
        for (name, of_key, algorithm, bytes, signature, expected) in rows {
            let signing_input = &"x".repeat(bytes);
            let proof = SignedParts { algorithm, key_id: None, signing_input, signature };
            assert_eq!(key("k", of_key).to_verify_request(&proof).map(|_| ()), expected, "{name}");
        }
    }
}
