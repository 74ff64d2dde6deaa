use std::{iter, str::FromStr};

use aws_sdk_kms::{operation::get_public_key::GetPublicKeyOutput, types::KeySpec};
use jwt::{Algorithm, Proof, Rejection};

use crate::{Cause, Fault};

/// What `KEY_ALIAS` holds: an alias name (`alias/…`), a key id, or the ARN of either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName(String);

impl KeyName {
    /// As KMS takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |text: &str, others: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
            !text.is_empty() && text.len() <= 256 && text.chars().all(fits)
        };
        let known = match text.split_once('/') {
            Some(("alias", name)) => word(name, "/_-"),
            Some((arn, name)) if arn.starts_with("arn:") => word(arn, ":-") && word(name, "/_-"),
            _ => word(text, "-"),
        };
        if known {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be alias/…, a key id or a key ARN")
        }
    }
}

/// The keys whose tokens are good, and which of them signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// The key that signs.
    pub current: Key,
    /// Keys that are published and trusted, but do not sign: the next one, and the previous one.
    pub others: Vec<Key>,
}

impl Ring {
    /// The key of this id. A token that names none can only be the signing key's.
    #[must_use]
    pub fn find(&self, key_id: Option<&str>) -> Option<&Key> {
        let Some(key_id) = key_id else { return Some(&self.current) };
        iter::once(&self.current).chain(&self.others).find(|key| key.id == key_id)
    }
}

/// The public side of a KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key id: the `kid` of its tokens.
    pub id: String,
    /// The key ARN: what KMS is asked with.
    pub arn: String,
    /// The algorithm of its signatures, decided by the key alone.
    pub algorithm: Algorithm,
    /// How long each of its signatures is, in bytes.
    pub signature_bytes: usize,
}

impl Key {
    pub(crate) fn read(answer: GetPublicKeyOutput) -> Result<Self, Fault> {
        let unfit = || Fault::new("GetPublicKey", Cause::Unfit);
        let signature_bytes = match answer.key_spec {
            Some(KeySpec::Rsa2048) => 256,
            Some(KeySpec::Rsa3072) => 384,
            Some(KeySpec::Rsa4096) => 512,
            _ => return Err(unfit()),
        };
        let arn = answer.key_id.ok_or_else(unfit)?;
        let id = arn.rsplit('/').next().unwrap_or(&arn).to_owned();
        Ok(Self { id, arn, algorithm: Algorithm::Rs256, signature_bytes })
    }

    /// Whether this key can have made the signature at all: what can be told without asking KMS.
    pub(crate) fn admit(&self, proof: &Proof<'_>) -> Result<(), Rejection> {
        if proof.algorithm != self.algorithm {
            return Err(Rejection::WrongAlgorithm { key: self.algorithm, token: proof.algorithm });
        }
        if proof.signature.len() != self.signature_bytes {
            return Err(Rejection::Signature);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_names() {
        let rows = [
            ("alias/countersign", true),
            ("alias/team/countersign_2", true),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", true),
            ("mrk-1234abcd12ab34cd56ef1234567890ab", true),
            ("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", true),
            ("arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/countersign", true),
            ("alias/", false),
            ("", false),
            ("alias/a b", false),
            ("countersign/alias", false),
            ("arn:aws:kms:us-east-1:111122223333:key/", false),
            ("alias/a'; DROP TABLE keys", false),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<KeyName>().is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_key_is_found_by_its_id_alone() {
        let key = |id: &str| Key {
            id: id.into(),
            arn: format!("arn:aws:kms:us-east-1:000000000000:key/{id}"),
            algorithm: Algorithm::Rs256,
            signature_bytes: 256,
        };
        let ring = Ring { current: key("current"), others: vec![key("next"), key("previous")] };
        let rows = [
            ("none", None, Some("current")),
            ("current", Some("current"), Some("current")),
            ("next", Some("next"), Some("next")),
            ("previous", Some("previous"), Some("previous")),
            ("unknown", Some("other"), None),
            ("empty", Some(""), None),
            ("an ARN", Some("arn:aws:kms:us-east-1:000000000000:key/current"), None),
            ("an alias", Some("alias/current"), None),
        ];
        for (name, key_id, expected) in rows {
            assert_eq!(ring.find(key_id).map(|key| &*key.id), expected, "{name}");
        }
    }

    #[test]
    fn what_the_key_cannot_have_made_is_not_sent_to_kms() {
        let key = Key {
            id: "k".into(),
            arn: "arn:aws:kms:us-east-1:000000000000:key/k".into(),
            algorithm: Algorithm::Rs256,
            signature_bytes: 256,
        };
        let rows = [
            ("its size", 256, Ok(())),
            ("too short", 255, Err(Rejection::Signature)),
            ("too long", 257, Err(Rejection::Signature)),
            ("none", 0, Err(Rejection::Signature)),
        ];
        for (name, bytes, expected) in rows {
            let proof = Proof {
                algorithm: Algorithm::Rs256,
                key_id: None,
                signing_input: "",
                signature: vec![0; bytes],
            };
            assert_eq!(key.admit(&proof), expected, "{name}");
        }
    }
}
