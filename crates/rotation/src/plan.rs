use std::time::Duration;

use aws_sdk_kms::types::KeySpec;
use jwt::{Algorithm, UnixTime};

use crate::{AliasTarget, KeyMetadata, KeyState, RingState, RotationTiming};

/// What a rotation goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationConfig {
    /// How old the current key gets; none is for a rotation that begins when somebody asks.
    pub every: Option<Duration>,
    /// How long the steps wait for each other.
    pub timing: RotationTiming,
    /// The algorithm that every key must have, where the functions are set to one.
    pub algorithm: Option<Algorithm>,
    /// What the next key is to be; none is for the kind of the current one.
    pub spec: Option<KeySpec>,
}

/// Which step comes next, and from when on it is safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The step.
    pub step: Step,
    /// The first second at which it may be done.
    pub due: UnixTime,
}

/// A step of a rotation. Each ends in one move of an alias, so that a run that was interrupted leaves
/// nothing to be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Create the aliases that are missing, at the current key, this one.
    Complete(KeyMetadata),
    /// Create a key of this spec and point `-next` at it.
    Prepare(KeySpec),
    /// Point the alias itself at the next key, this one.
    Promote(KeyMetadata),
    /// Disable the previous key, this one, have it deleted, and point `-previous` at the current key.
    Retire(KeyMetadata),
}

impl Step {
    /// The step's name in logs and on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Complete(_) => "complete",
            Self::Prepare(_) => "prepare",
            Self::Promote(_) => "promote",
            Self::Retire(_) => "retire",
        }
    }
}

impl Plan {
    /// How long the step has been due.
    #[must_use]
    pub fn overdue(&self, now: UnixTime) -> Option<Duration> {
        now.seconds().checked_sub(self.due.seconds()).map(Duration::from_secs)
    }
}

/// The step that comes next for a ring in this state.
///
/// | current | next | previous | step |
/// |---|---|---|---|
/// | A | missing, or previous missing | | complete |
/// | A | A | A | prepare |
/// | A | B | A | promote |
/// | B | B | A | retire A |
/// | A | B | C | retire C, as B was published before C was retired |
///
/// The state may be up to five minutes old: a step that was done a moment ago may be planned again, and
/// doing it again changes nothing.
///
/// # Errors
/// When an operator has to put something right first.
pub fn plan(state: &RingState, now: UnixTime, policy: &RotationConfig) -> Result<Plan, Obstacle> {
    let RingState { current, next, previous } = state;
    expect_usable("the ring's own alias", &current.key, policy)?;
    let (Some(next), Some(previous)) = (next, previous) else {
        return Ok(Plan { step: Step::Complete(current.key.clone()), due: now });
    };
    let same = |one: &AliasTarget, other: &AliasTarget| one.key.id == other.key.id;
    let (step, due) = if !same(previous, current) {
        if same(next, previous) {
            let (current, other) = (current.key.id.clone(), next.key.id.clone());
            return Err(Obstacle::Shared { current, other });
        }
        let last = current.since.max(previous.since);
        (Step::Retire(previous.key.clone()), last.after(policy.timing.retirement()))
    } else if !same(next, current) {
        expect_usable("-next", &next.key, policy)?;
        let published = next.since.after(policy.timing.publication());
        let settled = previous.since.after(policy.timing.settling());
        (Step::Promote(next.key.clone()), published.max(settled))
    } else {
        let spec = policy.spec.clone().unwrap_or_else(|| current.key.spec.clone());
        expect_creatable(&spec, &current.key, policy)?;
        (Step::Prepare(spec), policy.every.map_or(now, |every| current.since.after(every)))
    };
    Ok(Plan { step, due })
}

fn expect_usable(
    alias: &'static str,
    key: &KeyMetadata,
    policy: &RotationConfig,
) -> Result<(), Obstacle> {
    let id = key.id.clone();
    if key.algorithms().is_empty() {
        return Err(Obstacle::Unfit { alias, id, spec: key.spec.to_string() });
    }
    if key.state != KeyState::Enabled {
        return Err(Obstacle::State { alias, id, state: key.state });
    }
    match policy.algorithm {
        Some(algorithm) if !key.algorithms().contains(&algorithm) => {
            Err(Obstacle::Algorithm { spec: key.spec.to_string(), algorithm })
        }
        _ => Ok(()),
    }
}

/// Whether a next key of this spec can be made with a call, and will do.
fn expect_creatable(
    spec: &KeySpec,
    current: &KeyMetadata,
    policy: &RotationConfig,
) -> Result<(), Obstacle> {
    if !current.plain {
        return Err(Obstacle::Special { id: current.id.clone() });
    }
    let algorithms = kms::algorithms(spec);
    match policy.algorithm {
        Some(algorithm) if !algorithms.contains(&algorithm) => {
            Err(Obstacle::Algorithm { spec: spec.to_string(), algorithm })
        }
        _ if algorithms.is_empty() => Err(Obstacle::Spec { spec: spec.to_string() }),
        _ => Ok(()),
    }
}

/// What somebody has to put right before a rotation goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// The key is not for signing.
    #[error("{alias} points at {id}, a key of KeySpec {spec} that signs no tokens")]
    Unfit {
        /// What points at it.
        alias: &'static str,
        /// The key.
        id: String,
        /// Its spec.
        spec: String,
    },
    /// The key cannot be used now.
    #[error("{alias} points at {id}, which is {state}: enable it, or point the alias elsewhere")]
    State {
        /// What points at it.
        alias: &'static str,
        /// The key.
        id: String,
        /// Its state.
        state: KeyState,
    },
    /// The functions would not start with such a key.
    #[error("a key of KeySpec {spec} does not sign with {algorithm} (SIGNING_ALGORITHM)")]
    Algorithm {
        /// The key's spec.
        spec: String,
        /// What they are set to.
        algorithm: Algorithm,
    },
    /// There are no tokens of such keys.
    #[error("a key of KeySpec {spec} does not sign tokens")]
    Spec {
        /// The spec.
        spec: String,
    },
    /// No step leads to this state, and none leads out of it.
    #[error(
        "the ring's own alias points at {current}, and -next and -previous both point at {other}: if no \
         operator moved the ring's own alias, see who did and move it back to {other}; else move \
         -previous to {current}"
    )]
    Shared {
        /// The key that signs.
        current: String,
        /// The key under both others.
        other: String,
    },
    /// Its successor takes more than a call: replicas, material, or a key store.
    #[error(
        "{id} is a multi-Region key or one whose material is not KMS's own: create the next key \
         yourself and point -next at it"
    )]
    Special {
        /// The current key.
        id: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(id: &str, since: u64) -> AliasTarget {
        let key = KeyMetadata {
            id: id.into(),
            arn: format!("arn:aws:kms:us-east-1:1:key/{id}"),
            spec: KeySpec::EccNistP256,
            state: KeyState::Enabled,
            created: UnixTime::from_seconds(0),
            signs: true,
            plain: true,
        };
        AliasTarget { key, since: UnixTime::from_seconds(since) }
    }

    fn policy() -> RotationConfig {
        let (hour, minutes) = (Duration::from_hours(1), Duration::from_mins(5));
        let timing =
            RotationTiming::new(Duration::from_mins(150), hour, Duration::ZERO, minutes).unwrap();
        RotationConfig {
            every: Some(Duration::from_hours(24)),
            timing,
            algorithm: None,
            spec: None,
        }
    }

    fn step(state: &RingState, policy: &RotationConfig) -> Result<(&'static str, u64), Obstacle> {
        let plan = plan(state, UnixTime::from_seconds(777), policy)?;
        Ok((plan.step.name(), plan.due.seconds()))
    }

    #[test]
    fn state_decides_the_step() {
        let place = |alias: Option<(&str, u64)>| alias.map(|(id, since)| place(id, since));
        let rows = [
            ("at rest", ("a", 1000), Some(("a", 0)), Some(("a", 0)), ("prepare", 1000 + 86_400)),
            ("published", ("a", 0), Some(("b", 1000)), Some(("a", 0)), ("promote", 10_000)),
            (
                "previous moved late",
                ("a", 0),
                Some(("b", 1000)),
                Some(("a", 9500)),
                ("promote", 10_700),
            ),
            ("promoted", ("b", 1000), Some(("b", 0)), Some(("a", 0)), ("retire", 1000 + 4560)),
            (
                "previous moved later",
                ("b", 1000),
                Some(("b", 0)),
                Some(("a", 5000)),
                ("retire", 5000 + 4560),
            ),
            ("next came early", ("b", 0), Some(("c", 1)), Some(("a", 0)), ("retire", 4560)),
            ("one alias", ("a", 1000), None, None, ("complete", 777)),
            ("no -previous", ("a", 0), Some(("b", 1000)), None, ("complete", 777)),
            ("no -next", ("b", 1000), None, Some(("a", 0)), ("complete", 777)),
        ];
        for (name, (id, since), next, previous, expected) in rows {
            let current = tests::place(id, since);
            let state = RingState { current, next: place(next), previous: place(previous) };
            assert_eq!(step(&state, &policy()), Ok(expected), "{name}");
        }
        let asked = RotationConfig { every: None, ..policy() };
        assert_eq!(step(&at_rest("a", 1000), &asked), Ok(("prepare", 777)), "asked for");
    }

    fn at_rest(id: &str, since: u64) -> RingState {
        let place = || place(id, since);
        RingState { current: place(), next: Some(place()), previous: Some(place()) }
    }

    #[test]
    fn what_is_in_the_way_is_said() {
        type Change = fn(&mut RingState, &mut RotationConfig);
        let (a, b) = (|| "a".to_owned(), || "b".to_owned());
        let p256 = || "ECC_NIST_P256".to_owned();
        let own = "the ring's own alias";
        let rows: [(&str, Change, Obstacle); 11] = [
            (
                "no signing key",
                |state, _| state.current.key.signs = false,
                Obstacle::Unfit { alias: own, id: a(), spec: p256() },
            ),
            (
                "a symmetric key",
                |state, _| state.current.key.spec = KeySpec::SymmetricDefault,
                Obstacle::Unfit { alias: own, id: a(), spec: "SYMMETRIC_DEFAULT".into() },
            ),
            (
                "a disabled key",
                |state, _| state.current.key.state = KeyState::Disabled,
                Obstacle::State { alias: own, id: a(), state: KeyState::Disabled },
            ),
            (
                "a next key that cannot be used",
                |state, _| state.next.as_mut().unwrap().key.state = KeyState::Other,
                Obstacle::State { alias: "-next", id: b(), state: KeyState::Other },
            ),
            (
                "a next key that does not sign",
                |state, _| state.next.as_mut().unwrap().key.signs = false,
                Obstacle::Unfit { alias: "-next", id: b(), spec: p256() },
            ),
            (
                "a next key of another algorithm",
                |state, policy| {
                    policy.algorithm = Some(Algorithm::Es256);
                    state.next.as_mut().unwrap().key.spec = KeySpec::EccSecgP256K1;
                },
                Obstacle::Algorithm { spec: "ECC_SECG_P256K1".into(), algorithm: Algorithm::Es256 },
            ),
            (
                "one key on both sides",
                |state, _| state.previous = Some(place("b", 0)),
                Obstacle::Shared { current: a(), other: b() },
            ),
            (
                "a current key of another algorithm",
                |_, policy| policy.algorithm = Some(Algorithm::Rs256),
                Obstacle::Algorithm { spec: p256(), algorithm: Algorithm::Rs256 },
            ),
            (
                "a successor of another algorithm",
                |state, policy| {
                    state.next = Some(place("a", 0));
                    policy.algorithm = Some(Algorithm::Es256);
                    policy.spec = Some(KeySpec::Rsa2048);
                },
                Obstacle::Algorithm { spec: "RSA_2048".into(), algorithm: Algorithm::Es256 },
            ),
            (
                "a successor that signs nothing",
                |state, policy| {
                    state.next = Some(place("a", 0));
                    policy.spec = Some(KeySpec::Hmac256);
                },
                Obstacle::Spec { spec: "HMAC_256".into() },
            ),
            (
                "a key that has no successor like it",
                |state, _| {
                    state.next = Some(place("a", 0));
                    state.current.key.plain = false;
                },
                Obstacle::Special { id: a() },
            ),
        ];
        for (name, change, expected) in rows {
            let mut state = RingState { next: Some(place("b", 0)), ..at_rest("a", 0) };
            let mut policy = policy();
            change(&mut state, &mut policy);
            assert_eq!(step(&state, &policy), Err(expected), "{name}");
        }
    }

    #[test]
    fn a_step_is_overdue_from_its_first_second_on() {
        let plan =
            Plan { step: Step::Prepare(KeySpec::EccNistP256), due: UnixTime::from_seconds(100) };
        let rows = [(99, None), (100, Some(0)), (160, Some(60))];
        for (now, expected) in rows {
            let overdue = plan.overdue(UnixTime::from_seconds(now));
            assert_eq!(overdue, expected.map(Duration::from_secs), "{now}");
        }
    }
}
