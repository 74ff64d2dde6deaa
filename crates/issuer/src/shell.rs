use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use kms::{
    Client, Fault, Keyring, KmsSigner,
    function::{self, Diagnostic, Invocation},
    telemetry,
};
use serde_json::{Value, value::RawValue};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{Answer, Event, Terms, TokenRequest, issue};

/// The Lambda function.
pub async fn run() -> ExitCode {
    function::run(Terms::read, Issuer::new, Issuer::handle).await
}

struct Issuer {
    terms: Terms,
    signer: KmsSigner,
}

impl Issuer {
    fn new(terms: Terms, client: Client, keyring: Arc<Keyring>) -> Self {
        Self { terms, signer: KmsSigner::new(client, keyring) }
    }

    async fn handle(
        self: Arc<Self>,
        event: Box<RawValue>,
        invocation: Invocation,
    ) -> Result<Value, Diagnostic> {
        let now = SystemTime::now().into();
        let event = Event::read(event.get());
        let request = event.body.and_then(|body| TokenRequest::read(&body, &self.terms));
        let answer = match request {
            Err(refusal) => Answer::Refused(refusal),
            Ok(request) => {
                let issued = issue(request, &self.terms, Uuid::new_v4(), now, &self.signer);
                let issued = timeout(ANSWER_WITHIN, issued).await;
                issued.unwrap_or_else(|_| Err(Fault::overdue("Sign"))).into()
            }
        };
        audit(&answer, &event.caller, &invocation);
        answer.through(event.door)
    }
}

/// One line for each request: who got which token, or why none. Never the token.
fn audit(answer: &Answer, caller: &str, invocation: &Invocation) {
    let Invocation { request_id, cold } = invocation;
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
