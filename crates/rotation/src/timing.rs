//! The waits between the steps of a rotation.

use std::time::Duration;

use kms::{KEY_SET_MAX_AGE, SIGNING_LAG};

/// The waits between the steps of a rotation.
///
/// ```
/// use std::time::Duration;
///
/// use countersign_rotation::RotationTiming;
///
/// let (hour, refresh) = (Duration::from_hours(1), Duration::from_mins(5));
/// let timing = RotationTiming::new(Duration::from_mins(150), hour, Duration::ZERO, refresh)?;
/// assert_eq!(timing.retirement(), Duration::from_mins(76));
/// # Ok::<(), countersign_rotation::TimingError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationTiming {
    publication: Duration,
    retirement: Duration,
    lifetime_max: Duration,
}

impl RotationTiming {
    /// Calculates the waits from the time between publication and promotion (`publication`), the longest lifetime
    /// of a token (`lifetime_max`), the clock leeway of the verifiers (`leeway`) and the refresh interval of the
    /// functions' rings (`refresh`).
    ///
    /// # Errors
    /// If `publication` is so short that a key would sign before all functions, and all clients that obey the
    /// `Cache-Control` of the key set ([`KEY_SET_MAX_AGE`]), know it.
    pub fn new(
        publication: Duration,
        lifetime_max: Duration,
        leeway: Duration,
        refresh: Duration,
    ) -> Result<Self, TimingError> {
        let minimum = Self::shortest_publication(refresh);
        if publication < minimum {
            return Err(TimingError { minimum });
        }
        let retirement = in_all_rings(refresh) + lifetime_max + leeway;
        Ok(Self { publication, retirement, lifetime_max })
    }

    /// The shortest time between publication and promotion that [`Self::new`] accepts.
    #[must_use]
    pub fn shortest_publication(refresh: Duration) -> Duration {
        in_all_rings(refresh) + KEY_SET_MAX_AGE
    }

    /// The time from the publication of a key to its promotion.
    #[must_use]
    pub const fn publication(&self) -> Duration {
        self.publication
    }

    /// The time from the promotion of the next key to the retirement of the previous one. After it, no function signs
    /// with the previous key, and its last token has expired.
    #[must_use]
    pub const fn retirement(&self) -> Duration {
        self.retirement
    }

    /// The longest lifetime of a token.
    #[must_use]
    pub const fn lifetime_max(&self) -> Duration {
        self.lifetime_max
    }

    /// The time from the move of `-previous` to the current key to the promotion of the next key. A concurrent run may
    /// still act on a state from before the move for up to a minute; after that, the move must become visible
    /// everywhere.
    #[must_use]
    pub const fn previous_alias_wait(&self) -> Duration {
        PREVIOUS_ALIAS_WAIT
    }

    /// The time from the move of an alias until it is visible everywhere, with allowance for clock skew.
    #[must_use]
    pub const fn propagation(&self) -> Duration {
        PROPAGATION
    }
}

/// The time after which every function signs and verifies with the key under an alias.
fn in_all_rings(refresh: Duration) -> Duration {
    PROPAGATION + refresh + SIGNING_LAG
}

/// The publication wait is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be at least {} seconds, so that every verifier knows a key before it signs", .minimum.as_secs())]
pub struct TimingError {
    minimum: Duration,
}

/// Five minutes of eventual consistency (AWS KMS Developer Guide, "Eventual consistency"), and five minutes of clock
/// skew, the most that AWS accepts in a signed request.
const PROPAGATION: Duration = Duration::from_mins(10);
const PREVIOUS_ALIAS_WAIT: Duration = Duration::from_mins(20);
