use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use jwt::Claims;
use kms::{ErrorChain, Fault, Keyring, KmsVerifier, RequestMetrics, SignatureCache, Verification};
use runtime::{
    Settings,
    function::{self, Diagnostic, FirstEvent, Handler, HandlerOutput, Invocation, RingUse},
    table,
    telemetry::{LogRecord, Outcome},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    AuthorizerConfig, AuthorizerEvent, AuthorizerResponse, Decision, MalformedEvent, ResponseError,
    VerifiedToken, allowed_lines::AllowedLines, decide, response,
};

/// Runs the Lambda function. Returns when the Runtime API ends or the function cannot start.
pub async fn run() -> ExitCode {
    function::run(RING_USE, read_settings, |(config, signatures, allowed_lines), keyring| {
        Authorizer { config, signatures, allowed_lines, keyring }
    })
    .await
}

fn read_settings(settings: &mut Settings) -> Option<(AuthorizerConfig, Signatures, AllowedLines)> {
    let config = AuthorizerConfig::read(settings);
    let signatures = Signatures::read(settings);
    if let Some(config) = &config {
        config.log_warnings();
    }
    let interval = settings.number(&table::ALLOWED_LOG_INTERVAL);
    let interval = interval.and_then(|interval| interval.try_into().ok());
    Some((config?, signatures?, AllowedLines::new(interval?)))
}

/// How signatures are verified.
struct Signatures {
    verification: Verification,
    cache: Option<SignatureCache>,
}

impl Signatures {
    fn read(settings: &mut Settings) -> Option<Self> {
        let verification = settings.get(&table::VERIFICATION);
        let lifetime = settings.duration(&table::SIGNATURE_CACHE_SECONDS);
        let (verification, lifetime) = verification.zip(lifetime)?;
        let cache = (!lifetime.is_zero()).then(|| SignatureCache::new(lifetime));
        Some(Self { verification, cache })
    }
}

struct Authorizer {
    config: AuthorizerConfig,
    signatures: Signatures,
    allowed_lines: AllowedLines,
    keyring: Arc<Keyring>,
}

impl Handler for Authorizer {
    type Response = AuthorizerResponse;

    async fn handle(
        &self,
        event: &str,
        invocation: &Invocation,
    ) -> HandlerOutput<AuthorizerResponse> {
        let metrics = RequestMetrics::default();
        let time_left = invocation.time_left();
        let (response, outcome) = match self.respond(event, time_left, &metrics).await {
            Ok((decision, Some(response))) => (Ok(response), Ok(decision)),
            Ok((decision, None)) => (Err(diagnostic("Unauthorized", "Unauthorized")), Ok(decision)),
            Err(error) => {
                let message = "no decision on the request: see the authorizer's log";
                (Err(diagnostic("Fault", message)), Err(error))
            }
        };
        let mut record = log_record(&outcome, &metrics);
        if record.outcome == Outcome::Allowed {
            record.requests = self.allowed_lines.requests_of_line();
        }
        HandlerOutput { response, record }
    }
}

impl Authorizer {
    async fn respond(
        &self,
        event: &str,
        time_left: Duration,
        metrics: &RequestMetrics,
    ) -> Result<(Decision, Option<AuthorizerResponse>), AuthorizerError> {
        let Self { config, signatures, keyring, .. } = self;
        let request: AuthorizerEvent = event.parse()?;
        let verifier = KmsVerifier {
            keyring,
            verification: signatures.verification,
            signature_cache: signatures.cache.as_ref(),
            metrics,
        };
        let decision = decide(&request, config, SystemTime::now().into(), &verifier);
        let decision = timeout(time_left, decision).await;
        let decision = decision.unwrap_or_else(|_| Err(Fault::timed_out("Verify")))?;
        let response = response(&request, &decision, config)?;
        Ok((decision, response))
    }
}

/// A fault: why an event has no response.
#[derive(Debug, thiserror::Error)]
enum AuthorizerError {
    #[error("malformed event")]
    Event(#[from] MalformedEvent),
    #[error("the signature could not be verified")]
    Kms(#[from] Fault),
    #[error("the response could not be built")]
    Response(#[from] ResponseError),
}

impl AuthorizerError {
    const fn code(&self) -> &'static str {
        match self {
            Self::Event(_) => "MalformedEvent",
            Self::Kms(fault) => fault.cause.code(),
            Self::Response(error) => error.code(),
        }
    }
}

/// The log line of an invocation, which is the only place that has the reason. For an invalid token, it has
/// nothing but the reason.
fn log_record(outcome: &Result<Decision, AuthorizerError>, metrics: &RequestMetrics) -> LogRecord {
    let (outcome, details) = match outcome {
        Ok(Decision::Allow(token)) => (Outcome::Allowed, token_details(token)),
        Ok(Decision::Forbid(token, reason)) => {
            let mut details = token_details(token);
            if let Value::Object(members) = &mut details {
                members.insert("Reason".to_owned(), reason.code().into());
            }
            (Outcome::Forbidden, details)
        }
        Ok(Decision::Refuse { refusal, claims }) => {
            let details = claims.as_ref().map_or(Value::Null, claims_details);
            (Outcome::Rejected(refusal.code()), details)
        }
        Err(error) => {
            let details = json!({"error": ErrorChain(error).to_string()});
            (Outcome::Fault(error.code()), details)
        }
    };
    LogRecord { outcome, requests: 1, measured: metrics.measured(), details }
}

fn token_details(token: &VerifiedToken) -> Value {
    let mut details = claims_details(&token.claims);
    if let Some(access) = &token.access
        && access.is_over_budget
        && let Value::Object(members) = &mut details
    {
        members.insert("overBudget".to_owned(), true.into());
    }
    details
}

fn claims_details(claims: &Claims) -> Value {
    json!({"sub": claims.text("sub"), "jti": claims.text("jti")})
}

/// A Lambda error. API Gateway turns exactly `Unauthorized` into 401 (REST APIs), and any other error into 500.
fn diagnostic(error_type: &str, error_message: &str) -> Diagnostic {
    Diagnostic { error_type: error_type.into(), error_message: error_message.into() }
}

/// A client gets its response within 5 s: API Gateway's timeout is 10 s, and that of many clients is shorter.
const RING_USE: RingUse = RingUse { first_event: FirstEvent::BesideRing, operations: 1 };
