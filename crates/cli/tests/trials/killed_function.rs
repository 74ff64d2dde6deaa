//! A function that is killed during a request: that request fails, and the next one succeeds. All state is in
//! KMS.

use std::sync::Arc;

use testing::InjectFaults;

use crate::{
    deployment::{Deployment, Function, kill},
    harness::{Arguments, Outcome, run_concurrently, run_trial, table},
};

/// Name, function that is killed during a call of KMS, whether it is its first invocation, and the status
/// that the client receives.
const ROWS: [(&str, Function, bool, u16); 4] = [
    ("killed::issuer::cold", Function::Issuer, true, 502),
    ("killed::issuer::warm", Function::Issuer, false, 502),
    ("killed::authorizer::cold", Function::Authorizer, true, 500),
    ("killed::authorizer::warm", Function::Authorizer, false, 500),
];

pub(crate) fn names() -> Vec<String> {
    ROWS.iter().map(|(name, ..)| (*name).to_owned()).collect()
}

pub(crate) async fn run(arguments: &Arguments) -> Vec<Outcome> {
    let rows = ROWS.iter().filter(|(name, ..)| arguments.selects(name));
    let trials = rows.map(|(name, function, cold, status)| async move {
        let (outcome, result) = run_trial(name, trial(*function, *cold, *status)).await;
        (outcome, vec![(*name).to_owned(), result.unwrap_or_else(|| "WRONG".into())])
    });
    let (outcomes, rows): (Vec<_>, Vec<_>) =
        run_concurrently(ROWS.len(), trials).await.into_iter().unzip();
    if !rows.is_empty() {
        table("Functions that are killed (SIGKILL) during a call of KMS", &rows);
    }
    outcomes
}

async fn trial(function: Function, cold: bool, status: u16) -> String {
    let deployment = Arc::new(Deployment::start(&[]).await);
    let token = deployment.token().await;
    assert_eq!(deployment.request(Function::Authorizer, &token).await.status, 200);
    let ring = deployment.ring();
    if cold {
        deployment.stack.functions[function.name()].stop_idle();
    }
    let blocked = deployment.stack.kms.block_after(0);
    let (client, bearer) = (Arc::clone(&deployment), token.clone());
    let request = tokio::spawn(async move { client.request(function, &bearer).await });
    blocked.await.unwrap();
    kill(&deployment.processes(function));
    let response = request.await.unwrap();
    assert_eq!(response.status, status, "{function:?}: {}", response.body);
    let next = deployment.request(function, &token).await;
    assert_eq!(next.status, 200, "{function:?}: {}", next.body);
    assert_eq!(deployment.ring(), ring, "the ring has changed");
    format!("{} for its request, {} for the next", response.status, next.status)
}
