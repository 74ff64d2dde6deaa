use std::time::Duration;

/// Why `expires_in` of a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LifetimeError {
    /// It is not a positive whole number.
    #[error("expires_in must be a whole number of seconds, at least 1")]
    Invalid,
    /// It exceeds the configured maximum. The lifetime is not shortened, because the caller would not notice.
    #[error("expires_in must be at most {max}")]
    TooLong {
        /// The maximum, in seconds.
        max: u64,
    },
}

/// The lifetime that a request asks for. `None`: `expires_in` is not a whole number.
pub(crate) fn requested_lifetime(
    seconds: Option<u64>,
    max: Duration,
) -> Result<Duration, LifetimeError> {
    let seconds = seconds.filter(|&seconds| seconds > 0).ok_or(LifetimeError::Invalid)?;
    let max = max.as_secs();
    if seconds > max {
        return Err(LifetimeError::TooLong { max });
    }
    Ok(Duration::from_secs(seconds))
}
