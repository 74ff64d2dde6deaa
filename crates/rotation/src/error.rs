//! Why a step was not performed.

use crate::{Finding, Obstacle, RingName};
use kms::Fault;

/// Why a step was not performed.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The alias `alias/NAME` does not exist.
    #[error("there is no {0} in this account and Region")]
    NoRing(RingName),
    /// An alias of the new ring already exists.
    #[error("{0} already exists")]
    Exists(String),
    /// Another run changed the ring at the same time.
    #[error("another run has just changed {0}: try again")]
    Conflict(String),
    /// The snapshot is too old to act on.
    #[error("the state of the ring is more than a minute old: try again")]
    SnapshotExpired,
    /// There is no promotion to roll back.
    #[error(
        "the ring was not promoted since its last retirement: there is no promotion to roll back"
    )]
    NotPromoted,
    /// Another run may disable the previous key at any moment.
    #[error(
        "the previous key is due to be retired, or will be within minutes: it is too late to roll back"
    )]
    RetirementDue,
    /// No step is possible until an operator corrects the state of the ring.
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
    /// The findings of the audit block the step.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Findings(Vec<Finding>),
    /// A key was created, and the call that gives it an alias failed.
    #[error(
        "{key} was created and may have no alias: if `countersign key list` for the ring still shows it \
         as a leftover after 15 minutes and CloudTrail shows no use of it, `aws kms schedule-key-deletion --key-id {key} \
         --pending-window-in-days 7` removes it"
    )]
    Leftover {
        /// The key id.
        key: String,
        /// The error of that call.
        source: Box<RotationError>,
    },
    /// A KMS operation failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl RotationError {
    /// The stable code in logs and metrics (`Cause`).
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoRing(_) => "NoRing",
            Self::Exists(_) | Self::Conflict(_) | Self::SnapshotExpired => "Overtaken",
            Self::Obstacle(_) | Self::NotPromoted | Self::RetirementDue => "Obstacle",
            Self::Findings(findings) => findings.first().map_or("Obstacle", Finding::code),
            Self::Leftover { source, .. } => source.code(),
            Self::Fault(fault) => fault.cause.code(),
        }
    }
}
