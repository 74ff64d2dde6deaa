//! Checks of 2xx responses of KMS.

/// Why a 2xx response is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidResponse {
    #[error("it does not name the requested key")]
    Key,
    #[error("it does not name the requested signing algorithm")]
    Algorithm,
    #[error("its signature does not have the format of this key")]
    Signature,
    #[error("it has no KeySpec")]
    Spec,
    #[error("its public key does not match its KeySpec")]
    PublicKey,
    #[error("it has no signing algorithms")]
    Algorithms,
}

/// The key id in a key ARN, or the key id itself. `None` for aliases and other ARNs.
///
/// ```
/// use countersign_kms::key_id;
///
/// assert_eq!(key_id("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab"), Some("1234abcd-12ab"));
/// assert_eq!(key_id("alias/countersign"), None);
/// ```
#[must_use]
pub fn key_id(key: &str) -> Option<&str> {
    let id = match key.strip_prefix("arn:") {
        Some(rest) => {
            let mut parts = rest.splitn(5, ':');
            let service = parts.nth(1);
            let resource = parts.nth(2).filter(|_| service == Some("kms"));
            resource.and_then(|resource| resource.strip_prefix("key/"))
        }
        None => Some(key),
    };
    let is_id =
        |id: &&str| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    id.filter(is_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_id_is_taken_from_a_key_arn_or_a_key_id() {
        let arn = "arn:aws:kms:us-east-1:111122223333";
        let rows = [
            (format!("{arn}:key/1234abcd-12ab"), Some("1234abcd-12ab")),
            (format!("{arn}:key/mrk-1234abcd"), Some("mrk-1234abcd")),
            ("1234abcd-12ab".into(), Some("1234abcd-12ab")),
            (format!("{arn}:alias/a"), None),
            (format!("{arn}:key/"), None),
            (format!("{arn}:key/a/b"), None),
            (arn.into(), None),
            ("arn:aws:s3:us-east-1:111122223333:key/a".into(), None),
            ("alias/a".into(), None),
            (String::new(), None),
        ];
        for (name, expected) in rows {
            assert_eq!(key_id(&name), expected, "{name}");
        }
    }
}
