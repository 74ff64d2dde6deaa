//! Keys of providers.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{self, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
        RSA_PKCS1_SHA256,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::{Jwk, PublicKey};
use serde_json::Value;

/// A private key of a provider.
pub(crate) enum SigningKey {
    Ecdsa(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
}

impl SigningKey {
    /// A new key for the algorithm.
    pub(crate) fn generate(algorithm: &str) -> Self {
        let ecdsa = |scheme| Self::Ecdsa(EcdsaKeyPair::generate(scheme).unwrap());
        match algorithm {
            "RS256" => Self::Rsa(rsa::KeyPair::generate(KeySize::Rsa2048).unwrap()),
            "ES256" => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            other => panic!("no key for {other}"),
        }
    }

    /// The public key without `alg` and `use`, as some providers publish it.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Ecdsa(pair) => pair.public_key().as_der().unwrap(),
            Self::Rsa(pair) => pair.public_key().as_der().unwrap(),
        };
        let key = PublicKey::from_spki(der.as_ref()).unwrap();
        let mut jwk = Jwk { key_id: Some(kid.into()), ..Jwk::new(key) }.to_json();
        jwk.as_object_mut().unwrap().remove("use");
        jwk
    }

    /// The token with this header and these claims.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let input = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let (message, random) = (input.as_bytes(), SystemRandom::new());
        let signature = match self {
            Self::Ecdsa(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
        };
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
