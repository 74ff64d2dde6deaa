//! Reports that a function cannot start.

use std::{env, process::ExitCode, time::Duration};

use http::Uri;
use lambda_runtime::Diagnostic;
use lambda_runtime_api_client::{PooledClient, body::Body, build_request};
use tokio::time::timeout;

use crate::{runtime_api_address::runtime_api_address, telemetry::StartFailure};

/// Logs why the function cannot start, and reports it to Lambda.
pub(crate) async fn fail_start(failure: StartFailure) -> ExitCode {
    failure.log();
    let api = env::var("AWS_LAMBDA_RUNTIME_API").unwrap_or_default();
    if let Some(api) = runtime_api_address(&api) {
        // Without the report, Lambda only sees that the process ended.
        let _ = timeout(REPORT_TIMEOUT, report(api, &failure)).await;
    }
    ExitCode::FAILURE
}

/// Reports an initialization error
/// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror>).
async fn report(api: Uri, failure: &StartFailure) -> Result<(), lambda_runtime::Error> {
    let StartFailure { cause, message, problems } = failure;
    let (error_type, error_message) =
        (format!("Runtime.{cause}"), format!("{message}: {problems}"));
    let request = build_request()
        .method("POST")
        .uri("/2018-06-01/runtime/init/error")
        .header("lambda-runtime-function-error-type", &error_type);
    let body = serde_json::to_vec(&Diagnostic { error_type, error_message })?;
    let client = PooledClient::builder().with_endpoint(api).build();
    client.call(request.body(Body::from(body))?).await?;
    Ok(())
}

const REPORT_TIMEOUT: Duration = Duration::from_secs(1);
