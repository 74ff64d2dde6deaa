//! KMS does not respond while an authorizer verifies with public keys: every request succeeds, although the
//! refresh of the ring is due every second.

use std::time::Duration;

use testing::{InjectFaults, InjectedFault};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    deployment::{Deployment, Function},
    harness::{Arguments, Outcome, run_trial, table},
};

const NAME: &str = "outage::local";

pub(crate) fn names() -> Vec<String> {
    vec![NAME.to_owned()]
}

pub(crate) async fn run(arguments: &Arguments) -> Vec<Outcome> {
    if !arguments.selects(NAME) {
        return Vec::new();
    }
    let (outcome, result) = run_trial(NAME, trial()).await;
    let row = vec![NAME.to_owned(), result.unwrap_or_else(|| "WRONG".into())];
    table("Verification with public keys, refresh every second, no response of KMS", &[row]);
    vec![outcome]
}

async fn trial() -> String {
    let deployment =
        Deployment::start(&[("VERIFICATION", "local"), ("KEY_REFRESH_SECONDS", "1")]).await;
    let token = deployment.token().await;
    deployment.stack.kms.inject(Some(InjectedFault::Silence));
    let calls = deployment.stack.kms.calls();
    let mut pace = interval(Duration::from_millis(50));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut times = Vec::new();
    for _ in 0..REQUESTS {
        pace.tick().await;
        let response = deployment.request(Function::Authorizer, &token).await;
        assert_eq!(response.status, 200);
        times.push(response.took);
    }
    assert!(deployment.stack.kms.calls() > calls, "no refresh was due");
    times.sort_unstable_by(|one, other| other.cmp(one));
    // Only the first request waits for a refresh, up to its limit; the others use the cached ring at once.
    assert!(times[0] < Duration::from_secs(1) && times[1] < REFRESH_WAIT, "{times:?}");
    format!(
        "{REQUESTS} × 200, the slowest after {:.2} s and {:.2} s",
        times[0].as_secs_f64(),
        times[1].as_secs_f64()
    )
}

/// At one request per 50 ms, this takes longer than the timeout of a KMS call.
const REQUESTS: usize = 120;
/// The maximum time that a request waits for a refresh.
const REFRESH_WAIT: Duration = Duration::from_millis(500);
