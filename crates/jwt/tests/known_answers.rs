//! The signature examples of the RFCs. `rfc.json` has the public key and the compact JWS of each.
//! RFC 8812 and RFC 9864 have no examples.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use countersign_jwt::{Algorithm, Jwk, PublicKey, UnverifiedToken, VerifyingKey};
use serde_json::{Value, json};

fn examples() -> Vec<Value> {
    let examples: Value = serde_json::from_str(include_str!("rfc.json")).unwrap();
    examples.as_array().unwrap().clone()
}

#[test]
fn rfc_example_verifies_and_changed_example_does_not() {
    let expected = [
        ("RFC 7515 A.2", Algorithm::Rs256),
        ("RFC 7515 A.3", Algorithm::Es256),
        ("RFC 7515 A.4", Algorithm::Es512),
        ("RFC 7520 4.1", Algorithm::Rs256),
        ("RFC 7520 4.2", Algorithm::Ps384),
        ("RFC 7520 4.3", Algorithm::Es512),
        ("RFC 8037 A.4", Algorithm::Ed25519),
        ("RFC 9964 A.1 ML-DSA-44", Algorithm::MlDsa44),
        ("RFC 9964 A.1 ML-DSA-65", Algorithm::MlDsa65),
        ("RFC 9964 A.1 ML-DSA-87", Algorithm::MlDsa87),
    ];
    let examples = examples();
    assert_eq!(examples.len(), expected.len());
    for (example, (name, algorithm)) in examples.iter().zip(expected) {
        assert_eq!(example["name"], name);
        let jwk = Jwk::read(example["jwk"].to_string().as_bytes()).unwrap();
        let parts = UnverifiedToken::parse(example["token"].as_str().unwrap())
            .unwrap()
            .signed_parts()
            .unwrap();
        assert_eq!(parts.algorithm, algorithm, "{name}");
        let input = parts.signing_input.as_bytes();
        for other in jwk.key.algorithms() {
            let key = VerifyingKey::new(&jwk.key, *other).unwrap();
            assert_eq!(
                key.verify(input, &parts.signature),
                *other == algorithm,
                "{name}, verified as {other}"
            );
        }
        let key = VerifyingKey::new(&jwk.key, algorithm).unwrap();
        for byte in (0..parts.signature.len()).step_by(17) {
            let mut changed = parts.signature.clone();
            changed[byte] ^= 1;
            assert!(!key.verify(input, &changed), "{name}, byte {byte} changed");
        }
        assert!(!key.verify(&input[1..], &parts.signature), "{name}, first byte removed");
    }
}

#[test]
fn key_is_the_same_in_jwk_der_and_pem() {
    for example in examples() {
        let jwk = Jwk::read(example["jwk"].to_string().as_bytes()).unwrap();
        let name = &example["name"];
        assert_eq!(Jwk::read(jwk.to_json().to_string().as_bytes()), Ok(jwk.clone()), "{name}");
        assert_eq!(PublicKey::from_spki(&jwk.key.to_spki()), Ok(jwk.key.clone()), "{name}");
        assert_eq!(PublicKey::from_pem(&jwk.key.to_pem()), Ok(jwk.key.clone()), "{name}");
    }
}

#[test]
fn debug_shows_only_the_algorithms_of_a_key() {
    let jwk = Jwk::read(examples()[6]["jwk"].to_string().as_bytes()).unwrap();
    assert_eq!(format!("{:?}", jwk.key), "PublicKey([Ed25519])");
    let key = VerifyingKey::new(&jwk.key, Algorithm::Ed25519).unwrap();
    assert_eq!(format!("{key:?}"), "VerifyingKey(Ed25519)");
}

#[test]
fn thumbprints_are_those_of_the_rfcs() {
    // RFC 7638 section 3.1.
    let rsa = json!({
        "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    });
    let key = |jwk: &Value| Jwk::read(jwk.to_string().as_bytes()).unwrap().key;
    assert_eq!(key(&rsa).thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    // RFC 8037 appendix A.3.
    let okp =
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    assert_eq!(key(&okp).thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    // RFC 9964: the key id of each example is its thumbprint.
    for example in examples().iter().filter(|example| example["jwk"]["kty"] == "AKP") {
        let jwk = &example["jwk"];
        assert_eq!(key(jwk).thumbprint(), jwk["kid"].as_str().unwrap(), "{}", example["name"]);
    }
}
