use std::time::Duration;

use crate::{Settings, keyring::SIGNING_LAG};

/// How long the steps of a rotation wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    publication: Duration,
    retirement: Duration,
    lifetime_max: Duration,
}

impl Waits {
    /// Waits for tokens of this life at most, functions that refresh their ring this often, and
    /// verifiers whose clocks have this leeway.
    ///
    /// # Errors
    /// When a key would sign before our own functions and whoever follows our `Cache-Control` know it.
    pub fn new(
        publication: Duration,
        lifetime_max: Duration,
        leeway: Duration,
        refresh: Duration,
    ) -> Result<Self, WaitsError> {
        let known = PROPAGATION + refresh + SIGNING_LAG;
        let least = known + MAX_AGE;
        if publication < least {
            return Err(WaitsError { least });
        }
        Ok(Self { publication, retirement: known + lifetime_max + leeway, lifetime_max })
    }

    /// From the settings that the functions have. `None` means that a problem was noted.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let (Some(publication), Some(lifetime_max), Some(leeway), Some(refresh)) = (
            settings.seconds("PUBLICATION_WAIT_SECONDS", PUBLICATION, 0..=YEAR),
            settings.seconds("TOKEN_LIFETIME_MAX_SECONDS", 3600, 1..=YEAR),
            settings.seconds("CLOCK_LEEWAY_SECONDS", 0, 0..=300),
            settings.seconds("KEY_REFRESH_SECONDS", 300, 1..=86_400),
        ) else {
            return None;
        };
        match Self::new(publication, lifetime_max, leeway, refresh) {
            Ok(waits) => Some(waits),
            Err(problem) => settings.problem("PUBLICATION_WAIT_SECONDS", problem),
        }
    }

    /// From the moment at which a key is published to the one at which it signs.
    #[must_use]
    pub const fn publication(&self) -> Duration {
        self.publication
    }

    /// From the moment at which another key signs to the one at which this is disabled: no function
    /// signs with it any more, and its last token is dead.
    #[must_use]
    pub const fn retirement(&self) -> Duration {
        self.retirement
    }

    /// The longest life of a token that all this goes by.
    #[must_use]
    pub const fn lifetime_max(&self) -> Duration {
        self.lifetime_max
    }

    /// From the moment at which `-previous` points at the current key to the one at which another key may
    /// sign. A run that retires the key before it may still act on a state from just before the move, up
    /// to a minute later: the move has to be seen everywhere after that.
    #[must_use]
    pub const fn settling(&self) -> Duration {
        SETTLING
    }

    /// From the moment at which an alias moves to the one at which it is seen everywhere.
    #[must_use]
    pub const fn propagation(&self) -> Duration {
        PROPAGATION
    }
}

/// A wait that is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be at least {} seconds, or a key would sign before everybody knows it", .least.as_secs())]
pub struct WaitsError {
    least: Duration,
}

/// How long whoever reads our public keys may keep them.
pub const MAX_AGE: Duration = Duration::from_mins(5);
/// Five minutes for KMS to show an alias as it is, and five by which a clock may be wrong before AWS
/// refuses what it signs.
const PROPAGATION: Duration = Duration::from_mins(10);
const SETTLING: Duration = Duration::from_mins(20);
/// API Gateway's own JWT authorizers keep public keys for two hours.
const PUBLICATION: u64 = 9000;
const YEAR: u64 = 365 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_that_would_lose_a_token_are_refused() {
        let rows = [
            ("defaults", vec![], Ok((9000, 600 + 300 + 60 + 3600))),
            (
                "longer lives",
                vec![("TOKEN_LIFETIME_MAX_SECONDS", "86400"), ("CLOCK_LEEWAY_SECONDS", "60")],
                Ok((9000, 600 + 300 + 60 + 86_400 + 60)),
            ),
            ("the least", vec![("PUBLICATION_WAIT_SECONDS", "1260")], Ok((1260, 4560))),
            (
                "one second less",
                vec![("PUBLICATION_WAIT_SECONDS", "1259")],
                Err("PUBLICATION_WAIT_SECONDS must be at least 1260 seconds, or a key would sign \
                     before everybody knows it"),
            ),
            (
                "a slower refresh",
                vec![("KEY_REFRESH_SECONDS", "8100")],
                Err("PUBLICATION_WAIT_SECONDS must be at least 9060 seconds, or a key would sign \
                     before everybody knows it"),
            ),
            (
                "no leeway that the authorizer would not take",
                vec![("CLOCK_LEEWAY_SECONDS", "301")],
                Err("CLOCK_LEEWAY_SECONDS must be from 0 to 300 seconds"),
            ),
        ];
        for (name, values, expected) in rows {
            let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let mut settings: Settings = values.into_iter().map(own).collect();
            let waits = Waits::read(&mut settings);
            let read = waits.map(|waits| (waits.publication.as_secs(), waits.retirement.as_secs()));
            let read = read.ok_or_else(|| settings.refuse().to_string());
            assert_eq!(read, expected.map_err(str::to_owned), "{name}");
        }
    }
}
