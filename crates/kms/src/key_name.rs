use std::{fmt, str::FromStr};

/// What `KEY_ALIAS` holds: an alias name (`alias/…`), a key id, or the ARN of either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName(pub(crate) String);

impl KeyName {
    /// As KMS takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The alias beside this one, if this is an alias: `alias/NAME-next`.
    pub(crate) fn neighbor(&self, suffix: &str) -> Option<Self> {
        let name = self.0.rsplit(':').next().filter(|name| name.starts_with("alias/"));
        name.map(|_| Self(format!("{}{suffix}", self.0)))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |text: &str, others: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
            !text.is_empty() && text.len() <= 256 && text.chars().all(fits)
        };
        let known = match text.split_once('/') {
            Some(("alias", name)) => word(name, "/_-"),
            Some((arn, name)) if arn.starts_with("arn:") => word(arn, ":-") && word(name, "/_-"),
            _ => word(text, "-"),
        };
        if known {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be alias/…, a key id or a key ARN")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_names() {
        let rows = [
            ("alias/countersign", true),
            ("alias/team/countersign_2", true),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", true),
            ("mrk-1234abcd12ab34cd56ef1234567890ab", true),
            ("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", true),
            ("arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/countersign", true),
            ("alias/", false),
            ("", false),
            ("alias/a b", false),
            ("countersign/alias", false),
            ("arn:aws:kms:us-east-1:111122223333:key/", false),
            ("alias/a'; DROP TABLE keys", false),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<KeyName>().is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn the_aliases_beside_an_alias() {
        let arn = "arn:aws:kms:us-east-1:111122223333";
        let rows = [
            ("alias/a", Some("alias/a-next".to_owned())),
            (&format!("{arn}:alias/a/b"), Some(format!("{arn}:alias/a/b-next"))),
            (&format!("{arn}:key/alias"), None),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", None),
        ];
        for (name, expected) in rows {
            let name: KeyName = name.parse().unwrap();
            assert_eq!(name.neighbor("-next").map(|name| name.0), expected);
        }
    }
}
