//! What a 2xx response of KMS must have to answer the request.

/// Why a 2xx response does not answer the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidResponse {
    #[error("it does not name the key that was asked for")]
    Key,
    #[error("it does not name the signing algorithm that was asked for")]
    Algorithm,
    #[error("it has no signature of the key's form")]
    Signature,
    #[error("it names no KeySpec")]
    Spec,
    #[error("it has no public key of its KeySpec")]
    PublicKey,
    #[error("it names no signing algorithms")]
    Algorithms,
}

/// The id of the key that this is the ARN or the id of. An alias has none.
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
    fn ids_of_keys() {
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
