//! 200 concurrent clients with tokens of every kind, over a KMS that throttles: the responses, the KMS calls,
//! and the memory of the functions.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use local::{Bytes, Request, lambda::LogLine};
use serde_json::Value;
use testing::{InjectFaults, InjectedFault};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    deployment::{Deployment, Function},
    harness::{Arguments, Outcome, run_trial, table},
    tokens::{Kind, Tokens},
};

const NAME: &str = "burst::200 clients";

pub(crate) fn names() -> Vec<String> {
    vec![NAME.to_owned()]
}

pub(crate) async fn run(arguments: &Arguments) -> Vec<Outcome> {
    if !arguments.selects(NAME) {
        return Vec::new();
    }
    vec![run_trial(NAME, burst(arguments.burst)).await.0]
}

async fn burst(time: Duration) {
    let deployment = Deployment::start(&[]).await;
    let tokens = Arc::new(Tokens::make(&deployment).await);
    let kms = &deployment.stack.kms;

    // Tokens that are refused before their key is needed cause no call. Each function has loaded the key at
    // its start.
    send_requests(&deployment, &tokens, &[Kind::Garbage], WARM_UP).await;
    let calls = kms.calls();
    let keyless =
        send_requests(&deployment, &tokens, &[Kind::Expired, Kind::Garbage], WARM_UP).await;
    assert_eq!(kms.calls(), calls, "calls for tokens that need no key");

    kms.inject(Some(InjectedFault::Throttle(QUOTA)));
    send_requests(&deployment, &tokens, &Kind::ALL, WARM_UP).await;
    let functions = deployment.processes(Function::Authorizer);
    let before = resident_kb(&functions);
    let reader = tokio::spawn(read_log(deployment.stack.logs.follow()));
    let (calls, retries) = (kms.calls(), kms.retries());
    let start = Instant::now();
    let responses = send_requests(&deployment, &tokens, &Kind::ALL, time).await;
    let took = start.elapsed();
    let (calls, retries) = (kms.calls() - calls, kms.retries() - retries);
    let after = resident_kb(&functions);
    assert_eq!(
        deployment.processes(Function::Authorizer).len(),
        functions.len(),
        "a function has ended"
    );

    // After the requests in flight have ended, requests at half of the quota succeed.
    sleep(Duration::from_millis(200)).await;
    let mut pace = interval(Duration::from_secs(1) / (QUOTA / 2));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for token in tokens.of_kind(Kind::Good) {
        pace.tick().await;
        assert_eq!(
            deployment.request(Function::Authorizer, token).await.status,
            200,
            "it does not recover"
        );
    }
    kms.inject(None);
    drop(deployment);
    let log = reader.await.unwrap();

    let all = responses.values().map(Vec::len).sum::<usize>();
    table(
        &format!(
            "{CLIENTS} clients for {:.0} s, KMS throttling above {QUOTA} requests a second: {:.0} \
             requests a second",
            took.as_secs_f64(),
            to_f64(all) / took.as_secs_f64(),
        ),
        &rows(&responses),
    );
    let megabytes = |kilobytes: &[u64]| to_f64(kilobytes.iter().sum::<u64>()) / 1024.0;
    let keyless = keyless.values().map(Vec::len).sum::<usize>();
    let good = tokens.of_kind(Kind::Good).len();
    let notes = [
        (
            "expired and garbage tokens, before the burst",
            format!("{keyless} requests, no call of KMS"),
        ),
        ("calls of KMS", format!("{calls}, {retries} of them retries")),
        (
            "calls for tokens that need no key",
            format!("{} in {} log lines", log.needless, log.lines),
        ),
        (
            "memory of the functions",
            format!(
                "{} processes, {:.1} MB before, {:.1} MB after",
                functions.len(),
                megabytes(&before),
                megabytes(&after)
            ),
        ),
        ("after the burst", format!("200 for {good} of {good} good tokens")),
    ];
    let notes = notes.map(|(what, figure)| vec![what.to_owned(), figure]);
    table("Calls and memory", &notes);

    for kind in Kind::ALL {
        let wrong =
            responses[&kind].iter().filter(|(status, _)| !kind.allowed_statuses().contains(status));
        assert_eq!(wrong.count(), 0, "wrong responses to {kind:?}");
    }
    let with = |kind: Kind, status: u16| {
        responses[&kind].iter().filter(|response| response.0 == status).count()
    };
    assert!(with(Kind::Good, 200) > 0, "no good token was accepted");
    if with(Kind::Good, 500) == 0 {
        println!("  the clients stayed below the quota: no request was throttled");
    }
    // On a busy machine, the clients may stay below the quota.
    let quota = u64::from(QUOTA) * (took.as_secs() + 2);
    assert!(with(Kind::Good, 500) > 0 || calls <= quota, "{calls} calls, none throttled");
    assert!(with(Kind::Tampered, 401) > 0);
    assert_eq!(log.needless, 0, "calls for tokens that need no key");
    assert!(log.lines > 0);
    let growth = before.iter().zip(&after).map(|(before, after)| after.saturating_sub(*before));
    assert!(
        growth.clone().all(|growth| growth < MAX_GROWTH_KB),
        "growth in KB: {:?}",
        growth.collect::<Vec<_>>()
    );
}

/// The statuses and the durations of the responses to each kind of token.
type Responses = BTreeMap<Kind, Vec<(u16, Duration)>>;

/// Has every client send one request after another, with tokens of these kinds in turn.
async fn send_requests(
    deployment: &Deployment,
    tokens: &Arc<Tokens>,
    kinds: &'static [Kind],
    time: Duration,
) -> Responses {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let url = format!("http://{}/whoami", deployment.stack.gateway.address());
    let end = Instant::now() + time;
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (client, url, tokens) = (client.clone(), url.clone(), Arc::clone(tokens));
        clients.spawn(async move {
            let mut responses = Vec::new();
            let mut count = number;
            while Instant::now() < end {
                let kind = kinds[count % kinds.len()];
                let own = tokens.of_kind(kind);
                let bearer = format!("Bearer {}", own[count / kinds.len() % own.len()]);
                count += 1;
                let request = Request::get(&*url).header("authorization", bearer);
                let start = Instant::now();
                let response = client.request(request.body(Empty::new()).unwrap()).await.unwrap();
                responses.push((kind, response.status().as_u16(), start.elapsed()));
            }
            responses
        });
    }
    let mut all = Responses::new();
    for (kind, status, took) in clients.join_all().await.into_iter().flatten() {
        all.entry(kind).or_default().push((status, took));
    }
    all
}

/// Counts of log lines during the burst. The reader may miss lines.
#[derive(Debug, Default)]
struct Log {
    lines: u64,
    /// Lines of tokens that were refused before their key was needed, but with a call of KMS.
    needless: u64,
}

async fn read_log(mut lines: Receiver<LogLine>) -> Log {
    let mut log = Log::default();
    loop {
        let line = match lines.recv().await {
            Ok(line) => line,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return log,
        };
        let line: Value = serde_json::from_str(&line.text).unwrap_or_default();
        let needs_no_key = line["outcome"] == "Rejected" && line["Reason"] != "InvalidSignature";
        log.lines += 1;
        log.needless += u64::from(needs_no_key && !line["KmsLatency"].is_null());
    }
}

fn rows(responses: &Responses) -> Vec<Vec<String>> {
    let titles = ["tokens", "requests", "200", "401", "500", "other", "p50 ms", "p99 ms"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    for (kind, responses) in responses {
        let with = |status: u16| responses.iter().filter(|response| response.0 == status).count();
        let mut times: Vec<Duration> = responses.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        let quantile = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
        let counts = [200, 401, 500].map(with);
        let other = responses.len() - counts.iter().sum::<usize>();
        rows.push(vec![
            format!("{kind:?}").to_lowercase(),
            responses.len().to_string(),
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

/// The resident memory of each process, in KB.
fn resident_kb(processes: &[PathBuf]) -> Vec<u64> {
    let of = |process: &PathBuf| {
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.unwrap().trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    processes.iter().map(of).collect()
}

/// The number as a float, for a quotient.
fn to_f64(number: impl TryInto<u32>) -> f64 {
    f64::from(number.try_into().unwrap_or(u32::MAX))
}

const CLIENTS: usize = 200;
/// The requests that KMS accepts per second.
const QUOTA: u32 = 50;
const WARM_UP: Duration = Duration::from_secs(2);
/// The maximum growth of a process's memory during the burst, in KB.
const MAX_GROWTH_KB: u64 = 1024;
