use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, builder::RangedU64ValueParser, value_parser};
use jwt::{Algorithm, Rejection, TokenType, UnverifiedToken, Validation, Verifier};
use kms::{KeyName, Verification};
use runtime::{Setting, Settings, Values, table};
use serde_json::json;

use crate::{
    aws::Aws,
    block_on::block_on,
    exit::{self, UsageError},
    humanize::now,
    input, key_source,
    signature_check::SignatureCheck,
    signed_json, terminal, token_text,
};

/// Arguments of `countersign verify`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Token, or `-` for stdin (keeps it out of the shell history)
    token: String,
    /// Alias of the ring that may have signed the token, or the id or ARN of a key
    #[arg(long, value_name = "ALIAS|ID", conflicts_with = "jwks")]
    key: Option<KeyName>,
    /// With --key: verify the signature on this machine with the public keys, without KMS Verify
    #[arg(long, requires = "key", conflicts_with = "jwks")]
    local: bool,
    /// With --key: signature algorithm of the keys. If omitted, `SIGNING_ALGORITHM` in the environment, or else the
    /// default one of the keys
    #[arg(long, value_name = "ALG", requires = "key", conflicts_with = "jwks")]
    algorithm: Option<Algorithm>,
    /// Public keys that may have signed the token: file or URL of a JWK Set, a JWK, or public keys or X.509
    /// certificates in PEM or DER. Of a certificate, only the key is used
    #[arg(long, value_name = "FILE|URL")]
    jwks: Option<String>,
    /// Required `iss`; not checked if omitted. Without --key and --jwks, the keys are those that this issuer
    /// publishes
    #[arg(long, value_name = "ISS", required_unless_present_any = ["key", "jwks"])]
    issuer: Option<String>,
    /// Accepted `aud`, repeatable; not checked if omitted
    #[arg(long)]
    audience: Vec<String>,
    /// Required `typ`; case and the prefix `application/` are ignored
    #[arg(long, default_value = "JWT", value_name = "TYPE")]
    token_type: TokenType,
    /// Tolerance for `exp`, `nbf` and `iat`
    #[arg(long, value_name = "SECONDS", default_value = table::CLOCK_LEEWAY_SECONDS.default, value_parser = seconds(&table::CLOCK_LEEWAY_SECONDS))]
    leeway: u64,
    /// Check only the header and the signature; accept any payload
    #[arg(long, conflicts_with_all = ["issuer", "audience", "token_type", "leeway"])]
    signature_only: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    aws: Aws,
}

pub(crate) const HELP: &str = "\
Prints the claims of a valid token, or the reason why it is refused, and a warning for each key that cannot be
used. If the token may be signed with such a key, the command cannot tell whether it is valid.

Examples:
  countersign verify --key alias/countersign --issuer https://issuer.example - < token
  countersign verify --jwks jwks.json --issuer https://issuer.example - < token
  countersign verify --issuer https://issuer.example - < token
  countersign verify --jwks key.pem --audience orders --leeway 60 - < token
  countersign verify --jwks key.json --signature-only - < jws

Exit codes: 0 valid, 1 refused, 2 invalid input, 3 fault: the command cannot tell.";

/// Prints whether the token is valid.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match block_on(verify(arguments)) {
        Ok(verdict) => {
            // The exit code holds even if the output cannot be written, as with a closed pipe.
            let _ = print(arguments, &verdict);
            ExitCode::from(u8::from(verdict.is_err()))
        }
        Err(error) => exit::report(arguments.json, &*error),
    }
}

/// The claims of a valid token as they were signed (`None` with `--signature-only`), or the reason of the
/// refusal.
type TokenResult = Result<Option<String>, RejectedToken>;

/// Why the token is refused.
struct RejectedToken {
    rejection: Rejection,
    /// The reason in words.
    text: String,
}

async fn verify(arguments: &Arguments) -> Result<TokenResult, Box<dyn Error>> {
    if arguments.token == "-" && arguments.jwks.as_deref() == Some("-") {
        let problem = "only one of the token and --jwks can be standard input";
        return Err(UsageError(problem.into()).into());
    }
    let text = input::read_token(&arguments.token)?;
    let verifier = signature_check(arguments).await?;
    let (validation, now) = (validation(arguments), now());
    let verdict = match UnverifiedToken::parse(&text) {
        Err(rejection) => Err(rejection),
        Ok(token) if arguments.signature_only => match token.signed_parts() {
            Err(rejection) => Err(rejection),
            Ok(signed) => verifier.verify(&signed).await?.map(|()| None),
        },
        Ok(token) => match token.screen(&validation, now) {
            Err(rejection) => Err(rejection),
            Ok(candidate) => candidate.confirm(&verifier).await?.and_then(|_| {
                let claims = text.split('.').nth(1).and_then(signed_json::decode);
                let claims = claims.ok_or(Rejection::Claims)?;
                Ok(Some(signed_json::compact(&claims)))
            }),
        },
    };
    Ok(verdict.map_err(|rejection| {
        let text = token_text::describe(rejection, &text, Some(&validation), now);
        RejectedToken { rejection, text }
    }))
}

async fn signature_check(arguments: &Arguments) -> Result<SignatureCheck, Box<dyn Error>> {
    let keys = match (&arguments.key, &arguments.jwks, &arguments.issuer) {
        (Some(key), ..) => {
            let algorithm = match arguments.algorithm {
                Some(algorithm) => Some(algorithm),
                None => algorithm_of_environment()?,
            };
            let keyring = arguments.aws.keyring(key, algorithm).await?;
            let verification =
                if arguments.local { Verification::Local } else { Verification::Kms };
            return Ok(SignatureCheck::Ring(keyring, verification));
        }
        (None, Some(source), _) => key_source::read_keys(source, &arguments.aws).await?,
        (None, None, Some(issuer)) => key_source::discover(issuer, &arguments.aws).await?,
        (None, None, None) => {
            return Err(UsageError("no keys: set --key, --jwks or --issuer".into()).into());
        }
    };
    Ok(keys.into_signature_check()?)
}

fn algorithm_of_environment() -> Result<Option<Algorithm>, UsageError> {
    let mut settings = Settings::from_environment();
    let algorithm = settings.optional(&table::SIGNING_ALGORITHM);
    settings.finish(algorithm).map_err(|error| UsageError(error.to_string()))
}

/// Accepts the values of a setting in seconds.
fn seconds(setting: &Setting) -> RangedU64ValueParser {
    let parser = value_parser!(u64);
    match setting.values {
        Values::Seconds { min, max } => parser.range(min..=max),
        _ => parser,
    }
}

/// The checks of the claims; an omitted option is not checked.
fn validation(arguments: &Arguments) -> Validation {
    let audiences = (!arguments.audience.is_empty()).then(|| arguments.audience.clone());
    Validation::new(arguments.issuer.clone(), audiences)
        .with_token_type(arguments.token_type.clone())
        .with_leeway(Duration::from_secs(arguments.leeway))
}

/// The claims of a valid token that were not checked.
fn unchecked(arguments: &Arguments) -> Vec<&'static str> {
    if arguments.signature_only {
        return vec!["claims"];
    }
    let claims = [(arguments.issuer.is_none(), "iss"), (arguments.audience.is_empty(), "aud")];
    claims.into_iter().filter_map(|(unchecked, name)| unchecked.then_some(name)).collect()
}

fn print(arguments: &Arguments, verdict: &TokenResult) -> io::Result<()> {
    let mut out = terminal::stdout();
    let unchecked = unchecked(arguments);
    if arguments.json {
        return match verdict {
            Ok(claims) => {
                let claims = claims.as_deref().unwrap_or("null");
                let unchecked = json!(unchecked);
                writeln!(out, r#"{{"claims":{claims},"good":true,"unchecked":{unchecked}}}"#)
            }
            Err(RejectedToken { rejection, text }) => {
                let (reason, detail) = (rejection.code(), text);
                writeln!(out, "{}", json!({"good": false, "reason": reason, "detail": detail}))
            }
        };
    }
    match verdict {
        Ok(None) => writeln!(out, "the signature is valid; no claims were checked"),
        Ok(Some(claims)) => {
            if !unchecked.is_empty() {
                let hint = |name: &str| match name {
                    "iss" => "iss (set --issuer)",
                    _ => "aud (set --audience)",
                };
                let hints: Vec<_> = unchecked.into_iter().map(hint).collect();
                writeln!(terminal::stderr(), "warning: not checked: {}", hints.join(", "))?;
            }
            writeln!(out, "{claims}")
        }
        Err(refusal) => writeln!(out, "refused: {}", refusal.text),
    }
}
