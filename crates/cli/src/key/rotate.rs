use std::{
    error::Error,
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use rotation::{
    KeyMetadata, Obstacle, Plan, Rotation, RotationConfig, RotationError, Snapshot, Step, plan,
};
use serde_json::json;

use super::{Ring, describe, no, plan_json, tell, words};
use crate::{
    NO, Usage,
    humanize::{Span, When, now},
};

/// A rotation as one user wants it.
pub(super) struct Rotate<'a> {
    pub(super) ring: &'a Ring,
    pub(super) policy: RotationConfig,
    pub(super) retained_key: Option<String>,
    pub(super) dry_run: bool,
    pub(super) wait: bool,
}

/// Which keys may be disabled.
pub(super) enum Consent {
    /// None, before somebody is asked.
    Ask,
    /// This one.
    For(String),
    /// Whichever it is.
    Given,
}

impl Consent {
    fn covers(&self, key: &KeyMetadata) -> bool {
        match self {
            Self::Ask => false,
            Self::For(id) => *id == key.id,
            Self::Given => true,
        }
    }
}

impl Rotate<'_> {
    pub(super) async fn run(&self, mut consent: Consent) -> Result<ExitCode, Box<dyn Error>> {
        let Ring { alias, json, aws } = self.ring;
        let rotation = Rotation::new(aws.connect().await?, alias.clone())
            .with_retained_key(self.retained_key.clone());
        let mut under_way = false;
        loop {
            let snapshot = rotation.read_state().await?;
            let planned = plan(&snapshot.state, now(), &self.policy)?;
            let (step, now) = (&planned.step, now());
            let rest = matches!(step, Step::Prepare(_));
            if rest && under_way {
                // Another run has done the last step.
                return tell(*json, &json!({"next": null}), "The rotation is complete.");
            }
            under_way |= matches!(step, Step::Promote(_) | Step::Retire(_));
            if planned.overdue(now).is_none() {
                if !self.wait {
                    return self.not_due(&rotation, &planned);
                }
                self.sleep(&planned).await?;
                continue;
            }
            if self.dry_run {
                let words =
                    format!("{} is due: would {}", step.name(), words(step, alias, &rotation));
                return tell(*json, &json!({"would": plan_json(&planned)}), &words);
            }
            self.expect_own_keys(&rotation, &snapshot, step).await?;
            if let Step::Retire(key) = step
                && !consent.covers(key)
            {
                if !self.ask(&rotation, key)? {
                    return no(*json, &Declined);
                }
                // The answer may have taken a night.
                consent = Consent::For(key.id.clone());
                continue;
            }
            let key = match rotation.execute(&snapshot, step).await {
                Ok(key) => key,
                Err(RotationError::Conflict(_) | RotationError::SnapshotExpired) if self.wait => {
                    tokio::time::sleep(PATIENCE).await;
                    continue;
                }
                Err(error @ (RotationError::Conflict(_) | RotationError::SnapshotExpired)) => {
                    return no(*json, &error);
                }
                Err(error) => return Err(error.into()),
            };
            let after = snapshot.state.after(step, &key, now);
            let next = plan(&after, now, &self.policy);
            self.done(&rotation, step, &key, next.as_ref())?;
            if !self.wait || matches!(step, Step::Retire(_)) {
                return Ok(ExitCode::SUCCESS);
            }
            if matches!(step, Step::Complete(_)) {
                // Until the new aliases are seen everywhere, the step would come up again.
                tokio::time::sleep(PATIENCE).await;
            }
            under_way |= !matches!(step, Step::Complete(_));
            self.sleep(&next?).await?;
        }
    }

    /// Reports foreign keys and grants, and stops where they block the step.
    async fn expect_own_keys(
        &self,
        rotation: &Rotation,
        snapshot: &Snapshot,
        step: &Step,
    ) -> Result<(), Box<dyn Error>> {
        let findings = rotation.audit(snapshot).await?;
        if findings.iter().any(|finding| finding.blocks(step)) {
            return Err(RotationError::Findings(findings).into());
        }
        for finding in findings {
            writeln!(io::stderr(), "warning: {finding}")?;
        }
        self.ring.announce_administrators(rotation, snapshot).await;
        if let Step::Prepare(_) = step {
            for leftover in rotation.leftovers(snapshot, now()).await.unwrap_or_default() {
                writeln!(io::stderr(), "warning: {leftover}")?;
            }
        }
        Ok(())
    }

    fn not_due(&self, rotation: &Rotation, planned: &Plan) -> Result<ExitCode, Box<dyn Error>> {
        let Ring { alias, json, .. } = self.ring;
        let Plan { step, due } = planned;
        let when = When { time: *due, now: now() };
        let words = format!(
            "{} is not due before {when}: it would {}",
            step.name(),
            words(step, alias, rotation)
        );
        tell(*json, &json!({"notDue": plan_json(planned)}), &words)?;
        Ok(ExitCode::from(NO))
    }

    fn done(
        &self,
        rotation: &Rotation,
        step: &Step,
        key: &KeyMetadata,
        next: Result<&Plan, &Obstacle>,
    ) -> Result<(), Box<dyn Error>> {
        let Ring { alias, json, .. } = self.ring;
        let next_words = match (step, next) {
            (Step::Retire(_), _) => "The rotation is complete.".to_owned(),
            (_, Ok(next)) if next.overdue(now()).is_some() => {
                format!("{} is due already.", next.step.name())
            }
            (_, Ok(next)) => {
                let when = When { time: next.due, now: now() };
                format!("{} comes next, not before {when}.", next.step.name())
            }
            (_, Err(obstacle)) => format!("Something is in the way of the next step: {obstacle}."),
        };
        let done = match step {
            Step::Prepare(spec) => {
                format!("created {} ({spec}), and pointed {} at it", key.id, alias.next())
            }
            Step::Complete(key) => {
                format!("pointed {} and {} at {}", alias.next(), alias.previous(), key.id)
            }
            Step::Promote(_) => format!("pointed {alias} at {}: it signs from now on", key.id),
            Step::Retire(_) if rotation.retains(key) => format!(
                "disabled {}, which the stack owns, and pointed {} at the key that signs",
                key.id,
                alias.previous()
            ),
            Step::Retire(_) => format!(
                "disabled {}, to be deleted in 30 days, and pointed {} at the key that signs",
                key.id,
                alias.previous()
            ),
        };
        let next = next.ok().filter(|next| !matches!(next.step, Step::Prepare(_))).map(plan_json);
        let told = json!({"done": step.name(), "key": describe(key), "next": next});
        tell(*json, &told, &format!("{}: {done}. {next_words}", step.name()))?;
        Ok(())
    }

    async fn sleep(&self, planned: &Plan) -> Result<(), Box<dyn Error>> {
        let now = now();
        if !self.ring.json {
            let when = When { time: planned.due, now };
            writeln!(io::stderr(), "waiting for {}: {when}", planned.step.name())?;
        }
        let left = planned.due.seconds().saturating_sub(now.seconds());
        tokio::time::sleep(Duration::from_secs(left)).await;
        Ok(())
    }

    fn ask(&self, rotation: &Rotation, key: &KeyMetadata) -> Result<bool, Box<dyn Error>> {
        let mut out = io::stderr();
        let life = Span(self.policy.timing.lifetime_max().as_secs());
        writeln!(
            out,
            "retire disables {}{}. No token of it lives any more if none ever lived longer than {life} \
             (TOKEN_LIFETIME_MAX_SECONDS).",
            key.id,
            if rotation.retains(key) { "" } else { " and has it deleted in 30 days" }
        )?;
        if !io::stdin().is_terminal() {
            return Err(
                Usage("nobody can be asked here: say --yes to retire the key".into()).into()
            );
        }
        write!(out, "Retire it? [y/N] ")?;
        out.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }
}

/// Whoever was asked said no.
#[derive(Debug, thiserror::Error)]
#[error("nothing was done")]
struct Declined;

/// Before another snapshot, where somebody else is at work: by then it shows what they did.
const PATIENCE: Duration = Duration::from_mins(5);
