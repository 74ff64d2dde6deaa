use std::fmt;

use aws_lc_rs::error::KeyRejected;

use super::curve::Curve;
use crate::{Algorithm, encoding::Base64Error, json::JsonError};

/// Why a public key cannot be read or used.
///
/// Messages name members and sizes. They never quote the input, which may contain a private key.
///
/// ```
/// use countersign_jwt::{Jwk, KeyError};
///
/// let error = Jwk::read(br#"{"kty": "OKP", "crv": "Ed25519"}"#);
/// assert_eq!(error, Err(KeyError::MissingMember { member: "x" }));
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is not a JSON object, or has a repeated member name.
    #[error("not a JSON object with unique member names")]
    Json(#[source] JsonError),
    /// A JWK Set has no array `keys` (RFC 7517 section 5).
    #[error("a JWK Set must have an array `keys`")]
    MissingKeys,
    /// An element of `keys` is not an object.
    #[error("keys[{index}] is not an object")]
    NotAnObject {
        /// The position in `keys`, from 0.
        index: usize,
    },
    /// A key of a JWK Set is private. Its publication is a mistake that must be noticed.
    #[error(
        "keys[{index}] has the member `{member}` of a private key, but only public keys are allowed"
    )]
    PrivateKeyInSet {
        /// The position in `keys`, from 0.
        index: usize,
        /// The member.
        member: &'static str,
    },
    /// The JWK is a private or symmetric key.
    #[error(
        "member `{member}` belongs to a private or symmetric key, but a public key is required"
    )]
    PrivateKey {
        /// The member.
        member: &'static str,
    },
    /// The JWK lacks a member that its key type requires.
    #[error("missing member `{member}`")]
    MissingMember {
        /// The member.
        member: &'static str,
    },
    /// A member of the JWK is not a string.
    #[error("member `{member}` must be a string")]
    NotAString {
        /// The member.
        member: &'static str,
    },
    /// A member of the JWK is not base64url.
    #[error("member `{member}` is not base64url without padding")]
    Base64Url {
        /// The member.
        member: &'static str,
        /// The problem with its text.
        source: Base64Error,
    },
    /// `n` or `e` of the JWK is empty or begins with a zero byte (RFC 7518 section 2,
    /// `Base64urlUInt`).
    #[error("member `{member}` must not be empty or begin with a zero byte")]
    LeadingZero {
        /// The member.
        member: &'static str,
    },
    /// `use` is present and neither `sig` (RFC 7517 section 4.2) nor `jwt-svid` (SPIFFE).
    #[error("`use` must be `sig` or `jwt-svid`")]
    Use,
    /// `key_ops` is present and does not allow verification, or is malformed (RFC 7517 section
    /// 4.3).
    #[error("`key_ops` must be an array without repeated values and must contain `verify`")]
    KeyOperations,
    /// `kty`, or the object identifier in a `SubjectPublicKeyInfo`, names another kind of key.
    #[error("unknown key type (supported: RSA, EC, Ed25519 and ML-DSA)")]
    UnknownKeyType,
    /// `crv`, or the object identifier in a `SubjectPublicKeyInfo`, names another curve.
    #[error(
        "unknown curve (supported: P-256, P-384, P-521 and secp256k1 for EC keys, Ed25519 for OKP \
         keys)"
    )]
    UnknownCurve,
    /// The JWK has `crv`, but its key type has no curves.
    #[error("keys of this `kty` have no curve: remove `crv`")]
    UnexpectedCurve,
    /// `alg` is not the name of a supported algorithm.
    #[error("`alg` {}", crate::UnknownAlgorithm)]
    UnknownAlgorithm,
    /// `alg`, or the requested algorithm, is not one that the key can have.
    #[error("the key cannot have the algorithm {algorithm} (possible: {})", AlgorithmNames(.possible))]
    AlgorithmMismatch {
        /// The algorithm.
        algorithm: Algorithm,
        /// The algorithms that the key can have.
        possible: &'static [Algorithm],
    },
    /// The text does not start and end with the boundaries of a public key.
    #[error("not PEM of one public key (-----BEGIN PUBLIC KEY-----)")]
    Pem,
    /// The text between the boundaries of the PEM is not base64.
    #[error("the PEM body is not base64")]
    PemBase64(#[source] Base64Error),
    /// The bytes are not a canonical DER-encoded `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7).
    #[error("not a DER-encoded SubjectPublicKeyInfo")]
    SubjectPublicKeyInfo,
    /// The bytes are not a DER-encoded certificate (RFC 5280 section 4.1).
    #[error("not a DER-encoded X.509 certificate")]
    Certificate,
    /// The point in a `SubjectPublicKeyInfo` is compressed or empty (SEC 1 section 2.3.3).
    #[error("the public key is a compressed point: convert it to the uncompressed form")]
    PointForm,
    /// A coordinate does not have the width of its curve.
    #[error("coordinate `{coordinate}` has {bytes} bytes, but {curve} requires {}", .curve.bytes())]
    CoordinateLength {
        /// The curve.
        curve: Curve,
        /// `x` or `y`.
        coordinate: &'static str,
        /// The number of bytes found.
        bytes: usize,
    },
    /// The coordinates are not those of a point on the curve.
    #[error("the point is not on {curve}")]
    PointNotOnCurve {
        /// The curve.
        curve: Curve,
    },
    /// An Ed25519 or ML-DSA key does not have the length of its algorithm.
    #[error("the key has {bytes} bytes, but {algorithm} requires {expected}")]
    KeyLength {
        /// The algorithm.
        algorithm: Algorithm,
        /// The number of bytes that its keys have.
        expected: usize,
        /// The number of bytes found.
        bytes: usize,
    },
    /// The Ed25519 key has small order: anyone can create signatures that verify.
    #[error("the Ed25519 key is a point of small order")]
    SmallOrder,
    /// The RSA modulus has less than 2048 bits (RFC 7518 section 3.3).
    #[error("the RSA modulus has {bits} bits, but at least 2048 are required")]
    ModulusTooShort {
        /// The number of bits found.
        bits: usize,
    },
    /// The RSA modulus has more than 8192 bits: verification would take too long.
    #[error("the RSA modulus has {bits} bits, but at most 8192 are allowed")]
    ModulusTooLong {
        /// The number of bits found.
        bits: usize,
    },
    /// The RSA modulus has the form of keys whose private key can be computed (ROCA,
    /// CVE-2017-15361).
    #[error("the RSA key has the ROCA weakness (CVE-2017-15361): replace it")]
    Roca,
    /// The RSA exponent is even.
    #[error("the RSA exponent is even")]
    EvenExponent,
    /// The RSA exponent is 1, or longer than four bytes.
    #[error("the RSA exponent must be between 3 and 2^32 - 1")]
    ExponentOutOfRange,
    /// The cryptographic library does not accept the key for another reason.
    #[error("the cryptographic library rejects the key")]
    Rejected(#[source] KeyRejected),
}

/// Names of algorithms, separated by commas.
struct AlgorithmNames<'a>(&'a [Algorithm]);

impl fmt::Display for AlgorithmNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, algorithm) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}{algorithm}")?;
        }
        Ok(())
    }
}
