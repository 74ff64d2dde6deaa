//! The keys of a provider that verify a token.

use serde_json::{Value, json};

use crate::{
    NO_KEYS, NOW,
    Outcome::{self, Refused, Valid},
    outcome,
    provider::Provider,
    tokens::{SigningKey, header, merged},
    verifier,
};

/// The result of a token that the key has signed with this header, for a provider that publishes these keys.
async fn with_keys(keys: &[Value], key: &SigningKey, header: &Value, algorithms: Value) -> Outcome {
    let provider = Provider::start(keys).await;
    let verifier = verifier(&[merged(provider.entry(), json!({"algorithms": algorithms}))]);
    outcome(&verifier, &key.sign(header, &provider.claims()), NOW).await
}

/// Checks the outcome of a token of each key with a `kid`, for a provider that publishes the keys.
async fn assert_outcomes<const ROWS: usize>(
    rows: [(&str, Vec<Value>, &SigningKey, &str, Outcome); ROWS],
) {
    let mut wrong = Vec::new();
    for (name, keys, key, kid, expected) in rows {
        let found = with_keys(&keys, key, &header(kid), json!("Ed25519")).await;
        if found != expected {
            wrong.push(format!("{name}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn mistake_in_one_key_does_not_affect_the_others() {
    let (key, other) = (SigningKey::ed25519(1), SigningKey::ed25519(2));
    let (good, broken) = (key.jwk("k"), json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}));
    let with = |jwk: &Value, changes: Value| merged(jwk.clone(), changes);
    let named = |kid: &str| with(&broken, json!({"kid": kid}));
    let symmetric = json!({"kty": "oct", "k": "AAAA", "kid": "s"});
    let private = with(&other.jwk("p"), json!({"d": "AAAA"}));
    let forged = Refused("InvalidSignature");
    let rows = [
        ("a broken key", vec![broken.clone(), good.clone()], &key, "k", Valid),
        ("a broken key with its kid", vec![named("k"), good.clone()], &key, "k", Valid),
        (
            "a broken key with its kid, and a forged token",
            vec![named("k"), good.clone()],
            &other,
            "k",
            forged,
        ),
        ("a token of a broken key", vec![named("b"), good.clone()], &key, "b", NO_KEYS),
        (
            "a broken key of another type, with the kid of the token",
            vec![json!({"kty": "RSA", "n": "AA", "e": "AQAB", "kid": "b"}), good.clone()],
            &key,
            "b",
            Refused("UnknownKey"),
        ),
        (
            "a broken key, and an unknown kid",
            vec![broken.clone(), good.clone()],
            &key,
            "x",
            Refused("UnknownKey"),
        ),
        (
            "a broken key, and a forged token",
            vec![broken.clone(), good.clone()],
            &other,
            "k",
            forged,
        ),
        (
            "elements that are not keys",
            vec![json!(7), json!(null), json!([]), good.clone()],
            &key,
            "k",
            Valid,
        ),
        (
            "an encryption key",
            vec![with(&good, json!({"use": "enc"})), other.jwk("o")],
            &key,
            "k",
            Refused("UnknownKey"),
        ),
        (
            "a key for another operation",
            vec![with(&good, json!({"key_ops": ["sign"]})), other.jwk("o")],
            &key,
            "k",
            Refused("UnknownKey"),
        ),
        ("a symmetric key", vec![symmetric.clone(), good.clone()], &key, "k", Valid),
        (
            "a token of a symmetric key",
            vec![symmetric, good.clone()],
            &key,
            "s",
            Refused("UnknownKey"),
        ),
        ("a private key", vec![private.clone(), good.clone()], &key, "k", Valid),
        (
            "a token of a private key",
            vec![private, good.clone()],
            &other,
            "p",
            Refused("UnknownKey"),
        ),
    ];
    assert_outcomes(rows).await;
}

#[tokio::test]
async fn members_of_a_key_decide_which_tokens_it_verifies() {
    let (key, other) = (SigningKey::ed25519(1), SigningKey::ed25519(2));
    let good = key.jwk("k");
    let with = |jwk: &Value, changes: Value| merged(jwk.clone(), changes);
    let without_kid = with(&good, json!({"kid": null}));
    let forged = Refused("InvalidSignature");
    let rows = [
        ("two keys with one kid", vec![other.jwk("k"), good.clone()], &key, "k", Valid),
        (
            "two keys with one kid, in the other order",
            vec![good.clone(), other.jwk("k")],
            &key,
            "k",
            Valid,
        ),
        ("a key without kid", vec![other.jwk("o"), without_kid.clone()], &key, "k", Valid),
        ("a key without kid, and a forged token", vec![without_kid], &other, "k", forged),
        ("a key of SPIFFE", vec![with(&good, json!({"use": "jwt-svid"}))], &key, "k", Valid),
        (
            "a key of X.509-SVIDs",
            vec![with(&good, json!({"use": "x509-svid"})), other.jwk("o")],
            &key,
            "k",
            Refused("UnknownKey"),
        ),
        (
            "a key with alg",
            vec![with(&good, json!({"alg": "EdDSA", "use": "sig"}))],
            &key,
            "k",
            Valid,
        ),
        (
            "unknown members",
            vec![with(&good, json!({"x5t": 7, "issuer": "https://login.example"}))],
            &key,
            "k",
            Valid,
        ),
        (
            "four others with the kid",
            [vec![other.jwk("k"); 4], vec![good]].concat(),
            &key,
            "k",
            forged,
        ),
    ];
    assert_outcomes(rows).await;
}

#[tokio::test]
async fn token_without_kid_is_tried_with_four_fitting_keys() {
    let key = SigningKey::ed25519(1);
    let other = |seed: u8| SigningKey::ed25519(seed).jwk(&format!("{seed}"));
    let unfitting = SigningKey::p256().jwk("p");
    let own = key.jwk("k");
    let rows = [
        ("one key", vec![own.clone()], Valid),
        ("the fourth", vec![other(2), other(3), other(4), own.clone()], Valid),
        ("the fourth that fits", vec![other(2), unfitting, other(3), other(4), own.clone()], Valid),
        (
            "the fifth",
            vec![other(2), other(3), other(4), other(5), own],
            Refused("InvalidSignature"),
        ),
        ("none", vec![other(2), other(3)], Refused("InvalidSignature")),
    ];
    for (name, keys, expected) in rows {
        let algorithms = json!(["Ed25519", "ES256"]);
        let found = with_keys(&keys, &key, &json!({"alg": "EdDSA"}), algorithms).await;
        assert_eq!(found, expected, "{name}");
    }
}

#[tokio::test]
async fn entry_and_key_decide_about_the_algorithm() {
    let (rsa, p256) = (SigningKey::rsa(), SigningKey::p256());
    let with = |jwk: Value, alg: &str| merged(jwk, json!({"alg": alg}));
    let rs256 = json!({"alg": "RS256", "kid": "k"});
    let es256 = json!({"alg": "ES256", "kid": "k"});
    let other = Refused("WrongAlgorithm");
    let rows = [
        ("RSA without alg", vec![rsa.jwk("k")], &rsa, &rs256, json!(null), Valid),
        ("RSA with alg", vec![with(rsa.jwk("k"), "RS256")], &rsa, &rs256, json!("RS256"), Valid),
        (
            "RSA, other algorithm of the entry",
            vec![rsa.jwk("k")],
            &rsa,
            &rs256,
            json!("PS256"),
            Refused("UnsupportedAlgorithm"),
        ),
        (
            "RSA, other algorithm of the key",
            vec![with(rsa.jwk("k"), "PS256")],
            &rsa,
            &rs256,
            json!(["RS256", "PS256"]),
            other,
        ),
        (
            "RSA, other algorithm of all keys",
            vec![with(rsa.jwk("k"), "PS256")],
            &rsa,
            &rs256,
            json!("RS256"),
            NO_KEYS,
        ),
        ("ECDSA", vec![p256.jwk("k")], &p256, &es256, json!(["RS256", "ES256"]), Valid),
        (
            "ECDSA under the kid of an RSA key",
            vec![rsa.jwk("k")],
            &p256,
            &es256,
            json!(["RS256", "ES256"]),
            other,
        ),
        (
            "both under one kid",
            vec![rsa.jwk("k"), p256.jwk("k")],
            &p256,
            &es256,
            json!(["RS256", "ES256"]),
            Valid,
        ),
    ];
    let mut wrong = Vec::new();
    for (name, keys, key, header, algorithms, expected) in rows {
        let found = with_keys(&keys, key, header, algorithms).await;
        if found != expected {
            wrong.push(format!("{name}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn key_of_one_issuer_does_not_verify_tokens_of_another() {
    let (one, two) = (SigningKey::ed25519(1), SigningKey::ed25519(2));
    let (first, second) = (
        Provider::start(&[one.jwk("k")]).await,
        Provider::start(&[two.jwk("k"), two.jwk("l")]).await,
    );
    let verifier = verifier(&[first.entry(), second.entry()]);
    let rows = [
        ("own key", first.claims(), &one, "k", Valid),
        ("own key of the second", second.claims(), &two, "k", Valid),
        ("key of the second", first.claims(), &two, "k", Refused("InvalidSignature")),
        ("key of the first", second.claims(), &one, "k", Refused("InvalidSignature")),
        ("kid of the second", first.claims(), &two, "l", Refused("UnknownKey")),
    ];
    for (name, claims, key, kid, expected) in rows {
        let found = outcome(&verifier, &key.sign(&header(kid), &claims), NOW).await;
        assert_eq!(found, expected, "{name}");
    }
}
