//! What every Lambda function of the ring does around its core: read the settings, load the ring,
//! answer until the Runtime API is gone.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{Cause, Keyring, Settings, SettingsError, client::connect, telemetry};

pub use lambda_runtime::Diagnostic;

/// What a log line has to say of the invocation that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Lambda's id of it.
    pub request_id: String,
    /// Whether it is the first in its environment.
    pub cold: bool,
    /// The X-Ray trace that it is part of.
    pub trace: Option<String>,
}

/// Runs a function: `read` its own settings, `build` it over its ring, and have it `answer` each
/// event. Returns when the Runtime API is gone or the settings are wrong.
pub async fn run<T, F, A, Answer, Response>(
    read: impl FnOnce(&mut Settings) -> Option<T>,
    build: impl FnOnce(T, Arc<Keyring>) -> F,
    answer: A,
) -> ExitCode
where
    F: Send + Sync + 'static,
    A: Fn(Arc<F>, Box<RawValue>, Invocation) -> Answer + Clone + Send + 'static,
    Answer: Future<Output = Result<Response, Diagnostic>> + Send + 'static,
    Response: Serialize + Send + 'static,
{
    telemetry::start();
    let (own, keyring) = match start(Settings::from_environment(), read) {
        Ok(parts) => parts,
        Err(error) => {
            telemetry::refuse_start(SETTINGS, "the settings are wrong", &error);
            return ExitCode::FAILURE;
        }
    };
    // Any other fault is logged, and no reason to give up: KMS may be back for the first request.
    if let Err(fault) = keyring.ring().await
        && fault.cause == Cause::Unfit
    {
        let problems = telemetry::Chain(&fault);
        telemetry::refuse_start(fault.cause.code(), "the key cannot sign tokens", &problems);
        return ExitCode::FAILURE;
    }
    serve(Arc::new(build(own, keyring)), answer).await
}

/// Runs a function that has no ring of its own: `read` its settings, and have it `answer`.
pub async fn run_alone<F, A, Answer, Response>(
    read: impl FnOnce(&mut Settings) -> Option<F>,
    answer: A,
) -> ExitCode
where
    F: Send + Sync + 'static,
    A: Fn(Arc<F>, Box<RawValue>, Invocation) -> Answer + Clone + Send + 'static,
    Answer: Future<Output = Result<Response, Diagnostic>> + Send + 'static,
    Response: Serialize + Send + 'static,
{
    telemetry::start();
    let mut settings = Settings::from_environment();
    let (Some(()), Some(function)) = (settings.lambda(), read(&mut settings)) else {
        telemetry::refuse_start(SETTINGS, "the settings are wrong", &settings.refuse());
        return ExitCode::FAILURE;
    };
    serve(Arc::new(function), answer).await
}

async fn serve<F, A, Answer, Response>(function: Arc<F>, answer: A) -> ExitCode
where
    F: Send + Sync + 'static,
    A: Fn(Arc<F>, Box<RawValue>, Invocation) -> Answer + Clone + Send + 'static,
    Answer: Future<Output = Result<Response, Diagnostic>> + Send + 'static,
    Response: Serialize + Send + 'static,
{
    let cold = Arc::new(AtomicBool::new(true));
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let LambdaEvent { payload, context } = event;
        let invocation = Invocation {
            request_id: context.request_id,
            cold: cold.swap(false, Ordering::Relaxed),
            trace: context.xray_trace_id.as_deref().and_then(trace_id),
        };
        answer(Arc::clone(&function), payload, invocation)
    });
    // On Lambda Managed Instances, as many requests at once as Lambda says; else one by one.
    match Box::pin(Runtime::new(handler).run_concurrent()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %telemetry::Chain(&*error), "the runtime stopped");
            ExitCode::FAILURE
        }
    }
}

fn start<T>(
    mut settings: Settings,
    read: impl FnOnce(&mut Settings) -> Option<T>,
) -> Result<(T, Arc<Keyring>), SettingsError> {
    let (Some(()), Some(client), Some(name), Some(algorithm), Some(refresh), Some(own)) = (
        settings.lambda(),
        connect(&mut settings),
        settings.required("KEY_ALIAS"),
        settings.choice("SIGNING_ALGORITHM"),
        settings.seconds("KEY_REFRESH_SECONDS", 300, 1..=86_400),
        read(&mut settings),
    ) else {
        return Err(settings.refuse());
    };
    Ok((own, Arc::new(Keyring::new(client, name, algorithm, refresh))))
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

/// The cause of a fault that no request has brought about.
const SETTINGS: &str = "Settings";

#[cfg(test)]
mod tests {
    use super::*;

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
