//! The checks of public keys.

use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};

use super::{error::KeyError, public_key::PublicKey, roca};
use crate::{Algorithm, encoding::hex};

impl PublicKey {
    /// Returns the key if it can be used for verification.
    pub(crate) fn checked(self) -> Result<Self, KeyError> {
        let default = self.algorithms().first().ok_or(KeyError::UnknownKeyType)?;
        self.parse(*default).map(|_| self)
    }

    /// Checks the key, and prepares it for one of its algorithms.
    pub(crate) fn parse(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
        match self {
            Self::Rsa { n, e } => check_rsa(n, e)?,
            Self::Ec { curve, x, y } => {
                for (coordinate, value) in [("x", x), ("y", y)] {
                    let bytes = value.len();
                    if bytes != curve.bytes() {
                        return Err(KeyError::CoordinateLength {
                            curve: *curve,
                            coordinate,
                            bytes,
                        });
                    }
                }
            }
            Self::Ed25519(key) => {
                check_length(algorithm, ED25519_KEY_BYTES, key)?;
                if SMALL_ORDER.iter().any(|point| point[..] == **key) {
                    return Err(KeyError::SmallOrder);
                }
            }
            Self::MlDsa(set, key) => check_length(algorithm, set.public_key_bytes(), key)?,
        }
        ParsedPublicKey::new(verification(algorithm), self.subject_public_key()).map_err(|error| {
            match self {
                Self::Ec { curve, .. } => KeyError::PointNotOnCurve { curve: *curve },
                _ => KeyError::Rejected(error),
            }
        })
    }
}

fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    let leading_zeros = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    match 8 * n.len() - leading_zeros {
        bits @ ..2048 => return Err(KeyError::ModulusTooShort { bits }),
        bits @ 8193.. => return Err(KeyError::ModulusTooLong { bits }),
        _ => {}
    }
    if e.last().is_none_or(|byte| byte & 1 == 0) {
        return Err(KeyError::EvenExponent);
    }
    if e.len() > 4 || *e == [1] {
        return Err(KeyError::ExponentOutOfRange);
    }
    if roca::has_weakness(n) { Err(KeyError::Roca) } else { Ok(()) }
}

fn check_length(algorithm: Algorithm, expected: usize, key: &[u8]) -> Result<(), KeyError> {
    let bytes = key.len();
    if bytes == expected { Ok(()) } else { Err(KeyError::KeyLength { algorithm, expected, bytes }) }
}

/// All of these use a salt as long as the hash for RSA-PSS (RFC 7518 section 3.5), and numbers of
/// full width for ECDSA (RFC 7518 section 3.4).
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

/// RFC 8032 section 5.1.5.
const ED25519_KEY_BYTES: usize = 32;

/// The encodings of the points of edwards25519 whose order divides the cofactor. Under such a key
/// anyone can create signatures. The first two encodings have x = 0 with the sign bit set, which
/// RFC 8032 section 5.1.3 forbids.
const SMALL_ORDER: [[u8; 32]; 10] = [
    hex::decode(b"0100000000000000000000000000000000000000000000000000000000000080"),
    hex::decode(b"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    hex::decode(b"0100000000000000000000000000000000000000000000000000000000000000"),
    hex::decode(b"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    hex::decode(b"0000000000000000000000000000000000000000000000000000000000000000"),
    hex::decode(b"0000000000000000000000000000000000000000000000000000000000000080"),
    hex::decode(b"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    hex::decode(b"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
    hex::decode(b"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    hex::decode(b"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsa_key_outside_of_2048_to_8192_bits_is_refused() {
        let rows = [
            ("2048 bits", 0x80, 256, Ok(())),
            ("2047 bits", 0x7f, 256, Err(KeyError::ModulusTooShort { bits: 2047 })),
            ("8192 bits", 0xff, 1024, Ok(())),
            ("8193 bits", 0x01, 1025, Err(KeyError::ModulusTooLong { bits: 8193 })),
        ];
        for (name, first, bytes, expected) in rows {
            let mut n = vec![0xff; bytes];
            n[0] = first;
            let key = PublicKey::Rsa { n, e: vec![1, 0, 1] };
            assert_eq!(key.checked().map(|_| ()), expected, "{name}");
        }
    }

    #[test]
    fn ed25519_key_of_small_order_is_refused() {
        for point in SMALL_ORDER {
            let key = PublicKey::Ed25519(point.to_vec());
            assert_eq!(key.checked(), Err(KeyError::SmallOrder), "{point:?}");
        }
        // RFC 8037 appendix A.2.
        let key = hex::decode::<32, 64>(
            b"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        );
        assert!(PublicKey::Ed25519(key.to_vec()).checked().is_ok());
    }
}
