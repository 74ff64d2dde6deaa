use rotation::RotationOptions;
use runtime::{Settings, table};

/// Reads how the deployment changes the steps of a rotation. `None` means that a problem was added to `settings`.
pub fn read_options(settings: &mut Settings) -> Option<RotationOptions> {
    let retained_key = settings.optional(&table::RETAINED_KEY_ID)?;
    Some(RotationOptions { retained_key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let key = "1234abcd-12ab-34cd-56ef-1234567890ab";
        let retained = RotationOptions { retained_key: Some(key.to_owned()) };
        let rows = [
            ("none", vec![], RotationOptions::default()),
            ("empty key", vec![("RETAINED_KEY_ID", "")], RotationOptions::default()),
            ("key", vec![("RETAINED_KEY_ID", key)], retained),
        ];
        for (name, values, expected) in rows {
            let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let mut settings: Settings = values.into_iter().map(owned).collect();
            let options = read_options(&mut settings);
            assert_eq!(settings.finish(options).unwrap(), expected, "{name}");
        }
    }
}
