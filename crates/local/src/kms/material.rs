use aws_lc_rs::{
    digest::{self, Digest},
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::{KeyPair, KeySize},
    signature::{self, KeyPair as _, RsaEncoding, RsaParameters, UnparsedPublicKey},
};

use super::error::KmsError;

/// The secret of a key, and what it can do.
pub(super) enum Material {
    /// Exists, and can do nothing that this server knows.
    Symmetric,
    Rsa(KeyPair),
}

/// A `KeySpec` that keys can be made of here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spec {
    SymmetricDefault,
    Rsa2048,
    Rsa3072,
    Rsa4096,
}

impl Spec {
    const ALL: [Self; 4] = [Self::SymmetricDefault, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SymmetricDefault => "SYMMETRIC_DEFAULT",
            Self::Rsa2048 => "RSA_2048",
            Self::Rsa3072 => "RSA_3072",
            Self::Rsa4096 => "RSA_4096",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|spec| spec.name() == name)
    }

    pub(super) fn signing_algorithms(self) -> &'static [SigningAlgorithm] {
        match self {
            Self::SymmetricDefault => &[],
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => &SigningAlgorithm::ALL,
        }
    }

    pub(super) fn generate(self) -> Result<Material, KmsError> {
        let size = match self {
            Self::SymmetricDefault => return Ok(Material::Symmetric),
            Self::Rsa2048 => KeySize::Rsa2048,
            Self::Rsa3072 => KeySize::Rsa3072,
            Self::Rsa4096 => KeySize::Rsa4096,
        };
        KeyPair::generate(size).map(Material::Rsa).map_err(|_| internal())
    }

    /// The reverse of [`Material::to_pkcs8`].
    pub(super) fn restore(self, pkcs8: &[u8]) -> Result<Material, KmsError> {
        match self {
            Self::SymmetricDefault => Ok(Material::Symmetric),
            _ => KeyPair::from_pkcs8(pkcs8).map(Material::Rsa).map_err(|_| internal()),
        }
    }
}

/// A `SigningAlgorithmSpec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SigningAlgorithm {
    Pkcs1Sha256,
    Pkcs1Sha384,
    Pkcs1Sha512,
    PssSha256,
    PssSha384,
    PssSha512,
}

impl SigningAlgorithm {
    const ALL: [Self; 6] = [
        Self::Pkcs1Sha256,
        Self::Pkcs1Sha384,
        Self::Pkcs1Sha512,
        Self::PssSha256,
        Self::PssSha384,
        Self::PssSha512,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pkcs1Sha256 => "RSASSA_PKCS1_V1_5_SHA_256",
            Self::Pkcs1Sha384 => "RSASSA_PKCS1_V1_5_SHA_384",
            Self::Pkcs1Sha512 => "RSASSA_PKCS1_V1_5_SHA_512",
            Self::PssSha256 => "RSASSA_PSS_SHA_256",
            Self::PssSha384 => "RSASSA_PSS_SHA_384",
            Self::PssSha512 => "RSASSA_PSS_SHA_512",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    fn hash(self) -> &'static digest::Algorithm {
        match self {
            Self::Pkcs1Sha256 | Self::PssSha256 => &digest::SHA256,
            Self::Pkcs1Sha384 | Self::PssSha384 => &digest::SHA384,
            Self::Pkcs1Sha512 | Self::PssSha512 => &digest::SHA512,
        }
    }

    /// Every PSS encoding of the library has the salt as long as the hash, as KMS has it.
    fn encoding(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Pkcs1Sha256 => &signature::RSA_PKCS1_SHA256,
            Self::Pkcs1Sha384 => &signature::RSA_PKCS1_SHA384,
            Self::Pkcs1Sha512 => &signature::RSA_PKCS1_SHA512,
            Self::PssSha256 => &signature::RSA_PSS_SHA256,
            Self::PssSha384 => &signature::RSA_PSS_SHA384,
            Self::PssSha512 => &signature::RSA_PSS_SHA512,
        }
    }

    fn parameters(self) -> &'static RsaParameters {
        match self {
            Self::Pkcs1Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Pkcs1Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Pkcs1Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::PssSha256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::PssSha384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::PssSha512 => &signature::RSA_PSS_2048_8192_SHA512,
        }
    }

    /// What is signed in the end, of a message or of a digest that the caller made.
    pub(super) fn digest(self, message: &[u8], is_digest: bool) -> Result<Digest, KmsError> {
        if !is_digest {
            return Ok(digest::digest(self.hash(), message));
        }
        Digest::import_less_safe(message, self.hash()).map_err(|_| {
            let name = self.name();
            KmsError::validation(format!("Digest is invalid length for algorithm {name}."))
        })
    }
}

impl Material {
    pub(super) fn sign(
        &self,
        with: SigningAlgorithm,
        digest: &Digest,
    ) -> Result<Vec<u8>, KmsError> {
        let Self::Rsa(pair) = self else { return Err(internal()) };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign_digest(with.encoding(), digest, &mut signature).map_err(|_| internal())?;
        Ok(signature)
    }

    pub(super) fn verify(&self, with: SigningAlgorithm, digest: &Digest, signature: &[u8]) -> bool {
        let Self::Rsa(pair) = self else { return false };
        let key = UnparsedPublicKey::new(with.parameters(), pair.public_key());
        key.verify_digest(digest, signature).is_ok()
    }

    /// The DER-encoded `SubjectPublicKeyInfo`.
    pub(super) fn public_key(&self) -> Result<Vec<u8>, KmsError> {
        let Self::Rsa(pair) = self else { return Err(internal()) };
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| internal())?;
        Ok(der.as_ref().to_vec())
    }

    pub(super) fn to_pkcs8(&self) -> Result<Vec<u8>, KmsError> {
        let Self::Rsa(pair) = self else { return Ok(Vec::new()) };
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| internal())?;
        Ok(der.as_ref().to_vec())
    }
}

fn internal() -> KmsError {
    KmsError::new("KMSInternalException", "the key's material cannot be used")
}
