use std::time::Duration;

use rotation::{RingName, RotationConfig};
use runtime::Settings;

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
        let (Some(ring), Some(days), Some(timing), Some(algorithm), Some(retained_key)) = (
            settings.required("KEY_ALIAS"),
            days(settings),
            read_timing(settings),
            settings.choice("SIGNING_ALGORITHM"),
            settings.choice("RETAINED_KEY_ID"),
        ) else {
            return None;
        };
        let every = Some(Duration::from_hours(24 * u64::from(days)));
        Some(Self {
            ring,
            policy: RotationConfig { every, timing, algorithm, spec: None },
            retained_key,
        })
    }
}

fn days(settings: &mut Settings) -> Option<u16> {
    let name = "ROTATION_DAYS";
    let days: String = settings.required(name)?;
    match days.parse() {
        Ok(days) if (1..=MAX_DAYS).contains(&days) => Some(days),
        _ => settings.problem(name, format!("must be a whole number from 1 to {MAX_DAYS}")),
    }
}

/// Ten years.
const MAX_DAYS: u16 = 3650;

#[cfg(test)]
mod tests {
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
                     alias/aws/; ROTATION_DAYS must be a whole number from 1 to 3650; \
                     PUBLICATION_WAIT_SECONDS must be at least 1260 seconds, or a key would sign \
                     before everybody knows it"),
            ),
            (
                "too late",
                vec![("KEY_ALIAS", "alias/a"), ("ROTATION_DAYS", "3651")],
                Err("ROTATION_DAYS must be a whole number from 1 to 3650"),
            ),
        ];
        for (name, values, expected) in rows {
            let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let mut settings: Settings = values.into_iter().map(own).collect();
            let every = RotatorConfig::read(&mut settings).map(|calendar| calendar.policy.every);
            let days = every.ok_or_else(|| settings.refuse().to_string());
            let expected = expected.map(|days: u64| Some(Duration::from_hours(24 * days)));
            assert_eq!(days, expected.map_err(str::to_owned), "{name}");
        }
    }
}
