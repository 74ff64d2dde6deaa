//! What the signature cache saves, and what it needs.

use std::error::Error;

use crate::{
    comparison::Shuffler,
    functions,
    lambda_host::{FunctionProcess, Program},
    programs::CACHED,
    testbed::Testbed,
};

/// One environment with this number of tokens, each of which is sent ten times, in random order.
pub struct CacheUse {
    pub tokens: usize,
    pub requests: usize,
    /// The calls to KMS Verify.
    pub calls: u64,
    /// The maximum of resident memory in bytes.
    pub peak: u64,
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
    let mut environment = testbed.environment(&testbed.immediate.http);
    environment.push((CACHED.0.to_owned(), CACHED.1.to_owned()));
    let program = Program { path, arguments: Vec::new(), environment };
    let mut uses = Vec::new();
    for tokens in [1, 10, 100, 1000, 2000, 4000, 5000, 8000] {
        let events = testbed.events(tokens)?;
        let requests = tokens * REPETITIONS;
        let (mut process, _) = FunctionProcess::start(&program).await?;
        process.ready().await?;
        let before = testbed.kms.calls();
        for at in Shuffler::new().order(requests) {
            process.invoke(&[events[at % tokens].clone()]).await?;
        }
        let calls = testbed.kms.calls() - before;
        uses.push(CacheUse { tokens, requests, calls, peak: process.peak()? });
    }
    Ok(uses)
}

/// How often each token is sent.
const REPETITIONS: usize = 10;
