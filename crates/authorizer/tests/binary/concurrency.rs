use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use testing::{InjectFaults, InjectedFault};

use serde_json::{Value, json};

use crate::{
    host::{FunctionProcess, RuntimeApi},
    stack::{Stack, rest_with_token},
};

/// Lambda Managed Instances send several concurrent requests to one environment.
#[tokio::test]
async fn environment_handles_as_many_concurrent_requests_as_configured() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let valid = stack.token_with(&json!({}));
    for (concurrency, expected) in [(4, 4), (1, 1)] {
        let events = (0..8)
            .map(|at| if at % 2 == 0 { rest_with_token(&valid) } else { rest_with_token("x.y.z") });
        let runtime = RuntimeApi::start(&events.collect::<Vec<Value>>());
        let endpoint = format!("http://{}", stack.kms.address());
        stack.kms.inject(Some(InjectedFault::Late(Duration::from_millis(200))));
        let concurrency = concurrency.to_string();
        let settings = [("AWS_LAMBDA_MAX_CONCURRENCY", concurrency.as_str())];
        let mut child = FunctionProcess::start(&runtime.address, &endpoint, &settings);
        let log = runtime.log_after(8).await;
        stack.kms.inject(None);
        child.child.kill().unwrap();
        // Malformed tokens need no KMS call and are rejected at once. The other requests wait for KMS.
        let mut waiting = BTreeSet::new();
        let mut most_waiting = 0;
        for entry in &log {
            let (action, id) = entry.split_once(' ').unwrap();
            match action {
                "next" => _ = waiting.insert(id),
                "response" if id.parse::<u8>().unwrap() % 2 == 0 => _ = waiting.remove(id),
                "error" if id.parse::<u8>().unwrap() % 2 == 1 => _ = waiting.remove(id),
                _ => panic!("{log:?}"),
            }
            most_waiting = most_waiting.max(waiting.len());
        }
        assert_eq!(most_waiting, expected, "{log:?}");
    }
}

/// The time of a slow start counts against the requests that waited for it, and against no later request.
#[tokio::test]
async fn time_of_the_start_counts_for_requests_that_waited_for_it() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let valid = stack.token_with(&json!({}));
    stack.kms.inject(Some(InjectedFault::Silence));
    let endpoint = format!("http://{}", stack.kms.address());
    let runtime = RuntimeApi::start(&[rest_with_token(&valid), rest_with_token(&valid)]);
    let started_ahead = RuntimeApi::start(&[]);
    let start = Instant::now();
    let two = [("AWS_LAMBDA_MAX_CONCURRENCY", "2")];
    let _running =
        [&runtime, &started_ahead].map(|api| FunctionProcess::start(&api.address, &endpoint, &two));
    let log = runtime.log_after(2).await;
    let took = start.elapsed();
    assert!(log.iter().filter(|entry| entry.starts_with("error")).count() == 2, "{log:?}");
    assert!(took < Duration::from_secs(5), "both responses come in time: {took:?}");
    // The other process must have started long before its first request.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    started_ahead.add(&rest_with_token(&valid));
    started_ahead.log_after(1).await;
    let took = start.elapsed();
    assert!(took > Duration::from_secs(3), "the start does not count: {took:?}");
    assert!(took < Duration::from_secs(5), "the response comes in time: {took:?}");
}
