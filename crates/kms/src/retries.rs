//! What is worth another attempt: the SDK's rules, but for clocks.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime},
};

use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_sdk_kms::{
    config::{
        ConfigBag, IdentityCache, Layer, RuntimeComponents,
        interceptors::InterceptorContext,
        retry::{RetryConfig, RetryMode, ShouldAttempt, TokenBucket},
    },
    error::ProvideErrorMetadata,
};
use aws_smithy_async::{rt::sleep::TokioSleep, time::SystemTimeSource};
use aws_smithy_runtime::client::{
    auth::no_auth::{NO_AUTH_SCHEME_ID, NoAuthScheme},
    identity::no_auth::NoAuthIdentityResolver,
    orchestrator::endpoints::StaticUriEndpointResolver,
    retries::{
        classifiers::{
            HttpStatusCodeClassifier, ModeledAsRetryableClassifier, TransientErrorClassifier,
        },
        strategy::StandardRetryStrategy,
    },
};
use aws_smithy_runtime_api::client::{
    auth::static_resolver::StaticAuthSchemeOptionResolver,
    interceptors::context::{Error, Input, Output},
    orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
    retries::{RequestAttempts, RetryStrategy},
    runtime_components::RuntimeComponentsBuilder,
};
use aws_smithy_types::{DateTime, date_time::Format};

use crate::calls::{Answer, Operation};

/// Why an attempt has failed.
pub(crate) type Failure = OrchestratorError<Error>;

/// What one attempt has come to.
pub(crate) struct Attempt {
    /// What was taken for the [`Retries::skew`] when it was signed.
    pub(crate) skew: i64,
    pub(crate) response: Option<HttpResponse>,
    pub(crate) result: Result<Output, Failure>,
}

/// The rules, and what they remember from one call to the next.
pub(crate) struct Retries {
    config: RetryConfig,
    /// What all retries draw on, so that a KMS in trouble is not asked more and more.
    quota: TokenBucket,
    strategy: StandardRetryStrategy,
    skew: AtomicI64,
}

impl Retries {
    pub(crate) fn new(config: RetryConfig) -> Self {
        let (quota, strategy) = (TokenBucket::default(), StandardRetryStrategy::new());
        // Adaptive, it would measure out the calls of a program that makes many.
        let config = config.with_retry_mode(RetryMode::Standard);
        Self { config, quota, strategy, skew: AtomicI64::default() }
    }

    pub(crate) fn max_attempts(&self) -> u32 {
        self.config.max_attempts()
    }

    /// Whether nothing has been taken of what retries draw on: then a call that succeeds has nothing
    /// to give back.
    pub(crate) fn are_whole(&self) -> bool {
        self.quota.is_full()
    }

    /// How long to wait for the next attempt, or what the call has come to.
    pub(crate) fn after<O: Operation>(
        &self,
        number: u32,
        attempt: Attempt,
    ) -> ControlFlow<Answer<Output, Error>, Duration> {
        let context = attempt.context();
        match self.delay::<O>(number, &context) {
            Some(delay) => ControlFlow::Continue(delay),
            None => ControlFlow::Break(context.finalize()),
        }
    }

    fn delay<O: Operation>(&self, number: u32, context: &InterceptorContext) -> Option<Duration> {
        let components = components()
            .with_retry_classifier(HttpStatusCodeClassifier::default())
            .with_retry_classifier(TransientErrorClassifier::<O::Error>::new())
            .with_retry_classifier(ModeledAsRetryableClassifier::<O::Error>::new())
            .with_retry_classifier(AwsErrorCodeClassifier::<O::Error>::new())
            .build()
            .ok()?;
        let mut layer = Layer::new("retries");
        layer
            .store_put(self.config.clone())
            .store_put(self.quota.clone())
            .store_put(RequestAttempts::new(number));
        let config = ConfigBag::of_layers([layer]);
        match self.strategy.should_attempt_retry(context, &components, &config).ok()? {
            ShouldAttempt::Yes => Some(Duration::ZERO),
            ShouldAttempt::YesAfterDelay(delay) => Some(delay),
            ShouldAttempt::No => None,
        }
    }

    /// How far the clock of KMS is ahead of this one, in seconds: not at all unless that has been the
    /// trouble.
    pub(crate) fn skew(&self) -> i64 {
        self.skew.load(Ordering::Relaxed)
    }

    /// Whether KMS has refused a request for its time, and has said what time it is.
    pub(crate) fn correct<O: Operation>(&self, attempt: &Attempt) -> bool {
        let refusal = attempt.result.as_ref().err().and_then(OrchestratorError::as_operation_error);
        let code =
            refusal.and_then(|error| ProvideErrorMetadata::code(error.downcast_ref::<O::Error>()?));
        if !code.is_some_and(|code| OF_CLOCKS.contains(&code)) {
            return false;
        }
        let headers = attempt.response.as_ref().map(HttpResponse::headers);
        // What comes from a cache has another time.
        let headers = headers.filter(|headers| !headers.contains_key("age"));
        let date = headers.and_then(|headers| headers.get("date"));
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        let Some(theirs) = date.map(|date| date.secs()) else { return false };
        let ahead = theirs - DateTime::from(SystemTime::now()).secs();
        if ahead.abs_diff(attempt.skew) <= NEAR_ENOUGH || ahead.unsigned_abs() > ABSURD {
            return false;
        }
        self.skew.store(ahead, Ordering::Relaxed);
        true
    }
}

/// What parts of the SDK expect to be told of the others.
pub(crate) fn components() -> RuntimeComponentsBuilder {
    RuntimeComponents::builder("kms")
        .with_sleep_impl(Some(TokioSleep::new()))
        .with_time_source(Some(SystemTimeSource::new()))
        // None of these is asked for anything, but there are no components without them.
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![])))
        .with_auth_scheme(NoAuthScheme::new())
        .with_endpoint_resolver(Some(StaticUriEndpointResolver::uri("/")))
        .with_identity_cache(Some(IdentityCache::no_cache()))
        .with_identity_resolver(NO_AUTH_SCHEME_ID, NoAuthIdentityResolver::new())
        .with_retry_strategy(Some(StandardRetryStrategy::new()))
}

impl Attempt {
    /// As the SDK's rules look at it.
    fn context(self) -> InterceptorContext {
        let mut context = InterceptorContext::new(Input::erase(()));
        context.enter_serialization_phase();
        context.take_input();
        context.set_request(HttpRequest::empty());
        context.enter_before_transmit_phase();
        context.enter_transmit_phase();
        context.take_request();
        let Some(response) = self.response else {
            context.set_output_or_error(self.result);
            return context;
        };
        context.set_response(response);
        context.enter_before_deserialization_phase();
        context.enter_deserialization_phase();
        context.set_output_or_error(self.result);
        context.enter_after_deserialization_phase();
        context
    }
}

/// The time by a clock that is so many seconds ahead.
pub(crate) fn now(skew: i64) -> SystemTime {
    let (now, by) = (SystemTime::now(), Duration::from_secs(skew.unsigned_abs()));
    let moved = if skew < 0 { now.checked_sub(by) } else { now.checked_add(by) };
    moved.unwrap_or(now)
}

/// Clocks that are no more seconds apart are not what a refusal is about: AWS takes five minutes.
const NEAR_ENOUGH: u64 = 240;
/// A clock that is wrong by more seconds than that, a century, is nobody's.
const ABSURD: u64 = 100 * 365 * 86_400;
/// What AWS says of a signature whose time is wrong, among other things.
const OF_CLOCKS: [&str; 5] = [
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "AuthFailure",
    "RequestTimeTooSkewed",
    "AccessDeniedException",
];
