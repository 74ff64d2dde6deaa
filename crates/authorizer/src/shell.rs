use std::{
    pin::pin,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use kms::{
    Fault, Keyring, KmsVerifier, Patience, Settings, Stopwatch, Verification,
    function::{self, Answered, Diagnostic, Invocation},
    telemetry::{self, Outcome, Record},
};
use serde_json::{Value, json};

use crate::{
    Decision, Grant, MalformedEvent, Profile, Request, Response, Unanswerable, decide, response,
};

/// The Lambda function.
pub async fn run() -> ExitCode {
    function::run(read, Authorizer::new, Authorizer::handle).await
}

fn read(settings: &mut Settings) -> Option<(Profile, Verification)> {
    let profile = Profile::read(settings);
    let verification = settings.optional("VERIFICATION", Verification::default());
    profile.zip(verification)
}

struct Authorizer {
    profile: Profile,
    verification: Verification,
    keyring: Arc<Keyring>,
    patience: Patience,
}

impl Authorizer {
    fn new((profile, verification): (Profile, Verification), keyring: Arc<Keyring>) -> Self {
        Self { profile, verification, keyring, patience: Patience::default() }
    }

    async fn handle(
        self: Arc<Self>,
        event: String,
        invocation: Invocation,
    ) -> Answered<Response, impl FnOnce()> {
        let stopwatch = Stopwatch::default();
        let within = invocation.left_of(ANSWER_WITHIN);
        let (response, outcome) = match self.answer(&event, within, &stopwatch).await {
            Ok((decision, Some(response))) => (Ok(response), Ok(decision)),
            Ok((decision, None)) => (Err(diagnostic("Unauthorized", "Unauthorized")), Ok(decision)),
            Err(failure) => {
                (Err(diagnostic("Fault", "the request could not be decided on")), Err(failure))
            }
        };
        let afterwards = move || record(&outcome, &invocation, &stopwatch);
        Answered { response, afterwards }
    }

    async fn answer(
        &self,
        event: &str,
        within: Duration,
        stopwatch: &Stopwatch,
    ) -> Result<(Decision, Option<Response>), Failure> {
        let Self { profile, verification, keyring, patience } = self;
        let request: Request = event.parse()?;
        let verifier = KmsVerifier { keyring, verification: *verification, stopwatch };
        let decision = decide(&request, profile, SystemTime::now().into(), &verifier);
        let decision = patience.wait(within, pin!(decision)).await;
        let decision = decision.unwrap_or_else(|_| Err(Fault::overdue("Verify")))?;
        let response = response(&request, &decision, profile)?;
        Ok((decision, response))
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("malformed event")]
    Event(#[from] MalformedEvent),
    #[error("no answer about the signature")]
    Kms(#[from] Fault),
    #[error("no answer would be right")]
    Unanswerable(#[from] Unanswerable),
}

impl Failure {
    const fn code(&self) -> &'static str {
        match self {
            Self::Event(_) => "MalformedEvent",
            Self::Kms(fault) => fault.cause.code(),
            Self::Unanswerable(problem) => problem.code(),
        }
    }
}

/// One line for each request: the only place that learns why. Of a token that is not good it says
/// nothing but the reason.
fn record(outcome: &Result<Decision, Failure>, invocation: &Invocation, stopwatch: &Stopwatch) {
    let (outcome, details) = match outcome {
        Ok(Decision::Allow(grant)) => (Outcome::Allowed, who(grant)),
        Ok(Decision::Forbid(grant)) => (Outcome::Forbidden, who(grant)),
        Ok(Decision::Refuse(refusal)) => (Outcome::Rejected(refusal.code()), Value::Null),
        Err(failure) => {
            let details = json!({"error": telemetry::Chain(failure).to_string()});
            (Outcome::Fault(failure.code()), details)
        }
    };
    Record { invocation, outcome, kms: stopwatch.read(), details }.write();
}

fn who(grant: &Grant) -> Value {
    json!({"sub": grant.claims.text("sub"), "jti": grant.claims.text("jti")})
}

/// API Gateway makes a 401 of exactly `Unauthorized` (REST), and a 500 of any other error.
fn diagnostic(error_type: &str, error_message: &str) -> Diagnostic {
    Diagnostic { error_type: error_type.into(), error_message: error_message.into() }
}

/// Short of the 5 s that a request may have to wait for its answer, start included: API Gateway
/// gives up after 10 s, and a client before that. About what a call of KMS has with all its attempts; an
/// eighth less where a timer serves again.
const ANSWER_WITHIN: Duration = Duration::from_millis(4200);
