use crate::{Finding, Obstacle, RingName};
use kms::Fault;

/// Why a step was not performed.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// There is no alias of this name.
    #[error("there is no {0} in this account and Region")]
    NoRing(RingName),
    /// The alias exists.
    #[error("{0} exists already")]
    Exists(String),
    /// Another run has changed the ring at the same time.
    #[error("another run has just changed {0}: try again")]
    Conflict(String),
    /// The state is too old to act on.
    #[error("the state of the ring is more than a minute old: try again")]
    SnapshotExpired,
    /// There is no promotion to undo.
    #[error("the ring was not promoted since its last retirement: there is no key to go back to")]
    NotPromoted,
    /// The key to go back to may be disabled at any moment.
    #[error(
        "the previous key is due to be retired, or will be within minutes: it cannot sign again"
    )]
    RetirementDue,
    /// An operator has to put something right first.
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
    /// A key is not the ring's own, or may be used by others.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Findings(Vec<Finding>),
    /// A key was created that may have no alias.
    #[error(
        "{key} was created and may have no alias: if `countersign key list` for the ring still shows it \
         as unused after ten minutes, `aws kms schedule-key-deletion --key-id {key} \
         --pending-window-in-days 7` removes it"
    )]
    Orphan {
        /// The key id.
        key: String,
        /// Why it got no alias.
        source: Box<RotationError>,
    },
    /// KMS could not be asked, or refused.
    #[error(transparent)]
    Fault(#[from] Fault),
}
