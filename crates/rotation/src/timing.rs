use std::time::Duration;

use kms::{KEY_SET_MAX_AGE, SIGNING_LAG};

/// How long the steps of a rotation wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationTiming {
    publication: Duration,
    retirement: Duration,
    lifetime_max: Duration,
}

impl RotationTiming {
    /// The waits for tokens of this lifetime at most, functions that refresh their ring this often, and
    /// verifiers whose clocks have this leeway.
    ///
    /// # Errors
    /// When a key would sign before our own functions and whoever follows our `Cache-Control` know it.
    pub fn new(
        publication: Duration,
        lifetime_max: Duration,
        leeway: Duration,
        refresh: Duration,
    ) -> Result<Self, TimingError> {
        let known = PROPAGATION + refresh + SIGNING_LAG;
        let least = known + KEY_SET_MAX_AGE;
        if publication < least {
            return Err(TimingError { least });
        }
        Ok(Self { publication, retirement: known + lifetime_max + leeway, lifetime_max })
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
pub struct TimingError {
    least: Duration,
}

/// Five minutes for KMS to show an alias as it is, and five by which a clock may be wrong before AWS
/// refuses what it signs.
const PROPAGATION: Duration = Duration::from_mins(10);
const SETTLING: Duration = Duration::from_mins(20);
