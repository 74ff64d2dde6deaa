use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use clap::Args;
use jwt::{UnixTime, UnverifiedToken, json};
use serde_json::json;

use crate::{
    humanize::{When, now},
    input,
    signed_json::{compact, decode, indented},
};

/// Which token.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The token, or - to read it from standard input, so that it stands in no shell's history
    token: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) const HELP: &str = "\
  countersign inspect - < token

Exit codes: 0 it is a token, good or not, 1 it is none, 2 usage.";

/// Shows what the token says of itself.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    crate::finish(inspect(arguments))
}

fn inspect(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let text = input::read_token(&arguments.token)?;
    let refused = UnverifiedToken::parse(&text).err();
    let mut parts = text.split('.').map(decode);
    let mut out = io::stdout();
    let (Some(Some(header)), Some(Some(claims)), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        let why = refused.map_or("its claims are not a JSON object".into(), |why| why.to_string());
        if arguments.json {
            writeln!(out, "{}", json!({"verified": false, "problem": why}))?;
        } else {
            writeln!(out, "this is no token: {why}")?;
        }
        return Ok(ExitCode::from(crate::NO));
    };
    let problem = refused.map(|rejection| rejection.to_string());
    if arguments.json {
        let (claims, header) = (compact(&claims), compact(&header));
        let problem = json!(problem);
        writeln!(
            out,
            r#"{{"claims":{claims},"header":{header},"problem":{problem},"verified":false}}"#
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "NOTHING OF THIS WAS VERIFIED: anybody can have written it.\n")?;
    writeln!(out, "header {}\nclaims {}", indented(&header), indented(&claims))?;
    let claims = json::object(claims.as_bytes())?;
    let now = now();
    for (name, words) in TIMES {
        let Some(value) = claims.get(name) else { continue };
        match value.as_f64().filter(|seconds| (0.0..=MAX).contains(seconds)) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
            Some(seconds) => {
                let time = UnixTime::from_seconds(seconds as u64);
                writeln!(out, "{name}: {words} {}", When { time, now })?;
            }
            None => writeln!(out, "{name}: is no time")?,
        }
    }
    if !claims.contains_key("exp") {
        writeln!(out, "exp: there is none, and the authorizer refuses such a token")?;
    }
    if let Some(problem) = problem {
        writeln!(out, "It would be refused, whoever signed it: {problem}.")?;
    }
    Ok(ExitCode::SUCCESS)
}

const TIMES: [(&str, &str); 3] =
    [("iat", "issued at"), ("nbf", "good from"), ("exp", "good until")];
/// The end of the year 9999.
const MAX: f64 = 253_402_300_799.0;
