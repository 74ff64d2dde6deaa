use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    error::KeyError,
    jwk::{Jwk, private_member},
};
use crate::json;

/// The keys of a JWK Set (RFC 7517 section 5).
///
/// ```
/// use countersign_jwt::JwkSet;
///
/// // A key of an unknown type is ignored: an issuer may have added it for other clients.
/// let set = JwkSet::read(br#"{"keys": [{"kty": "future"}]}"#)?;
/// assert_eq!(set, JwkSet(vec![]));
/// # Ok::<(), countersign_jwt::KeyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JwkSet(pub Vec<Jwk>);

impl JwkSet {
    /// Reads a JWK Set. Keys that cannot verify tokens are ignored (RFC 7517 section 5), and so are
    /// other members of the set.
    ///
    /// # Errors
    /// [`KeyError::Json`], [`KeyError::MissingKeys`] or [`KeyError::NotAnObject`] if the text is
    /// not a JWK Set, [`KeyError::DuplicateKeyId`] if two usable keys have the same `kid`, and
    /// [`KeyError::PrivateKeyInSet`] if a key is private or symmetric.
    pub fn read(text: &[u8]) -> Result<Self, KeyError> {
        let members = json::object(text).map_err(KeyError::Json)?;
        let Some(Value::Array(keys)) = members.get("keys") else {
            return Err(KeyError::MissingKeys);
        };
        let (mut set, mut index_by_id) = (Vec::new(), BTreeMap::new());
        for (index, key) in keys.iter().enumerate() {
            let members = key.as_object().ok_or(KeyError::NotAnObject { index })?;
            if let Some(member) = private_member(members) {
                return Err(KeyError::PrivateKeyInSet { index, member });
            }
            let Ok(jwk) = Jwk::from_members(members) else { continue };
            if let Some(id) = jwk.key_id.clone()
                && let Some(first) = index_by_id.insert(id, index)
            {
                return Err(KeyError::DuplicateKeyId { first, second: index });
            }
            set.push(jwk);
        }
        Ok(Self(set))
    }

    /// Returns the JWK Set.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"keys": self.0.iter().map(Jwk::to_json).collect::<Vec<_>>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(mut jwk: Value, key_id: &str) -> Value {
        jwk["kid"] = key_id.into();
        jwk
    }

    #[test]
    fn unusable_keys_are_ignored_and_mistakes_refused() {
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
            ("encryption key", json!([encryption, named(okp.clone(), "a")]), Ok(vec![a])),
            (
                "duplicate kid",
                json!([named(okp.clone(), "a"), {}, named(ec.clone(), "a")]),
                Err(KeyError::DuplicateKeyId { first: 0, second: 2 }),
            ),
            (
                "private key",
                json!([okp, private]),
                Err(KeyError::PrivateKeyInSet { index: 1, member: "d" }),
            ),
            (
                "symmetric key",
                json!([{"kty": "oct", "k": "AAAA"}]),
                Err(KeyError::PrivateKeyInSet { index: 0, member: "k" }),
            ),
            ("number in keys", json!([7]), Err(KeyError::NotAnObject { index: 0 })),
            ("keys is an object", json!({}), Err(KeyError::MissingKeys)),
        ];
        for (name, keys, expected) in rows {
            let ids = read(keys).map(|set| set.0.into_iter().map(|jwk| jwk.key_id).collect());
            assert_eq!(ids, expected, "{name}");
        }
        let set = read(json!([named(okp.clone(), "a"), named(ec, "b")])).unwrap();
        assert_eq!(JwkSet::read(set.to_json().to_string().as_bytes()), Ok(set));
        assert_eq!(JwkSet::read(okp.to_string().as_bytes()), Err(KeyError::MissingKeys));
    }
}
