//! The reason why a token is refused, for the holder of the token.

use jwt::{Rejection, TokenCheck, UnixTime, Validation, json};
use serde_json::{Map, Value};

use crate::{humanize::HumanTime, signed_json};

/// The reason with its details: dates, the wrong claim and its value.
pub(crate) fn describe(
    rejection: Rejection,
    token: &str,
    validation: Option<&Validation>,
    now: UnixTime,
) -> String {
    let when = |time| HumanTime { time, now };
    match rejection {
        Rejection::Expired { at } => return format!("expired: `exp` is {}", when(at)),
        Rejection::NotYetValid { from } => {
            return format!("not valid yet: `nbf` is {}", when(from));
        }
        Rejection::IssuedInFuture { at } => {
            return format!("issued in the future: `iat` is {}", when(at));
        }
        _ => {}
    }
    let mut parts = token.split('.');
    let mut part = || parts.next().and_then(signed_json::decode);
    let (header, claims) = (part(), part());
    let detail = match (rejection.check(), rejection) {
        (TokenCheck::Form, _) => form_problem(token),
        (_, Rejection::Type) => {
            let expected = validation.map(|it| it.token_types.join(", "));
            Some(mismatch(header.as_deref(), "typ", expected.as_deref()))
        }
        (_, Rejection::UnsupportedAlgorithm) => Some(value(header.as_deref(), "alg")),
        (_, Rejection::UnknownKey) => Some(value(header.as_deref(), "kid")),
        (_, Rejection::Claims) => Some(claims.as_deref().map_or_else(
            || "the payload is not a JSON object with unique member names".to_owned(),
            |claims| wrong_claim(claims).unwrap_or_default(),
        )),
        (TokenCheck::Issuer, _) => {
            let expected = validation.and_then(|it| it.issuer.as_deref());
            Some(mismatch(claims.as_deref(), "iss", expected))
        }
        (TokenCheck::Audience, _) => {
            let expected = validation.and_then(|it| it.audiences.as_ref()).map(|it| it.join(", "));
            Some(mismatch(claims.as_deref(), "aud", expected.as_deref()))
        }
        _ => None,
    };
    match detail.filter(|detail| !detail.is_empty()) {
        Some(detail) => format!("{rejection}: {detail}"),
        None => rejection.to_string(),
    }
}

/// The problem with the form of a token.
pub(crate) fn form_problem(token: &str) -> Option<String> {
    let starts_with = |prefix: &str| {
        token.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let parts = token.split('.').count();
    let problem = if token.is_empty() {
        "it is empty"
    } else if token.starts_with('\u{feff}') {
        "it begins with a byte order mark: remove it"
    } else if starts_with("authorization:") {
        "it begins with the name of the header: pass the token alone"
    } else if starts_with("bearer ") {
        "it begins with `Bearer `: pass the token alone"
    } else if token.starts_with(['"', '\'', '`', '{']) {
        "it begins with a quotation mark or a brace: pass the token alone"
    } else if token.contains(char::is_whitespace) {
        "it contains white space"
    } else if token.contains('=') {
        "it has padding (`=`): remove it"
    } else if token.contains(['+', '/']) {
        "it has `+` or `/`: it is standard base64 instead of base64url"
    } else if parts == 5 {
        "it has five parts: it is encrypted (JWE)"
    } else if parts != 3 {
        return Some(format!("it has {parts} parts instead of 3"));
    } else {
        return None;
    };
    Some(problem.to_owned())
}

fn members(json: Option<&str>) -> Map<String, Value> {
    json.and_then(|text| json::object(text.as_bytes()).ok()).unwrap_or_default()
}

/// The value of a member, as it was signed or `missing`.
fn value(json: Option<&str>, name: &str) -> String {
    let members = members(json);
    match members.get(name) {
        Some(value) => format!("`{name}` is {}", signed_json::compact(&value.to_string())),
        None => format!("`{name}` is missing"),
    }
}

fn mismatch(json: Option<&str>, name: &str, expected: Option<&str>) -> String {
    let value = value(json, name);
    match expected {
        Some("") => format!("{value}, but none is accepted"),
        Some(expected) => {
            let expected = signed_json::compact(&Value::from(expected).to_string());
            format!("{value}, not {expected}")
        }
        None => value,
    }
}

/// The registered claim that does not have its type (RFC 7519 section 4.1).
fn wrong_claim(claims: &str) -> Option<String> {
    let members = members(Some(claims));
    let wrong = |name: &str, is_valid: fn(&Value) -> bool, expected: &str| {
        let value = members.get(name).filter(|value| !is_valid(value))?;
        Some(format!(
            "`{name}` is {}, but must be {expected}",
            signed_json::compact(&value.to_string())
        ))
    };
    let is_audience = |value: &Value| {
        value.is_string() || value.as_array().is_some_and(|all| all.iter().all(Value::is_string))
    };
    let is_time = |value: &Value| value.as_f64().is_some_and(|seconds| seconds >= 0.0);
    ["iss", "sub", "jti"]
        .into_iter()
        .find_map(|name| wrong(name, Value::is_string, "a string"))
        .or_else(|| wrong("aud", is_audience, "a string or an array of strings"))
        .or_else(|| {
            ["exp", "nbf", "iat"]
                .into_iter()
                .find_map(|name| wrong(name, is_time, "a number of seconds since 1970"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_of_a_text_that_is_not_a_token_is_named() {
        let rows = [
            ("", "it is empty"),
            ("\u{feff}eyJ.e.s", "byte order mark"),
            ("Bearer eyJ.e.s", "`Bearer `"),
            ("bearer eyJ.e.s", "`Bearer `"),
            ("Authorization: Bearer eyJ.e.s", "name of the header"),
            ("\"eyJ.e.s\"", "quotation mark"),
            ("{\"access_token\": 1}", "brace"),
            (" eyJ.e.s", "white space"),
            ("eyJ.e\n.s", "white space"),
            ("eyJ=.e.s", "padding"),
            ("eyJ.e+.s", "standard base64"),
            ("a.b.c.d.e", "encrypted"),
            ("a", "1 parts instead of 3"),
        ];
        for (token, expected) in rows {
            let problem = form_problem(token).unwrap_or_default();
            assert!(problem.contains(expected), "{token:?}: {problem}");
        }
        assert_eq!(form_problem("eyJ.e.s"), None);
    }

    #[test]
    fn claim_with_a_wrong_type_is_named() {
        let rows = [
            (r#"{"iss":7}"#, "`iss` is 7, but must be a string"),
            (r#"{"sub":null}"#, "`sub` is null, but must be a string"),
            (
                r#"{"aud":["a",1]}"#,
                "`aud` is [\"a\",1], but must be a string or an array of strings",
            ),
            (r#"{"exp":"1"}"#, "`exp` is \"1\", but must be a number of seconds since 1970"),
            (r#"{"nbf":-1}"#, "`nbf` is -1, but must be a number"),
        ];
        for (claims, expected) in rows {
            let wrong = wrong_claim(claims).unwrap_or_default();
            assert!(wrong.starts_with(expected), "{claims}: {wrong}");
        }
        assert_eq!(wrong_claim(r#"{"iss":"a","aud":["a"],"exp":1}"#), None);
    }
}
