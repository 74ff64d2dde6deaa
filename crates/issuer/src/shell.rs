use std::{
    pin::pin,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use kms::{
    Fault, Keyring, KmsSigner, Patience, Stopwatch,
    function::{self, Answered, Invocation},
    telemetry::{self, Outcome, Record},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Answer, Ask, Caller, Document, Event, Grant, Terms, TokenRequest, document, issue};

/// The Lambda function.
pub async fn run() -> ExitCode {
    function::run(Terms::read, Issuer::new, Issuer::handle).await
}

struct Issuer {
    terms: Terms,
    keyring: Arc<Keyring>,
    patience: Patience,
}

impl Issuer {
    fn new(terms: Terms, keyring: Arc<Keyring>) -> Self {
        Self { terms, keyring, patience: Patience::default() }
    }

    async fn handle(
        self: Arc<Self>,
        event: String,
        invocation: Invocation,
    ) -> Answered<Value, fn()> {
        let stopwatch = Stopwatch::default();
        let within = invocation.left_of(ANSWER_WITHIN);
        let event = Event::read(&event);
        let caller = match &event.ask {
            Ok(Ask::Token(caller, _)) => Some(caller.clone()),
            _ => None,
        };
        let answer = match event.ask {
            Err(refusal) => Answer::Refused(refusal),
            Ok(Ask::Public(which)) => self.publish(which, within).await,
            Ok(Ask::Token(caller, body)) => {
                let request = TokenRequest::read(&body, &self.terms);
                match request.and_then(|request| request.grant(&caller, &self.terms)) {
                    Err(refusal) => Answer::Refused(refusal),
                    Ok(grant) => self.issue(grant, within, &stopwatch).await,
                }
            }
        };
        audit(&answer, caller.as_ref(), &invocation, &stopwatch);
        answer.through(event.door).into()
    }

    async fn issue(&self, grant: Grant, within: Duration, stopwatch: &Stopwatch) -> Answer {
        let now = SystemTime::now().into();
        let signer = KmsSigner { keyring: &self.keyring, stopwatch };
        let issued = issue(grant, &self.terms, Uuid::new_v4(), now, &signer);
        let issued = self.patience.wait(within, pin!(issued)).await;
        issued.unwrap_or_else(|_| Err(Fault::overdue("Sign"))).into()
    }

    async fn publish(&self, which: Document, within: Duration) -> Answer {
        let ring = self.patience.wait(within, pin!(self.keyring.published_ring())).await;
        match ring.unwrap_or_else(|_| Err(Fault::overdue("GetPublicKey"))) {
            Ok(ring) => match document(which, &self.terms, &ring) {
                Ok(document) => Answer::Published(document),
                Err(refusal) => Answer::Refused(refusal),
            },
            Err(fault) => Answer::Failed(fault),
        }
    }
}

/// One line for each request: who got which token, or why none. Never the token.
fn audit(answer: &Answer, caller: Option<&Caller>, invocation: &Invocation, stopwatch: &Stopwatch) {
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
        Answer::Published(_) => (Outcome::Published, json!({})),
        Answer::Refused(refusal) => (Outcome::Refused, json!({"reason": refusal.to_string()})),
        Answer::Failed(fault) => (
            Outcome::Fault(fault.cause.code()),
            json!({"error": telemetry::Chain(fault).to_string()}),
        ),
    };
    if let (Value::Object(details), Some(caller)) = (&mut details, caller) {
        details.insert("caller".into(), caller.to_string().into());
    }
    Record { invocation, outcome, kms: stopwatch.read(), details }.write();
}

/// Short of the 8 s in which a caller gets an answer in every case, start included, and of the
/// function's own time-out. A token can take two calls of KMS in a row, the refresh of a ring that
/// is long due, and the signature: each has a little over 4 s (`kms::connector`), and both together this.
/// An eighth less where a timer serves again.
const ANSWER_WITHIN: Duration = Duration::from_secs(7);
