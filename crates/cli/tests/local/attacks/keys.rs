//! Keys that are not those of the issuer.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::{
    attacks,
    requests::{authenticate, grant},
    scene::{Scene, UNPROVEN, header},
};
use crate::{public_keys::Signer, token_endpoint::now};

attacks! {
    key_of_another_issuer(scene): "another trusted issuer's key, with its `kid`"
        => (400, "invalid_grant", "UnknownKey", 2, 0) {
        grant(&scene.other.token(Some("other"), &scene.job()))
    }
    key_of_another_issuer_with_the_right_kid(scene): "another trusted issuer's key, with the `kid` of the right key"
        => (400, "invalid_grant", "InvalidSignature", 2, 0) {
        grant(&scene.other.token(Some("ci"), &scene.job()))
    }
    key_of_a_client(scene): "a client's key"
        => (400, "invalid_grant", "InvalidSignature", 2, 0) {
        grant(&scene.client.token(Some("ci"), &scene.job()))
    }
    key_of_an_issuer_for_a_client(scene): "an issuer's key for a client"
        => (400, "invalid_client", "InvalidSignature", 1, 0) {
        let claims = json!({"iss": "client-1", "sub": "client-1", "aud": scene.issuer(), "exp": now() + 60});
        authenticate(&scene.ci.token(Some("client"), &claims))
    }
    unknown_key(scene): "an unknown key"
        => (400, "invalid_grant", "UnknownKey", 2, 0) {
        grant(&Signer::new().token(Some(UNPROVEN), &scene.job()))
    }
    key_without_kid(scene): "the attacker's key, without `kid`"
        => (400, "invalid_grant", "InvalidSignature", 2, 0) {
        grant(&Signer::new().token(None, &scene.job()))
    }
    key_in_the_token(scene): "the attacker's key in the token (`jwk`)"
        => (400, "invalid_grant", "HeaderParameter", 0, 0) {
        let attacker = Signer::new();
        let jwk = serde_json::from_value(attacker.jwk(None)).unwrap();
        let header = Header { jwk: Some(jwk), ..header("ci") };
        grant(&attacker.token_with(&header, &scene.job()))
    }
    address_of_a_key_set_in_the_token(scene): "the address of the attacker's key set in the token (`jku`)"
        => (400, "invalid_grant", "HeaderParameter", 0, 0) {
        let (attacker, url) = publish_attackers_keys(scene);
        let header = Header { jku: Some(url), ..header("attacker") };
        grant(&attacker.token_with(&header, &scene.job()))
    }
    address_of_a_certificate_in_the_token(scene): "the address of the attacker's certificate in the token (`x5u`)"
        => (400, "invalid_grant", "HeaderParameter", 0, 0) {
        let (attacker, url) = publish_attackers_keys(scene);
        let header = Header { x5u: Some(url), ..header("attacker") };
        grant(&attacker.token_with(&header, &scene.job()))
    }
    certificate_in_the_token(scene): "the attacker's certificate in the token (`x5c`)"
        => (400, "invalid_grant", "HeaderParameter", 0, 0) {
        let attacker = Signer::new();
        let header = Header { x5c: Some(vec![attacker.certificate()]), ..header("ci") };
        grant(&attacker.token_with(&header, &scene.job()))
    }
    public_key_as_a_secret(scene): "HS256 with the public key as the secret"
        => (400, "invalid_grant", "UnsupportedAlgorithm", 0, 0) {
        let header = Header { alg: Algorithm::HS256, ..header("ci") };
        let secret = EncodingKey::from_secret(scene.ci.jwk(Some("ci")).to_string().as_bytes());
        grant(&encode(&header, &scene.job(), &secret).unwrap())
    }
    no_signature(scene): "no signature (`none`)"
        => (400, "invalid_grant", "NotCompact", 0, 0) {
        grant(&unsigned(scene, "none", ""))
    }
    none_with_a_signature(scene): "`none` with some signature"
        => (400, "invalid_grant", "UnsupportedAlgorithm", 0, 0) {
        grant(&unsigned(scene, "none", "AAAA"))
    }
    algorithm_that_the_entry_lacks(scene): "an algorithm that the entry does not name"
        => (400, "invalid_grant", "UnsupportedAlgorithm", 0, 0) {
        grant(&unsigned(scene, "RS256", &"A".repeat(342)))
    }
    changed_claims(scene): "claims changed under the signature"
        => (400, "invalid_grant", "InvalidSignature", 2, 0) {
        let (token, other) = (scene.job_with(&json!({})), scene.job_with(&json!({"repository_id": "7"})));
        let part = |token: &str, at: usize| token.split('.').nth(at).unwrap().to_owned();
        grant(&[part(&other, 0), part(&token, 1), part(&other, 2)].join("."))
    }
    text_that_is_not_a_token(_scene): "a text that is not a token"
        => (400, "invalid_grant", "NotCompact", 0, 0) {
        grant(UNPROVEN)
    }
}

/// A key of the attacker, and the URL of the provider of this test where it is published.
fn publish_attackers_keys(scene: &Scene) -> (Signer, String) {
    let attacker = Signer::new();
    scene.provider.publish("/attacker", &[attacker.jwk(Some("attacker"))]);
    (attacker, format!("{}/attacker", scene.provider.url))
}

/// The assertion of the job with this signature.
fn unsigned(scene: &Scene, algorithm: &str, signature: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": algorithm, "kid": "ci"});
    format!("{}.{}.{signature}", part(header), part(scene.job()))
}
