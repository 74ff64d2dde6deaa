use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use kms::KeySpec;
use rotation::{
    KeyMetadata, Obstacle, Plan, Rotation, RotationConfig, RotationError, RotationOptions,
    Snapshot, Step, plan,
};
use serde_json::json;

use super::{
    arguments::{RingArgs, TimingArgs, signing_key_spec},
    consent::{Consent, Declined, ask, expect_terminal, print_identity},
    output::{NO_DATES, key_json, known, plan_json, print, print_administrators, print_refusal},
};
use crate::{
    block_on::block_on,
    exit::{self, NO},
    humanize::{HumanDuration, HumanTime, now},
    terminal,
};

/// Arguments of `countersign key rotate`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    ring: RingArgs,
    #[command(flatten)]
    timing: TimingArgs,
    /// `KeySpec` of the next key; without it, that of the current key
    #[arg(long, value_name = "KeySpec", value_parser = signing_key_spec)]
    spec: Option<KeySpec>,
    /// Print what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do the step without confirmation
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Run until the old key is retired, and do each step as soon as it is due
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
}

pub(crate) const HELP: &str = "\
Each run does one step that is due. A run can be interrupted and repeated at any time. It prints the account,
the Region and the principal that it acts for, and asks before each step.

  complete  creates -next and -previous, if they are missing, and points them at the current key
  prepare   creates the next key and points -next at it: the key is published, but does not sign yet
  promote   points the alias at the next key after the publication wait: it signs from then on
  retire    disables the old key after its last token has expired, schedules its deletion, and
            points -previous at the current key

Examples:
  countersign key rotate alias/countersign --dry-run
  countersign key rotate alias/countersign
  countersign key rotate alias/countersign --wait --yes

Exit codes: 0 a step was done, 1 no step is due, the confirmation was declined, or another run changed the
ring first, 2 invalid input, 3 fault, no such ring, or the step is blocked.";

/// Does the steps that are due, and prints them.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit::finish(arguments.ring.json, block_on(rotate(arguments)))
}

async fn rotate(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let Arguments { ring, timing, spec, dry_run, yes, wait } = arguments;
    let (config, options) = timing.read(spec.clone())?;
    let rotate = Rotate { ring, config, options, dry_run: *dry_run, wait: *wait };
    let consent = Consent::new(*yes);
    if *wait {
        expect_terminal(&consent)?;
    }
    Box::pin(rotate.run(consent)).await
}

struct Rotate<'a> {
    ring: &'a RingArgs,
    config: RotationConfig,
    options: RotationOptions,
    dry_run: bool,
    wait: bool,
}

impl Rotate<'_> {
    /// Does one step, or with `--wait` all steps of a rotation.
    ///
    /// Reads the state, plans, audits and executes with the same functions as [`rotation::run_once`], which the
    /// rotator calls. It does not call `run` itself, because an operator takes part between the plan and its
    /// execution: `--dry-run` stops there, `--wait` waits there, findings that do not block are printed
    /// before the step, and each step needs a confirmation, after which the state is read again.
    async fn run(&self, mut consent: Consent) -> Result<ExitCode, Box<dyn Error>> {
        let RingArgs { alias, json, aws } = self.ring;
        let session = aws.session().await?;
        let rotation = Rotation::new(session.client.clone(), alias.clone())
            .with_options(self.options.clone())
            .allowing_undated_aliases();
        let (mut in_progress, mut is_identity_known) = (false, false);
        loop {
            let snapshot = rotation.read_state().await?;
            let planned = plan(&snapshot.state, now(), &self.config)?;
            let (step, now) = (&planned.step, now());
            if in_progress && matches!(step, Step::Prepare(_)) {
                // Another run has done the last step.
                return print(*json, &json!({"next": null}), "The rotation is complete.");
            }
            in_progress |= matches!(step, Step::Promote(_) | Step::Retire(_));
            if planned.overdue(now).is_none() {
                if known(planned.due).is_none() {
                    return Err(format!("{} is never due: {NO_DATES}", step.name()).into());
                }
                if !self.wait {
                    return self.print_not_due(&rotation, &planned);
                }
                self.sleep(&planned).await?;
                continue;
            }
            if self.dry_run {
                let description = rotation.description(step);
                let text = format!("{} is due: would {description}", step.name());
                return print(*json, &json!({"would": plan_json(&planned)}), &text);
            }
            if !is_identity_known {
                print_identity(&session, Some(&snapshot.state.current.key.arn)).await?;
                is_identity_known = true;
            }
            let change = rotation.description(step);
            let is_confirmed = matches!(&consent, Consent::For(confirmed) if *confirmed == change);
            // The findings that do not block were printed before the question.
            self.audit(&rotation, &snapshot, step, is_confirmed).await?;
            if !consent.covers(&change) {
                self.print_consequences(step)?;
                if !ask(&change)? {
                    return print_refusal(*json, &Declined);
                }
                // The confirmation may have taken hours: the state is read again.
                consent = Consent::For(change);
                continue;
            }
            let key = match rotation.execute(&snapshot, step).await {
                Ok(key) => key,
                Err(RotationError::Conflict(_) | RotationError::SnapshotExpired) if self.wait => {
                    tokio::time::sleep(ALIAS_PROPAGATION).await;
                    continue;
                }
                Err(error @ (RotationError::Conflict(_) | RotationError::SnapshotExpired)) => {
                    return print_refusal(*json, &error);
                }
                Err(error) => return Err(error.into()),
            };
            let after = snapshot.state.after(step, &key, now);
            let next = plan(&after, now, &self.config);
            self.print_done(&rotation, step, &key, next.as_ref())?;
            if !self.wait || matches!(step, Step::Retire(_)) {
                return Ok(ExitCode::SUCCESS);
            }
            if matches!(step, Step::Complete(_)) {
                // Otherwise the next snapshot may lack the new aliases, and complete would be due again.
                tokio::time::sleep(ALIAS_PROPAGATION).await;
            }
            in_progress |= !matches!(step, Step::Complete(_));
            self.sleep(&next?).await?;
        }
    }

    /// Prints foreign keys and grants as warnings, unless it `is_repeated`.
    ///
    /// # Errors
    /// When one of them blocks the step.
    async fn audit(
        &self,
        rotation: &Rotation,
        snapshot: &Snapshot,
        step: &Step,
        is_repeated: bool,
    ) -> Result<(), Box<dyn Error>> {
        let findings = rotation.audit(snapshot).await?;
        if findings.iter().any(|finding| finding.blocks(step)) {
            return Err(RotationError::Findings(findings).into());
        }
        if is_repeated {
            return Ok(());
        }
        for finding in findings {
            writeln!(terminal::stderr(), "warning: {finding}")?;
        }
        print_administrators(&self.ring.alias, rotation, snapshot).await;
        if step.reports_leftovers() {
            for leftover in rotation.leftovers(snapshot, now()).await.unwrap_or_default() {
                writeln!(terminal::stderr(), "warning: {leftover}")?;
            }
        }
        Ok(())
    }

    fn print_not_due(
        &self,
        rotation: &Rotation,
        planned: &Plan,
    ) -> Result<ExitCode, Box<dyn Error>> {
        let json = self.ring.json;
        let Plan { step, due } = planned;
        let when = HumanTime { time: *due, now: now() };
        let description = rotation.description(step);
        let text = format!("{} is not due before {when}: would {description}", step.name());
        print(json, &json!({"notDue": plan_json(planned)}), &text)?;
        Ok(ExitCode::from(NO))
    }

    fn print_done(
        &self,
        rotation: &Rotation,
        step: &Step,
        key: &KeyMetadata,
        next: Result<&Plan, &Obstacle>,
    ) -> Result<(), Box<dyn Error>> {
        let json = self.ring.json;
        let next_text = match (step, next) {
            (Step::Retire(_), _) => "The rotation is complete.".to_owned(),
            (_, Ok(next)) if next.overdue(now()).is_some() => {
                format!("Next step: {}, due now.", next.step.name())
            }
            (_, Ok(next)) if known(next.due).is_none() => {
                format!("Next step: {}, which is never due: {NO_DATES}.", next.step.name())
            }
            (_, Ok(next)) => {
                let when = HumanTime { time: next.due, now: now() };
                format!("Next step: {}, not before {when}.", next.step.name())
            }
            (_, Err(obstacle)) => format!("The next step is blocked: {obstacle}."),
        };
        let done = rotation.result_description(step, key);
        let next = next.ok().filter(|next| !matches!(next.step, Step::Prepare(_))).map(plan_json);
        let value = json!({"done": step.name(), "key": key_json(key), "next": next});
        print(json, &value, &format!("{}: {done}. {next_text}", step.name()))?;
        Ok(())
    }

    async fn sleep(&self, planned: &Plan) -> Result<(), Box<dyn Error>> {
        let now = now();
        if !self.ring.json {
            let when = HumanTime { time: planned.due, now };
            writeln!(terminal::stderr(), "waiting for {}: {when}", planned.step.name())?;
        }
        let left = planned.due.seconds().saturating_sub(now.seconds());
        tokio::time::sleep(Duration::from_secs(left)).await;
        Ok(())
    }

    /// Prints the assumption of a retirement.
    fn print_consequences(&self, step: &Step) -> io::Result<()> {
        let Step::Retire(key) = step else { return Ok(()) };
        let lifetime = HumanDuration(self.config.timing.lifetime_max().as_secs());
        writeln!(
            terminal::stderr(),
            "All tokens of {} have expired, assuming none was issued for longer than {lifetime} \
             (TOKEN_LIFETIME_MAX_SECONDS).",
            key.id
        )
    }
}

/// How long KMS may take to show a changed alias in every response.
const ALIAS_PROPAGATION: Duration = Duration::from_mins(5);
