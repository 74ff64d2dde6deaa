use std::collections::{BTreeMap, BTreeSet};

use super::OAuthError;

/// The parameters of a form, each at most once, except `resource`.
#[derive(Default)]
pub(super) struct Form {
    values: BTreeMap<&'static str, Vec<String>>,
}

impl Form {
    /// Reads `application/x-www-form-urlencoded` strictly. A parameter that is not known is ignored, and one without a
    /// value counts as omitted (RFC 6749 section 3.2), but none may be repeated.
    pub(super) fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        if !has_valid_escapes(body) {
            return Err(OAuthError::Encoding);
        }
        let (mut form, mut unknown) = (Self::default(), BTreeSet::new());
        for (name, value) in form_urlencoded::parse(body) {
            // The parser replaces what is not UTF-8.
            if [&name, &value].iter().any(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
                return Err(OAuthError::Encoding);
            }
            let Some(known) = KNOWN.into_iter().find(|known| *known == name) else {
                if !unknown.insert(name.into_owned()) {
                    return Err(OAuthError::RepeatedUnknown);
                }
                continue;
            };
            let values = form.values.entry(known).or_default();
            if !values.is_empty() && known != RESOURCE {
                return Err(OAuthError::Repeated(known));
            }
            values.push(value.into_owned());
        }
        Ok(form)
    }

    /// The value of a parameter.
    pub(super) fn take(&mut self, name: &'static str) -> Option<String> {
        self.take_all(name).next()
    }

    /// The value of a parameter that must be there.
    pub(super) fn require(&mut self, name: &'static str) -> Result<String, OAuthError> {
        self.take(name).ok_or(OAuthError::Missing(name))
    }

    /// All values of a parameter.
    pub(super) fn take_all(&mut self, name: &'static str) -> impl Iterator<Item = String> {
        let values = self.values.remove(name).unwrap_or_default();
        values.into_iter().filter(|value| !value.is_empty())
    }
}

/// Whether two hexadecimal digits follow each `%`. The parser takes any other `%` as it is.
fn has_valid_escapes(body: &[u8]) -> bool {
    let mut parts = body.split(|byte| *byte == b'%').skip(1);
    parts.all(
        |part| matches!(part, [a, b, ..] if [a, b].iter().all(|byte| byte.is_ascii_hexdigit())),
    )
}

pub(super) const RESOURCE: &str = "resource";

/// The parameters that the issuer reads.
const KNOWN: [&str; 10] = [
    "assertion",
    "audience",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "expires_in",
    "grant_type",
    RESOURCE,
    "scope",
];

/// A form with these parameters.
#[cfg(test)]
pub(super) fn encode(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_strictly() {
        let rows = [
            ("grant_type=a", Ok(())),
            ("", Ok(())),
            ("grant_type=a&unknown=b&scope=", Ok(())),
            ("resource=a&resource=b", Ok(())),
            ("grant_type=a&grant_type=a", Err(OAuthError::Repeated("grant_type"))),
            ("scope=&scope=a", Err(OAuthError::Repeated("scope"))),
            ("scope=a&%73cope=b", Err(OAuthError::Repeated("scope"))),
            ("audience=a&audience=b", Err(OAuthError::Repeated("audience"))),
            ("unknown=a&unknown=b", Err(OAuthError::RepeatedUnknown)),
            ("unknown&unknown", Err(OAuthError::RepeatedUnknown)),
            ("scope=%", Err(OAuthError::Encoding)),
            ("scope=%4", Err(OAuthError::Encoding)),
            ("scope=%zz", Err(OAuthError::Encoding)),
            ("scope=%+1", Err(OAuthError::Encoding)),
            ("scope=%ff", Err(OAuthError::Encoding)),
            ("%C3=a", Err(OAuthError::Encoding)),
        ];
        for (body, expected) in rows {
            assert_eq!(Form::parse(body.as_bytes()).map(|_| ()), expected, "{body}");
        }
        assert_eq!(Form::parse(b"scope=\xff").map(|_| ()), Err(OAuthError::Encoding));
    }

    #[test]
    fn values_are_decoded() {
        let mut form = Form::parse(
            b"grant_type=urn%3Aa&scope=a+b%20c&audience=&resource=https%3A%2F%2Fa%2F&resource=b",
        )
        .unwrap();
        assert_eq!(form.take("grant_type").as_deref(), Some("urn:a"));
        assert_eq!(form.take("scope").as_deref(), Some("a b c"));
        assert_eq!(form.take("audience"), None, "without a value");
        assert!(form.take_all(RESOURCE).eq(["https://a/", "b"]));
        assert_eq!(form.require("client_id"), Err(OAuthError::Missing("client_id")));
    }
}
