//! What the functions cost, in one run with the floors and the peers: cold, warm, CPU and memory.
//!
//! `ROUNDS`, `COLDS`, `ONLY`, `OURS` and `FLOORS` say how much of what is measured.

mod host;
mod world;

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use host::{Environment, Program};
use serde_json::json;
use world::World;

fn pin() -> Result<(), Box<dyn Error>> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(1);
    rustix::thread::sched_setaffinity(None, &set)?;
    Ok(())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    pin()?;
    let rounds: usize = env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let colds: usize = env::var("COLDS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let only = env::var("ONLY").unwrap_or_default();
    let ours: PathBuf = env::var("OURS").unwrap_or("../target/release".into()).into();
    let floors: PathBuf = env::var("FLOORS").unwrap_or("target/release".into()).into();
    let world = World::new(Path::new("target/world")).await?;
    let event = fs::read_to_string("../events/authorize-expired.json")?;
    let (_, rest) = event.split_once("Bearer ").ok_or("no token")?;
    let old = &rest[..rest.find('"').ok_or("no end")?];
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut events = Vec::new();
    for n in 0..rounds.max(colds) + 50 {
        let claims = json!({"iss": "bench", "sub": "test-user", "iat": now, "exp": now + 3600, "scope": "orders:read", "jti": format!("{n:08}-1234-1234-1234-123456789012")});
        let token = world.token(&claims)?;
        events.push(event.replace(old, &token).into_bytes());
    }
    let issue =
        br#"{"claims":{"sub":"test-user","scope":"orders:read"},"expires_in":900}"#.to_vec();
    let base = |endpoint: &str| {
        [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_SESSION_TOKEN", "session"),
            ("AWS_ENDPOINT_URL_KMS", endpoint),
            ("SSL_CERT_FILE", world.authority.to_str().unwrap_or_default()),
            ("AWS_CA_BUNDLE", world.authority.to_str().unwrap_or_default()),
            ("KEY_ALIAS", world::ALIAS),
            ("TOKEN_ISSUER", "bench"),
            ("KMS", &world.http),
            ("KEY", &world.key_id),
            ("PUBLIC_KEY", world.public_key.to_str().unwrap_or_default()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    };
    let (http, https) = (format!("http://{}", world.http), format!("https://{}", world.https));
    let contestant = |path: PathBuf, endpoint: &str, more: &[(&str, &str)]| {
        let mut environment = base(endpoint);
        environment.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        Program { path, arguments: vec![], environment }
    };
    let mut all = vec![
        ("echo", contestant(floors.join("echo"), &http, &[])),
        ("kms", contestant(floors.join("kms"), &http, &[("OPERATION", "Verify")])),
        ("rsa", contestant(floors.join("rsa"), &http, &[])),
        ("sign", contestant(floors.join("kms"), &http, &[("OPERATION", "Sign")])),
        ("authorizer kms", contestant(ours.join("authorizer"), &http, &[])),
        ("authorizer https", contestant(ours.join("authorizer"), &https, &[])),
        (
            "authorizer local",
            contestant(ours.join("authorizer"), &http, &[("VERIFICATION", "local")]),
        ),
        ("issuer", contestant(ours.join("issuer"), &http, &[])),
        ("issuer https", contestant(ours.join("issuer"), &https, &[])),
    ];
    all.extend([
        ("sdk", contestant(floors.join("sdk"), &http, &[])),
        ("sdk https", contestant(floors.join("sdk"), &https, &[])),
        ("jsonwebtoken", contestant(floors.join("jsonwebtoken"), &http, &[])),
        ("sdk sign", contestant(floors.join("sdk"), &http, &[("OPERATION", "Sign")])),
    ]);
    all.retain(|(name, _)| only.is_empty() || only.split(',').any(|o| name == &o));
    let input = |name: &str, n: usize| {
        if name.starts_with("issuer") || name.ends_with("sign") {
            vec![issue.clone()]
        } else {
            vec![events[n].clone()]
        }
    };
    if let Ok(name) = env::var("GRIND") {
        let n: usize = env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
        let (_, program) = all.iter().find(|(other, _)| *other == name).ok_or("no such")?;
        let mut program = program.clone();
        program.arguments = vec![
            "--tool=callgrind".into(),
            format!("--callgrind-out-file=/tmp/cg.{}.{n}", name.replace(' ', "-")),
            program.path.to_string_lossy().into_owned(),
        ];
        program.path = "/usr/bin/valgrind".into();
        let (mut environment, _) = Environment::start(&program).await?;
        for i in 0..n {
            environment.invoke(&input(&name, i)).await?;
        }
        environment.stop();
        return Ok(());
    }
    // Cold.
    let mut cold: Vec<Vec<Duration>> = vec![vec![]; all.len()];
    for n in 0..colds {
        for (i, (name, program)) in all.iter().enumerate() {
            let (mut environment, started) = Environment::start(program).await?;
            let (_, last, body) = environment.exchange(&input(name, n)).await?;
            if n == 0 {
                eprintln!(
                    "{name}: {}",
                    String::from_utf8_lossy(&body).chars().take(100).collect::<String>()
                );
            }
            cold[i].push(last - started);
        }
    }
    let mut warm: Vec<Vec<Duration>> = vec![vec![]; all.len()];
    let mut cpu = vec![Duration::ZERO; all.len()];
    let mut peak = vec![0; all.len()];
    let mut environments = Vec::new();
    for (_, program) in &all {
        environments.push(Environment::start(program).await?.0);
    }
    for n in 0..rounds + 50 {
        for (i, (name, _)) in all.iter().enumerate() {
            if n == 50 {
                cpu[i] = environments[i].cpu()?;
            }
            let (time, _) = environments[i].invoke(&input(name, n)).await?;
            if n >= 50 {
                warm[i].push(time);
            }
        }
    }
    for i in 0..all.len() {
        cpu[i] = (environments[i].cpu()? - cpu[i]) / rounds as u32;
        peak[i] = environments[i].peak()?;
    }
    println!("{:20} {:>9} {:>9} {:>9} {:>9}", "", "cold µs", "warm µs", "cpu µs", "peak kB");
    for (i, (name, _)) in all.iter().enumerate() {
        println!(
            "{name:20} {:9.0} {:9.1} {:9.1} {:9}",
            median(cold[i].clone()),
            median(warm[i].clone()),
            cpu[i].as_secs_f64() * 1e6,
            peak[i] / 1024
        );
    }
    let _ = Instant::now();
    Ok(())
}
