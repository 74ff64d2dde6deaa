use std::collections::BTreeMap;

use jwt::json;
use policy::{is_scope, issuance::RESERVED_CLAIMS};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{
    IssuanceError, IssuerConfig,
    added_claims::{ADDED_BYTES, CLIENT_ID_BYTES},
    limits::MAX_CLAIMS_BYTES,
};

/// Checks the claims that a caller asks for: types, characters, length, and what the token type requires.
///
/// # Errors
/// The first problem.
pub(crate) fn check(
    claims: &Map<String, Value>,
    config: &IssuerConfig,
) -> Result<(), IssuanceError> {
    if let Some(name) = RESERVED_CLAIMS.into_iter().find(|name| claims.contains_key(*name)) {
        return Err(IssuanceError::ReservedClaim(name));
    }
    check_registered(claims)?;
    check_length(claims, config)?;
    if config.issues_access_tokens() && !claims.contains_key("sub") {
        return Err(IssuanceError::MissingSubject);
    }
    if config.issues_access_tokens() && config.audience.is_none() && !claims.contains_key("aud") {
        return Err(IssuanceError::MissingAudience);
    }
    Ok(())
}

/// The first claim with a number that the token would change: the start of its name, with escapes for
/// characters that do not print.
pub(crate) fn find_inexact(request: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims<'a> {
        #[serde(borrow)]
        claims: BTreeMap<String, &'a RawValue>,
    }
    let Claims { claims } = serde_json::from_slice(request).ok()?;
    let mut claims = claims.into_iter();
    let (name, _) = claims.find(|(_, value)| !json::has_exact_numbers(value.get()))?;
    Some(name.escape_debug().take(MAX_NAME_CHARS).collect())
}

/// Checks `sub`, `aud` and `scope`.
fn check_registered(claims: &Map<String, Value>) -> Result<(), IssuanceError> {
    if claims.get("sub").is_some_and(|sub| !is_non_empty_string(sub)) {
        return Err(IssuanceError::InvalidSubject);
    }
    if claims.get("aud").is_some_and(|aud| !is_audience(aud)) {
        return Err(IssuanceError::InvalidAudience);
    }
    let is_confusable = |name: &&str| claims.get(*name).is_some_and(|value| !is_plain(value));
    if let Some(name) = ["sub", "aud"].into_iter().find(is_confusable) {
        return Err(IssuanceError::ConfusableCharacters(name));
    }
    if claims.get("scope").is_some_and(|scope| !scope.as_str().is_some_and(is_scope)) {
        return Err(IssuanceError::InvalidScope);
    }
    Ok(())
}

/// Checks the length of the payload with the claims that the issuer adds.
fn check_length(claims: &Map<String, Value>, config: &IssuerConfig) -> Result<(), IssuanceError> {
    let default_audience = config.audience.as_ref().filter(|_| !claims.contains_key("aud"));
    let in_context = ADDED_BYTES + config.issuer.len() + default_audience.map_or(0, String::len);
    let mut added_bytes = in_context;
    if config.issues_access_tokens() {
        if claims.get("client_id").is_some_and(|client| !is_non_empty_string(client)) {
            return Err(IssuanceError::InvalidClientId);
        }
        // Without a `client_id` in the request, the issuer repeats `sub` there.
        added_bytes += CLIENT_ID_BYTES + claims.get("sub").map_or(0, json::bytes);
    }
    if json::object_bytes(claims) + added_bytes > MAX_CLAIMS_BYTES {
        let max = MAX_CLAIMS_BYTES.saturating_sub(added_bytes);
        return Err(IssuanceError::ClaimsTooLong { max });
    }
    if jwt::context_claims_len(claims) + in_context > jwt::MAX_CONTEXT_CLAIMS_BYTES {
        return Err(IssuanceError::ContextClaimsTooLong);
    }
    Ok(())
}

fn is_non_empty_string(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn is_audience(aud: &Value) -> bool {
    match aud {
        Value::String(_) => true,
        Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_string),
        _ => false,
    }
}

/// Whether a string, or every string of an array, is a plain identifier.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(is_plain),
        _ => value.as_str().is_none_or(jwt::is_plain_identifier),
    }
}

/// The characters of a claim's name that an error message shows.
const MAX_NAME_CHARS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenRequest;
    use serde_json::json;

    fn config() -> IssuerConfig {
        IssuerConfig::with_short_lifetimes()
    }

    fn read(text: &str) -> Result<(Value, u64), IssuanceError> {
        TokenRequest::read_and_grant(text)
    }

    #[test]
    fn access_tokens_require_sub_and_aud() {
        let access = IssuerConfig { token_type: "at+jwt".into(), ..config() };
        let with_audience = IssuerConfig { audience: Some("api".into()), ..access.clone() };
        let rows = [
            ("sub and aud", &access, r#"{"claims":{"sub":"a","aud":"b"}}"#, Ok(())),
            ("sub and default aud", &with_audience, r#"{"claims":{"sub":"a"}}"#, Ok(())),
            ("no sub", &with_audience, r#"{"claims":{}}"#, Err(IssuanceError::MissingSubject)),
            ("no aud", &access, r#"{"claims":{"sub":"a"}}"#, Err(IssuanceError::MissingAudience)),
            ("no access token", &config(), r#"{"claims":{}}"#, Ok(())),
            (
                "client_id is a number",
                &with_audience,
                r#"{"claims":{"sub":"a","client_id":5}}"#,
                Err(IssuanceError::InvalidClientId),
            ),
            ("client_id", &with_audience, r#"{"claims":{"sub":"a","client_id":"b"}}"#, Ok(())),
        ];
        for (name, config, text, expected) in rows {
            let read = TokenRequest::read(text.as_bytes(), config);
            assert_eq!(read.map(|_| ()), expected, "{name}");
        }
    }

    /// An access token contains the subject twice: as `sub` and as `client_id`.
    #[test]
    fn length_of_an_access_token_includes_the_default_client_id() {
        let access =
            IssuerConfig { token_type: "at+jwt".into(), audience: Some("a".into()), ..config() };
        let read = |other: usize| {
            let (sub, other) = ("s".repeat(2700), "x".repeat(other));
            let text = format!(r#"{{"claims":{{"sub":"{sub}","f":"{other}"}}}}"#);
            TokenRequest::read(text.as_bytes(), &access).map(|_| ())
        };
        assert_eq!(read(10), Err(IssuanceError::ClaimsTooLong { max: 2561 }));
        let plain = IssuerConfig { token_type: "JWT".into(), ..access.clone() };
        let text = format!(r#"{{"claims":{{"sub":"{}"}}}}"#, "s".repeat(2700));
        assert!(TokenRequest::read(text.as_bytes(), &plain).is_ok());
    }

    #[test]
    fn claims_of_the_issuer_are_refused() {
        for name in RESERVED_CLAIMS {
            let text = format!(r#"{{"claims":{{"{name}":1}}}}"#);
            assert_eq!(read(&text), Err(IssuanceError::ReservedClaim(name)));
        }
    }

    #[test]
    fn white_space_control_and_invisible_characters_in_sub_and_aud_are_refused() {
        for text in [
            "a b",
            " a",
            "a\n",
            "a\u{3000}",
            "a\0",
            "\u{9B}2J",
            "nim\u{202E}da",
            "a\u{200E}",
            "ad\u{200B}min",
        ] {
            let rows = [
                ("sub", json!({"sub": text})),
                ("aud", json!({"aud": text})),
                ("aud", json!({"aud": ["api", text]})),
                ("aud", json!({"sub": "a", "aud": [text, "api"]})),
            ];
            for (name, claims) in rows {
                let request = json!({"claims": claims}).to_string();
                assert_eq!(
                    read(&request),
                    Err(IssuanceError::ConfusableCharacters(name)),
                    "{request}"
                );
            }
        }
        assert_eq!(IssuanceError::ConfusableCharacters("sub").status(), 400);
        let arn = "arn:aws:sts::123456789012:assumed-role/orders/a=b,c.d@e_f+g-h";
        let other = json!({"sub": arn, "aud": ["https://api.example"], "name": "Ann \u{202E}", "scope": "a b"});
        assert_eq!(read(&json!({"claims": other}).to_string()), Ok((other, 600)));
    }

    #[test]
    fn number_that_the_token_would_change_is_refused() {
        let rows = [
            ("integer of 64 bits", "18446744073709551615", true),
            ("integer beyond 64 bits", "12345678901234567890123", false),
            ("short decimal", "0.1", true),
            ("exponent", "1e2", true),
            ("decimal of too many digits", "0.12345678901234567890", false),
            ("number beyond an f64", "1e400", false),
        ];
        for (name, number, is_accepted) in rows {
            let nested = format!(r#"{{"a":[1,{number}]}}"#);
            for value in [number, &nested] {
                let text = format!(r#"{{"expires_in":60,"claims":{{"sub":"a","id":{value}}}}}"#);
                let read = TokenRequest::read(text.as_bytes(), &config());
                let expected = IssuanceError::InexactNumber { claim: "id".into() };
                let expected = if is_accepted { None } else { Some(expected) };
                assert_eq!(read.err(), expected, "{name}: {text}");
            }
        }
    }

    #[test]
    fn error_about_a_number_names_the_claim_and_the_remedy() {
        let rows = [
            ("id", "id".to_owned()),
            (&*"x".repeat(65), "x".repeat(64)),
            ("\u{9B}\u{202E}", r"\u{9b}\u{202e}".to_owned()),
        ];
        for (claim, shown) in rows {
            let error = read(&format!(r#"{{"claims":{{"{claim}":1e400}}}}"#)).unwrap_err();
            let expected = format!(
                "a number in the claim {shown} cannot be signed exactly: send integers of more than 64 bits \
                 and decimals of more than 17 digits as strings"
            );
            assert_eq!((error.status(), error.to_string()), (400, expected));
        }
    }

    #[test]
    fn context_claims_over_the_maximum_length_are_refused() {
        let with_sub_of =
            |bytes: usize| read(&format!(r#"{{"claims":{{"sub":"{}"}}}}"#, "x".repeat(bytes)));
        assert!(with_sub_of(2900).is_ok());
        assert_eq!(with_sub_of(3000), Err(IssuanceError::ContextClaimsTooLong));
    }

    #[test]
    fn claims_over_the_maximum_length_are_refused() {
        let added = ADDED_BYTES + config().issuer.len();
        let max = MAX_CLAIMS_BYTES - added;
        let claims_of =
            |bytes: usize| format!(r#"{{"claims":{{"a":"{}"}}}}"#, "x".repeat(bytes - 8));
        assert!(read(&claims_of(max)).is_ok());
        assert_eq!(read(&claims_of(max + 1)), Err(IssuanceError::ClaimsTooLong { max }));
    }
}
