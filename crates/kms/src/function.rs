//! What every Lambda function of the ring does around its core: read the settings, load the ring,
//! answer until the Runtime API is gone.

use std::{
    convert::Infallible,
    io, mem,
    num::NonZero,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::{
    runtime::Handle,
    task::{self, JoinSet},
};

use crate::{
    Cause, Fault, Keyring, Settings, SettingsError,
    client::calls,
    moment::Moment,
    runtime_api::{RuntimeApi, Work},
    telemetry,
};

pub use crate::runtime_api::Diagnostic;

/// What a log line has to say of the invocation that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Lambda's id of it.
    pub request_id: String,
    /// Whether it is the first in its environment.
    pub cold: bool,
    /// How long the start took, for a request that was there when it was over: whoever waits for an
    /// answer has waited for that too.
    pub started_in: Duration,
    /// The X-Ray trace that it is part of.
    pub trace: Option<String>,
}

impl Invocation {
    /// What is left for the answer of the time that it may take in all.
    #[must_use]
    pub fn left_of(&self, time: Duration) -> Duration {
        time.saturating_sub(self.started_in)
    }
}

/// How an invocation ends.
#[derive(Debug)]
pub struct Answered<Response, Afterwards> {
    /// What Lambda is told.
    pub response: Result<Response, Diagnostic>,
    /// What is left to do once Lambda has been told, and before the next invocation: nobody waits
    /// for it. Only a process that is killed in between leaves it out.
    pub afterwards: Afterwards,
}

impl<Response> From<Result<Response, Diagnostic>> for Answered<Response, fn()> {
    fn from(response: Result<Response, Diagnostic>) -> Self {
        Self { response, afterwards: || () }
    }
}

/// What Lambda says of itself.
#[derive(Debug)]
pub(crate) struct Lambda {
    /// Where its Runtime API is.
    pub(crate) host: Arc<str>,
    /// How many requests it sends at once: more than one on Lambda Managed Instances alone.
    pub(crate) workers: NonZero<u16>,
}

impl Lambda {
    /// Whether there is one request at a time.
    fn is_alone(&self) -> bool {
        self.workers.get() == 1
    }
}

/// Runs a function: `read` its own settings, `build` it over its ring, and have it `answer` each
/// event. Returns when the Runtime API is gone or the settings are wrong.
pub async fn run<T, F, A, Answer, Response, Afterwards>(
    read: impl FnOnce(&mut Settings) -> Option<T>,
    build: impl FnOnce(T, Arc<Keyring>) -> F,
    answer: A,
) -> ExitCode
where
    F: Send + Sync + 'static,
    A: Fn(Arc<F>, String, Invocation) -> Answer + Clone + Send + 'static,
    Answer: Future<Output = Answered<Response, Afterwards>> + Send + 'static,
    Response: Serialize + Send + 'static,
    Afterwards: FnOnce() + Send + 'static,
{
    let start_of_init = Instant::now();
    let (lambda, own, keyring) = match start(Settings::from_environment(), read) {
        Ok(parts) => parts,
        Err(error) => {
            telemetry::refuse_start(SETTINGS, "the settings are wrong", &error);
            return ExitCode::FAILURE;
        }
    };
    // Any other fault is logged, and no reason to give up: KMS may be back for the first request.
    if let Err(fault) = Box::pin(keyring.prepare()).await
        && fault.cause == Cause::Unfit
    {
        let problems = telemetry::Chain(&fault);
        telemetry::refuse_start(fault.cause.code(), "the key cannot sign tokens", &problems);
        return ExitCode::FAILURE;
    }
    let started_in = start_of_init.elapsed();
    Box::pin(serve(lambda, started_in, Arc::new(build(own, keyring)), answer)).await
}

/// Runs a function that has no ring of its own: `read` its settings, and have it `answer`.
pub async fn run_alone<F, A, Answer, Response, Afterwards>(
    read: impl FnOnce(&mut Settings) -> Option<F>,
    answer: A,
) -> ExitCode
where
    F: Send + Sync + 'static,
    A: Fn(Arc<F>, String, Invocation) -> Answer + Clone + Send + 'static,
    Answer: Future<Output = Answered<Response, Afterwards>> + Send + 'static,
    Response: Serialize + Send + 'static,
    Afterwards: FnOnce() + Send + 'static,
{
    let mut settings = Settings::from_environment();
    let (Some(lambda), Some(function)) = (settings.lambda(), read(&mut settings)) else {
        telemetry::refuse_start(SETTINGS, "the settings are wrong", &settings.refuse());
        return ExitCode::FAILURE;
    };
    Box::pin(serve(lambda, Duration::ZERO, Arc::new(function), answer)).await
}

async fn serve<F, A, Answer, Response, Afterwards>(
    lambda: Lambda,
    started_in: Duration,
    function: Arc<F>,
    answer: A,
) -> ExitCode
where
    F: Send + Sync + 'static,
    A: Fn(Arc<F>, String, Invocation) -> Answer + Clone + Send + 'static,
    Answer: Future<Output = Answered<Response, Afterwards>> + Send + 'static,
    Response: Serialize + Send + 'static,
    Afterwards: FnOnce() + Send + 'static,
{
    let cold = Arc::new(AtomicBool::new(true));
    let alone = lambda.is_alone();
    let work = move |host: Arc<str>| {
        let (function, answer, cold) = (Arc::clone(&function), answer.clone(), Arc::clone(&cold));
        async move {
            let mut runtime = RuntimeApi::connect(&host, alone).await?;
            // Whoever is there at once has waited for the start: each worker's first may have.
            let (idle, mut started_in) = (Moment::now(), started_in);
            loop {
                // A process that waits alone lets nothing else go on by itself.
                if alone && Handle::current().metrics().num_alive_tasks() > 0 {
                    task::yield_now().await;
                }
                let Work { id, trace, event } = runtime.next().await?;
                if idle.elapsed() >= AT_ONCE {
                    started_in = Duration::ZERO;
                }
                let cold = cold.swap(false, Ordering::Relaxed);
                let invocation = Invocation {
                    request_id: id.request.clone(),
                    cold,
                    started_in: mem::take(&mut started_in),
                    trace: trace_id(&trace),
                };
                let answered = answer(Arc::clone(&function), event, invocation).await;
                let response = match answered.response {
                    Ok(response) => {
                        let mut bytes = Vec::with_capacity(ANSWER_BYTES);
                        serde_json::to_writer(&mut bytes, &response)?;
                        Ok(bytes)
                    }
                    Err(diagnostic) => Err(diagnostic),
                };
                let told = runtime.end(&id, &response).await;
                (answered.afterwards)();
                told?;
            }
        }
    };
    let host = lambda.host;
    // On Lambda Managed Instances, as many requests at once as Lambda says; else one by one.
    let end: io::Result<Infallible> = if alone {
        work(host).await
    } else {
        let mut workers = JoinSet::new();
        (0..lambda.workers.get()).for_each(|_| drop(workers.spawn(work(Arc::clone(&host)))));
        match workers.join_next().await {
            Some(Ok(end)) => end,
            Some(Err(error)) => Err(io::Error::other(error)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    };
    let Err(error) = end;
    telemetry::note("ERROR", "the runtime stopped", &error);
    ExitCode::FAILURE
}

fn start<T>(
    mut settings: Settings,
    read: impl FnOnce(&mut Settings) -> Option<T>,
) -> Result<(Lambda, T, Arc<Keyring>), SettingsError> {
    let (Some(lambda), Some(calls), Some(name), Some(algorithm), Some(refresh), Some(own)) = (
        settings.lambda(),
        calls(&mut settings),
        settings.required("KEY_ALIAS"),
        settings.choice("SIGNING_ALGORITHM"),
        settings.seconds("KEY_REFRESH_SECONDS", 300, 1..=86_400),
        read(&mut settings),
    ) else {
        return Err(settings.refuse());
    };
    Ok((lambda, own, Arc::new(Keyring::new(calls, name, algorithm, refresh).telling(unloaded))))
}

fn unloaded(fault: &Fault) {
    telemetry::note("WARN", "the key ring could not be loaded", fault);
}

/// The trace's own id in Lambda's trace header: `Root=1-…;Parent=…;Sampled=1`. A client may have
/// begun the trace, so nothing that is not of its form is taken.
fn trace_id(header: &str) -> Option<String> {
    let root = header.split(';').find_map(|part| part.strip_prefix("Root="))?;
    let (time, id) = root.strip_prefix("1-")?.split_once('-')?;
    let hex = |text: &str, digits: usize| {
        text.len() == digits && text.chars().all(|c| c.is_ascii_hexdigit())
    };
    (hex(time, 8) && hex(id, 24)).then(|| root.to_owned())
}

/// How soon after a start Lambda has a request that waits for it. Of a start ahead of time, the first
/// request comes later.
const AT_ONCE: Duration = Duration::from_millis(100);
/// What a usual answer takes.
const ANSWER_BYTES: usize = 1024;
/// The cause of a fault that no request has brought about.
const SETTINGS: &str = "Settings";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_part_of_the_time_that_a_caller_waits() {
        let (limit, second) = (Duration::from_secs(4), Duration::from_secs(1));
        let rows = [(Duration::ZERO, limit), (second, 3 * second), (9 * second, Duration::ZERO)];
        for (started_in, expected) in rows {
            let id = String::new();
            let invocation = Invocation { request_id: id, cold: true, started_in, trace: None };
            assert_eq!(invocation.left_of(limit), expected);
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
