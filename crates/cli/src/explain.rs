use std::{
    error::Error,
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use authorizer::{
    AuthorizerConfig, AuthorizerEvent, AuthorizerResponse, Check, Decision, ResponseError, decide,
    response,
};
use clap::Args;
use jwt::KeySetVerifier;
use kms::Keyring;
use policy::access::{AccessRules, Route};
use runtime::{Settings, table};
use serde_json::{Value, json};

use crate::{
    aws::Aws,
    humanize::now,
    input::{self, about},
    signature_check::SignatureCheck,
};

/// Which event, and what the authorizer goes by.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The event that API Gateway sends, or - to read it from standard input
    #[arg(long, value_name = "EVENT.json")]
    event: PathBuf,
    /// The access rules, in place of those in the environment
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// The public keys that are trusted, in place of the key ring
    #[arg(long, value_name = "FILE|URL")]
    jwks: Option<String>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    aws: Aws,
}

pub(crate) const HELP: &str = "\
The settings are those of the function, from the environment: TOKEN_ISSUER, TOKEN_AUDIENCE, ACCESS_RULES …

  TOKEN_ISSUER=countersign countersign explain --event event.json --rules rules.json --jwks jwks.json
  TOKEN_ISSUER=countersign KEY_ALIAS=alias/countersign countersign explain --event - < event.json

With KEY_ALIAS, KMS is asked. With neither keys nor a ring, the signature is not checked.

Exit codes: 0 the request goes on to the backend, 1 it does not, 2 usage, 3 it could not be told.";

/// Goes through everything that the authorizer does with the event, and says so.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match crate::block_on(explain(arguments)) {
        Ok(told) => {
            // The exit code is the answer, whether or not anybody reads the words.
            let _ = told.tell(arguments.json);
            told.exit_code()
        }
        Err(error) => crate::fault(&*error),
    }
}

/// What came of it.
struct Explanation {
    config: AuthorizerConfig,
    request: AuthorizerEvent,
    decision: Decision,
    answer: Result<Option<AuthorizerResponse>, ResponseError>,
    check: SignatureCheck,
}

async fn explain(arguments: &Arguments) -> Result<Explanation, Box<dyn Error>> {
    let mut settings = Settings::from_environment();
    if let Some(file) = &arguments.rules {
        let rules = fs::read_to_string(file).map_err(|error| about(file, &error))?;
        settings = settings.with("ACCESS_RULES", rules);
    }
    let (spelling, config) = (settings.reject_misspelled(), AuthorizerConfig::read(&mut settings));
    let check = signature_check(arguments, &mut settings).await?;
    let parts = spelling.and(config.zip(check));
    let (config, check) = settings.finish(parts)?;
    let event = String::from_utf8(input::read(&arguments.event)?);
    let request: AuthorizerEvent =
        event.map_err(|error| about(&arguments.event, &error))?.parse()?;
    let decision = decide(&request, &config, now(), &check).await?;
    let answer = response(&request, &decision, &config);
    Ok(Explanation { config, request, decision, answer, check })
}

/// `None` means that a problem with a setting was noted.
async fn signature_check(
    arguments: &Arguments,
    settings: &mut Settings,
) -> Result<Option<SignatureCheck>, Box<dyn Error>> {
    if let Some(place) = &arguments.jwks {
        let keys = KeySetVerifier::new(&input::read_keys(place).await?)?;
        return Ok(Some(SignatureCheck::KeySet(keys)));
    }
    let Some(name) = settings.optional(&table::KEY_ALIAS) else { return Ok(None) };
    let Some(name) = name else { return Ok(Some(SignatureCheck::Nobody)) };
    let (Some(algorithm), Some(refresh), Some(verification)) = (
        settings.optional(&table::SIGNING_ALGORITHM),
        settings.duration(&table::KEY_REFRESH_SECONDS),
        settings.get(&table::VERIFICATION),
    ) else {
        return Ok(None);
    };
    let client = arguments.aws.connect().await?;
    let keyring = Arc::new(Keyring::new(client, name, algorithm, refresh));
    Ok(Some(SignatureCheck::Ring(keyring, verification)))
}

impl Explanation {
    fn exit_code(&self) -> ExitCode {
        let reached = self.decision.failed().is_none_or(|check| check == Check::Rules);
        if self.answer.is_err() || (reached && matches!(self.check, SignatureCheck::Nobody)) {
            return ExitCode::from(crate::FAULT);
        }
        ExitCode::from(u8::from(self.decision.failed().is_some()))
    }

    fn tell(&self, json: bool) -> io::Result<()> {
        let mut out = io::stdout();
        if json {
            return writeln!(out, "{}", self.json());
        }
        let AuthorizerEvent { kind, stage, route, .. } = &self.request;
        let place = format!("{route}, in {}", stage.resource(""));
        writeln!(out, "{kind}: {}\n", place.escape_debug())?;
        for (check, result) in self.checks() {
            writeln!(out, "{:<18}  {result}", check.name())?;
        }
        for (route, condition, verdict) in self.rules() {
            writeln!(out, "  {verdict:<18}  {route} ({condition})")?;
        }
        for warning in self.warnings() {
            writeln!(out, "  warning: {warning}")?;
        }
        let answer = match &self.answer {
            Ok(Some(answer)) => format!("{:#}", json!(answer)),
            Ok(None) => "the error Unauthorized".into(),
            Err(problem) => format!("an error: {problem}"),
        };
        writeln!(out, "\nAPI Gateway gets {answer}\n\nThe client sees {}.", self.client())
    }

    fn json(&self) -> Value {
        let checks =
            self.checks().map(|(check, result)| json!({"check": check.name(), "result": result}));
        let rules = self.rules().map(
            |(route, condition, verdict)| json!({"route": route, "condition": condition, "result": verdict}),
        );
        json!({
            "event": self.request.kind.to_string(),
            "route": self.request.route.to_string(),
            "checks": checks.collect::<Vec<_>>(),
            "rules": rules.collect::<Vec<_>>(),
            "warnings": self.warnings().collect::<Vec<_>>(),
            "answer": self.answer.as_ref().ok(),
            "client": self.client(),
        })
    }

    /// Every check with what came of it.
    fn checks(&self) -> impl Iterator<Item = (Check, String)> {
        let failed = self.decision.failed();
        let at = |check: Check| Check::ALL.iter().position(|known| *known == check);
        let last = failed.and_then(at).unwrap_or(Check::ALL.len());
        Check::ALL.into_iter().enumerate().map(move |(at, check)| {
            let result = match (&self.decision, check, &self.check) {
                _ if at > last => "not reached".into(),
                (Decision::Refuse(refusal), ..) if at == last => {
                    format!("REFUSED: {refusal} ({})", refusal.code())
                }
                (Decision::Forbid(_, reason), Check::Rules, _) => {
                    format!("CLOSED: {reason} ({})", reason.code())
                }
                (_, Check::Rules, _) if self.config.rules.is_none() => "none: all is open".into(),
                (_, Check::Rules, _) => "open".into(),
                (_, Check::Key | Check::Signature, SignatureCheck::Nobody) => NOBODY.into(),
                _ => "good".into(),
            };
            (check, result)
        })
    }

    /// Every rule with its condition and what it says of the token, and of the route.
    fn rules(&self) -> impl Iterator<Item = (&str, String, &'static str)> {
        let grant = match &self.decision {
            Decision::Allow(grant) | Decision::Forbid(grant, _) => Some(grant),
            Decision::Refuse(_) => None,
        };
        let granted = grant.and_then(|grant| Some((grant.access.as_ref()?, &grant.claims)));
        let rules = match (&self.config.rules, granted) {
            (Some(rules), Some((access, claims))) => {
                rules.explain(access, claims, &self.request.route)
            }
            _ => Vec::new(),
        };
        rules.into_iter().map(|rule| {
            let verdict = match (rule.open, rule.decides) {
                (true, true) => "open, and decides",
                (false, true) => "closed, and decides",
                (true, false) => "open",
                (false, false) => "closed",
            };
            (rule.route, rule.condition, verdict)
        })
    }

    fn warnings(&self) -> impl Iterator<Item = String> {
        let access = match &self.decision {
            Decision::Allow(grant) | Decision::Forbid(grant, _) => grant.access.as_ref(),
            Decision::Refuse(_) => None,
        };
        let over_budget = access.is_some_and(|access| access.is_over_budget);
        let over_budget = over_budget.then(|| {
            "a condition was not evaluated and counts as false: the conditions exceed their budget for \
             this token"
                .to_owned()
        });
        let warnings = self.config.rules.iter().flat_map(AccessRules::warnings);
        warnings.map(|warning| warning.to_string()).chain(over_budget)
    }

    fn client(&self) -> &'static str {
        match (&self.answer, &self.decision, &self.request.route) {
            (Err(_), ..) => "500",
            (_, Decision::Refuse(_), _) => "401",
            (_, Decision::Forbid(..), _) => "403",
            (_, Decision::Allow(_), Route::Key(_)) => "a connection",
            (_, Decision::Allow(_), _) => "the backend's answer",
        }
    }
}

const NOBODY: &str = "NOT CHECKED: name the keys with --jwks, or the ring with KEY_ALIAS";
