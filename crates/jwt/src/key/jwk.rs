use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{curve::Curve, error::KeyError, ml_dsa::MlDsa, public_key::PublicKey};
use crate::{Algorithm, encoding::base64url, json};

/// A public key with its metadata (RFC 7517 section 4).
///
/// ```
/// use countersign_jwt::{Algorithm, Jwk};
///
/// // RFC 8037 appendix A.2.
/// let text = br#"{
///     "kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "kid": "2026-01",
///     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
/// }"#;
/// let jwk = Jwk::read(text)?;
/// assert_eq!(jwk.key_id.as_deref(), Some("2026-01"));
/// assert_eq!(jwk.algorithm, Some(Algorithm::Ed25519));
/// # Ok::<(), countersign_jwt::KeyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// The key.
    pub key: PublicKey,
    /// `kid`: the identifier that tokens use for this key.
    pub key_id: Option<String>,
    /// `alg`: the only algorithm that the key may be used with. `None` allows all of
    /// [`PublicKey::algorithms`].
    pub algorithm: Option<Algorithm>,
}

impl Jwk {
    /// A key without an identifier, for all its algorithms.
    #[must_use]
    pub const fn new(key: PublicKey) -> Self {
        Self { key, key_id: None, algorithm: None }
    }

    /// Reads a JWK of a key that verifies signatures. Unknown members are ignored.
    ///
    /// # Errors
    /// A [`KeyError`] if the text is not strict JSON, a member is missing or malformed, the key is
    /// not valid, `use`, `key_ops` or `alg` do not allow verification with this key, or the key is
    /// private or symmetric.
    pub fn read(text: &[u8]) -> Result<Self, KeyError> {
        Self::from_members(&json::object(text).map_err(KeyError::Json)?)
    }

    pub(crate) fn from_members(members: &Map<String, Value>) -> Result<Self, KeyError> {
        if let Some(member) = private_member(members) {
            return Err(KeyError::PrivateKey { member });
        }
        let members = JwkMembers(members);
        if members.text("use")?.is_some_and(|purpose| !PURPOSES.contains(&purpose)) {
            return Err(KeyError::Use);
        }
        if members.0.get("key_ops").is_some_and(|operations| !allows_verification(operations)) {
            return Err(KeyError::KeyOperations);
        }
        let name = members.text("alg")?;
        let algorithm =
            name.map(|name| Algorithm::from_name(name).ok_or(KeyError::UnknownAlgorithm));
        let algorithm = algorithm.transpose()?;
        let key = members.key(algorithm)?;
        let possible = key.algorithms();
        if let Some(algorithm) = algorithm.filter(|algorithm| !possible.contains(algorithm)) {
            return Err(KeyError::AlgorithmMismatch { algorithm, possible });
        }
        let key_id = members.text("kid")?.map(str::to_owned);
        Ok(Self { key: key.checked()?, key_id, algorithm })
    }

    /// Returns the JWK with `use` set to `sig`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut members = self.key.required_members();
        members.insert("use".into(), "sig".into());
        if let Some(key_id) = &self.key_id {
            members.insert("kid".into(), key_id.as_str().into());
        }
        if let Some(algorithm) = self.algorithm {
            members.insert("alg".into(), algorithm.name().into());
        }
        Value::Object(members)
    }
}

/// The member by which a JWK is a private or symmetric key (RFC 7518 sections 6.2.2, 6.3.2 and 6.4,
/// RFC 8037 section 2, RFC 9964).
pub(crate) fn private_member(members: &Map<String, Value>) -> Option<&'static str> {
    PRIVATE_MEMBERS.into_iter().find(|name| members.contains_key(*name))
}

struct JwkMembers<'a>(&'a Map<String, Value>);

impl<'a> JwkMembers<'a> {
    fn text(&self, member: &'static str) -> Result<Option<&'a str>, KeyError> {
        match self.0.get(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(KeyError::NotAString { member }),
        }
    }

    fn required(&self, member: &'static str) -> Result<&'a str, KeyError> {
        self.text(member)?.ok_or(KeyError::MissingMember { member })
    }

    fn bytes(&self, member: &'static str) -> Result<Vec<u8>, KeyError> {
        let text = self.required(member)?;
        base64url::decode(text).map_err(|source| KeyError::Base64Url { member, source })
    }

    /// RFC 7518 section 2: a `Base64urlUInt` has the minimum number of bytes.
    fn number(&self, member: &'static str) -> Result<Vec<u8>, KeyError> {
        let number = self.bytes(member)?;
        match &*number {
            [] | [0, ..] => Err(KeyError::LeadingZero { member }),
            _ => Ok(number),
        }
    }

    fn key(&self, algorithm: Option<Algorithm>) -> Result<PublicKey, KeyError> {
        let missing = |member| KeyError::MissingMember { member };
        Ok(match (self.required("kty")?, self.text("crv")?) {
            ("RSA" | "AKP", Some(_)) => return Err(KeyError::UnexpectedCurve),
            ("EC" | "OKP", None) => return Err(missing("crv")),
            ("RSA", None) => PublicKey::Rsa { n: self.number("n")?, e: self.number("e")? },
            ("EC", Some(name)) => {
                let curve = Curve::from_name(name).ok_or(KeyError::UnknownCurve)?;
                PublicKey::Ec { curve, x: self.bytes("x")?, y: self.bytes("y")? }
            }
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519(self.bytes("x")?),
            ("OKP", Some(_)) => return Err(KeyError::UnknownCurve),
            // RFC 9964: `alg` is required, and selects the parameter set.
            ("AKP", None) => {
                let algorithm = algorithm.ok_or(missing("alg"))?;
                let set = MlDsa::ALL.into_iter().find(|set| set.algorithm() == algorithm);
                let possible = &MlDsa::ALGORITHMS;
                let set = set.ok_or(KeyError::AlgorithmMismatch { algorithm, possible })?;
                PublicKey::MlDsa(set, self.bytes("pub")?)
            }
            _ => return Err(KeyError::UnknownKeyType),
        })
    }
}

/// RFC 7517 section 4.3: an array of strings without duplicates.
fn allows_verification(operations: &Value) -> bool {
    let Some(operations) = operations.as_array() else { return false };
    let names: BTreeSet<_> = operations.iter().filter_map(Value::as_str).collect();
    names.len() == operations.len() && names.contains("verify")
}

/// RFC 7517 section 4.2, and SPIFFE Trust Domain and Bundle section 4.2.3 for keys that sign JWT-SVIDs.
const PURPOSES: [&str; 2] = ["sig", "jwt-svid"];

const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

#[cfg(test)]
mod tests {
    use std::error::Error;

    use serde_json::json;

    use super::*;
    use crate::{JwkSet, encoding::Base64Error, json::JsonError};

    /// RFC 8037 appendix A.2.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    /// RFC 7515 appendix A.3.
    const EC: (&str, &str) = (
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    );

    fn okp() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": X})
    }

    fn ec() -> Value {
        json!({"kty": "EC", "crv": "P-256", "x": EC.0, "y": EC.1})
    }

    fn rsa(bits: usize, e: &[u8]) -> Value {
        let mut n = vec![0xff; bits / 8];
        n[0] = 0x81;
        json!({"kty": "RSA", "n": base64url::encode(n), "e": base64url::encode(e)})
    }

    fn with(mut jwk: Value, member: &str, value: impl Into<Value>) -> Value {
        jwk[member] = value.into();
        jwk
    }

    fn without(mut jwk: Value, member: &str) -> Value {
        jwk.as_object_mut().unwrap().remove(member);
        jwk
    }

    fn assert_refused<const ROWS: usize>(rows: [(&str, Value, KeyError); ROWS]) {
        for (name, jwk, expected) in rows {
            assert_eq!(Jwk::read(jwk.to_string().as_bytes()), Err(expected), "{name}");
        }
    }

    #[test]
    fn valid_public_key_is_read() {
        let rows = [
            ("Ed25519", okp()),
            ("P-256", ec()),
            ("RSA", rsa(2048, &[1, 0, 1])),
            ("RSA with exponent 3", rsa(2048, &[3])),
            ("use sig", with(okp(), "use", "sig")),
            ("use jwt-svid", with(okp(), "use", "jwt-svid")),
            ("key_ops verify", with(okp(), "key_ops", json!(["verify"]))),
            ("alg of the key", with(okp(), "alg", "Ed25519")),
            ("deprecated alg of the key", with(okp(), "alg", "EdDSA")),
            ("unknown member", with(okp(), "x5t", 7)),
        ];
        for (name, jwk) in rows {
            assert_eq!(Jwk::read(jwk.to_string().as_bytes()).err(), None, "{name}");
        }
    }

    #[test]
    fn unsuitable_or_incomplete_key_is_refused() {
        let missing = |member| KeyError::MissingMember { member };
        let not_a_string = |member| KeyError::NotAString { member };
        let mismatch = |possible| {
            let algorithm = Algorithm::Es256;
            KeyError::AlgorithmMismatch { algorithm, possible }
        };
        let with_key_ops = |value| with(okp(), "key_ops", value);
        assert_refused([
            ("array", json!([]), KeyError::Json(JsonError::NotAnObject)),
            ("kty is missing", json!({"x": X}), missing("kty")),
            ("kty is a number", with(okp(), "kty", 7), not_a_string("kty")),
            ("kty is unknown", with(okp(), "kty", "PQC"), KeyError::UnknownKeyType),
            ("kid is a number", with(okp(), "kid", 7), not_a_string("kid")),
            ("use enc", with(okp(), "use", "enc"), KeyError::Use),
            ("use x509-svid", with(okp(), "use", "x509-svid"), KeyError::Use),
            ("empty use", with(okp(), "use", ""), KeyError::Use),
            ("key_ops sign", with_key_ops(json!(["sign"])), KeyError::KeyOperations),
            (
                "key_ops with a duplicate",
                with_key_ops(json!(["verify", "verify"])),
                KeyError::KeyOperations,
            ),
            ("key_ops with a number", with_key_ops(json!(["verify", 7])), KeyError::KeyOperations),
            ("key_ops is a string", with_key_ops(json!("verify")), KeyError::KeyOperations),
            ("alg none", with(okp(), "alg", "none"), KeyError::UnknownAlgorithm),
            (
                "alg of another key type",
                with(okp(), "alg", "ES256"),
                mismatch(&[Algorithm::Ed25519]),
            ),
            (
                "AKP with the alg of another key type",
                json!({"kty": "AKP", "alg": "ES256", "pub": X}),
                mismatch(&MlDsa::ALGORITHMS),
            ),
            ("AKP without alg", json!({"kty": "AKP", "pub": X}), missing("alg")),
            ("OKP with an unknown curve", with(okp(), "crv", "Ed448"), KeyError::UnknownCurve),
            ("EC with an unknown curve", with(ec(), "crv", "P-192"), KeyError::UnknownCurve),
            ("OKP without a curve", without(okp(), "crv"), missing("crv")),
            (
                "RSA with a curve",
                with(rsa(2048, &[1, 0, 1]), "crv", "P-256"),
                KeyError::UnexpectedCurve,
            ),
            ("y is null", with(ec(), "y", Value::Null), not_a_string("y")),
            ("y is missing", without(ec(), "y"), missing("y")),
        ]);
    }

    #[test]
    fn key_with_an_invalid_value_is_refused() {
        let coordinate =
            |curve, coordinate, bytes| KeyError::CoordinateLength { curve, coordinate, bytes };
        let length =
            |algorithm, expected, bytes| KeyError::KeyLength { algorithm, expected, bytes };
        let leading_zero = |member| KeyError::LeadingZero { member };
        let point = [EC.0, EC.1].map(|part| base64url::decode(part).unwrap()).concat();
        let (x, y) = point.split_at(31);
        let moved = with(with(ec(), "x", base64url::encode(x)), "y", base64url::encode(y));
        let padded = base64url::encode([&[0][..], &[0xff; 256]].concat());
        let ed25519 = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let spki = [&ed25519[..], &base64url::decode(X).unwrap()].concat();
        assert_refused([
            (
                "x with padding",
                with(okp(), "x", format!("{X}=")),
                KeyError::Base64Url { member: "x", source: Base64Error::Padding },
            ),
            ("Ed25519 of 3 bytes", with(okp(), "x", "AAAA"), length(Algorithm::Ed25519, 32, 3)),
            (
                "Ed25519 in a SubjectPublicKeyInfo",
                with(okp(), "x", base64url::encode(spki)),
                length(Algorithm::Ed25519, 32, 44),
            ),
            (
                "ML-DSA-44 of 32 bytes",
                json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": X}),
                length(Algorithm::MlDsa44, 1312, 32),
            ),
            (
                "point that is not on the curve",
                with(ec(), "y", EC.0),
                KeyError::PointNotOnCurve { curve: Curve::P256 },
            ),
            ("x of 3 bytes", with(ec(), "x", "AAAA"), coordinate(Curve::P256, "x", 3)),
            ("coordinates of 31 and 33 bytes", moved, coordinate(Curve::P256, "x", 31)),
            (
                "curve of another width",
                with(ec(), "crv", "P-384"),
                coordinate(Curve::P384, "x", 32),
            ),
            (
                "other curve of the same width",
                with(ec(), "crv", "secp256k1"),
                KeyError::PointNotOnCurve { curve: Curve::Secp256k1 },
            ),
            ("RSA of 1024 bits", rsa(1024, &[1, 0, 1]), KeyError::ModulusTooShort { bits: 1024 }),
            ("RSA of 2040 bits", rsa(2040, &[1, 0, 1]), KeyError::ModulusTooShort { bits: 2040 }),
            ("RSA of 8200 bits", rsa(8200, &[1, 0, 1]), KeyError::ModulusTooLong { bits: 8200 }),
            ("modulus with a leading zero", with(rsa(2048, &[3]), "n", padded), leading_zero("n")),
            ("exponent with a leading zero", rsa(2048, &[0, 3]), leading_zero("e")),
            ("empty exponent", rsa(2048, &[]), leading_zero("e")),
            ("exponent 2", rsa(2048, &[2]), KeyError::EvenExponent),
            ("exponent 1", rsa(2048, &[1]), KeyError::ExponentOutOfRange),
            ("exponent of five bytes", rsa(2048, &[1, 0, 0, 0, 1]), KeyError::ExponentOutOfRange),
        ]);
    }

    #[test]
    fn private_or_symmetric_key_is_refused() {
        let symmetric = json!({"kty": "oct", "k": "AAAA"});
        assert_refused([("symmetric key", symmetric, KeyError::PrivateKey { member: "k" })]);
        for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
            let private = with(okp(), member, X);
            let read = Jwk::read(private.to_string().as_bytes());
            assert_eq!(read, Err(KeyError::PrivateKey { member }));
            let set = json!({"keys": [okp(), private]}).to_string();
            let expected = KeyError::PrivateKeyInSet { index: 1, member };
            assert_eq!(JwkSet::read(set.as_bytes()), Err(expected));
        }
    }

    #[test]
    fn error_keeps_its_source() {
        let repeated = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"AAAA","x":"{X}"}}"#);
        let error = Jwk::read(repeated.as_bytes()).unwrap_err();
        assert!(matches!(error, KeyError::Json(JsonError::NotStrict { .. })), "{error:?}");
        assert!(error.source().is_some_and(<dyn Error>::is::<JsonError>));
        let error = Jwk::read(with(okp(), "x", "?").to_string().as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "member `x` is not base64url without padding");
        let source = error.source().map(ToString::to_string);
        let expected = "the character at offset 0 is not in the base64 alphabet";
        assert_eq!(source.as_deref(), Some(expected));
    }
}
