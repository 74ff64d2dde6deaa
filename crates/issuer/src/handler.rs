use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use kms::{ErrorChain, Fault, Keyring, KmsSigner, RequestMetrics};
use policy::issuance::Caller;
use runtime::{
    OPERATION_TIME,
    function::{self, FirstEvent, Handler, HandlerOutput, Invocation},
    telemetry::{LogRecord, Outcome},
    time_of_attempts,
};
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    Cacheable, GrantedRequest, IssuerConfig, IssuerEvent, IssuerResponse, MAX_TOKEN_BYTES,
    Operation, PublishedDocument, TokenRequest, document, issue,
};

/// Runs the Lambda function. Returns when the Runtime API ends or the function cannot start.
pub async fn run() -> ExitCode {
    function::run(FirstEvent::AfterRing, IssuerConfig::read, |config, keyring| Issuer {
        config,
        keyring,
    })
    .await
}

struct Issuer {
    config: IssuerConfig,
    keyring: Arc<Keyring>,
}

impl Handler for Issuer {
    type Response = Value;

    async fn handle(&self, event: &str, invocation: &Invocation) -> HandlerOutput<Value> {
        let metrics = RequestMetrics::default();
        let time_left = invocation.time_left(RESPONSE_TIME);
        let event = IssuerEvent::read(event);
        let caller = match &event.operation {
            Ok(Operation::IssueToken(caller, _)) => Some(caller.clone()),
            _ => None,
        };
        let response = match event.operation {
            Err(error) => IssuerResponse::Refused(error),
            Ok(Operation::Publish(which)) => self.publish(which, time_left).await,
            Ok(Operation::IssueToken(caller, body)) => {
                let request = TokenRequest::read(&body, &self.config);
                match request.and_then(|request| request.grant(&caller, &self.config)) {
                    Err(error) => IssuerResponse::Refused(error),
                    Ok(granted) => self.issue(granted, time_left, &metrics).await,
                }
            }
        };
        let record = log_record(&response, caller.as_ref(), &metrics);
        HandlerOutput { response: response.into_lambda_response(event.source), record }
    }
}

impl Issuer {
    async fn issue(
        &self,
        granted: GrantedRequest,
        time_left: Duration,
        metrics: &RequestMetrics,
    ) -> IssuerResponse {
        let now = SystemTime::now().into();
        let signer =
            KmsSigner { keyring: &self.keyring, metrics, max_token_bytes: Some(MAX_TOKEN_BYTES) };
        let issued = issue(granted, &self.config, Uuid::new_v4(), now, &signer);
        let issued = timeout(time_left, issued).await;
        issued.unwrap_or_else(|_| Err(Fault::timed_out("Sign"))).into()
    }

    async fn publish(&self, which: PublishedDocument, time_left: Duration) -> IssuerResponse {
        let ring = timeout(time_left, self.keyring.published_ring()).await;
        match ring.unwrap_or_else(|_| Err(Fault::timed_out("GetPublicKey"))) {
            Ok(published) => {
                let cacheable =
                    if published.next_fault.is_none() { Cacheable::Yes } else { Cacheable::No };
                match document(which, &self.config, &published.ring) {
                    Ok(document) => IssuerResponse::Published(document, cacheable),
                    Err(error) => IssuerResponse::Refused(error),
                }
            }
            Err(fault) => IssuerResponse::KeysUnavailable(fault),
        }
    }
}

/// The log line of an invocation: the caller with the facts about the token, or why the request was refused. It
/// never contains the token.
fn log_record(
    response: &IssuerResponse,
    caller: Option<&Caller>,
    metrics: &RequestMetrics,
) -> LogRecord {
    let (outcome, mut details) = match response {
        IssuerResponse::Issued(issued) => (
            Outcome::Issued,
            json!({
                "jti": issued.claim_text("jti"),
                "sub": issued.claim_text("sub"),
                "aud": issued.claim_text("aud"),
                "scope": issued.claim_text("scope"),
                "exp": issued.claim_text("exp"),
                "kid": issued.signed.key_id,
                "rule": issued.rule,
                "kmsRequestId": issued.signed.receipt,
            }),
        ),
        IssuerResponse::Published(..) => (Outcome::Published, json!({})),
        IssuerResponse::Refused(error) => (Outcome::Refused, json!({"reason": error.to_string()})),
        IssuerResponse::Failed(fault) | IssuerResponse::KeysUnavailable(fault) => {
            (Outcome::Fault(fault.cause.code()), json!({"error": ErrorChain(fault).to_string()}))
        }
    };
    if let (Value::Object(details), Some(caller)) = (&mut details, caller) {
        details.insert("caller".into(), caller.to_string().into());
    }
    LogRecord { outcome, requests: 1, measured: metrics.measured(), details }
}

/// The time for a response, including the start of the environment. With it a client gets its response within 8 s,
/// which is less than the function's timeout. A token can take two KMS operations in sequence: the refresh of a ring
/// that has not been refreshed for long, and the signature. One fits with all its attempts, and the other with two.
const RESPONSE_TIME: Duration =
    OPERATION_TIME.saturating_add(time_of_attempts(2)).saturating_add(Duration::from_millis(300));
