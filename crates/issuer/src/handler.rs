use std::{process::ExitCode, sync::Arc, time::SystemTime};

use kms::{Fault, Keyring, KmsSigner, RequestMetrics};
use oidc::{HttpClient, IssuerVerifier, ProxyConfig};
use policy::issuance::Caller;
use runtime::{
    Settings,
    function::{self, FirstEvent, Handler, HandlerOutput, Invocation, RingUse},
    public_trust_store,
};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::{
    AssertionTokenRequest, Cacheable, ClientTokenRequest, GrantType, GrantedRequest, IssuanceError,
    IssuedToken, IssuerConfig, IssuerEvent, IssuerResponse, MAX_TOKEN_BYTES, Operation,
    PublishedDocument, RequestFacts, Routes, TokenRequest,
    document::{authorization_server, document},
    issue,
    log_record::log_record,
    oauth::{ProviderFault, TokenRecipient},
    own_identity,
};

/// Runs the Lambda function. Returns when the Runtime API ends or the function cannot start.
pub async fn run() -> ExitCode {
    function::run(RING_USE, read, |(config, verifier), keyring| IssuerHandler {
        config,
        verifier,
        keyring,
    })
    .await
}

/// Reads the settings, and makes the verifier of assertions for the function that needs one.
fn read(settings: &mut Settings) -> Option<(IssuerConfig, Option<IssuerVerifier>)> {
    let config = IssuerConfig::read(settings)?;
    let verifier = match (config.routes, &config.trusted_issuers) {
        (Routes::OAuth, Some(trusted)) => {
            let own = own_identity(&config.issuer);
            let http = HttpClient::new(public_trust_store(settings)?, ProxyConfig::from_env());
            Some(IssuerVerifier::new(trusted.clone(), &own, &http))
        }
        _ => None,
    };
    Some((config, verifier))
}

struct IssuerHandler {
    config: IssuerConfig,
    /// `None`: the function takes no assertions.
    verifier: Option<IssuerVerifier>,
    keyring: Arc<Keyring>,
}

impl Handler for IssuerHandler {
    type Response = Value;

    async fn handle(&self, event: &str, invocation: &Invocation) -> HandlerOutput<Value> {
        let metrics = RequestMetrics::default();
        let deadline = Instant::now() + invocation.time_left();
        let IssuerEvent { source, operation, mut facts } =
            IssuerEvent::read(event, self.config.routes);
        let response = match operation {
            Err(error) => IssuerResponse::Refused(error),
            Ok(Operation::Publish(which)) => self.publish(which, deadline).await,
            Ok(Operation::IssueToken(caller, body)) => {
                let request = TokenRequest::read(&body, &self.config);
                match request.and_then(|request| request.grant(&caller, &self.config)) {
                    Err(error) => IssuerResponse::Refused(error),
                    Ok(granted) => self.issue(granted, deadline, &metrics).await.into(),
                }
            }
            Ok(Operation::GrantToCaller(caller, form)) => {
                facts.grant = Some(GrantType::ClientCredentials);
                let recipient = TokenRecipient { caller, client_id: None, jti: None };
                match ClientTokenRequest::read(&form, &self.config) {
                    Err(error) => IssuerResponse::Refused(error.into()),
                    Ok(request) => self.grant(request, &recipient, deadline, &metrics).await,
                }
            }
            Ok(Operation::GrantForAssertion { form, authorization }) => {
                match AssertionTokenRequest::read(&form, authorization, &self.config) {
                    Err(error) => IssuerResponse::Refused(error.into()),
                    Ok(request) => {
                        facts.grant = Some(request.assertion.grant_type());
                        self.grant_for_assertion(request, deadline, &metrics, &mut facts).await
                    }
                }
            }
        };
        let record = log_record(&response, facts, &metrics, source);
        HandlerOutput { response: response.into_lambda_response(source), record }
    }
}

impl IssuerHandler {
    /// Verifies the assertion, and then grants the request.
    async fn grant_for_assertion(
        &self,
        AssertionTokenRequest { assertion, request }: AssertionTokenRequest,
        deadline: Instant,
        metrics: &RequestMetrics,
        facts: &mut RequestFacts,
    ) -> IssuerResponse {
        let Some(verifier) = &self.verifier else {
            return IssuerResponse::Refused(IssuanceError::NotFound);
        };
        let verified =
            assertion.verify(verifier, &self.config.revocations, SystemTime::now().into());
        let recipient = match timeout_at(deadline, verified).await {
            Err(_) => return IssuerResponse::ProviderFailed(ProviderFault::TimedOut),
            Ok(Err(fault)) => return IssuerResponse::ProviderFailed(ProviderFault::Keys(fault)),
            Ok(Ok(Err(error))) => return IssuerResponse::Refused(error.into()),
            Ok(Ok(Ok(recipient))) => recipient,
        };
        if let Caller::Assertion(identity) = &recipient.caller {
            facts.assertion = Some(json!({
                "issuer": identity.issuer, "subject": identity.subject, "jti": recipient.jti,
            }));
        }
        facts.client.clone_from(&recipient.client_id);
        self.grant(request, &recipient, deadline, metrics).await
    }

    async fn grant(
        &self,
        request: ClientTokenRequest,
        recipient: &TokenRecipient,
        deadline: Instant,
        metrics: &RequestMetrics,
    ) -> IssuerResponse {
        let requested_scope = request.scope.clone();
        let granted = match request.grant(recipient, &self.config) {
            Err(error) => return IssuerResponse::Refused(error),
            Ok(granted) => granted,
        };
        match self.issue(granted, deadline, metrics).await {
            Ok(issued) => IssuerResponse::granted(issued, requested_scope.as_deref()),
            fault => fault.into(),
        }
    }

    async fn issue(
        &self,
        granted: GrantedRequest,
        deadline: Instant,
        metrics: &RequestMetrics,
    ) -> Result<IssuedToken, Fault> {
        let now = SystemTime::now().into();
        let signer =
            KmsSigner { keyring: &self.keyring, metrics, max_token_bytes: Some(MAX_TOKEN_BYTES) };
        let issued = issue(granted, &self.config, Uuid::new_v4(), now, &signer);
        timeout_at(deadline, issued).await.unwrap_or_else(|_| Err(Fault::timed_out("Sign")))
    }

    async fn publish(&self, which: PublishedDocument, deadline: Instant) -> IssuerResponse {
        if which == PublishedDocument::OAuth {
            // This document does not depend on the keys.
            return match authorization_server(&self.config) {
                Ok(document) => IssuerResponse::Published(document, Cacheable::Yes),
                Err(error) => IssuerResponse::Refused(error),
            };
        }
        let ring = timeout_at(deadline, self.keyring.published_ring()).await;
        match ring.unwrap_or_else(|_| Err(Fault::timed_out("GetPublicKey"))) {
            Ok(published) => match document(which, &self.config, &published.ring) {
                Ok(document) => IssuerResponse::Published(document, (&published).into()),
                Err(error) => IssuerResponse::Refused(error),
            },
            Err(fault) => IssuerResponse::KeysUnavailable(fault),
        }
    }
}

/// A token can take two KMS operations in sequence: the refresh of a ring that has not been refreshed for long, and the
/// signature. A client gets its response within 8 s, which is less than the function's timeout.
const RING_USE: RingUse = RingUse { first_event: FirstEvent::AfterRing, operations: 2 };
