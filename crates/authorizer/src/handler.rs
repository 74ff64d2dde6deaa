use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use kms::{ErrorChain, Fault, Keyring, KmsVerifier, Stopwatch, Verification};
use policy::access::AccessRules;
use runtime::{
    Settings,
    function::{self, Diagnostic, Handler, HandlerOutput, Invocation},
    table,
    telemetry::{LogRecord, Outcome},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    AuthorizerConfig, AuthorizerEvent, AuthorizerResponse, Decision, MalformedEvent, ResponseError,
    VerifiedToken, decide, response,
};

/// The Lambda function.
pub async fn run() -> ExitCode {
    function::run(read, |(profile, verification), keyring| Authorizer {
        profile,
        verification,
        keyring,
    })
    .await
}

fn read(settings: &mut Settings) -> Option<(AuthorizerConfig, Verification)> {
    let profile = AuthorizerConfig::read(settings);
    let verification = settings.get(&table::VERIFICATION);
    let rules = profile.iter().filter_map(|profile| profile.rules.as_ref());
    for warning in rules.flat_map(AccessRules::warnings) {
        tracing::warn!(%warning, "ACCESS_RULES");
    }
    profile.zip(verification)
}

struct Authorizer {
    profile: AuthorizerConfig,
    verification: Verification,
    keyring: Arc<Keyring>,
}

impl Handler for Authorizer {
    type Response = AuthorizerResponse;

    async fn handle(
        &self,
        event: &str,
        invocation: &Invocation,
    ) -> HandlerOutput<AuthorizerResponse> {
        let stopwatch = Stopwatch::default();
        let time_left = invocation.time_left(ANSWER_WITHIN);
        let (response, outcome) = match self.answer(event, time_left, &stopwatch).await {
            Ok((decision, Some(response))) => (Ok(response), Ok(decision)),
            Ok((decision, None)) => (Err(diagnostic("Unauthorized", "Unauthorized")), Ok(decision)),
            Err(failure) => {
                (Err(diagnostic("Fault", "the request could not be decided on")), Err(failure))
            }
        };
        HandlerOutput { response, record: record(&outcome, &stopwatch) }
    }
}

impl Authorizer {
    async fn answer(
        &self,
        event: &str,
        time_left: Duration,
        stopwatch: &Stopwatch,
    ) -> Result<(Decision, Option<AuthorizerResponse>), Failure> {
        let Self { profile, verification, keyring } = self;
        let request: AuthorizerEvent = event.parse()?;
        let verifier = KmsVerifier { keyring, verification: *verification, stopwatch };
        let decision = decide(&request, profile, SystemTime::now().into(), &verifier);
        let decision = timeout(time_left, decision).await;
        let decision = decision.unwrap_or_else(|_| Err(Fault::timed_out("Verify")))?;
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
    ResponseError(#[from] ResponseError),
}

impl Failure {
    const fn code(&self) -> &'static str {
        match self {
            Self::Event(_) => "MalformedEvent",
            Self::Kms(fault) => fault.cause.code(),
            Self::ResponseError(problem) => problem.code(),
        }
    }
}

/// The log line of a request: the only place that has the reason. About a token that is not valid it
/// says nothing else.
fn record(outcome: &Result<Decision, Failure>, stopwatch: &Stopwatch) -> LogRecord {
    let (outcome, details) = match outcome {
        Ok(Decision::Allow(grant)) => (Outcome::Allowed, who(grant)),
        Ok(Decision::Forbid(grant, reason)) => {
            let mut details = who(grant);
            if let Value::Object(members) = &mut details {
                members.insert("Reason".to_owned(), reason.code().into());
            }
            (Outcome::Forbidden, details)
        }
        Ok(Decision::Refuse(refusal)) => (Outcome::Rejected(refusal.code()), Value::Null),
        Err(failure) => {
            let details = json!({"error": ErrorChain(failure).to_string()});
            (Outcome::Fault(failure.code()), details)
        }
    };
    LogRecord { outcome, kms: stopwatch.read(), details }
}

fn who(grant: &VerifiedToken) -> Value {
    let mut who = json!({"sub": grant.claims.text("sub"), "jti": grant.claims.text("jti")});
    if let Some(access) = &grant.access
        && access.is_over_budget
        && let Value::Object(members) = &mut who
    {
        members.insert("overBudget".to_owned(), true.into());
    }
    who
}

/// API Gateway makes a 401 of exactly `Unauthorized` (REST), and a 500 of any other error.
fn diagnostic(error_type: &str, error_message: &str) -> Diagnostic {
    Diagnostic { error_type: error_type.into(), error_message: error_message.into() }
}

/// A client gets its response within 5 s, start included: API Gateway gives up after 10 s, and many
/// clients before that. As long as one operation of KMS with all its attempts.
const ANSWER_WITHIN: Duration = Duration::from_millis(4200);
