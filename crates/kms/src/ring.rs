use std::{fmt, iter, str::FromStr, sync::Arc};

use aws_sdk_kms::{
    operation::get_public_key::GetPublicKeyOutput,
    types::{KeySpec, KeyUsageType},
};
use jwt::{Algorithm, Proof, PublicKey, Rejection, VerifyingKey};

use crate::{
    Fault,
    message::{self, Message},
    response::{self, InvalidResponse},
};

/// What `KEY_ALIAS` holds: an alias name (`alias/…`), a key id, or the ARN of either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName(String);

impl KeyName {
    /// As KMS takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The alias beside this one, if this is an alias: `alias/NAME-next`.
    pub(crate) fn neighbor(&self, suffix: &str) -> Option<Self> {
        let name = self.0.rsplit(':').next().filter(|name| name.starts_with("alias/"));
        name.map(|_| Self(format!("{}{suffix}", self.0)))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
#[derive(Debug, Clone)]
pub struct Ring {
    /// The key that signs.
    pub current: Arc<Key>,
    /// The key that is published and will sign.
    pub next: Option<Arc<Key>>,
    /// The key that has signed, and whose tokens still live.
    pub previous: Option<Arc<Key>>,
}

impl Ring {
    /// The key of this id. A token that names none can only be the signing key's.
    #[must_use]
    pub fn find(&self, key_id: Option<&str>) -> Option<&Arc<Key>> {
        let Some(key_id) = key_id else { return Some(&self.current) };
        self.keys().find(|key| key.id == key_id)
    }

    /// Every key that is trusted, the one that signs first.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<Key>> {
        // In the middle of a rotation two aliases may point at one key.
        let next = self.next.as_ref().filter(|key| key.id != self.current.id);
        let known = |id: &str| id == self.current.id || next.is_some_and(|key| key.id == id);
        let previous = self.previous.as_ref().filter(|key| !known(&key.id));
        iter::once(&self.current).chain(next).chain(previous)
    }
}

/// The public side of a KMS key.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key id: the `kid` of its tokens.
    pub id: String,
    /// The key ARN: what KMS is asked with.
    pub arn: String,
    /// What its signatures are verified with.
    pub public: PublicKey,
    /// The algorithm of its signatures, decided by the key and the settings, never by a token.
    pub algorithm: Algorithm,
    verifying: VerifyingKey,
}

impl Key {
    /// Reads the answer about the key of this name, for this algorithm or the usual one of its kind.
    pub(crate) fn read(
        name: &KeyName,
        answer: GetPublicKeyOutput,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, Fault> {
        let invalid = |problem| Fault::invalid("GetPublicKey", problem);
        let unfit = |problem| Fault::unfit("GetPublicKey", problem);
        let key_spec = key_spec(&answer);
        let arn = answer.key_id.unwrap_or_default();
        let asked = response::id(&name.0);
        let id = response::id(&arn).filter(|id| asked.is_none_or(|asked| asked == *id));
        let id = id.ok_or_else(|| invalid(InvalidResponse::Key))?.to_owned();
        let key_spec = key_spec.ok_or_else(|| invalid(InvalidResponse::Spec))?;
        let spec = key_spec.as_str().to_owned();
        if let Some(usage) = answer.key_usage
            && usage != KeyUsageType::SignVerify
        {
            return Err(unfit(Unfit::Usage { usage: usage.as_str().to_owned() }));
        }
        let all = message::algorithms(&key_spec);
        let Some(usual) = all.first() else { return Err(unfit(Unfit::Spec { spec })) };
        let public = answer.public_key.and_then(|der| PublicKey::from_spki(der.as_ref()).ok());
        let public = public.filter(|public| public.algorithms() == all);
        let public = public.ok_or_else(|| invalid(InvalidResponse::PublicKey))?;
        let can = answer.signing_algorithms.unwrap_or_default();
        if can.is_empty() {
            return Err(invalid(InvalidResponse::Algorithms));
        }
        let algorithm = algorithm.unwrap_or(*usual);
        if !all.contains(&algorithm) || !can.contains(&message::spec(algorithm)) {
            return Err(unfit(Unfit::Pair { spec, algorithm }));
        }
        let verifying = VerifyingKey::new(&public, algorithm);
        let verifying = verifying.map_err(|_| unfit(Unfit::Spec { spec }))?;
        Ok(Self { id, arn, public, algorithm, verifying })
    }

    /// Whether this key made the signature, told here from its public half.
    pub(crate) fn verify(&self, proof: &Proof<'_>) -> Result<(), Rejection> {
        self.expect_algorithm(proof)?;
        let good = self.verifying.verify(proof.signing_input.as_bytes(), &proof.signature);
        if good { Ok(()) } else { Err(Rejection::Signature) }
    }

    /// The signature as KMS takes it, if this key can have made it at all: what can be told
    /// without asking KMS.
    pub(crate) fn admit(&self, proof: &Proof<'_>) -> Result<(Message, Vec<u8>), Rejection> {
        self.expect_algorithm(proof)?;
        let input = proof.signing_input.as_bytes();
        let message = Message::new(input, self.algorithm, &self.public);
        let signature = message::to_kms(&self.public, &proof.signature);
        message.zip(signature).ok_or(Rejection::Signature)
    }

    fn expect_algorithm(&self, proof: &Proof<'_>) -> Result<(), Rejection> {
        if proof.algorithm == self.algorithm {
            return Ok(());
        }
        Err(Rejection::WrongAlgorithm { key: self.algorithm, token: proof.algorithm })
    }
}

/// The answer's `KeySpec`, or what it was called before, which some emulators still have alone.
fn key_spec(answer: &GetPublicKeyOutput) -> Option<KeySpec> {
    #[expect(deprecated, reason = "the older name of the same member")]
    let older = answer.customer_master_key_spec();
    let older = || older.map(|spec| KeySpec::from(spec.as_str()));
    answer.key_spec.clone().or_else(older)
}

/// Why a key cannot sign tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("a key of KeyUsage {usage} does not sign tokens")]
    Usage { usage: String },
    #[error("a key of KeySpec {spec} does not sign tokens")]
    Spec { spec: String },
    #[error("a key of KeySpec {spec} does not sign with {algorithm} (SIGNING_ALGORITHM)")]
    Pair { spec: String, algorithm: Algorithm },
}

#[cfg(test)]
mod tests {
    use jwt::Curve;

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
    fn a_key_under_two_aliases_is_one_key() {
        let key = |id: &str| key(id, Algorithm::Rs256);
        let rows = [
            (["a", "b", "c"], vec!["a", "b", "c"]),
            (["a", "a", "c"], vec!["a", "c"]),
            (["a", "b", "a"], vec!["a", "b"]),
            (["a", "b", "b"], vec!["a", "b"]),
            (["a", "a", "a"], vec!["a"]),
        ];
        for ([current, next, previous], expected) in rows {
            let (next, previous) = (Some(key(next)), Some(key(previous)));
            let ring = Ring { current: key(current), next, previous };
            assert_eq!(ring.keys().map(|key| &*key.id).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn the_aliases_beside_an_alias() {
        let arn = "arn:aws:kms:us-east-1:111122223333";
        let rows = [
            ("alias/a", Some("alias/a-next".to_owned())),
            (&format!("{arn}:alias/a/b"), Some(format!("{arn}:alias/a/b-next"))),
            (&format!("{arn}:key/alias"), None),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", None),
        ];
        for (name, expected) in rows {
            let name: KeyName = name.parse().unwrap();
            assert_eq!(name.neighbor("-next").map(|name| name.0), expected);
        }
    }

    /// A key that is nobody's: the points are the base points of their curves.
    fn key(id: &str, algorithm: Algorithm) -> Arc<Key> {
        let public = match algorithm {
            Algorithm::Es256 => {
                let base = P256_BASE.map(u128::to_be_bytes).concat();
                let (x, y) = base.split_at(32);
                PublicKey::Ec { curve: Curve::P256, x: x.to_vec(), y: y.to_vec() }
            }
            Algorithm::Ed25519 => PublicKey::Ed25519([&[0x58], &[0x66; 31][..]].concat()),
            _ => PublicKey::Rsa { n: vec![0x81; 256], e: vec![1, 0, 1] },
        };
        let verifying = VerifyingKey::new(&public, algorithm).unwrap();
        let arn = format!("arn:aws:kms:us-east-1:1:key/{id}");
        Arc::new(Key { id: id.into(), arn, public, algorithm, verifying })
    }

    /// SEC 2 section 2.4.2, in halves of the two numbers.
    const P256_BASE: [u128; 4] = [
        0x6b17_d1f2_e12c_4247_f8bc_e6e5_63a4_40f2,
        0x7703_7d81_2deb_33a0_f4a1_3945_d898_c296,
        0x4fe3_42e2_fe1a_7f9b_8ee7_eb4a_7c0f_9e16,
        0x2bce_3357_6b31_5ece_cbb6_4068_37bf_51f5,
    ];

    #[test]
    fn a_key_is_found_by_its_id_alone() {
        let key = |id| key(id, Algorithm::Rs256);
        let (next, previous) = (Some(key("next")), Some(key("previous")));
        let ring = Ring { current: key("current"), next, previous };
        let rows = [
            ("none", None, Some("current")),
            ("current", Some("current"), Some("current")),
            ("next", Some("next"), Some("next")),
            ("previous", Some("previous"), Some("previous")),
            ("unknown", Some("other"), None),
            ("empty", Some(""), None),
            ("an ARN", Some("arn:aws:kms:us-east-1:1:key/current"), None),
            ("an alias", Some("alias/current"), None),
        ];
        for (name, key_id, expected) in rows {
            assert_eq!(ring.find(key_id).map(|key| &*key.id), expected, "{name}");
        }
    }

    #[test]
    fn what_the_key_cannot_have_made_is_not_sent_to_kms() {
        use Algorithm::{Ed25519, Es256, Ps256, Rs256};
        let wrong = |key, token| Err(Rejection::WrongAlgorithm { key, token });
        let no = Err(Rejection::Signature);
        let mut zero_r = vec![0; 64];
        zero_r[63] = 1;
        let rows = [
            ("its size", Rs256, Rs256, 10, vec![1; 256], Ok(())),
            ("too short", Rs256, Rs256, 10, vec![1; 255], no),
            ("too long", Rs256, Rs256, 10, vec![1; 257], no),
            ("none", Rs256, Rs256, 10, vec![], no),
            ("another padding", Rs256, Ps256, 10, vec![1; 256], wrong(Rs256, Ps256)),
            ("the setting's padding", Ps256, Ps256, 10, vec![1; 256], Ok(())),
            ("another kind", Rs256, Es256, 10, vec![1; 64], wrong(Rs256, Es256)),
            ("two numbers", Es256, Es256, 10, vec![1; 64], Ok(())),
            ("r is zero", Es256, Es256, 10, zero_r, no),
            ("past the order", Es256, Es256, 10, vec![0xff; 64], no),
            ("DER", Es256, Es256, 10, vec![0x30; 70], no),
            ("4096 bytes", Ed25519, Ed25519, 4096, vec![1; 64], Ok(())),
            ("more than KMS takes", Ed25519, Ed25519, 4097, vec![1; 64], no),
            ("more than KMS takes, hashed", Es256, Es256, 4097, vec![1; 64], Ok(())),
        ];
        for (name, of_key, algorithm, bytes, signature, expected) in rows {
            let signing_input = &"x".repeat(bytes);
            let proof = Proof { algorithm, key_id: None, signing_input, signature };
            assert_eq!(key("k", of_key).admit(&proof).map(|_| ()), expected, "{name}");
        }
    }
}
