use serde_json::{Value, json};

use super::{
    error::KeyError,
    jwk::{Jwk, private_member},
};
use crate::{Algorithm, json};

/// The keys of a JWK Set (RFC 7517 section 5).
///
/// ```
/// use countersign_jwt::JwkSet;
///
/// // A key of an unknown type is no error: an issuer may have added it for other clients.
/// let set = JwkSet::read(br#"{"keys": [{"kty": "future", "kid": "2027-01"}]}"#)?;
/// assert!(set.keys.is_empty());
/// assert_eq!(set.unusable[0].key_id.as_deref(), Some("2027-01"));
/// # Ok::<(), countersign_jwt::KeyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JwkSet {
    /// The keys that can verify tokens. Several may have the same `kid` (RFC 7517 section 4.5).
    pub keys: Vec<Jwk>,
    /// The other keys. A token that names one of them can be neither accepted nor refused.
    pub unusable: Vec<UnusableKey>,
}

/// A key of a JWK Set that cannot verify tokens.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("keys[{index}] cannot be used")]
pub struct UnusableKey {
    /// The position in `keys`, from 0.
    pub index: usize,
    /// `kid`, if it is a string.
    pub key_id: Option<String>,
    /// Why the key cannot be used.
    #[source]
    pub reason: KeyError,
    /// `kty`, if it is a string.
    key_type: Option<String>,
}

impl UnusableKey {
    /// Whether the type of the key has this algorithm.
    #[must_use]
    pub fn may_have(&self, algorithm: Algorithm) -> bool {
        let key_type = match algorithm {
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => "RSA",
            Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 | Algorithm::Es256k => "EC",
            Algorithm::Ed25519 => "OKP",
            Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87 => "AKP",
        };
        self.key_type.as_deref().is_none_or(|own| own == key_type)
    }
}

impl JwkSet {
    /// A set of these keys.
    #[must_use]
    pub fn new(keys: Vec<Jwk>) -> Self {
        Self { keys, unusable: Vec::new() }
    }

    /// Reads your own JWK Set. Other members of the set are ignored.
    ///
    /// # Errors
    /// [`KeyError::Json`], [`KeyError::MissingKeys`] or [`KeyError::NotAnObject`] if the text is
    /// not a JWK Set, and [`KeyError::PrivateKeyInSet`] if a key is private.
    pub fn read(text: &[u8]) -> Result<Self, KeyError> {
        Self::read_keys(text, Err)
    }

    /// Reads a JWK Set that another party publishes. A key with a mistake is unusable, and does not
    /// affect the other keys: not even a private key, although everyone can sign with it.
    ///
    /// ```
    /// use countersign_jwt::{JwkSet, KeyError};
    ///
    /// let text = br#"{"keys": [7, {"kty": "EC", "crv": "P-256", "kid": "leaked", "d": "AAAA"}]}"#;
    /// assert_eq!(JwkSet::read(text), Err(KeyError::NotAnObject { index: 0 }));
    ///
    /// let set = JwkSet::read_of_others(text)?;
    /// assert!(set.keys.is_empty());
    /// let reason = KeyError::PrivateKeyInSet { index: 1, member: "d" };
    /// assert_eq!(set.unusable[1].reason, reason);
    /// # Ok::<(), KeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError::Json`] or [`KeyError::MissingKeys`] if the text is not a JWK Set.
    pub fn read_of_others(text: &[u8]) -> Result<Self, KeyError> {
        Self::read_keys(text, Ok)
    }

    /// `on_mistake` decides whether a mistake makes the key unusable or the whole set.
    fn read_keys(
        text: &[u8],
        on_mistake: fn(KeyError) -> Result<KeyError, KeyError>,
    ) -> Result<Self, KeyError> {
        let members = json::object(text).map_err(KeyError::Json)?;
        let Some(Value::Array(keys)) = members.get("keys") else {
            return Err(KeyError::MissingKeys);
        };
        let mut set = Self::default();
        for (index, key) in keys.iter().enumerate() {
            let Some(members) = key.as_object() else {
                let reason = on_mistake(KeyError::NotAnObject { index })?;
                set.unusable.push(UnusableKey { index, key_id: None, reason, key_type: None });
                continue;
            };
            let text = |name| members.get(name).and_then(Value::as_str).map(str::to_owned);
            let key_type = text("kty");
            // Other clients may share a symmetric key of the set (RFC 7518 section 6.4), and the members of unknown key
            // types can mean anything.
            let is_known = key_type.as_deref().is_none_or(|kty| ASYMMETRIC_TYPES.contains(&kty));
            let jwk = match private_member(members).filter(|_| is_known) {
                Some(member) => Err(on_mistake(KeyError::PrivateKeyInSet { index, member })?),
                None => Jwk::from_members(members),
            };
            match jwk {
                Ok(jwk) => set.keys.push(jwk),
                Err(reason) => {
                    let key_id = text("kid");
                    set.unusable.push(UnusableKey { index, key_id, reason, key_type });
                }
            }
        }
        Ok(set)
    }

    /// Returns the JWK Set of the usable keys.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"keys": self.keys.iter().map(Jwk::to_json).collect::<Vec<_>>()})
    }
}

/// The values of `kty` with the private members of RFC 7518 section 6 and RFC 8037 section 2, and of ML-DSA.
const ASYMMETRIC_TYPES: [&str; 4] = ["RSA", "EC", "OKP", "AKP"];

#[cfg(test)]
mod tests {
    use super::*;

    fn named(mut jwk: Value, key_id: &str) -> Value {
        jwk["kid"] = key_id.into();
        jwk
    }

    #[test]
    fn unusable_keys_are_named_and_mistakes_refused() {
        // RFC 8037 appendix A.2, RFC 7515 appendix A.3.
        let okp = json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        });
        let ec = json!({
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        });
        let read =
            |keys: Value| JwkSet::read(json!({"keys": keys, "more": 1}).to_string().as_bytes());
        let (a, b) = (Some("a".to_owned()), Some("b".to_owned()));
        let encryption = {
            let mut jwk = ec.clone();
            jwk["use"] = "enc".into();
            jwk
        };
        let private = {
            let mut jwk = ec.clone();
            jwk["d"] = "AAAA".into();
            jwk
        };
        let rows = [
            ("no keys", json!([]), Ok(vec![])),
            (
                "two keys",
                json!([named(okp.clone(), "a"), named(ec.clone(), "b")]),
                Ok(vec![a.clone(), b]),
            ),
            ("two keys without kid", json!([okp, ec]), Ok(vec![None, None])),
            (
                "unknown key type",
                json!([{"kty": "PQC"}, named(okp.clone(), "a")]),
                Ok(vec![a.clone()]),
            ),
            (
                "unknown key type with a member that is private in others",
                json!([{"kty": "PQC", "p": "AAAA"}, named(okp.clone(), "a")]),
                Ok(vec![a.clone()]),
            ),
            ("encryption key", json!([encryption, named(okp.clone(), "a")]), Ok(vec![a.clone()])),
            (
                "duplicate kid",
                json!([named(okp.clone(), "a"), {}, named(ec.clone(), "a")]),
                Ok(vec![a.clone(), a.clone()]),
            ),
            (
                "private key",
                json!([okp, private]),
                Err(KeyError::PrivateKeyInSet { index: 1, member: "d" }),
            ),
            (
                "symmetric key",
                json!([{"kty": "oct", "k": "AAAA"}, named(okp.clone(), "a")]),
                Ok(vec![a]),
            ),
            ("number in keys", json!([7]), Err(KeyError::NotAnObject { index: 0 })),
            ("keys is an object", json!({}), Err(KeyError::MissingKeys)),
        ];
        for (name, keys, expected) in rows {
            let ids = read(keys).map(|set| set.keys.into_iter().map(|jwk| jwk.key_id).collect());
            assert_eq!(ids, expected, "{name}");
        }
        let keys =
            json!([named(okp.clone(), "a"), {"kty": "oct", "k": "AAAA", "kid": "s"}, {"kid": 7}]);
        let unusable = read(keys).unwrap().unusable;
        let unusable: Vec<_> =
            unusable.into_iter().map(|key| (key.index, key.key_id, key.reason)).collect();
        let expected = [
            (1, Some("s".to_owned()), KeyError::PrivateKey { member: "k" }),
            (2, None, KeyError::MissingMember { member: "kty" }),
        ];
        assert_eq!(unusable, expected);
        let set = read(json!([named(okp.clone(), "a"), named(ec, "b")])).unwrap();
        assert_eq!(JwkSet::read(set.to_json().to_string().as_bytes()), Ok(set));
        assert_eq!(JwkSet::read(okp.to_string().as_bytes()), Err(KeyError::MissingKeys));
    }

    #[test]
    fn mistake_in_a_set_of_others_affects_its_key_only() {
        let good = json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        });
        let private = {
            let mut jwk = named(good.clone(), "private");
            jwk["d"] = "AAAA".into();
            jwk
        };
        let keys = json!([7, private, {"kty": "oct", "k": "AAAA"}, named(good.clone(), "good"), {"kty": "RSA"}]);
        let set = JwkSet::read_of_others(json!({"keys": keys}).to_string().as_bytes()).unwrap();
        let ids: Vec<_> = set.keys.iter().map(|jwk| jwk.key_id.as_deref()).collect();
        assert_eq!(ids, [Some("good")]);
        let unusable: Vec<_> =
            set.unusable.into_iter().map(|key| (key.index, key.key_id, key.reason)).collect();
        let expected = [
            (0, None, KeyError::NotAnObject { index: 0 }),
            (1, Some("private".to_owned()), KeyError::PrivateKeyInSet { index: 1, member: "d" }),
            (2, None, KeyError::PrivateKey { member: "k" }),
            (4, None, KeyError::MissingMember { member: "n" }),
        ];
        assert_eq!(unusable, expected);
        let missing = JwkSet::read_of_others(good.to_string().as_bytes());
        assert_eq!(missing, Err(KeyError::MissingKeys));
        assert!(matches!(JwkSet::read_of_others(b"<html>"), Err(KeyError::Json(_))));
    }
}
