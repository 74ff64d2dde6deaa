use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use kms::{
    Fault, Keyring, KmsSigner, Stopwatch,
    function::{self, Diagnostic, Invocation},
    telemetry::{self, Outcome, Record},
};
use serde_json::{Value, json, value::RawValue};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{Answer, Event, Terms, TokenRequest, issue};

/// The Lambda function.
pub async fn run() -> ExitCode {
    function::run(Terms::read, Issuer::new, Issuer::handle).await
}

struct Issuer {
    terms: Terms,
    keyring: Arc<Keyring>,
}

impl Issuer {
    fn new(terms: Terms, keyring: Arc<Keyring>) -> Self {
        Self { terms, keyring }
    }

    async fn handle(
        self: Arc<Self>,
        event: Box<RawValue>,
        invocation: Invocation,
    ) -> Result<Value, Diagnostic> {
        let now = SystemTime::now().into();
        let stopwatch = Stopwatch::default();
        let signer = KmsSigner { keyring: &self.keyring, stopwatch: &stopwatch };
        let event = Event::read(event.get());
        let request = event.body.and_then(|body| TokenRequest::read(&body, &self.terms));
        let answer = match request {
            Err(refusal) => Answer::Refused(refusal),
            Ok(request) => {
                let issued = issue(request, &self.terms, Uuid::new_v4(), now, &signer);
                let issued = timeout(ANSWER_WITHIN, issued).await;
                issued.unwrap_or_else(|_| Err(Fault::overdue("Sign"))).into()
            }
        };
        audit(&answer, &event.caller, &invocation, &stopwatch);
        answer.through(event.door)
    }
}

/// One line for each request: who got which token, or why none. Never the token.
fn audit(answer: &Answer, caller: &str, invocation: &Invocation, stopwatch: &Stopwatch) {
    let (outcome, mut details) = match answer {
        Answer::Issued(issued) => (
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
        Answer::Refused(refusal) => (Outcome::Refused, json!({"reason": refusal.to_string()})),
        Answer::Failed(fault) => (
            Outcome::Fault(fault.cause.code()),
            json!({"error": telemetry::Chain(fault).to_string()}),
        ),
    };
    if let Value::Object(details) = &mut details {
        details.insert("caller".into(), caller.into());
    }
    Record { invocation, outcome, kms: stopwatch.read(), details }.write();
}

/// Short of the function's own time-out, so that the caller gets an answer in every case.
const ANSWER_WITHIN: Duration = Duration::from_millis(7500);
