//! The token endpoint for callers without IAM, behind API Gateway, with the real functions. Refused assertions are in
//! `attacks`.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use local::{Bytes, Request, Response, Stack, http};
use serde_json::{Value, json};

use crate::{SIGV4, TEMPLATE, attacks::Provider, log_lines, public_keys::Signer, with_parameters};

const CI: &str = "https://ci.example";
const API: &str = "https://api.example";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// A marker in each value that a request claims without proof.
const UNPROVEN: &str = "unproven-marker";

/// A stack with a token endpoint that trusts a CI system and a client, whose keys are in the settings.
struct Endpoint {
    stack: Stack,
    ci: Signer,
    client: Signer,
}

fn policy() -> Value {
    json!([
        {
            "caller": {"issuer": CI, "when": "claims.repository_id == '42' && claims.environment == 'production'"},
            "subject_from": "'ci:' + claims.repository_id",
            "audience": "https://orders.example",
            "scope": ["deploy", "read:*"],
            "claims_from": {"tenant": "claims.owner"},
            "max_lifetime": 600,
        },
        {"caller": {"issuer": "client-1"}, "scope": "orders:*"},
        {"caller": "arn:aws:iam::000000000000:user/orders", "subject": "*", "scope": "orders:read"},
        {"caller": "*", "subject": "test-user", "claims": "*"},
    ])
}

impl Endpoint {
    async fn start() -> Self {
        let (ci, client) = (Signer::new(), Signer::new());
        let trusted = json!([
            {"issuer": CI, "algorithms": "ES256", "jwks": {"keys": [ci.jwk(Some("ci"))]}},
            {
                "issuer": "client-1", "client": true, "algorithms": "ES256",
                "jwks": {"keys": [client.jwk(Some("client"))]},
            },
        ]);
        let stack = start(&trusted, &policy()).await.unwrap();
        Self { stack, ci, client }
    }

    /// The name of the issuer.
    fn issuer(&self) -> String {
        format!("http://{}", self.stack.gateway.address())
    }

    /// The claims of a job in production.
    fn job(&self) -> Value {
        json!({
            "iss": CI, "sub": "repo:acme/app", "aud": self.issuer(), "exp": now() + 300, "iat": now(),
            "jti": "job-1", "repository_id": "42", "environment": "production", "owner": "acme",
        })
    }

    fn job_with(&self, name: &str, value: Value) -> Value {
        let mut job = self.job();
        job[name] = value;
        job
    }

    /// The claims with which the client authenticates itself.
    fn credentials(&self) -> Value {
        json!({
            "iss": "client-1", "sub": "client-1", "aud": self.issuer(), "exp": now() + 60, "jti": "c-1",
        })
    }

    async fn grant(&self, parameters: &[(&str, &str)]) -> (Response<Bytes>, Value) {
        post(&self.stack, "/oauth2/token", parameters, &[]).await
    }

    async fn grant_credentials(&self, assertion: &str) -> (Response<Bytes>, Value) {
        let parameters = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion),
        ];
        self.grant(&parameters).await
    }
}

async fn start(trusted: &Value, policy: &Value) -> Result<Stack, local::StackError> {
    let settings = [
        ("TRUSTED_ISSUERS", &*trusted.to_string()),
        ("ISSUANCE_POLICY", &policy.to_string()),
        ("TOKEN_AUDIENCE", API),
    ];
    let options = with_parameters(&[("TokenEndpoint", "yes")], &settings);
    Stack::start(&fs::read_to_string(TEMPLATE).unwrap(), &options).await
}

async fn send(stack: &Stack, request: Request<Bytes>) -> (Response<Bytes>, Value) {
    let response = http::send(stack.gateway.address(), request).await.unwrap();
    let body = serde_json::from_slice(response.body()).unwrap_or_default();
    (response, body)
}

async fn get(stack: &Stack, path: &str) -> (Response<Bytes>, Value) {
    send(stack, Request::get(path).body(Bytes::new()).unwrap()).await
}

async fn post(
    stack: &Stack,
    path: &str,
    parameters: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> (Response<Bytes>, Value) {
    let form = form(parameters);
    let mut request = Request::post(path);
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(stack, request.body(form.into()).unwrap()).await
}

pub(crate) fn form(parameters: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            b' ' => "+".to_owned(),
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(byte).collect()
    };
    let pairs =
        parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn part(token: &Value, at: usize) -> Value {
    let part = token.as_str().unwrap().split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

type Parameters<'a> = Vec<(&'a str, &'a str)>;

#[tokio::test]
async fn assertion_of_a_trusted_issuer_becomes_a_token() {
    let endpoint = Endpoint::start().await;
    let assertion = endpoint.ci.token(Some("ci"), &endpoint.job());
    let calls = endpoint.stack.kms.calls();
    let (response, body) = endpoint
        .grant(&[
            ("grant_type", JWT_BEARER),
            ("assertion", &assertion),
            ("resource", "https://orders.example/"),
            ("resource", API),
            ("client_id", UNPROVEN),
        ])
        .await;
    assert_eq!(response.status(), 200, "{body}");
    assert_eq!(endpoint.stack.kms.calls(), calls + 1, "one signature");
    let headers = response.headers();
    let values =
        ["cache-control", "pragma", "content-type"].map(|name| headers[name].to_str().unwrap());
    assert_eq!(values, ["no-store", "no-cache", "application/json"]);
    let names: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "expires_in", "scope", "token_type"]);
    assert_eq!((&body["expires_in"], &body["token_type"]), (&json!(600), &json!("Bearer")));
    assert_eq!(body["scope"], "deploy", "the scopes that the rule names in full");
    let mut claims = part(&body["access_token"], 1);
    for name in ["iat", "exp", "jti"] {
        claims.as_object_mut().unwrap().remove(name);
    }
    let expected = json!({
        "iss": endpoint.issuer(), "sub": "ci:42", "aud": ["https://orders.example", API],
        "scope": "deploy", "tenant": "acme", "client_id": "ci:42",
    });
    assert_eq!(claims, expected);

    let whoami = Request::get("/whoami")
        .header("authorization", format!("Bearer {}", body["access_token"].as_str().unwrap()));
    let (response, claims) = send(&endpoint.stack, whoami.body(Bytes::new()).unwrap()).await;
    assert_eq!((response.status().as_u16(), &claims["sub"]), (200, &json!("ci:42")));

    // A scope that was asked for is not repeated.
    let parameters = [("grant_type", JWT_BEARER), ("assertion", &assertion), ("scope", "read:a")];
    let (_, body) = endpoint.grant(&parameters).await;
    assert_eq!((&body["scope"], &body["token_type"]), (&json!(null), &json!("Bearer")));

    let lines = log_lines(&endpoint.stack, "OAuthIssuer", 2).await;
    let line = lines.iter().find(|line| line["scope"] == "deploy").unwrap();
    assert_eq!(
        line["assertion"],
        json!({"issuer": CI, "subject": "repo:acme/app", "jti": "job-1"})
    );
    let members = ["outcome", "grant", "Grant", "sub"].map(|name| line[name].as_str().unwrap());
    assert_eq!(members, ["Issued", "jwt-bearer", "jwt-bearer", "ci:42"]);
    assert_eq!((&line["rule"], &line["Issued"]), (&json!(1), &json!(1)));
    assert!(lines.iter().all(|line| !line.to_string().contains(UNPROVEN)), "{lines:?}");
}

#[tokio::test]
async fn client_with_a_key_gets_a_token() {
    let endpoint = Endpoint::start().await;
    let credentials = endpoint.client.token(Some("client"), &endpoint.credentials());
    let parameters = |client_id: &'static str| {
        [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", credentials.as_str()),
            ("client_id", client_id),
            ("scope", "orders:read"),
        ]
    };
    let (response, body) = endpoint.grant(&parameters("client-1")).await;
    assert_eq!(response.status(), 200, "{body}");
    let claims = part(&body["access_token"], 1);
    let names = ["sub", "client_id", "aud", "scope"].map(|name| claims[name].as_str().unwrap());
    assert_eq!(names, ["client-1", "client-1", API, "orders:read"]);
    assert_eq!(body["expires_in"], 900);

    // A job's token that an authenticated client presents.
    let assertion = endpoint.ci.token(Some("ci"), &endpoint.job());
    let mut both = parameters("client-1").to_vec();
    both[0].1 = JWT_BEARER;
    both[4] = ("assertion", &assertion);
    let (_, body) = endpoint.grant(&both).await;
    let claims = part(&body["access_token"], 1);
    assert_eq!([&claims["sub"], &claims["client_id"]], ["ci:42", "client-1"]);

    let calls = endpoint.stack.kms.calls();
    let (response, body) = endpoint.grant(&parameters(UNPROVEN)).await;
    assert_eq!((response.status().as_u16(), &body["error"]), (400, &json!("invalid_client")));
    assert_eq!(endpoint.stack.kms.calls(), calls);
    let lines = log_lines(&endpoint.stack, "OAuthIssuer", 3).await;
    assert!(lines.iter().all(|line| !line.to_string().contains(UNPROVEN)), "{lines:?}");
}

/// The caller is authenticated by IAM, so the form has no proof.
#[tokio::test]
async fn caller_of_iam_gets_a_token_for_a_form() {
    let endpoint = Endpoint::start().await;
    let post = async |user: &str, parameters: &[(&str, &str)]| {
        let authorization = SIGV4.replace("tester", user);
        let headers = [("x-amz-date", "20261123T000000Z"), ("authorization", &authorization)];
        post(&endpoint.stack, "/token", parameters, &headers).await
    };
    let credentials = ("grant_type", "client_credentials");
    let (response, body) =
        post("orders", &[credentials, ("resource", "https://api.example/")]).await;
    assert_eq!(response.status(), 200, "{body}");
    let claims = part(&body["access_token"], 1);
    let arn = "arn:aws:iam::000000000000:user/orders";
    assert_eq!([&claims["sub"], &claims["client_id"], &claims["aud"]], [arn, arn, API]);
    assert_eq!((&body["scope"], &body["expires_in"]), (&json!("orders:read"), &json!(900)));

    let rows: Vec<(&str, Parameters<'_>, &str)> = vec![
        ("stranger", vec![credentials], "unauthorized_client"),
        ("orders", vec![credentials, ("scope", "admin")], "invalid_scope"),
        ("orders", vec![credentials, ("audience", "other")], "invalid_target"),
        ("orders", vec![credentials, ("client_secret", "x")], "invalid_request"),
        (
            "orders",
            vec![("grant_type", JWT_BEARER), ("assertion", "a.b.c")],
            "unsupported_grant_type",
        ),
        ("orders", vec![], "invalid_request"),
    ];
    let calls = endpoint.stack.kms.calls();
    for (user, parameters, error) in rows {
        let (response, body) = post(user, &parameters).await;
        assert_eq!(
            (response.status().as_u16(), &body["error"]),
            (400, &json!(error)),
            "{parameters:?}"
        );
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    assert_eq!(endpoint.stack.kms.calls(), calls);
}

/// The assertion is valid, and the policy decides. The log names the caller.
#[tokio::test]
async fn request_that_no_rule_grants_is_refused_and_the_log_says_who_asked() {
    let endpoint = Endpoint::start().await;
    let grant = async |claims: Value, more: &[(&str, &str)]| {
        let assertion = endpoint.ci.token(Some("ci"), &claims);
        let first = [("grant_type", JWT_BEARER), ("assertion", &*assertion)];
        endpoint.grant(&[&first, more].concat()).await
    };
    let rows: Vec<(Value, Parameters<'_>, &str)> = vec![
        (endpoint.job_with("repository_id", json!("43")), vec![], "unauthorized_client"),
        (endpoint.job_with("environment", json!("test")), vec![], "unauthorized_client"),
        (endpoint.job_with("owner", json!(null)), vec![], "unauthorized_client"),
        (endpoint.job(), vec![("scope", "deploy admin")], "invalid_scope"),
        (endpoint.job(), vec![("resource", "https://other.example")], "invalid_target"),
        (endpoint.job(), vec![("resource", "relative")], "invalid_target"),
        (endpoint.job(), vec![("expires_in", "601")], "unauthorized_client"),
        (endpoint.job(), vec![("expires_in", "3601")], "invalid_request"),
    ];
    let calls = endpoint.stack.kms.calls();
    for (claims, more, error) in &rows {
        let (response, body) = grant(claims.clone(), more).await;
        assert_eq!(
            (response.status().as_u16(), &body["error"]),
            (400, &json!(error)),
            "{more:?} {body}"
        );
    }
    assert_eq!(endpoint.stack.kms.calls(), calls);
    let lines = log_lines(&endpoint.stack, "OAuthIssuer", rows.len()).await;
    let denied: Vec<_> =
        lines.iter().filter(|line| line["Error"] == "unauthorized_client").collect();
    assert_eq!(denied.len(), 4, "{lines:?}");
    for line in denied {
        assert_eq!(line["assertion"]["subject"], "repo:acme/app", "{line}");
    }
    // A client is refused without a scope, because its rule has only patterns.
    let credentials = endpoint.client.token(Some("client"), &endpoint.credentials());
    let (_, body) = endpoint.grant_credentials(&credentials).await;
    assert_eq!(body["error"], "invalid_scope");
}

/// An operator sees which expression to correct.
#[tokio::test]
async fn rule_that_is_too_expensive_is_in_the_log() {
    let key = Signer::new();
    let trusted = json!([{"issuer": CI, "algorithms": "ES256", "jwks": {"keys": [key.jwk(None)]}}]);
    let when = "claims.groups.all(group, group in claims.allowed)";
    let policy = json!([{"caller": "invoke"}, {"caller": {"issuer": CI, "when": when}}]);
    let stack = start(&trusted, &policy).await.unwrap();
    let numbers = vec![1; 1500];
    let issuer = format!("http://{}", stack.gateway.address());
    let grant = async |groups: &[u32]| {
        let claims = json!({
            "iss": CI, "sub": "job", "aud": issuer, "exp": now() + 300, "groups": groups, "allowed": groups,
        });
        let assertion = key.token(None, &claims);
        let parameters = [("grant_type", JWT_BEARER), ("assertion", &*assertion)];
        post(&stack, "/oauth2/token", &parameters, &[]).await
    };
    let (response, body) = grant(&numbers).await;
    let reason = "the issuance policy does not grant the request: `when` of rule 2 is too expensive for the claims of \
                  the assertion, and was not evaluated";
    let expected = json!({"error": "unauthorized_client", "error_description": reason});
    assert_eq!((response.status().as_u16(), body), (400, expected));
    let lines = log_lines(&stack, "OAuthIssuer", 1).await;
    let line = &lines[0];
    assert_eq!((&line["reason"], &line["overBudget"]), (&json!(reason), &json!(true)), "{line}");
    assert_eq!(line["assertion"]["subject"], "job", "{line}");
    let (response, body) = grant(&numbers[..10]).await;
    assert_eq!(response.status(), 200, "{body}");
}

/// The subject is that of the issuer, who may let its users choose it.
#[tokio::test]
async fn hidden_characters_of_a_subject_are_escaped_in_the_log() {
    let endpoint = Endpoint::start().await;
    let subject = "repo:ad\u{200b}min\u{202e}\u{9b}x";
    let assertion = endpoint.ci.token(Some("ci"), &endpoint.job_with("sub", json!(subject)));
    let (response, body) =
        endpoint.grant(&[("grant_type", JWT_BEARER), ("assertion", &assertion)]).await;
    assert_eq!(response.status(), 200, "{body}");
    let lines = log_lines(&endpoint.stack, "OAuthIssuer", 1).await;
    assert_eq!(lines[0]["assertion"]["subject"], subject);
    let written = endpoint.stack.logs.recent();
    let escaped = r"repo:ad\u200bmin\u202e\u009bx";
    assert_eq!(written.iter().filter(|line| line.text.contains(escaped)).count(), 1, "{written:?}");
    assert!(written.iter().all(|line| !line.text.contains(['\u{200b}', '\u{202e}', '\u{9b}'])));
}

#[tokio::test]
async fn malformed_requests_are_refused_before_anything_is_verified() {
    let endpoint = Endpoint::start().await;
    let assertion = endpoint.ci.token(Some("ci"), &endpoint.job());
    let (grant, proof) = (("grant_type", JWT_BEARER), ("assertion", assertion.as_str()));
    let client = [("client_assertion", &*assertion), ("client_assertion_type", ASSERTION_TYPE)];
    let basic = ("authorization", "Basic dW5wcm92ZW4tbWFya2VyOmE=");
    let json_type = ("content-type", "application/json");
    let rows: Vec<(&str, Parameters<'_>, Parameters<'_>, &str)> = vec![
        ("/oauth2/token", vec![grant, proof], vec![json_type], "invalid_request"),
        ("/oauth2/token?scope=deploy", vec![grant, proof], vec![], "invalid_request"),
        ("/oauth2/token", vec![grant, grant, proof], vec![], "invalid_request"),
        (
            "/oauth2/token",
            vec![grant, proof, (UNPROVEN, "1"), (UNPROVEN, "2")],
            vec![],
            "invalid_request",
        ),
        (
            "/oauth2/token",
            vec![grant, proof, client[0], client[1], ("client_secret", "x")],
            vec![],
            "invalid_request",
        ),
        ("/oauth2/token", vec![grant, proof, client[0], client[1]], vec![basic], "invalid_request"),
        ("/oauth2/token", vec![grant, proof], vec![basic], "invalid_client"),
        (
            "/oauth2/token",
            vec![("grant_type", "client_credentials"), ("client_id", UNPROVEN)],
            vec![],
            "invalid_client",
        ),
        (
            "/oauth2/token",
            vec![("grant_type", EXCHANGE), ("subject_token", &assertion)],
            vec![],
            "unsupported_grant_type",
        ),
        ("/oauth2/token", vec![grant], vec![], "invalid_request"),
        ("/oauth2/token", vec![proof], vec![], "invalid_request"),
        (
            "/oauth2/authorize?response_type=code&redirect_uri=https://a.example",
            vec![],
            vec![],
            "unsupported_response_type",
        ),
    ];
    let calls = endpoint.stack.kms.calls();
    for (path, parameters, headers, error) in &rows {
        let is_header_refused = *headers == [basic] && *error == "invalid_client";
        let (response, body) = post(&endpoint.stack, path, parameters, headers).await;
        assert_eq!(
            (response.status().as_u16(), &body["error"]),
            (if is_header_refused { 401 } else { 400 }, &json!(error)),
            "{path} {parameters:?} {body}"
        );
        assert!(response.headers().get("location").is_none());
    }
    assert_eq!(endpoint.stack.kms.calls(), calls);
    let lines = log_lines(&endpoint.stack, "OAuthIssuer", rows.len()).await;
    assert!(lines.iter().all(|line| !line.to_string().contains(UNPROVEN)), "{lines:?}");
    let (response, _) = get(&endpoint.stack, "/oauth2/authorize?response_type=code").await;
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn metadata_describe_what_is_served() {
    let endpoint = Endpoint::start().await;
    let issuer = endpoint.issuer();
    let common = json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "authorization_endpoint": format!("{issuer}/oauth2/authorize"),
        "token_endpoint": format!("{issuer}/oauth2/token"),
        "grant_types_supported": [JWT_BEARER, "client_credentials"],
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "response_types_supported": [],
    });
    let (_, oauth) = get(&endpoint.stack, "/.well-known/oauth-authorization-server").await;
    assert_eq!(oauth, common);
    let (_, openid) = get(&endpoint.stack, "/.well-known/openid-configuration").await;
    for (name, value) in common.as_object().unwrap() {
        let expected =
            if name == "response_types_supported" { &json!(["id_token"]) } else { value };
        assert_eq!(&openid[name], expected, "{name}");
    }

    let key = Signer::new();
    let only_client = json!([{
        "issuer": "client-1", "client": true, "algorithms": "ES256", "jwks": {"keys": [key.jwk(None)]},
    }]);
    let stack = start(&only_client, &json!([])).await.unwrap();
    let (_, oauth) = get(&stack, "/.well-known/oauth-authorization-server").await;
    assert_eq!(oauth["grant_types_supported"], json!(["client_credentials"]));
    assert_eq!(oauth["token_endpoint_auth_methods_supported"], json!(["private_key_jwt"]));
}

/// The endpoint does not exist, even for a request with an IAM identity.
#[tokio::test]
async fn stack_without_the_endpoint_has_no_open_route() {
    let options = with_parameters(&[], &[]);
    let stack = Stack::start(&fs::read_to_string(TEMPLATE).unwrap(), &options).await.unwrap();
    assert!(!stack.functions.contains_key("OAuthIssuer"));
    let parameters = [("grant_type", JWT_BEARER), ("assertion", "a.b.c")];
    let (response, _) = post(&stack, "/oauth2/token", &parameters, &[]).await;
    assert_eq!(response.status(), 403, "API Gateway has no such route");
    let (response, _) = get(&stack, "/.well-known/oauth-authorization-server").await;
    assert_eq!(response.status(), 404);
    let (_, openid) = get(&stack, "/.well-known/openid-configuration").await;
    assert!(openid["issuer"].is_string() && openid["token_endpoint"].is_null(), "{openid}");
}

/// A caller that reaches a function in another way than through its routes gets nothing from it.
#[tokio::test]
async fn each_function_serves_its_own_routes_only() {
    let endpoint = Endpoint::start().await;
    let assertion = endpoint.ci.token(Some("ci"), &endpoint.job());
    let event = |path: &str, body: String, content_type: &str| {
        json!({
            "resource": path, "path": path, "httpMethod": "POST", "body": body,
            "headers": {"Content-Type": content_type},
            "requestContext": {
                "httpMethod": "POST", "identity": {"userArn": "arn:aws:iam::000000000000:user/orders"},
            },
        })
    };
    let grant = form(&[("grant_type", JWT_BEARER), ("assertion", &assertion)]);
    let (form_type, json_type) = ("application/x-www-form-urlencoded", "application/json");
    let claims = r#"{"claims":{"sub":"test-user"}}"#.to_owned();
    let rows = [
        ("Issuer", "/oauth2/token", grant.clone(), form_type, 404),
        ("OAuthIssuer", "/oauth2/token", grant, form_type, 200),
        ("Issuer", "/token", claims.clone(), json_type, 200),
        ("OAuthIssuer", "/token", claims, json_type, 404),
        ("OAuthIssuer", "/token", "grant_type=client_credentials".into(), form_type, 404),
        ("OAuthIssuer", "/.well-known/jwks.json", String::new(), json_type, 404),
    ];
    for (function, path, body, content_type, status) in rows {
        let event = event(path, body, content_type);
        let result = endpoint.stack.functions[function].invoke(&event).await.result.unwrap();
        assert_eq!(result["statusCode"], status, "{function} {path}: {result}");
    }
    let event = json!({"claims": {"sub": "test-user"}});
    let invoked = endpoint.stack.functions["OAuthIssuer"].invoke(&event).await.result;
    assert!(invoked.is_err(), "a direct invocation: {invoked:?}");
}

#[tokio::test]
async fn provider_that_is_down_is_a_fault_and_not_a_refusal() {
    let key = Signer::new();
    let provider = Provider::start(&[key.jwk(Some("ci"))]).await;
    let broken = Provider::start(&[]).await;
    let (down, empty) = (provider.url.clone(), broken.url.clone());
    let trusted = json!([
        {"issuer": down, "algorithms": "ES256"},
        {"issuer": empty, "algorithms": "ES256"},
    ]);
    let policy = json!([{"caller": {"issuer": down}, "subject": "job"}]);
    drop(provider);
    let stack = start(&trusted, &policy).await.unwrap();
    let issuer = format!("http://{}", stack.gateway.address());
    let calls = stack.kms.calls();
    for (from, cause) in [(&down, "IssuerUnreachable"), (&empty, "IssuerKeys")] {
        let claims = json!({"iss": from, "sub": "job", "aud": issuer, "exp": now() + 300});
        let assertion = key.token(Some("ci"), &claims);
        let parameters = [("grant_type", JWT_BEARER), ("assertion", &*assertion)];
        let (response, body) = post(&stack, "/oauth2/token", &parameters, &[]).await;
        assert_eq!(
            (response.status().as_u16(), &body["error"]),
            (503, &json!("temporarily_unavailable")),
            "{cause}"
        );
        assert_eq!(response.headers()["retry-after"], "5", "{cause}");
        let lines = log_lines(&stack, "OAuthIssuer", 1).await;
        let line = lines.iter().find(|line| line["Cause"] == cause);
        let line = line.unwrap_or_else(|| panic!("{cause}: {lines:?}"));
        assert_eq!((&line["outcome"], &line["Faults"]), (&json!("Fault"), &json!(1)));
    }
    assert_eq!(stack.kms.calls(), calls);
    let (response, _) = get(&stack, "/.well-known/jwks.json").await;
    assert_eq!(response.status(), 200, "the key set does not depend on providers");
}

#[tokio::test]
async fn invalid_trusted_issuers_stop_the_start() {
    let entry = |issuer: &str| json!({"issuer": issuer, "audience": API});
    let caller = |issuer: &str| json!({"caller": {"issuer": issuer, "when": "true"}});
    let rows = [
        ("no issuer", json!([]), json!([]), "TRUSTED_ISSUERS must have at least one issuer"),
        (
            "a rule for an issuer that is not trusted",
            json!([entry(CI)]),
            json!([caller("https://other.example")]),
            "ISSUANCE_POLICY rule 1: the issuer of `caller` is not in TRUSTED_ISSUERS",
        ),
        (
            "a rule without a restriction",
            json!([entry(CI)]),
            json!([{"caller": {"issuer": CI}}]),
            "ISSUANCE_POLICY rule 1: `caller` must have `when`",
        ),
        (
            "two issuers with the same subjects",
            json!([entry(CI), entry("https://other.example")]),
            json!([caller(CI), caller("https://other.example")]),
            "ISSUANCE_POLICY rules 1 and 2: their callers could give tokens the same `sub`",
        ),
    ];
    for (name, trusted, policy, expected) in rows {
        let error = start(&trusted, &policy).await.err().map(|error| error.to_string());
        let error = error.unwrap_or_else(|| panic!("{name}: the stack starts"));
        for function in ["Issuer", "OAuthIssuer"] {
            assert!(error.contains(&format!("{function} did not start")), "{name}: {error}");
        }
        assert!(error.contains(expected), "{name}: {error}");
    }
}
