use std::{error::Error, fmt, str::FromStr};

/// A JWS signature algorithm that keys of AWS KMS support (RFC 7518 section 3, RFC 8812 section
/// 3.2, RFC 9864 and RFC 9964).
///
/// `Display` and `FromStr` use the name in `alg`.
///
/// ```
/// use countersign_jwt::Algorithm;
///
/// assert_eq!("PS256".parse(), Ok(Algorithm::Ps256));
/// assert!("none".parse::<Algorithm>().is_err());
/// ```
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
    /// `EdDSA` with Ed25519 (RFC 8032).
    Ed25519,
    /// ML-DSA-44.
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
}

/// One row of the table of algorithms.
struct Row {
    algorithm: Algorithm,
    /// The name in `alg`.
    name: &'static str,
    /// The `SigningAlgorithm` of AWS KMS.
    kms_name: &'static str,
    /// The `KeySpec` values of AWS KMS whose keys support the algorithm.
    key_specs: &'static [&'static str],
}

const RSA: &[&str] = &["RSA_2048", "RSA_3072", "RSA_4096"];

/// In the order of the variants. Algorithms of the same keys are adjacent, and their default is
/// first.
const TABLE: [Row; 14] = [
    row(Algorithm::Rs256, "RS256", "RSASSA_PKCS1_V1_5_SHA_256", RSA),
    row(Algorithm::Rs384, "RS384", "RSASSA_PKCS1_V1_5_SHA_384", RSA),
    row(Algorithm::Rs512, "RS512", "RSASSA_PKCS1_V1_5_SHA_512", RSA),
    row(Algorithm::Ps256, "PS256", "RSASSA_PSS_SHA_256", RSA),
    row(Algorithm::Ps384, "PS384", "RSASSA_PSS_SHA_384", RSA),
    row(Algorithm::Ps512, "PS512", "RSASSA_PSS_SHA_512", RSA),
    row(Algorithm::Es256, "ES256", "ECDSA_SHA_256", &["ECC_NIST_P256"]),
    row(Algorithm::Es384, "ES384", "ECDSA_SHA_384", &["ECC_NIST_P384"]),
    row(Algorithm::Es512, "ES512", "ECDSA_SHA_512", &["ECC_NIST_P521"]),
    row(Algorithm::Es256k, "ES256K", "ECDSA_SHA_256", &["ECC_SECG_P256K1"]),
    row(Algorithm::Ed25519, "Ed25519", "ED25519_SHA_512", &["ECC_NIST_EDWARDS25519"]),
    row(Algorithm::MlDsa44, "ML-DSA-44", "ML_DSA_SHAKE_256", &["ML_DSA_44"]),
    row(Algorithm::MlDsa65, "ML-DSA-65", "ML_DSA_SHAKE_256", &["ML_DSA_65"]),
    row(Algorithm::MlDsa87, "ML-DSA-87", "ML_DSA_SHAKE_256", &["ML_DSA_87"]),
];

const fn row(
    algorithm: Algorithm,
    name: &'static str,
    kms_name: &'static str,
    key_specs: &'static [&'static str],
) -> Row {
    Row { algorithm, name, kms_name, key_specs }
}

impl Algorithm {
    /// All algorithms. Those of the same keys are adjacent, and their default is first.
    pub const ALL: [Self; 14] = all();

    /// The name in the header parameter `alg`.
    ///
    /// ```
    /// assert_eq!(countersign_jwt::Algorithm::Es256k.name(), "ES256K");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The `SigningAlgorithm` in requests to AWS KMS. `ES256` and `ES256K` have the same one,
    /// because the curve of the key decides.
    ///
    /// ```
    /// assert_eq!(countersign_jwt::Algorithm::Es256k.kms_name(), "ECDSA_SHA_256");
    /// ```
    #[must_use]
    pub const fn kms_name(self) -> &'static str {
        self.row().kms_name
    }

    /// The `KeySpec` values of AWS KMS whose keys support this algorithm.
    ///
    /// ```
    /// assert_eq!(countersign_jwt::Algorithm::Es384.key_specs(), ["ECC_NIST_P384"]);
    /// ```
    #[must_use]
    pub const fn key_specs(self) -> &'static [&'static str] {
        self.row().key_specs
    }

    /// The algorithms of keys with this `KeySpec` of AWS KMS, their default first. Empty if such
    /// keys cannot sign tokens.
    ///
    /// ```
    /// use countersign_jwt::Algorithm;
    ///
    /// assert_eq!(Algorithm::of_key_spec("ECC_NIST_P256"), [Algorithm::Es256]);
    /// assert!(Algorithm::of_key_spec("SYMMETRIC_DEFAULT").is_empty());
    /// ```
    #[must_use]
    pub fn of_key_spec(key_spec: &str) -> &'static [Self] {
        const ALL: &[Algorithm] = &Algorithm::ALL;
        let has_spec = |row: &Row| row.key_specs.contains(&key_spec);
        let start = TABLE.iter().position(has_spec).unwrap_or(TABLE.len());
        let count = TABLE.iter().filter(|row| has_spec(row)).count();
        ALL.get(start..start + count).unwrap_or_default()
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "`all` checks at compile time that each variant has a row"
    )]
    const fn row(self) -> &'static Row {
        const ROWS: &[Row] = &TABLE;
        &ROWS[self as usize]
    }

    /// Finds the algorithm of an `alg`. Names are case-sensitive (RFC 7515 section 4.1.1). `EdDSA`,
    /// the deprecated name of `Ed25519` (RFC 9864), is accepted, and `none` is not.
    ///
    /// ```
    /// use countersign_jwt::Algorithm;
    ///
    /// assert_eq!(Algorithm::from_name("ES256"), Some(Algorithm::Es256));
    /// assert_eq!(Algorithm::from_name("es256"), None);
    /// ```
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "EdDSA" {
            return Some(Self::Ed25519);
        }
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The maximum length of a token in bytes: 16 KiB for ML-DSA, whose signatures alone can take 6
    /// KiB in base64url, and 8 KiB otherwise. A longer token is refused before its payload is
    /// decoded.
    #[must_use]
    pub const fn max_token_bytes(self) -> usize {
        match self {
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => 16 * 1024,
            _ => 8 * 1024,
        }
    }

    /// The largest [`max_token_bytes`](Self::max_token_bytes).
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
    pub(crate) const MAX_TOKEN_BYTES: usize = {
        let (mut max, mut at) = (0, 0);
        while at < Self::ALL.len() {
            let bytes = Self::ALL[at].max_token_bytes();
            max = if bytes > max { bytes } else { max };
            at += 1;
        }
        max
    };
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
const fn all() -> [Algorithm; 14] {
    let mut all = [Algorithm::Rs256; 14];
    let mut at = 0;
    while at < TABLE.len() {
        all[at] = TABLE[at].algorithm;
        assert!(all[at] as usize == at, "rows have the order of the variants");
        at += 1;
    }
    all
}

/// A name is not that of an [`Algorithm`]. The message lists all names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownAlgorithm;

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be one of ")?;
        for (at, row) in TABLE.iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}{}", row.name)?;
        }
        Ok(())
    }
}

impl Error for UnknownAlgorithm {}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::from_name(name).ok_or(UnknownAlgorithm)
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
    fn names_are_case_sensitive() {
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

    #[test]
    fn key_specs_and_algorithms_agree() {
        for algorithm in Algorithm::ALL {
            for spec in algorithm.key_specs() {
                assert!(Algorithm::of_key_spec(spec).contains(&algorithm), "{spec} {algorithm}");
            }
        }
        for (spec, count) in [("RSA_3072", 6), ("ECC_SECG_P256K1", 1), ("HMAC_256", 0), ("", 0)] {
            assert_eq!(Algorithm::of_key_spec(spec).len(), count, "{spec}");
        }
    }
}
