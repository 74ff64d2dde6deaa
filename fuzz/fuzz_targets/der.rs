//! Arbitrary bytes as an ECDSA signature in DER and fixed-length form, and as a public key. Each value has exactly one
//! encoding.

#![no_main]

use jwt::{Curve, PublicKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for curve in [Curve::P256, Curve::P384, Curve::P521, Curve::Secp256k1] {
        if let Some(fixed) = curve.from_der(bytes) {
            assert_eq!(fixed.len(), 2 * curve.bytes());
            assert_eq!(curve.to_der(&fixed).as_deref(), Some(bytes));
        }
        if let Some(der) = curve.to_der(bytes) {
            assert_eq!(curve.from_der(&der).as_deref(), Some(bytes));
        }
    }
    if let Ok(key) = PublicKey::from_spki(bytes) {
        assert_eq!(key.to_spki(), bytes);
    }
});
