//! Requests to the API of a stack, with and without credentials.

use std::{thread::sleep, time::Duration};

use serde_json::{Value, json};

use super::{
    deployment::Context, engine::Credentials, http::Request, stack::Stack, table::Table,
    token::Token, users::User,
};
use crate::error::Error;

/// Adds a row for each kind of request.
pub(super) fn check(
    context: &Context<'_>,
    table: &mut Table,
    stack: &Stack<'_>,
) -> Result<(), Error> {
    let invoke = stack.output("TokenInvokeArn")?;
    let caller = User::create(context, "caller", &["execute-api:Invoke"], invoke)?;
    let stranger = User::create(context, "stranger", &[], "*")?;

    let response = stack.whoami(Request::default())?;
    table.check("GET /whoami without credentials", 401, response.status);
    let challenge = response.header("www-authenticate").unwrap_or("none");
    table.check("its WWW-Authenticate (gateway response)", "Bearer", challenge);
    let status = |credentials: Option<&Credentials>| {
        Ok::<_, Error>(stack.request_token(credentials, &claims())?.status)
    };
    table.check("POST /token, not signed", 403, status(None)?);
    table.check(
        "POST /token, signed without execute-api:Invoke",
        403,
        status(Some(&stranger.credentials))?,
    );
    let response = stack.request_token(Some(&caller.credentials), &claims())?;
    table.check("POST /token, signed with execute-api:Invoke", 200, response.status);
    let token = Token::from_response(&response.body);

    let sent = |token: Option<Token>| match token {
        Some(token) => Ok::<_, Error>(stack.status(&token)?.to_string()),
        None => Ok("no token".into()),
    };
    table.check("GET /whoami with the token", 200, sent(token.clone())?);
    table.check("with another subject in it", 401, sent(token.as_ref().and_then(Token::tampered))?);
    let short = json!({"claims": {"sub": "test-user"}, "expires_in": 1});
    let response = stack.request_token(Some(&caller.credentials), &short)?;
    sleep(EXPIRY);
    table.check("with an expired token", 401, sent(Token::from_response(&response.body))?);

    metadata(table, stack, token.as_ref())?;
    let preflight = stack.whoami(Request { method: Some("OPTIONS"), ..Request::default() })?;
    let origin = preflight.header("access-control-allow-origin").unwrap_or("none");
    table.check(
        "OPTIONS /whoami: status and allowed origin",
        "200 *",
        format!("{} {origin}", preflight.status),
    );
    direct(context, table, stack, &stranger)
}

/// Adds rows for a stack whose access rules need the scope `read`.
pub(super) fn check_rules(
    table: &mut Table,
    stack: &Stack<'_>,
    algorithm: &str,
) -> Result<(), Error> {
    let root = Credentials::root();
    for (scope, expected) in
        [("write", "403 Bearer error=\"insufficient_scope\""), ("read", "200 none")]
    {
        let body = json!({"claims": {"sub": "test-user", "scope": scope}});
        let token = Token::from_response(&stack.request_token(Some(&root), &body)?.body);
        let found = token.as_ref().map_or("no token", |token| token.algorithm.as_str());
        table.check(format!("alg of a token with the scope {scope}"), algorithm, found);
        let authorization = token.as_ref().map(Token::authorization);
        let response = stack.whoami(Request { authorization, ..Request::default() })?;
        let challenge = response.header("www-authenticate").unwrap_or("none");
        let found = format!("{} {challenge}", response.status);
        table.check("GET /whoami, WWW-Authenticate", expected, found);
    }
    Ok(())
}

/// The documents that a client gets without credentials.
fn metadata(table: &mut Table, stack: &Stack<'_>, token: Option<&Token>) -> Result<(), Error> {
    let get = |path: &str| {
        let response = stack.send(path, Request::default())?;
        let body: Value = serde_json::from_str(&response.body).unwrap_or_default();
        Ok::<_, Error>((response.status, body))
    };
    let (status, keys) = get("/.well-known/jwks.json")?;
    let kid = keys.pointer("/keys/0/kid").and_then(Value::as_str).unwrap_or("none");
    let expected = format!("200 {}", token.map_or("no token", |token| &token.kid));
    table.check(
        "GET /.well-known/jwks.json: the key of the token",
        expected,
        format!("{status} {kid}"),
    );
    let (status, metadata) = get("/.well-known/openid-configuration")?;
    let issuer = metadata.get("issuer").and_then(Value::as_str).unwrap_or("none");
    let expected = format!("200 {}", stack.output("TokenIssuer")?);
    table.check(
        "GET /.well-known/openid-configuration: issuer",
        expected,
        format!("{status} {issuer}"),
    );
    let (status, _) = get("/.well-known/oauth-authorization-server")?;
    table.check("GET /.well-known/oauth-authorization-server", 404, status);
    Ok(())
}

/// Calls that go past the API.
fn direct(
    context: &Context<'_>,
    table: &mut Table,
    stack: &Stack<'_>,
    stranger: &User,
) -> Result<(), Error> {
    let issuer = stack.output("IssuerArn")?;
    let invoke = ["lambda", "invoke", "--function-name", issuer, "/dev/null"];
    let found = stranger.call(context, &invoke)?;
    table.check("invoke the issuer without lambda:InvokeFunction", "AccessDenied", found);
    let operator = User::create(context, "operator", &["kms:*"], "*")?;
    let message = ["--message", "YQ==", "--signing-algorithm", "RSASSA_PKCS1_V1_5_SHA_256"];
    let sign = [&["kms", "sign", "--key-id", stack.output("KeyArn")?][..], &message].concat();
    let found = operator.call(context, &sign)?;
    table.check("kms sign by a user with kms:* (key policy)", "AccessDenied", found);
    let read = ["kms", "get-public-key", "--key-id", stack.output("KeyArn")?];
    table.check("kms get-public-key by that user", "allowed", operator.call(context, &read)?);
    Ok(())
}

/// The body of a token request.
fn claims() -> Value {
    json!({"claims": {"sub": "test-user"}})
}

/// A token that is valid for one second has expired.
const EXPIRY: Duration = Duration::from_millis(2100);
