use std::{error::Error, io::Write, path::PathBuf, process::ExitCode};

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
    input::{self, with_path},
    terminal,
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
of the event: in the Authorization header, authorizationToken and the identity sources, or after the first of
the WebSocket subprotocols.

Examples:
  export TOKEN_ISSUER=countersign
  countersign event events/authorize-expired.json | countersign explain --event -
  countersign event events/authorize-expired.json | sam local invoke -e - Authorizer

Exit codes: 0 printed, 2 invalid input, 3 fault.";

/// Prints the event with a new token.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    exit::finish(false, block_on(event(arguments)))
}

async fn event(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let text = input::read_text(&arguments.event)?;
    let event = json::object(json::replace_lone_surrogates(&text).as_bytes());
    let event = event.map_err(|problem| UsageError(with_path(&arguments.event, &problem)))?;
    json::object(arguments.claims.as_bytes())
        .map_err(|problem| UsageError(format!("--claims: {problem}")))?;
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
    writeln!(terminal::stdout(), "{event:#}")?;
    Ok(ExitCode::SUCCESS)
}

/// Puts the token where an event of this kind has it: in the `Authorization` header or the WebSocket subprotocols,
/// and wherever else the event repeats that credential.
fn insert_token(mut event: Map<String, Value>, token: &str) -> Value {
    let credential = json!(format!("Bearer {token}"));
    if event.get("type").and_then(Value::as_str) == Some("TOKEN") {
        event.insert("authorizationToken".into(), credential);
        return event.into();
    }
    if insert_subprotocol(&mut event, token) {
        return event.into();
    }
    let old = header(&event, "authorization");
    let is_http_api = event.contains_key("version") && event.contains_key("routeKey");
    // HTTP APIs send header names in lower case in format 2.0.
    let is_lower_case = is_http_api || matches!(event.get("identitySource"), Some(Value::Array(_)));
    let name = if is_lower_case { "authorization" } else { "Authorization" };
    if event.contains_key("authorizationToken") {
        event.insert("authorizationToken".into(), credential.clone());
    }
    match event.get_mut("identitySource") {
        Some(Value::Array(sources)) => {
            // The other sources stay: one may be the route key.
            let is_old = |source: &Value| {
                let text = source.as_str().unwrap_or_default();
                old.as_deref().map_or_else(|| has_scheme(text), |old| old == text)
            };
            match sources.iter().position(is_old).or_else(|| sources.iter().position(is_credential))
            {
                Some(at) => sources.splice(at..=at, [credential.clone()]).for_each(drop),
                None if sources.len() <= 1 => *sources = vec![credential.clone()],
                None => {}
            }
        }
        // Format 1.0 has the first source only.
        Some(source @ Value::String(_)) => *source = credential.clone(),
        _ => {}
    }
    for (member, value) in
        [("headers", credential.clone()), ("multiValueHeaders", json!([credential]))]
    {
        if member == "headers" || matches!(event.get(member), Some(Value::Object(_))) {
            let headers = event.entry(member).or_insert_with(|| json!({}));
            if !headers.is_object() {
                *headers = json!({});
            }
            if let Some(headers) = headers.as_object_mut() {
                headers.retain(|name, _| !name.eq_ignore_ascii_case("authorization"));
                headers.insert(name.into(), value);
            }
        }
    }
    event.into()
}

fn has_scheme(text: &str) -> bool {
    text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer "))
}

fn is_credential(source: &Value) -> bool {
    source.as_str().is_some_and(has_scheme)
}

/// The value of a header.
fn header(event: &Map<String, Value>, name: &str) -> Option<String> {
    let headers = event.get("headers")?.as_object()?;
    let (_, value) = headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
    value.as_str().map(str::to_owned)
}

/// Replaces the token among the WebSocket subprotocols: the item after the first one. `false` if the event offers none,
/// or has an `Authorization` header.
fn insert_subprotocol(event: &mut Map<String, Value>, token: &str) -> bool {
    if header(event, "authorization").is_some() {
        return false;
    }
    let mut is_inserted = false;
    for member in ["headers", "multiValueHeaders"] {
        let Some(Value::Object(headers)) = event.get_mut(member) else { continue };
        for (name, value) in headers.iter_mut() {
            if !name.eq_ignore_ascii_case(SUBPROTOCOLS) {
                continue;
            }
            let list = match &*value {
                Value::String(list) => list.clone(),
                Value::Array(lists) => {
                    lists.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
                }
                _ => continue,
            };
            let mut items: Vec<_> = list.split(',').map(str::trim).collect();
            if let Some(item) = items.get_mut(1) {
                *item = token;
                is_inserted = true;
                let list = items.join(", ");
                *value = if value.is_array() { json!([list]) } else { json!(list) };
            }
        }
    }
    if is_inserted && let Some(Value::Array(sources)) = event.get_mut("identitySource") {
        let list =
            sources.iter_mut().find(|source| source.as_str().is_some_and(|it| it.contains(',')));
        if let Some(source) = list {
            let items: Vec<_> = source.as_str().unwrap_or_default().split(',').collect();
            let first = items.first().map(|item| item.trim()).unwrap_or_default();
            let rest = items.iter().skip(2).map(|item| item.trim());
            let items: Vec<_> = [first, token].into_iter().chain(rest).collect();
            *source = json!(items.join(", "));
        }
    }
    is_inserted
}

const SUBPROTOCOLS: &str = "sec-websocket-protocol";

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
            (
                json!({
                    "version": "1.0", "type": "REQUEST", "identitySource": "Bearer old",
                    "authorizationToken": "Bearer old", "headers": {"Authorization": "Bearer old"},
                }),
                json!({
                    "version": "1.0", "type": "REQUEST", "identitySource": "Bearer t",
                    "authorizationToken": "Bearer t", "headers": {"Authorization": "Bearer t"},
                }),
            ),
            (
                json!({
                    "version": "2.0", "identitySource": ["GET /a", "Bearer old"],
                    "routeKey": "GET /a", "headers": {"authorization": "Bearer old"},
                }),
                json!({
                    "version": "2.0", "identitySource": ["GET /a", "Bearer t"],
                    "routeKey": "GET /a", "headers": {"authorization": "Bearer t"},
                }),
            ),
            (
                json!({"version": "2.0", "identitySource": ["Bearer old", "x"], "headers": {}}),
                json!({
                    "version": "2.0", "identitySource": ["Bearer t", "x"],
                    "headers": {"authorization": "Bearer t"},
                }),
            ),
            (
                json!({"headers": {"Sec-WebSocket-Protocol": "bearer, old, chat"}}),
                json!({"headers": {"Sec-WebSocket-Protocol": "bearer, t, chat"}}),
            ),
            (
                json!({
                    "headers": {"sec-websocket-protocol": "bearer, old"},
                    "multiValueHeaders": {"sec-websocket-protocol": ["bearer", "old"]},
                    "identitySource": ["bearer, old"],
                }),
                json!({
                    "headers": {"sec-websocket-protocol": "bearer, t"},
                    "multiValueHeaders": {"sec-websocket-protocol": ["bearer, t"]},
                    "identitySource": ["bearer, t"],
                }),
            ),
            (
                json!({"headers": {"Sec-WebSocket-Protocol": "chat"}}),
                json!({"headers": {"Sec-WebSocket-Protocol": "chat", "Authorization": "Bearer t"}}),
            ),
        ];
        for (event, expected) in rows {
            let Value::Object(members) = event.clone() else { panic!("not an object: {event}") };
            assert_eq!(insert_token(members, "t"), expected, "{event}");
        }
    }
}
