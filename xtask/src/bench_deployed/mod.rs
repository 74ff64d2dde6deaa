//! Measures a deployed stack: the latency for its clients, and the figures in the logs of its functions.

mod client;
mod deployment;
mod distribution;
mod function_log;
mod function_report;
mod insights;
mod report;
#[cfg(test)]
mod tests;
mod tokens;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime},
};

use clap::value_parser;
use serde_json::{Map, Value};

use self::{
    client::Load,
    deployment::{Deployment, whoami_url},
    function_report::FunctionReport,
    insights::{LogReader, seconds},
    report::Report,
};
use crate::{aws::Aws, error::Error};

/// Measure a deployed stack
///
/// Invokes the issuer for tokens, sends requests with them to the API, and reads with Logs Insights what
/// the functions logged about them. Prints a table in Markdown. Every call to AWS goes through the AWS CLI (`aws`) with
/// its profile, Region and endpoint.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Name of the stack
    #[arg(long, value_name = "NAME", default_value = "countersign")]
    stack_name: String,
    /// Number of requests
    #[arg(long, default_value_t = 1000, value_parser = value_parser!(u32).range(1..=10_000))]
    requests: u32,
    /// Number of requests at the same time. Lambda starts about as many environments of the authorizer
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=1000))]
    concurrency: u32,
    /// Number of tokens, which the requests use in turn
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=1000))]
    tokens: u32,
    /// Claims of the tokens, a JSON object; without `sub`, it is `bench-deployed-` and the time
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = claims)]
    claims: Map<String, Value>,
    /// Name of the stack of deploy/demo.yaml, to which the requests go; by default that of the stack and `-demo`
    #[arg(long, value_name = "NAME")]
    demo_stack_name: Option<String>,
    /// URL of the requests, in place of that of the demo
    #[arg(long, conflicts_with = "demo_stack_name")]
    url: Option<String>,
    /// Seconds to wait until the logs have all requests
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    wait: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures the stack that the arguments name.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    print!("{}", measure(&Aws::on_path(), arguments)?);
    Ok(())
}

/// The table or the JSON.
fn measure(aws: &Aws, arguments: &Arguments) -> Result<String, Error> {
    let started = SystemTime::now();
    let deployment = Deployment::find(aws, &arguments.stack_name)?;
    let url = match (&arguments.url, &arguments.demo_stack_name) {
        (Some(url), _) => url.clone(),
        (None, Some(demo)) => whoami_url(aws, demo)?,
        (None, None) => whoami_url(aws, &format!("{}-demo", arguments.stack_name))?,
    };

    eprintln!("invoking the issuer for {} tokens", arguments.tokens);
    let mut claims = arguments.claims.clone();
    claims.entry("sub").or_insert_with(|| format!("bench-deployed-{}", seconds(started)).into());
    let tokens = tokens::request(aws, &deployment.issuer.arn, &claims, arguments.tokens)?;

    let Arguments { requests, concurrency, .. } = *arguments;
    eprintln!("sending {requests} requests to {url}");
    let responses = client::send(&Load { url: &url, tokens: &tokens, requests, concurrency })?;
    let decided = responses.decided();
    if decided == 0 {
        return Err(Error::Check(format!("{url}: no response is 200 or 403, but {responses}")));
    }

    eprintln!("waiting for the log lines");
    let ids: BTreeSet<&str> = tokens.iter().map(|token| token.jti.as_str()).collect();
    let deadline = Instant::now() + Duration::from_secs(arguments.wait);
    let reader = LogReader { aws, since: started, claims: &claims, ids, deadline };
    let authorizer = reader.invocations(&deployment.authorizer, decided)?;
    let issuer = reader.invocations(&deployment.issuer, tokens.len())?;

    let report = Report {
        stack: &arguments.stack_name,
        time: started,
        requests,
        concurrency,
        tokens: tokens.len(),
        responses: &responses,
        authorizer: FunctionReport::new(&deployment.authorizer, &authorizer, decided),
        issuer: FunctionReport::new(&deployment.issuer, &issuer, tokens.len()),
    };
    Ok(if arguments.json { format!("{:#}\n", report.to_json()) } else { report.to_markdown() })
}

fn claims(argument: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(argument).map_err(|error| error.to_string())
}
