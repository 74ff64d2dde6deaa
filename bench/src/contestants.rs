//! Who is compared: the floors, the functions and the peers.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    functions,
    host::Program,
    server::Endpoint,
    world::{self, World},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Floor,
    Ours,
    /// Another build of the functions.
    Before,
    Peer,
}

/// One of those that are measured.
pub struct Contestant {
    pub name: String,
    pub kind: Kind,
    /// The floor that its warm answers are compared with.
    pub floor: &'static str,
    pub program: Program,
    /// Whether it issues tokens; else it authorizes requests.
    issues: bool,
}

impl Contestant {
    /// The n-th event that it gets.
    pub fn input(&self, requests: &[Vec<u8>], n: usize) -> Vec<u8> {
        if self.issues { world::ISSUE.to_vec() } else { requests[n % requests.len()].clone() }
    }
}

/// All contestants, in the order of the table. `before` is the directory of another build.
pub fn all(world: &World, with_peers: bool, before: Option<&Path>) -> io::Result<Vec<Contestant>> {
    let mut all = floors(world);
    all.extend(functions(world, Kind::Ours, &functions::directory())?);
    if let Some(directory) = before {
        all.extend(functions(world, Kind::Before, directory)?);
    }
    if with_peers {
        all.extend(rust(world));
        all.extend(node(world));
        all.extend(python(world));
    }
    Ok(all)
}

type Setting<'a> = (&'a str, &'a str);

/// A program, the name of its row, its floor, the KMS that it uses, and further settings.
type Row<'a> = (&'a str, &'a str, &'static str, &'a Endpoint, &'a [Setting<'a>]);

fn contestants(
    world: &World,
    kind: Kind,
    rows: &[Row],
    command: impl Fn(&str) -> Vec<String>,
) -> Vec<Contestant> {
    let contestant = |&(program, name, floor, endpoint, settings): &Row| {
        let mut environment = world.environment(endpoint);
        if matches!(kind, Kind::Floor | Kind::Peer) {
            environment.extend(world.more_environment(endpoint));
        }
        environment.extend(settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let mut arguments = command(program);
        let path = PathBuf::from(arguments.remove(0));
        let issues = settings.contains(&SIGN) || program == "issuer";
        let program = Program { path, arguments, environment };
        let name = if kind == Kind::Before { before(name) } else { name.to_owned() };
        Contestant { name, kind, floor, program, issues }
    };
    rows.iter().map(contestant).collect()
}

fn floors(world: &World) -> Vec<Contestant> {
    let (kms, slow) = (&world.immediate, &world.delayed);
    let rows: &[Row] = &[
        ("echo", "echo", "echo", &kms.http, &[]),
        ("kms", "kms", "kms", &kms.http, &[VERIFY]),
        ("tls", "tls", "tls", &kms.https, &[VERIFY]),
        ("tls", SLOW_TLS, SLOW_TLS, &slow.https, &[VERIFY]),
        ("rsa", "rsa", "rsa", &kms.http, &[]),
        ("kms", "sign", "sign", &kms.http, &[SIGN]),
        ("kms", SLOW_SIGN, SLOW_SIGN, &slow.http, &[SIGN]),
    ];
    contestants(world, Kind::Floor, rows, |program| vec![format!("target/release/{program}")])
}

/// The name of the row of another build that compares with this row.
pub fn before(name: &str) -> String {
    format!("before: {name}")
}

fn functions(world: &World, kind: Kind, directory: &Path) -> io::Result<Vec<Contestant>> {
    let (kms, slow) = (&world.immediate, &world.delayed);
    let rows: &[Row] = &[
        ("authorizer", "authorizer, kms, HTTP", "kms", &kms.http, &[]),
        ("authorizer", "authorizer, kms, HTTPS", "tls", &kms.https, &[]),
        ("authorizer", "authorizer, kms, HTTPS, KMS of 4 ms", SLOW_TLS, &slow.https, &[]),
        ("authorizer", "authorizer, local, HTTP", "rsa", &kms.http, &[LOCAL]),
        ("authorizer", "authorizer, local, HTTPS", "rsa", &kms.https, &[LOCAL]),
        ("issuer", "issuer, HTTP", "sign", &kms.http, &[]),
        ("issuer", "issuer, HTTPS", "sign", &kms.https, &[]),
        ("issuer", "issuer, HTTPS, KMS of 4 ms", SLOW_SIGN, &slow.https, &[]),
    ];
    let authorizer = functions::find(directory, "authorizer")?;
    let issuer = functions::find(directory, "issuer")?;
    Ok(contestants(world, kind, rows, |program| {
        let path = if program == "issuer" { &issuer } else { &authorizer };
        vec![path.to_string_lossy().into_owned()]
    }))
}

fn rust(world: &World) -> Vec<Contestant> {
    let (kms, slow) = (&world.immediate, &world.delayed);
    let rows: &[Row] = &[
        ("sdk", "Rust, SDK defaults, verify, HTTP", "kms", &kms.http, &[]),
        ("sdk", "Rust, SDK defaults, verify, HTTPS", "tls", &kms.https, &[]),
        ("sdk", "Rust, SDK defaults, verify, HTTPS, KMS of 4 ms", SLOW_TLS, &slow.https, &[]),
        ("sdk", "Rust, SDK defaults, sign, HTTP", "sign", &kms.http, &[SIGN]),
        ("jsonwebtoken", "Rust, jsonwebtoken", "rsa", &kms.http, &[]),
        ("jwks", "Rust, jsonwebtoken + JWKS, HTTPS", "rsa", &kms.https, &[]),
    ];
    let without_jitter: &[Row] = &[
        ("sdk", NO_JITTER, "tls", &kms.https, &[]),
        ("sdk", NO_JITTER_SLOW, SLOW_TLS, &slow.https, &[]),
        ("jwks", NO_JITTER_JWKS, "rsa", &kms.https, &[]),
    ];
    let build = |rows, target: &str| {
        contestants(world, Kind::Peer, rows, |program| {
            vec![format!("target/{target}/lambda/{program}/bootstrap")]
        })
    };
    let mut all = build(rows, "peers");
    all.extend(build(without_jitter, "peers-without-jitter"));
    all
}

fn node(world: &World) -> Vec<Contestant> {
    let Some(node) = installed("node", "target/node/node_modules") else { return Vec::new() };
    let (kms, slow) = (&world.immediate, &world.delayed);
    let trust = ("NODE_EXTRA_CA_CERTS", world.authority.to_str().unwrap_or_default());
    let rows: &[Row] = &[
        ("sdk", "Node, SDK, verify, HTTP", "kms", &kms.http, &[]),
        ("sdk", "Node, SDK, verify, HTTPS", "tls", &kms.https, &[trust]),
        ("sdk", "Node, SDK, verify, HTTPS, KMS of 4 ms", SLOW_TLS, &slow.https, &[trust]),
        ("sdk", "Node, SDK, sign, HTTP", "sign", &kms.http, &[SIGN]),
        ("aws-jwt-verify", "Node, aws-jwt-verify", "rsa", &kms.http, &[]),
        ("jose", "Node, jose", "rsa", &kms.http, &[]),
    ];
    contestants(world, Kind::Peer, rows, |script| {
        vec![node.clone(), format!("target/node/{script}.mjs")]
    })
}

fn python(world: &World) -> Vec<Contestant> {
    if installed("python3", PYTHON).is_none() {
        return Vec::new();
    }
    let (kms, slow) = (&world.immediate, &world.delayed);
    let rows: &[Row] = &[
        ("article", "Python, client in the handler, verify, HTTP", "kms", &kms.http, &[]),
        ("boto3_kms", "Python, boto3, verify, HTTP", "kms", &kms.http, &[]),
        ("boto3_kms", "Python, boto3, verify, HTTPS", "tls", &kms.https, &[]),
        ("boto3_kms", "Python, boto3, verify, HTTPS, KMS of 4 ms", SLOW_TLS, &slow.https, &[]),
        ("boto3_kms", "Python, boto3, sign, HTTP", "sign", &kms.http, &[SIGN]),
        ("pyjwt", "Python, PyJWT", "rsa", &kms.http, &[]),
    ];
    contestants(world, Kind::Peer, rows, |script| {
        vec![PYTHON.to_owned(), format!("peers/python/{script}.py")]
    })
}

/// The path of a program, if it is installed and the file that it needs exists.
fn installed(name: &str, needs: &str) -> Option<String> {
    let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).output().ok()?;
    let path = String::from_utf8(found.stdout).ok()?.trim().to_owned();
    (found.status.success() && Path::new(needs).exists()).then_some(path)
}

pub const LOCAL: Setting = ("VERIFICATION", "local");
const VERIFY: Setting = ("OPERATION", "Verify");
const SIGN: Setting = ("OPERATION", "Sign");
const SLOW_TLS: &str = "tls, KMS of 4 ms";
const SLOW_SIGN: &str = "sign, KMS of 4 ms";
const NO_JITTER: &str = "Rust, SDK without jitter entropy, verify, HTTPS";
const NO_JITTER_SLOW: &str = "Rust, SDK without jitter entropy, verify, HTTPS, KMS of 4 ms";
const NO_JITTER_JWKS: &str = "Rust, jsonwebtoken + JWKS without jitter entropy, HTTPS";
const PYTHON: &str = "target/python/bin/python";
