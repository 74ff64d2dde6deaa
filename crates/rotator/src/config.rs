use rotation::{RingName, RotationConfig};
use runtime::{Settings, table};

use crate::read_timing;

/// Which ring is rotated, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotatorConfig {
    /// The ring.
    pub ring: RingName,
    /// How old its key gets, and how long the steps wait for each other.
    pub policy: RotationConfig,
    /// The key that the deployment owns.
    pub retained_key: Option<String>,
}

impl RotatorConfig {
    /// `None` means that a problem was noted.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let (Some(ring), Some(every), Some(timing), Some(algorithm), Some(retained_key)) = (
            settings.required(&table::KEY_ALIAS),
            settings.duration(&table::ROTATION_DAYS),
            read_timing(settings),
            settings.optional(&table::SIGNING_ALGORITHM),
            settings.optional(&table::RETAINED_KEY_ID),
        ) else {
            return None;
        };
        Some(Self {
            ring,
            policy: RotationConfig { every: Some(every), timing, algorithm, spec: None },
            retained_key,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn settings() {
        let rows = [
            ("defaults", vec![("KEY_ALIAS", "alias/a"), ("ROTATION_DAYS", "90")], Ok(90)),
            ("none", vec![], Err("KEY_ALIAS is required; ROTATION_DAYS is required")),
            (
                "a key by its id, never and too soon",
                vec![
                    ("KEY_ALIAS", "1234abcd-12ab-34cd-56ef-1234567890ab"),
                    ("ROTATION_DAYS", "0"),
                    ("PUBLICATION_WAIT_SECONDS", "60"),
                ],
                Err("KEY_ALIAS must be alias/ and a name of letters, digits, /, _ and -, not \
                     alias/aws/; ROTATION_DAYS must be from 1 to 3650 days; \
                     PUBLICATION_WAIT_SECONDS must be at least 1260 seconds, or a key would sign \
                     before everybody knows it"),
            ),
            (
                "too late",
                vec![("KEY_ALIAS", "alias/a"), ("ROTATION_DAYS", "3651")],
                Err("ROTATION_DAYS must be from 1 to 3650 days"),
            ),
        ];
        for (name, values, expected) in rows {
            let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let mut settings: Settings = values.into_iter().map(own).collect();
            let every = RotatorConfig::read(&mut settings).map(|calendar| calendar.policy.every);
            let days = settings.finish(every).map_err(|error| error.to_string());
            let expected = expected.map(|days: u64| Some(Duration::from_hours(24 * days)));
            assert_eq!(days, expected.map_err(str::to_owned), "{name}");
        }
    }
}
