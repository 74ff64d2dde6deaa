use std::collections::BTreeMap;

use super::OAuthError;

/// The parameters of a form, with all values of each.
pub(super) struct Form {
    values: BTreeMap<String, Vec<String>>,
}

impl Form {
    /// Reads `application/x-www-form-urlencoded` strictly.
    pub(super) fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        if !has_valid_escapes(body) {
            return Err(OAuthError::Encoding);
        }
        let mut values: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            // The parser replaces what is not UTF-8.
            if [&name, &value].iter().any(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
                return Err(OAuthError::Encoding);
            }
            values.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Ok(Self { values })
    }

    /// The value of a parameter, which must not be repeated. One without a value counts as omitted (RFC 6749 section
    /// 3.2).
    pub(super) fn take(&mut self, name: &'static str) -> Result<Option<String>, OAuthError> {
        let mut values = self.values.remove(name).unwrap_or_default();
        let value = values.pop();
        if !values.is_empty() {
            return Err(OAuthError::Repeated(name));
        }
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// All values of a parameter that may be repeated.
    pub(super) fn take_all(&mut self, name: &'static str) -> Vec<String> {
        let mut values = self.values.remove(name).unwrap_or_default();
        values.retain(|value| !value.is_empty());
        values
    }

    /// Ignores the parameters that have not been taken, but none may be repeated (RFC 6749 section 3.2).
    pub(super) fn end(self) -> Result<(), OAuthError> {
        if self.values.values().any(|values| values.len() > 1) {
            return Err(OAuthError::RepeatedUnknown);
        }
        Ok(())
    }
}

/// Whether two hexadecimal digits follow each `%`. The parser takes any other `%` as it is.
fn has_valid_escapes(body: &[u8]) -> bool {
    let mut parts = body.split(|byte| *byte == b'%').skip(1);
    parts.all(
        |part| matches!(part, [a, b, ..] if [a, b].iter().all(|byte| byte.is_ascii_hexdigit())),
    )
}

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
    fn only_resource_may_be_repeated() {
        let read = |body: &str| {
            let mut form = Form::parse(body.as_bytes())?;
            form.take("scope")?;
            form.take_all("resource");
            form.end()
        };
        let rows = [
            ("resource=a&resource=b", Ok(())),
            ("scope=a&unknown=b", Ok(())),
            ("scope=a&scope=a", Err(OAuthError::Repeated("scope"))),
            ("scope=&scope=a", Err(OAuthError::Repeated("scope"))),
            ("scope=a&%73cope=b", Err(OAuthError::Repeated("scope"))),
            ("unknown=a&scope=a&unknown=b", Err(OAuthError::RepeatedUnknown)),
            ("unknown&unknown", Err(OAuthError::RepeatedUnknown)),
        ];
        for (body, expected) in rows {
            assert_eq!(read(body), expected, "{body}");
        }
    }

    #[test]
    fn values_are_decoded() {
        let mut form = Form::parse(
            b"grant_type=urn%3Aa&scope=a+b%20c&audience=&resource=https%3A%2F%2Fa%2F&resource=b&resource=",
        )
        .unwrap();
        assert_eq!(form.take("grant_type"), Ok(Some("urn:a".into())));
        assert_eq!(form.take("scope"), Ok(Some("a b c".into())));
        assert_eq!(form.take("audience"), Ok(None), "without a value");
        assert_eq!(form.take("client_id"), Ok(None), "not there");
        assert_eq!(form.take_all("resource"), ["https://a/", "b"]);
    }
}
