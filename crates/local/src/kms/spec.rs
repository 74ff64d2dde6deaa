/// A `KeySpec` that keys can be made of here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spec {
    SymmetricDefault,
    Rsa2048,
    Rsa3072,
    Rsa4096,
    EccNistP256,
    EccNistP384,
    EccNistP521,
    EccSecgP256k1,
    EccNistEdwards25519,
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

impl Spec {
    pub(super) const ALL: [Self; 12] = [
        Self::SymmetricDefault,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::EccNistP256,
        Self::EccNistP384,
        Self::EccNistP521,
        Self::EccSecgP256k1,
        Self::EccNistEdwards25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SymmetricDefault => "SYMMETRIC_DEFAULT",
            Self::Rsa2048 => "RSA_2048",
            Self::Rsa3072 => "RSA_3072",
            Self::Rsa4096 => "RSA_4096",
            Self::EccNistP256 => "ECC_NIST_P256",
            Self::EccNistP384 => "ECC_NIST_P384",
            Self::EccNistP521 => "ECC_NIST_P521",
            Self::EccSecgP256k1 => "ECC_SECG_P256K1",
            Self::EccNistEdwards25519 => "ECC_NIST_EDWARDS25519",
            Self::MlDsa44 => "ML_DSA_44",
            Self::MlDsa65 => "ML_DSA_65",
            Self::MlDsa87 => "ML_DSA_87",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|spec| spec.name() == name)
    }

    /// Whether keys of this spec can be for `ENCRYPT_DECRYPT`.
    pub(super) const fn encrypts(self) -> bool {
        !self.encryption_algorithms().is_empty()
    }

    /// What such keys say that they can do; none of it is done here.
    pub(super) const fn encryption_algorithms(self) -> &'static [&'static str] {
        match self {
            Self::SymmetricDefault => &["SYMMETRIC_DEFAULT"],
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => {
                &["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]
            }
            _ => &[],
        }
    }

    pub(super) const fn signing_algorithms(self) -> &'static [SigningAlgorithm] {
        use SigningAlgorithm::{
            EcdsaSha256, EcdsaSha384, EcdsaSha512, Ed25519Sha512, MlDsaShake256, Pkcs1Sha256,
            Pkcs1Sha384, Pkcs1Sha512, PssSha256, PssSha384, PssSha512,
        };
        match self {
            Self::SymmetricDefault => &[],
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => {
                &[Pkcs1Sha256, Pkcs1Sha384, Pkcs1Sha512, PssSha256, PssSha384, PssSha512]
            }
            Self::EccNistP256 | Self::EccSecgP256k1 => &[EcdsaSha256],
            Self::EccNistP384 => &[EcdsaSha384],
            Self::EccNistP521 => &[EcdsaSha512],
            Self::EccNistEdwards25519 => &[Ed25519Sha512],
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => &[MlDsaShake256],
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
    EcdsaSha256,
    EcdsaSha384,
    EcdsaSha512,
    Ed25519Sha512,
    MlDsaShake256,
}

impl SigningAlgorithm {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pkcs1Sha256 => "RSASSA_PKCS1_V1_5_SHA_256",
            Self::Pkcs1Sha384 => "RSASSA_PKCS1_V1_5_SHA_384",
            Self::Pkcs1Sha512 => "RSASSA_PKCS1_V1_5_SHA_512",
            Self::PssSha256 => "RSASSA_PSS_SHA_256",
            Self::PssSha384 => "RSASSA_PSS_SHA_384",
            Self::PssSha512 => "RSASSA_PSS_SHA_512",
            Self::EcdsaSha256 => "ECDSA_SHA_256",
            Self::EcdsaSha384 => "ECDSA_SHA_384",
            Self::EcdsaSha512 => "ECDSA_SHA_512",
            Self::Ed25519Sha512 => "ED25519_SHA_512",
            Self::MlDsaShake256 => "ML_DSA_SHAKE_256",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        let all = Spec::ALL.into_iter().flat_map(Spec::signing_algorithms);
        all.copied().find(|algorithm| algorithm.name() == name)
    }
}
