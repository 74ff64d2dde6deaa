use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use kms::{ErrorChain, Fault, Keyring, KmsSigner, Stopwatch};
use policy::issuance::Caller;
use runtime::{
    function::{self, Handler, HandlerOutput, Invocation},
    telemetry::{LogRecord, Outcome},
};
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    Cacheable, GrantedRequest, IssuerConfig, IssuerEvent, IssuerResponse, MAX_TOKEN_BYTES,
    Operation, PublishedDocument, TokenRequest, document, issue,
};

/// The Lambda function.
pub async fn run() -> ExitCode {
    function::run(IssuerConfig::read, |terms, keyring| Issuer { terms, keyring }).await
}

struct Issuer {
    terms: IssuerConfig,
    keyring: Arc<Keyring>,
}

impl Handler for Issuer {
    type Response = Value;

    async fn handle(&self, event: &str, invocation: &Invocation) -> HandlerOutput<Value> {
        let stopwatch = Stopwatch::default();
        let time_left = invocation.time_left(ANSWER_WITHIN);
        let event = IssuerEvent::read(event);
        let caller = match &event.ask {
            Ok(Operation::Token(caller, _)) => Some(caller.clone()),
            _ => None,
        };
        let answer = match event.ask {
            Err(refusal) => IssuerResponse::Refused(refusal),
            Ok(Operation::Public(which)) => self.publish(which, time_left).await,
            Ok(Operation::Token(caller, body)) => {
                let request = TokenRequest::read(&body, &self.terms);
                match request.and_then(|request| request.grant(&caller, &self.terms)) {
                    Err(refusal) => IssuerResponse::Refused(refusal),
                    Ok(grant) => self.issue(grant, time_left, &stopwatch).await,
                }
            }
        };
        let record = audit(&answer, caller.as_ref(), &stopwatch);
        HandlerOutput { response: answer.into_lambda_response(event.door), record }
    }
}

impl Issuer {
    async fn issue(
        &self,
        grant: GrantedRequest,
        time_left: Duration,
        stopwatch: &Stopwatch,
    ) -> IssuerResponse {
        let now = SystemTime::now().into();
        let signer =
            KmsSigner { keyring: &self.keyring, stopwatch, max_token_bytes: Some(MAX_TOKEN_BYTES) };
        let issued = issue(grant, &self.terms, Uuid::new_v4(), now, &signer);
        let issued = timeout(time_left, issued).await;
        issued.unwrap_or_else(|_| Err(Fault::timed_out("Sign"))).into()
    }

    async fn publish(&self, which: PublishedDocument, time_left: Duration) -> IssuerResponse {
        let ring = timeout(time_left, self.keyring.published_ring()).await;
        match ring.unwrap_or_else(|_| Err(Fault::timed_out("GetPublicKey"))) {
            Ok(published) => {
                let cacheable =
                    if published.next_fault.is_none() { Cacheable::Yes } else { Cacheable::No };
                match document(which, &self.terms, &published.ring) {
                    Ok(document) => IssuerResponse::Published(document, cacheable),
                    Err(refusal) => IssuerResponse::Refused(refusal),
                }
            }
            Err(fault) => IssuerResponse::Unpublished(fault),
        }
    }
}

/// The log line of a request: who got which token, or why it was refused. Never the token.
fn audit(answer: &IssuerResponse, caller: Option<&Caller>, stopwatch: &Stopwatch) -> LogRecord {
    let (outcome, mut details) = match answer {
        IssuerResponse::Issued(issued) => (
            Outcome::Issued,
            json!({
                "jti": issued.text("jti"),
                "sub": issued.text("sub"),
                "aud": issued.text("aud"),
                "scope": issued.text("scope"),
                "exp": issued.text("exp"),
                "kid": issued.signed.key_id,
                "kmsRequestId": issued.signed.receipt,
            }),
        ),
        IssuerResponse::Published(..) => (Outcome::Published, json!({})),
        IssuerResponse::Refused(refusal) => {
            (Outcome::Refused, json!({"reason": refusal.to_string()}))
        }
        IssuerResponse::Failed(fault) | IssuerResponse::Unpublished(fault) => {
            (Outcome::Fault(fault.cause.code()), json!({"error": ErrorChain(fault).to_string()}))
        }
    };
    if let (Value::Object(details), Some(caller)) = (&mut details, caller) {
        details.insert("caller".into(), caller.to_string().into());
    }
    LogRecord { outcome, kms: stopwatch.read(), details }
}

/// A client gets its response within 8 s, start included, which is also less than the function's own
/// timeout. A token can take two operations of KMS in a row, each of which ends after 4.05 s:
/// the refresh of a ring that is long due, and the signature.
const ANSWER_WITHIN: Duration = Duration::from_secs(7);
