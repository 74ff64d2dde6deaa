//! How cost grows with the length of tokens, keys, access rules and concurrency.

use std::{
    error::Error,
    hint::black_box,
    io,
    time::{Duration, Instant},
};

use jwt::{
    Algorithm, Jwk, JwkSet, KeySetVerifier, PublicKey, UnixTime, UnverifiedToken, Validation,
};
use serde_json::json;

use crate::{
    comparison::Repetitions,
    functions,
    lambda_host::{FunctionProcess, Program},
    programs::LOCAL,
    testbed::Testbed,
    timing::median,
};

/// Values by a quantity.
pub struct GrowthCurve {
    pub name: &'static str,
    pub title: &'static str,
    /// The unit of the quantity.
    pub unit: &'static str,
    /// The unit of the values.
    pub value_unit: &'static str,
    pub lines: Vec<(&'static str, Vec<(usize, f64)>)>,
}

type Points = Result<Vec<(usize, f64)>, Box<dyn Error>>;

/// Measures all curves.
pub async fn run(
    testbed: &Testbed,
    repetitions: &Repetitions,
) -> Result<Vec<GrowthCurve>, Box<dyn Error>> {
    let short = testbed.create_key("alias/bench-short", "ECC_NIST_P256")?;
    Ok(vec![
        GrowthCurve {
            name: "token",
            title: "A decision, by the length of the token (ES256)",
            unit: "characters",
            value_unit: "µs",
            lines: vec![
                ("kms", tokens(testbed, &short, repetitions, &[]).await?),
                ("local", tokens(testbed, &short, repetitions, &[LOCAL]).await?),
            ],
        },
        GrowthCurve {
            name: "keys",
            title: "A decision, by the keys that may be meant",
            unit: "keys",
            value_unit: "µs",
            lines: vec![
                ("ring, local", ring(testbed, repetitions).await?),
                ("key set in a process, RS256", key_set(testbed, repetitions).await?),
            ],
        },
        GrowthCurve {
            name: "rules",
            title: "A decision, by the access rules",
            unit: "rules",
            value_unit: "µs",
            lines: vec![("local", rules(testbed, repetitions).await?)],
        },
        GrowthCurve {
            name: "concurrency",
            title: "An invocation, of several at once in one environment",
            unit: "at once",
            value_unit: "µs",
            lines: vec![
                ("kms", concurrency(testbed, repetitions, &[]).await?),
                ("local", concurrency(testbed, repetitions, &[LOCAL]).await?),
            ],
        },
    ])
}

fn program(testbed: &Testbed, more: &[(&str, &str)]) -> io::Result<Program> {
    let mut environment = testbed.environment(&testbed.immediate.http);
    environment.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    let path = functions::find(&functions::directory(), "authorizer")?;
    Ok(Program { path, arguments: vec![], environment })
}

/// Measures several programs, alternating between them, each with its own events.
async fn measure(
    programs: &[(Program, Vec<Vec<u8>>)],
    repetitions: &Repetitions,
) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut processes = Vec::new();
    for (program, _) in programs {
        processes.push(FunctionProcess::start(program).await?.0);
    }
    let mut times = vec![Vec::new(); programs.len()];
    for round in 0..=repetitions.rounds {
        for (at, (_, events)) in programs.iter().enumerate() {
            for _ in 0..BURST {
                times[at].push(processes[at].invoke(events).await?.0);
            }
            if round == 0 {
                times[at].clear();
            }
        }
    }
    Ok(times.iter_mut().map(|times| median(times)).collect())
}

async fn tokens(
    testbed: &Testbed,
    key: &str,
    repetitions: &Repetitions,
    more: &[(&str, &str)],
) -> Points {
    let short = [300, 600, 1000];
    let long = (2000..=Algorithm::Es256.max_token_bytes()).step_by(2000);
    let lengths = short.into_iter().chain(long);
    let mut programs = Vec::new();
    for length in lengths.clone() {
        let token = testbed.token_with_length(key, "ES256", length)?;
        let more = [&[("KEY_ALIAS", "alias/bench-short")], more].concat();
        programs.push((program(testbed, &more)?, vec![testbed.event(&token)]));
    }
    Ok(lengths.zip(measure(&programs, repetitions).await?).collect())
}

/// A ring has up to three keys: the current, the next and the previous one.
async fn ring(testbed: &Testbed, repetitions: &Repetitions) -> Points {
    let counts = [1, 2, 3];
    let mut programs = Vec::new();
    for count in counts {
        let alias = format!("alias/bench-ring-{count}");
        let last = testbed.create_ring(&alias, count)?;
        let event = testbed.event(&testbed.token_with_length(&last, "RS256", 700)?);
        programs.push((program(testbed, &[LOCAL, ("KEY_ALIAS", &alias)])?, vec![event]));
    }
    Ok(counts.into_iter().zip(measure(&programs, repetitions).await?).collect())
}

async fn key_set(testbed: &Testbed, repetitions: &Repetitions) -> Points {
    let token = testbed.token_with_length(&testbed.key_id, "RS256", 700)?;
    let validation = Validation::new(Some("bench".into()), Some(vec![]));
    let now = UnixTime::from(std::time::SystemTime::now());
    let mut points = Vec::new();
    for count in [1, 2, 4, 8, 16, 32, 64] {
        let key = |n: usize| -> Result<Jwk, Box<dyn Error>> {
            let key = PublicKey::from_spki(&testbed.public_key(&testbed.key_id)?)?;
            // The key of the token is the last one.
            let id = if n + 1 == count { testbed.key_id.clone() } else { format!("key-{n}") };
            Ok(Jwk { key_id: Some(id), ..Jwk::new(key) })
        };
        let set = (0..count).map(key).collect::<Result<_, _>>()?;
        let keys = KeySetVerifier::new(&JwkSet::new(set))?;
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..repetitions.rounds * BURST {
            let start = Instant::now();
            let candidate = UnverifiedToken::parse(&token)?.screen(&validation, now)?;
            let verified = candidate.confirm(&keys).await?;
            black_box(verified?);
            times.push(start.elapsed());
        }
        points.push((count, median(&mut times)));
    }
    Ok(points)
}

async fn rules(testbed: &Testbed, repetitions: &Repetitions) -> Points {
    let counts = [1, 8, 16, 32, 64];
    let token = testbed.token_with_length(&testbed.key_id, "RS256", 700)?;
    let mut programs = Vec::new();
    for count in counts {
        let rule = |n: usize| json!({"route": format!("GET /r{n}"), "scope": format!("s{n}")});
        let matching = json!({"route": "GET /orders/*", "scope": "orders:read"});
        let rules = (1..count).map(rule).chain([matching]).collect::<Vec<_>>();
        let rules = json!(rules).to_string();
        let program = program(testbed, &[LOCAL, ("ACCESS_RULES", &rules)])?;
        programs.push((program, vec![testbed.event(&token)]));
    }
    Ok(counts.into_iter().zip(measure(&programs, repetitions).await?).collect())
}

/// The time of all concurrent invocations, divided by their number.
async fn concurrency(
    testbed: &Testbed,
    repetitions: &Repetitions,
    more: &[(&str, &str)],
) -> Points {
    let counts = [1, 2, 4, 8, 16, 32, 64];
    let mut programs = Vec::new();
    for count in counts {
        let concurrency = count.to_string();
        let more = [&[("AWS_LAMBDA_MAX_CONCURRENCY", concurrency.as_str())], more].concat();
        programs.push((program(testbed, &more)?, testbed.events(count)?));
    }
    let times = measure(&programs, repetitions).await?;
    Ok(counts.into_iter().zip(times).map(|(count, time)| (count, time / count as f64)).collect())
}

/// The number of consecutive responses in a round.
const BURST: usize = 5;
