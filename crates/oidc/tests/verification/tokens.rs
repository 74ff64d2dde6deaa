//! Keys of providers and the tokens that they sign.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{self, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::{Curve, Jwk, PublicKey};
use serde_json::{Map, Value, json};

/// A private key of a provider.
pub(crate) struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
}

impl SigningKey {
    /// An Ed25519 key, which is the same for the same seed.
    pub(crate) fn ed25519(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = PublicKey::Ed25519(pair.public_key().as_ref().to_vec());
        Self { pair: Pair::Ed25519(pair), public }
    }

    pub(crate) fn p256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let public = PublicKey::Ec { curve: Curve::P256, x: x.to_vec(), y: y.to_vec() };
        Self { pair: Pair::P256(pair), public }
    }

    pub(crate) fn rsa() -> Self {
        let pair = rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let public = PublicKey::from_spki(spki.as_ref()).unwrap();
        Self { pair: Pair::Rsa(pair), public }
    }

    pub(crate) const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The JWK with this `kid`, and without `alg` and `use`.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let jwk = Jwk { key: self.public.clone(), key_id: Some(kid.into()), algorithm: None };
        let mut jwk = jwk.to_json();
        jwk.as_object_mut().unwrap().remove("use");
        jwk
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let input = signing_input(header, claims);
        let (message, random) = (input.as_bytes(), SystemRandom::new());
        let signature = match &self.pair {
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::P256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
        };
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub(crate) fn signing_input(header: &Value, claims: &Value) -> String {
    [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
}

/// Both objects; a member that is null in the second one is left out.
pub(crate) fn merged(mut base: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("an object") };
    let members: &mut Map<_, _> = base.as_object_mut().unwrap();
    for (name, value) in changes {
        if value.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, value);
        }
    }
    base
}

/// The header of a token of an Ed25519 key.
pub(crate) fn header(kid: &str) -> Value {
    json!({"alg": "EdDSA", "typ": "JWT", "kid": kid})
}
