//! `countersign issuance`: what the issuance policy says about a request, without KMS.

use std::{
    borrow::Cow,
    error::Error,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use issuer::{ClientTokenRequest, DEFAULT_GRANT_LIFETIME, OAuthError, known_issuers};
use jwt::{UnverifiedToken, json};
use oidc::{Transport, TrustedIssuer, TrustedIssuers};
use policy::issuance::{
    AssertedIdentity, Caller, ClientRequest, DeniedField, IssuanceDefaults, IssuancePolicy,
    RuleVerdict,
};
use runtime::{Names, Settings, table};
use serde_json::{Map, Value, json};

use crate::{
    exit::{self, UsageError},
    input::{self, with_path},
    signed_json::decode,
    terminal,
};

/// The commands of `countersign issuance`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print which rule of the issuance policy grants a token for an assertion, or why none does.
    #[command(after_help = EXPLAIN_HELP)]
    Explain(Arguments),
}

/// Arguments of `countersign issuance explain`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// File with the assertion, which is a token of a trusted issuer, or `-` for stdin
    #[arg(long, value_name = "FILE")]
    token: PathBuf,
    /// Parameters of the request, such as `scope=orders:read&resource=https://api.example`
    #[arg(long, value_name = "FORM")]
    form: Option<String>,
    /// File with the issuance policy
    #[arg(long, value_name = "FILE", default_value = "layer/config/issuance-policy.json")]
    policy: PathBuf,
    /// File with the trusted issuers
    #[arg(long, value_name = "FILE", default_value = "layer/config/trusted-issuers.json")]
    trusted_issuers: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) const HELP: &str = "\
Examples:
  countersign issuance explain --token job.jwt --form 'scope=orders:read'

Exit codes: 0 granted, 1 refused, 2 invalid input, 3 fault.";

const EXPLAIN_HELP: &str = "\
Reads TOKEN_AUDIENCE and TOKEN_LIFETIME_MAX_SECONDS from the environment. The rules alone are evaluated: the signature of
the token, its times, its audience and its type are not checked, and nothing is signed.

Examples:
  countersign issuance explain --token job.jwt --form 'scope=orders:read'
  TOKEN_AUDIENCE=https://api.example countersign issuance explain --token - --policy policy.json < job.jwt

Exit codes: 0 granted, 1 refused, 2 invalid input, 3 fault.";

/// Runs a command.
pub(crate) fn run(command: &Command) -> ExitCode {
    let Command::Explain(arguments) = command;
    exit::finish(arguments.json, explain(arguments))
}

fn explain(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let sources = [&arguments.token, &arguments.policy, &arguments.trusted_issuers];
    if sources.into_iter().filter(|source| **source == *Path::new("-")).count() > 1 {
        let problem = "only one of --token, --policy and --trusted-issuers can be standard input";
        return Err(UsageError(problem.into()).into());
    }
    let mut settings = Settings::from_environment();
    let values = (
        settings.reject_misspelled(),
        settings.optional(&table::TOKEN_AUDIENCE),
        settings.duration(&table::TOKEN_LIFETIME_MAX_SECONDS),
    );
    let values = match values {
        (Some(()), Some(audiences), Some(lifetime_max)) => Some((audiences, lifetime_max)),
        _ => None,
    };
    let (audiences, lifetime_max) =
        settings.finish(values).map_err(|error| UsageError(error.to_string()))?;
    let Names(audiences) = audiences.unwrap_or_default();

    let policy: IssuancePolicy = parse(&arguments.policy, str::parse)?;
    let trusted = parse(&arguments.trusted_issuers, |text| {
        TrustedIssuers::read(text, Transport::LoopbackHttp)
    })?;
    policy
        .check_issuers(&known_issuers(&trusted))
        .map_err(|problem| UsageError(with_path(&arguments.policy, &problem)))?;
    let claims = read_claims(&arguments.token)?;
    let form = arguments.form.as_deref().unwrap_or_default();
    let request = ClientTokenRequest::read_parameters(form.as_bytes(), lifetime_max)
        .map_err(|problem| UsageError(format!("--form: {problem}")))?;

    let identity = match identity(claims, &trusted) {
        Ok(identity) => identity,
        Err(problem) => {
            let problem = problem.replace("FILE", &arguments.trusted_issuers.display().to_string());
            return Outcome { verdicts: Vec::new(), identity: None, problem: Some(problem) }
                .print(&request, arguments.json);
        }
    };
    let caller = Caller::Assertion(identity.clone());
    let defaults = IssuanceDefaults {
        audience: audiences.first().map(String::as_str),
        lifetime: DEFAULT_GRANT_LIFETIME.min(lifetime_max),
        lifetime_max,
    };
    let asked = ClientRequest {
        scope: request.scope.as_deref(),
        audiences: &request.audiences,
        lifetime: request.lifetime,
    };
    let verdicts = policy.explain(&asked, &caller, &defaults);
    Outcome { verdicts, identity: Some(identity), problem: None }.print(&request, arguments.json)
}

/// What the rules say.
struct Outcome {
    verdicts: Vec<RuleVerdict>,
    identity: Option<AssertedIdentity>,
    /// Why no rule was asked.
    problem: Option<String>,
}

impl Outcome {
    fn print(
        mut self,
        request: &ClientTokenRequest,
        as_json: bool,
    ) -> Result<ExitCode, Box<dyn Error>> {
        // The first rule that grants the request decides.
        let granted = self.verdicts.iter().position(|verdict| verdict.result.is_ok());
        if let Some(index) = granted {
            self.verdicts.truncate(index + 1);
        }
        let error = self.error(request);
        let mut out = terminal::stdout();
        if as_json {
            writeln!(out, "{}", self.to_json(error.as_ref()))?;
        } else {
            if let Some(AssertedIdentity { issuer, subject, .. }) = &self.identity {
                writeln!(out, "assertion: issuer {issuer}, subject {subject}")?;
                writeln!(out, "not checked: its signature, times, audience and type")?;
            }
            for RuleVerdict { rule, result } in &self.verdicts {
                match result {
                    Ok(grant) => writeln!(
                        out,
                        "rule {rule}: grants {} for {} seconds",
                        Value::from(grant.claims.clone()),
                        grant.lifetime.as_secs()
                    )?,
                    Err(field) => writeln!(out, "rule {rule}: {}", reason(*field))?,
                }
            }
            match (&self.problem, &error) {
                (Some(problem), _) => writeln!(out, "refused: {problem}")?,
                (None, Some(error)) => writeln!(out, "refused: {} ({error})", error.code())?,
                (None, None) => writeln!(out, "granted")?,
            }
        }
        Ok(if granted.is_some() { ExitCode::SUCCESS } else { ExitCode::from(exit::NO) })
    }

    /// The error of the response, for the rule that grants the most parts.
    fn error(&self, request: &ClientTokenRequest) -> Option<OAuthError> {
        let mut fields = Vec::new();
        for verdict in &self.verdicts {
            match &verdict.result {
                Ok(_) => return None,
                Err(field) => fields.push(*field),
            }
        }
        let denied = fields.into_iter().reduce(DeniedField::or).unwrap_or(DeniedField::Caller);
        Some(request.denied(denied))
    }

    fn to_json(&self, error: Option<&OAuthError>) -> Value {
        let rules = self.verdicts.iter().map(|RuleVerdict { rule, result }| match result {
            Ok(grant) => json!({
                "rule": rule, "granted": true, "claims": grant.claims,
                "expires_in": grant.lifetime.as_secs(),
            }),
            Err(field) => json!({"rule": rule, "granted": false, "reason": reason(*field)}),
        });
        let identity = self.identity.as_ref();
        json!({
            "granted": error.is_none(),
            "error": error.map(OAuthError::code),
            "problem": self.problem,
            "issuer": identity.map(|identity| &identity.issuer),
            "subject": identity.map(|identity| &identity.subject),
            "rules": rules.collect::<Vec<_>>(),
            "signatureChecked": false,
        })
    }
}

/// Why a rule does not grant the request.
fn reason(field: DeniedField) -> Cow<'static, str> {
    Cow::Borrowed(match field {
        DeniedField::Caller => "is for other callers",
        DeniedField::Condition => "`when` is not true for the claims",
        DeniedField::Subject => "does not grant the subject, or `subject_from` has no text",
        DeniedField::Audience => "does not grant the audience",
        DeniedField::Scope => "does not grant the scope, or has no default one",
        DeniedField::Claim => "an expression of `claims_from` has no value",
        DeniedField::Lifetime => "does not grant the lifetime",
        DeniedField::OverBudget { member, .. } => {
            return format!("`{member}` is too expensive for the claims, and was not evaluated")
                .into();
        }
    })
}

/// Who the assertion says that it is of, if the issuer is trusted.
fn identity(
    claims: Map<String, Value>,
    trusted: &TrustedIssuers,
) -> Result<AssertedIdentity, String> {
    let text =
        |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let entry: Option<&TrustedIssuer> = text("iss").and_then(|issuer| trusted.get(issuer));
    let entry = entry.ok_or("the issuer of the token is not in FILE")?;
    let subject_claim = if entry.is_client { "sub" } else { &entry.subject_claim };
    let subject = text(subject_claim)
        .ok_or_else(|| format!("the token has no text in its claim {subject_claim}"))?
        .to_owned();
    if entry.is_client && subject != entry.issuer {
        return Err("`iss` and `sub` of the token must be the client id".into());
    }
    Ok(AssertedIdentity { issuer: entry.issuer.clone(), subject, claims })
}

/// The claims of a token, whose signature is not checked.
fn read_claims(file: &Path) -> Result<Map<String, Value>, UsageError> {
    let text = input::read_text(file)?;
    let text = text.trim();
    let invalid = |problem: &str| UsageError(format!("{}: {problem}", file.display()));
    UnverifiedToken::parse(text).map_err(|_| invalid("not a token"))?;
    let claims = text.split('.').nth(1).and_then(decode);
    let claims = claims.and_then(|claims| json::object(claims.as_bytes()).ok());
    claims.ok_or_else(|| invalid("the claims of the token are not a JSON object"))
}

/// The content of a configuration file.
fn parse<T, E: Error>(
    file: &Path,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, UsageError> {
    let text = input::read_text(file)?;
    parse(&text).map_err(|problem| UsageError(with_path(file, &problem)))
}
