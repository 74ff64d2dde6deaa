use std::{fmt, io};

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use jwt::{Algorithm, Jwk, PublicKey, UnsignedToken};
use serde_json::{Map, Value};

/// The key of a provider: RS256, as most providers have.
pub(super) struct SigningKey {
    pair: KeyPair,
    public: PublicKey,
    id: String,
}

impl SigningKey {
    pub(super) fn generate() -> io::Result<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(io::Error::other)?;
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(io::Error::other)?;
        let public = PublicKey::from_spki(spki.as_ref()).map_err(io::Error::other)?;
        let id = public.thumbprint();
        Ok(Self { pair, public, id })
    }

    pub(super) fn jwk(&self) -> Jwk {
        Jwk {
            key_id: Some(self.id.clone()),
            algorithm: Some(Algorithm::Rs256),
            ..Jwk::new(self.public.clone())
        }
    }

    pub(super) fn sign(&self, claims: &Map<String, Value>) -> io::Result<String> {
        let input = UnsignedToken::new("JWT", claims).signing_input(Algorithm::Rs256, &self.id);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature)
            .map_err(io::Error::other)?;
        Ok(input.into_token(&signature).reveal().to_owned())
    }
}

/// Shows no key.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}
