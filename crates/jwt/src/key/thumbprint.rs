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
        // RFC 7638 section 3.3 wants the members in lexicographic order, which is the order of a `Map`. No value needs
        // escaping.
        let canonical = Value::Object(self.required_members()).to_string();
        base64url::encode(digest(&SHA256, canonical.as_bytes()))
    }

    /// The JWK members that identify the key (RFC 7638 section 3.2, RFC 8037 section 2, RFC 9964).
    pub(crate) fn required_members(&self) -> Map<String, Value> {
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
