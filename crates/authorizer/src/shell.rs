use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use jwt::Profile;
use kms::{
    Client, Fault, Keyring, KmsVerifier,
    function::{self, Diagnostic, Invocation},
    telemetry,
};
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::{Decision, MalformedEvent, Request, Response, decide, read_profile, response};

/// The Lambda function.
pub async fn run() -> ExitCode {
    function::run(read_profile, Authorizer::new, Authorizer::handle).await
}

struct Authorizer {
    profile: Profile,
    verifier: KmsVerifier,
}

impl Authorizer {
    fn new(profile: Profile, client: Client, keyring: Arc<Keyring>) -> Self {
        Self { profile, verifier: KmsVerifier::new(client, keyring) }
    }

    async fn handle(
        self: Arc<Self>,
        event: Box<RawValue>,
        invocation: Invocation,
    ) -> Result<Response, Diagnostic> {
        let outcome = self.answer(event.get()).await;
        record(&outcome, &invocation);
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
fn record(outcome: &Result<(Request, Decision), Failure>, invocation: &Invocation) {
    let Invocation { request_id, cold } = invocation;
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
