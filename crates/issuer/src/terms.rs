use std::{ops::RangeInclusive, time::Duration};

use kms::{Names, Settings};

/// What every token of this issuer has in common, and how long one may live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// `iss`.
    pub issuer: String,
    /// `aud` where the request names none.
    pub audience: Option<String>,
    /// `typ`.
    pub token_type: String,
    /// The life of a token where the request names none.
    pub lifetime: Duration,
    /// The longest life that a request may name.
    pub lifetime_max: Duration,
}

impl Terms {
    /// `None` means that a problem was noted.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let lifetime = settings.seconds("TOKEN_LIFETIME_SECONDS", HOUR, LIFETIMES);
        let lifetime_max = settings.seconds("TOKEN_LIFETIME_MAX_SECONDS", HOUR, LIFETIMES);
        let mut lifetimes = lifetime.zip(lifetime_max);
        if lifetimes.is_some_and(|(lifetime, max)| lifetime > max) {
            let problem = "must not exceed TOKEN_LIFETIME_MAX_SECONDS";
            lifetimes = settings.problem("TOKEN_LIFETIME_SECONDS", problem);
        }
        let (Some(issuer), Some(Names(audiences)), Some(token_type)) = (
            settings.required("TOKEN_ISSUER"),
            settings.optional("TOKEN_AUDIENCE", Names::default()),
            settings.optional("TOKEN_TYPE", "JWT".to_owned()),
        ) else {
            return None;
        };
        let (lifetime, lifetime_max) = lifetimes?;
        let audience = audiences.into_iter().next();
        Some(Self { issuer, audience, token_type, lifetime, lifetime_max })
    }
}

const HOUR: u64 = 3600;
/// Up to a year: a token cannot be called back.
const LIFETIMES: RangeInclusive<u64> = 1..=365 * 24 * HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[(&str, &str)]) -> Result<Terms, String> {
        let pairs = values.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings: Settings = pairs.collect();
        Terms::read(&mut settings).ok_or_else(|| settings.refuse().to_string())
    }

    #[test]
    fn settings() {
        let hour = Duration::from_secs(HOUR);
        let plain = Terms {
            issuer: "us".into(),
            audience: None,
            token_type: "JWT".into(),
            lifetime: hour,
            lifetime_max: hour,
        };
        let first = Terms { audience: Some("a".into()), ..plain.clone() };
        let short = Terms { lifetime: Duration::from_mins(1), ..plain.clone() };
        let rows = [
            ("defaults", vec![("TOKEN_ISSUER", "us")], Ok(plain)),
            (
                "the first audience",
                vec![("TOKEN_ISSUER", "us"), ("TOKEN_AUDIENCE", " a, b")],
                Ok(first),
            ),
            (
                "a lifetime",
                vec![("TOKEN_ISSUER", "us"), ("TOKEN_LIFETIME_SECONDS", "60")],
                Ok(short),
            ),
            (
                "longer than allowed",
                vec![("TOKEN_ISSUER", "us"), ("TOKEN_LIFETIME_SECONDS", "3601")],
                Err("TOKEN_LIFETIME_SECONDS must not exceed TOKEN_LIFETIME_MAX_SECONDS".into()),
            ),
            (
                "several problems",
                vec![("TOKEN_LIFETIME_SECONDS", "0"), ("TOKEN_LIFETIME_MAX_SECONDS", "1h")],
                Err("TOKEN_LIFETIME_SECONDS must be from 1 to 31536000 seconds; \
                     TOKEN_LIFETIME_MAX_SECONDS must be a whole number of seconds; \
                     TOKEN_ISSUER is required"
                    .into()),
            ),
            (
                "problems of two kinds",
                vec![("TOKEN_LIFETIME_SECONDS", "3601"), ("TOKEN_AUDIENCE", "a,,b")],
                Err("TOKEN_LIFETIME_SECONDS must not exceed TOKEN_LIFETIME_MAX_SECONDS; \
                     TOKEN_ISSUER is required; \
                     TOKEN_AUDIENCE must be names with commas between them, none of them empty"
                    .into()),
            ),
        ];
        for (name, values, expected) in rows {
            assert_eq!(read(&values), expected, "{name}");
        }
    }
}
