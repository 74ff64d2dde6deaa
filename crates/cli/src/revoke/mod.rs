mod file;
mod list;

use std::{
    error::Error,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use jwt::{UnixTime, json};
use policy::revocation::{Revocation, RevokedTokens};
use serde_json::Value;

use self::{
    file::ListFile,
    list::{Change, NewEntry, add},
};
use crate::{
    configuration::has_expired,
    exit::{self, UsageError},
    humanize::{HumanTime, now, parse_seconds, parse_time},
    input, signed_json, terminal, token_text,
};

/// Arguments of `countersign revoke`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Token to revoke, or `-` for stdin (keeps it out of the shell history)
    #[arg(
        required_unless_present = "issuer",
        conflicts_with_all = ["issuer", "jti", "subject", "issued_before", "exp"]
    )]
    token: Option<String>,
    /// File with the revocations
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// `iss` of the tokens to revoke
    #[arg(long, value_name = "ISS", requires = "revoked")]
    issuer: Option<String>,
    /// `jti` of one token
    #[arg(long, value_name = "ID", requires = "issuer", group = "revoked")]
    jti: Option<String>,
    /// `sub` whose tokens are revoked
    #[arg(long, value_name = "SUB", requires = "issuer", group = "revoked")]
    subject: Option<String>,
    /// Revoke the tokens of the subject that were issued before this time, in seconds since 1970 or as
    /// 2026-11-23T21:44:21Z; without it, before now
    #[arg(long, value_name = "TIME", requires = "subject", value_parser = parse_time)]
    issued_before: Option<UnixTime>,
    /// When all these tokens have expired, in seconds since 1970; without it, the entry is never removed
    #[arg(long, value_name = "SECONDS", requires = "revoked", value_parser = parse_seconds)]
    exp: Option<UnixTime>,
    /// Reason, for people who read the file
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) const HELP: &str = "\
Adds an entry to the file, and removes the entries of tokens that expired more than 300 seconds ago. The token is
decoded, but not verified.

Examples:
  countersign revoke --file layer/config/revocations.json - < token
  countersign revoke --file layer/config/revocations.json --issuer https://issuer.example --jti 1c0de
  countersign revoke --file layer/config/revocations.json --issuer https://issuer.example --subject ann \\
    --issued-before 2026-11-23T21:44:21Z --reason theft

Exit codes: 0 revoked, 2 invalid arguments or file, 3 fault.";

/// Revokes the tokens in the file.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    exit::finish(false, revoke(arguments))
}

fn revoke(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let now = now();
    let mut out = terminal::stdout();
    let mut entry = match &arguments.token {
        Some(argument) => {
            let entry = entry_of_token(&input::read_token(argument)?)?;
            writeln!(out, "NOT VERIFIED: the token is only decoded, and may be forged.")?;
            entry
        }
        None => entry_of_options(arguments, now)?,
    };
    entry.revocation.reason.clone_from(&arguments.reason);
    let file = arguments.file.display();
    if let Some(time) = entry.revocation.expires.filter(|_| has_expired(&entry.revocation, now)) {
        let time = HumanTime { time, now };
        if arguments.exp.is_some() {
            return Err(UsageError(format!("--exp is {time}: expired tokens need no entry")).into());
        }
        writeln!(out, "{file}: not changed: the token expired {time}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let list = ListFile::open(&arguments.file)?;
    let change = add(&list.text, &entry, now);
    match change.map_err(|error| UsageError(format!("{file}:{error}")))? {
        Change::AlreadyRevoked => {
            writeln!(out, "{file}: not changed: an entry revokes this already")?;
        }
        Change::Added { text, removed } => {
            list.replace(&text).map_err(|error| input::with_path(&arguments.file, &error))?;
            print_change(&mut out, &arguments.file, &entry.revocation, removed, now)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_change(
    out: &mut impl Write,
    file: &Path,
    revocation: &Revocation,
    removed: usize,
    now: UnixTime,
) -> Result<(), Box<dyn Error>> {
    let file = file.display();
    let human = |time| HumanTime { time, now };
    writeln!(out, "{file}: revoked {}", revocation.describe(human))?;
    match revocation.expires {
        Some(time) => writeln!(out, "the entry is needed until {}", human(time))?,
        None => writeln!(out, "the entry has no `exp`: it is never removed")?,
    }
    let entries = if removed == 1 { "entry" } else { "entries" };
    writeln!(out, "removed {removed} expired {entries}\n\n{NEXT}")?;
    Ok(())
}

/// The revocation of a token, by its claims.
fn entry_of_token(token: &str) -> Result<NewEntry, UsageError> {
    let parts: Vec<_> = token.split('.').collect();
    let claims = match &*parts {
        [_, claims, _] => signed_json::decode(claims),
        _ => None,
    };
    let Some(claims) = claims.and_then(|claims| json::object(claims.as_bytes()).ok()) else {
        let problem = token_text::form_problem(token)
            .unwrap_or_else(|| "its claims are not a JSON object with unique member names".into());
        return Err(UsageError(format!("not a token: {problem}")));
    };
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let required = |name: &str| {
        let problem = format!(
            "the token has no `{name}`, by which a token is revoked: revoke all tokens of its subject with \
             --issuer ISS --subject SUB"
        );
        text(name).ok_or(UsageError(problem))
    };
    let issuer = required("iss")?;
    let tokens = RevokedTokens::Id(required("jti")?);
    // The authorizer refuses a token without a valid `exp`, but another verifier may accept it.
    let expires = jwt::expiry(&claims).ok();
    let revocation = Revocation { expires, ..Revocation::new(issuer, tokens) };
    Ok(NewEntry { revocation, claims: Some(claims) })
}

/// The revocation that the options describe.
fn entry_of_options(arguments: &Arguments, now: UnixTime) -> Result<NewEntry, UsageError> {
    let Arguments { issuer, jti, subject, issued_before, exp, .. } = arguments;
    let tokens = match (jti, subject) {
        (Some(id), None) => RevokedTokens::Id(id.clone()),
        (None, Some(subject)) => RevokedTokens::OfSubject {
            subject: subject.clone(),
            issued_before: issued_before.unwrap_or(now),
        },
        _ => return Err(UsageError("--issuer needs --jti or --subject".into())),
    };
    let issuer = issuer.clone().unwrap_or_default();
    let revocation = Revocation { expires: *exp, ..Revocation::new(issuer, tokens) };
    Ok(NewEntry { revocation, claims: None })
}

/// The steps that make a revocation effective.
const NEXT: &str = "\
Next, deploy the list:
  sam build && sam deploy
In the folder of a released package, which has no source code:
  sam deploy
Then flush the authorizer's cache of each stage that has one: a cached policy accepts the token until its time to live
ends.
  aws apigateway flush-stage-authorizers-cache --rest-api-id ID --stage-name STAGE
For an HTTP API:
  aws apigatewayv2 reset-authorizers-cache --api-id ID --stage-name STAGE";
