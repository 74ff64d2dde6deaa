//! The steps of a rotation, and the next one as a pure function of the ring's state.

use std::time::Duration;

use aws_sdk_kms::types::KeySpec;
use jwt::{Algorithm, UnixTime};

use crate::{AliasTarget, KeyMetadata, KeyState, Obstacle, RingState, RotationTiming};

/// The configuration of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationConfig {
    /// The age at which the current key is replaced. `None`: the rotation is due at once, for an operator who starts
    /// it.
    pub every: Option<Duration>,
    /// The waits between the steps.
    pub timing: RotationTiming,
    /// The algorithm that every key must support: `SIGNING_ALGORITHM` of the functions. `None`: any.
    pub algorithm: Option<Algorithm>,
    /// The `KeySpec` of the next key. `None`: that of the current key.
    pub spec: Option<KeySpec>,
}

impl RotationConfig {
    /// A rotation that is due at once, with keys like the current one.
    #[must_use]
    pub const fn on_request(timing: RotationTiming) -> Self {
        Self { every: None, timing, algorithm: None, spec: None }
    }
}

/// A step of a rotation. Each step ends in one move of an alias, so that an interrupted step can be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Create the missing `-next` and `-previous`, both at the current key, given here.
    Complete(KeyMetadata),
    /// Create a key with this `KeySpec` and point `-next` at it.
    Prepare(KeySpec),
    /// Point `alias/NAME` at the next key, given here.
    Promote(KeyMetadata),
    /// Disable the previous key, given here, schedule its deletion, and point `-previous` at the current key.
    Retire(KeyMetadata),
}

impl Step {
    /// The stable name of the step in logs and on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Complete(_) => "complete",
            Self::Prepare(_) => "prepare",
            Self::Promote(_) => "promote",
            Self::Retire(_) => "retire",
        }
    }

    /// Whether the keys that interrupted runs may have created are reported with this step.
    #[must_use]
    pub const fn reports_leftovers(&self) -> bool {
        match self {
            Self::Prepare(_) => true,
            Self::Complete(_) | Self::Promote(_) | Self::Retire(_) => false,
        }
    }
}

/// The next step and when it is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The next step.
    pub step: Step,
    /// The first second at which the step is safe.
    pub due: UnixTime,
}

impl Plan {
    /// The time since the step became due. `None` if it is not due yet.
    #[must_use]
    pub fn overdue(&self, now: UnixTime) -> Option<Duration> {
        now.seconds().checked_sub(self.due.seconds()).map(Duration::from_secs)
    }
}

/// The next step for a ring in this state. A, B and C are keys:
///
/// | current | next | previous | step |
/// |---|---|---|---|
/// | A | missing | any | complete |
/// | A | any | missing | complete |
/// | A | A | A | prepare |
/// | A | B | A | promote |
/// | B | B | A | retire A |
/// | A | B | C | retire C (B was published before C was retired) |
/// | A | B | B | none: [`Obstacle::NextIsPrevious`] |
///
/// The state may be up to five minutes old, so a step that was just performed may be planned again. Repeating a step
/// changes nothing.
///
/// # Errors
/// If no step is possible until an operator corrects the state.
pub fn plan(state: &RingState, now: UnixTime, config: &RotationConfig) -> Result<Plan, Obstacle> {
    let RingState { current, next, previous } = state;
    expect_usable("the ring's alias", &current.key, config)?;
    let (Some(next), Some(previous)) = (next, previous) else {
        return Ok(Plan { step: Step::Complete(current.key.clone()), due: now });
    };
    let same = |one: &AliasTarget, other: &AliasTarget| one.key.id == other.key.id;
    let (step, due) = if !same(previous, current) {
        if same(next, previous) {
            let (current, other) = (current.key.id.clone(), next.key.id.clone());
            return Err(Obstacle::NextIsPrevious { current, other });
        }
        let last_move = current.since.max(previous.since);
        (Step::Retire(previous.key.clone()), last_move.after(config.timing.retirement()))
    } else if !same(next, current) {
        expect_usable("-next", &next.key, config)?;
        let is_known = next.since.after(config.timing.publication());
        let has_settled = previous.since.after(config.timing.previous_alias_wait());
        (Step::Promote(next.key.clone()), is_known.max(has_settled))
    } else {
        let spec = config.spec.clone().unwrap_or_else(|| current.key.spec.clone());
        expect_creatable(&spec, &current.key, config)?;
        (Step::Prepare(spec), config.every.map_or(now, |every| current.since.after(every)))
    };
    Ok(Plan { step, due })
}

/// Checks that a key can sign with the configured algorithm now.
fn expect_usable(
    alias: &'static str,
    key: &KeyMetadata,
    config: &RotationConfig,
) -> Result<(), Obstacle> {
    let id = key.id.clone();
    if key.algorithms().is_empty() {
        return Err(Obstacle::UnsupportedKey { alias, id, spec: key.spec.to_string() });
    }
    if key.state != KeyState::Enabled {
        return Err(Obstacle::NotEnabled { alias, id, state: key.state });
    }
    match config.algorithm {
        Some(algorithm) if !key.algorithms().contains(&algorithm) => {
            Err(Obstacle::UnsupportedAlgorithm { spec: key.spec.to_string(), algorithm })
        }
        _ => Ok(()),
    }
}

/// Checks that `CreateKey` alone can create the next key, and that the key will sign with the configured algorithm.
fn expect_creatable(
    spec: &KeySpec,
    current: &KeyMetadata,
    config: &RotationConfig,
) -> Result<(), Obstacle> {
    if !current.is_reproducible {
        return Err(Obstacle::NotReproducible { id: current.id.clone() });
    }
    let algorithms = kms::algorithms(spec);
    match config.algorithm {
        Some(algorithm) if !algorithms.contains(&algorithm) => {
            Err(Obstacle::UnsupportedAlgorithm { spec: spec.to_string(), algorithm })
        }
        _ if algorithms.is_empty() => Err(Obstacle::UnsupportedSpec { spec: spec.to_string() }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
