use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use jwt::Profile;
use kms::{Fault, Keyring, KmsVerifier, Settings, SettingsError, telemetry};
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::{Decision, MalformedEvent, Request, Response, decide, response};

/// The Lambda function: returns when the Runtime API is gone or the settings are wrong.
pub async fn run() -> ExitCode {
    telemetry::start();
    let authorizer = match Authorizer::start(Settings::from_environment()) {
        Ok(authorizer) => authorizer,
        Err(error) => {
            tracing::error!(problems = %error, "the settings are wrong");
            return ExitCode::FAILURE;
        }
    };
    if let Err(fault) = authorizer.keyring.ring().await {
        tracing::warn!(error = %telemetry::Chain(&fault), "the key ring is not loaded yet");
    }
    let handler = service_fn(|event: LambdaEvent<Box<RawValue>>| authorizer.handle(event));
    match Runtime::new(handler).run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %telemetry::Chain(&*error), "the runtime stopped");
            ExitCode::FAILURE
        }
    }
}

struct Authorizer {
    profile: Profile,
    keyring: Arc<Keyring>,
    verifier: KmsVerifier,
    cold: AtomicBool,
}

impl Authorizer {
    fn start(mut settings: Settings) -> Result<Self, SettingsError> {
        let (Some(()), Some(client), Some(name), Some(refresh), Some(profile)) = (
            settings.lambda(),
            kms::connect(&mut settings),
            settings.required("KEY_ALIAS"),
            settings.seconds("KEY_REFRESH_SECONDS", 300, 1..=86_400),
            crate::read_profile(&mut settings),
        ) else {
            return Err(settings.refuse());
        };
        let keyring = Arc::new(Keyring::new(client.clone(), name, refresh));
        let verifier = KmsVerifier::new(client, Arc::clone(&keyring));
        Ok(Self { profile, keyring, verifier, cold: AtomicBool::new(true) })
    }

    async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Response, Diagnostic> {
        let LambdaEvent { payload, context } = event;
        let cold = self.cold.swap(false, Ordering::Relaxed);
        let outcome = self.answer(payload.get()).await;
        record(&outcome, &context.request_id, cold);
        match outcome {
            Ok((request, Decision::Allow(claims))) => Ok(response(&request, &claims)),
            Ok((_, Decision::Refuse(_))) => Err(diagnostic("Unauthorized", "Unauthorized")),
            Err(_) => Err(diagnostic("Fault", "the request could not be decided on")),
        }
    }

    async fn answer(&self, event: &str) -> Result<(Request, Decision), Failure> {
        let request: Request = event.parse()?;
        let decision = decide(&request, &self.profile, SystemTime::now().into(), &self.verifier);
        let decision = timeout(ANSWER_WITHIN, decision).await;
        let decision = decision.unwrap_or_else(|_| Err(Fault::overdue("Verify")))?;
        Ok((request, decision))
    }
}

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("malformed event")]
    Event(#[from] MalformedEvent),
    #[error("no answer about the signature")]
    Kms(#[from] Fault),
}

impl Failure {
    const fn code(&self) -> &'static str {
        match self {
            Self::Event(_) => "MalformedEvent",
            Self::Kms(fault) => fault.cause.code(),
        }
    }
}

/// One line for each request: the only place that learns why.
fn record(outcome: &Result<(Request, Decision), Failure>, request_id: &str, cold: bool) {
    match outcome {
        Ok((_, Decision::Allow(claims))) => tracing::info!(
            requestId = request_id,
            coldStart = cold,
            outcome = "Allowed",
            sub = claims.text("sub"),
            jti = claims.text("jti"),
            "allowed"
        ),
        Ok((_, Decision::Refuse(refusal))) => tracing::info!(
            requestId = request_id,
            coldStart = cold,
            outcome = "Rejected",
            reason = refusal.code(),
            detail = %refusal,
            "rejected"
        ),
        Err(failure) => tracing::error!(
            requestId = request_id,
            coldStart = cold,
            outcome = "Fault",
            reason = failure.code(),
            error = %telemetry::Chain(failure),
            "could not decide"
        ),
    }
}

/// API Gateway makes a 401 of exactly `Unauthorized` (REST), and a 500 of any other error.
fn diagnostic(error_type: &str, error_message: &str) -> Diagnostic {
    Diagnostic { error_type: error_type.into(), error_message: error_message.into() }
}

/// Short of the 5 s that a request may have to wait for its answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(4500);
