use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use kms::{Fault, Keyring, KmsSigner, Settings, SettingsError, telemetry};
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::{Value, value::RawValue};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{Answer, Event, Terms, TokenRequest, issue};

/// The Lambda function: returns when the Runtime API is gone or the settings are wrong.
pub async fn run() -> ExitCode {
    telemetry::start();
    let issuer = match Issuer::start(Settings::from_environment()) {
        Ok(issuer) => issuer,
        Err(error) => {
            tracing::error!(problems = %error, "the settings are wrong");
            return ExitCode::FAILURE;
        }
    };
    if let Err(fault) = issuer.keyring.ring().await {
        tracing::warn!(error = %telemetry::Chain(&fault), "the key ring is not loaded yet");
    }
    let handler = service_fn(|event: LambdaEvent<Box<RawValue>>| issuer.handle(event));
    match Runtime::new(handler).run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %telemetry::Chain(&*error), "the runtime stopped");
            ExitCode::FAILURE
        }
    }
}

struct Issuer {
    terms: Terms,
    keyring: Arc<Keyring>,
    signer: KmsSigner,
    cold: AtomicBool,
}

impl Issuer {
    fn start(mut settings: Settings) -> Result<Self, SettingsError> {
        let (Some(()), Some(client), Some(name), Some(refresh), Some(terms)) = (
            settings.lambda(),
            kms::connect(&mut settings),
            settings.required("KEY_ALIAS"),
            settings.seconds("KEY_REFRESH_SECONDS", 300, 1..=86_400),
            Terms::read(&mut settings),
        ) else {
            return Err(settings.refuse());
        };
        let keyring = Arc::new(Keyring::new(client.clone(), name, refresh));
        let signer = KmsSigner::new(client, Arc::clone(&keyring));
        Ok(Self { terms, keyring, signer, cold: AtomicBool::new(true) })
    }

    async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Value, Diagnostic> {
        let LambdaEvent { payload, context } = event;
        let now = SystemTime::now().into();
        let event = Event::read(payload.get());
        let request = event.body.and_then(|body| TokenRequest::read(&body, &self.terms));
        let answer = match request {
            Err(refusal) => Answer::Refused(refusal),
            Ok(request) => {
                let issued = issue(request, &self.terms, Uuid::new_v4(), now, &self.signer);
                let issued = timeout(ANSWER_WITHIN, issued).await;
                issued.unwrap_or_else(|_| Err(Fault::overdue("Sign"))).into()
            }
        };
        let cold = self.cold.swap(false, Ordering::Relaxed);
        audit(&answer, &event.caller, &context.request_id, cold);
        answer.through(event.door)
    }
}

/// One line for each request: who got which token, or why none. Never the token.
fn audit(answer: &Answer, caller: &str, request_id: &str, cold: bool) {
    match answer {
        Answer::Issued(issued) => tracing::info!(
            requestId = request_id,
            coldStart = cold,
            outcome = "Issued",
            caller,
            jti = issued.text("jti"),
            sub = issued.text("sub"),
            aud = issued.text("aud"),
            scope = issued.text("scope"),
            exp = issued.text("exp"),
            kid = issued.signed.key_id,
            kmsRequestId = issued.signed.receipt,
            "issued"
        ),
        Answer::Refused(refusal) => tracing::info!(
            requestId = request_id,
            coldStart = cold,
            outcome = "Refused",
            caller,
            reason = %refusal,
            "refused"
        ),
        Answer::Failed(fault) => tracing::error!(
            requestId = request_id,
            coldStart = cold,
            outcome = "Fault",
            caller,
            reason = fault.cause.code(),
            error = %telemetry::Chain(fault),
            "no token could be issued"
        ),
    }
}

/// Short of the function's own time-out, so that the caller gets an answer in every case.
const ANSWER_WITHIN: Duration = Duration::from_millis(7500);
