//! 200 clients at once with tokens of every kind, over a KMS that throttles: what they are
//! answered, what KMS is asked, and what it does to the functions' memory.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use local::{Bytes, Request, lambda::Line};
use serde_json::Value;
use testing::{InjectFaults, InjectedFault};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    harness::{Arguments, Verdict, judge, table},
    tokens::{Kind, Tokens},
    world::{Door, World},
};

const NAME: &str = "burst::200 clients";

pub(crate) fn names() -> Vec<String> {
    vec![NAME.to_owned()]
}

pub(crate) async fn run(arguments: &Arguments) -> Vec<Verdict> {
    if !arguments.wants(NAME) {
        return Vec::new();
    }
    vec![judge(NAME, burst(arguments.burst)).await.0]
}

async fn burst(time: Duration) {
    let world = World::start(&[]).await;
    let tokens = Arc::new(Tokens::make(&world).await);
    let kms = &world.stack.kms;

    // What needs no key costs no call, however much of it comes: each function has asked for the
    // key when it was started.
    crowd(&world, &tokens, &[Kind::Garbage], A_MOMENT).await;
    let calls = kms.calls();
    let useless = crowd(&world, &tokens, &[Kind::Expired, Kind::Garbage], A_MOMENT).await;
    assert_eq!(kms.calls(), calls, "calls for what needs no key");

    kms.inject(Some(InjectedFault::Throttle(QUOTA)));
    crowd(&world, &tokens, &Kind::ALL, A_MOMENT).await;
    let functions = world.processes(Door::Authorizer);
    let before = resident(&functions);
    let reader = tokio::spawn(read(world.stack.journal.follow()));
    let (calls, retries) = (kms.calls(), kms.retries());
    let start = Instant::now();
    let answers = crowd(&world, &tokens, &Kind::ALL, time).await;
    let took = start.elapsed();
    let (calls, retries) = (kms.calls() - calls, kms.retries() - retries);
    let after = resident(&functions);
    assert_eq!(world.processes(Door::Authorizer).len(), functions.len(), "all live on");

    // The quota is as it was, and fewer ask, once those that were on their way have been answered.
    sleep(Duration::from_millis(200)).await;
    let mut pace = interval(Duration::from_secs(1) / (QUOTA / 2));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for token in tokens.of(Kind::Good) {
        pace.tick().await;
        assert_eq!(world.ask(Door::Authorizer, token).await.status, 200, "it does not recover");
    }
    kms.inject(None);
    drop(world);
    let log = reader.await.unwrap();

    let all = answers.values().map(Vec::len).sum::<usize>();
    table(
        &format!(
            "{CLIENTS} clients for {:.0} s, KMS throttling above {QUOTA} requests a second: {:.0} \
             requests a second",
            took.as_secs_f64(),
            count(all) / took.as_secs_f64(),
        ),
        &rows(&answers),
    );
    let megabytes = |pages: &[u64]| count(pages.iter().sum::<u64>()) / 1024.0;
    let useless = useless.values().map(Vec::len).sum::<usize>();
    let good = tokens.of(Kind::Good).len();
    let notes = [
        ("expired and garbage alone, before", format!("{useless} requests, no call of KMS")),
        ("calls of KMS", format!("{calls}, {retries} of them once more after a throttled one")),
        ("calls for what needs no key", format!("{} in {} log lines", log.needless, log.lines)),
        (
            "memory of the functions",
            format!(
                "{} processes, {:.1} MB together, then {:.1} MB",
                functions.len(),
                megabytes(&before),
                megabytes(&after)
            ),
        ),
        ("afterwards", format!("200 for {good} of {good} good tokens")),
    ];
    let notes = notes.map(|(what, figure)| vec![what.to_owned(), figure]);
    table("And", &notes);

    for kind in Kind::ALL {
        let wrong = answers[&kind].iter().filter(|(status, _)| !kind.right().contains(status));
        assert_eq!(wrong.count(), 0, "wrong answers to {kind:?}");
    }
    let with =
        |kind: Kind, status: u16| answers[&kind].iter().filter(|answer| answer.0 == status).count();
    assert!(with(Kind::Good, 200) > 0, "no good token was accepted");
    // A busy machine may not send more than the quota allows.
    let quota = u64::from(QUOTA) * (took.as_secs() + 2);
    assert!(with(Kind::Good, 500) > 0 || calls <= quota, "{calls} calls, none throttled");
    assert!(with(Kind::Tampered, 401) > 0);
    assert_eq!(log.needless, 0, "calls for what needs no key");
    assert!(log.lines > 0);
    let growth = before.iter().zip(&after).map(|(before, after)| after.saturating_sub(*before));
    assert!(
        growth.clone().all(|growth| growth < GROWTH),
        "{:?} KB more",
        growth.collect::<Vec<_>>()
    );
}

/// The answers to each kind of token: their statuses, and how long they took.
type Answers = BTreeMap<Kind, Vec<(u16, Duration)>>;

/// Has every client send one token after another, of these kinds by turns.
async fn crowd(
    world: &World,
    tokens: &Arc<Tokens>,
    kinds: &'static [Kind],
    time: Duration,
) -> Answers {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let url = format!("http://{}/whoami", world.stack.gateway.address());
    let end = Instant::now() + time;
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (client, url, tokens) = (client.clone(), url.clone(), Arc::clone(tokens));
        clients.spawn(async move {
            let mut answers = Vec::new();
            let mut turn = number;
            while Instant::now() < end {
                let kind = kinds[turn % kinds.len()];
                let own = tokens.of(kind);
                let bearer = format!("Bearer {}", own[turn / kinds.len() % own.len()]);
                turn += 1;
                let request = Request::get(&*url).header("authorization", bearer);
                let start = Instant::now();
                let answer = client.request(request.body(Empty::new()).unwrap()).await.unwrap();
                answers.push((kind, answer.status().as_u16(), start.elapsed()));
            }
            answers
        });
    }
    let mut all = Answers::new();
    for (kind, status, took) in clients.join_all().await.into_iter().flatten() {
        all.entry(kind).or_default().push((status, took));
    }
    all
}

/// What the log tells of the burst. Who reads it may miss some lines.
#[derive(Debug, Default)]
struct Log {
    lines: u64,
    /// Refused for what needs no key, and KMS was asked all the same.
    needless: u64,
}

async fn read(mut lines: Receiver<Line>) -> Log {
    let mut log = Log::default();
    loop {
        let line = match lines.recv().await {
            Ok(line) => line,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return log,
        };
        let line: Value = serde_json::from_str(&line.text).unwrap_or_default();
        let needs_none = line["outcome"] == "Rejected" && line["Reason"] != "InvalidSignature";
        log.lines += 1;
        log.needless += u64::from(needs_none && !line["KmsLatency"].is_null());
    }
}

fn rows(answers: &Answers) -> Vec<Vec<String>> {
    let titles = ["tokens", "requests", "200", "401", "500", "other", "p50 ms", "p99 ms"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    for (kind, answers) in answers {
        let with = |status: u16| answers.iter().filter(|answer| answer.0 == status).count();
        let mut times: Vec<Duration> = answers.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        let quantile = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
        let counts = [200, 401, 500].map(with);
        let other = answers.len() - counts.iter().sum::<usize>();
        rows.push(vec![
            format!("{kind:?}").to_lowercase(),
            answers.len().to_string(),
            counts[0].to_string(),
            counts[1].to_string(),
            counts[2].to_string(),
            other.to_string(),
            format!("{:.0}", quantile(50)),
            format!("{:.0}", quantile(99)),
        ]);
    }
    rows
}

/// The memory that each of these processes has, in KB.
fn resident(processes: &[PathBuf]) -> Vec<u64> {
    let of = |process: &PathBuf| {
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.unwrap().trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    processes.iter().map(of).collect()
}

/// For a quotient.
fn count(number: impl TryInto<u32>) -> f64 {
    f64::from(number.try_into().unwrap_or(u32::MAX))
}

const CLIENTS: usize = 200;
/// What KMS takes in a second.
const QUOTA: u32 = 50;
const A_MOMENT: Duration = Duration::from_secs(2);
/// What a process may need more of memory after the burst than before it, in KB.
const GROWTH: u64 = 1024;
