use std::fmt;

use super::{curve::Curve, ml_dsa::MlDsa};
use crate::{Algorithm, encoding::der};

/// A public key of a kind that can sign tokens.
///
/// A value that was created from its parts is not checked. [`from_spki`](Self::from_spki),
/// [`from_pem`](Self::from_pem), [`Jwk::read`](crate::Jwk::read) and
/// [`VerifyingKey::new`](crate::VerifyingKey::new) check it.
///
/// ```
/// use countersign_jwt::{Algorithm, PublicKey};
///
/// // RFC 8037 appendix A.2.
/// let key = PublicKey::from_pem(
///     "-----BEGIN PUBLIC KEY-----\n\
///      MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
///      -----END PUBLIC KEY-----\n",
/// )?;
/// assert_eq!(key.algorithms(), [Algorithm::Ed25519]);
/// assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
/// assert_eq!(PublicKey::from_spki(&key.to_spki()), Ok(key));
/// # Ok::<(), countersign_jwt::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// An RSA key: two big-endian numbers without leading zeros.
    Rsa {
        /// The modulus, of 2048 to 8192 bits.
        n: Vec<u8>,
        /// The public exponent, odd and between 3 and 2^32 - 1.
        e: Vec<u8>,
    },
    /// A point on an elliptic curve: two big-endian numbers of [`Curve::bytes`] bytes.
    Ec {
        /// The curve.
        curve: Curve,
        /// The x coordinate.
        x: Vec<u8>,
        /// The y coordinate.
        y: Vec<u8>,
    },
    /// An Ed25519 key: the 32 bytes of the encoded point (RFC 8032 section 5.1.2).
    Ed25519(Vec<u8>),
    /// An ML-DSA key: its parameter set and the encoded key (FIPS 204 section 7.2).
    MlDsa(MlDsa, Vec<u8>),
}

impl PublicKey {
    /// The algorithms that this key can have, its default first.
    ///
    /// RSA keys have six. All other keys have one.
    #[must_use]
    pub fn algorithms(&self) -> &'static [Algorithm] {
        Algorithm::of_key_spec(match self {
            Self::Rsa { .. } => "RSA_2048",
            Self::Ec { curve: Curve::P256, .. } => "ECC_NIST_P256",
            Self::Ec { curve: Curve::P384, .. } => "ECC_NIST_P384",
            Self::Ec { curve: Curve::P521, .. } => "ECC_NIST_P521",
            Self::Ec { curve: Curve::Secp256k1, .. } => "ECC_SECG_P256K1",
            Self::Ed25519(_) => "ECC_NIST_EDWARDS25519",
            Self::MlDsa(MlDsa::MlDsa44, _) => "ML_DSA_44",
            Self::MlDsa(MlDsa::MlDsa65, _) => "ML_DSA_65",
            Self::MlDsa(MlDsa::MlDsa87, _) => "ML_DSA_87",
        })
    }

    /// The length in bytes of each signature of this key, in the JOSE form (not base64url-encoded).
    #[must_use]
    pub fn signature_bytes(&self) -> usize {
        match self {
            Self::Rsa { n, .. } => n.len(),
            Self::Ec { curve, .. } => 2 * curve.bytes(),
            Self::Ed25519(_) => 64,
            Self::MlDsa(set, _) => set.signature_bytes(),
        }
    }

    /// The contents of the BIT STRING `subjectPublicKey` (RFC 5280 section 4.1.2.7).
    pub(crate) fn subject_public_key(&self) -> Vec<u8> {
        match self {
            Self::Rsa { n, e } => {
                let numbers = [der::write_unsigned(n), der::write_unsigned(e)].concat();
                der::write(der::SEQUENCE, &numbers)
            }
            Self::Ec { x, y, .. } => [&[UNCOMPRESSED_POINT], &**x, y].concat(),
            Self::Ed25519(key) | Self::MlDsa(_, key) => key.clone(),
        }
    }
}

/// Prints only the algorithms: the bytes of a key are long.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?})", self.algorithms())
    }
}

/// The first byte of an uncompressed point (SEC 1 section 2.3.3).
pub(crate) const UNCOMPRESSED_POINT: u8 = 4;
