use std::{collections::BTreeMap, time::Duration};

use jwt::json;
use policy::{
    is_scope,
    issuance::{Caller, IssuanceDefaults, IssuanceRequest},
};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{IssuanceError, IssuerConfig};

/// What is asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// Everything in the token that is not the issuer's to say.
    pub claims: Map<String, Value>,
    /// How long the token shall live, if it is said.
    pub lifetime: Option<Duration>,
}

impl TokenRequest {
    /// Reads `{"claims": {…}, "expires_in": 3600}`.
    ///
    /// # Errors
    /// Whatever is wrong first.
    pub fn read(text: &[u8], terms: &IssuerConfig) -> Result<Self, IssuanceError> {
        // First, as a number beyond an f64 is not read as JSON either.
        if let Some(claim) = inexact_claim(text) {
            return Err(IssuanceError::InexactNumber { claim });
        }
        let mut members = json::object(text).map_err(IssuanceError::NotJson)?;
        let (claims, expires_in) = (members.remove("claims"), members.remove("expires_in"));
        if !members.is_empty() {
            return Err(IssuanceError::Member);
        }
        let Some(Value::Object(claims)) = claims else { return Err(IssuanceError::Claims) };
        if let Some(name) = RESERVED.into_iter().find(|name| claims.contains_key(*name)) {
            return Err(IssuanceError::Reserved(name));
        }
        if claims.get("sub").is_some_and(|sub| sub.as_str().is_none_or(str::is_empty)) {
            return Err(IssuanceError::Subject);
        }
        if claims.get("aud").is_some_and(|aud| !is_audience(aud)) {
            return Err(IssuanceError::Audience);
        }
        let is_odd = |name: &&str| claims.get(*name).is_some_and(|value| !is_plain(value));
        if let Some(name) = ["sub", "aud"].into_iter().find(is_odd) {
            return Err(IssuanceError::NotPlain(name));
        }
        if claims.get("scope").is_some_and(|scope| !scope.as_str().is_some_and(is_scope)) {
            return Err(IssuanceError::Scope);
        }
        let passed_on =
            OWN_BYTES + terms.issuer.len() + terms.audience.as_ref().map_or(0, String::len);
        let mut own = passed_on;
        if terms.are_access_tokens() {
            let client = claims.get("client_id");
            if client.is_some_and(|client| client.as_str().is_none_or(str::is_empty)) {
                return Err(IssuanceError::ClientId);
            }
            // `client_id` is `sub` again where it is not asked for.
            own += CLIENT_BYTES + claims.get("sub").map_or(0, json::bytes);
        }
        if json::object_bytes(&claims) + own > MAX_CLAIMS_BYTES {
            return Err(IssuanceError::TooLarge { max: MAX_CLAIMS_BYTES.saturating_sub(own) });
        }
        if jwt::context_claims_len(&claims) + OWN_BYTES + terms.issuer.len()
            > jwt::MAX_CONTEXT_CLAIMS_BYTES
        {
            return Err(IssuanceError::TooLongToPassOn);
        }
        if terms.are_access_tokens() && !claims.contains_key("sub") {
            return Err(IssuanceError::NoSubject);
        }
        if terms.are_access_tokens() && terms.audience.is_none() && !claims.contains_key("aud") {
            return Err(IssuanceError::NoAudience);
        }
        Ok(Self { claims, lifetime: lifetime(expires_in.as_ref(), terms)? })
    }

    /// What the caller gets of it: all, or nothing.
    ///
    /// # Errors
    /// When the policy does not grant it.
    pub fn grant(
        self,
        caller: &Caller,
        terms: &IssuerConfig,
    ) -> Result<GrantedRequest, IssuanceError> {
        let lifetime = match &terms.policy {
            Some(policy) => {
                let request = IssuanceRequest { claims: &self.claims, lifetime: self.lifetime };
                let defaults = IssuanceDefaults {
                    audience: terms.audience.as_deref(),
                    lifetime: terms.lifetime,
                    lifetime_max: terms.lifetime_max,
                };
                policy.grant(&request, caller, &defaults).map_err(IssuanceError::Policy)?
            }
            None => self.lifetime.unwrap_or(terms.lifetime),
        };
        Ok(GrantedRequest { claims: self.claims, lifetime })
    }
}

/// A request that was granted. There is no other way to come by one than [`TokenRequest::grant`].
#[derive(Clone, PartialEq, Eq)]
pub struct GrantedRequest {
    pub(crate) claims: Map<String, Value>,
    pub(crate) lifetime: Duration,
}

/// The name of the first claim with a number that would be signed as another one.
fn inexact_claim(request: &[u8]) -> Option<String> {
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

fn is_audience(aud: &Value) -> bool {
    match aud {
        Value::String(_) => true,
        Value::Array(several) => !several.is_empty() && several.iter().all(Value::is_string),
        _ => false,
    }
}

/// Of one text, or of each.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Array(several) => several.iter().all(is_plain),
        _ => value.as_str().is_none_or(jwt::is_plain_identifier),
    }
}

fn lifetime(
    expires_in: Option<&Value>,
    terms: &IssuerConfig,
) -> Result<Option<Duration>, IssuanceError> {
    let Some(expires_in) = expires_in else { return Ok(None) };
    let seconds =
        expires_in.as_u64().filter(|&seconds| seconds > 0).ok_or(IssuanceError::ExpiresIn)?;
    let max = terms.lifetime_max.as_secs();
    if seconds > max {
        return Err(IssuanceError::Lifetime { max });
    }
    Ok(Some(Duration::from_secs(seconds)))
}

/// The longest request, in bytes, that is parsed. A parsed value takes up to a hundred times the memory of its
/// text. Claims have `MAX_CLAIMS_BYTES` without white space and escapes, for which this leaves room.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// The claims that only the issuer sets.
const RESERVED: [&str; 5] = ["iss", "iat", "exp", "nbf", "jti"];

/// What `iss`, `iat`, `exp`, `jti` and the default `aud` take beside their settings: names,
/// quotation marks, two times and a UUID.
const OWN_BYTES: usize = 120;

/// What `client_id` takes beside its value.
const CLIENT_BYTES: usize = 14;

/// Of the whole payload: with the header and the longest RSA signature, the token stays within [`Algorithm::max_token_bytes`](jwt::Algorithm::max_token_bytes).
const MAX_CLAIMS_BYTES: usize = 5400;

/// Of a claim's name in an error message: enough to know it by.
const MAX_NAME_CHARS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn terms() -> IssuerConfig {
        IssuerConfig {
            lifetime: Duration::from_mins(10),
            lifetime_max: Duration::from_mins(15),
            ..IssuerConfig::of("us")
        }
    }

    fn read(text: &str) -> Result<(Value, u64), IssuanceError> {
        let request = TokenRequest::read(text.as_bytes(), &terms())?;
        let grant = request.grant(&Caller::Invoke, &terms())?;
        Ok((Value::Object(grant.claims), grant.lifetime.as_secs()))
    }

    #[test]
    fn requests() {
        let rows = [
            ("claims", r#"{"claims":{"sub":"a"}}"#, Ok((json!({"sub": "a"}), 600))),
            ("no claim", r#"{"claims":{}}"#, Ok((json!({}), 600))),
            ("a lifetime", r#"{"claims":{},"expires_in":1}"#, Ok((json!({}), 1))),
            ("the longest", r#"{"claims":{},"expires_in":900}"#, Ok((json!({}), 900))),
            (
                "longer",
                r#"{"claims":{},"expires_in":901}"#,
                Err(IssuanceError::Lifetime { max: 900 }),
            ),
            ("none at all", r#"{"claims":{},"expires_in":0}"#, Err(IssuanceError::ExpiresIn)),
            ("negative", r#"{"claims":{},"expires_in":-1}"#, Err(IssuanceError::ExpiresIn)),
            ("a fraction", r#"{"claims":{},"expires_in":1.5}"#, Err(IssuanceError::ExpiresIn)),
            ("a string", r#"{"claims":{},"expires_in":"60"}"#, Err(IssuanceError::ExpiresIn)),
            ("null", r#"{"claims":{},"expires_in":null}"#, Err(IssuanceError::ExpiresIn)),
            ("nothing", "{}", Err(IssuanceError::Claims)),
            ("an array of claims", r#"{"claims":[]}"#, Err(IssuanceError::Claims)),
            ("claims are a string", r#"{"claims":"{}"}"#, Err(IssuanceError::Claims)),
            ("misspelt", r#"{"claims":{},"expire_in":1}"#, Err(IssuanceError::Member)),
            ("bare claims", r#"{"sub":"a"}"#, Err(IssuanceError::Member)),
            ("sub is a number", r#"{"claims":{"sub":1}}"#, Err(IssuanceError::Subject)),
            (
                "several audiences",
                r#"{"claims":{"aud":["a","b"]}}"#,
                Ok((json!({"aud": ["a", "b"]}), 600)),
            ),
            ("scopes", r#"{"claims":{"scope":"a b:c"}}"#, Ok((json!({"scope": "a b:c"}), 600))),
            ("scopes in a list", r#"{"claims":{"scope":["a"]}}"#, Err(IssuanceError::Scope)),
            ("no scope", r#"{"claims":{"scope":""}}"#, Err(IssuanceError::Scope)),
            ("two spaces", r#"{"claims":{"scope":"a  b"}}"#, Err(IssuanceError::Scope)),
            ("a quotation mark", r#"{"claims":{"scope":"a\""}}"#, Err(IssuanceError::Scope)),
            ("sub is empty", r#"{"claims":{"sub":""}}"#, Err(IssuanceError::Subject)),
            ("no audience", r#"{"claims":{"aud":[]}}"#, Err(IssuanceError::Audience)),
            ("aud is a number", r#"{"claims":{"aud":1}}"#, Err(IssuanceError::Audience)),
        ];
        for (name, text, expected) in rows {
            assert_eq!(read(text), expected, "{name}");
        }
    }

    #[test]
    fn access_tokens_say_who_and_for_whom() {
        let access = IssuerConfig { token_type: "at+jwt".into(), ..terms() };
        let known = IssuerConfig { audience: Some("api".into()), ..access.clone() };
        let rows = [
            ("who and for whom", &access, r#"{"claims":{"sub":"a","aud":"b"}}"#, Ok(())),
            ("for whom is known", &known, r#"{"claims":{"sub":"a"}}"#, Ok(())),
            ("not who", &known, r#"{"claims":{}}"#, Err(IssuanceError::NoSubject)),
            ("not for whom", &access, r#"{"claims":{"sub":"a"}}"#, Err(IssuanceError::NoAudience)),
            ("not access tokens", &terms(), r#"{"claims":{}}"#, Ok(())),
            (
                "a client that is a number",
                &known,
                r#"{"claims":{"sub":"a","client_id":5}}"#,
                Err(IssuanceError::ClientId),
            ),
            ("a client", &known, r#"{"claims":{"sub":"a","client_id":"b"}}"#, Ok(())),
        ];
        for (name, terms, text, expected) in rows {
            let read = TokenRequest::read(text.as_bytes(), terms);
            assert_eq!(read.map(|_| ()), expected, "{name}");
        }
    }

    /// The subject stands twice in an access token.
    #[test]
    fn access_tokens_fit_too() {
        let known =
            IssuerConfig { token_type: "at+jwt".into(), audience: Some("a".into()), ..terms() };
        let read = |other: usize| {
            let (sub, other) = ("s".repeat(2700), "x".repeat(other));
            let text = format!(r#"{{"claims":{{"sub":"{sub}","f":"{other}"}}}}"#);
            TokenRequest::read(text.as_bytes(), &known).map(|_| ())
        };
        assert_eq!(read(10), Err(IssuanceError::TooLarge { max: 2561 }));
        let plain = IssuerConfig { token_type: "JWT".into(), ..known.clone() };
        let text = format!(r#"{{"claims":{{"sub":"{}"}}}}"#, "s".repeat(2700));
        assert!(TokenRequest::read(text.as_bytes(), &plain).is_ok());
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "claims", "[]", r#"{"claims":{"sub":"a","sub":"b"}}"#] {
            assert!(matches!(read(text), Err(IssuanceError::NotJson(_))), "{text}");
        }
    }

    #[test]
    fn the_issuers_own_claims_cannot_be_asked_for() {
        for name in RESERVED {
            let text = format!(r#"{{"claims":{{"{name}":1}}}}"#);
            assert_eq!(read(&text), Err(IssuanceError::Reserved(name)));
        }
    }

    #[test]
    fn white_space_control_and_bidi_characters_in_sub_and_aud_are_refused() {
        for text in
            ["a b", " a", "a\n", "a\u{3000}", "a\0", "\u{9B}2J", "nim\u{202E}da", "a\u{200E}"]
        {
            let rows = [
                ("sub", json!({"sub": text})),
                ("aud", json!({"aud": text})),
                ("aud", json!({"aud": ["api", text]})),
                ("aud", json!({"sub": "a", "aud": [text, "api"]})),
            ];
            for (name, claims) in rows {
                let request = json!({"claims": claims}).to_string();
                assert_eq!(read(&request), Err(IssuanceError::NotPlain(name)), "{request}");
            }
        }
        assert_eq!(IssuanceError::NotPlain("sub").status(), 400);
        let arn = "arn:aws:sts::123456789012:assumed-role/orders/a=b,c.d@e_f+g-h";
        let other = json!({"sub": arn, "aud": ["https://api.example"], "name": "Ann \u{202E}", "scope": "a b"});
        assert_eq!(read(&json!({"claims": other}).to_string()), Ok((other, 600)));
    }

    #[test]
    fn number_that_would_be_signed_as_another_is_refused() {
        let rows = [
            ("an integer of 64 bits", "18446744073709551615", true),
            ("an integer beyond 64 bits", "12345678901234567890123", false),
            ("a short decimal", "0.1", true),
            ("an exponent", "1e2", true),
            ("a decimal of too many digits", "0.12345678901234567890", false),
            ("a number beyond an f64", "1e400", false),
        ];
        for (name, number, accepted) in rows {
            let nested = format!(r#"{{"a":[1,{number}]}}"#);
            for value in [number, &nested] {
                let text = format!(r#"{{"expires_in":60,"claims":{{"sub":"a","id":{value}}}}}"#);
                let read = TokenRequest::read(text.as_bytes(), &terms());
                let expected = IssuanceError::InexactNumber { claim: "id".into() };
                let expected = if accepted { None } else { Some(expected) };
                assert_eq!(read.err(), expected, "{name}: {text}");
            }
        }
    }

    #[test]
    fn refusal_of_a_number_names_the_claim_and_the_way_out() {
        let rows = [
            ("id", "id".to_owned()),
            (&*"x".repeat(65), "x".repeat(64)),
            ("\u{9B}\u{202E}", r"\u{9b}\u{202e}".to_owned()),
        ];
        for (claim, shown) in rows {
            let refusal = read(&format!(r#"{{"claims":{{"{claim}":1e400}}}}"#)).unwrap_err();
            let expected = format!(
                "a number in the claim {shown} cannot be signed exactly: send integers of more than 64 bits \
                 and decimals of more than 17 digits as strings"
            );
            assert_eq!((refusal.status(), refusal.to_string()), (400, expected));
        }
    }

    #[test]
    fn what_says_who_has_a_size() {
        let with =
            |bytes: usize| read(&format!(r#"{{"claims":{{"sub":"{}"}}}}"#, "x".repeat(bytes)));
        assert!(with(2900).is_ok());
        assert_eq!(with(3000), Err(IssuanceError::TooLongToPassOn));
    }

    #[test]
    fn claims_have_a_size() {
        let own = OWN_BYTES + terms().issuer.len();
        let most = MAX_CLAIMS_BYTES - own;
        let with = |bytes: usize| format!(r#"{{"claims":{{"a":"{}"}}}}"#, "x".repeat(bytes - 8));
        assert!(read(&with(most)).is_ok());
        assert_eq!(read(&with(most + 1)), Err(IssuanceError::TooLarge { max: most }));
    }
}
