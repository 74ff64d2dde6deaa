//! Runs a Lambda function: reads the settings, loads the ring, serves invocations with `lambda_runtime`, and writes
//! one log line for each.

use std::{
    process::ExitCode,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use kms::{Cause, ErrorChain, Keyring, SuspendAwareInstant};
use lambda_runtime::{
    LambdaEvent, LambdaInvocation, Runtime, service_fn,
    tower::util::{MapRequestLayer, MapResultLayer},
};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::{task::JoinHandle, time::timeout};

pub use lambda_runtime::Diagnostic;

pub use crate::invocation::Invocation;

use crate::{
    Settings, SettingsError,
    client::{connect, response_time},
    start_failure::fail_start,
    table,
    telemetry::{self, LogRecord, Outcome, StartFailure},
};

/// The handler of a function.
pub trait Handler: Send + Sync + 'static {
    /// The response to the invoker, sent as JSON.
    type Response: Serialize + Send + 'static;

    /// Handles one event, given as JSON text. An event that is not valid JSON is replaced by `null`.
    fn handle(
        &self,
        event: &str,
        invocation: &Invocation,
    ) -> impl Future<Output = HandlerOutput<Self::Response>> + Send;
}

/// The result of an invocation.
#[derive(Debug)]
pub struct HandlerOutput<Response> {
    /// The response to the invoker, or the function error.
    pub response: Result<Response, Diagnostic>,
    /// The log record of the invocation.
    pub record: LogRecord,
}

/// When a function with a ring asks for its first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstEvent {
    /// After the ring has been loaded. A key that cannot sign tokens stops the start.
    AfterRing,
    /// At once where a request may be waiting: in an environment that Lambda starts on demand. The ring is loaded
    /// meanwhile. If its key cannot sign tokens, the process ends after the next response. In every other environment,
    /// as with [`Self::AfterRing`].
    BesideRing,
}

/// How a function uses its ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingUse {
    /// When the function asks for its first event.
    pub first_event: FirstEvent,
    /// How many KMS operations a response can take in sequence. The time for a response follows from them.
    pub operations: u32,
}

/// Runs a function with a ring. `read` reads the function's own settings into a configuration, and `build` makes the
/// handler from it. Returns if the function cannot start, or when the process must end.
pub async fn run<T, H: Handler>(
    ring_use: RingUse,
    read: impl FnOnce(&mut Settings) -> Option<T>,
    build: impl FnOnce(T, Arc<Keyring>) -> H,
) -> ExitCode {
    telemetry::init_logging();
    let start = Instant::now();
    let settings = Settings::from_environment();
    let is_on_demand = settings.is_on_demand();
    let RingUse { first_event, operations } = ring_use;
    let (config, keyring, response_time) = match configure(settings, operations, read) {
        Ok(configured) => configured,
        Err(error) => return fail_start(StartFailure::settings(&error)).await,
    };
    let end = Arc::new(OnceLock::new());
    let loading = prepare(Arc::clone(&keyring));
    let mut rest = None;
    if first_event == FirstEvent::BesideRing && is_on_demand {
        let end = Arc::clone(&end);
        rest = Some(tokio::spawn(async move {
            if let Err(failure) = loading.await {
                failure.log();
                let _ = end.set(failure.message);
            }
        }));
    } else if let Err(failure) = loading.await {
        return fail_start(failure).await;
    }
    let handler = build(config, keyring);
    let start = Start { duration: start.elapsed(), response_time, end, rest };
    Box::pin(serve(handler, start)).await
}

/// Loads the ring. `Err` if its key cannot sign tokens. After any other fault, which the keyring logs, the first request
/// tries again.
async fn prepare(keyring: Arc<Keyring>) -> Result<(), StartFailure> {
    match Box::pin(keyring.prepare()).await {
        Err(fault) if fault.cause == Cause::UnsupportedKey => {
            Err(StartFailure::unsupported_key(&fault))
        }
        _ => Ok(()),
    }
}

/// Runs a function without a ring. `read` reads the function's settings and makes the handler. Returns if the
/// function cannot start, or when the process must end.
pub async fn run_without_ring<H: Handler>(
    read: impl FnOnce(&mut Settings) -> Option<H>,
) -> ExitCode {
    telemetry::init_logging();
    let mut settings = Settings::from_environment();
    let handler = settings.check_lambda_variables().and(read(&mut settings));
    match settings.finish(handler) {
        Ok(handler) => Box::pin(serve(handler, Start::without_ring())).await,
        Err(error) => fail_start(StartFailure::settings(&error)).await,
    }
}

fn configure<T>(
    mut settings: Settings,
    operations: u32,
    read: impl FnOnce(&mut Settings) -> Option<T>,
) -> Result<(T, Arc<Keyring>, Duration), SettingsError> {
    let values = (
        settings.check_lambda_variables(),
        connect(&mut settings),
        settings.required(&table::KEY_ALIAS),
        settings.optional(&table::SIGNING_ALGORITHM),
        settings.duration(&table::KEY_REFRESH_SECONDS),
        read(&mut settings),
    );
    let configured = match values {
        (Some(()), Some(client), Some(name), Some(algorithm), Some(refresh), Some(config)) => {
            let response_time = response_time(&client, operations);
            let keyring = Keyring::new(client, name, algorithm, refresh)
                .on_neighbor_fault(telemetry::log_neighbor_fault);
            Some((config, Arc::new(keyring), response_time))
        }
        _ => None,
    };
    settings.finish(configured)
}

/// The results of the start, and its remaining work.
struct Start {
    /// The time that it took.
    duration: Duration,
    /// The time for a response, including the start.
    response_time: Duration,
    /// Why the process ends after the next response, if it does.
    end: Arc<OnceLock<&'static str>>,
    /// The load of the ring that continues during the first invocation.
    rest: Option<JoinHandle<()>>,
}

impl Start {
    fn without_ring() -> Self {
        Self {
            duration: Duration::ZERO,
            response_time: Duration::MAX,
            end: Arc::default(),
            rest: None,
        }
    }
}

/// Serves invocations.
async fn serve(handler: impl Handler, start: Start) -> ExitCode {
    let Start { duration, response_time, end, rest } = start;
    let environment = Arc::new(Environment {
        handler,
        init_duration: duration,
        response_time,
        ready_at: SuspendAwareInstant::now(),
        is_cold: AtomicBool::new(true),
        end: Arc::clone(&end),
        start: Mutex::new(rest),
    });
    let handling = Arc::clone(&environment);
    let service = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let environment = Arc::clone(&handling);
        async move { environment.invoke(event).await }
    });
    let runtime = Runtime::new(service)
        .layer(MapRequestLayer::new(replace_invalid_json))
        // This layer runs after the response has been sent.
        .layer(MapResultLayer::new(move |result| match end.get() {
            Some(reason) => Err((*reason).into()),
            None => result,
        }));
    match Box::pin(runtime.run_concurrent()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %ErrorChain(&*error), "the process ends, and Lambda starts another environment");
            ExitCode::FAILURE
        }
    }
}

/// The execution environment.
struct Environment<H> {
    handler: H,
    init_duration: Duration,
    response_time: Duration,
    ready_at: SuspendAwareInstant,
    is_cold: AtomicBool,
    /// Why the process ends after the next response, if it does.
    end: Arc<OnceLock<&'static str>>,
    /// The load of the ring, until the first invocation has waited for it.
    start: Mutex<Option<JoinHandle<()>>>,
}

impl<H: Handler> Environment<H> {
    async fn invoke(&self, event: LambdaEvent<Box<RawValue>>) -> Result<H::Response, Diagnostic> {
        let LambdaEvent { payload, context } = event;
        let waited_for_start = self.ready_at.elapsed() < COLD_START_WINDOW;
        let is_cold = self.is_cold.swap(false, Ordering::Relaxed);
        let init_duration = if waited_for_start { self.init_duration } else { Duration::ZERO };
        let invocation = Invocation::new(context, is_cold, init_duration, self.response_time);
        let HandlerOutput { response, record } =
            self.handler.handle(payload.get(), &invocation).await;
        record.write(&invocation);
        // Lambda freezes the environment after the response: a load that has not ended would end much later.
        let start = self.start.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(start) = start {
            let _ = timeout(invocation.time_left_of(START_TIME), start).await;
        }
        if record.outcome == Outcome::Fault(Cause::CredentialsExpired.code()) {
            let _ = self.end.set(EXPIRED);
        }
        response
    }
}

/// Replaces an event that is not JSON in UTF-8 by `null`, so that the handler responds to it and logs it like any other
/// malformed event. `lambda_runtime` would respond with the parser's error.
fn replace_invalid_json(mut invocation: LambdaInvocation) -> LambdaInvocation {
    if serde_json::from_slice::<&RawValue>(&invocation.body).is_err() {
        invocation.body = b"null".as_slice().into();
    }
    invocation
}

/// An invocation that waited for the start of the environment arrives within this time after it. An environment that
/// Lambda starts ahead of time gets its first invocation later.
const COLD_START_WINDOW: Duration = Duration::from_millis(100);
/// How long the first response waits for the load of the ring. An attempt with a new connection fits.
const START_TIME: Duration = Duration::from_secs(2);
const EXPIRED: &str = "the credentials have expired: the process ends, and Lambda starts an environment with new ones";
