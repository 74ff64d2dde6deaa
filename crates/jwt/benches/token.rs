//! The time to screen and to verify a token, compared with the cryptographic library alone and with
//! `jsonwebtoken`.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, PqdsaKeyPair, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_jwt::{
    Algorithm, Jwk, JwkSet, KeySetVerifier, PublicKey, UnixTime, UnsignedToken, UnverifiedToken,
    Validation, VerifyingKey,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jsonwebtoken::DecodingKey;
use serde_json::json;

type SignFn = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A key pair.
struct TestKey {
    public: PublicKey,
    sign: SignFn,
}

impl TestKey {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256 => Self::rsa(&signature::RSA_PKCS1_SHA256),
            Algorithm::Rs384 => Self::rsa(&signature::RSA_PKCS1_SHA384),
            Algorithm::Rs512 => Self::rsa(&signature::RSA_PKCS1_SHA512),
            Algorithm::Ps256 => Self::rsa(&signature::RSA_PSS_SHA256),
            Algorithm::Ps384 => Self::rsa(&signature::RSA_PSS_SHA384),
            Algorithm::Ps512 => Self::rsa(&signature::RSA_PSS_SHA512),
            Algorithm::Es256 => Self::ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => Self::ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::Es512 => Self::ec(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::Es256k => Self::ec(&signature::ECDSA_P256K1_SHA256_FIXED_SIGNING),
            Algorithm::Ed25519 => {
                let pair = Ed25519KeyPair::generate().unwrap();
                let public = spki(pair.public_key());
                Self { public, sign: Box::new(move |input| pair.sign(input).as_ref().to_vec()) }
            }
            Algorithm::MlDsa44 => Self::ml_dsa(&signature::ML_DSA_44_SIGNING),
            Algorithm::MlDsa65 => Self::ml_dsa(&signature::ML_DSA_65_SIGNING),
            Algorithm::MlDsa87 => Self::ml_dsa(&signature::ML_DSA_87_SIGNING),
        }
    }

    fn rsa(encoding: &'static dyn signature::RsaEncoding) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = spki(pair.public_key());
        let sign = move |input: &[u8]| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &SystemRandom::new(), input, &mut signature).unwrap();
            signature
        };
        Self { public, sign: Box::new(sign) }
    }

    fn ec(algorithm: &'static signature::EcdsaSigningAlgorithm) -> Self {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let public = spki(pair.public_key());
        let sign =
            move |input: &[u8]| pair.sign(&SystemRandom::new(), input).unwrap().as_ref().to_vec();
        Self { public, sign: Box::new(sign) }
    }

    fn ml_dsa(algorithm: &'static signature::PqdsaSigningAlgorithm) -> Self {
        let pair = PqdsaKeyPair::generate(algorithm).unwrap();
        let public = spki(pair.public_key());
        let sign = move |input: &[u8]| {
            let mut signature = vec![0; pair.algorithm().signature_len()];
            pair.sign(input, &mut signature).unwrap();
            signature
        };
        Self { public, sign: Box::new(sign) }
    }

    fn token(&self, algorithm: Algorithm) -> String {
        let claims = json!({
            "iss": "https://issuer.example/v1",
            "sub": "test-user",
            "iat": 1_795_000_000,
            "exp": 4_000_000_000_u64,
            "jti": "0a9ef1d4-3b1c-4a0c-9ef0-9d5b9c1a2f3e",
            "scope": "orders:read orders:write",
        });
        let claims = claims.as_object().unwrap().clone();
        let unsigned = UnsignedToken::new("JWT", &claims);
        let input = unsigned.signing_input(algorithm, "1234abcd-12ab-34cd-56ef-1234567890ab");
        let signature = (self.sign)(input.as_bytes());
        input.into_token(&signature).reveal().to_owned()
    }

    fn keys(&self, algorithm: Algorithm) -> KeySetVerifier {
        let jwk = Jwk {
            key: self.public.clone(),
            key_id: Some("1234abcd-12ab-34cd-56ef-1234567890ab".into()),
            algorithm: Some(algorithm),
        };
        KeySetVerifier::new(&JwkSet::new(vec![jwk])).unwrap()
    }
}

fn spki(key: &impl AsDer<PublicKeyX509Der<'static>>) -> PublicKey {
    PublicKey::from_spki(key.as_der().unwrap().as_ref()).unwrap()
}

fn validation() -> Validation {
    Validation::new(Some("https://issuer.example/v1".into()), Some(vec![]))
}

/// Verifies a token, including the reading of the clock.
fn verify_token(
    token: &str,
    validation: &Validation,
    keys: &KeySetVerifier,
) -> countersign_jwt::Claims {
    let now: UnixTime = SystemTime::now().into();
    let candidate = UnverifiedToken::parse(token).unwrap().screen(validation, now).unwrap();
    let mut confirm = pin!(candidate.confirm(keys));
    match confirm.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(claims) => claims.unwrap().unwrap(),
        Poll::Pending => panic!("public keys in memory need no waiting"),
    }
}

fn read_and_screen(c: &mut Criterion) {
    let key_pair = TestKey::new(Algorithm::Rs256);
    let token = key_pair.token(Algorithm::Rs256);
    let validation = validation();
    let now: UnixTime = SystemTime::now().into();
    let mut group = c.benchmark_group("read and screen");
    group.throughput(Throughput::Bytes(token.len() as u64));
    group.bench_function(format!("{} bytes", token.len()), |b| {
        b.iter(|| {
            UnverifiedToken::parse(black_box(&token)).unwrap().screen(&validation, now).unwrap()
        });
    });
}

fn verify(c: &mut Criterion) {
    for algorithm in Algorithm::ALL {
        let key_pair = TestKey::new(algorithm);
        let token = key_pair.token(algorithm);
        let (validation, keys) = (validation(), key_pair.keys(algorithm));
        let key = VerifyingKey::new(&key_pair.public, algorithm).unwrap();
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let mut group = c.benchmark_group(algorithm.name());
        group.bench_function("signature only", |b| {
            b.iter(|| assert!(key.verify(black_box(input.as_bytes()), &signature)));
        });
        group.bench_function("countersign", |b| {
            b.iter(|| verify_token(black_box(&token), &validation, &keys));
        });
        let decoding_key = match algorithm {
            Algorithm::Rs256 => {
                let PublicKey::Rsa { n, e } = &key_pair.public else { panic!("not an RSA key") };
                DecodingKey::from_rsa_raw_components(n, e)
            }
            Algorithm::Es256 => {
                let PublicKey::Ec { x, y, .. } = &key_pair.public else { panic!("not an EC key") };
                DecodingKey::from_ec_der(&[&[4], &**x, y].concat())
            }
            _ => continue,
        };
        let mut validation = jsonwebtoken::Validation::new(algorithm.name().parse().unwrap());
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.set_issuer(&["https://issuer.example/v1"]);
        group.bench_function("jsonwebtoken", |b| {
            b.iter(|| {
                let decoded = jsonwebtoken::decode::<serde_json::Value>(
                    black_box(&token),
                    &decoding_key,
                    &validation,
                );
                decoded.unwrap()
            });
        });
    }
}

/// The longest tokens whose JSON takes long to read, compared with an ordinary one.
fn hostile(c: &mut Criterion) {
    const TOKEN: usize = Algorithm::Rs256.max_token_bytes();
    const CLAIMS: usize = TOKEN / 100 * 72;
    let fill = |piece: &dyn Fn(usize) -> String, end: &str| {
        let mut text = String::from(r#"{"iss":"https://issuer.example/v1","exp":4000000000"#);
        let mut i = 0;
        while text.len() + end.len() < CLAIMS {
            text += &piece(i);
            i += 1;
        }
        text + end
    };
    let rows = [
        ("ordinary", fill(&|i| format!(r#","claim-{i}":"{}""#, "value ".repeat(12)), "}")),
        ("many members", fill(&|i| format!(r#","{i:x}":0"#), "}")),
        ("members in descending order", fill(&|i| format!(r#","{:04x}":0"#, 0xffff - i), "}")),
        ("escapes", fill(&|i| format!(r#","{i}":"{}""#, "\\u00e9".repeat(20)), "}")),
        ("a long number", fill(&|i| if i == 0 { r#","n":1"#.into() } else { "7".into() }, "}")),
        ("a long fraction", fill(&|i| if i == 0 { r#","n":0."#.into() } else { "7".into() }, "}")),
        ("many arrays", fill(&|i| if i == 0 { r#","n":[0"#.into() } else { ",[]".into() }, "]}")),
        ("a repeated member at the end", fill(&|i| format!(r#","{i:x}":0"#), r#","0":0}"#)),
    ];
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
    let validation = validation();
    let now: UnixTime = SystemTime::now().into();
    let mut group = c.benchmark_group(format!("{} KiB", TOKEN / 1024));
    for (name, claims) in rows {
        let claims = URL_SAFE_NO_PAD.encode(claims);
        let start = format!("{header}.{claims}.");
        let token = format!("{start}{}", "A".repeat((TOKEN - start.len()) / 4 * 4));
        group.bench_with_input(BenchmarkId::from_parameter(name), &token, |b, token| {
            b.iter(|| {
                UnverifiedToken::parse(black_box(token)).unwrap().screen(&validation, now).is_ok()
            });
        });
    }
}

criterion_group!(benches, read_and_screen, verify, hostile);
criterion_main!(benches);
