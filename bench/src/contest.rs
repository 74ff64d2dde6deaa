//! Who is measured, and how: cold, warm, CPU time, memory and size.

use std::{
    collections::{HashMap, hash_map::Entry},
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use flate2::{Compression, write::DeflateEncoder};

use crate::{
    functions,
    host::{Environment, Program},
    median,
    world::{self, World},
};

/// How often something is measured.
pub struct Effort {
    pub colds: usize,
    pub rounds: usize,
    /// Whether the peers are measured too.
    pub peers: bool,
}

impl Effort {
    pub fn new(quick: bool, peers: bool) -> Self {
        let (colds, rounds) = if quick { (4, 10) } else { (40, 100) };
        Self { colds, rounds, peers }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Floor,
    Ours,
    Peer,
}

/// One of those that are measured.
pub struct Contestant {
    pub name: &'static str,
    pub kind: Kind,
    /// The floor that its warm answers are compared with.
    pub floor: &'static str,
    program: Program,
    issues: bool,
}

/// Times in microseconds, sizes in bytes.
pub struct Measured {
    pub name: &'static str,
    pub kind: Kind,
    pub floor: &'static str,
    pub cold: f64,
    pub warm: f64,
    pub cpu: f64,
    pub peak: u64,
    /// The program, packed as Lambda takes it; of those that need more than a program, nothing.
    pub package: Option<u64>,
}

pub async fn run(world: &World, effort: &Effort) -> Result<Vec<Measured>, Box<dyn Error>> {
    let mut all = contestants(world, effort.peers)?;
    unpack(&mut all)?;
    let events = world.events(effort.colds.max(effort.rounds * BURST + BURST))?;
    let mut dice = Dice(1);
    let mut cold = vec![Vec::new(); all.len()];
    for n in 0..effort.colds {
        for at in dice.order(all.len()) {
            let (mut environment, started) = Environment::start(&all[at].program).await?;
            let (_, last, _) = environment.exchange(&[all[at].input(&events, n)]).await?;
            cold[at].push(last - started);
        }
    }
    let mut environments = Vec::new();
    for contestant in &all {
        environments.push(Environment::start(&contestant.program).await?.0);
    }
    let mut warm = vec![Vec::new(); all.len()];
    let mut cpu = vec![Duration::ZERO; all.len()];
    // In each round each answers some times, one after the other, as it does under load.
    for round in 0..=effort.rounds {
        for at in dice.order(all.len()) {
            for n in 0..BURST {
                let input = all[at].input(&events, round * BURST + n);
                warm[at].push(environments[at].invoke(&[input]).await?.0);
            }
            if round == 0 {
                warm[at].clear();
                cpu[at] = environments[at].cpu()?;
            }
        }
    }
    let times = u32::try_from(effort.rounds * BURST)?;
    all.iter()
        .enumerate()
        .map(|(at, contestant)| {
            let &Contestant { name, kind, floor, ref program, .. } = contestant;
            let spent = (environments[at].cpu()? - cpu[at]) / times;
            Ok(Measured {
                name,
                kind,
                floor,
                cold: median(&mut cold[at]),
                warm: median(&mut warm[at]),
                cpu: spent.as_secs_f64() * 1e6,
                peak: environments[at].peak()?,
                package: program.arguments.is_empty().then(|| packed(&program.path)).transpose()?,
            })
        })
        .collect()
}

impl Contestant {
    fn input(&self, events: &[Vec<u8>], n: usize) -> Vec<u8> {
        if self.issues { world::ISSUE.to_vec() } else { events[n % events.len()].clone() }
    }
}

fn contestants(world: &World, peers: bool) -> io::Result<Vec<Contestant>> {
    use Kind::{Floor, Ours, Peer};
    let (http, https) = (format!("http://{}", world.http), format!("https://{}", world.https));
    let make = |name: &'static str,
                kind,
                floor,
                program: &[&str],
                endpoint: &str,
                more: &[(&str, &str)]| {
        let (path, arguments) = program.split_first()?;
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut environment = world.environment(endpoint);
        environment.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let program = Program { path: PathBuf::from(path), arguments, environment };
        let issues = more.contains(&SIGN) || name.starts_with("issuer");
        Some(Contestant { name, kind, floor, program, issues })
    };
    let directory = functions::directory();
    let function = |name| functions::find(&directory, name);
    let (authorizer, issuer) = (function("authorizer")?, function("issuer")?);
    let (authorizer, issuer) = (authorizer.to_string_lossy(), issuer.to_string_lossy());
    let (authorizer, issuer) = (&[&*authorizer][..], &[&*issuer][..]);
    let mut all = vec![
        make("echo", Floor, "echo", &["target/release/echo"], &http, &[]),
        make("kms", Floor, "kms", &["target/release/kms"], &http, &[VERIFY]),
        make("tls", Floor, "tls", &["target/release/tls"], &https, &[VERIFY]),
        make("rsa", Floor, "rsa", &["target/release/rsa"], &http, &[]),
        make("sign", Floor, "sign", &["target/release/kms"], &http, &[SIGN]),
        make("authorizer, kms, HTTP", Ours, "kms", authorizer, &http, &[]),
        make("authorizer, kms, HTTPS", Ours, "tls", authorizer, &https, &[]),
        make("authorizer, local, HTTP", Ours, "rsa", authorizer, &http, &[LOCAL]),
        make("authorizer, local, HTTPS", Ours, "rsa", authorizer, &https, &[LOCAL]),
        make("issuer, HTTP", Ours, "sign", issuer, &http, &[]),
        make("issuer, HTTPS", Ours, "sign", issuer, &https, &[]),
        make("Rust, SDK defaults, verify, HTTP", Peer, "kms", &[SDK], &http, &[]),
        make("Rust, SDK defaults, verify, HTTPS", Peer, "tls", &[SDK], &https, &[]),
        make("Rust, SDK defaults, sign, HTTP", Peer, "sign", &[SDK], &http, &[SIGN]),
        make("Rust, jsonwebtoken", Peer, "rsa", &[JSONWEBTOKEN], &http, &[]),
    ];
    if let Some(node) = installed("node", "target/node/node_modules") {
        let more = |name, floor, script: &str, endpoint: &str, more: &[(&str, &str)]| {
            make(name, Peer, floor, &[&node, &format!("target/node/{script}.mjs")], endpoint, more)
        };
        let extra = ("NODE_EXTRA_CA_CERTS", world.authority.to_str().unwrap_or_default());
        all.extend([
            more("Node, SDK, verify, HTTP", "kms", "sdk", &http, &[]),
            more("Node, SDK, verify, HTTPS", "tls", "sdk", &https, &[extra]),
            more("Node, SDK, sign, HTTP", "sign", "sdk", &http, &[SIGN]),
            more("Node, aws-jwt-verify", "rsa", "aws-jwt-verify", &http, &[]),
            more("Node, jose", "rsa", "jose", &http, &[]),
        ]);
    }
    if installed("python3", PYTHON).is_some() {
        let more = |name, floor, script: &str, endpoint: &str, more: &[(&str, &str)]| {
            make(name, Peer, floor, &[PYTHON, &format!("peers/python/{script}.py")], endpoint, more)
        };
        all.extend([
            more("Python, client in the handler, verify, HTTP", "kms", "article", &http, &[]),
            more("Python, boto3, verify, HTTP", "kms", "boto3_kms", &http, &[]),
            more("Python, boto3, verify, HTTPS", "tls", "boto3_kms", &https, &[]),
            more("Python, boto3, sign, HTTP", "sign", "boto3_kms", &http, &[SIGN]),
            more("Python, PyJWT", "rsa", "pyjwt", &http, &[]),
        ]);
    }
    Ok(all.into_iter().flatten().filter(|it| peers || it.kind != Kind::Peer).collect())
}

/// Starts each program from a file that has just been written: a file read back from disk lies in
/// the page cache in smaller pages, and starts more slowly.
fn unpack(all: &mut [Contestant]) -> io::Result<()> {
    let directory = Path::new("target/unpacked");
    fs::create_dir_all(directory)?;
    let mut copies = HashMap::new();
    for Contestant { program, .. } in all.iter_mut().filter(|it| it.program.arguments.is_empty()) {
        // Many programs share the name `bootstrap`, and many rows share a program.
        let next = directory.join(format!("program-{}", copies.len()));
        if let Entry::Vacant(entry) = copies.entry(program.path.clone()) {
            let bytes = fs::read(&program.path)?;
            // A copy that still runs, left by an earlier run, cannot be overwritten.
            let _ = fs::remove_file(&next);
            fs::write(&next, bytes)?;
            fs::set_permissions(&next, fs::metadata(&program.path)?.permissions())?;
            entry.insert(next);
        }
        program.path.clone_from(&copies[&program.path]);
    }
    Ok(())
}

/// Where a program is, if what it needs is there.
fn installed(name: &str, needs: &str) -> Option<String> {
    let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).output().ok()?;
    let path = String::from_utf8(found.stdout).ok()?.trim().to_owned();
    (found.status.success() && Path::new(needs).exists()).then_some(path)
}

/// How long the program is when it is deflated, as in a zip.
fn packed(path: &Path) -> io::Result<u64> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
    io::copy(&mut fs::File::open(path)?, &mut packer)?;
    Ok(packer.finish()?.len() as u64)
}

/// Turns in another order in each round: who comes after whom must not matter.
struct Dice(u64);

impl Dice {
    fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            order.swap(last, (self.0 >> 33) as usize % (last + 1));
        }
        order
    }
}

pub const LOCAL: (&str, &str) = ("VERIFICATION", "local");
const VERIFY: (&str, &str) = ("OPERATION", "Verify");
const SIGN: (&str, &str) = ("OPERATION", "Sign");
const SDK: &str = "target/peers/lambda/sdk/bootstrap";
const JSONWEBTOKEN: &str = "target/peers/lambda/jsonwebtoken/bootstrap";
const PYTHON: &str = "target/python/bin/python";
const BURST: usize = 10;
