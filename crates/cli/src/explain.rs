use std::{
    error::Error,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use authorizer::{
    AuthorizerConfig, AuthorizerEvent, AuthorizerResponse, Check, Decision, Refusal, ResponseError,
    bearer_token, decide, response,
};
use clap::Args;
use jwt::{TokenCheck, json};
use kms::Keyring;
use policy::access::{AccessRules, Route};
use runtime::{Settings, table};
use serde_json::{Value, json};

use crate::{
    aws::Aws,
    block_on::block_on,
    exit::{self, UsageError},
    humanize::now,
    input::{self, with_path},
    key_source,
    signature_check::SignatureCheck,
    terminal, token_text,
};

/// Arguments of `countersign explain`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// File with an event that API Gateway sends to an authorizer, or `-` for stdin
    #[arg(long, value_name = "EVENT.json")]
    event: PathBuf,
    /// File with access rules, in place of `ACCESS_RULES`
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Trusted public keys, in place of the ring: file or URL of a JWK Set, a JWK, PEM, DER or certificates
    #[arg(long, value_name = "FILE|URL")]
    jwks: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    aws: Aws,
}

pub(crate) const HELP: &str = "\
Reads the settings of the authorizer from the environment, such as TOKEN_ISSUER and ACCESS_RULES. The keys are
those of --jwks, or of the ring in KEY_ALIAS. Without both, the signature is not checked.

Examples:
  TOKEN_ISSUER=countersign countersign explain --event event.json --rules rules.json --jwks jwks.json
  TOKEN_ISSUER=countersign KEY_ALIAS=alias/countersign countersign explain --event - < event.json

Exit codes: 0 allowed, 1 refused, 2 invalid input, 3 fault: the command cannot tell.";

/// Runs the authorizer on the event, and prints each check and the response.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match block_on(explain(arguments)) {
        Ok(explanation) => {
            // The exit code holds even if the output cannot be written, as with a closed pipe.
            let _ = explanation.print(arguments.json);
            explanation.exit_code()
        }
        Err(error) => exit::report(arguments.json, &*error),
    }
}

/// A decision of the authorizer, and what it depends on.
struct Explanation {
    config: AuthorizerConfig,
    event: AuthorizerEvent,
    decision: Decision,
    /// `None` stands for the error `Unauthorized`.
    response: Result<Option<AuthorizerResponse>, ResponseError>,
    signature_check: SignatureCheck,
    /// How long an environment of the function does not verify the signature again.
    signature_cache: Duration,
}

async fn explain(arguments: &Arguments) -> Result<Explanation, Box<dyn Error>> {
    let mut settings = Settings::from_environment();
    let sources = [
        Some(&*arguments.event),
        arguments.rules.as_deref(),
        arguments.jwks.as_deref().map(Path::new),
    ];
    if sources.into_iter().flatten().filter(|source| *source == Path::new("-")).count() > 1 {
        let problem = "only one of --event, --rules and --jwks can be standard input";
        return Err(UsageError(problem.into()).into());
    }
    if let Some(file) = &arguments.rules {
        settings = settings.with("ACCESS_RULES", input::read_text(file)?);
    }
    let (spelling, config) = (settings.reject_misspelled(), AuthorizerConfig::read(&mut settings));
    let signature_cache = settings.duration(&table::SIGNATURE_CACHE_SECONDS);
    let signature_check = signature_check(arguments, &mut settings).await?;
    let parts = spelling.and(config.zip(signature_check).zip(signature_cache));
    let ((config, signature_check), signature_cache) =
        settings.finish(parts).map_err(|error| match &arguments.rules {
            Some(file) if error.to_string().contains("ACCESS_RULES") => {
                UsageError(format!("{error} (ACCESS_RULES is the content of {})", file.display()))
            }
            _ => UsageError(error.to_string()),
        })?;
    let event = input::read_text(&arguments.event)?;
    let event: AuthorizerEvent = event.parse().map_err(|error| {
        // The authorizer's own error has no line.
        match serde_json::from_str::<Value>(&json::replace_lone_surrogates(&event)) {
            Err(problem) => {
                let (line, column) = (problem.line(), problem.column());
                let problem = format!("not JSON (line {line}, column {column})");
                UsageError(with_path(&arguments.event, &io::Error::other(problem)))
            }
            Ok(_) => UsageError(with_path(&arguments.event, &error)),
        }
    })?;
    let decision = decide(&event, &config, now(), &signature_check).await?;
    let response = response(&event, &decision, &config);
    Ok(Explanation { config, event, decision, response, signature_check, signature_cache })
}

/// How the signature is checked. `None` if a setting for it is invalid: `settings` has recorded the problem.
async fn signature_check(
    arguments: &Arguments,
    settings: &mut Settings,
) -> Result<Option<SignatureCheck>, Box<dyn Error>> {
    if let Some(source) = &arguments.jwks {
        let keys = key_source::read_keys(source, &arguments.aws).await?;
        return Ok(Some(keys.into_signature_check()?));
    }
    let Some(name) = settings.optional(&table::KEY_ALIAS) else { return Ok(None) };
    let Some(name) = name else { return Ok(Some(SignatureCheck::Skipped)) };
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
        if self.response.is_err() || self.depends_on_signature() {
            return ExitCode::from(exit::FAULT);
        }
        ExitCode::from(u8::from(self.decision.failed().is_some()))
    }

    /// Whether the response depends on a signature that was not checked.
    fn depends_on_signature(&self) -> bool {
        let reaches_signature = self.decision.failed().is_none_or(|check| check == Check::Rules);
        reaches_signature && matches!(self.signature_check, SignatureCheck::Skipped)
    }

    fn print(&self, json: bool) -> io::Result<()> {
        let mut out = terminal::stdout();
        if json {
            return writeln!(out, "{}", self.json());
        }
        let AuthorizerEvent { format, stage, route, .. } = &self.event;
        let target = format!("{route}, in {}", stage.resource(""));
        writeln!(out, "{format}: {}\n", target.escape_debug())?;
        for (check, result) in self.checks() {
            writeln!(out, "{:<18}  {result}", check.name())?;
        }
        for (route, condition, verdict) in self.rules() {
            writeln!(out, "  {verdict:<18}  {route} ({condition})")?;
        }
        for warning in self.warnings() {
            writeln!(out, "  warning: {warning}")?;
        }
        let response = match &self.response {
            Ok(Some(response)) => format!("{:#}", json!(response)),
            Ok(None) => "the error Unauthorized".into(),
            Err(problem) => format!("error: {problem}"),
        };
        let client = self.client_response();
        let condition = if self.depends_on_signature() { " if the signature is valid" } else { "" };
        writeln!(out, "\nResponse to API Gateway{condition}: {response}\n")?;
        writeln!(out, "Response to the client: {client}")
    }

    fn json(&self) -> Value {
        let checks =
            self.checks().map(|(check, result)| json!({"check": check.name(), "result": result}));
        let rules = self.rules().map(
            |(route, condition, verdict)| json!({"route": route, "condition": condition, "result": verdict}),
        );
        json!({
            "event": self.event.format.to_string(),
            "route": self.event.route.to_string(),
            "checks": checks.collect::<Vec<_>>(),
            "rules": rules.collect::<Vec<_>>(),
            "warnings": self.warnings().collect::<Vec<_>>(),
            "answer": self.response.as_ref().ok(),
            "client": self.client_response(),
        })
    }

    /// Every check with its result.
    fn checks(&self) -> impl Iterator<Item = (Check, String)> {
        let failed = self.decision.failed();
        let last = Check::all().position(|check| Some(check) == failed);
        Check::all().enumerate().map(move |(at, check)| {
            let result = match (&self.decision, check, &self.signature_check) {
                _ if last.is_some_and(|last| at > last) => "not reached".into(),
                (Decision::Refuse { refusal, .. }, ..) if Some(at) == last => {
                    format!("REFUSED: {} ({})", self.reason(*refusal), refusal.code())
                }
                (Decision::Forbid(_, reason), Check::Rules, _) => {
                    format!("CLOSED: {reason} ({})", reason.code())
                }
                (_, Check::Rules, _) if self.config.rules.is_none() => {
                    "no rules: every route is open".into()
                }
                (_, Check::Rules, _) => "open".into(),
                (
                    _,
                    Check::Token(TokenCheck::Key | TokenCheck::Signature),
                    SignatureCheck::Skipped,
                ) => NOT_CHECKED.into(),
                (_, Check::Token(TokenCheck::Signature), _) if !self.signature_cache.is_zero() => {
                    let seconds = self.signature_cache.as_secs();
                    format!("passed; an environment does not verify it again for {seconds} s")
                }
                _ => "passed".into(),
            };
            (check, result)
        })
    }

    /// The reason why the request has no valid token, as text.
    fn reason(&self, refusal: Refusal) -> String {
        match (refusal, bearer_token(&self.event, &self.config.credentials)) {
            (Refusal::Token(rejection), Ok(token)) => {
                token_text::describe(rejection, token, Some(&self.config.token), now())
            }
            _ => refusal.to_string(),
        }
    }

    /// Every rule with its condition and its result for this token and route. Empty unless the rules were
    /// reached.
    fn rules(&self) -> impl Iterator<Item = (&str, String, &'static str)> {
        let grant = match &self.decision {
            Decision::Allow(grant) | Decision::Forbid(grant, _) => Some(grant),
            Decision::Refuse { .. } => None,
        };
        let granted = grant.and_then(|grant| Some((grant.access.as_ref()?, &grant.claims)));
        let rules = match (&self.config.rules, granted) {
            (Some(rules), Some((access, claims))) => {
                rules.explain(access, claims, &self.event.route)
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
            Decision::Refuse { .. } => None,
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

    fn client_response(&self) -> &'static str {
        if self.depends_on_signature() {
            return "unknown, because the signature was not checked: 401 if it is invalid";
        }
        match (&self.response, &self.decision, &self.event.route) {
            (Err(_), ..) => "500",
            (_, Decision::Refuse { .. }, _) => "401",
            (_, Decision::Forbid(..), _) => "403",
            (_, Decision::Allow(_), Route::Key(_)) => "a WebSocket connection",
            (_, Decision::Allow(_), _) => "the backend's response",
        }
    }
}

const NOT_CHECKED: &str = "NOT CHECKED: set --jwks or KEY_ALIAS";
