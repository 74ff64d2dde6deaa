use std::{
    error::Error,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use issuer::{IssuerConfig, MAX_TOKEN_BYTES, TokenRequest, issue};
use jwt::{Algorithm, json};
use kms::{KeyName, KmsSigner, Stopwatch};
use policy::issuance::Caller;
use runtime::Settings;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{Usage, aws::Aws, humanize::now, input, sign::keyring};

/// Which event, and the token for it.
#[derive(Args)]
pub(crate) struct Arguments {
    /// An event that API Gateway sends to an authorizer, or - to read it from standard input
    #[arg(value_name = "EVENT.json")]
    event: PathBuf,
    /// The ring whose current key signs, or a key by its id or ARN
    #[arg(long, value_name = "ALIAS|ID", env = "KEY_ALIAS", default_value = "alias/countersign")]
    key: KeyName,
    /// The claims to ask for
    #[arg(long, value_name = "JSON", default_value = r#"{"sub":"test-user"}"#)]
    claims: String,
    /// The algorithm, if it is not the usual one of the key
    #[arg(long, value_name = "ALG", env = "SIGNING_ALGORITHM")]
    algorithm: Option<Algorithm>,
    #[command(flatten)]
    aws: Aws,
}

pub(crate) const HELP: &str = "\
The token is the one that the issuer would give, with its settings from the environment.

  export TOKEN_ISSUER=countersign
  countersign event events/authorize-expired.json | countersign explain --event -
  countersign event events/authorize-expired.json | sam local invoke -e - Authorizer

Exit codes: 0 printed, 2 usage, 3 fault.";

/// Prints the event with a fresh token in its place.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    crate::finish(crate::block_on(event(arguments)))
}

async fn event(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let text = String::from_utf8(input::read(&arguments.event)?);
    let text = text.map_err(|_| Usage("the event is not UTF-8".to_owned()))?;
    let event = json::object(json::replace_lone_surrogates(&text).as_bytes());
    let event =
        event.map_err(|problem| Usage(format!("the event is no JSON object: {problem}")))?;
    let mut settings = Settings::from_environment();
    let config = IssuerConfig::read(&mut settings);
    let config = settings.finish(config).map_err(|error| Usage(error.to_string()))?;
    let request = format!(r#"{{"claims":{}}}"#, arguments.claims);
    let grant = TokenRequest::read(request.as_bytes(), &config)
        .and_then(|request| request.grant(&Caller::Invoke, &config))
        .map_err(|refusal| Usage(refusal.to_string()))?;
    let keyring = keyring(arguments.aws.connect().await?, &arguments.key, arguments.algorithm);
    let signer = KmsSigner {
        keyring: &keyring,
        stopwatch: &Stopwatch::default(),
        max_token_bytes: Some(MAX_TOKEN_BYTES),
    };
    let issued = Box::pin(issue(grant, &config, Uuid::new_v4(), now(), &signer)).await?;
    let event = carry(event, issued.signed.token.reveal());
    writeln!(io::stdout(), "{event:#}")?;
    Ok(ExitCode::SUCCESS)
}

/// Puts the token wherever the event has a place for one.
fn carry(mut event: Map<String, Value>, token: &str) -> Value {
    let credential = format!("Bearer {token}");
    if event.contains_key("authorizationToken") {
        event.insert("authorizationToken".into(), json!(credential));
        return event.into();
    }
    let (mut header, many) = ("Authorization".to_owned(), json!([credential]));
    if let Some(Value::Array(_)) = event.get("identitySource") {
        // HTTP APIs have header names in lower case.
        header = "authorization".into();
        event.insert("identitySource".into(), many.clone());
    }
    for (place, value) in [("headers", json!(credential)), ("multiValueHeaders", many)] {
        if place == "headers" || matches!(event.get(place), Some(Value::Object(_))) {
            let headers = event.entry(place).or_insert_with(|| json!({}));
            if !headers.is_object() {
                *headers = json!({});
            }
            if let Some(headers) = headers.as_object_mut() {
                headers.retain(|name, _| !name.eq_ignore_ascii_case("authorization"));
                headers.insert(header.clone(), value);
            }
        }
    }
    event.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_takes_the_place_of_the_one_before() {
        let one = json!({"headers": {"a": "1", "Authorization": "Bearer t"}});
        let rows = [
            (json!({}), json!({"headers": {"Authorization": "Bearer t"}})),
            (json!({"headers": null}), json!({"headers": {"Authorization": "Bearer t"}})),
            (json!({"headers": {"a": "1", "AUTHORIZATION": "old"}}), one),
            (
                json!({"headers": {"b": "2"}, "multiValueHeaders": {"authorization": ["x", "y"]}}),
                json!({
                    "headers": {"b": "2", "Authorization": "Bearer t"},
                    "multiValueHeaders": {"Authorization": ["Bearer t"]},
                }),
            ),
            (
                json!({"version": "2.0", "identitySource": ["old"], "headers": {"authorization": "old"}}),
                json!({
                    "version": "2.0", "identitySource": ["Bearer t"],
                    "headers": {"authorization": "Bearer t"},
                }),
            ),
            (
                json!({"type": "TOKEN", "authorizationToken": "old"}),
                json!({"type": "TOKEN", "authorizationToken": "Bearer t"}),
            ),
        ];
        for (event, expected) in rows {
            let Value::Object(event) = event else { panic!("an object") };
            assert_eq!(carry(event, "t"), expected);
        }
    }
}
