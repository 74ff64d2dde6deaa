use std::{error::Error, io::Write, process::ExitCode};

use clap::Args;
use jwt::{Rejection, UnixTime, UnverifiedToken, json};
use serde_json::json;

use crate::{
    exit,
    humanize::{HumanTime, now},
    input,
    signed_json::{compact, decode, indented},
    terminal, token_text,
};

/// Arguments of `countersign inspect`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Token, or `-` for stdin (keeps it out of the shell history)
    token: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) const HELP: &str = "\
Examples:
  countersign inspect - < token

Exit codes: 0 printed, 1 not a token, 2 invalid input, 3 fault.";

/// Prints the header and the claims.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    exit::finish(arguments.json, inspect(arguments))
}

fn inspect(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let text = input::read_token(&arguments.token)?;
    let rejection = UnverifiedToken::parse(&text).err();
    let mut parts = text.split('.').map(decode);
    let mut out = terminal::stdout();
    let (Some(Some(header)), Some(Some(claims)), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        let problem = rejection.map_or("its claims are not a JSON object".into(), |rejection| {
            token_text::describe(rejection, &text, None, now())
        });
        if arguments.json {
            writeln!(out, "{}", json!({"verified": false, "problem": problem}))?;
        } else {
            writeln!(out, "not a token: {problem}")?;
        }
        return Ok(ExitCode::from(exit::NO));
    };
    let problem = rejection.map(|rejection| token_text::describe(rejection, &text, None, now()));
    if arguments.json {
        let (claims, header) = (compact(&claims), compact(&header));
        let problem = json!(problem);
        writeln!(
            out,
            r#"{{"claims":{claims},"header":{header},"problem":{problem},"verified":false}}"#
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "NOT VERIFIED: the token may be forged.\n")?;
    writeln!(out, "header {}\nclaims {}", indented(&header), indented(&claims))?;
    let claims = json::object(claims.as_bytes())?;
    let now = now();
    for (name, meaning) in TIME_CLAIMS {
        let Some(value) = claims.get(name) else { continue };
        match value.as_f64().filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds)) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
            Some(seconds) => {
                let time = UnixTime::from_seconds(seconds as u64);
                writeln!(out, "{name}: {meaning} {}", HumanTime { time, now })?;
            }
            None => writeln!(out, "{name}: not a time")?,
        }
    }
    if jwt::expiry(&claims) == Err(Rejection::NoExpiry) {
        writeln!(out, "exp: missing; the authorizer refuses a token without it")?;
    }
    if let Some(problem) = problem {
        writeln!(out, "The authorizer refuses this token, whatever its signature: {problem}.")?;
    }
    Ok(ExitCode::SUCCESS)
}

const TIME_CLAIMS: [(&str, &str); 3] =
    [("iat", "issued at"), ("nbf", "valid from"), ("exp", "valid until")];
/// The end of the year 9999.
const MAX_SECONDS: f64 = 253_402_300_799.0;
