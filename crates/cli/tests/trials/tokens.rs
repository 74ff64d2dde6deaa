use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::world::{ALIAS, World};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Good,
    /// By the right key, and too late.
    Expired,
    /// A good one of which something was changed.
    Tampered,
    /// Nothing that a key has to be asked about.
    Garbage,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Good, Self::Expired, Self::Tampered, Self::Garbage];

    /// The statuses that are right. That a signature is bad is for KMS to say, until it has said so
    /// of one: nobody knows before.
    pub(crate) const fn right(self) -> &'static [u16] {
        match self {
            Self::Good => &[200, 500],
            Self::Expired | Self::Garbage => &[401],
            Self::Tampered => &[401, 500],
        }
    }
}

/// Tokens of each kind.
#[derive(Debug)]
pub(crate) struct Tokens(Vec<(Kind, Vec<String>)>);

impl Tokens {
    pub(crate) async fn make(world: &World) -> Self {
        let mut good = Vec::new();
        for _ in 0..EACH {
            good.push(world.token().await);
        }
        let expired = good.iter().map(|token| expired(world, token)).collect();
        let tampered = good.iter().enumerate().map(|(at, token)| tampered(at, token)).collect();
        let garbage = vec![
            "garbage".to_owned(),
            "a.b.c".into(),
            "x".repeat(2000),
            format!("{}.e30.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#)),
            format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#)),
            good[0].replace('.', ".."),
        ];
        Self(vec![
            (Kind::Good, good),
            (Kind::Expired, expired),
            (Kind::Tampered, tampered),
            (Kind::Garbage, garbage),
        ])
    }

    pub(crate) fn of(&self, kind: Kind) -> &[String] {
        &self.0.iter().find(|(of, _)| *of == kind).unwrap().1
    }
}

/// The same claims, of an hour ago.
fn expired(world: &World, token: &str) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let (claims, _) = rest.split_once('.').unwrap();
    let mut claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    for name in ["iat", "nbf", "exp"] {
        if let Some(time) = claims[name].as_u64() {
            claims[name] = (time - 7200).into();
        }
    }
    let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let request = json!({
        "KeyId": ALIAS, "Message": STANDARD.encode(&input),
        "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256",
    });
    let answer = world.stack.kms.perform("Sign", &request).unwrap();
    let signature = STANDARD.decode(answer["Signature"].as_str().unwrap()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Another signature, or other claims under this one.
fn tampered(at: usize, token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    if at.is_multiple_of(2) {
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        signature[at] ^= 1;
        return format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    }
    let (header, claims) = input.split_once('.').unwrap();
    let mut claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    claims["sub"] = "administrator".into();
    format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// How many of a kind.
const EACH: usize = 20;
