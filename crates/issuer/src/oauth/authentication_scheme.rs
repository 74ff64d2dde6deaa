use aws_lambda_events::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

/// The scheme of an `Authorization` header (RFC 9110 section 11.4), in the spelling of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationScheme(String);

impl AuthenticationScheme {
    /// The scheme of the header. `None`: there is no such header. An event can contain the same headers twice.
    pub(crate) fn of(headers: &[&HeaderMap]) -> Option<Self> {
        let mut values = headers.iter().flat_map(|headers| headers.get_all(AUTHORIZATION));
        values.next().map(Self::of_value)
    }

    fn of_value(value: &HeaderValue) -> Self {
        let text = value.to_str().unwrap_or_default();
        let scheme = text.split(' ').next().unwrap_or_default();
        let is_scheme =
            (1..=MAX_CHARS).contains(&scheme.len()) && scheme.bytes().all(is_token_char);
        Self(if is_scheme { scheme } else { DEFAULT }.to_owned())
    }

    /// The value of `WWW-Authenticate` (RFC 6749 section 5.2). Challenges of the known schemes have a realm (RFC 7617
    /// section 2, RFC 6750 section 3).
    pub(crate) fn challenge(&self) -> HeaderValue {
        let challenge = format!("{} realm=\"oauth2/token\"", self.0);
        challenge.parse().unwrap_or(HeaderValue::from_static(DEFAULT))
    }
}

/// Whether a token of HTTP can have this character (RFC 9110 section 5.6.2).
fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The scheme of clients with a password (RFC 6749 section 2.3.1), for a header without a scheme.
const DEFAULT: &str = "Basic";
/// The longest scheme that is repeated.
const MAX_CHARS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_has_the_scheme_of_the_client() {
        let long = format!("{} a", "a".repeat(33));
        let rows = [
            ("Basic YTpi", "Basic"),
            ("basic YTpi", "basic"),
            ("Bearer abc.def", "Bearer"),
            ("DPoP abc", "DPoP"),
            ("AWS4-HMAC-SHA256 Credential=a/b, Signature=c", "AWS4-HMAC-SHA256"),
            ("Negotiate", "Negotiate"),
            ("", "Basic"),
            (" Bearer a", "Basic"),
            ("Bearer,a b", "Basic"),
            ("a=\"b\" c", "Basic"),
            ("Bearer\ta", "Basic"),
            (&long, "Basic"),
        ];
        for (value, scheme) in rows {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            headers.append(AUTHORIZATION, "Other a".parse().unwrap());
            let found = AuthenticationScheme::of(&[&HeaderMap::new(), &headers]).unwrap();
            assert_eq!(found.challenge(), format!("{scheme} realm=\"oauth2/token\""), "{value}");
        }
        assert_eq!(AuthenticationScheme::of(&[&HeaderMap::new()]), None);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(b"\xff a").unwrap());
        let found = AuthenticationScheme::of(&[&headers]).unwrap();
        assert_eq!(found.challenge(), "Basic realm=\"oauth2/token\"", "not ASCII");
    }
}
