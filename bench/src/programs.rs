//! The programs to compare: minimal programs (floors), the functions and peers.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    functions,
    lambda_host::Program,
    server::ServerAddress,
    testbed::{self, Testbed},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgramKind {
    /// A minimal program that does only the unavoidable work.
    Floor,
    /// A function of this build.
    Ours,
    /// Another build of the functions.
    Before,
    /// A comparable program of other authors or with other libraries.
    Peer,
}

/// The input of the invocations of a program.
#[derive(Debug)]
enum Input {
    /// Requests for tokens.
    Issue,
    /// Requests with different tokens.
    Tokens,
    /// Requests with the same token.
    OneToken,
    /// These events.
    Events(Vec<Vec<u8>>),
}

/// A program to measure, with its settings.
pub struct MeasuredProgram {
    pub name: String,
    pub kind: ProgramKind,
    /// The name of the floor for the comparison of warm responses.
    pub floor: &'static str,
    pub program: Program,
    /// The number of invocations before warm responses are measured.
    pub warm_up: usize,
    input: Input,
}

impl MeasuredProgram {
    /// The event of the n-th invocation.
    pub fn input(&self, requests: &[Vec<u8>], n: usize) -> Vec<u8> {
        match &self.input {
            Input::Issue => testbed::ISSUE.to_vec(),
            Input::Tokens => requests[n % requests.len()].clone(),
            Input::OneToken => requests[0].clone(),
            Input::Events(events) => events[n % events.len()].clone(),
        }
    }

    /// With separate events, of which the first `warm_up` are sent before warm responses are measured.
    pub fn with_events(self, events: Vec<Vec<u8>>, warm_up: usize) -> Self {
        Self { input: Input::Events(events), warm_up, ..self }
    }
}

/// All programs, in the order of the table. `before` is the directory of another build.
pub fn all(
    testbed: &Testbed,
    with_peers: bool,
    before: Option<&Path>,
) -> io::Result<Vec<MeasuredProgram>> {
    let mut all = floors(testbed);
    all.extend(functions(testbed, ProgramKind::Ours, &functions::directory())?);
    if let Some(directory) = before {
        all.extend(functions(testbed, ProgramKind::Before, directory)?);
    }
    if with_peers {
        all.extend(rust(testbed));
        all.extend(node(testbed));
        all.extend(python(testbed));
    }
    Ok(all)
}

pub type EnvVariable<'a> = (&'a str, &'a str);

/// A program, the name of its row, its floor, its KMS endpoint, and additional settings.
pub type ProgramRow<'a> =
    (&'a str, &'a str, &'static str, &'a ServerAddress, &'a [EnvVariable<'a>]);

/// The programs of these rows. `command` is the command line of a program by its name.
pub fn measured_programs(
    testbed: &Testbed,
    kind: ProgramKind,
    rows: &[ProgramRow],
    command: impl Fn(&str) -> Vec<String>,
) -> Vec<MeasuredProgram> {
    let measured = |&(program, name, floor, endpoint, settings): &ProgramRow| {
        let mut environment = testbed.environment(endpoint);
        if matches!(kind, ProgramKind::Floor | ProgramKind::Peer) {
            environment.extend(testbed.peer_environment(endpoint));
        }
        environment.extend(settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let mut arguments = command(program);
        let path = PathBuf::from(arguments.remove(0));
        let input = if settings.contains(&SIGN) || program == "issuer" {
            Input::Issue
        } else if settings.contains(&CACHED) {
            Input::OneToken
        } else {
            Input::Tokens
        };
        let program = Program { path, arguments, environment };
        let name = if kind == ProgramKind::Before { before(name) } else { name.to_owned() };
        MeasuredProgram { name, kind, floor, program, warm_up: WARM_UP, input }
    };
    rows.iter().map(measured).collect()
}

/// The name of the row of another build that corresponds to this row.
pub fn before(name: &str) -> String {
    format!("before: {name}")
}

fn floors(testbed: &Testbed) -> Vec<MeasuredProgram> {
    let (kms, slow) = (&testbed.immediate, &testbed.delayed);
    let rows: &[ProgramRow] = &[
        ("echo", "echo", "echo", &kms.http, &[]),
        ("kms", "kms", "kms", &kms.http, &[VERIFY]),
        ("tls", "tls", "tls", &kms.https, &[VERIFY]),
        ("tls", SLOW_TLS, SLOW_TLS, &slow.https, &[VERIFY]),
        ("rsa", "rsa", "rsa", &kms.http, &[]),
        ("kms", "sign", "sign", &kms.http, &[SIGN]),
        ("kms", SLOW_SIGN, SLOW_SIGN, &slow.http, &[SIGN]),
    ];
    measured_programs(testbed, ProgramKind::Floor, rows, |program| {
        vec![format!("target/release/{program}")]
    })
}

fn functions(
    testbed: &Testbed,
    kind: ProgramKind,
    directory: &Path,
) -> io::Result<Vec<MeasuredProgram>> {
    let (kms, slow) = (&testbed.immediate, &testbed.delayed);
    let rows: &[ProgramRow] = &[
        ("authorizer", "authorizer, kms, HTTP", "kms", &kms.http, &[]),
        ("authorizer", "authorizer, kms, HTTPS", "tls", &kms.https, &[]),
        ("authorizer", "authorizer, kms, HTTPS, KMS of 4 ms", SLOW_TLS, &slow.https, &[]),
        ("authorizer", REPEATED, "rsa", &slow.https, &[CACHED]),
        ("authorizer", "authorizer, local, HTTP", "rsa", &kms.http, &[LOCAL]),
        ("authorizer", "authorizer, local, HTTPS", "rsa", &kms.https, &[LOCAL]),
        ("issuer", "issuer, HTTP", "sign", &kms.http, &[]),
        ("issuer", "issuer, HTTPS", "sign", &kms.https, &[]),
        ("issuer", "issuer, HTTPS, KMS of 4 ms", SLOW_SIGN, &slow.https, &[]),
    ];
    let authorizer = functions::find(directory, "authorizer")?;
    let issuer = functions::find(directory, "issuer")?;
    Ok(measured_programs(testbed, kind, rows, |program| {
        let path = if program == "issuer" { &issuer } else { &authorizer };
        vec![path.to_string_lossy().into_owned()]
    }))
}

fn rust(testbed: &Testbed) -> Vec<MeasuredProgram> {
    let (kms, slow) = (&testbed.immediate, &testbed.delayed);
    let rows: &[ProgramRow] = &[
        ("sdk", "Rust, SDK defaults, verify, HTTP", "kms", &kms.http, &[]),
        ("sdk", "Rust, SDK defaults, verify, HTTPS", "tls", &kms.https, &[]),
        ("sdk", "Rust, SDK defaults, verify, HTTPS, KMS of 4 ms", SLOW_TLS, &slow.https, &[]),
        ("sdk", "Rust, SDK defaults, sign, HTTP", "sign", &kms.http, &[SIGN]),
        ("jsonwebtoken", "Rust, jsonwebtoken", "rsa", &kms.http, &[]),
        ("jwks", "Rust, jsonwebtoken + JWKS, HTTPS", "rsa", &kms.https, &[]),
    ];
    let without_jitter: &[ProgramRow] = &[
        ("sdk", NO_JITTER, "tls", &kms.https, &[]),
        ("sdk", NO_JITTER_SLOW, SLOW_TLS, &slow.https, &[]),
        ("jwks", NO_JITTER_JWKS, "rsa", &kms.https, &[]),
    ];
    let build = |rows, target: &str| {
        measured_programs(testbed, ProgramKind::Peer, rows, |program| {
            vec![format!("target/{target}/lambda/{program}/bootstrap")]
        })
    };
    let mut all = build(rows, "peers");
    all.extend(build(without_jitter, "peers-without-jitter"));
    all
}

fn node(testbed: &Testbed) -> Vec<MeasuredProgram> {
    let Some(node) = installed("node", "target/node/node_modules") else { return Vec::new() };
    let (kms, slow) = (&testbed.immediate, &testbed.delayed);
    let trust = ("NODE_EXTRA_CA_CERTS", testbed.authority.to_str().unwrap_or_default());
    let rows: &[ProgramRow] = &[
        ("sdk", "Node, SDK, verify, HTTP", "kms", &kms.http, &[]),
        ("sdk", "Node, SDK, verify, HTTPS", "tls", &kms.https, &[trust]),
        ("sdk", "Node, SDK, verify, HTTPS, KMS of 4 ms", SLOW_TLS, &slow.https, &[trust]),
        ("sdk", "Node, SDK, sign, HTTP", "sign", &kms.http, &[SIGN]),
        ("aws-jwt-verify", "Node, aws-jwt-verify", "rsa", &kms.http, &[]),
        ("jose", "Node, jose", "rsa", &kms.http, &[]),
    ];
    measured_programs(testbed, ProgramKind::Peer, rows, |script| {
        vec![node.clone(), format!("target/node/{script}.mjs")]
    })
}

fn python(testbed: &Testbed) -> Vec<MeasuredProgram> {
    if installed("python3", PYTHON).is_none() {
        return Vec::new();
    }
    let (kms, slow) = (&testbed.immediate, &testbed.delayed);
    let rows: &[ProgramRow] = &[
        ("article", "Python, client in the handler, verify, HTTP", "kms", &kms.http, &[]),
        ("boto3_kms", "Python, boto3, verify, HTTP", "kms", &kms.http, &[]),
        ("boto3_kms", "Python, boto3, verify, HTTPS", "tls", &kms.https, &[]),
        ("boto3_kms", "Python, boto3, verify, HTTPS, KMS of 4 ms", SLOW_TLS, &slow.https, &[]),
        ("boto3_kms", "Python, boto3, sign, HTTP", "sign", &kms.http, &[SIGN]),
        ("pyjwt", "Python, PyJWT", "rsa", &kms.http, &[]),
    ];
    measured_programs(testbed, ProgramKind::Peer, rows, |script| {
        vec![PYTHON.to_owned(), format!("peers/python/{script}.py")]
    })
}

/// The path of a program, if it is installed and the file that it requires exists.
fn installed(name: &str, required_file: &str) -> Option<String> {
    let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).output().ok()?;
    let path = String::from_utf8(found.stdout).ok()?.trim().to_owned();
    (found.status.success() && Path::new(required_file).exists()).then_some(path)
}

/// Enough for connections and caches.
const WARM_UP: usize = 10;
pub const CACHED: EnvVariable = ("SIGNATURE_CACHE_SECONDS", "300");
pub const LOCAL: EnvVariable = ("VERIFICATION", "local");
const VERIFY: EnvVariable = ("OPERATION", "Verify");
pub const SIGN: EnvVariable = ("OPERATION", "Sign");
const SLOW_TLS: &str = "tls, KMS of 4 ms";
const SLOW_SIGN: &str = "sign, KMS of 4 ms";
const NO_JITTER: &str = "Rust, SDK without jitter entropy, verify, HTTPS";
const NO_JITTER_SLOW: &str = "Rust, SDK without jitter entropy, verify, HTTPS, KMS of 4 ms";
const NO_JITTER_JWKS: &str = "Rust, jsonwebtoken + JWKS without jitter entropy, HTTPS";
const REPEATED: &str = "authorizer, kms, HTTPS, KMS of 4 ms, repeated token with signature cache";
const PYTHON: &str = "target/python/bin/python";
