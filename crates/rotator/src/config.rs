use rotation::{RingName, RotationConfig, RotationOptions};
use runtime::{Settings, table};

use crate::{read_options, read_timing};

/// The settings of the rotator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotatorConfig {
    /// The ring that is rotated.
    pub ring: RingName,
    /// The maximum age of the current key, and the waiting times between the steps.
    pub rotation: RotationConfig,
    /// How the deployment changes the steps.
    pub options: RotationOptions,
}

impl RotatorConfig {
    /// Reads the settings. `None` means that a problem was added to `settings`.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let (Some(ring), Some(every), Some(timing), Some(algorithm), Some(options)) = (
            settings.required(&table::KEY_ALIAS),
            settings.duration(&table::ROTATION_DAYS),
            read_timing(settings),
            settings.optional(&table::SIGNING_ALGORITHM),
            read_options(settings),
        ) else {
            return None;
        };
        Some(Self {
            ring,
            rotation: RotationConfig {
                every: Some(every),
                algorithm,
                ..RotationConfig::on_request(timing)
            },
            options,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn settings_are_read_and_checked() {
        let rows = [
            ("defaults", vec![("KEY_ALIAS", "alias/a"), ("ROTATION_DAYS", "90")], Ok(90)),
            ("no settings", vec![], Err("KEY_ALIAS is required; ROTATION_DAYS is required")),
            (
                "key id as alias, zero days and too short a wait",
                vec![
                    ("KEY_ALIAS", "1234abcd-12ab-34cd-56ef-1234567890ab"),
                    ("ROTATION_DAYS", "0"),
                    ("PUBLICATION_WAIT_SECONDS", "60"),
                ],
                Err("KEY_ALIAS must be alias/ and a name of letters, digits, /, _ and -, not \
                     alias/aws/; ROTATION_DAYS must be from 1 to 3650 days; \
                     PUBLICATION_WAIT_SECONDS must be at least 1260 seconds, so that every verifier \
                     knows a key before it signs"),
            ),
            (
                "too many days",
                vec![("KEY_ALIAS", "alias/a"), ("ROTATION_DAYS", "3651")],
                Err("ROTATION_DAYS must be from 1 to 3650 days"),
            ),
        ];
        for (name, values, expected) in rows {
            let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let mut settings: Settings = values.into_iter().map(owned).collect();
            let every = RotatorConfig::read(&mut settings).map(|config| config.rotation.every);
            let days = settings.finish(every).map_err(|error| error.to_string());
            let expected = expected.map(|days: u64| Some(Duration::from_hours(24 * days)));
            assert_eq!(days, expected.map_err(str::to_owned), "{name}");
        }
    }
}
