//! A connection to KMS that the other side has closed while it was idle: the request is retried, and does not
//! fail.

use std::time::Duration;

use local::{Bytes, Request};
use testing::{InjectFaults, InjectedFault};
use tokio::time::sleep;

use crate::{
    deployment::{Deployment, Function},
    harness::{Arguments, Outcome, run_concurrently, run_trial, table},
};

/// How an idle connection ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The client sees the end before the next request.
    Closed,
    /// The fault occurs together with the next request.
    With(InjectedFault),
}

/// Name, function, end of the connection, and the time limit of the next request in ms. An attempt without a
/// response times out after 1.3 s.
const ROWS: [(&str, Function, End, u64); 6] = [
    ("idle::closed::issuer", Function::Issuer, End::Closed, 1000),
    ("idle::closed::authorizer", Function::Authorizer, End::Closed, 1000),
    ("idle::reset by the request::issuer", Function::Issuer, End::With(InjectedFault::Stale), 1000),
    (
        "idle::reset by the request::authorizer",
        Function::Authorizer,
        End::With(InjectedFault::Stale),
        1000,
    ),
    ("idle::lost::issuer", Function::Issuer, End::With(InjectedFault::Lost), 2500),
    ("idle::lost::authorizer", Function::Authorizer, End::With(InjectedFault::Lost), 2500),
];

pub(crate) fn names() -> Vec<String> {
    ROWS.iter().map(|(name, ..)| (*name).to_owned()).collect()
}

pub(crate) async fn run(arguments: &Arguments) -> Vec<Outcome> {
    let rows = ROWS.iter().filter(|(name, ..)| arguments.selects(name));
    let trials = rows.map(|(name, function, end, limit)| async move {
        let (outcome, result) =
            run_trial(name, trial(*function, *end, Duration::from_millis(*limit))).await;
        (outcome, vec![(*name).to_owned(), result.unwrap_or_else(|| "WRONG".into())])
    });
    let (outcomes, rows): (Vec<_>, Vec<_>) =
        run_concurrently(ROWS.len(), trials).await.into_iter().unzip();
    if !rows.is_empty() {
        table("Idle connections that KMS closed: the next request", &rows);
    }
    outcomes
}

async fn trial(function: Function, end: End, limit: Duration) -> String {
    let deployment = Deployment::start(&[]).await;
    let (kms, token) = (&deployment.stack.kms, deployment.token().await);
    // The key set needs three concurrent calls: then as many connections are idle as the SDK has attempts.
    let keys = Request::get("/.well-known/jwks.json").body(Bytes::new()).unwrap();
    assert_eq!(deployment.send(keys).await.status, 200);
    assert_eq!(deployment.request(Function::Authorizer, &token).await.status, 200);
    match end {
        End::Closed => {
            kms.close_connections().await;
            // The close takes some time to arrive on a busy machine.
            sleep(Duration::from_millis(20)).await;
        }
        End::With(fault) => kms.inject(Some(fault)),
    }
    let (calls, retries) = (kms.calls(), kms.retries());
    let response = deployment.request(function, &token).await;
    assert_eq!(response.status, 200, "{function:?} {end:?}");
    assert!(response.took < limit, "{function:?} {end:?}: {:?}", response.took);
    let (calls, retries) = (kms.calls() - calls, kms.retries() - retries);
    let expected = u64::from(!matches!(end, End::Closed));
    assert_eq!((calls, retries), (1, expected), "{function:?} {end:?}");
    let took = response.took.as_secs_f64();
    format!(
        "{} after {took:.2} s, {}",
        response.status,
        ["no retry", "one retry"][usize::from(retries > 0)]
    )
}
