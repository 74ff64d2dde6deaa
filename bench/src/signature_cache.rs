//! The KMS calls that the signature cache saves, and the memory that it needs.

use std::error::Error;

use crate::{
    comparison::Shuffler,
    functions,
    lambda_host::{FunctionProcess, Program},
    programs::{CACHED, LOCAL},
    testbed::Testbed,
};

/// One environment with this number of tokens, each of which is sent ten times, in random order.
pub struct CacheUse {
    pub tokens: usize,
    pub requests: usize,
    /// The calls to KMS Verify.
    pub calls: u64,
    /// The maximum of resident memory in bytes, with the cache and without it.
    pub peak: u64,
    pub peak_without: u64,
}

impl CacheUse {
    /// The share of requests whose signature was cached.
    pub fn hit_rate(&self) -> f64 {
        1.0 - self.calls as f64 / self.requests as f64
    }
}

/// Measures environments with different numbers of tokens.
pub async fn run(testbed: &Testbed) -> Result<Vec<CacheUse>, Box<dyn Error>> {
    let path = functions::find(&functions::directory(), "authorizer")?;
    let with = |settings: &[(&str, &str)]| {
        let mut environment = testbed.environment(&testbed.immediate.http);
        environment.extend(settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        Program { path: path.clone(), arguments: Vec::new(), environment }
    };
    let mut uses = Vec::new();
    for tokens in [1, 10, 100, 1000, 2000, 4000, 5000, 8000] {
        let events = testbed.events(tokens)?;
        let requests = tokens * REPETITIONS;
        let (calls, peak) = send(testbed, &with(&[CACHED]), &events, requests).await?;
        let (_, peak_without) = send(testbed, &with(&[LOCAL]), &events, requests).await?;
        uses.push(CacheUse { tokens, requests, calls, peak, peak_without });
    }
    Ok(uses)
}

/// Sends the requests to a new process. Returns the calls to KMS after its start, and its maximum of memory.
async fn send(
    testbed: &Testbed,
    program: &Program,
    events: &[Vec<u8>],
    requests: usize,
) -> Result<(u64, u64), Box<dyn Error>> {
    let (mut process, _) = FunctionProcess::start(program).await?;
    process.ready().await?;
    let before = testbed.service.calls();
    for at in Shuffler::new().order(requests) {
        process.invoke(&[events[at % events.len()].clone()]).await?;
    }
    Ok((testbed.service.calls() - before, process.peak()?))
}

/// How often each token is sent.
const REPETITIONS: usize = 10;
