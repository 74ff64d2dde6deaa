use std::{
    env,
    error::Error,
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand};
use jwt::{Algorithm, UnixTime};
use kms::{
    Settings,
    rotation::{
        Entry, KeyFacts, KeySpec, KeyState, Obstacle, Place, Plan, Policy, RingName, Role,
        Rotation, RotationError, Seen, Step, Waits, list, plan,
    },
};
use serde_json::{Value, json};

use crate::{
    NO, Usage,
    aws::Aws,
    words::{Span, When, now},
};

/// What is done with the keys of a ring.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a ring: a key, and the alias that names it.
    #[command(after_help = CREATE_HELP)]
    Create {
        #[command(flatten)]
        ring: Ring,
        /// The kind of the key
        #[arg(long, value_name = "KeySpec", default_value = "RSA_2048", value_parser = spec)]
        spec: KeySpec,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Say which key signs, since when, and which step comes next and when.
    #[command(after_help = SHOW_HELP)]
    Show {
        #[command(flatten)]
        ring: Ring,
        #[command(flatten)]
        terms: Terms,
    },
    /// List the rings, or all keys that one has and had.
    #[command(after_help = LIST_HELP)]
    List {
        /// The ring; without it, all of the account and Region
        #[arg(value_name = "ALIAS")]
        alias: Option<RingName>,
        /// Answer in JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        aws: Aws,
    },
    /// Do the step of a rotation that is due, or begin one.
    #[command(after_help = ROTATE_HELP)]
    Rotate {
        #[command(flatten)]
        ring: Ring,
        #[command(flatten)]
        terms: Terms,
        /// The kind of the next key; without it, that of the current one
        #[arg(long, value_name = "KeySpec", value_parser = spec)]
        spec: Option<KeySpec>,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// Disable the old key without asking
        #[arg(long)]
        yes: bool,
        /// Stay until the old key is retired, and do each step as soon as it is due
        #[arg(long, conflicts_with = "dry_run")]
        wait: bool,
    },
}

/// Which ring.
#[derive(Args)]
pub(crate) struct Ring {
    /// The ring's alias: alias/NAME, with alias/NAME-next and alias/NAME-previous beside it
    alias: RingName,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    aws: Aws,
}

/// What the waits of a rotation depend on. They must be the functions' own.
#[derive(Args)]
pub(crate) struct Terms {
    /// From a key's publication to its first token (`PUBLICATION_WAIT_SECONDS`; 9000)
    #[arg(long, value_name = "SECONDS", help_heading = HEADING)]
    publication_wait: Option<String>,
    /// The longest life of a token (`TOKEN_LIFETIME_MAX_SECONDS`; 3600)
    #[arg(long, value_name = "SECONDS", help_heading = HEADING)]
    token_lifetime_max: Option<String>,
    /// The authorizer's leeway (`CLOCK_LEEWAY_SECONDS`; 0)
    #[arg(long, value_name = "SECONDS", help_heading = HEADING)]
    clock_leeway: Option<String>,
    /// How often the functions ask for the ring (`KEY_REFRESH_SECONDS`; 300)
    #[arg(long, value_name = "SECONDS", help_heading = HEADING)]
    key_refresh: Option<String>,
    /// The algorithm that they are set to, if they are (`SIGNING_ALGORITHM`)
    #[arg(long, value_name = "ALG", help_heading = HEADING)]
    signing_algorithm: Option<String>,
}

const HEADING: &str = "The functions' settings, if they are not in the environment";

impl Terms {
    fn policy(&self, spec: Option<KeySpec>) -> Result<Policy, Usage> {
        let flags = [
            ("PUBLICATION_WAIT_SECONDS", &self.publication_wait),
            ("TOKEN_LIFETIME_MAX_SECONDS", &self.token_lifetime_max),
            ("CLOCK_LEEWAY_SECONDS", &self.clock_leeway),
            ("KEY_REFRESH_SECONDS", &self.key_refresh),
            ("SIGNING_ALGORITHM", &self.signing_algorithm),
        ];
        let flags = flags.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let flags = flags.map(|(name, value)| (name.to_owned(), value.clone()));
        let mut settings: Settings = env::vars().chain(flags).collect();
        let algorithm: Option<Option<Algorithm>> = settings.choice("SIGNING_ALGORITHM");
        let (Some(waits), Some(algorithm)) = (Waits::read(&mut settings), algorithm) else {
            return Err(Usage(settings.refuse().to_string()));
        };
        Ok(Policy { every: None, waits, algorithm, spec })
    }
}

pub(crate) const CREATE_HELP: &str = "\
  countersign key create alias/countersign
  countersign key create alias/countersign --spec ECC_NIST_P256 --dry-run

Exit codes: 0 created, 1 there is such an alias already, 2 usage, 3 fault.";

pub(crate) const SHOW_HELP: &str = "\
  countersign key show alias/countersign
  countersign key show alias/countersign --json | jq -r .step.due

Exit codes: 0 shown, 2 usage, 3 fault: there is no such ring, or something is in the way of a step.";

pub(crate) const LIST_HELP: &str = "\
  countersign key list
  countersign key list alias/countersign

Exit codes: 0 listed, 1 there is none, 2 usage, 3 fault.";

pub(crate) const ROTATE_HELP: &str = "\
Each run does one step. What is not due is not done, and a run can be repeated or killed at any time.

  prepare   creates the next key and points -next at it: it is published, and does not sign
  keep      points -previous at the key that signs, once the next one was published for long enough
  promote   points the alias at the next key, ten minutes later: it signs from now on
  clear     takes -next away, ten minutes later
  retire    disables the old key once its last token is dead, and has it deleted in 30 days

  countersign key rotate alias/countersign --dry-run
  countersign key rotate alias/countersign
  countersign key rotate alias/countersign --wait --yes

Exit codes: 0 a step was done, 1 none is due, or somebody else did it, 2 usage, 3 fault: there is no
such ring, something is in the way, KMS fails.";

/// Does it.
pub(crate) fn run(command: &Command) -> ExitCode {
    crate::finish(crate::block_on(async {
        match command {
            Command::Create { ring, spec, dry_run } => Box::pin(create(ring, spec, *dry_run)).await,
            Command::Show { ring, terms } => Box::pin(show(ring, terms)).await,
            Command::List { alias, json, aws } => {
                Box::pin(list_keys(alias.as_ref(), *json, aws)).await
            }
            Command::Rotate { ring, terms, spec, dry_run, yes, wait } => {
                let policy = terms.policy(spec.clone())?;
                let consent = if *yes { Consent::Given } else { Consent::Ask };
                let rotate = Rotate { ring, policy, dry_run: *dry_run, wait: *wait };
                Box::pin(rotate.run(consent)).await
            }
        }
    }))
}

async fn create(ring: &Ring, spec: &KeySpec, dry_run: bool) -> Result<ExitCode, Box<dyn Error>> {
    let Ring { alias, json, aws } = ring;
    let rotation = Rotation::new(aws.connect().await?, alias.clone());
    if dry_run {
        return match rotation.look().await {
            Err(RotationError::NoRing(_)) => {
                let words = format!("would create a key of KeySpec {spec} and point {alias} at it");
                tell(*json, &json!({"wouldCreate": spec.as_str(), "ring": alias.current()}), &words)
            }
            Err(error) => Err(error.into()),
            Ok(_) => no(*json, &RotationError::Exists(alias.clone())),
        };
    }
    match rotation.create(spec).await {
        Ok(key) => {
            let words = format!("{alias} points at {}, a new key of KeySpec {spec}", key.arn);
            tell(*json, &json!({"ring": alias.current(), "key": describe(&key)}), &words)
        }
        Err(error @ (RotationError::Exists(_) | RotationError::Overtaken(_))) => no(*json, &error),
        Err(error) => Err(error.into()),
    }
}

async fn show(ring: &Ring, terms: &Terms) -> Result<ExitCode, Box<dyn Error>> {
    let policy = terms.policy(None)?;
    let Ring { alias, json, aws } = ring;
    let seen = Rotation::new(aws.connect().await?, alias.clone()).look().await?.seen;
    let now = now();
    let planned = plan(&seen, now, &policy);
    if *json {
        writeln!(io::stdout(), "{}", show_json(alias, &seen, &planned))?;
    } else {
        writeln!(io::stdout(), "{}", show_words(alias, &seen, &planned, now))?;
    }
    Ok(ExitCode::from(if planned.is_ok() { 0 } else { crate::FAULT }))
}

fn show_words(
    alias: &RingName,
    seen: &Seen,
    planned: &Result<Plan, Obstacle>,
    now: UnixTime,
) -> String {
    let place = |words: &str, place: &Place| {
        let Place { key, since } = place;
        // KMS has fractions of a second, which are rounded up.
        let since = When { time: (*since).min(now), now };
        format!("  {words:<28} {}  {}  {}  since {since}", key.id, key.spec, key.state)
    };
    let current = &seen.current;
    let mut lines = vec![alias.to_string(), place("signs", current)];
    let beside =
        |other: &Option<Place>| other.clone().filter(|other| other.key.id != current.key.id);
    if let Some(next) = beside(&seen.next) {
        lines.push(place("is published, will sign", &next));
    }
    if let Some(previous) = beside(&seen.previous) {
        lines.push(place("has signed, is still trusted", &previous));
    }
    lines.push(String::new());
    lines.push(match planned {
        Ok(Plan { step: step @ Step::Prepare(_), .. }) => {
            format!(
                "No rotation is under way. The next one begins with {}: {}.",
                step.name(),
                words(step, alias)
            )
        }
        Ok(Plan { step, due }) if *due <= now => {
            let due = When { time: *due, now };
            format!("{} is due since {due}: {}.", step.name(), words(step, alias))
        }
        Ok(Plan { step, due }) => {
            let due = When { time: *due, now };
            format!("{} comes next, not before {due}: {}.", step.name(), words(step, alias))
        }
        Err(obstacle) => format!("Something is in the way of the next step: {obstacle}."),
    });
    lines.join("\n")
}

fn show_json(alias: &RingName, seen: &Seen, planned: &Result<Plan, Obstacle>) -> Value {
    let place = |place: &Place| {
        let mut key = describe(&place.key);
        if let Value::Object(key) = &mut key {
            key.insert("since".into(), place.since.seconds().into());
        }
        key
    };
    let mut shown = json!({
        "ring": alias.current(),
        "current": place(&seen.current),
        "next": seen.next.as_ref().map(place),
        "previous": seen.previous.as_ref().map(place),
    });
    if let Value::Object(shown) = &mut shown {
        match planned {
            Ok(plan) => shown.insert("step".into(), plan_json(plan)),
            Err(obstacle) => shown.insert("problem".into(), obstacle.to_string().into()),
        };
    }
    shown
}

fn plan_json(plan: &Plan) -> Value {
    json!({"name": plan.step.name(), "due": plan.due.seconds()})
}

fn describe(key: &KeyFacts) -> Value {
    let deletion = match key.state {
        KeyState::PendingDeletion(at) => Some(at.seconds()),
        _ => None,
    };
    json!({
        "id": key.id, "arn": key.arn, "spec": key.spec.as_str(), "state": key.state.to_string(),
        "deletion": deletion,
    })
}

async fn list_keys(
    alias: Option<&RingName>,
    json: bool,
    aws: &Aws,
) -> Result<ExitCode, Box<dyn Error>> {
    let entries = list(&aws.connect().await?, alias).await?;
    let now = now();
    let mut out = io::stdout();
    if json {
        let row = |entry: &Entry| {
            json!({
                "ring": entry.ring, "role": entry.role.name(),
                "since": entry.since.map(UnixTime::seconds), "key": describe(&entry.key),
            })
        };
        writeln!(out, "{}", json!(entries.iter().map(row).collect::<Vec<_>>()))?;
    } else {
        for Entry { ring, role, since, key } in &entries {
            let since = match (since, role, key.state) {
                (Some(time), ..) => format!("since {}", When { time: *time, now }),
                (_, _, KeyState::PendingDeletion(time)) => {
                    format!("is deleted {}", When { time, now })
                }
                (_, Role::Unused, _) => "has no alias: left by something that broke off".into(),
                _ => String::new(),
            };
            let KeyFacts { id, spec, state, .. } = key;
            writeln!(out, "{ring}  {:<8}  {id}  {spec}  {state}  {since}", role.name())?;
        }
    }
    Ok(ExitCode::from(if entries.is_empty() { NO } else { 0 }))
}

/// A rotation as one user wants it.
struct Rotate<'a> {
    ring: &'a Ring,
    policy: Policy,
    dry_run: bool,
    wait: bool,
}

/// Whether a key may be disabled.
#[derive(PartialEq)]
enum Consent {
    Ask,
    Given,
}

impl Rotate<'_> {
    async fn run(&self, mut consent: Consent) -> Result<ExitCode, Box<dyn Error>> {
        let Ring { alias, json, aws } = self.ring;
        let rotation = Rotation::new(aws.connect().await?, alias.clone());
        loop {
            let look = rotation.look().await?;
            let planned = plan(&look.seen, now(), &self.policy)?;
            let (step, now) = (&planned.step, now());
            if planned.overdue(now).is_none() {
                if !self.wait {
                    return self.not_due(&planned);
                }
                self.sleep(&planned).await?;
                continue;
            }
            if self.dry_run {
                let words = format!("{} is due: would {}", step.name(), words(step, alias));
                return tell(*json, &json!({"would": plan_json(&planned)}), &words);
            }
            if let Step::Retire(key) = step
                && consent == Consent::Ask
            {
                if !self.ask(key)? {
                    return no(*json, &Declined);
                }
                // The answer may have taken a night.
                consent = Consent::Given;
                continue;
            }
            let key = match rotation.perform(&look, step).await {
                Ok(key) => key,
                Err(error @ (RotationError::Overtaken(_) | RotationError::Late)) => {
                    return no(*json, &error);
                }
                Err(error) => return Err(error.into()),
            };
            let after = look.seen.after(step, &key, now);
            let next = plan(&after, now, &self.policy)?;
            self.done(step, &key, &next)?;
            if !self.wait || matches!(step, Step::Retire(_)) {
                return Ok(ExitCode::SUCCESS);
            }
            self.sleep(&next).await?;
        }
    }

    fn not_due(&self, planned: &Plan) -> Result<ExitCode, Box<dyn Error>> {
        let Ring { alias, json, .. } = self.ring;
        let Plan { step, due } = planned;
        let when = When { time: *due, now: now() };
        let words =
            format!("{} is not due before {when}: it would {}", step.name(), words(step, alias));
        tell(*json, &json!({"notDue": plan_json(planned)}), &words)?;
        Ok(ExitCode::from(NO))
    }

    fn done(&self, step: &Step, key: &KeyFacts, next: &Plan) -> Result<(), Box<dyn Error>> {
        let Ring { alias, json, .. } = self.ring;
        let rest = matches!(next.step, Step::Prepare(_));
        let when = When { time: next.due, now: now() };
        let next_words = if rest {
            "The rotation is complete.".to_owned()
        } else {
            format!("{} comes next, not before {when}.", next.step.name())
        };
        let done = match step {
            Step::Prepare(spec) => {
                format!("created {} ({spec}), and pointed {} at it", key.id, alias.next())
            }
            Step::Keep(_) => format!("pointed {} at {}", alias.previous(), key.id),
            Step::Promote(_) => format!("pointed {alias} at {}: it signs from now on", key.id),
            Step::Clear => format!("took {} away", alias.next()),
            Step::Retire(_) => format!(
                "disabled {}, to be deleted in 30 days, and took {} away",
                key.id,
                alias.previous()
            ),
        };
        let next = (!rest).then(|| plan_json(next));
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

    fn ask(&self, key: &KeyFacts) -> Result<bool, Box<dyn Error>> {
        let mut out = io::stderr();
        let life = Span(self.policy.waits.lifetime_max().as_secs());
        writeln!(
            out,
            "retire disables {} and has it deleted. No token of it lives any more if none ever \
             lived longer than {life} (TOKEN_LIFETIME_MAX_SECONDS).",
            key.id
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

/// What a step does, after `would`.
fn words(step: &Step, alias: &RingName) -> String {
    match step {
        Step::Prepare(spec) => {
            format!("create a key of KeySpec {spec} and point {} at it", alias.next())
        }
        Step::Keep(key) => {
            format!("point {} at {}, which signs until the next key does", alias.previous(), key.id)
        }
        Step::Promote(key) => format!("point {alias} at {}, which signs from then on", key.id),
        Step::Clear => format!("take {} away", alias.next()),
        Step::Retire(key) => format!(
            "disable {}, have it deleted in 30 days, and take {} away",
            key.id,
            alias.previous()
        ),
    }
}

/// Whoever was asked said no.
#[derive(Debug, thiserror::Error)]
#[error("nothing was done")]
struct Declined;

fn tell(json: bool, value: &Value, words: &str) -> Result<ExitCode, Box<dyn Error>> {
    if json {
        writeln!(io::stdout(), "{value}")?;
    } else {
        writeln!(io::stdout(), "{words}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The answer is no, for this reason.
fn no(json: bool, reason: &dyn Error) -> Result<ExitCode, Box<dyn Error>> {
    tell(json, &json!({"refused": reason.to_string()}), &reason.to_string())?;
    Ok(ExitCode::from(NO))
}

fn spec(name: &str) -> Result<KeySpec, String> {
    let spec = KeySpec::from(name);
    if kms::rotation::algorithms(&spec).is_empty() {
        return Err("must be a KeySpec that signs tokens, such as RSA_2048 or ECC_NIST_P256".into());
    }
    Ok(spec)
}
