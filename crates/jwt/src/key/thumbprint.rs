use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use super::public_key::PublicKey;
use crate::encoding::base64url;

impl PublicKey {
    /// The SHA-256 thumbprint of the key in base64url, 43 characters (RFC 7638).
    ///
    /// It depends on the key only, not on other members of a JWK such as `kid`.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        // No value needs escaping.
        let canonical = Value::Object(self.required_members()).to_string();
        base64url::encode(digest(&SHA256, canonical.as_bytes()))
    }

    /// The JWK members that identify the key (RFC 7638 section 3.2, RFC 8037 section 2, RFC 9964).
    /// Their lexicographic order is that of the thumbprint (RFC 7638 section 3), so it must not
    /// depend on whether another crate enables `preserve_order` of `serde_json`.
    pub(crate) fn required_members(&self) -> Map<String, Value> {
        let text = |bytes: &[u8]| base64url::encode(bytes);
        let members = match self {
            Self::Rsa { n, e } => json!({"e": text(e), "kty": "RSA", "n": text(n)}),
            Self::Ec { curve, x, y } => {
                json!({"crv": curve.name(), "kty": "EC", "x": text(x), "y": text(y)})
            }
            Self::Ed25519(key) => json!({"crv": "Ed25519", "kty": "OKP", "x": text(key)}),
            Self::MlDsa(set, key) => {
                json!({"alg": set.algorithm().name(), "kty": "AKP", "pub": text(key)})
            }
        };
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }
}
