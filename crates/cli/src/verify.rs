use std::{
    error::Error,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use clap::Args;
use jwt::{JwkSet, Keys, Profile, Rejection, UnverifiedToken, Verifier, json};
use serde_json::{Value, json};

/// Which token, and what a good one is.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The token, or - to read it from standard input, so that it stands in no shell's history
    token: String,
    /// The public keys that may have signed it: a JWK Set, or one JWK
    #[arg(long, value_name = "FILE")]
    jwks: PathBuf,
    /// The iss that it must have; without it any is good
    #[arg(long)]
    issuer: Option<String>,
    /// An aud that it may be for; without one any is good
    #[arg(long)]
    audience: Vec<String>,
    /// The typ that it must have
    #[arg(long, default_value = "JWT", value_name = "TYPE")]
    token_type: String,
    /// Check the header and the signature alone: any payload is good, and no claim is looked at
    #[arg(long, conflicts_with_all = ["issuer", "audience", "token_type"])]
    signature_only: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(crate) const HELP: &str = "\
  countersign verify --jwks jwks.json --issuer https://issuer.example - < token
  countersign verify --jwks key.json --signature-only - < jws

Exit codes: 0 it is good, 1 it is not, 2 usage, 3 it could not be told.";

/// Says whether the token is good.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match crate::block_on(judge(arguments)) {
        Ok(verdict) => {
            // The exit code is the answer, whether or not anybody reads the words.
            let _ = tell(arguments, &verdict);
            ExitCode::from(u8::from(verdict.is_err()))
        }
        Err(error) => crate::fault(&*error),
    }
}

/// The claims of a good token, or nothing where none were asked for; or why it is refused.
type Verdict = Result<Option<Value>, Rejection>;

async fn judge(arguments: &Arguments) -> Result<Verdict, Box<dyn Error>> {
    let keys = Keys::new(&read_keys(&arguments.jwks)?)?;
    let text = read_token(&arguments.token)?;
    let token = match UnverifiedToken::parse(&text) {
        Ok(token) => token,
        Err(rejection) => return Ok(Err(rejection)),
    };
    if arguments.signature_only {
        let proof = match token.proof() {
            Ok(proof) => proof,
            Err(rejection) => return Ok(Err(rejection)),
        };
        return Ok(keys.verify(&proof).await?.map(|()| None));
    }
    let candidate = match token.screen(&profile(arguments), SystemTime::now().into()) {
        Ok(candidate) => candidate,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let claims = candidate.confirm(&keys).await?;
    let object = |claims: &jwt::Claims| {
        claims.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    };
    Ok(claims.map(|claims| Some(object(&claims))))
}

/// A JWK alone is a set of one.
pub(crate) fn read_keys(file: &Path) -> Result<JwkSet, Box<dyn Error>> {
    let problem = |problem: &dyn Error| format!("{}: {problem}", file.display());
    let mut text = Vec::new();
    File::open(file)
        .and_then(|file| file.take(MAX_KEYS).read_to_end(&mut text))
        .map_err(|error| problem(&error))?;
    let members = json::object(&text).map_err(|error| problem(&error))?;
    if !members.contains_key("kty") {
        return Ok(JwkSet::read(&text).map_err(|error| problem(&error))?);
    }
    let set = json!({"keys": [members]}).to_string();
    Ok(JwkSet::read(set.as_bytes()).map_err(|error| problem(&error))?)
}

fn read_token(argument: &str) -> io::Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut bytes = Vec::new();
    // Far past any token: what is longer is none, and need not be read.
    io::stdin().take(MAX_INPUT).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let token = text.strip_suffix('\n').unwrap_or(&text);
    Ok(token.strip_suffix('\r').unwrap_or(token).to_owned())
}

/// What was not asked for is not looked at.
fn profile(arguments: &Arguments) -> Profile {
    let audiences = (!arguments.audience.is_empty()).then(|| arguments.audience.clone());
    Profile {
        issuer: arguments.issuer.clone(),
        audiences,
        token_type: arguments.token_type.clone(),
        leeway: Duration::ZERO,
    }
}

/// What a good verdict says nothing of.
fn unchecked(arguments: &Arguments) -> Vec<&'static str> {
    if arguments.signature_only {
        return vec!["claims"];
    }
    let without = [(arguments.issuer.is_none(), "iss"), (arguments.audience.is_empty(), "aud")];
    without.into_iter().filter_map(|(without, name)| without.then_some(name)).collect()
}

fn tell(arguments: &Arguments, verdict: &Verdict) -> io::Result<()> {
    let mut out = io::stdout();
    let unchecked = unchecked(arguments);
    if arguments.json {
        let answer = match verdict {
            Ok(claims) => json!({"good": true, "claims": claims, "unchecked": unchecked}),
            Err(rejection) => {
                json!({"good": false, "reason": rejection.code(), "detail": rejection.to_string()})
            }
        };
        return writeln!(out, "{answer}");
    }
    match verdict {
        Ok(None) => writeln!(out, "the signature is good; no claim was checked"),
        Ok(Some(claims)) => {
            if !unchecked.is_empty() {
                let names = unchecked.join(", ");
                writeln!(io::stderr(), "not checked, as nothing was said of it: {names}")?;
            }
            writeln!(out, "{claims}")
        }
        Err(rejection) => writeln!(out, "refused: {rejection}"),
    }
}

const MAX_KEYS: u64 = 1024 * 1024;
const MAX_INPUT: u64 = 64 * 1024;
