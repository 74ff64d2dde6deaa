//! Properties of all tokens, and a comparison with `jsonwebtoken`.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_jwt::{
    Algorithm, Curve, Jwk, JwkSet, KeySetVerifier, PublicKey, Rejection, UnixTime, UnsignedToken,
    UnverifiedToken, Validation,
};
use jsonwebtoken::DecodingKey;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

static ES256: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
static ED25519: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::generate().unwrap());

fn public_key(algorithm: Algorithm) -> PublicKey {
    if algorithm == Algorithm::Ed25519 {
        return PublicKey::Ed25519(ED25519.public_key().as_ref().to_vec());
    }
    let (x, y) = ES256.public_key().as_ref()[1..].split_at(32);
    PublicKey::Ec { curve: Curve::P256, x: x.to_vec(), y: y.to_vec() }
}

fn sign(algorithm: Algorithm, input: &[u8]) -> Vec<u8> {
    if algorithm == Algorithm::Ed25519 {
        return ED25519.sign(input).as_ref().to_vec();
    }
    let random = aws_lc_rs::rand::SystemRandom::new();
    ES256.sign(&random, input).unwrap().as_ref().to_vec()
}

fn key_set(algorithm: Algorithm) -> KeySetVerifier {
    let jwk = Jwk { key: public_key(algorithm), key_id: Some("k".into()), algorithm: None };
    KeySetVerifier::new(&JwkSet::new(vec![jwk])).unwrap()
}

fn validation() -> Validation {
    Validation::new(Some("us".into()), Some(vec![]))
}

/// Returns the claims of a valid token, or why it is refused.
fn verify(
    token: &str,
    now: UnixTime,
    algorithm: Algorithm,
) -> Result<Map<String, Value>, Rejection> {
    let keys = key_set(algorithm);
    let candidate = UnverifiedToken::parse(token)?.screen(&validation(), now)?;
    let mut confirm = pin!(candidate.confirm(&keys));
    match confirm.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(claims)) => {
            let pair = |(name, value): (&str, &Value)| (name.to_owned(), value.clone());
            claims.map(|claims| claims.iter().map(pair).collect())
        }
        Poll::Ready(Err(key)) => panic!("{key}"),
        Poll::Pending => panic!("public keys in memory need no waiting"),
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,8}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop_oneof![Just(Algorithm::Es256), Just(Algorithm::Ed25519)]
}

const NOW: UnixTime = UnixTime::from_seconds(1000);

proptest! {
    #[test]
    fn signed_token_verifies_with_the_same_claims(
        more in prop::collection::btree_map("x\\PC{0,8}", json_value(), 0..5),
        algorithm in algorithms(),
    ) {
        let mut claims: Map<String, Value> = more.into_iter().collect();
        claims.insert("iss".into(), "us".into());
        claims.insert("exp".into(), 1001.into());
        let unsigned = UnsignedToken::new("JWT", &claims);
        let input = unsigned.signing_input(algorithm, "k");
        let signature = sign(algorithm, input.as_bytes());
        let token = input.into_token(&signature);
        prop_assert_eq!(verify(token.reveal(), NOW, algorithm), Ok(claims));
    }

    #[test]
    fn token_with_one_changed_bit_is_refused(
        at in any::<prop::sample::Index>(),
        bit in 0_u8..7,
        algorithm in algorithms(),
    ) {
        let claims = json!({"iss": "us", "exp": 1001, "sub": "alice", "n": [1, 2.5, "é"]});
        let unsigned = UnsignedToken::new("JWT", claims.as_object().unwrap());
        let input = unsigned.signing_input(algorithm, "k");
        let signature = sign(algorithm, input.as_bytes());
        let mut token = input.into_token(&signature).reveal().as_bytes().to_vec();
        let at = at.index(token.len());
        token[at] ^= 1 << bit;
        let token = String::from_utf8(token).unwrap();
        prop_assert!(verify(&token, NOW, algorithm).is_err());
    }

    #[test]
    fn ecdsa_signature_has_one_encoding_in_each_form(
        r in prop::collection::vec(any::<u8>(), 66),
        s in prop::collection::vec(any::<u8>(), 66),
        zeros in 0_usize..66,
        change in prop::option::of((any::<prop::sample::Index>(), 1_u8..)),
    ) {
        for curve in [Curve::P256, Curve::P384, Curve::P521, Curve::Secp256k1] {
            let width = curve.bytes();
            let mut fixed = [&r[..width], &s[..width]].concat();
            fixed[..zeros.min(width)].fill(0);
            let Some(mut der) = curve.to_der(&fixed) else { continue };
            prop_assert_eq!(curve.from_der(&der), Some(fixed));
            if let Some((at, bits)) = change {
                let at = at.index(der.len());
                der[at] ^= bits;
                // A changed encoding is invalid, or the only encoding of another signature.
                if let Some(other) = curve.from_der(&der) {
                    prop_assert_eq!(curve.to_der(&other), Some(der.clone()));
                }
                der.push(0);
                prop_assert_eq!(curve.from_der(&der), None);
            }
        }
    }

    #[test]
    fn no_input_panics(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = verify(&text, NOW, Algorithm::Es256);
        let part = URL_SAFE_NO_PAD.encode(&bytes);
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
        let _ = verify(&format!("{header}.{part}.{part}"), NOW, Algorithm::Es256);
        let _ = (Jwk::read(&bytes), JwkSet::read(&bytes), PublicKey::from_spki(&bytes));
    }

    /// Both libraries verify tokens with a valid signature and all kinds of headers and claims.
    #[test]
    fn jsonwebtoken_agrees_except_for_known_reasons(
        header in prop::sample::select(HEADERS.to_vec()),
        claims in prop::sample::select(CLAIMS.to_vec()),
        form in prop::sample::select(FORMS.to_vec()),
        algorithm in algorithms(),
    ) {
        let now = SystemTime::now();
        let name = if algorithm == Algorithm::Es256 { "ES256" } else { "EdDSA" };
        let at = |offset: i64| {
            let seconds = i64::try_from(UnixTime::from(now).seconds()).unwrap() + offset;
            seconds.to_string()
        };
        let header = header.replace("ALG", name);
        let claims = claims.replace("SOON", &at(600)).replace("PAST", &at(-600));
        let input =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(sign(algorithm, input.as_bytes()));
        let token = form.replace("TOKEN", &format!("{input}.{signature}"));

        let key = match algorithm {
            Algorithm::Es256 => DecodingKey::from_ec_der(ES256.public_key().as_ref()),
            _ => DecodingKey::from_ed_der(ED25519.public_key().as_ref()),
        };
        let mut validation = jsonwebtoken::Validation::new(name.parse().unwrap());
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.set_issuer(&["us"]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        let other = jsonwebtoken::decode::<Value>(&token, &key, &validation);

        match (verify(&token, now.into(), algorithm), other) {
            (Ok(claims), Ok(other)) => prop_assert_eq!(Value::Object(claims), other.claims),
            (Err(_), Err(_)) => {}
            (Ok(_), Err(error)) => prop_assert!(false, "jsonwebtoken refuses {}: {}", token, error),
            (Err(rejection), Ok(_)) => {
                prop_assert!(STRICTER_CODES.contains(&rejection.code()), "{:?} {}", rejection, token);
            }
        }
    }
}

const HEADERS: [&str; 12] = [
    r#"{"alg":"ALG"}"#,
    r#"{"alg":"ALG","typ":"JWT","kid":"k"}"#,
    r#"{"alg":"ALG","kid":"another"}"#,
    r#"{"alg":"ALG","typ":"at+jwt"}"#,
    r#"{"alg":"ALG","crit":["exp"]}"#,
    r#"{"alg":"ALG","b64":false}"#,
    r#"{"alg":"ALG","jku":"https://keys.example"}"#,
    r#"{"alg":"ALG","more":{"a":[1]}}"#,
    r#"{"alg":"none","alg":"ALG"}"#,
    r#"{"alg":"HS256"}"#,
    r#"{"alg":"none"}"#,
    r#"{"typ":"JWT"}"#,
];

const CLAIMS: [&str; 22] = [
    r#"{"iss":"us","exp":SOON}"#,
    r#"{"iss":"us","exp":SOON.5,"sub":"a","n":{"m":[1,2.5,null]}}"#,
    r#"{"iss":"us","exp":SOON,"nbf":PAST,"iat":PAST}"#,
    r#"{"iss":"us","exp":PAST}"#,
    r#"{"iss":"us","exp":PAST.5}"#,
    r#"{"iss":"us","exp":SOON,"nbf":SOON}"#,
    r#"{"iss":"us","exp":SOON,"iat":SOON}"#,
    r#"{"iss":"us"}"#,
    r#"{"exp":SOON}"#,
    r#"{"iss":"them","exp":SOON}"#,
    r#"{"iss":["us"],"exp":SOON}"#,
    r#"{"iss":"us","exp":"SOON"}"#,
    r#"{"iss":"us","exp":-1}"#,
    r#"{"iss":"us","exp":1e300}"#,
    r#"{"iss":"us","exp":1e400}"#,
    r#"{"iss":"us","exp":SOON000}"#,
    r#"{"iss":"us","exp":SOON,"aud":"them"}"#,
    r#"{"iss":"us","exp":SOON,"sub":7}"#,
    r#"{"iss":"us","exp":PAST,"exp":SOON}"#,
    r#"{"iss":"us","exp":SOON,"deep":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}"#,
    r#"["us"]"#,
    "not JSON",
];

const FORMS: [&str; 6] = ["TOKEN", "TOKEN", "TOKEN=", "TOKEN ", "TOKEN.", "TOKENA"];

/// The codes of tokens that `jsonwebtoken` accepts, with the reason.
const STRICTER_CODES: [&str; 6] = [
    // It ignores parameters that change how a token is read.
    "HeaderParameter",
    // It uses the last of two equal member names, and does not select a key by `kid`.
    "MalformedHeader",
    "UnknownKey",
    // It leaves `typ` to its caller.
    "TokenType",
    // It does not limit nesting or times, and accepts a `sub` of any type.
    "MalformedClaims",
    // It does not check `iat`.
    "IssuedInFuture",
];
