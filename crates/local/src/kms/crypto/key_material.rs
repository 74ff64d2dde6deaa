//! Key material.

use aws_lc_rs::{
    digest::{self, Digest},
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand,
    rsa::{KeyPair, KeySize},
    signature::{
        self, EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, Ed25519KeyPair,
        KeyPair as _, PqdsaKeyPair, PqdsaSigningAlgorithm, RsaEncoding, RsaParameters,
        UnparsedPublicKey,
    },
};

use jwt::Algorithm;

use super::{
    external_mu::{self, ParameterSet},
    key_spec::KeySpec,
};
use crate::kms::error::KmsError;

/// The private key of a KMS key.
pub(crate) enum KeyMaterial {
    /// A symmetric key without bytes: the local KMS performs no operation with it.
    Symmetric,
    Rsa(KeyPair),
    Ec(EcdsaKeyPair, &'static EcdsaVerificationAlgorithm),
    Ed25519(Ed25519KeyPair),
    MlDsa {
        pair: PqdsaKeyPair,
        seed: [u8; 32],
        set: ParameterSet,
    },
}

/// The message of a Sign or Verify request with its `MessageType`.
pub(crate) enum TypedMessage<'a> {
    Raw(&'a [u8]),
    Digest(Digest),
    /// The message representative µ of ML-DSA (FIPS 204, section 6.2).
    ExternalMu([u8; 64]),
}

impl<'a> TypedMessage<'a> {
    /// Reads a message of this `MessageType`.
    ///
    /// # Errors
    /// If the algorithm does not accept the type or the length.
    pub(crate) fn new(
        message_type: &str,
        bytes: &'a [u8],
        algorithm: Algorithm,
    ) -> Result<Self, KmsError> {
        let name = algorithm.kms_name();
        let invalid_type = || {
            KmsError::validation(format!(
                "MessageType {message_type} is not valid for algorithm {name}."
            ))
        };
        match message_type {
            "RAW" => Ok(Self::Raw(bytes)),
            "DIGEST" => {
                let hash = hash(algorithm).ok_or_else(invalid_type)?;
                Digest::import_less_safe(bytes, hash).map(Self::Digest).map_err(|_| {
                    let message = format!("Digest is invalid length for algorithm {name}.");
                    KmsError::validation(message)
                })
            }
            "EXTERNAL_MU" if is_ml_dsa(algorithm) => bytes
                .try_into()
                .map(Self::ExternalMu)
                .map_err(|_| KmsError::validation("External mu must be 64 bytes.")),
            _ => Err(invalid_type()),
        }
    }
}

impl KeyMaterial {
    pub(crate) fn generate(spec: KeySpec) -> Result<Self, KmsError> {
        let material = match KeyParameters::of(spec) {
            KeyParameters::Symmetric => Some(Self::Symmetric),
            KeyParameters::Rsa(size) => KeyPair::generate(size).ok().map(Self::Rsa),
            KeyParameters::Ec(signing, verifying) => {
                EcdsaKeyPair::generate(signing).ok().map(|pair| Self::Ec(pair, verifying))
            }
            KeyParameters::Ed25519 => Ed25519KeyPair::generate().ok().map(Self::Ed25519),
            KeyParameters::MlDsa(..) => {
                let mut seed = [0; 32];
                rand::fill(&mut seed).map_err(|_| internal())?;
                return Self::restore(spec, &seed);
            }
        };
        material.ok_or_else(internal)
    }

    /// Reads what [`Self::to_private`] returns.
    pub(crate) fn restore(spec: KeySpec, private: &[u8]) -> Result<Self, KmsError> {
        let material = match KeyParameters::of(spec) {
            KeyParameters::Symmetric => Some(Self::Symmetric),
            KeyParameters::Rsa(_) => KeyPair::from_pkcs8(private).ok().map(Self::Rsa),
            KeyParameters::Ec(signing, verifying) => EcdsaKeyPair::from_pkcs8(signing, private)
                .ok()
                .map(|pair| Self::Ec(pair, verifying)),
            KeyParameters::Ed25519 => Ed25519KeyPair::from_pkcs8(private).ok().map(Self::Ed25519),
            KeyParameters::MlDsa(algorithm, set) => {
                let seed = private.try_into().map_err(|_| internal())?;
                let pair = PqdsaKeyPair::from_seed(algorithm, private);
                pair.ok().map(|pair| Self::MlDsa { pair, seed, set })
            }
        };
        material.ok_or_else(internal)
    }

    /// The private key as PKCS #8, or the seed of an ML-DSA key.
    pub(crate) fn to_private(&self) -> Result<Vec<u8>, KmsError> {
        match self {
            Self::Symmetric => Ok(Vec::new()),
            Self::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| internal())?;
                Ok(der.as_ref().to_vec())
            }
            Self::Ec(pair, _) => {
                pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()).map_err(|_| internal())
            }
            Self::Ed25519(pair) => {
                pair.to_pkcs8().map(|der| der.as_ref().to_vec()).map_err(|_| internal())
            }
            Self::MlDsa { seed, .. } => Ok(seed.to_vec()),
        }
    }

    /// The DER-encoded `SubjectPublicKeyInfo`.
    pub(crate) fn public_key(&self) -> Result<Vec<u8>, KmsError> {
        fn der(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Result<Vec<u8>, KmsError> {
            key.as_der().map(|der| der.as_ref().to_vec()).map_err(|_| internal())
        }
        match self {
            Self::Symmetric => Err(internal()),
            Self::Rsa(pair) => der(pair.public_key()),
            Self::Ec(pair, _) => der(pair.public_key()),
            Self::Ed25519(pair) => der(pair.public_key()),
            Self::MlDsa { pair, .. } => der(pair.public_key()),
        }
    }

    /// Signs a message. ECDSA signatures are DER-encoded.
    pub(crate) fn sign(
        &self,
        algorithm: Algorithm,
        message: &TypedMessage<'_>,
    ) -> Result<Vec<u8>, KmsError> {
        let signature = match (self, message) {
            (Self::Rsa(pair), _) => {
                let (encoding, _) = rsa_parameters(algorithm).ok_or_else(internal)?;
                let digest = digest_of(algorithm, message).ok_or_else(internal)?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(encoding, &digest, &mut signature).ok().map(|()| signature)
            }
            (Self::Ec(pair, _), _) => {
                let digest = digest_of(algorithm, message).ok_or_else(internal)?;
                pair.sign_digest(&digest).ok().map(|signature| signature.as_ref().to_vec())
            }
            (Self::Ed25519(pair), TypedMessage::Raw(message)) => {
                pair.try_sign(message).ok().map(|signature| signature.as_ref().to_vec())
            }
            (Self::MlDsa { pair, .. }, TypedMessage::Raw(message)) => {
                let mut signature = vec![0; pair.algorithm().signature_len()];
                pair.sign(message, &mut signature).ok().map(|_| signature)
            }
            (Self::MlDsa { seed, set, .. }, TypedMessage::ExternalMu(mu)) => {
                Some(external_mu::sign(*set, seed, mu))
            }
            _ => None,
        };
        signature.ok_or_else(internal)
    }

    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        message: &TypedMessage<'_>,
        signature: &[u8],
    ) -> bool {
        let is_valid = match (self, message) {
            (Self::Rsa(pair), _) => rsa_parameters(algorithm)
                .zip(digest_of(algorithm, message))
                .map(|((_, scheme), digest)| {
                    let key = UnparsedPublicKey::new(scheme, pair.public_key());
                    key.verify_digest(&digest, signature).is_ok()
                }),
            (Self::Ec(pair, scheme), _) => digest_of(algorithm, message).map(|digest| {
                let key = UnparsedPublicKey::new(*scheme, pair.public_key());
                key.verify_digest(&digest, signature).is_ok()
            }),
            (Self::Ed25519(pair), TypedMessage::Raw(message)) => {
                let key = UnparsedPublicKey::new(&signature::ED25519, pair.public_key());
                Some(key.verify(message, signature).is_ok())
            }
            (Self::MlDsa { pair, set, .. }, TypedMessage::Raw(message)) => {
                let key = UnparsedPublicKey::new(set.verification_algorithm(), pair.public_key());
                Some(key.verify(message, signature).is_ok())
            }
            (Self::MlDsa { seed, set, .. }, TypedMessage::ExternalMu(mu)) => {
                Some(external_mu::verify(*set, seed, mu, signature))
            }
            _ => None,
        };
        is_valid.unwrap_or(false)
    }
}

/// The parameters with which keys of a spec are generated.
enum KeyParameters {
    Symmetric,
    Rsa(KeySize),
    Ec(&'static EcdsaSigningAlgorithm, &'static EcdsaVerificationAlgorithm),
    Ed25519,
    MlDsa(&'static PqdsaSigningAlgorithm, ParameterSet),
}

impl KeyParameters {
    fn of(spec: KeySpec) -> Self {
        match spec {
            KeySpec::SymmetricDefault => Self::Symmetric,
            KeySpec::Rsa2048 => Self::Rsa(KeySize::Rsa2048),
            KeySpec::Rsa3072 => Self::Rsa(KeySize::Rsa3072),
            KeySpec::Rsa4096 => Self::Rsa(KeySize::Rsa4096),
            KeySpec::EccNistP256 => Self::Ec(
                &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
                &signature::ECDSA_P256_SHA256_ASN1,
            ),
            KeySpec::EccNistP384 => Self::Ec(
                &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
                &signature::ECDSA_P384_SHA384_ASN1,
            ),
            KeySpec::EccNistP521 => Self::Ec(
                &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
                &signature::ECDSA_P521_SHA512_ASN1,
            ),
            KeySpec::EccSecgP256k1 => Self::Ec(
                &signature::ECDSA_P256K1_SHA256_ASN1_SIGNING,
                &signature::ECDSA_P256K1_SHA256_ASN1,
            ),
            KeySpec::EccNistEdwards25519 => Self::Ed25519,
            KeySpec::MlDsa44 => Self::MlDsa(&signature::ML_DSA_44_SIGNING, ParameterSet::MlDsa44),
            KeySpec::MlDsa65 => Self::MlDsa(&signature::ML_DSA_65_SIGNING, ParameterSet::MlDsa65),
            KeySpec::MlDsa87 => Self::MlDsa(&signature::ML_DSA_87_SIGNING, ParameterSet::MlDsa87),
        }
    }
}

/// The hash algorithm of a signing algorithm. Ed25519 and ML-DSA sign the message itself.
fn hash(algorithm: Algorithm) -> Option<&'static digest::Algorithm> {
    match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 | Algorithm::Es256k => {
            Some(&digest::SHA256)
        }
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => Some(&digest::SHA384),
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Es512 => Some(&digest::SHA512),
        Algorithm::Ed25519 | Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87 => None,
    }
}

const fn is_ml_dsa(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87)
}

fn digest_of(algorithm: Algorithm, message: &TypedMessage<'_>) -> Option<Digest> {
    match message {
        TypedMessage::Raw(message) => hash(algorithm).map(|hash| digest::digest(hash, message)),
        TypedMessage::Digest(digest) => Some(*digest),
        TypedMessage::ExternalMu(_) => None,
    }
}

/// The RSA parameters of an algorithm. In the PSS encodings of the library, the salt is as long as the hash, as
/// in KMS.
fn rsa_parameters(
    algorithm: Algorithm,
) -> Option<(&'static dyn RsaEncoding, &'static RsaParameters)> {
    match algorithm {
        Algorithm::Rs256 => {
            Some((&signature::RSA_PKCS1_SHA256, &signature::RSA_PKCS1_2048_8192_SHA256))
        }
        Algorithm::Rs384 => {
            Some((&signature::RSA_PKCS1_SHA384, &signature::RSA_PKCS1_2048_8192_SHA384))
        }
        Algorithm::Rs512 => {
            Some((&signature::RSA_PKCS1_SHA512, &signature::RSA_PKCS1_2048_8192_SHA512))
        }
        Algorithm::Ps256 => {
            Some((&signature::RSA_PSS_SHA256, &signature::RSA_PSS_2048_8192_SHA256))
        }
        Algorithm::Ps384 => {
            Some((&signature::RSA_PSS_SHA384, &signature::RSA_PSS_2048_8192_SHA384))
        }
        Algorithm::Ps512 => {
            Some((&signature::RSA_PSS_SHA512, &signature::RSA_PSS_2048_8192_SHA512))
        }
        _ => None,
    }
}

fn internal() -> KmsError {
    KmsError::new("KMSInternalException", "the key material cannot be used")
}
