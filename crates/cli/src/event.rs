use std::{
    error::Error,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use issuer::{IssuerConfig, MAX_TOKEN_BYTES, TokenRequest, issue};
use jwt::{Algorithm, json};
use kms::{KeyName, KmsSigner, RequestMetrics};
use policy::issuance::Caller;
use runtime::Settings;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    aws::Aws,
    block_on::block_on,
    exit::{self, UsageError},
    humanize::now,
    input,
};

/// Arguments of `countersign event`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// File with an event that API Gateway sends to an authorizer, or `-` for stdin
    #[arg(value_name = "EVENT.json")]
    event: PathBuf,
    /// Alias of the ring whose current key signs, or the id or ARN of a key
    #[arg(long, value_name = "ALIAS|ID", env = "KEY_ALIAS", default_value = "alias/countersign")]
    key: KeyName,
    /// Claims of the token
    #[arg(long, value_name = "JSON", default_value = r#"{"sub":"test-user"}"#)]
    claims: String,
    /// Signature algorithm, if it is not the default one of the key
    #[arg(long, value_name = "ALG", env = "SIGNING_ALGORITHM")]
    algorithm: Option<Algorithm>,
    #[command(flatten)]
    aws: Aws,
}

pub(crate) const HELP: &str = "\
The token is the one that the issuer would return with the settings in the environment. It replaces the token
of the event.

Examples:
  export TOKEN_ISSUER=countersign
  countersign event events/authorize-expired.json | countersign explain --event -
  countersign event events/authorize-expired.json | sam local invoke -e - Authorizer

Exit codes: 0 printed, 2 invalid arguments or settings, 3 fault.";

/// Prints the event with a new token.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    exit::finish(block_on(event(arguments)))
}

async fn event(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let text = String::from_utf8(input::read(&arguments.event)?);
    let text = text.map_err(|_| UsageError("the event is not UTF-8".to_owned()))?;
    let event = json::object(json::replace_lone_surrogates(&text).as_bytes());
    let event = event
        .map_err(|problem| UsageError(format!("the event is not a JSON object: {problem}")))?;
    let mut settings = Settings::from_environment();
    let config = IssuerConfig::read(&mut settings);
    let config = settings.finish(config).map_err(|error| UsageError(error.to_string()))?;
    let request = format!(r#"{{"claims":{}}}"#, arguments.claims);
    let grant = TokenRequest::read(request.as_bytes(), &config)
        .and_then(|request| request.grant(&Caller::Invoke, &config))
        .map_err(|refusal| UsageError(refusal.to_string()))?;
    let keyring = arguments.aws.keyring(&arguments.key, arguments.algorithm).await?;
    let signer = KmsSigner {
        keyring: &keyring,
        metrics: &RequestMetrics::default(),
        max_token_bytes: Some(MAX_TOKEN_BYTES),
    };
    let issued = Box::pin(issue(grant, &config, Uuid::new_v4(), now(), &signer)).await?;
    let event = insert_token(event, issued.signed.token.reveal());
    writeln!(io::stdout(), "{event:#}")?;
    Ok(ExitCode::SUCCESS)
}

/// Puts the token where an event of this kind has it: in `authorizationToken`, or in the headers and
/// `identitySource`.
fn insert_token(mut event: Map<String, Value>, token: &str) -> Value {
    let credential = format!("Bearer {token}");
    if event.contains_key("authorizationToken") {
        event.insert("authorizationToken".into(), json!(credential));
        return event.into();
    }
    let (mut header, values) = ("Authorization".to_owned(), json!([credential]));
    if let Some(Value::Array(_)) = event.get("identitySource") {
        // HTTP APIs send header names in lower case.
        header = "authorization".into();
        event.insert("identitySource".into(), values.clone());
    }
    for (member, value) in [("headers", json!(credential)), ("multiValueHeaders", values)] {
        if member == "headers" || matches!(event.get(member), Some(Value::Object(_))) {
            let headers = event.entry(member).or_insert_with(|| json!({}));
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
    fn new_token_replaces_the_tokens_of_the_event() {
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
            let Value::Object(members) = event.clone() else { panic!("not an object: {event}") };
            assert_eq!(insert_token(members, "t"), expected, "{event}");
        }
    }
}
