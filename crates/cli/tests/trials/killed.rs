//! A function that is killed in the middle of a request: one request fails, and nothing is left
//! behind, as all that there is to know is in KMS.

use std::sync::Arc;
use testing::InjectFaults;

use crate::{
    harness::{Arguments, Verdict, judge, table, together},
    world::{Door, World, kill},
};

/// Who is killed while KMS has its question, and whether it is the first in its life.
const ROWS: [(&str, Door, bool, u16); 4] = [
    ("killed::issuer::cold", Door::Issuer, true, 502),
    ("killed::issuer::warm", Door::Issuer, false, 502),
    ("killed::authorizer::cold", Door::Authorizer, true, 500),
    ("killed::authorizer::warm", Door::Authorizer, false, 500),
];

pub(crate) fn names() -> Vec<String> {
    ROWS.iter().map(|(name, ..)| (*name).to_owned()).collect()
}

pub(crate) async fn run(arguments: &Arguments) -> Vec<Verdict> {
    let rows = ROWS.iter().filter(|(name, ..)| arguments.wants(name));
    let trials = rows.map(|(name, door, cold, status)| async move {
        let (verdict, said) = judge(name, trial(*door, *cold, *status)).await;
        (verdict, vec![(*name).to_owned(), said.unwrap_or_else(|| "WRONG".into())])
    });
    let (verdicts, rows): (Vec<_>, Vec<_>) = together(ROWS.len(), trials).await.into_iter().unzip();
    if !rows.is_empty() {
        table("Functions that are killed (SIGKILL) while KMS is asked", &rows);
    }
    verdicts
}

async fn trial(door: Door, cold: bool, status: u16) -> String {
    let world = Arc::new(World::start(&[]).await);
    let token = world.token().await;
    assert_eq!(world.ask(Door::Authorizer, &token).await.status, 200);
    let ring = world.ring();
    if cold {
        world.stack.functions[door.function()].cool();
    }
    let held = world.stack.kms.block_after(0);
    let (client, own) = (Arc::clone(&world), token.clone());
    let request = tokio::spawn(async move { client.ask(door, &own).await });
    held.await.unwrap();
    kill(&world.processes(door));
    let seen = request.await.unwrap();
    assert_eq!(seen.status, status, "{door:?}: {}", seen.body);
    let next = world.ask(door, &token).await;
    assert_eq!(next.status, 200, "{door:?}: {}", next.body);
    assert_eq!(world.ring(), ring, "the ring is as it was");
    format!("{} for its request, {} for the next", seen.status, next.status)
}
