//! What every Lambda function of a ring does around its handler: read the settings, load the ring,
//! serve invocations with `lambda_runtime`, and write one log line for each.

use std::{
    env,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use http::Uri;
use kms::{Cause, ErrorChain, Keyring, SuspendAwareInstant};
use lambda_runtime::{
    LambdaEvent, LambdaInvocation, Runtime, service_fn,
    tower::util::{MapRequestLayer, MapResultLayer},
};
use lambda_runtime_api_client::{PooledClient, body::Body, build_request};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

pub use lambda_runtime::Diagnostic;

use crate::{
    Settings, SettingsError,
    client::connect,
    runtime_api::runtime_api,
    table,
    telemetry::{self, LogRecord, Outcome},
};

/// What a function does with an event.
pub trait Handler: Send + Sync + 'static {
    /// What Lambda returns to the invoker, as JSON.
    type Response: Serialize + Send + 'static;

    /// Handles one event. An event that is not JSON arrives as `null`.
    fn handle(
        &self,
        event: &str,
        invocation: &Invocation,
    ) -> impl Future<Output = HandlerOutput<Self::Response>> + Send;
}

/// How an invocation ends.
#[derive(Debug)]
pub struct HandlerOutput<Response> {
    /// What Lambda returns to the invoker.
    pub response: Result<Response, Diagnostic>,
    /// What the log says about it.
    pub record: LogRecord,
}

/// What a handler and the log line need of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Lambda's id of the invocation.
    pub request_id: String,
    /// Whether it is the first of its environment.
    pub is_cold: bool,
    /// The X-Ray trace that it belongs to.
    pub trace_id: Option<String>,
    /// The time that the start of the environment took, if the invocation waited for it.
    pub init_duration: Duration,
    /// When Lambda ends the invocation. `None` if the host has sent no time that is still to come,
    /// as `cargo lambda watch` does.
    pub deadline: Option<SystemTime>,
}

impl Invocation {
    /// The time that is left for the response: of `limit`, which the start of the environment counts
    /// against, and until shortly before Lambda's deadline.
    #[must_use]
    pub fn time_left(&self, limit: Duration) -> Duration {
        let limit = limit.saturating_sub(self.init_duration);
        let Some(deadline) = self.deadline else { return limit };
        let until_deadline = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        limit.min(until_deadline.saturating_sub(MARGIN))
    }
}

/// Runs a function that has a ring. `read` reads the function's own settings, and `build` makes the
/// handler. Returns when the Runtime API ends or the function cannot start.
pub async fn run<T, H: Handler>(
    read: impl FnOnce(&mut Settings) -> Option<T>,
    build: impl FnOnce(T, Arc<Keyring>) -> H,
) -> ExitCode {
    telemetry::init_logging();
    let start = Instant::now();
    let (config, keyring) = match configure(Settings::from_environment(), read) {
        Ok(parts) => parts,
        Err(error) => return refuse_start(SETTINGS, "invalid settings", error.to_string()).await,
    };
    // Any other fault is in the log, and KMS may be back at the first request.
    if let Err(fault) = Box::pin(keyring.prepare()).await
        && fault.cause == Cause::UnsupportedKey
    {
        let problem = ErrorChain(&fault).to_string();
        return refuse_start(fault.cause.code(), "the key cannot sign tokens", problem).await;
    }
    Box::pin(serve(build(config, keyring), start.elapsed())).await
}

/// Runs a function that has no ring.
pub async fn run_without_ring<H: Handler>(
    read: impl FnOnce(&mut Settings) -> Option<H>,
) -> ExitCode {
    telemetry::init_logging();
    let mut settings = Settings::from_environment();
    let handler = settings.lambda().and(read(&mut settings));
    match settings.finish(handler) {
        Ok(handler) => Box::pin(serve(handler, Duration::ZERO)).await,
        Err(error) => refuse_start(SETTINGS, "invalid settings", error.to_string()).await,
    }
}

fn configure<T>(
    mut settings: Settings,
    read: impl FnOnce(&mut Settings) -> Option<T>,
) -> Result<(T, Arc<Keyring>), SettingsError> {
    let parts = (
        settings.lambda(),
        connect(&mut settings),
        settings.required(&table::KEY_ALIAS),
        settings.optional(&table::SIGNING_ALGORITHM),
        settings.duration(&table::KEY_REFRESH_SECONDS),
        read(&mut settings),
    );
    let parts = match parts {
        (Some(()), Some(client), Some(name), Some(algorithm), Some(refresh), Some(config)) => {
            let keyring = Keyring::new(client, name, algorithm, refresh);
            Some((config, Arc::new(keyring.on_neighbor_fault(telemetry::neighbor_fault))))
        }
        _ => None,
    };
    settings.finish(parts)
}

async fn serve(handler: impl Handler, init_duration: Duration) -> ExitCode {
    let environment = Arc::new(Environment {
        handler,
        init_duration,
        ready: SuspendAwareInstant::now(),
        is_cold: AtomicBool::new(true),
        must_end: AtomicBool::new(false),
    });
    let invoked = Arc::clone(&environment);
    let service = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let environment = Arc::clone(&invoked);
        async move { environment.invoke(event).await }
    });
    let runtime = Runtime::new(service)
        .layer(MapRequestLayer::new(with_readable_body))
        // This layer sees the end of the invocation: the response has been sent.
        .layer(MapResultLayer::new(move |sent| {
            if environment.must_end.load(Ordering::Relaxed) {
                return Err(EXPIRED.into());
            }
            sent
        }));
    match Box::pin(runtime.run_concurrent()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %ErrorChain(&*error), "the environment ends");
            ExitCode::FAILURE
        }
    }
}

struct Environment<H> {
    handler: H,
    init_duration: Duration,
    ready: SuspendAwareInstant,
    is_cold: AtomicBool,
    must_end: AtomicBool,
}

impl<H: Handler> Environment<H> {
    async fn invoke(&self, event: LambdaEvent<Box<RawValue>>) -> Result<H::Response, Diagnostic> {
        let LambdaEvent { payload, context } = event;
        let waited = self.ready.elapsed() < AT_ONCE;
        let invocation = Invocation {
            deadline: Some(context.deadline()).filter(|deadline| *deadline > SystemTime::now()),
            trace_id: context.xray_trace_id.as_deref().and_then(trace_id),
            request_id: context.request_id,
            is_cold: self.is_cold.swap(false, Ordering::Relaxed),
            init_duration: if waited { self.init_duration } else { Duration::ZERO },
        };
        let HandlerOutput { response, record } =
            self.handler.handle(payload.get(), &invocation).await;
        record.write(&invocation);
        if record.outcome == Outcome::Fault(Cause::CredentialsExpired.code()) {
            self.must_end.store(true, Ordering::Relaxed);
        }
        response
    }
}

/// An event that is not JSON in UTF-8 becomes `null`, so that the handler answers and logs it like
/// any other malformed event: `lambda_runtime` would answer with the parser's error.
fn with_readable_body(mut invocation: LambdaInvocation) -> LambdaInvocation {
    if serde_json::from_slice::<&RawValue>(&invocation.body).is_err() {
        invocation.body = b"null".as_slice().into();
    }
    invocation
}

/// Writes why the function cannot start, as the fault that it is to its invokers, and reports it to
/// Lambda.
async fn refuse_start(cause: &'static str, message: &str, problems: String) -> ExitCode {
    telemetry::refuse_start(cause, message, &problems);
    let api = env::var("AWS_LAMBDA_RUNTIME_API").unwrap_or_default();
    if let Some(api) = runtime_api(&api) {
        // Without the report Lambda knows no more than that the process has ended.
        let _ = timeout(REPORT_TIMEOUT, report(api, cause, format!("{message}: {problems}"))).await;
    }
    ExitCode::FAILURE
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror>
async fn report(api: Uri, cause: &str, error_message: String) -> Result<(), lambda_runtime::Error> {
    let error_type = format!("Runtime.{cause}");
    let request = build_request()
        .method("POST")
        .uri("/2018-06-01/runtime/init/error")
        .header("lambda-runtime-function-error-type", &error_type);
    let body = serde_json::to_vec(&Diagnostic { error_type, error_message })?;
    let client = PooledClient::builder().with_endpoint(api).build();
    client.call(request.body(Body::from(body))?).await?;
    Ok(())
}

/// The trace's id in Lambda's trace header: `Root=1-…;Parent=…;Sampled=1`. A client may have begun
/// the trace, so only what has the documented form is taken.
fn trace_id(header: &str) -> Option<String> {
    let root = header.split(';').find_map(|part| part.strip_prefix("Root="))?;
    let (time, id) = root.strip_prefix("1-")?.split_once('-')?;
    let hex = |text: &str, digits: usize| {
        text.len() == digits && text.chars().all(|c| c.is_ascii_hexdigit())
    };
    (hex(time, 8) && hex(id, 24)).then(|| root.to_owned())
}

/// How soon after a start Lambda sends a request that waited for it. An environment that Lambda starts
/// ahead of time gets its first request later.
const AT_ONCE: Duration = Duration::from_millis(100);
/// Kept free before Lambda's deadline to write the log line and send the response.
const MARGIN: Duration = Duration::from_millis(250);
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);
/// The cause of a fault that no request has brought about.
const SETTINGS: &str = "Settings";
const EXPIRED: &str = "the credentials have expired; Lambda gives new ones to a new environment";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_short_of_the_limit_and_of_the_deadline() {
        let (limit, second) = (Duration::from_secs(4), Duration::from_secs(1));
        let (minute, zero) = (Some(Duration::from_mins(1)), Duration::ZERO);
        let rows = [
            ("the limit", zero, minute, limit),
            ("the limit without a deadline", zero, None, limit),
            ("less the start", second, minute, 3 * second),
            ("after a long start", 9 * second, minute, zero),
            ("the deadline less the margin", zero, Some(2 * second), Duration::from_millis(1750)),
            ("after the deadline", zero, Some(zero), zero),
        ];
        for (name, init_duration, until_deadline, expected) in rows {
            let invocation = Invocation {
                request_id: String::new(),
                is_cold: true,
                trace_id: None,
                init_duration,
                deadline: until_deadline.map(|time| SystemTime::now() + time),
            };
            let left = invocation.time_left(limit);
            assert!(left <= expected && left + second / 10 > expected, "{name}: {left:?}");
        }
    }

    #[test]
    fn trace_ids() {
        let id = "1-65a1b2c3-0123456789abcdef01234567";
        let rows = [
            (format!("Root={id};Parent=0123456789abcdef;Sampled=1"), Some(id)),
            (format!("Sampled=0;Root={id}"), Some(id)),
            (format!("Root={id}0"), None),
            (format!("Root={}", id.replace('-', "")), None),
            ("Root=1-evil text-0123456789abcdef01234567".into(), None),
            ("Parent=0123456789abcdef".into(), None),
            (String::new(), None),
        ];
        for (header, expected) in rows {
            assert_eq!(trace_id(&header).as_deref(), expected, "{header}");
        }
    }
}
