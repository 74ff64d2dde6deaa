//! Assertions of trusted issuers and clients, with providers on this machine.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod cache;
mod fetching;
mod keys;
mod provider;
mod refusals;
mod shapes;
mod tokens;
mod transport;

use countersign_oidc::{
    AssertionError, HttpClient, IssuerFault, IssuerVerifier, OwnIdentity, ProxyConfig, Purpose,
    Transport, TrustStore, TrustedIssuers, Verified,
};
use jwt::UnixTime;
use serde_json::Value;

/// 2026-01-01T00:00:00Z.
const NOW: u64 = 1_767_225_600;
const OWN_ISSUER: &str = "https://api.example/v1";
const TOKEN_ENDPOINT: &str = "https://api.example/v1/oauth2/token";

fn own() -> OwnIdentity {
    OwnIdentity { issuer: OWN_ISSUER.into(), token_endpoint: TOKEN_ENDPOINT.into() }
}

/// A verifier that trusts these issuers, and uses no proxy.
fn verifier(entries: &[Value]) -> IssuerVerifier {
    let text = Value::from(entries).to_string();
    let issuers = TrustedIssuers::read(&text, Transport::LoopbackHttp).unwrap();
    let http = HttpClient::new(TrustStore::empty(), ProxyConfig::disabled());
    IssuerVerifier::new(issuers, &own(), &http)
}

/// The outcome of an assertion: it is valid, or the code of its refusal or of the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Valid,
    Refused(&'static str),
    Fault(&'static str),
}

const UNREACHABLE: Outcome = Outcome::Fault("IssuerUnreachable");
const NO_KEYS: Outcome = Outcome::Fault("IssuerKeys");

type Verification = Result<Result<Verified, AssertionError>, IssuerFault>;

impl From<Verification> for Outcome {
    fn from(verified: Verification) -> Self {
        match verified {
            Ok(Ok(_)) => Self::Valid,
            Ok(Err(error)) => Self::Refused(error.code()),
            Err(fault) => Self::Fault(fault.cause().code()),
        }
    }
}

async fn verify(
    verifier: &IssuerVerifier,
    assertion: &str,
    purpose: Purpose,
    seconds: u64,
) -> Verification {
    verifier.verify(assertion, purpose, UnixTime::from_seconds(seconds)).await
}

/// The outcome of the assertion of a grant.
async fn outcome(verifier: &IssuerVerifier, assertion: &str, seconds: u64) -> Outcome {
    verify(verifier, assertion, Purpose::Grant, seconds).await.into()
}
