//! Arbitrary text as a token. An accepted token has exactly one encoding and is within the limits.

#![no_main]

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::{UnixTime, UnverifiedToken, Validation};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let validation = Validation::new(Some("us".into()), Some(vec!["a".into()]))
        .with_leeway(Duration::from_secs(60));
    let Ok(token) = UnverifiedToken::parse(text) else { return };
    let screened = token.screen(&validation, UnixTime::from_seconds(1_800_000_000));
    let Ok(parts) = token.signed_parts() else {
        assert!(screened.is_err());
        return;
    };
    assert!(text.len() <= parts.algorithm.max_token_bytes());
    let signature = URL_SAFE_NO_PAD.encode(&parts.signature);
    assert_eq!(format!("{}.{signature}", parts.signing_input), text);
});
