use std::{fmt, str::FromStr};

/// A JWS signature algorithm that a KMS key can have (RFC 7518, 8812, 9864 and 9964).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// ECDSA on secp256k1 with SHA-256.
    Es256k,
    /// `EdDSA` on edwards25519.
    Ed25519,
    /// ML-DSA-44.
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Es256k,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    /// The name in a token's `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Es256k => "ES256K",
            Self::Ed25519 => "Ed25519",
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
            Self::MlDsa87 => "ML-DSA-87",
        }
    }

    /// Exact, as RFC 7515 section 4.1.1 wants it: `none` and every other spelling have no
    /// algorithm. `EdDSA` is what tokens were signed with before RFC 9864 gave the curve a name of
    /// its own.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "EdDSA" {
            return Some(Self::Ed25519);
        }
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// A token of this algorithm that is longer is refused before its claims are decoded. A
    /// signature of ML-DSA alone can take 6 KiB.
    #[must_use]
    pub const fn max_token_bytes(self) -> usize {
        match self {
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => 16 * 1024,
            _ => 8 * 1024,
        }
    }
}

impl FromStr for Algorithm {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::from_name(name).ok_or(
            "must be RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, ES256K, \
             Ed25519, ML-DSA-44, ML-DSA-65 or ML-DSA-87",
        )
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
            let lower = algorithm.name().to_lowercase();
            assert_eq!(Algorithm::from_name(&lower), None, "{lower}");
        }
        assert_eq!(Algorithm::from_name("EdDSA"), Some(Algorithm::Ed25519));
        for name in ["", "none", "NONE", "HS256", "RS1", "ES256k", "Ed448", "EDDSA", "RS256 "] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }
}
