//! `countersign issuance`: the decision of the issuance policy on a request, without KMS.

use std::{
    error::Error,
    fmt,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use issuer::{
    ClientTokenRequest, IssuanceError, IssuerConfig, OAuthError, Routes, TokenRecipient,
    known_issuers,
};
use jwt::{Rejection, UnverifiedToken, json};
use oidc::{
    AssertionError, AssertionRefusal, ClaimRefusal, Transport, TrustedIssuer, TrustedIssuers,
};
use policy::issuance::{AssertedIdentity, Caller, IssuancePolicy, RuleVerdict};
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
Checks what the token endpoint checks, in its order: the length of the token, its issuer, the claims that the entry of the
issuer is about, the rules, and the claims of the new token with their length. Nothing is signed.

Not checked are the signature of the token, its times, its audience, its type and algorithm, and revocations. With a key
for ML-DSA or Ed25519, the new token can be too long all the same.

Reads TOKEN_AUDIENCE, TOKEN_ISSUER, TOKEN_LIFETIME_MAX_SECONDS and TOKEN_TYPE from the environment.

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
    let trusted = parse(&arguments.trusted_issuers, |text| {
        TrustedIssuers::read(text, Transport::LoopbackHttp)
    })?;
    let config = config(arguments, &trusted)?;
    let token = input::read_text(&arguments.token)?;
    let form = arguments.form.as_deref().unwrap_or_default();
    let request = ClientTokenRequest::read_parameters(form.as_bytes(), config.lifetime_max)
        .map_err(|problem| UsageError(format!("--form: {problem}")))?;
    let outcome = match read_claims(&arguments.token, token.trim())? {
        Some(claims) => match identity(claims, &trusted, &arguments.trusted_issuers) {
            Ok(recipient) => ask_policy(request, &recipient, &config),
            Err(refused) => PolicyEvaluation::refused(refused),
        },
        None => PolicyEvaluation::refused(Refused::assertion(AssertionRefusal::Token(
            Rejection::TooLong,
        ))),
    };
    outcome.print(arguments.json)
}

/// The configuration of a token endpoint with these files and the settings of the environment.
fn config(arguments: &Arguments, trusted: &TrustedIssuers) -> Result<IssuerConfig, UsageError> {
    let mut settings = Settings::from_environment();
    let values = (
        settings.reject_misspelled(),
        settings.optional(&table::TOKEN_AUDIENCE),
        settings.optional::<String>(&table::TOKEN_ISSUER),
        settings.get::<jwt::TokenType>(&table::TOKEN_TYPE),
        settings.duration(&table::TOKEN_LIFETIME_MAX_SECONDS),
    );
    let values = match values {
        (Some(()), Some(audiences), Some(issuer), Some(token_type), Some(lifetime)) => {
            Some((audiences, issuer, token_type, lifetime))
        }
        _ => None,
    };
    let (audiences, issuer, token_type, lifetime_max) =
        settings.finish(values).map_err(|error| UsageError(error.to_string()))?;
    let Names(audiences) = audiences.unwrap_or_default();
    let policy: IssuancePolicy = parse(&arguments.policy, str::parse)?;
    policy
        .check_issuers(&known_issuers(trusted))
        .map_err(|problem| UsageError(with_path(&arguments.policy, &problem)))?;
    Ok(IssuerConfig {
        audience: audiences.into_iter().next(),
        token_type: token_type.into(),
        lifetime: lifetime_max,
        lifetime_max,
        policy: Some(policy),
        routes: Routes::OAuth,
        ..IssuerConfig::new(issuer.unwrap_or_default())
    })
}

/// The claims of a token, whose signature is not checked. `None`: the token is too long.
fn read_claims(file: &Path, token: &str) -> Result<Option<Map<String, Value>>, UsageError> {
    let invalid = |problem: &str| UsageError(format!("{}: {problem}", file.display()));
    match UnverifiedToken::parse(token) {
        Ok(_) => {}
        Err(Rejection::TooLong) => return Ok(None),
        Err(_) => return Err(invalid("not a token")),
    }
    let claims = token.split('.').nth(1).and_then(decode);
    let claims = claims.and_then(|claims| json::object(claims.as_bytes()).ok());
    claims.map(Some).ok_or_else(|| invalid("the claims of the token are not a JSON object"))
}

/// The identity that the assertion claims, if the token endpoint accepts such claims. `file` has the trusted issuers.
fn identity(
    claims: Map<String, Value>,
    trusted: &TrustedIssuers,
    file: &Path,
) -> Result<TokenRecipient, Refused> {
    let issuer = claims.get("iss").and_then(Value::as_str);
    let Some(entry) = issuer.and_then(|issuer| trusted.get(issuer)) else {
        let refused = Refused::assertion(AssertionRefusal::Token(Rejection::Issuer));
        return Err(refused.with_hint(format!("its `iss` is not in {}", file.display())));
    };
    let subject = match entry.check_claims(&claims) {
        Ok(subject) => subject.to_owned(),
        Err(refusal) => return Err(Refused::by_entry(refusal, entry)),
    };
    let jti = claims.get("jti").and_then(Value::as_str).map(str::to_owned);
    let issuer = entry.issuer.clone();
    let client_id = entry.is_client.then(|| issuer.clone());
    let caller = Caller::Assertion(AssertedIdentity { issuer, subject, claims });
    Ok(TokenRecipient { caller, client_id, jti })
}

/// Evaluates the rules, and then decides like the token endpoint.
fn ask_policy(
    request: ClientTokenRequest,
    recipient: &TokenRecipient,
    config: &IssuerConfig,
) -> PolicyEvaluation {
    let mut verdicts = request.explain(recipient, config);
    // The first rule that grants the request decides.
    if let Some(index) = verdicts.iter().position(|verdict| verdict.result.is_ok()) {
        verdicts.truncate(index + 1);
    }
    let granted = request.grant(recipient, config);
    let refused = granted.err().map(|error| Refused { error, hint: None });
    PolicyEvaluation { verdicts, caller: Some(recipient.caller.clone()), refused }
}

/// The outcome of the request.
struct PolicyEvaluation {
    verdicts: Vec<RuleVerdict>,
    /// The caller, if the assertion is accepted.
    caller: Option<Caller>,
    refused: Option<Refused>,
}

/// The refusal of the request.
struct Refused {
    /// The error of the token endpoint.
    error: IssuanceError,
    /// A hint for the user.
    hint: Option<String>,
}

impl Refused {
    fn assertion(refusal: AssertionRefusal) -> Self {
        let error = AssertionError { issuer: None, refusal };
        Self { error: OAuthError::Assertion(error).into(), hint: None }
    }

    fn by_entry(refusal: ClaimRefusal, entry: &TrustedIssuer) -> Self {
        let hint = refusal.detail();
        let issuer = Some(entry.issuer.clone());
        let error = AssertionError { issuer, refusal: AssertionRefusal::Claims(refusal) };
        let error = if entry.is_client {
            OAuthError::ClientAssertion(error)
        } else {
            OAuthError::Assertion(error)
        };
        Self { error: error.into(), hint }
    }

    fn with_hint(self, hint: String) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.error.code(), self.error)?;
        if let Some(hint) = &self.hint {
            write!(f, ": {hint}")?;
        }
        f.write_str(")")
    }
}

impl PolicyEvaluation {
    const fn refused(refused: Refused) -> Self {
        Self { verdicts: Vec::new(), caller: None, refused: Some(refused) }
    }

    fn print(&self, as_json: bool) -> Result<ExitCode, Box<dyn Error>> {
        let mut out = terminal::stdout();
        if as_json {
            writeln!(out, "{}", self.to_json())?;
        } else {
            if let Some(AssertedIdentity { issuer, subject, .. }) = self.identity() {
                writeln!(out, "assertion: issuer {issuer}, subject {subject}")?;
                writeln!(out, "not checked: its signature, times, audience, type and revocations")?;
            }
            for RuleVerdict { rule, result } in &self.verdicts {
                match result {
                    Ok(grant) => writeln!(
                        out,
                        "rule {rule}: grants {} for {} seconds",
                        Value::from(grant.claims.clone()),
                        grant.lifetime.as_secs()
                    )?,
                    Err(field) => writeln!(out, "rule {rule}: {}", field.rule_reason())?,
                }
            }
            match &self.refused {
                Some(refused) => writeln!(out, "refused: {refused}")?,
                None => writeln!(out, "granted")?,
            }
        }
        let is_granted = self.refused.is_none();
        Ok(if is_granted { ExitCode::SUCCESS } else { ExitCode::from(exit::NO) })
    }

    const fn identity(&self) -> Option<&AssertedIdentity> {
        match &self.caller {
            Some(Caller::Assertion(identity)) => Some(identity),
            _ => None,
        }
    }

    fn to_json(&self) -> Value {
        let rules = self.verdicts.iter().map(|RuleVerdict { rule, result }| match result {
            Ok(grant) => json!({
                "rule": rule, "granted": true, "claims": grant.claims,
                "expires_in": grant.lifetime.as_secs(),
            }),
            Err(field) => json!({"rule": rule, "granted": false, "reason": field.rule_reason()}),
        });
        let (identity, refused) = (self.identity(), self.refused.as_ref());
        json!({
            "granted": refused.is_none(),
            "error": refused.map(|refused| refused.error.code()),
            "problem": refused.map(ToString::to_string),
            "issuer": identity.map(|identity| &identity.issuer),
            "subject": identity.map(|identity| &identity.subject),
            "rules": rules.collect::<Vec<_>>(),
            "signatureChecked": false,
        })
    }
}

/// The content of a configuration file.
fn parse<T, E: Error>(
    file: &Path,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, UsageError> {
    let text = input::read_text(file)?;
    parse(&text).map_err(|problem| UsageError(with_path(file, &problem)))
}
