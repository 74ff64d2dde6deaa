use jwt::Profile;
use kms::{Names, Settings};

/// Which tokens are ours, from the settings. `None` means that a problem was noted.
pub fn read_profile(settings: &mut Settings) -> Option<Profile> {
    let (Some(issuer), Some(Names(audiences)), Some(token_type), Some(leeway)) = (
        settings.required("TOKEN_ISSUER"),
        settings.optional("TOKEN_AUDIENCE", Names::default()),
        settings.optional("TOKEN_TYPE", "JWT".to_owned()),
        settings.seconds("CLOCK_LEEWAY_SECONDS", 0, 0..=300),
    ) else {
        return None;
    };
    Some(Profile { issuer: Some(issuer), audiences: Some(audiences), token_type, leeway })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(values: &[(&str, &str)]) -> Result<Profile, String> {
        let pairs = values.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings: Settings = pairs.collect();
        read_profile(&mut settings).ok_or_else(|| settings.refuse().to_string())
    }

    #[test]
    fn settings() {
        let plain = Profile {
            issuer: Some("us".into()),
            audiences: Some(vec![]),
            token_type: "JWT".into(),
            leeway: Duration::ZERO,
        };
        let full = Profile {
            audiences: Some(vec!["a".into(), "b".into()]),
            token_type: "at+jwt".into(),
            leeway: Duration::from_mins(5),
            ..plain.clone()
        };
        let rows = [
            ("defaults", vec![("TOKEN_ISSUER", "us")], Ok(plain)),
            (
                "all of them",
                vec![
                    ("TOKEN_ISSUER", "us"),
                    ("TOKEN_AUDIENCE", "a, b"),
                    ("TOKEN_TYPE", "at+jwt"),
                    ("CLOCK_LEEWAY_SECONDS", "300"),
                ],
                Ok(full),
            ),
            (
                "every problem at once",
                vec![("CLOCK_LEEWAY_SECONDS", "301"), ("TOKEN_AUDIENCE", " , ")],
                Err("TOKEN_ISSUER is required; \
                     TOKEN_AUDIENCE must be names with commas between them, none of them empty; \
                     CLOCK_LEEWAY_SECONDS must be from 0 to 300 seconds"
                    .into()),
            ),
        ];
        for (name, values, expected) in rows {
            assert_eq!(read(&values), expected, "{name}");
        }
    }
}
