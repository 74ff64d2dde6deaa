use std::fmt;

use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};

use crate::{
    Algorithm, Curve,
    der::{self, Reader},
    hex::hex,
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
        let sound = match self {
            Self::Rsa { n, e } => {
                let zeros = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
                let odd = e.last().is_some_and(|byte| byte & 1 == 1);
                (2048..=8192).contains(&(8 * n.len() - zeros)) && odd && e.len() <= 4 && **e != [1]
            }
            Self::Ed25519(key) => !SMALL_ORDER.iter().any(|point| point[..] == **key),
            Self::Ec { .. } | Self::MlDsa(..) => true,
        };
        if !sound {
            return Err(KeyError);
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
/// The points of edwards25519 whose order divides the cofactor, and the two of them without a first
/// coordinate with the sign that RFC 8032 section 5.1.3 does not allow them: under such a key
/// anybody can make signatures.
const SMALL_ORDER: [[u8; 32]; 10] = [
    hex(b"0100000000000000000000000000000000000000000000000000000000000080"),
    hex(b"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    hex(b"0100000000000000000000000000000000000000000000000000000000000000"),
    hex(b"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    hex(b"0000000000000000000000000000000000000000000000000000000000000000"),
    hex(b"0000000000000000000000000000000000000000000000000000000000000080"),
    hex(b"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    hex(b"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
    hex(b"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    hex(b"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
];
/// What an uncompressed point begins with (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.2.
    const ED25519_KEY: [u8; 32] =
        hex(b"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");

    #[test]
    fn public_keys_have_one_spelling() {
        let sequence = |parts: &[&[u8]]| der::write(der::SEQUENCE, &parts.concat());
        let oid = |oid: &[u8]| der::write(der::OBJECT_IDENTIFIER, oid);
        let bits = |bits: &[u8]| der::write_bits(bits);
        let null = der::write(der::NULL, &[]);
        let mut n = vec![0xff; 256];
        n[0] = 0x80;
        let rsa =
            |n: &[u8], e: &[u8]| sequence(&[&der::write_unsigned(n), &der::write_unsigned(e)]);
        let key = rsa(&n, &[3]);
        let good = PublicKey::Rsa { n: n.clone(), e: vec![3] };
        let rsa_info = sequence(&[&oid(RSA), &null]);
        let good_spki = sequence(&[&rsa_info, &bits(&key)]);
        assert_eq!(PublicKey::from_spki(&good_spki), Ok(good.clone()));
        assert_eq!(good.to_spki(), good_spki);
        let ed25519 = sequence(&[&sequence(&[&oid(ED25519)]), &bits(&ED25519_KEY)]);
        assert!(PublicKey::from_spki(&ed25519).is_ok());
        let p256 = |info: &[u8], point: &[u8]| sequence(&[info, &bits(point)]);
        let p256_info = sequence(&[&oid(EC), &oid(Curve::P256.oid())]);
        let mut short = n.clone();
        short[0] = 0x7f;
        let rows = [
            ("nothing", vec![]),
            ("more behind it", [&*good_spki, &[0]].concat()),
            ("more in it", sequence(&[&rsa_info, &bits(&key), &null])),
            ("no parameters", sequence(&[&sequence(&[&oid(RSA)]), &bits(&key)])),
            ("other parameters", sequence(&[&sequence(&[&oid(RSA), &oid(RSA)]), &bits(&key)])),
            ("a NULL with something in it", {
                let null = der::write(der::NULL, &[0]);
                sequence(&[&sequence(&[&oid(RSA), &null]), &bits(&key)])
            }),
            ("more parameters", sequence(&[&sequence(&[&oid(RSA), &null, &null]), &bits(&key)])),
            ("more behind the numbers", sequence(&[&rsa_info, &bits(&[&*key, &[0]].concat())])),
            ("a third number", {
                let three =
                    [n.clone(), vec![3], vec![3]].map(|number| der::write_unsigned(&number));
                sequence(&[&rsa_info, &bits(&der::write(der::SEQUENCE, &three.concat()))])
            }),
            ("2047 bits", sequence(&[&rsa_info, &bits(&rsa(&short, &[3]))])),
            ("an even exponent", sequence(&[&rsa_info, &bits(&rsa(&n, &[4]))])),
            ("an unknown kind", sequence(&[&sequence(&[&oid(&[1, 2])]), &bits(&ED25519_KEY)])),
            ("Ed25519 with parameters", {
                sequence(&[&sequence(&[&oid(ED25519), &null]), &bits(&ED25519_KEY)])
            }),
            ("a short Ed25519", sequence(&[&sequence(&[&oid(ED25519)]), &bits(&[1; 31])])),
            ("a compressed point", p256(&p256_info, &[&[2][..], &[1; 32]].concat())),
            ("a point that is not there", p256(&p256_info, &[4])),
            ("a point off its curve", p256(&p256_info, &[&[4][..], &[1; 64]].concat())),
            ("a point too long", p256(&p256_info, &[&[4][..], &[1; 66]].concat())),
            ("no curve", p256(&sequence(&[&oid(EC)]), &[&[4][..], &[1; 64]].concat())),
            ("an unknown curve", {
                p256(&sequence(&[&oid(EC), &oid(RSA)]), &[&[4][..], &[1; 64]].concat())
            }),
            ("a short ML-DSA", {
                sequence(&[&sequence(&[&oid(MlDsa::MlDsa44.oid())]), &bits(&[1; 1311])])
            }),
        ];
        for (name, spki) in rows {
            assert_eq!(PublicKey::from_spki(&spki), Err(KeyError), "{name}");
        }
    }

    #[test]
    fn an_rsa_key_is_of_2048_to_8192_bits() {
        for (first, bytes, expected) in
            [(0x80, 256, true), (0x7f, 256, false), (0xff, 1024, true), (0x01, 1025, false)]
        {
            let mut n = vec![0xff; bytes];
            n[0] = first;
            let key = PublicKey::Rsa { n, e: vec![1, 0, 1] };
            assert_eq!(key.checked().is_ok(), expected, "{first} {bytes}");
        }
    }

    #[test]
    fn a_key_under_which_anybody_can_sign_is_none() {
        for point in SMALL_ORDER {
            assert_eq!(PublicKey::Ed25519(point.to_vec()).checked(), Err(KeyError), "{point:?}");
        }
        assert!(PublicKey::Ed25519(ED25519_KEY.to_vec()).checked().is_ok());
    }

    #[test]
    fn a_key_is_used_with_its_own_algorithms_alone() {
        let key = PublicKey::Ed25519(ED25519_KEY.to_vec());
        assert!(VerifyingKey::new(&key, Algorithm::Ed25519).is_ok());
        assert!(VerifyingKey::new(&key, Algorithm::Es256).is_err());
    }
}
