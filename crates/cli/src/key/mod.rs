mod policy;
mod rollback;
mod rotate;
mod show;

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use jwt::Algorithm;
use kms::KeySpec;
use rotation::{
    KeyMetadata, KeyState, Plan, RingName, Rotation, RotationConfig, RotationError, Snapshot, Step,
};
use runtime::{Settings, table};
use serde_json::{Value, json};

use self::{
    rotate::{Consent, Rotate},
    show::{list_keys, show},
};
use crate::{NO, Usage, aws::Aws};

/// What is done with the keys of a ring.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a ring: a key, and the three aliases that name it.
    #[command(after_help = CREATE_HELP)]
    Create {
        #[command(flatten)]
        ring: Ring,
        /// The kind of the key
        #[arg(long, value_name = "KeySpec", default_value = "RSA_2048", value_parser = spec)]
        spec: KeySpec,
        /// A principal that administers the key and moves the aliases of the ring, and no other does;
        /// can be repeated. Without one, IAM policies decide
        #[arg(long = "administrator", value_name = "ARN")]
        administrators: Vec<policy::Administrator>,
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
        terms: TimingArgs,
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
    /// Point the ring back at its previous key, after a promotion.
    #[command(after_help = ROLLBACK_HELP)]
    Rollback {
        #[command(flatten)]
        ring: Ring,
        #[command(flatten)]
        terms: TimingArgs,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Do the step of a rotation that is due, or begin one.
    #[command(after_help = ROTATE_HELP)]
    Rotate {
        #[command(flatten)]
        ring: Ring,
        #[command(flatten)]
        terms: TimingArgs,
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

impl Ring {
    /// Says who may move the ring's aliases before another principal is refused.
    async fn announce_administrators(&self, rotation: &Rotation, snapshot: &Snapshot) {
        // A policy that cannot be read is no reason to stop.
        if let Ok(Some(administrators)) = rotation.administrators(snapshot).await {
            let names = administrators.join(", ");
            let _ =
                writeln!(io::stderr(), "note: only {names} may move the aliases of {}", self.alias);
        }
    }
}

/// What the timing of a rotation depend on. They must be the functions' own.
#[derive(Args)]
pub(crate) struct TimingArgs {
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
    /// The key of the stack, which is disabled and not deleted when it retires (`RETAINED_KEY_ID`)
    #[arg(long, value_name = "KEY_ID", env = "RETAINED_KEY_ID", help_heading = HEADING)]
    retained_key: Option<String>,
}

const HEADING: &str = "The functions' settings, if they are not in the environment";

impl TimingArgs {
    fn retained_key(&self) -> Option<String> {
        self.retained_key.clone().filter(|key| !key.is_empty())
    }

    fn policy(&self, spec: Option<KeySpec>) -> Result<RotationConfig, Usage> {
        let flags = [
            ("PUBLICATION_WAIT_SECONDS", &self.publication_wait),
            ("TOKEN_LIFETIME_MAX_SECONDS", &self.token_lifetime_max),
            ("CLOCK_LEEWAY_SECONDS", &self.clock_leeway),
            ("KEY_REFRESH_SECONDS", &self.key_refresh),
            ("SIGNING_ALGORITHM", &self.signing_algorithm),
        ];
        let flags = flags.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let mut settings = flags.fold(Settings::from_environment(), |settings, (name, value)| {
            settings.with(name, value)
        });
        let algorithm: Option<Option<Algorithm>> = settings.optional(&table::SIGNING_ALGORITHM);
        let parts = rotator::read_timing(&mut settings).zip(algorithm);
        let (timing, algorithm) =
            settings.finish(parts).map_err(|error| Usage(error.to_string()))?;
        Ok(RotationConfig { every: None, timing, algorithm, spec })
    }
}

pub(crate) const CREATE_HELP: &str = "\
  countersign key create alias/countersign
  countersign key create alias/countersign --spec ECC_NIST_P256 --dry-run
  countersign key create alias/countersign --administrator arn:aws:iam::111122223333:role/admin

With administrators, whoever creates the ring must be one of them.

Exit codes: 0 created, 1 there is such an alias already, 2 usage, 3 fault.";

pub(crate) const ROLLBACK_HELP: &str = "\
Moves alias/NAME from the key that signs to the key under -previous. Both keys stay trusted, so no token is
lost. It is refused once the previous key is due to be retired, or will be within minutes. The key that signed
until now stays published under -next: the next run of a rotation promotes it again, so stop the rotator first.

  countersign key rollback alias/countersign --dry-run
  countersign key rollback alias/countersign

Exit codes: 0 moved, 1 another run was faster, 2 usage, 3 fault: the ring was not promoted, KMS fails.";

pub(crate) const SHOW_HELP: &str = "\
  countersign key show alias/countersign
  countersign key show alias/countersign --json | jq -r .step.due

Exit codes: 0 shown, 2 usage, 3 fault: there is no such ring, or something is in the way of a step.";

pub(crate) const LIST_HELP: &str = "\
  countersign key list
  countersign key list alias/countersign

Exit codes: 0 listed, 1 there is none, 2 usage, 3 fault.";

pub(crate) const ROTATE_HELP: &str = "\
Each run does one step that is due. A run can be repeated or killed at any time.

  complete  creates -next and -previous at the key that signs, where they are missing
  prepare   creates the next key and points -next at it: it is published, and does not sign
  promote   points the alias at the next key, once that was published for long enough: it signs from then on
  retire    disables the old key once its last token has expired, has it deleted in 30 days, and points
            -previous at the key that signs

  countersign key rotate alias/countersign --dry-run
  countersign key rotate alias/countersign
  countersign key rotate alias/countersign --wait --yes

Exit codes: 0 a step was done, 1 none is due, or somebody else did it, 2 usage, 3 fault: there is no
such ring, something is in the way, KMS fails.";

/// Does it.
pub(crate) fn run(command: &Command) -> ExitCode {
    crate::finish(crate::block_on(async {
        match command {
            Command::Create { ring, spec, administrators, dry_run } => {
                Box::pin(create(ring, spec, administrators, *dry_run)).await
            }
            Command::Rollback { ring, terms, dry_run } => {
                Box::pin(rollback::roll_back(ring, terms, *dry_run)).await
            }
            Command::Show { ring, terms } => Box::pin(show(ring, terms)).await,
            Command::List { alias, json, aws } => {
                Box::pin(list_keys(alias.as_ref(), *json, aws)).await
            }
            Command::Rotate { ring, terms, spec, dry_run, yes, wait } => {
                let policy = terms.policy(spec.clone())?;
                let consent = if *yes { Consent::Given } else { Consent::Ask };
                let retained_key = terms.retained_key();
                let rotate = Rotate { ring, policy, retained_key, dry_run: *dry_run, wait: *wait };
                Box::pin(rotate.run(consent)).await
            }
        }
    }))
}

async fn create(
    ring: &Ring,
    spec: &KeySpec,
    administrators: &[policy::Administrator],
    dry_run: bool,
) -> Result<ExitCode, Box<dyn Error>> {
    let policy = policy::of(administrators)?;
    let Ring { alias, json, aws } = ring;
    let rotation = Rotation::new(aws.connect().await?, alias.clone());
    if dry_run {
        return match rotation.read_state().await {
            Err(RotationError::NoRing(_)) => {
                let words = format!(
                    "would create a key of KeySpec {spec} and point {alias}, {} and {} at it",
                    alias.next(),
                    alias.previous()
                );
                tell(*json, &json!({"wouldCreate": spec.as_str(), "ring": alias.current()}), &words)
            }
            Err(error) => Err(error.into()),
            Ok(_) => no(*json, &RotationError::Exists(alias.current().to_owned())),
        };
    }
    match rotation.create(spec, policy).await {
        Ok(key) => {
            let words = format!("{alias} points at {}, a new key of KeySpec {spec}", key.arn);
            tell(*json, &json!({"ring": alias.current(), "key": describe(&key)}), &words)
        }
        Err(error @ (RotationError::Exists(_) | RotationError::Conflict(_))) => no(*json, &error),
        Err(error) => Err(error.into()),
    }
}

fn plan_json(plan: &Plan) -> Value {
    json!({"name": plan.step.name(), "due": plan.due.seconds()})
}

fn describe(key: &KeyMetadata) -> Value {
    let deletion = match key.state {
        KeyState::PendingDeletion(at) => Some(at.seconds()),
        _ => None,
    };
    json!({
        "id": key.id, "arn": key.arn, "spec": key.spec.as_str(), "state": key.state.to_string(),
        "deletion": deletion,
    })
}

/// What a step does, after `would`.
fn words(step: &Step, alias: &RingName, rotation: &Rotation) -> String {
    match step {
        Step::Prepare(spec) => {
            format!("create a key of KeySpec {spec} and point {} at it", alias.next())
        }
        Step::Complete(key) => {
            format!("point {} and {} at {}", alias.next(), alias.previous(), key.id)
        }
        Step::Promote(key) => format!("point {alias} at {}, which signs from then on", key.id),
        Step::Retire(key) if rotation.retains(key) => format!(
            "disable {}, which the stack owns, and point {} at the key that signs",
            key.id,
            alias.previous()
        ),
        Step::Retire(key) => format!(
            "disable {}, have it deleted in 30 days, and point {} at the key that signs",
            key.id,
            alias.previous()
        ),
    }
}

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
    if kms::algorithms(&spec).is_empty() {
        return Err("must be a KeySpec that signs tokens, such as RSA_2048 or ECC_NIST_P256".into());
    }
    Ok(spec)
}
