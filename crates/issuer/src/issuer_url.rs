/// The issuer's name, if it is a URL under which clients can find the public keys: https, or http on
/// this machine, without query, fragment and trailing slash (RFC 8414 section 2, `OpenID` Connect
/// Discovery 1.0 section 4).
pub(crate) fn issuer_url(issuer: &str) -> Option<&str> {
    let local = issuer.strip_prefix("http://").filter(|rest| {
        let host = rest.split(['/', ':']).next();
        matches!(host, Some("localhost" | "127.0.0.1"))
    });
    let rest = issuer.strip_prefix("https://").or(local)?;
    let is_allowed = |c: char| c.is_ascii_graphic() && c != '?' && c != '#';
    let is_valid = rest.starts_with(|c: char| c.is_ascii_alphanumeric())
        && rest.chars().all(is_allowed)
        && !rest.ends_with('/');
    is_valid.then_some(issuer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_url_is_https_or_local_without_trailing_slash() {
        let rows = [
            ("https://issuer.example", true),
            ("https://issuer.example/v1", true),
            ("https://localhost:8443", true),
            ("https://issuer.example/", false),
            ("https://issuer.example/v1/", false),
            ("https://issuer.example?a", false),
            ("https://issuer.example#a", false),
            ("https://", false),
            ("https:///a", false),
            ("https://issuer example", false),
            ("http://127.0.0.1:3000", true),
            ("http://localhost/a", true),
            ("http://127.0.0.1.example", false),
            ("http://127.0.0.1@issuer.example", false),
            ("http://issuer.example", false),
            ("HTTPS://issuer.example", false),
            ("countersign", false),
        ];
        for (issuer, expected) in rows {
            assert_eq!(issuer_url(issuer).is_some(), expected, "{issuer}");
        }
    }
}
