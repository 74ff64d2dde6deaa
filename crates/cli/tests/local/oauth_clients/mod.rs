//! OAuth clients, as their authors publish them, get tokens of this issuer and call the API with them. Libraries for tokens
//! verify the result with the published keys.

mod stage_proxy;

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use local::{Stack, oidc_provider::OidcProvider};
use serde_json::{Value, json};
use stage_proxy::StageProxy;
use tokio::net::TcpListener;

use crate::{
    TEMPLATE,
    interop::{self, AUDIENCE, folder, is_installed, run_program},
    public_keys::Signer,
    to_text, with_parameters,
};

const ORDERS: &str = "https://orders.example";
const OTHER: &str = "https://other.example";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The access key of a user, which is its name for the local gateway.
const USER: &str = "orders";
const USER_ARN: &str = "arn:aws:iam::000000000000:user/orders";
const STAGE: &str = "/v1";

/// A client of interop/ with both grants of the token endpoint.
struct Client {
    program: &'static str,
    script: &'static str,
    /// The arguments of `program` with which it succeeds only if the packages are installed.
    check: &'static [&'static str],
    /// Whether it can send a parameter more than once.
    repeats_parameters: bool,
}

const CLIENTS: [Client; 3] = [
    Client {
        program: "node",
        script: "oauth4webapi.js",
        check: &["--input-type=module", "-e", "import 'oauth4webapi'; import 'jose'"],
        repeats_parameters: true,
    },
    Client {
        program: "node",
        script: "openid-client.js",
        check: &["--input-type=module", "-e", "import 'openid-client'; import 'jose'"],
        repeats_parameters: true,
    },
    AUTHLIB,
];

const AUTHLIB: Client = Client {
    program: "python3",
    script: "authlib_session.py",
    check: &["-c", "import authlib.integrations.requests_client, botocore, joserfc"],
    repeats_parameters: false,
};

const CURL: &str = "curl.sh";

impl Client {
    fn is_installed(&self) -> bool {
        is_installed(self.program, self.check)
    }

    /// The results of these cases.
    fn run(&self, cases: &[Case]) -> Vec<Value> {
        let requests: Vec<_> = cases.iter().map(|case| &case.request).collect();
        let input = serde_json::to_vec(&requests).unwrap();
        let output = run_program(self.program, &[self.script], &input);
        assert!(output.status.success(), "{}: {}", self.script, to_text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// A request of a client, in the form that its program reads.
struct Case {
    name: String,
    request: Value,
    expected: Expected,
}

enum Expected {
    /// A token for this subject, with this audience.
    Token(&'static str, Value),
    /// 400 with this `error`.
    Error(&'static str),
}

/// A stack with a token endpoint, a provider and a client that it trusts.
struct Api {
    issuer: String,
    provider: OidcProvider,
    /// A provider that the stack does not trust.
    impostor: OidcProvider,
    client: Signer,
    other_client: Signer,
    /// The libraries that verify the tokens.
    verifiers: Vec<interop::Client>,
    _stack: Stack,
    _proxy: Option<StageProxy>,
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

impl Api {
    /// Starts it at the root, or below a stage.
    async fn start(stage: Option<&'static str>) -> Self {
        let provider = OidcProvider::start(listen().await).unwrap();
        let impostor = OidcProvider::start(listen().await).unwrap();
        let (client, other_client) = (Signer::new(), Signer::new());
        let entry = |name: &str, key: &Signer| {
            json!({
                "issuer": name, "client": true, "algorithms": "ES256", "max_age_seconds": 300,
                "jwks": {"keys": [key.jwk(None)]},
            })
        };
        let trusted = json!([
            {"issuer": provider.issuer()},
            entry("partner", &client),
            entry("other-partner", &other_client),
        ]);
        let policy = json!([
            {
                "caller": {
                    "issuer": provider.issuer(),
                    "when": "claims.repository_id == '7654321' && claims.environment == 'production'",
                },
                "subject_from": "'github:' + claims.repository_id",
                "audience": ORDERS,
                "scope": ["deploy", "read"],
            },
            {"caller": {"issuer": "partner"}, "audience": ORDERS, "scope": ["deploy", "read"]},
            {"caller": USER_ARN, "subject": USER_ARN, "audience": ORDERS, "scope": ["deploy", "read"]},
        ]);
        let settings = [
            ("TRUSTED_ISSUERS", &*trusted.to_string()),
            ("ISSUANCE_POLICY", &policy.to_string()),
            ("TOKEN_AUDIENCE", AUDIENCE),
        ];
        let listener = listen().await;
        let with_stage =
            stage.map(|path| format!("http://{}{path}", listener.local_addr().unwrap()));
        let mut parameters = vec![("TokenEndpoint", "yes")];
        parameters.extend(with_stage.as_deref().map(|issuer| ("TokenIssuer", issuer)));
        let options = with_parameters(&parameters, &settings);
        let template = fs::read_to_string(TEMPLATE).unwrap();
        let stack = Stack::start(&template, &options).await.unwrap();
        let gateway = stack.gateway.address();
        let verifiers = interop::CLIENTS.into_iter().filter(|library| {
            ["pyjwt.py", "jose.js"].contains(&library.script) && library.is_installed()
        });
        Self {
            issuer: with_stage.unwrap_or_else(|| format!("http://{gateway}")),
            provider,
            impostor,
            client,
            other_client,
            verifiers: verifiers.collect(),
            _stack: stack,
            _proxy: stage.map(|stage| StageProxy::start(listener, stage, gateway)),
        }
    }

    fn token_endpoint(&self) -> String {
        format!("{}/oauth2/token", self.issuer)
    }

    /// A token of a job with these claims, for this issuer.
    fn job_with(&self, provider: &OidcProvider, claims: &Value) -> String {
        let mut all = json!({"iss": self.provider.issuer(), "aud": self.issuer});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        provider.token(all.as_object().unwrap().clone()).unwrap()
    }

    fn job(&self) -> String {
        self.job_with(&self.provider, &json!({}))
    }

    /// Assertions that are refused, and the errors.
    fn refused_assertions(&self) -> [(&'static str, String, &'static str); 4] {
        let expired = json!({"iat": now() - 310, "nbf": now() - 310, "exp": now() - 10});
        let own = &self.provider;
        [
            ("wrong audience", self.job_with(own, &json!({"aud": OTHER})), "invalid_grant"),
            ("expired", self.job_with(own, &expired), "invalid_grant"),
            ("key of another issuer", self.job_with(&self.impostor, &json!({})), "invalid_grant"),
            (
                "no rule",
                self.job_with(own, &json!({"environment": "staging"})),
                "unauthorized_client",
            ),
        ]
    }

    fn request(&self, discovery: &str, grant_type: &str, parameters: &[(&str, &str)]) -> Value {
        json!({
            "issuer": self.issuer, "discovery": discovery, "grant_type": grant_type,
            "client_id": "partner", "key": self.client.private_pem(), "parameters": parameters,
        })
    }

    /// The requests of a client that gets tokens after this kind of discovery.
    fn granted(&self, client: &Client, discovery: &str, job: &str) -> [Case; 2] {
        // The slash is that of `new URL`.
        let mut parameters = vec![("scope", "deploy"), ("resource", "https://api.example/")];
        let mut audience = json!(AUDIENCE);
        if client.repeats_parameters {
            parameters.push(("resource", "https://orders.example/"));
            audience = json!([AUDIENCE, ORDERS]);
        }
        let with_assertion = [&parameters[..], &[("assertion", job)]].concat();
        [
            Case {
                name: format!("{discovery} jwt-bearer"),
                request: self.request(discovery, JWT_BEARER, &with_assertion),
                expected: Expected::Token("github:7654321", audience.clone()),
            },
            Case {
                name: format!("{discovery} client_credentials"),
                request: self.request(discovery, "client_credentials", &parameters),
                expected: Expected::Token("partner", audience),
            },
        ]
    }

    fn refused(&self, discovery: &str) -> Vec<Case> {
        let jwt_bearer = |name: &str, job: &str, scope: &str, error: &'static str| Case {
            name: format!("jwt-bearer: {name}"),
            request: self.request(discovery, JWT_BEARER, &[("assertion", job), ("scope", scope)]),
            expected: Expected::Error(error),
        };
        let credentials = |name: &str, changes: Value, scope: &str, error: &'static str| {
            let mut request = self.request(discovery, "client_credentials", &[("scope", scope)]);
            request.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            Case {
                name: format!("client_credentials: {name}"),
                request,
                expected: Expected::Error(error),
            }
        };
        let mut cases: Vec<_> = self
            .refused_assertions()
            .iter()
            .map(|(name, job, error)| jwt_bearer(name, job, "deploy", error))
            .collect();
        let expired = json!({"claims": {"iat": now() - 70, "nbf": now() - 70, "exp": now() - 10}});
        cases.extend([
            jwt_bearer("scope", &self.job(), "admin", "invalid_scope"),
            credentials(
                "wrong audience",
                json!({"claims": {"aud": OTHER}}),
                "deploy",
                "invalid_client",
            ),
            credentials(
                "token endpoint as audience",
                json!({"claims": {"aud": self.token_endpoint()}}),
                "deploy",
                "invalid_client",
            ),
            credentials(
                "key of another client",
                json!({"key": self.other_client.private_pem()}),
                "deploy",
                "invalid_client",
            ),
            credentials("expired", expired, "deploy", "invalid_client"),
            credentials("scope", json!({}), "admin", "invalid_scope"),
        ]);
        cases
    }

    /// The requests of a user for `POST /token`.
    fn signed(&self) -> [Case; 3] {
        let resource = |value| ("resource", value);
        let with_slash = resource("https://api.example/");
        let rows = [
            ("sigv4", ("scope", "deploy"), with_slash, Expected::Token(USER_ARN, json!(AUDIENCE))),
            ("sigv4: scope", ("scope", "admin"), with_slash, Expected::Error("invalid_scope")),
            (
                "sigv4: resource",
                ("scope", "deploy"),
                resource(OTHER),
                Expected::Error("invalid_target"),
            ),
        ];
        rows.map(|(name, scope, resource, expected)| {
            let request = json!({
                "issuer": self.issuer, "grant_type": "client_credentials", "sigv4": [USER, "secret"],
                "parameters": [scope, resource],
            });
            Case { name: name.into(), request, expected }
        })
    }

    /// The problem with a result, without the token.
    fn problem(&self, expected: &Expected, result: &Value) -> Option<String> {
        let (body, whoami) = (&result["body"], &result["whoami"]);
        let expected = match expected {
            Expected::Error(error) => json!({"status": 400, "error": error}),
            Expected::Token(subject, audience) => json!({
                "status": 200, "token_type": "bearer", "expires_in": 900,
                "claims": [self.issuer, subject, audience, "deploy"],
                "whoami": [self.issuer, subject, "deploy"],
            }),
        };
        let mut found = json!({"status": result["status"]});
        if let Some(token) = body["access_token"].as_str() {
            let claims = claims(token).unwrap_or_default();
            // RFC 6749 section 5.1: the value is case-insensitive.
            found["token_type"] = body["token_type"].as_str().map(str::to_lowercase).into();
            found["expires_in"] = body["expires_in"].clone();
            found["claims"] = json!(["iss", "sub", "aud", "scope"].map(|name| &claims[name]));
            found["whoami"] = json!(["iss", "sub", "scope"].map(|name| &whoami[name]));
        } else {
            found["error"] = body["error"].clone();
        }
        (found != expected).then(|| format!("expected {expected}, got {found}"))
    }

    /// Compares a result with what is expected, and the verifiers' opinion of the token.
    fn check(&self, expected: &Expected, result: &Value) -> Option<String> {
        if let Some(problem) = self.problem(expected, result) {
            return Some(problem);
        }
        let Expected::Token(subject, _) = expected else { return None };
        let token = result["body"]["access_token"].as_str().unwrap();
        let verifiers = self.verifiers.iter();
        let rejecting = verifiers.filter(|library| !library.accepts(&self.issuer, subject, token));
        let rejecting: Vec<_> = rejecting.map(|library| library.script).collect();
        (!rejecting.is_empty()).then(|| format!("rejected by {rejecting:?}"))
    }
}

/// Runs curl's program with these arguments.
fn curl(arguments: &[&str], input: &str) -> Value {
    let arguments = [&[CURL], arguments].concat();
    let output = run_program("sh", &arguments, input.as_bytes());
    assert!(output.status.success(), "{arguments:?}: {}", to_text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims(token: &str) -> Option<Value> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// The kinds of discovery that lead to the metadata. RFC 8414 puts its path in front of that of the issuer, where API
/// Gateway has no stage, so below a stage a client needs the URL of the metadata.
const fn discoveries(stage: Option<&str>) -> [&'static str; 2] {
    if stage.is_none() { ["oauth2", "oidc"] } else { ["location", "oidc"] }
}

async fn problems_of_clients(stage: Option<&'static str>) -> Vec<String> {
    let api = Api::start(stage).await;
    let mut problems = Vec::new();
    for client in CLIENTS.iter().filter(|client| client.is_installed()) {
        // The issuer and the token endpoint are both audiences of the grant.
        let jobs = [api.job(), api.job_with(&api.provider, &json!({"aud": api.token_endpoint()}))];
        let granted = discoveries(stage).into_iter().zip(&jobs);
        let mut cases: Vec<_> =
            granted.flat_map(|(discovery, job)| api.granted(client, discovery, job)).collect();
        cases.extend(api.refused("oidc"));
        let results = client.run(&cases);
        assert_eq!(results.len(), cases.len(), "{}", client.script);
        for (case, result) in cases.iter().zip(&results) {
            let problem = api.check(&case.expected, result);
            problems.extend(
                problem.map(|problem| format!("{} {}: {problem}", client.script, case.name)),
            );
        }
    }
    problems
}

async fn problems_of_curl(stage: Option<&'static str>) -> Vec<String> {
    let api = Api::start(stage).await;
    let metadata = ["openid-configuration", "oauth-authorization-server"]
        .map(|name| format!("{}/.well-known/{name}", api.issuer));
    let mut rows = Vec::new();
    for url in &metadata {
        let expected = Expected::Token("github:7654321", json!([AUDIENCE, ORDERS]));
        let result = curl(
            &[
                "jwt-bearer",
                url,
                "scope=deploy",
                "resource=https://api.example/",
                "resource=https://orders.example",
            ],
            &api.job(),
        );
        rows.push((url.clone(), expected, result));
    }
    for (name, job, error) in api.refused_assertions() {
        let result = curl(&["jwt-bearer", &metadata[0]], &job);
        rows.push((name.into(), Expected::Error(error), result));
    }
    let credentials = format!("{USER}:secret");
    for Case { name, request, expected } in api.signed() {
        let parameters = request["parameters"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let parameters: Vec<_> =
            parameters.map(|pair| format!("{}={}", text(&pair[0]), text(&pair[1]))).collect();
        let parameters: Vec<_> = parameters.iter().map(String::as_str).collect();
        let arguments = [&["sigv4", &api.issuer, &credentials][..], &parameters].concat();
        let result = curl(&arguments, "");
        rows.push((name, expected, result));
    }
    let problems = rows.iter().filter_map(|(name, expected, result)| {
        api.check(expected, result).map(|problem| format!("{CURL} {name}: {problem}"))
    });
    problems.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn client_libraries_get_tokens_and_errors() {
    for stage in [None, Some(STAGE)] {
        let problems = problems_of_clients(stage).await;
        assert!(problems.is_empty(), "{stage:?}:\n{}", problems.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_tokens_and_errors() {
    // The program reads JSON with Python.
    let needed =
        [("curl", &["--aws-sigv4", "aws:amz", "--version"][..]), ("python3", &["--version"])];
    if !needed.iter().all(|(program, arguments)| is_installed(program, arguments)) {
        return;
    }
    for stage in [None, Some(STAGE)] {
        let problems = problems_of_curl(stage).await;
        assert!(problems.is_empty(), "{stage:?}:\n{}", problems.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_gets_tokens_with_a_signature_of_iam() {
    if !AUTHLIB.is_installed() {
        return;
    }
    for stage in [None, Some(STAGE)] {
        let api = Api::start(stage).await;
        let cases = api.signed();
        for (case, result) in cases.iter().zip(AUTHLIB.run(&cases)) {
            let problem = api.check(&case.expected, &result);
            assert_eq!(problem, None, "{stage:?} {}", case.name);
        }
    }
}

#[test]
fn documentation_names_each_client() {
    let page = folder().join("../docs/src/tokens-without-secrets.md");
    let page = fs::read_to_string(page).unwrap();
    for script in CLIENTS.iter().map(|client| client.script).chain([CURL]) {
        assert!(folder().join(script).is_file(), "{script} does not exist");
        let link = format!("](../../interop/{script})");
        assert!(page.contains(&link), "tokens-without-secrets.md does not name {script}");
    }
}
