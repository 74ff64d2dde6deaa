//! `countersign local` and the other commands, run as a user runs them: the real binary, with the real
//! functions as its child processes, over HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod attacks;
mod authorizers;
mod aws_server;
mod check;
mod cloud;
mod configuration_files;
mod confirmation;
mod cors;
mod credential_sources;
mod demo_api;
mod emulators;
mod events;
mod explain;
mod gateway;
mod http_api;
mod iam_simulator;
mod interchange;
mod interop;
mod invalid_settings;
mod issuance;
mod issuer;
mod key_policy;
mod keys;
mod kms_differences;
mod kms_faults;
mod log_audit;
mod monitoring;
mod network;
mod oauth_clients;
mod permissions;
mod planted_keys;
mod policy_cache;
mod principals;
mod profiles;
mod public_keys;
mod rest_api;
mod revoke;
mod roles;
mod rotation;
mod stack;
mod start;
mod template;
mod token_endpoint;
mod tokens;
mod verifying;
mod websocket_api;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Output, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use local::{Bytes, Request, Stack, StackOptions, http, lambda::Bootstrap, recording::recorder};
use serde_json::{Value, json};
use testing::RecordingReader;

const BINARY: &str = env!("CARGO_BIN_EXE_countersign");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/demo.yaml");
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
    StackOptions {
        folder: ROOT.into(),
        overrides: overrides.iter().map(own).collect(),
        ..StackOptions::new(bootstrap)
    }
}

/// The same with values for parameters of the template.
fn with_parameters(parameters: &[(&str, &str)], overrides: &[(&str, &str)]) -> StackOptions {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    StackOptions { parameters: parameters.iter().map(own).collect(), ..options(overrides) }
}

/// The template of the stack with the method of `deploy/demo.yaml` at these paths.
fn template_with_paths(paths: &[&str]) -> String {
    let demo = fs::read_to_string(DEMO).unwrap();
    let (_, methods) = demo.split_once("          /whoami:\n").unwrap();
    let (methods, _) = methods.split_once("\nOutputs:").unwrap();
    let methods = methods.replace(r#"!Sub "'${AllowedOrigin}'""#, r#""'*'""#);
    let paths = paths.iter().map(|path| format!("          {path}:\n{methods}\n"));
    let (start, end) = ("        paths:\n", fs::read_to_string(TEMPLATE).unwrap());
    end.replacen(start, &format!("{start}{}", paths.collect::<String>()), 1)
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
    testing::run_recorded(&mut command(arguments, settings), input).unwrap()
}

fn to_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
