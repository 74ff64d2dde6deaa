//! How cost grows: with the token, the keys, the rules, and what is asked at once.

use std::{
    error::Error,
    hint::black_box,
    io,
    time::{Duration, Instant},
};

use jwt::{Jwk, JwkSet, KeySetVerifier, Validation, PublicKey, UnixTime, UnverifiedToken};
use serde_json::json;

use crate::{
    contest::Effort,
    contestants::LOCAL,
    functions,
    host::{Environment, Program},
    timing::median,
    world::World,
};

/// How long something takes, in microseconds, by how much there is of it.
pub struct Curve {
    pub name: &'static str,
    pub title: &'static str,
    pub unit: &'static str,
    pub lines: Vec<(&'static str, Vec<(usize, f64)>)>,
}

type Points = Result<Vec<(usize, f64)>, Box<dyn Error>>;

pub async fn run(world: &World, effort: &Effort) -> Result<Vec<Curve>, Box<dyn Error>> {
    let short = world.curve("alias/bench-short", "ECC_NIST_P256")?;
    Ok(vec![
        Curve {
            name: "token",
            title: "A decision, by the length of the token (ES256)",
            unit: "characters",
            lines: vec![
                ("kms", tokens(world, &short, effort, &[]).await?),
                ("local", tokens(world, &short, effort, &[LOCAL]).await?),
            ],
        },
        Curve {
            name: "keys",
            title: "A decision, by the keys that may be meant",
            unit: "keys",
            lines: vec![
                ("ring, local", ring(world, effort).await?),
                ("key set in a process, RS256", key_set(world, effort).await?),
            ],
        },
        Curve {
            name: "rules",
            title: "A decision, by the access rules",
            unit: "rules",
            lines: vec![("local", rules(world, effort).await?)],
        },
        Curve {
            name: "concurrency",
            title: "An invocation, of several at once in one environment",
            unit: "at once",
            lines: vec![
                ("kms", concurrency(world, effort, &[]).await?),
                ("local", concurrency(world, effort, &[LOCAL]).await?),
            ],
        },
    ])
}

fn program(world: &World, more: &[(&str, &str)]) -> io::Result<Program> {
    let mut environment = world.environment(&world.immediate.http);
    environment.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    let path = functions::find(&functions::directory(), "authorizer")?;
    Ok(Program { path, arguments: vec![], environment })
}

/// Several environments in turn, each with its own event.
async fn in_turn(
    programs: &[(Program, Vec<Vec<u8>>)],
    effort: &Effort,
) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut environments = Vec::new();
    for (program, _) in programs {
        environments.push(Environment::start(program).await?.0);
    }
    let mut times = vec![Vec::new(); programs.len()];
    for round in 0..=effort.rounds {
        for (at, (_, events)) in programs.iter().enumerate() {
            for _ in 0..BURST {
                times[at].push(environments[at].invoke(events).await?.0);
            }
            if round == 0 {
                times[at].clear();
            }
        }
    }
    Ok(times.iter_mut().map(|times| median(times)).collect())
}

async fn tokens(world: &World, key: &str, effort: &Effort, more: &[(&str, &str)]) -> Points {
    let lengths = [300, 600, 1000, 2000, 4000, 6000, 8000];
    let mut programs = Vec::new();
    for length in lengths {
        let token = world.token_of(key, "ES256", length)?;
        let more = [&[("KEY_ALIAS", "alias/bench-short")], more].concat();
        programs.push((program(world, &more)?, vec![world.event(&token)]));
    }
    Ok(lengths.into_iter().zip(in_turn(&programs, effort).await?).collect())
}

/// Rings hold three keys: one that signs, one before and one after it.
async fn ring(world: &World, effort: &Effort) -> Points {
    let counts = [1, 2, 3];
    let mut programs = Vec::new();
    for count in counts {
        let alias = format!("alias/bench-ring-{count}");
        let last = world.ring(&alias, count)?;
        let event = world.event(&world.token_of(&last, "RS256", 700)?);
        programs.push((program(world, &[LOCAL, ("KEY_ALIAS", &alias)])?, vec![event]));
    }
    Ok(counts.into_iter().zip(in_turn(&programs, effort).await?).collect())
}

async fn key_set(world: &World, effort: &Effort) -> Points {
    let token = world.token_of(&world.key_id, "RS256", 700)?;
    let profile = Validation {
        issuer: Some("bench".into()),
        audiences: Some(vec![]),
        token_type: "JWT".into(),
        leeway: Duration::ZERO,
    };
    let now = UnixTime::from(std::time::SystemTime::now());
    let mut points = Vec::new();
    for count in [1, 2, 4, 8, 16, 32, 64] {
        let key = |n: usize| -> Result<Jwk, Box<dyn Error>> {
            let key = PublicKey::from_spki(&world.public_key(&world.key_id)?)?;
            // The one that is meant comes last.
            let id = if n + 1 == count { world.key_id.clone() } else { format!("key-{n}") };
            Ok(Jwk { key, key_id: Some(id), algorithm: None })
        };
        let set = (0..count).map(key).collect::<Result<_, _>>()?;
        let keys = KeySetVerifier::new(&JwkSet(set))?;
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..effort.rounds * BURST {
            let start = Instant::now();
            let candidate = UnverifiedToken::parse(&token)?.screen(&profile, now)?;
            let judged = candidate.confirm(&keys).await?;
            black_box(judged?);
            times.push(start.elapsed());
        }
        points.push((count, median(&mut times)));
    }
    Ok(points)
}

async fn rules(world: &World, effort: &Effort) -> Points {
    let counts = [1, 8, 16, 32, 64];
    let token = world.token_of(&world.key_id, "RS256", 700)?;
    let mut programs = Vec::new();
    for count in counts {
        let rule = |n: usize| json!({"route": format!("GET /r{n}"), "scope": format!("s{n}")});
        let mine = json!({"route": "GET /orders/*", "scope": "orders:read"});
        let rules = (1..count).map(rule).chain([mine]).collect::<Vec<_>>();
        let rules = json!(rules).to_string();
        let program = program(world, &[LOCAL, ("ACCESS_RULES", &rules)])?;
        programs.push((program, vec![world.event(&token)]));
    }
    Ok(counts.into_iter().zip(in_turn(&programs, effort).await?).collect())
}

/// What one invocation takes when so many are under way: all of them, divided.
async fn concurrency(world: &World, effort: &Effort, more: &[(&str, &str)]) -> Points {
    let counts = [1, 2, 4, 8, 16, 32, 64];
    let mut programs = Vec::new();
    for count in counts {
        let most = count.to_string();
        let more = [&[("AWS_LAMBDA_MAX_CONCURRENCY", most.as_str())], more].concat();
        programs.push((program(world, &more)?, world.events(count)?));
    }
    let times = in_turn(&programs, effort).await?;
    Ok(counts.into_iter().zip(times).map(|(count, time)| (count, time / count as f64)).collect())
}

const BURST: usize = 5;
