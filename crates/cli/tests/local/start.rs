//! The start of `countersign local`: its refusals, its notices and its end.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use local::{Bytes, Request, http};
use serde_json::Value;
use testing::RecordingReader;

use crate::{ALIAS, BINARY, Local, TEMPLATE, command, run, to_text};

/// A folder that is removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = env::temp_dir().join(format!("countersign-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const START: [&str; 5] = ["local", "--port", "0", "--kms-port", "0"];

#[test]
fn parameters_that_cloudformation_refuses_are_refused() {
    let rows: [(&str, &[&str], &str); 7] = [
        (
            "a rule",
            &["KeySpec=ECC_NIST_P256"],
            "rule AlgorithmIsTheKeys: A key of this KeySpec does not support SigningAlgorithm",
        ),
        (
            "a pattern",
            &["KeyAlias=alias/aws/a"],
            "parameter KeyAlias must match the pattern ^(alias/(?!aws/)[a-zA-Z0-9/_-]{1,200})?$: alias/ and up to",
        ),
        (
            "an item of a list",
            &["KeyAdministrators=arn:aws:iam::111122223333:role/a,b"],
            "parameter KeyAdministrators must match the pattern",
        ),
        ("a number", &["RotationDays=3651"], "parameter RotationDays must be from 0 to 3650"),
        (
            "a member of Settings",
            &["Settings=KeyRefreshSeconds=9"],
            "parameter Settings must match the pattern",
        ),
        (
            "a stack of an earlier version",
            &["KeyAlias=alias/countersign"],
            "rule SettingsOfEarlierVersions: With KeyAlias, Settings must be none or a list",
        ),
        ("a choice", &["Verification=KMS"], "parameter Verification does not allow the value KMS"),
    ];
    for (name, parameters, expected) in rows {
        let arguments = [&START, &["--parameter-overrides"][..], parameters].concat();
        let output = run(&arguments, &[]);
        let message = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {message}");
        assert!(message.contains(expected), "{name}: {message}");
        assert_eq!(message.lines().count(), 1, "{name}: {message}");
    }
}

/// The standard output of a start with a state folder until it is complete, and of its end by SIGINT.
fn output_of_start(state: &str, more: &[&str]) -> String {
    let arguments = [&START, &["--state", state][..], more].concat();
    let mut child = command(&arguments, &[]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut output = String::new();
    for line in lines.by_ref() {
        output.extend([&line, "\n"]);
        if line.contains("Ctrl-C") {
            // It is the last line of the start.
            let id = child.id().to_string();
            assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        }
    }
    assert!(child.wait().unwrap().success());
    output
}

#[test]
fn a_ring_of_another_key_spec_is_noted() {
    let folder = Folder::new();
    let state = folder.path("state");
    let of_curve = ["--parameter-overrides", "KeySpec=ECC_NIST_P256", "SigningAlgorithm=ES256"];
    for start in ["first", "second"] {
        let output = output_of_start(&state, &of_curve);
        assert!(!output.contains("Note:"), "{start}: {output}");
    }
    let notice = "alias/countersign exists and its key has the KeySpec ECC_NIST_P256, not RSA_2048";
    let output = output_of_start(&state, &["--parameter-overrides", "KeySpec=RSA_2048"]);
    assert!(output.contains(&format!("Note: {notice}")), "{output}");
    // The functions cannot use the key: the note explains why.
    let of_rsa = ["--parameter-overrides", "KeySpec=RSA_2048", "SigningAlgorithm=PS256"];
    let output = run(&[&START, &["--state", &state][..], &of_rsa].concat(), &[]);
    let message = to_text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains("did not start") && message.contains(notice), "{message}");
}

#[test]
fn region_that_cannot_be_part_of_a_host_name_is_refused() {
    for region in ["", "-", "us-east-1-", "us east"] {
        let output = run(&[&START[..], &["--region", region]].concat(), &[]);
        let message = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{region}: {message}");
        assert!(message.contains("the Region must be a name such as us-east-1"), "{message}");
    }
}

/// A pipe without a writer: reading it waits.
fn pipe(file: &str) {
    assert!(Command::new("mkfifo").arg(file).status().unwrap().success());
}

#[test]
fn a_signal_ends_the_start_while_a_file_is_read() {
    let folder = Folder::new();
    let template = folder.path("template.yaml");
    pipe(&template);
    fs::create_dir(folder.path("state")).unwrap();
    pipe(&folder.path("state/kms.json"));
    let state = folder.path("state");
    let keys = folder.path("state/kms.json");
    let rows: [(&str, &[&str]); 2] = [
        (&template, &["--template", &template]),
        (&keys, &["--template", TEMPLATE, "--state", &state]),
    ];
    for (file, arguments) in rows {
        for signal in ["-INT", "-TERM"] {
            let mut command = Command::new(BINARY);
            command.args(START).args(arguments).env_clear().stdout(Stdio::null());
            let mut child = command.spawn().unwrap();
            // A pipe opens for writing when the command has opened it for reading.
            let _pipe = fs::File::options().write(true).open(file).unwrap();
            let id = child.id().to_string();
            assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
            let deadline = Instant::now() + Duration::from_secs(10);
            let status = loop {
                match child.try_wait().unwrap() {
                    None if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
                    status => break status,
                }
            };
            let _ = child.kill();
            assert_eq!(status.and_then(|status| status.code()), Some(0), "{signal} {arguments:?}");
        }
    }
}

#[tokio::test]
async fn other_host_names_are_refused() {
    let local = Local::start(&[]);
    for (service, address) in [("API", local.api), ("KMS", local.kms)] {
        let port = address.port();
        let rows = [
            (format!("localhost:{port}"), true),
            (format!("127.0.0.1:{port}"), true),
            (format!("attacker.example:{port}"), false),
            ("attacker.example".to_owned(), false),
        ];
        for (host, is_allowed) in rows {
            let request = Request::post("/.well-known/jwks.json")
                .method(if service == "API" { "GET" } else { "POST" })
                .header("x-amz-target", "TrentService.ListKeys")
                .header("host", &host);
            let response = http::send(address, request.body(Bytes::new()).unwrap()).await.unwrap();
            let expected = if is_allowed { 200 } else { 403 };
            assert_eq!(response.status(), expected, "{service} {host}");
            let body = to_text(response.body());
            assert_eq!(body.contains("Keys") || body.contains("\"keys\""), is_allowed, "{body}");
        }
    }
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
    let ports = ["--port", "--kms-port", "--oidc-port"];
    for flag in ports {
        let free = ports.iter().filter(|other| **other != flag).flat_map(|other| [*other, "0"]);
        let arguments: Vec<_> = ["local", flag, &port].into_iter().chain(free).collect();
        let output = run(&arguments, &[]);
        let message = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{message}");
        assert!(message.contains(&port) && message.contains(flag), "{message}");
    }
}

#[test]
fn oidc_provider_is_started_if_its_port_is_named() {
    let folder = Folder::new();
    let state = folder.path("state");
    for (arguments, expected) in [(&["--oidc-port", "0"][..], true), (&[], false)] {
        let output = output_of_start(&state, arguments);
        assert_eq!(output.contains("\nOIDC http://127.0.0.1:"), expected, "{output}");
    }
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
