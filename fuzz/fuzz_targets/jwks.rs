//! Arbitrary bytes as a JWK or a JWK Set. Writing and reading an accepted value returns the same value.

#![no_main]

use jwt::{Jwk, JwkSet, KeySetVerifier, PublicKey, VerifyingKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(jwk) = Jwk::read(bytes) {
        assert_eq!(Jwk::read(jwk.to_json().to_string().as_bytes()), Ok(jwk.clone()));
        assert_eq!(PublicKey::from_spki(&jwk.key.to_spki()), Ok(jwk.key.clone()));
        assert_eq!(PublicKey::from_pem(&jwk.key.to_pem()), Ok(jwk.key.clone()));
        for algorithm in jwk.key.algorithms() {
            let key =
                VerifyingKey::new(&jwk.key, *algorithm).expect("the algorithm is one of the key");
            assert!(!key.verify(b"message", &vec![0; jwk.key.signature_bytes()]));
        }
    }
    if let Ok(set) = JwkSet::read(bytes) {
        let usable = JwkSet::new(set.keys.clone());
        assert_eq!(JwkSet::read(set.to_json().to_string().as_bytes()), Ok(usable));
        assert!(KeySetVerifier::new(&set).is_ok());
    }
});
