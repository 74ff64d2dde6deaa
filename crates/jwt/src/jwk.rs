use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use crate::{Algorithm, Curve, KeyError, MlDsa, PublicKey, base64url, json};

/// A public key with what is said of it (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// The key.
    pub key: PublicKey,
    /// `kid`.
    pub key_id: Option<String>,
    /// `alg`: the only algorithm that the key is for.
    pub algorithm: Option<Algorithm>,
}

impl Jwk {
    /// Reads a JWK that signatures are verified with.
    ///
    /// # Errors
    /// When it is malformed, of another kind or for another use, when its `alg` is not one that the
    /// key can have, and when there is a private or a symmetric key in it.
    pub fn read(text: &[u8]) -> Result<Self, KeyError> {
        Self::from_members(&json::object(text).map_err(|_| KeyError)?)
    }

    fn from_members(members: &Map<String, Value>) -> Result<Self, KeyError> {
        if PRIVATE.iter().any(|name| members.contains_key(*name)) {
            return Err(KeyError);
        }
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(KeyError),
        };
        if text("use")?.is_some_and(|purpose| purpose != "sig") {
            return Err(KeyError);
        }
        if members.get("key_ops").is_some_and(|operations| !may_verify(operations)) {
            return Err(KeyError);
        }
        let alg = text("alg")?;
        let algorithm = alg.map(|name| Algorithm::from_name(name).ok_or(KeyError)).transpose()?;
        let bytes = |name: &str| base64url::decode(text(name)?.ok_or(KeyError)?).ok_or(KeyError);
        let key = match (text("kty")?.ok_or(KeyError)?, text("crv")?) {
            ("RSA", None) => PublicKey::Rsa { n: number(bytes("n")?)?, e: number(bytes("e")?)? },
            ("EC", Some(name)) => {
                let curve = Curve::from_name(name).ok_or(KeyError)?;
                let (x, y) = (bytes("x")?, bytes("y")?);
                if [&x, &y].iter().any(|coordinate| coordinate.len() != curve.bytes()) {
                    return Err(KeyError);
                }
                PublicKey::Ec { curve, x, y }
            }
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519(bytes("x")?),
            ("AKP", None) => {
                let set = MlDsa::ALL.into_iter().find(|set| Some(set.algorithm()) == algorithm);
                PublicKey::MlDsa(set.ok_or(KeyError)?, bytes("pub")?)
            }
            _ => return Err(KeyError),
        };
        if algorithm.is_some_and(|algorithm| !key.algorithms().contains(&algorithm)) {
            return Err(KeyError);
        }
        Ok(Self { key: key.checked()?, key_id: text("kid")?.map(str::to_owned), algorithm })
    }

    /// The JWK, for verifying signatures and nothing else.
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

impl PublicKey {
    /// The key's SHA-256 thumbprint (RFC 7638), in base64url: the same for the same key, whatever
    /// else its JWK says.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        // Members come in the order of their names, and none needs escaping.
        let canonical = Value::Object(self.required_members()).to_string();
        base64url::encode(digest(&SHA256, canonical.as_bytes()))
    }

    /// The members that make the key (RFC 7638 section 3.2, RFC 8037 section 2, RFC 9964).
    fn required_members(&self) -> Map<String, Value> {
        let text = |bytes: &[u8]| base64url::encode(bytes);
        let members = match self {
            Self::Rsa { n, e } => json!({"kty": "RSA", "n": text(n), "e": text(e)}),
            Self::Ec { curve, x, y } => {
                json!({"kty": "EC", "crv": curve.name(), "x": text(x), "y": text(y)})
            }
            Self::Ed25519(key) => json!({"kty": "OKP", "crv": "Ed25519", "x": text(key)}),
            Self::MlDsa(set, key) => {
                json!({"kty": "AKP", "alg": set.algorithm().name(), "pub": text(key)})
            }
        };
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }
}

impl Curve {
    const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Secp256k1 => "secp256k1",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let all = [Self::P256, Self::P384, Self::P521, Self::Secp256k1];
        all.into_iter().find(|curve| curve.name() == name)
    }
}

/// Several keys (RFC 7517 section 5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JwkSet(pub Vec<Jwk>);

impl JwkSet {
    /// Reads a set. A key in it that could not verify a token is passed over, as the RFC wants it,
    /// and so are further members of the set.
    ///
    /// # Errors
    /// When it is no set, when two of its keys have one id, and when a private or a symmetric key
    /// stands in it: whoever publishes that has made a mistake that must be seen.
    pub fn read(text: &[u8]) -> Result<Self, KeyError> {
        let members = json::object(text).map_err(|_| KeyError)?;
        let Some(Value::Array(keys)) = members.get("keys") else { return Err(KeyError) };
        let (mut set, mut ids) = (Vec::new(), BTreeSet::new());
        for key in keys {
            let members = key.as_object().ok_or(KeyError)?;
            if PRIVATE.iter().any(|name| members.contains_key(*name)) {
                return Err(KeyError);
            }
            let Ok(key) = Jwk::from_members(members) else { continue };
            if key.key_id.clone().is_some_and(|id| !ids.insert(id)) {
                return Err(KeyError);
            }
            set.push(key);
        }
        Ok(Self(set))
    }

    /// The set.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"keys": self.0.iter().map(Jwk::to_json).collect::<Vec<_>>()})
    }
}

/// RFC 7518 section 6.3.1: no zeros before a number.
fn number(bytes: Vec<u8>) -> Result<Vec<u8>, KeyError> {
    if matches!(&*bytes, [] | [0, ..]) { Err(KeyError) } else { Ok(bytes) }
}

/// RFC 7517 section 4.3: strings, each of them once.
fn may_verify(operations: &Value) -> bool {
    let Some(operations) = operations.as_array() else { return false };
    let names: BTreeSet<_> = operations.iter().filter_map(Value::as_str).collect();
    names.len() == operations.len() && names.contains("verify")
}

/// The members of private and symmetric keys.
const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.2, RFC 7515 appendix A.3.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
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

    #[test]
    fn keys() {
        let good = [
            ("Ed25519", okp()),
            ("P-256", ec()),
            ("RSA", rsa(2048, &[1, 0, 1])),
            ("RSA of another exponent", rsa(2048, &[3])),
            ("for signatures", with(okp(), "use", "sig")),
            ("for verifying", with(okp(), "key_ops", json!(["verify"]))),
            ("of its algorithm", with(okp(), "alg", "Ed25519")),
            ("of its former name", with(okp(), "alg", "EdDSA")),
            ("with more to say", with(okp(), "x5t", 7)),
        ];
        for (name, jwk) in good {
            assert!(Jwk::read(jwk.to_string().as_bytes()).is_ok(), "{name}");
        }
        let bad = [
            ("not an object", json!([])),
            ("of no kind", json!({"x": X})),
            ("of an unknown kind", with(okp(), "kty", "PQC")),
            ("symmetric", json!({"kty": "oct", "k": "AAAA"})),
            ("for encryption", with(okp(), "use", "enc")),
            ("for signing", with(okp(), "key_ops", json!(["sign"]))),
            ("for verifying twice", with(okp(), "key_ops", json!(["verify", "verify"]))),
            ("for verifying and 7", with(okp(), "key_ops", json!(["verify", 7]))),
            ("a zero before the modulus", {
                let n = [&[0][..], &[0xff; 256]].concat();
                with(rsa(2048, &[3]), "n", base64url::encode(n))
            }),
            ("for nothing", with(okp(), "key_ops", json!("verify"))),
            ("of another algorithm", with(okp(), "alg", "ES256")),
            ("of an unknown algorithm", with(okp(), "alg", "none")),
            ("of another curve", with(okp(), "crv", "Ed448")),
            ("RSA with a curve", with(rsa(2048, &[1, 0, 1]), "crv", "P-256")),
            ("a short key", with(okp(), "x", "AAAA")),
            ("padded", with(okp(), "x", format!("{X}="))),
            ("not on its curve", with(ec(), "y", EC.0)),
            ("a short coordinate", with(ec(), "x", "AAAA")),
            ("coordinates cut at another place", {
                let point = [EC.0, EC.1].map(|part| base64url::decode(part).unwrap()).concat();
                let (x, y) = point.split_at(31);
                with(with(ec(), "x", base64url::encode(x)), "y", base64url::encode(y))
            }),
            ("without a coordinate", with(ec(), "y", Value::Null)),
            ("on another curve", with(ec(), "crv", "P-384")),
            ("on another curve of the width", with(ec(), "crv", "secp256k1")),
            ("RSA of 1024 bits", rsa(1024, &[1, 0, 1])),
            ("RSA of 2040 bits", rsa(2040, &[1, 0, 1])),
            ("RSA of 8200 bits", rsa(8200, &[1, 0, 1])),
            ("an even exponent", rsa(2048, &[2])),
            ("an exponent of one", rsa(2048, &[1])),
            ("a huge exponent", rsa(2048, &[1, 0, 0, 0, 1])),
            ("a zero before the exponent", rsa(2048, &[0, 3])),
            ("no exponent", rsa(2048, &[])),
            ("AKP without its algorithm", json!({"kty": "AKP", "pub": X})),
            ("AKP of another algorithm", json!({"kty": "AKP", "alg": "ES256", "pub": X})),
            ("a short AKP", json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": X})),
            ("a kid that is a number", with(okp(), "kid", 7)),
        ];
        for (name, jwk) in bad {
            assert_eq!(Jwk::read(jwk.to_string().as_bytes()), Err(KeyError), "{name}");
        }
        for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
            let private = with(okp(), name, X);
            assert_eq!(Jwk::read(private.to_string().as_bytes()), Err(KeyError), "{name}");
            let set = json!({"keys": [private]}).to_string();
            assert_eq!(JwkSet::read(set.as_bytes()), Err(KeyError), "{name}");
        }
        let twice = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"AAAA","x":"{X}"}}"#);
        assert_eq!(Jwk::read(twice.as_bytes()), Err(KeyError));
    }

    #[test]
    fn sets() {
        let keys =
            |keys: Value| JwkSet::read(json!({"keys": keys, "more": 1}).to_string().as_bytes());
        let named = |jwk: Value, name: &str| with(jwk, "kid", name);
        let ids = |set: Result<JwkSet, KeyError>| {
            set.map(|set| set.0.into_iter().map(|jwk| jwk.key_id).collect::<Vec<_>>())
        };
        let (a, b) = (Some("a".to_owned()), Some("b".to_owned()));
        let rows = [
            ("none", json!([]), Ok(vec![])),
            ("two", json!([named(okp(), "a"), named(ec(), "b")]), Ok(vec![a.clone(), b])),
            ("two without a name", json!([okp(), ec()]), Ok(vec![None, None])),
            (
                "one of an unknown kind",
                json!([{"kty": "PQC"}, named(okp(), "a")]),
                Ok(vec![a.clone()]),
            ),
            (
                "one for encryption",
                json!([with(ec(), "use", "enc"), named(okp(), "a")]),
                Ok(vec![a]),
            ),
            ("one name for two", json!([named(okp(), "a"), named(ec(), "a")]), Err(KeyError)),
            ("a private one", json!([okp(), with(ec(), "d", EC.0)]), Err(KeyError)),
            ("a symmetric one", json!([{"kty": "oct", "k": "AAAA"}]), Err(KeyError)),
            ("no key at all", json!([7]), Err(KeyError)),
            ("no array", json!({}), Err(KeyError)),
        ];
        for (name, set, expected) in rows {
            assert_eq!(ids(keys(set)), expected, "{name}");
        }
        let set = keys(json!([named(okp(), "a"), named(ec(), "b")])).unwrap();
        assert_eq!(JwkSet::read(set.to_json().to_string().as_bytes()), Ok(set));
        assert_eq!(JwkSet::read(okp().to_string().as_bytes()), Err(KeyError));
    }
}
