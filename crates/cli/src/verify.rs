use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use jwt::{Algorithm, KeySetVerifier, Rejection, UnverifiedToken, Validation, Verifier};
use kms::{KeyName, Verification};
use serde_json::json;

use crate::{
    Usage, aws::Aws, humanize::now, input, sign::keyring, signature_check::SignatureCheck,
    signed_json,
};

/// Which token, and what a good one is.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The token, or - to read it from standard input, so that it stands in no shell's history
    token: String,
    /// The ring, or a key by its id or ARN, that may have signed it
    #[arg(long, value_name = "ALIAS|ID", conflicts_with = "jwks")]
    key: Option<KeyName>,
    /// With --key: verify here with the public keys, and do not ask KMS Verify
    #[arg(long, requires = "key")]
    local: bool,
    /// The algorithm of the ring's keys, if it is not their usual one
    #[arg(long, value_name = "ALG", env = "SIGNING_ALGORITHM", conflicts_with = "jwks")]
    algorithm: Option<Algorithm>,
    /// The public keys that may have signed it: a JWK Set or one JWK, in a file or at a URL
    #[arg(long, value_name = "FILE|URL")]
    jwks: Option<String>,
    /// The iss that it must have; without it any is good. With neither --key nor --jwks the keys are
    /// those that it publishes
    #[arg(long, value_name = "ISS", required_unless_present_any = ["key", "jwks"])]
    issuer: Option<String>,
    /// An aud that it may be for; without one any is good
    #[arg(long)]
    audience: Vec<String>,
    /// The typ that it must have, in any case and with or without "application/"
    #[arg(long, default_value = "JWT", value_name = "TYPE")]
    token_type: String,
    /// Check the header and the signature alone: any payload is good, and no claim is looked at
    #[arg(long, conflicts_with_all = ["issuer", "audience", "token_type"])]
    signature_only: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    aws: Aws,
}

pub(crate) const HELP: &str = "\
  countersign verify --key alias/countersign --issuer https://issuer.example - < token
  countersign verify --jwks jwks.json --issuer https://issuer.example - < token
  countersign verify --issuer https://issuer.example - < token
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

/// The claims of a good token as they were signed, or nothing where none were asked for; or why it is
/// refused.
type Verdict = Result<Option<String>, Rejection>;

async fn judge(arguments: &Arguments) -> Result<Verdict, Box<dyn Error>> {
    let text = input::read_token(&arguments.token)?;
    let judge = find(arguments).await?;
    let token = match UnverifiedToken::parse(&text) {
        Ok(token) => token,
        Err(rejection) => return Ok(Err(rejection)),
    };
    if arguments.signature_only {
        let proof = match token.proof() {
            Ok(proof) => proof,
            Err(rejection) => return Ok(Err(rejection)),
        };
        return Ok(judge.verify(&proof).await?.map(|()| None));
    }
    let candidate = match token.screen(&profile(arguments), now()) {
        Ok(candidate) => candidate,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let Some(claims) = text.split('.').nth(1).and_then(signed_json::decode) else {
        return Ok(Err(Rejection::Claims));
    };
    let confirmed = candidate.confirm(&judge).await?;
    Ok(confirmed.map(|_| Some(signed_json::compact(&claims))))
}

async fn find(arguments: &Arguments) -> Result<SignatureCheck, Box<dyn Error>> {
    let set = match (&arguments.key, &arguments.jwks, &arguments.issuer) {
        (Some(key), ..) => {
            let keyring = keyring(arguments.aws.connect().await?, key, arguments.algorithm);
            let here = arguments.local;
            let verification = if here { Verification::Local } else { Verification::Kms };
            return Ok(SignatureCheck::Ring(keyring, verification));
        }
        (None, Some(place), _) => input::read_keys(place).await?,
        (None, None, Some(issuer)) => input::discover(issuer).await?,
        (None, None, None) => return Err(Usage("name the keys".into()).into()),
    };
    Ok(SignatureCheck::KeySet(KeySetVerifier::new(&set)?))
}

/// What was not asked for is not looked at.
fn profile(arguments: &Arguments) -> Validation {
    let audiences = (!arguments.audience.is_empty()).then(|| arguments.audience.clone());
    Validation {
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
        return match verdict {
            Ok(claims) => {
                let claims = claims.as_deref().unwrap_or("null");
                let unchecked = json!(unchecked);
                writeln!(out, r#"{{"claims":{claims},"good":true,"unchecked":{unchecked}}}"#)
            }
            Err(rejection) => {
                let (reason, detail) = (rejection.code(), rejection.to_string());
                writeln!(out, "{}", json!({"good": false, "reason": reason, "detail": detail}))
            }
        };
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
