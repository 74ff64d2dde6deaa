use std::fmt;

use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};

use crate::{
    Algorithm, Curve,
    der::{self, Reader},
};

/// A public key that can have signed a token.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA: modulus and exponent, with no zeros before them.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// A point on a curve: its two coordinates at full width.
    Ec {
        /// The curve.
        curve: Curve,
        /// The first coordinate.
        x: Vec<u8>,
        /// The second coordinate.
        y: Vec<u8>,
    },
    /// Ed25519: the 32 bytes of the encoded point.
    Ed25519(Vec<u8>),
    /// ML-DSA: the encoded key, and the parameter set that it is of.
    MlDsa(MlDsa, Vec<u8>),
}

/// A parameter set of ML-DSA (FIPS 204 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MlDsa {
    /// ML-DSA-44.
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
}

/// What was given is no public key of a kind that tokens are verified with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public key that can verify tokens")]
pub struct KeyError;

impl PublicKey {
    /// Reads a DER-encoded `SubjectPublicKeyInfo` (RFC 5280 section 4.1), as KMS gives it.
    ///
    /// # Errors
    /// When it is not one, in DER's only spelling, of a kind of key listed here.
    pub fn from_spki(spki: &[u8]) -> Result<Self, KeyError> {
        read_spki(spki).ok_or(KeyError)?.checked()
    }

    /// The DER-encoded `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn to_spki(&self) -> Vec<u8> {
        let oid = |oid: &[u8]| der::write(der::OBJECT_IDENTIFIER, oid);
        let algorithm = match self {
            Self::Rsa { .. } => [oid(RSA), der::write(der::NULL, &[])].concat(),
            Self::Ec { curve, .. } => [oid(EC), oid(curve.oid())].concat(),
            Self::Ed25519(_) => oid(ED25519),
            Self::MlDsa(set, _) => oid(set.oid()),
        };
        let algorithm = der::write(der::SEQUENCE, &algorithm);
        der::write(der::SEQUENCE, &[algorithm, der::write_bits(&self.raw())].concat())
    }

    /// The algorithms that this key can have, the one that is usual first.
    #[must_use]
    pub const fn algorithms(&self) -> &'static [Algorithm] {
        use Algorithm::{
            Ed25519, Es256, Es256k, Es384, Es512, MlDsa44, MlDsa65, MlDsa87, Ps256, Ps384, Ps512,
            Rs256, Rs384, Rs512,
        };
        match self {
            Self::Rsa { .. } => &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512],
            Self::Ec { curve: Curve::P256, .. } => &[Es256],
            Self::Ec { curve: Curve::P384, .. } => &[Es384],
            Self::Ec { curve: Curve::P521, .. } => &[Es512],
            Self::Ec { curve: Curve::Secp256k1, .. } => &[Es256k],
            Self::Ed25519(_) => &[Ed25519],
            Self::MlDsa(MlDsa::MlDsa44, _) => &[MlDsa44],
            Self::MlDsa(MlDsa::MlDsa65, _) => &[MlDsa65],
            Self::MlDsa(MlDsa::MlDsa87, _) => &[MlDsa87],
        }
    }

    /// How long every signature of this key is, as JOSE writes it.
    #[must_use]
    pub fn signature_bytes(&self) -> usize {
        match self {
            Self::Rsa { n, .. } => n.len(),
            Self::Ec { curve, .. } => 2 * curve.bytes(),
            Self::Ed25519(_) => 64,
            Self::MlDsa(MlDsa::MlDsa44, _) => 2420,
            Self::MlDsa(MlDsa::MlDsa65, _) => 3309,
            Self::MlDsa(MlDsa::MlDsa87, _) => 4627,
        }
    }

    /// The key itself, if it is one: a point on its curve, a modulus of 2048 to 8192 bits.
    pub(crate) fn checked(self) -> Result<Self, KeyError> {
        let usual = self.algorithms().first().ok_or(KeyError)?;
        self.parse(*usual).map(|_| self)
    }

    fn parse(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
        if let Self::Rsa { n, e } = self {
            let (odd, small) = (e.last().is_some_and(|byte| byte & 1 == 1), e.len() <= 4);
            if !(2048 / 8..=8192 / 8).contains(&n.len()) || !odd || !small || **e == [1] {
                return Err(KeyError);
            }
        }
        ParsedPublicKey::new(verification(algorithm), self.raw()).map_err(|_| KeyError)
    }

    /// The key in the form that stands in its BIT STRING.
    fn raw(&self) -> Vec<u8> {
        match self {
            Self::Rsa { n, e } => {
                let numbers = [der::write_unsigned(n), der::write_unsigned(e)].concat();
                der::write(der::SEQUENCE, &numbers)
            }
            Self::Ec { x, y, .. } => [&[UNCOMPRESSED], &**x, y].concat(),
            Self::Ed25519(key) | Self::MlDsa(_, key) => key.clone(),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?})", self.algorithms())
    }
}

impl MlDsa {
    pub(crate) const ALL: [Self; 3] = [Self::MlDsa44, Self::MlDsa65, Self::MlDsa87];

    pub(crate) const fn algorithm(self) -> Algorithm {
        match self {
            Self::MlDsa44 => Algorithm::MlDsa44,
            Self::MlDsa65 => Algorithm::MlDsa65,
            Self::MlDsa87 => Algorithm::MlDsa87,
        }
    }

    const fn oid(self) -> &'static [u8] {
        match self {
            Self::MlDsa44 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x11],
            Self::MlDsa65 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x12],
            Self::MlDsa87 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x13],
        }
    }
}

impl Curve {
    const fn oid(self) -> &'static [u8] {
        match self {
            Self::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Self::P384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
            Self::P521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
            Self::Secp256k1 => &[0x2b, 0x81, 0x04, 0x00, 0x0a],
        }
    }
}

/// A public key and the one algorithm that it is used with.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    signature_bytes: usize,
    parsed: ParsedPublicKey,
}

impl VerifyingKey {
    /// The key for use with this algorithm.
    ///
    /// # Errors
    /// When it is not one of [`PublicKey::algorithms`].
    pub fn new(key: &PublicKey, algorithm: Algorithm) -> Result<Self, KeyError> {
        if !key.algorithms().contains(&algorithm) {
            return Err(KeyError);
        }
        let signature_bytes = key.signature_bytes();
        Ok(Self { algorithm, signature_bytes, parsed: key.parse(algorithm)? })
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the key made this signature, in JOSE's form, of this message.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == self.signature_bytes
            && self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.algorithm)
    }
}

fn read_spki(spki: &[u8]) -> Option<PublicKey> {
    let mut outer = Reader::new(spki);
    let mut info = outer.sequence()?;
    outer.end()?;
    let mut algorithm = info.sequence()?;
    let bits = info.bits()?;
    info.end()?;
    let oid = algorithm.value(der::OBJECT_IDENTIFIER)?;
    if oid == RSA {
        algorithm.value(der::NULL).filter(|null| null.is_empty())?;
        algorithm.end()?;
        let mut outer = Reader::new(bits);
        let mut numbers = outer.sequence()?;
        outer.end()?;
        let (n, e) = (numbers.unsigned()?.to_vec(), numbers.unsigned()?.to_vec());
        numbers.end()?;
        return Some(PublicKey::Rsa { n, e });
    }
    if oid == EC {
        let oid = algorithm.value(der::OBJECT_IDENTIFIER)?;
        algorithm.end()?;
        let curve = CURVES.into_iter().find(|curve| curve.oid() == oid)?;
        let [UNCOMPRESSED, point @ ..] = bits else { return None };
        let (x, y) = point.split_at_checked(curve.bytes())?;
        return (y.len() == x.len()).then(|| PublicKey::Ec { curve, x: x.to_vec(), y: y.to_vec() });
    }
    algorithm.end()?;
    if oid == ED25519 {
        return Some(PublicKey::Ed25519(bits.to_vec()));
    }
    let set = MlDsa::ALL.into_iter().find(|set| set.oid() == oid)?;
    Some(PublicKey::MlDsa(set, bits.to_vec()))
}

/// RSA-PSS has the salt as long as the hash in all of these; ECDSA signatures are of full width.
fn verification(algorithm: Algorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
        Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
        Algorithm::Es512 => &signature::ECDSA_P521_SHA512_FIXED,
        Algorithm::Es256k => &signature::ECDSA_P256K1_SHA256_FIXED,
        Algorithm::Ed25519 => &signature::ED25519,
        Algorithm::MlDsa44 => &signature::ML_DSA_44,
        Algorithm::MlDsa65 => &signature::ML_DSA_65,
        Algorithm::MlDsa87 => &signature::ML_DSA_87,
    }
}

const CURVES: [Curve; 4] = [Curve::P256, Curve::P384, Curve::P521, Curve::Secp256k1];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// What an uncompressed point begins with (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;
