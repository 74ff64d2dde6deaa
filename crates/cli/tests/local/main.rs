//! `countersign local` and the other commands, run as a user runs them: the real binary, with the real
//! functions as its child processes, over HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod authorizers;
mod aws_server;
mod cloud;
mod confirmation;
mod cors;
mod credential_sources;
mod emulators;
mod events;
mod explain;
mod gateway;
mod http_api;
mod iam_simulator;
mod interop;
mod invalid_settings;
mod issuer;
mod key_policy;
mod keys;
mod kms_differences;
mod kms_faults;
mod log_audit;
mod monitoring;
mod network;
mod permissions;
mod planted_keys;
mod policy_cache;
mod principals;
mod profiles;
mod public_keys;
mod rest_api;
mod roles;
mod rotation;
mod start;
mod template;
mod tokens;
mod verifying;
mod websocket_api;

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jwt::{Jwk, PublicKey};
use local::{
    Bytes, Request, Stack, StackOptions, http,
    lambda::{Bootstrap, FunctionError},
    recording::recorder,
};
use serde_json::{Value, json};
use testing::RecordingReader;

const BINARY: &str = env!("CARGO_BIN_EXE_countersign");
const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
const ALIAS: &str = "alias/countersign";
/// A SigV4 header. The local API Gateway checks only its form.
const SIGV4: &str = concat!(
    "AWS4-HMAC-SHA256 Credential=tester/20261123/us-east-1/execute-api/aws4_request, ",
    "SignedHeaders=host;x-amz-date, ",
    "Signature=0000000000000000000000000000000000000000000000000000000000000000",
);

/// A `countersign local` that is stopped when it is dropped.
struct Local {
    child: Child,
    /// The threads that read its output until it ends.
    readers: Vec<JoinHandle<()>>,
    api: SocketAddr,
    kms: SocketAddr,
}

impl Local {
    fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with(&[], settings)
    }

    fn start_with(parameters: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut arguments = Vec::new();
        if !parameters.is_empty() {
            arguments.push("--parameter-overrides");
            arguments.extend(parameters);
        }
        Self::start_with_arguments(&arguments, settings)
    }

    fn start_with_arguments(more: &[&str], settings: &[(&str, &str)]) -> Self {
        let arguments = [&["local", "--port", "0", "--kms-port", "0"], more].concat();
        let mut command = command(&arguments, settings);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = RecordingReader::new("countersign-local", child.stderr.take().unwrap());
        let lines = RecordingReader::new("countersign-local", child.stdout.take().unwrap());
        let (errors, mut lines) = (BufReader::new(errors).lines(), BufReader::new(lines).lines());
        let mut address = |name: &str| {
            let line =
                lines.find(|line| line.as_ref().unwrap().starts_with(name)).unwrap().unwrap();
            let url = line.split_whitespace().nth(1).unwrap();
            url.strip_prefix("http://").unwrap().parse().unwrap()
        };
        let (api, kms) = (address("API"), address("KMS"));
        // The process would block once the buffer of a pipe is full.
        let readers = vec![
            thread::spawn(move || lines.for_each(drop)),
            thread::spawn(move || errors.for_each(drop)),
        ];
        Self { child, readers, api, kms }
    }

    async fn send(&self, request: Request<Bytes>) -> (u16, Value) {
        let response = http::send(self.api, request).await.unwrap();
        let body = serde_json::from_slice(response.body()).unwrap_or_default();
        (response.status().as_u16(), body)
    }

    async fn post_token(&self, body: &str) -> (u16, Value) {
        let request = Request::post("/token")
            .header("content-type", "application/json")
            .header("x-amz-date", "20261123T000000Z")
            .header("authorization", SIGV4);
        self.send(request.body(body.to_owned().into()).unwrap()).await
    }

    async fn token(&self) -> String {
        let (status, body) = self.post_token(r#"{"claims":{"sub":"test-user"}}"#).await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    async fn whoami(&self, authorization: &str) -> (u16, Value) {
        let request = Request::get("/whoami").header("authorization", authorization);
        self.send(request.body(Bytes::new()).unwrap()).await
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
    }
}

/// Options of a stack in this process, with these settings in place of the template's.
fn options(overrides: &[(&str, &str)]) -> StackOptions {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let bootstrap = Bootstrap { program: BINARY.into(), arguments: vec!["function".into()] };
    StackOptions { overrides: overrides.iter().map(own).collect(), ..StackOptions::new(bootstrap) }
}

/// The same with values for parameters of the template.
fn with_parameters(parameters: &[(&str, &str)], overrides: &[(&str, &str)]) -> StackOptions {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    StackOptions { parameters: parameters.iter().map(own).collect(), ..options(overrides) }
}

/// A token with these claims, from `POST /token`.
async fn token(stack: &Stack, claims: Value) -> String {
    token_for(stack, claims, 3600).await
}

/// The same with a lifetime in seconds.
async fn token_for(stack: &Stack, claims: Value, lifetime: u64) -> String {
    let request = Request::post("/token")
        .header("content-type", "application/json")
        .header("x-amz-date", "20261123T000000Z")
        .header("authorization", SIGV4)
        .body(json!({"claims": claims, "expires_in": lifetime}).to_string().into());
    let answer = http::send(stack.gateway.address(), request.unwrap()).await.unwrap();
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

/// The log of a function, once it has so many lines: they arrive shortly after the responses.
async fn log_lines(stack: &Stack, function: &str, lines: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let all = stack.logs.recent();
        let own = all.iter().filter(|line| line.function == function);
        let own: Vec<Value> =
            own.filter_map(|line| serde_json::from_str(&line.text).ok()).collect();
        if own.len() >= lines || Instant::now() > deadline {
            return own;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The binary with these settings as its whole environment.
fn command(arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).env_clear().envs(settings.iter().copied());
    command.envs(recorder().environment());
    if arguments.first() == Some(&"local") {
        command.args(["--template", TEMPLATE]);
    }
    command
}

fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    run_with_input(arguments, settings, b"")
}

/// Runs the binary with this on its standard input.
fn run_with_input(arguments: &[&str], settings: &[(&str, &str)], input: &[u8]) -> Output {
    testing::run(&mut command(arguments, settings), input).unwrap()
}

fn to_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The child processes of a process that are running.
fn children(of: u32) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let parent = format!("PPid:\t{of}\n");
    processes
        .filter(|path| {
            let status = fs::read_to_string(path.join("status")).unwrap_or_default();
            status.contains(&parent) && !status.contains("State:\tZ")
        })
        .collect()
}

#[test]
fn demo_with_closed_output_is_a_fault() {
    let mut child =
        command(&["demo"], &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), to_text(&output.stderr)), (Some(3), String::new()));
}

#[tokio::test]
async fn tokens_are_issued_and_requests_are_authorized() {
    let local = Local::start(&[]);
    let token = local.token().await;
    let (status, body) = local.whoami(&format!("bearer {token}")).await;
    assert_eq!((status, body["sub"].as_str()), (200, Some("test-user")), "{body}");

    let unauthorized = json!({"message": "Unauthorized"});
    for (name, authorization) in [
        ("no credentials", String::new()),
        ("another scheme", format!("Basic {token}")),
        ("not a token", "Bearer nonsense".into()),
        ("two tokens", format!("Bearer {token}, Bearer {token}")),
    ] {
        assert_eq!(local.whoami(&authorization).await, (401, unauthorized.clone()), "{name}");
    }

    // A parameter name that serde_json's `Value` treats as its own marker.
    let odd = Request::get("/whoami?$serde_json::private::RawValue=x");
    let odd = odd.header("authorization", &format!("Bearer {token}")).body(Bytes::new()).unwrap();
    assert_eq!(local.send(odd).await.0, 200);

    let bearer = format!("Bearer {token}");
    let twice = Request::get("/whoami").header("authorization", &bearer);
    let twice = twice.header("authorization", &bearer).body(Bytes::new()).unwrap();
    assert_eq!(local.send(twice).await, (401, unauthorized));

    // The gateway response that the template defines.
    let without_token = Request::get("/whoami").body(Bytes::new()).unwrap();
    let answer = http::send(local.api, without_token).await.unwrap();
    assert_eq!(answer.headers()["www-authenticate"], "Bearer");

    let huge = format!("Bearer {}", "A".repeat(100 * 1024));
    assert_eq!(local.whoami(&huge).await.0, 431);
    let (status, _) = local.whoami(&bearer).await;
    assert_eq!(status, 200, "the stack still responds");
}

#[tokio::test]
async fn new_token_is_verified_with_the_public_key() {
    let local = Local::start(&[]);
    let token = local.token().await;
    let request = Request::post("/").header("x-amz-target", "TrentService.GetPublicKey");
    let request = request.body(json!({"KeyId": ALIAS}).to_string().into()).unwrap();
    let answer = http::send(local.kms, request).await.unwrap();
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    let spki = STANDARD.decode(answer["PublicKey"].as_str().unwrap()).unwrap();
    let key = PublicKey::from_spki(&spki).unwrap();
    let id = answer["KeyId"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let jwk = Jwk { key, key_id: Some(id), algorithm: None };
    let file = env::temp_dir().join(format!("countersign-key-{}.json", std::process::id()));
    fs::write(&file, jwk.to_json().to_string()).unwrap();
    let name = file.display().to_string();
    let issuer = format!("http://{}", local.api);
    let rows: [(&str, &[&str], i32); 5] = [
        ("no options", &[], 0),
        ("the issuer of the token", &["--issuer", &*issuer], 0),
        ("another issuer", &["--issuer", "another"], 1),
        ("an audience that the token does not have", &["--audience", "a"], 1),
        ("another type", &["--token-type", "at+jwt"], 1),
    ];
    for (case, more, code) in rows {
        let output = run(&[&["verify", "--jwks", &*name], more, &[&*token]].concat(), &[]);
        assert_eq!(output.status.code(), Some(code), "{case}: {}", to_text(&output.stdout));
        assert_eq!(to_text(&output.stdout).contains("test-user"), code == 0, "{case}");
    }
    fs::remove_file(file).unwrap();
}

/// KMS signs at most 4096 bytes with an Ed25519 key, because it takes no digest of the message.
#[tokio::test]
async fn ed25519_key_replaces_the_current_key_and_refuses_long_claims() {
    let next = ["NextSigningAlgorithm=Ed25519"];
    let local = Local::start_with(&next, &[("KEY_REFRESH_SECONDS", "1")]);
    let kms = async |operation: &str, input: Value| {
        let request =
            Request::post("/").header("x-amz-target", format!("TrentService.{operation}"));
        let request = request.body(input.to_string().into()).unwrap();
        let answer = http::send(local.kms, request).await.unwrap();
        assert_eq!(answer.status(), 200, "{operation}");
        serde_json::from_slice::<Value>(answer.body()).unwrap_or_default()
    };
    let spec = json!({"KeySpec": "ECC_NIST_EDWARDS25519", "KeyUsage": "SIGN_VERIFY"});
    let key = kms("CreateKey", spec).await["KeyMetadata"]["KeyId"].clone();
    kms("UpdateAlias", json!({"AliasName": ALIAS, "TargetKeyId": key})).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let token = local.token().await;
    assert_eq!(local.whoami(&format!("Bearer {token}")).await.0, 200);
    let long = json!({"claims": {"a": "x".repeat(4000)}}).to_string();
    let (status, answer) = local.post_token(&long).await;
    assert_eq!((status, &answer["error"]), (413, &json!("invalid_request")), "{answer}");
}

#[tokio::test]
async fn invalid_token_requests_are_refused() {
    let local = Local::start(&[("TOKEN_LIFETIME_MAX_SECONDS", "7200")]);
    let rows = [
        ("not JSON", "claims", 400),
        ("claims that are not an object", r#"{"claims":[]}"#, 400),
        ("a request for exp", r#"{"claims":{"exp":1}}"#, 400),
        ("a lifetime over the maximum", r#"{"claims":{},"expires_in":7201}"#, 400),
        ("the maximum lifetime", r#"{"claims":{},"expires_in":7200}"#, 200),
    ];
    for (name, body, expected) in rows {
        let (status, answer) = local.post_token(body).await;
        assert_eq!(status, expected, "{name}: {answer}");
        let error = (expected == 400).then_some("invalid_request");
        assert_eq!(answer["error"].as_str(), error, "{name}");
    }
    let unsigned = Request::post("/token").body(r#"{"claims":{}}"#.into()).unwrap();
    let missing = json!({"message": "Missing Authentication Token"});
    assert_eq!(local.send(unsigned).await, (403, missing));
}

#[tokio::test]
async fn functions_end_with_the_command() {
    for signal in ["-INT", "-TERM", "-KILL"] {
        let mut local = Local::start(&[]);
        let functions = children(local.child.id());
        assert_eq!(functions.len(), 2);
        local.signal(signal);
        local.child.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while functions.iter().any(|function| {
            let status = fs::read_to_string(function.join("status")).unwrap_or_default();
            !status.is_empty() && !status.contains("State:\tZ")
        }) {
            assert!(Instant::now() < deadline, "{signal}: a function is still running");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[test]
fn port_in_use_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for (flag, other) in [("--port", "--kms-port"), ("--kms-port", "--port")] {
        let output = run(&["local", flag, &port, other, "0"], &[]);
        let message = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{message}");
        assert!(message.contains(&port) && message.contains(flag), "{message}");
    }
}

#[test]
fn all_invalid_settings_are_reported_at_once() {
    let settings = [
        ("KEY_ALIAS", "countersign alias"),
        ("TOKEN_ISSUER", ""),
        ("KEY_REFRESH_SECONDS", "never"),
        ("CLOCK_LEEWAY_SECONDS", "301"),
        ("TOKEN_LIFETIME_SECONDS", "0"),
    ];
    let output = run(&["local", "--port", "0", "--kms-port", "0"], &settings);
    let message = to_text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    // The first three are settings of both functions.
    for ((name, _), times) in settings.into_iter().zip([2, 2, 2, 1, 1]) {
        assert_eq!(message.matches(name).count(), times, "{name}: {message}");
    }
}

#[test]
fn function_without_settings_reports_each_missing_one() {
    let output = run(&["function", "authorizer"], &[]);
    let message = to_text(&output.stdout);
    assert!(!output.status.success());
    for name in ["KEY_ALIAS", "TOKEN_ISSUER", "AWS_REGION", "AWS_LAMBDA_RUNTIME_API"] {
        assert!(message.contains(name), "{name}: {message}");
    }
    // The alarm counts the failed start as a fault.
    let line: Value = serde_json::from_str(&message).unwrap();
    assert_eq!((&line["Faults"], &line["Cause"]), (&json!(1), &json!("Settings")));
    let metrics = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(metrics["Dimensions"], json!([[], ["Cause"]]));
}

#[test]
fn tokens_are_verified_with_public_keys_from_a_file() {
    type Row<'a> = (&'a str, &'a PathBuf, &'a [&'a str], &'a str, i32, &'a str);
    let folder = env::temp_dir().join(format!("countersign-verify-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let examples = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../jwt/tests/rfc.json")).unwrap();
    let examples: Value = serde_json::from_slice(&examples).unwrap();
    // RFC 7515 A.2: expired since 2011. RFC 7520 4.1: a payload that is not JSON.
    let (claims, prose) = (&examples[0], &examples[3]);
    let (key, set, other) = (folder.join("key"), folder.join("set"), folder.join("other"));
    fs::write(&key, claims["jwk"].to_string()).unwrap();
    fs::write(&set, json!({"keys": [prose["jwk"]]}).to_string()).unwrap();
    fs::write(&other, "{}").unwrap();
    let verify = |file: &PathBuf, more: &[&str], token: &str| {
        let file = file.display().to_string();
        let arguments = [&["verify", "--jwks", &*file], more, &["-"]].concat();
        let output = run_with_input(&arguments, &[], token.as_bytes());
        (output.status.code().unwrap(), to_text(&output.stdout))
    };
    let (expired, jws) = (claims["token"].as_str().unwrap(), prose["token"].as_str().unwrap());
    let (input, signature) = expired.rsplit_once('.').unwrap();
    let changed = format!("{input}.A{}", signature.strip_prefix(|_| true).unwrap());
    let signature_only: &[&str] = &["--signature-only"];
    let rows: [Row<'_>; 12] = [
        ("valid signature", &key, signature_only, expired, 0, "no claims were checked"),
        (
            "line end after the token",
            &key,
            signature_only,
            &format!("{expired}\n"),
            0,
            "no claims were checked",
        ),
        ("payload that is not JSON", &set, signature_only, jws, 0, "no claims were checked"),
        ("expired token", &key, &[], expired, 1, "expired"),
        ("expired token, JSON output", &key, &["--json"], expired, 1, r#""reason":"Expired""#),
        ("changed signature", &key, signature_only, &changed, 1, "invalid signature"),
        ("another key", &set, signature_only, expired, 1, "refused"),
        ("payload that is not JSON as a token", &set, &[], jws, 1, "malformed claims"),
        ("one word", &key, signature_only, "nonsense", 1, "not a signed token"),
        ("empty input", &key, signature_only, "", 1, "not a signed token"),
        ("file without keys", &other, signature_only, expired, 2, ""),
        ("missing file", &folder.join("none"), signature_only, expired, 2, ""),
    ];
    for (name, file, more, token, code, expected) in rows {
        let (status, answer) = verify(file, more, token);
        assert_eq!(status, code, "{name}: {answer}");
        assert!(answer.contains(expected), "{name}: {answer}");
    }
    assert_eq!(verify(&key, &["--signature-only", "--issuer", "x"], expired).0, 2);
    for (example, code) in examples.as_array().unwrap().iter().zip([0; 10]) {
        fs::write(&set, example["jwk"].to_string()).unwrap();
        let (status, answer) = verify(&set, signature_only, example["token"].as_str().unwrap());
        assert_eq!(status, code, "{}: {answer}", example["name"]);
    }
    let mut unsuitable = claims["jwk"].clone();
    unsuitable["use"] = "enc".into();
    fs::write(&set, unsuitable.to_string()).unwrap();
    assert_eq!(verify(&set, signature_only, expired).0, 3, "the only key cannot be used");
    unsuitable["d"] = "AAAA".into();
    fs::write(&set, unsuitable.to_string()).unwrap();
    assert_eq!(verify(&set, signature_only, expired).0, 2);

    // The exit code holds even if the output is closed.
    let file = key.display().to_string();
    let mut child = command(&["verify", "--jwks", &*file, "--signature-only", &*changed], &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), to_text(&output.stderr)), (Some(1), String::new()));

    // A surplus token is not repeated in the error message.
    let output = run(&["verify", "--jwks", &*file, expired, expired], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!to_text(&output.stderr).contains(expired));
    fs::remove_dir_all(folder).unwrap();
}

/// Events that are invoked directly, without the gateway.
#[tokio::test]
async fn functions_respond_to_sample_and_malformed_events() {
    let options = options(&[]);
    let stack = Stack::start(&fs::read_to_string(TEMPLATE).unwrap(), &options).await.unwrap();
    let invoke = async |function: &str, event: Value| {
        let FunctionError { error_type, message, .. } =
            match stack.functions[function].invoke(&event).await.result {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
        Err((error_type, message))
    };
    let event = |name: &str| {
        let file = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str::<Value>(&fs::read_to_string(file).unwrap()).unwrap()
    };

    let mut huge = event("authorize-no-credentials");
    huge["headers"]["Authorization"] = format!("Bearer {}", "A".repeat(100 * 1024)).into();
    let rows = [
        ("expired token", event("authorize-expired"), "Unauthorized"),
        ("no credentials", event("authorize-no-credentials"), "Unauthorized"),
        ("a 100 KB header", huge, "Unauthorized"),
        ("null", Value::Null, "Fault"),
        ("an event of the issuer", event("issue-post-token"), "Fault"),
        ("an array", json!([1]), "Fault"),
    ];
    for (name, event, expected) in rows {
        let (error_type, message) = invoke("Authorizer", event).await.unwrap_err();
        assert_eq!(error_type, expected, "{name}");
        assert_eq!(message == "Unauthorized", expected == "Unauthorized", "{name}: {message}");
    }

    let token = invoke("Issuer", event("issue-invoke")).await.unwrap();
    assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("Bearer"), &json!(900)));
    let response = invoke("Issuer", event("issue-post-token")).await.unwrap();
    assert_eq!(
        (&response["statusCode"], &response["headers"]["cache-control"]),
        (&json!(200), &json!("no-store"))
    );
    let (error_type, message) = invoke("Issuer", json!([1])).await.unwrap_err();
    assert_eq!(error_type, "invalid_request", "{message}");

    let token = token["access_token"].as_str().unwrap();
    let mut good = event("authorize-no-credentials");
    good["headers"]["authorization"] = format!("Bearer {token}").into();
    let policy = invoke("Authorizer", good).await.unwrap();
    let statement = &policy["policyDocument"]["Statement"][0];
    assert_eq!(
        statement["Resource"],
        json!(["arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1/*/*"])
    );
    for line in stack.logs.recent() {
        assert!(!line.text.contains(token.rsplit('.').next().unwrap()), "a token is in the log");
    }
}

/// The authorizer accepts a token that the AWS CLI has signed; the AWS CLI and `openssl` accept a token of
/// the issuer.
#[tokio::test]
async fn tokens_are_interchangeable_with_the_aws_cli_and_openssl() {
    let is_installed = ["aws", "openssl"].iter().all(|tool| {
        Command::new(tool)
            .arg(if *tool == "aws" { "--version" } else { "version" })
            .output()
            .is_ok()
    });
    if !is_installed {
        assert!(env::var_os("CI").is_none(), "the AWS CLI and openssl must be installed");
        eprintln!("SKIPPED: the AWS CLI or openssl is not installed");
        return;
    }
    let local = Local::start(&[("TOKEN_ISSUER", "my-lambda"), ("KEY_REFRESH_SECONDS", "1")]);
    let folder = env::temp_dir().join(format!("countersign-by-hand-{}", local.child.id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name).display().to_string();
    let aws = |arguments: &str| {
        let output = Command::new("aws")
            .arg("kms")
            .args(arguments.split(' '))
            .args(["--endpoint-url", &format!("http://{}", local.kms)])
            .args(["--region", "us-east-1", "--output", "text"])
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .output()
            .unwrap();
        (
            output.status.success(),
            to_text(&output.stdout).trim().to_owned() + &to_text(&output.stderr),
        )
    };
    let signing = "--message-type RAW --signing-algorithm RSASSA_PKCS1_V1_5_SHA_256";
    let sign = |key: &str, input: &str| {
        fs::write(file("input"), input).unwrap();
        let message = format!("--message fileb://{}", file("input"));
        let (good, signature) =
            aws(&format!("sign --key-id {key} {message} {signing} --query Signature"));
        assert!(good, "{signature}");
        signature.replace('+', "-").replace('/', "_").replace('=', "")
    };
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = part(r#"{"alg":"RS256","typ":"JWT"}"#);
    let input =
        format!("{header}.{}", part(r#"{"sub":"test-user","iss":"my-lambda","exp":1911744000}"#));

    let by_hand = format!("{input}.{}", sign(ALIAS, &input));
    let (status, body) = local.whoami(&format!("Bearer {by_hand}")).await;
    assert_eq!(
        (status, &body["sub"], &body["exp"]),
        (200, &json!("test-user"), &json!(1_911_744_000))
    );

    // openssl verifies a token of the issuer with the public key from KMS.
    let token = local.token().await;
    let (input, signature) = token.rsplit_once('.').unwrap();
    fs::write(file("input"), input).unwrap();
    fs::write(file("signature"), URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let (_, key) = aws(&format!("get-public-key --key-id {ALIAS} --query PublicKey"));
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n");
    fs::write(file("key.pem"), pem).unwrap();
    let openssl = || {
        let command = ["dgst", "-sha256", "-verify", &file("key.pem"), "-signature"];
        let mut openssl = Command::new("openssl");
        openssl.args(command).args([&file("signature"), &file("input")]).output().unwrap()
    };
    assert_eq!(to_text(&openssl().stdout).trim(), "Verified OK");
    let verify = format!(
        "verify --key-id {ALIAS} --message fileb://{} --signature fileb://{} {signing}",
        file("input"),
        file("signature")
    );
    let (good, answer) = aws(&verify);
    assert!(good && answer.contains("True"), "{answer}");
    fs::write(file("input"), format!("{input} ")).unwrap();
    assert!(!openssl().status.success());
    let (good, answer) = aws(&verify);
    assert!(!good && answer.contains("KMSInvalidSignatureException"), "{answer}");

    // Repointing all aliases of the ring makes the tokens of the old key invalid.
    let create = "create-key --key-spec RSA_2048 --key-usage SIGN_VERIFY --query KeyMetadata.KeyId";
    let (good, next) = aws(create);
    assert!(good, "{next}");
    for suffix in ["", "-next", "-previous"] {
        let update = format!("update-alias --alias-name {ALIAS}{suffix} --target-key-id {next}");
        assert!(aws(&update).0);
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let rotated = local.token().await;
    assert_eq!(local.whoami(&format!("Bearer {rotated}")).await.0, 200);
    assert_eq!(local.whoami(&format!("Bearer {token}")).await.0, 401);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn keys_are_restored_from_the_state_folder() {
    let folder = env::temp_dir().join(format!("countersign-state-{}", std::process::id()));
    let name = folder.display().to_string();
    let arguments = ["local", "--port", "0", "--kms-port", "0", "--state", &name];
    let key = || {
        let mut child = command(&arguments, &[]).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = RecordingReader::new("countersign-local", child.stdout.take().unwrap());
        output.read_exact(&mut [0; 1]).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        output.read_to_end(&mut Vec::new()).unwrap();
        let image = fs::read(folder.join("kms.json")).unwrap();
        let image: Value = serde_json::from_slice(&image).unwrap();
        assert_eq!(image["keys"].as_array().unwrap().len(), 1);
        image["aliases"][ALIAS]["key"].clone()
    };
    assert_eq!(key(), key());
    fs::remove_dir_all(folder).unwrap();
}
