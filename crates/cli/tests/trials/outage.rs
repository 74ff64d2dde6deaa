//! KMS is gone while an authorizer verifies with public keys: nobody notices, even while the ring
//! is due for a refresh again and again.

use std::time::Duration;
use testing::{InjectFaults, InjectedFault};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    harness::{Arguments, Verdict, judge, table},
    world::{Door, World},
};

const NAME: &str = "outage::local";

pub(crate) fn names() -> Vec<String> {
    vec![NAME.to_owned()]
}

pub(crate) async fn run(arguments: &Arguments) -> Vec<Verdict> {
    if !arguments.wants(NAME) {
        return Vec::new();
    }
    let (verdict, said) = judge(NAME, trial()).await;
    let row = vec![NAME.to_owned(), said.unwrap_or_else(|| "WRONG".into())];
    table("Public keys, refreshed every second, and a black hole in place of KMS", &[row]);
    vec![verdict]
}

async fn trial() -> String {
    let world = World::start(&[("VERIFICATION", "local"), ("KEY_REFRESH_SECONDS", "1")]).await;
    let token = world.token().await;
    world.stack.kms.inject(Some(InjectedFault::Silence));
    let calls = world.stack.kms.calls();
    let mut pace = interval(Duration::from_millis(50));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut times = Vec::new();
    for _ in 0..REQUESTS {
        pace.tick().await;
        let seen = world.ask(Door::Authorizer, &token).await;
        assert_eq!(seen.status, 200);
        times.push(seen.took);
    }
    assert!(world.stack.kms.calls() > calls, "no refresh was due");
    times.sort_unstable_by(|one, other| other.cmp(one));
    // Of a refresh, the first request waits for a moment; none after it, until KMS is back.
    assert!(times[0] < Duration::from_secs(1) && times[1] < MOMENT, "{times:?}");
    format!(
        "{REQUESTS} × 200, the slowest after {:.2} s and {:.2} s",
        times[0].as_secs_f64(),
        times[1].as_secs_f64()
    )
}

/// With one every 50 ms, longer than KMS is given to answer.
const REQUESTS: usize = 120;
/// How long a request waits for a refresh, if it does.
const MOMENT: Duration = Duration::from_millis(500);
