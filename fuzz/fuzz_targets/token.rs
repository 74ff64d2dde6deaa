//! Any text as a token: what is screened has exactly one spelling, and keeps to its bounds.

#![no_main]

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::{Validation, UnixTime, UnverifiedToken};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let profile = Validation {
        issuer: Some("us".into()),
        audiences: Some(vec!["a".into()]),
        token_type: "JWT".into(),
        leeway: Duration::from_secs(60),
    };
    let Ok(token) = UnverifiedToken::parse(text) else { return };
    let screened = token.screen(&profile, UnixTime::from_seconds(1_800_000_000));
    let Ok(proof) = token.signed_parts() else {
        assert!(screened.is_err());
        return;
    };
    assert!(text.len() <= proof.algorithm.max_token_bytes());
    let signature = URL_SAFE_NO_PAD.encode(&proof.signature);
    assert_eq!(format!("{}.{signature}", proof.signing_input), text);
});
