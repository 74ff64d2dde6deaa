//! Tokens of each kind for the load test.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::deployment::{ALIAS, Deployment};

/// A kind of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Good,
    /// Signed by the current key, with an `exp` in the past.
    Expired,
    /// A good token with a changed signature or changed claims.
    Tampered,
    /// Not a token, or one that is refused before its key is needed.
    Garbage,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Good, Self::Expired, Self::Tampered, Self::Garbage];

    /// The statuses that are correct under throttling. Whether a signature is invalid needs a response of
    /// KMS, so a tampered token may also be a fault.
    pub(crate) const fn allowed_statuses(self) -> &'static [u16] {
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
    pub(crate) async fn make(deployment: &Deployment) -> Self {
        let mut good = Vec::new();
        for _ in 0..COUNT {
            good.push(deployment.token().await);
        }
        let expired = good.iter().map(|token| expired(deployment, token)).collect();
        let tampered =
            good.iter().enumerate().map(|(index, token)| tampered(index, token)).collect();
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

    pub(crate) fn of_kind(&self, kind: Kind) -> &[String] {
        &self.0.iter().find(|(own, _)| *own == kind).unwrap().1
    }
}

/// The claims of the token with times two hours earlier, signed by the current key.
fn expired(deployment: &Deployment, token: &str) -> String {
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
    let response = deployment.stack.kms.perform("Sign", &request).unwrap();
    let signature = STANDARD.decode(response["Signature"].as_str().unwrap()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The token with a changed signature for an even index, or with changed claims for an odd one.
fn tampered(index: usize, token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    if index.is_multiple_of(2) {
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        signature[index] ^= 1;
        return format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    }
    let (header, claims) = input.split_once('.').unwrap();
    let mut claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    claims["sub"] = "administrator".into();
    format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// The number of tokens of a kind.
const COUNT: usize = 20;
