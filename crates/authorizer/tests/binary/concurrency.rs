use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use testing::{InjectFaults, InjectedFault};

use serde_json::{Value, json};

use crate::{
    host::{Running, Runtime},
    stack::{Stack, bearer},
};

/// Lambda Managed Instances hand out several requests at once to one environment.
#[tokio::test]
async fn many_requests_at_once_in_one_environment() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let good = stack.good(&json!({}));
    for (at_once, expected) in [(4, 4), (1, 1)] {
        let events = (0..8).map(|at| if at % 2 == 0 { bearer(&good) } else { bearer("x.y.z") });
        let runtime = Runtime::start(&events.collect::<Vec<Value>>());
        let endpoint = format!("http://{}", stack.kms.address());
        stack.kms.inject(Some(InjectedFault::Late(Duration::from_millis(200))));
        let concurrency = at_once.to_string();
        let settings = [("AWS_LAMBDA_MAX_CONCURRENCY", concurrency.as_str())];
        let mut child = Running::start(&runtime.address, &endpoint, &settings);
        let log = runtime.after(8).await;
        stack.kms.inject(None);
        child.child.kill().unwrap();
        // Those that KMS was not asked about are over at once; of the others, as many wait for it.
        let mut waiting = BTreeSet::new();
        let mut most = 0;
        for entry in &log {
            let (what, id) = entry.split_once(' ').unwrap();
            match what {
                "next" => _ = waiting.insert(id),
                "response" if id.parse::<u8>().unwrap() % 2 == 0 => _ = waiting.remove(id),
                "error" if id.parse::<u8>().unwrap() % 2 == 1 => _ = waiting.remove(id),
                _ => panic!("{log:?}"),
            }
            most = most.max(waiting.len());
        }
        assert_eq!(most, expected, "{log:?}");
    }
}

/// A start that KMS makes slow is part of what every request waits for that was there from its
/// beginning, and of no other's time.
#[tokio::test]
async fn a_start_counts_for_those_who_wait_for_it() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let good = stack.good(&json!({}));
    stack.kms.inject(Some(InjectedFault::Silence));
    let endpoint = format!("http://{}", stack.kms.address());
    let runtime = Runtime::start(&[bearer(&good), bearer(&good)]);
    let ahead = Runtime::start(&[]);
    let start = Instant::now();
    let two = [("AWS_LAMBDA_MAX_CONCURRENCY", "2")];
    let _running = [&runtime, &ahead].map(|it| Running::start(&it.address, &endpoint, &two));
    let log = runtime.after(2).await;
    let took = start.elapsed();
    assert!(log.iter().filter(|entry| entry.starts_with("error")).count() == 2, "{log:?}");
    assert!(took < Duration::from_secs(5), "both within what a caller waits: {took:?}");
    // That the other one has started long before its first request comes is what this waits for.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    ahead.add(&bearer(&good));
    ahead.after(1).await;
    let took = start.elapsed();
    assert!(took > Duration::from_secs(3), "it has its whole time: {took:?}");
    assert!(took < Duration::from_secs(5), "and no more: {took:?}");
}
