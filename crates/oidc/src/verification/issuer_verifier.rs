use std::{collections::HashMap, sync::Arc};

use jwt::{
    Candidate, Claims, Rejection, SignedParts, UnixTime, UnverifiedToken, Validation, Verifier,
};
use serde_json::{Map, Value};

use super::{
    assertion_error::{AssertionError, AssertionRefusal},
    purpose::Purpose,
};
use crate::{
    HttpClient, IssuerFault, KeySource, KeysError, OwnIdentity, TrustedIssuer, TrustedIssuers,
    keys::{IssuerKeys, RemoteKeys, RemoteSource, SuspendAwareTime},
};

/// Verifies assertions of trusted issuers and of clients.
///
/// The [crate documentation](crate#verify-an-assertion) has an example.
#[derive(Debug)]
pub struct IssuerVerifier {
    issuers: HashMap<String, ConfiguredIssuer>,
}

/// The identity that a valid assertion proves.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// The issuer; of a client, its client id.
    pub issuer: String,
    /// The value of the claim that the entry names as the subject; of a client, its client id.
    pub subject: String,
    /// `jti`, if present.
    pub jti: Option<String>,
    /// All claims.
    pub claims: Map<String, Value>,
}

#[derive(Debug)]
struct ConfiguredIssuer {
    entry: TrustedIssuer,
    validation: Validation,
    keys: IssuerKeySource,
}

#[derive(Debug)]
enum IssuerKeySource {
    Inline(Result<Arc<IssuerKeys>, IssuerFault>),
    Remote(Box<RemoteKeys>),
}

impl IssuerVerifier {
    /// A verifier without cached keys. An entry with the name of the own issuer is left out.
    #[must_use]
    pub fn new(issuers: TrustedIssuers, own: &OwnIdentity, http: &HttpClient) -> Self {
        let entries = issuers.into_entries().into_iter();
        let others = entries.filter(|entry| entry.issuer != own.issuer);
        let issuer =
            |entry: TrustedIssuer| (entry.issuer.clone(), ConfiguredIssuer::new(entry, own, http));
        Self { issuers: others.map(issuer).collect() }
    }

    /// Verifies an assertion. Everything that needs no key is checked before keys are fetched.
    ///
    /// # Errors
    /// The outer error says that there is no result, because the keys of the issuer are not available. The inner error
    /// refuses the assertion.
    pub async fn verify(
        &self,
        assertion: &str,
        purpose: Purpose,
        now: UnixTime,
    ) -> Result<Result<Verified, AssertionError>, IssuerFault> {
        let (candidate, issuer) = match self.candidate(assertion, purpose, now) {
            Ok(screened) => screened,
            Err(error) => return Ok(Err(error)),
        };
        let keys = KeysAt { issuer, now: SuspendAwareTime::at(now) };
        let verified = match candidate.confirm(&keys).await? {
            Ok(claims) => issuer.accept(claims),
            Err(rejection) => Err(AssertionRefusal::Token(rejection)),
        };
        Ok(verified.map_err(|refusal| refused(Some(issuer), refusal)))
    }

    /// Checks everything that needs no key.
    ///
    /// # Errors
    /// The reason to refuse the assertion.
    pub fn screen(
        &self,
        assertion: &str,
        purpose: Purpose,
        now: UnixTime,
    ) -> Result<(), AssertionError> {
        self.candidate(assertion, purpose, now).map(|_| ())
    }

    fn candidate<'a>(
        &'a self,
        assertion: &'a str,
        purpose: Purpose,
        now: UnixTime,
    ) -> Result<(Candidate<'a>, &'a ConfiguredIssuer), AssertionError> {
        let mut named = None;
        let select = |name: &str| {
            named = self.issuers.get(name).filter(|issuer| issuer.is_for(purpose));
            named.map(|issuer| &issuer.validation)
        };
        let screened = UnverifiedToken::parse(assertion)
            .and_then(|assertion| assertion.screen_by_issuer(select, now));
        match (screened, named) {
            (Ok(candidate), Some(issuer)) => Ok((candidate, issuer)),
            (screened, _) => {
                let rejection = screened.err().unwrap_or(Rejection::Issuer);
                Err(refused(named, AssertionRefusal::Token(rejection)))
            }
        }
    }
}

fn refused(issuer: Option<&ConfiguredIssuer>, refusal: AssertionRefusal) -> AssertionError {
    AssertionError { issuer: issuer.map(|issuer| issuer.entry.issuer.clone()), refusal }
}

impl ConfiguredIssuer {
    fn new(entry: TrustedIssuer, own: &OwnIdentity, http: &HttpClient) -> Self {
        let remote = |source| {
            let (issuer, algorithms) = (entry.issuer.clone(), entry.algorithms.clone());
            let keys = RemoteKeys::new(issuer, source, algorithms, http.clone());
            IssuerKeySource::Remote(Box::new(keys))
        };
        let keys = match &entry.keys {
            KeySource::Discovery(url) => remote(RemoteSource::Discovery(url.clone())),
            KeySource::JwksUri(url) => remote(RemoteSource::JwksUri(url.clone())),
            KeySource::Jwks(set) => {
                let keys = IssuerKeys::new(set.clone(), &entry.algorithms).map(Arc::new);
                IssuerKeySource::Inline(
                    keys.map_err(|error| IssuerFault::new(&entry.issuer, error)),
                )
            }
        };
        Self { validation: entry.validation(own), keys, entry }
    }

    fn is_for(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Grant => !self.entry.is_client,
            Purpose::ClientAuthentication => self.entry.is_client,
        }
    }

    fn accept(&self, claims: Claims) -> Result<Verified, AssertionRefusal> {
        let claims = claims.into_members();
        let subject =
            self.entry.check_claims(&claims).map_err(AssertionRefusal::Claims)?.to_owned();
        let jti = claims.get("jti").and_then(Value::as_str).map(str::to_owned);
        Ok(Verified { issuer: self.entry.issuer.clone(), subject, jti, claims })
    }
}

/// The keys of an issuer for one assertion.
struct KeysAt<'a> {
    issuer: &'a ConfiguredIssuer,
    now: SuspendAwareTime,
}

impl Verifier for KeysAt<'_> {
    type Error = IssuerFault;

    async fn verify(&self, parts: &SignedParts<'_>) -> Result<Result<(), Rejection>, IssuerFault> {
        let entry = &self.issuer.entry;
        let malformed = |key| IssuerFault::new(&entry.issuer, KeysError::Malformed(key));
        let remote = match &self.issuer.keys {
            IssuerKeySource::Inline(keys) => {
                return keys.clone()?.check(parts).await.map_err(malformed);
            }
            IssuerKeySource::Remote(remote) => remote,
        };
        let keys = remote.current(self.now).await?;
        let checked = keys.check(parts).await;
        if matches!(checked, Ok(Ok(()))) || !keys.may_lack_key_of(parts) {
            return checked.map_err(malformed);
        }
        match remote.newer_than(&keys, self.now).await? {
            Some(newer) => newer.check(parts).await.map_err(malformed),
            None => checked.map_err(malformed),
        }
    }
}
