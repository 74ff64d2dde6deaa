use std::{
    error::Error,
    fs,
    io::{self, Read, Write},
    path::PathBuf,
    process::ExitCode,
    time::SystemTime,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Args;
use jwt::{Jwk, JwkSet, Keys, Profile, Rejection, UnverifiedToken, Verifier};
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
        Ok(verdict) => match tell(arguments, &verdict) {
            Ok(()) => ExitCode::from(u8::from(verdict.is_err())),
            Err(error) => crate::fault(&error),
        },
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
    let candidate = match token.screen(&profile(arguments, &text), SystemTime::now().into()) {
        Ok(candidate) => candidate,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let claims = candidate.confirm(&keys).await?;
    let object = |claims: &jwt::Claims| {
        claims.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    };
    Ok(claims.map(|claims| Some(object(&claims))))
}

fn read_keys(file: &PathBuf) -> Result<JwkSet, Box<dyn Error>> {
    let problem = |problem: &dyn Error| format!("{}: {problem}", file.display());
    let text = fs::read(file).map_err(|error| problem(&error))?;
    let set = JwkSet::read(&text).or_else(|_| Jwk::read(&text).map(|jwk| JwkSet(vec![jwk])));
    Ok(set.map_err(|error| problem(&error))?)
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

/// Where nothing was asked for, what the token itself says is taken as good.
fn profile(arguments: &Arguments, token: &str) -> Profile {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value =
        claims.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let says = |name: &str| claims.get(name).cloned().unwrap_or_default();
    let audiences = match (&*arguments.audience, says("aud")) {
        ([], Value::Array(several)) => several.iter().filter_map(text).collect(),
        ([], one) => text(&one).into_iter().collect(),
        (asked, _) => asked.to_vec(),
    };
    Profile {
        issuer: arguments.issuer.clone().or(text(&says("iss"))).unwrap_or_default(),
        audiences,
        token_type: arguments.token_type.clone(),
        leeway: std::time::Duration::ZERO,
    }
}

fn tell(arguments: &Arguments, verdict: &Verdict) -> io::Result<()> {
    let mut out = io::stdout();
    if arguments.json {
        let answer = match verdict {
            Ok(claims) => json!({"good": true, "claims": claims}),
            Err(rejection) => {
                json!({"good": false, "reason": rejection.code(), "detail": rejection.to_string()})
            }
        };
        return writeln!(out, "{answer}");
    }
    match verdict {
        Ok(None) => writeln!(out, "the signature is good; nothing else was checked"),
        Ok(Some(claims)) => {
            let mut unchecked = Vec::new();
            if arguments.issuer.is_none() {
                unchecked.push("iss");
            }
            if arguments.audience.is_empty() {
                unchecked.push("aud");
            }
            if !unchecked.is_empty() {
                eprintln!("not checked, as nothing was said of it: {}", unchecked.join(", "));
            }
            writeln!(out, "{claims}")
        }
        Err(rejection) => writeln!(out, "refused: {rejection}"),
    }
}

const MAX_INPUT: u64 = 64 * 1024;
