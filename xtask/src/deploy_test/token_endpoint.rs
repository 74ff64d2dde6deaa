//! A stack with the token endpoint for OAuth clients, which trusts a CI system.

use serde_json::{Value, json};

use super::{
    conditions::texts,
    deployment::{Context, Deployment},
    http::{Request, Response},
    layer,
    observability::Observability,
    packages::Packages,
    provider::Provider,
    stack::Stack,
    steps::outcome,
    table::Table,
    token::Token,
};
use crate::error::Error;

/// The longest name that a stack can have with the token endpoint.
const NAME: &str = "oauth-a-name-a-name-a-name-a-name-a-name-a-name-a-n";
/// The `aud` of the tokens of jobs.
const AUDIENCE: &str = "https://api.example";
/// The repository whose jobs get tokens.
const REPOSITORY: &str = "7654321";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const FORM: &str = "application/x-www-form-urlencoded";
const TOKEN: &str = "/oauth2/token";
const METADATA: &str = "/.well-known/oauth-authorization-server";

/// Deploys the stack, checks its endpoint, and removes the endpoint again.
pub(super) fn check(
    context: &Context<'_>,
    packages: &Packages,
    table: &mut Table,
) -> Result<(), Error> {
    table.part("The token endpoint for OAuth clients, and a stack name of 51 characters");
    let provider = Provider::start(context.engine.folder())?;
    let (trusted, policy) = (trusted_issuers(&provider), issuance_policy(&provider));
    let files = [("trusted-issuers.json", &*trusted), ("issuance-policy.json", &*policy)];
    let with_endpoint = |value: &str| {
        let layer = layer::publish(context, NAME, &files)?;
        let deployment = Deployment::new(NAME).with("TokenEndpoint", value);
        Ok::<_, Error>(deployment.with("ConfigLayerArn", &layer))
    };
    let deployment = with_endpoint("yes")?;
    let deployed = deployment.run(context, packages)?;
    table.check("sam deploy, TokenEndpoint=yes", "done", outcome(&deployed));
    let Ok(outputs) = deployed else { return Ok(()) };
    let mut stack = Stack::new(context, &deployment, outputs);
    let endpoint = Endpoint { context, stack: &stack, provider: &provider };
    endpoint.function(table)?;
    endpoint.metadata(table)?;
    endpoint.grants(table)?;
    endpoint.refusals(table)?;
    let observability =
        Observability { of: &deployment, topic: "", rotates: false, token_endpoint: true };
    observability.check(context, packages, table)?;

    let deployed = with_endpoint("no")?.run(context, packages)?;
    table.check("sam deploy, TokenEndpoint=no", "done", outcome(&deployed));
    if let Ok(outputs) = deployed {
        stack.set_outputs(outputs);
    }
    Endpoint { context, stack: &stack, provider: &provider }.removed(table)
}

fn trusted_issuers(provider: &Provider) -> String {
    json!([{"issuer": provider.issuer(), "audience": AUDIENCE}]).to_string()
}

fn issuance_policy(provider: &Provider) -> String {
    let rule = json!({
        "caller": {
            "issuer": provider.issuer(),
            "when": format!("claims.repository_id == '{REPOSITORY}' && claims.environment == 'production'"),
        },
        "subject_from": "'ci:' + claims.repository_id",
        "scope": ["orders:read"],
    });
    let others = json!({"caller": "*", "subject": "*", "audience": "*", "scope": "*"});
    json!([rule, others]).to_string()
}

struct Endpoint<'a> {
    context: &'a Context<'a>,
    stack: &'a Stack<'a>,
    provider: &'a Provider,
}

impl Endpoint<'_> {
    /// `HasTokenEndpoint`: the function, and what its role allows.
    fn function(&self, table: &mut Table) -> Result<(), Error> {
        let aws = &self.context.aws;
        let name = function_name();
        let get = ["lambda", "get-function-configuration", "--function-name", &name];
        let function = aws.call(&get)?;
        let routes = texts(function.pointer("/Environment/Variables/ISSUER_ROUTES"));
        table.check("HasTokenEndpoint: ISSUER_ROUTES", "oauth2", routes);
        let get = ["lambda", "get-function-concurrency", "--function-name", &name];
        let concurrency = aws.call(&get)?.get("ReservedConcurrentExecutions").map(Value::to_string);
        table.check_unless(
            "its reserved concurrency",
            20,
            concurrency.unwrap_or_default(),
            ("", "CloudFormation reserves no concurrency"),
        );
        let url = format!("{}{TOKEN}", self.stack.output("ApiUrl")?);
        table.check("TokenEndpointUrl", url, self.stack.output("TokenEndpointUrl")?);
        Ok(())
    }

    fn metadata(&self, table: &mut Table) -> Result<(), Error> {
        let issuer = self.stack.output("TokenIssuer")?;
        for path in [METADATA, "/.well-known/openid-configuration"] {
            let response = self.stack.send(path, Request::default())?;
            let metadata: Value = serde_json::from_str(&response.body).unwrap_or_default();
            let found = texts(metadata.get("token_endpoint"));
            let expected = format!("200 {issuer}{TOKEN}");
            let row = format!("GET {path}: token_endpoint");
            table.check(row, expected, format!("{} {found}", response.status));
        }
        let response =
            self.stack.send("/oauth2/authorize?response_type=code", Request::default())?;
        let found = error(&response);
        table.check("GET /oauth2/authorize", "400 unsupported_response_type", found);
        Ok(())
    }

    /// Exchanges the token of a job. The function fetches the metadata and the keys of the provider.
    fn grants(&self, table: &mut Table) -> Result<(), Error> {
        let response = self.grant(&self.job_token(&[])?)?;
        table.check("POST /oauth2/token with the token of a job", 200, error(&response));
        let caching = response.header("cache-control").unwrap_or("none");
        table.check("its Cache-Control", "no-store", caching);
        let token = Token::from_response(&response.body);
        let subject = token.as_ref().and_then(|token| token.claim("sub"));
        let expected = format!("ci:{REPOSITORY}");
        table.check("sub of the token", expected, subject.unwrap_or_default());
        let keys = self.stack.send("/.well-known/jwks.json", Request::default())?;
        let keys: Value = serde_json::from_str(&keys.body).unwrap_or_default();
        let published = texts(keys.pointer("/keys/0/kid"));
        let kid = token.map_or_else(|| "no token".into(), |token| token.kid);
        table.check("its key, which is the published one", published, kid);
        let token = self.stack.new_token()?;
        let found = token.map_or_else(|status| status.to_string(), |_| "200".into());
        table.check("POST /token, signed", 200, found);
        Ok(())
    }

    fn refusals(&self, table: &mut Table) -> Result<(), Error> {
        let rows = [
            ("of another repository", [("repository_id", "7654322")], "400 unauthorized_client"),
            ("for another audience", [("aud", "https://other.example")], "400 invalid_grant"),
            ("of another issuer", [("iss", "https://other.example")], "400 invalid_grant"),
        ];
        for (what, claims, expected) in rows {
            let response = self.grant(&self.job_token(&claims)?)?;
            let row = format!("POST /oauth2/token with a token {what}");
            table.check(row, expected, error(&response));
        }
        let (job, other) = (self.job_token(&[])?, self.job_token(&[])?);
        let found = error(&self.grant(&with_signature_of(&job, &other))?);
        table.check("with the signature of another token", "400 invalid_grant", found);
        let body = Some(json!({"grant_type": GRANT, "assertion": self.job_token(&[])?}));
        let body = body.map(|body| body.to_string());
        let response = self.stack.send(TOKEN, Request { body, ..Request::default() })?;
        table.check("with JSON", "400 invalid_request", error(&response));
        let response = self.stack.request_token(None, &json!({"claims": {"sub": "test-user"}}))?;
        table.check("POST /token, not signed", 403, response.status);
        Ok(())
    }

    /// After an update to `TokenEndpoint=no`.
    fn removed(&self, table: &mut Table) -> Result<(), Error> {
        let response = self.grant(&self.job_token(&[])?)?;
        table.check("POST /oauth2/token", 403, response.status);
        let response = self.stack.send("/oauth2/authorize", Request::default())?;
        table.check("GET /oauth2/authorize", 403, response.status);
        let response = self.stack.send(METADATA, Request::default())?;
        table.check(format!("GET {METADATA}"), 404, response.status);
        let path = "/.well-known/openid-configuration";
        let response = self.stack.send(path, Request::default())?;
        let metadata: Value = serde_json::from_str(&response.body).unwrap_or_default();
        let found = texts(metadata.get("token_endpoint"));
        table.check(format!("GET {path}: token_endpoint"), "", found);
        let name = function_name();
        let get = ["lambda", "get-function-configuration", "--function-name", &name];
        let found = self.context.aws.call(&get);
        let found = match &found {
            Ok(_) => "there".into(),
            Err(error) => error.to_string(),
        };
        let expected = "ResourceNotFoundException";
        let found = if found.contains(expected) { expected } else { &*found };
        table.check("the function", expected, found);
        table.check("the ring", "A A A", self.stack.ring()?);
        Ok(())
    }

    /// The token of a job in production, with other claims.
    fn job_token(&self, claims: &[(&str, &str)]) -> Result<String, Error> {
        let of_job = [("aud", AUDIENCE), ("repository_id", REPOSITORY)];
        self.provider.job_token(&[&of_job[..], claims].concat())
    }

    fn grant(&self, assertion: &str) -> Result<Response, Error> {
        let body = Some(format!("grant_type={GRANT}&assertion={assertion}"));
        let request = Request { body, content_type: Some(FORM), ..Request::default() };
        self.stack.send(TOKEN, request)
    }
}

/// The token with the signature of another token.
fn with_signature_of(token: &str, other: &str) -> String {
    let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
    let signature = other.rsplit_once('.').map_or("", |(_, signature)| signature);
    format!("{signed}.{signature}")
}

fn function_name() -> String {
    format!("{NAME}-oauth-issuer")
}

/// The status, and the error code if there is one.
fn error(response: &Response) -> String {
    let body: Value = serde_json::from_str(&response.body).unwrap_or_default();
    format!("{} {}", response.status, texts(body.get("error"))).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest name of a function in Lambda.
    #[test]
    fn name_of_the_function_is_the_longest_one() {
        assert_eq!(function_name().len(), 64);
    }
}
