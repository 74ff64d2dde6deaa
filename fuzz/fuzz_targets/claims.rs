//! Arbitrary bytes as the claims of a token with a valid header. `serde_json` reads the same members as the strict
//! parser, and accepted claims are valid at the time of the check.

#![no_main]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::{Rejection, UnixTime, UnverifiedToken, Validation, json};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const NOW: u64 = 1_800_000_000;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(members) = json::object(bytes) {
        let text = Value::Object(members.clone()).to_string();
        assert_eq!(json::object(text.as_bytes()), Ok(members));
    }
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
    let text = format!("{header}.{}.AA", URL_SAFE_NO_PAD.encode(bytes));
    let Ok(token) = UnverifiedToken::parse(&text) else { return };
    let validation = Validation::new(Some("us".into()), Some(vec![]));
    match token.screen(&validation, UnixTime::from_seconds(NOW)) {
        Ok(_) => {
            let claims = json::object(bytes).expect("accepted claims are an object");
            assert_eq!(claims["iss"], "us");
            assert!(claims["exp"].as_f64().expect("exp is a number") > NOW as f64);
            assert!(!claims.contains_key("aud"));
        }
        Err(Rejection::Expired { at }) => assert!(at.seconds() <= NOW),
        Err(Rejection::NotYetValid { from }) => assert!(from.seconds() > NOW),
        Err(Rejection::IssuedInFuture { at }) => assert!(at.seconds() > NOW),
        Err(_) => {}
    }
});
