//! A connection to KMS that the other side has given up while nobody used it: a retry, and no
//! error.

use std::time::Duration;

use local::{Bytes, Request};
use testing::{InjectFaults, InjectedFault};
use tokio::time::sleep;

use crate::{
    harness::{Arguments, Verdict, judge, table, together},
    world::{Door, World},
};

/// How a connection that waits comes to its end.
#[derive(Debug, Clone, Copy)]
enum End {
    /// It is seen before the next request.
    Closed,
    /// It comes together with the next request.
    With(InjectedFault),
}

/// Each with the longest time that the next request takes: an attempt that nobody hears is given up
/// after 1.3 s.
const ROWS: [(&str, Door, End, u64); 6] = [
    ("idle::closed::issuer", Door::Issuer, End::Closed, 1000),
    ("idle::closed::authorizer", Door::Authorizer, End::Closed, 1000),
    ("idle::reset by the request::issuer", Door::Issuer, End::With(InjectedFault::Stale), 1000),
    (
        "idle::reset by the request::authorizer",
        Door::Authorizer,
        End::With(InjectedFault::Stale),
        1000,
    ),
    ("idle::lost::issuer", Door::Issuer, End::With(InjectedFault::Lost), 2500),
    ("idle::lost::authorizer", Door::Authorizer, End::With(InjectedFault::Lost), 2500),
];

pub(crate) fn names() -> Vec<String> {
    ROWS.iter().map(|(name, ..)| (*name).to_owned()).collect()
}

pub(crate) async fn run(arguments: &Arguments) -> Vec<Verdict> {
    let rows = ROWS.iter().filter(|(name, ..)| arguments.wants(name));
    let trials = rows.map(|(name, door, end, limit)| async move {
        let (verdict, said) = judge(name, trial(*door, *end, Duration::from_millis(*limit))).await;
        (verdict, vec![(*name).to_owned(), said.unwrap_or_else(|| "WRONG".into())])
    });
    let (verdicts, rows): (Vec<_>, Vec<_>) = together(ROWS.len(), trials).await.into_iter().unzip();
    if !rows.is_empty() {
        table("Connections that KMS gave up while they waited: the next request", &rows);
    }
    verdicts
}

async fn trial(door: Door, end: End, limit: Duration) -> String {
    let world = World::start(&[]).await;
    let (kms, token) = (&world.stack.kms, world.token().await);
    // Three at once: as many connections wait from then on as the SDK has attempts.
    let keys = Request::get("/.well-known/jwks.json").body(Bytes::new()).unwrap();
    assert_eq!(world.send(keys).await.status, 200);
    assert_eq!(world.ask(Door::Authorizer, &token).await.status, 200);
    match end {
        End::Closed => {
            kms.hang_up().await;
            // What was sent takes a busy machine a moment to deliver.
            sleep(Duration::from_millis(20)).await;
        }
        End::With(disturbance) => kms.inject(Some(disturbance)),
    }
    let (calls, retries) = (kms.calls(), kms.retries());
    let seen = world.ask(door, &token).await;
    assert_eq!(seen.status, 200, "{door:?} {end:?}");
    assert!(seen.took < limit, "{door:?} {end:?}: {:?}", seen.took);
    let (calls, retries) = (kms.calls() - calls, kms.retries() - retries);
    let expected = u64::from(!matches!(end, End::Closed));
    assert_eq!((calls, retries), (1, expected), "{door:?} {end:?}");
    let took = seen.took.as_secs_f64();
    format!(
        "{} after {took:.2} s, {}",
        seen.status,
        ["no retry", "one retry"][usize::from(retries > 0)]
    )
}
