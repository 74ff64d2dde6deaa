//! The calls of KMS that serve requests, by the shortest way through the SDK.
//!
//! Operations, credentials and the rules of retries are the SDK's. They are put together here: the
//! SDK's `Client` reads all partitions of AWS when it is made, a fifth of a start, and its
//! orchestrator asks each of its parts at nineteen places of a call what it wants, which takes as
//! long as all the rest of an answer.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_sdk_kms::{
    config::{
        ConfigBag, Credentials, FrozenLayer, HttpClient, IdentityCache, Layer, ProvideCredentials,
        RuntimeComponents, RuntimeComponentsBuilder, RuntimePlugin, SharedCredentialsProvider,
        interceptors::InterceptorContext,
        retry::{RetryConfig, ShouldAttempt, TokenBucket},
        timeout::TimeoutConfig,
    },
    error::{BoxError, ProvideErrorMetadata, SdkError},
    operation::{
        get_public_key::{GetPublicKey, GetPublicKeyError, GetPublicKeyInput, GetPublicKeyOutput},
        sign::{Sign, SignError, SignInput, SignOutput, builders::SignInputBuilder},
        verify::{Verify, VerifyError, VerifyInput, VerifyOutput, builders::VerifyInputBuilder},
    },
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
    http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector},
    interceptors::context::{Error, Input, Output},
    orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
    retries::{RequestAttempts, RetryStrategy},
    ser_de::{
        DeserializeResponse, SerializeRequest, SharedRequestSerializer, SharedResponseDeserializer,
    },
};
use aws_smithy_types::{
    DateTime, body::SdkBody, byte_stream::ByteStream, date_time::Format, retry::ProvideErrorKind,
};
use aws_types::SdkConfig;
use tokio::time::{sleep, timeout};

use crate::{
    Overdue,
    connector::Target,
    endpoint::endpoint,
    sigv4::{Signable, Signer, timestamp},
};

type Answer<T, E> = Result<T, SdkError<E, HttpResponse>>;
type Failure = OrchestratorError<Error>;

/// What a ring asks of KMS.
#[derive(Clone)]
pub struct Calls(Arc<Way>);

/// How all of them are made.
struct Way {
    url: String,
    authority: String,
    path: String,
    connector: SharedHttpConnector,
    attempt_timeout: Option<Duration>,
    credentials: SharedCredentialsProvider,
    known: Mutex<Option<Credentials>>,
    signer: Signer,
    /// How far the clock of KMS is ahead of this one, in seconds: none unless that is the trouble.
    skew: AtomicI64,
    /// What all retries draw on, so that a KMS in trouble is not asked more and more.
    quota: TokenBucket,
    retries: RetryConfig,
    strategy: StandardRetryStrategy,
    components: RuntimeComponentsBuilder,
    get_public_key: OnceLock<FrozenLayer>,
    sign: OnceLock<FrozenLayer>,
    verify: OnceLock<FrozenLayer>,
}

impl Calls {
    /// As the SDK's configuration has it: endpoint or Region, credentials, HTTP client, time-outs
    /// and retries.
    ///
    /// # Errors
    /// What the configuration lacks.
    pub fn new(config: &SdkConfig) -> Result<Self, &'static str> {
        Ok(Self(Arc::new(Way::new(config)?)))
    }

    pub(crate) async fn get_public_key(
        &self,
        key: &str,
    ) -> Answer<GetPublicKeyOutput, GetPublicKeyError> {
        let input = GetPublicKeyInput::builder().key_id(key).build();
        // Large, and rare: not to be a part of every request.
        let input = input.map_err(SdkError::construction_failure)?;
        Box::pin(self.0.call::<GetPublicKey>(input, &self.0.get_public_key)).await
    }

    pub(crate) async fn sign(&self, input: SignInputBuilder) -> Answer<SignOutput, SignError> {
        let input = input.build().map_err(SdkError::construction_failure)?;
        self.0.call::<Sign>(input, &self.0.sign).await
    }

    pub(crate) async fn verify(
        &self,
        input: VerifyInputBuilder,
    ) -> Answer<VerifyOutput, VerifyError> {
        let input = input.build().map_err(SdkError::construction_failure)?;
        self.0.call::<Verify>(input, &self.0.verify).await
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

impl Way {
    fn new(config: &SdkConfig) -> Result<Self, &'static str> {
        let region = config.region().ok_or("is required")?.as_ref();
        let credentials = config.credentials_provider().ok_or("goes with credentials")?;
        let client = config.http_client().ok_or("goes with an HTTP client")?;
        let (fips, dual_stack) =
            (config.use_fips() == Some(true), config.use_dual_stack() == Some(true));
        let url = match config.endpoint_url() {
            Some(url) => format!("{}/", url.trim_end_matches('/')),
            None => endpoint(region, fips, dual_stack) + "/",
        };
        let target = Target::read(&url).ok_or("goes with an endpoint that is a URL")?;
        let (authority, path) = (target.authority.to_owned(), target.path.to_owned());
        let components = RuntimeComponents::builder("kms")
            .with_sleep_impl(Some(TokioSleep::new()))
            .with_time_source(Some(SystemTimeSource::new()))
            // None of these is asked for anything, but there are no components without them.
            .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![])))
            .with_endpoint_resolver(Some(StaticUriEndpointResolver::uri(&*url)))
            .with_identity_cache(Some(IdentityCache::no_cache()))
            .with_auth_scheme(NoAuthScheme::new())
            .with_identity_resolver(NO_AUTH_SCHEME_ID, NoAuthIdentityResolver::new())
            .with_retry_strategy(Some(StandardRetryStrategy::new()));
        let timeouts = config.timeout_config();
        let mut settings = HttpConnectorSettings::builder();
        settings.set_connect_timeout(timeouts.and_then(TimeoutConfig::connect_timeout));
        settings.set_read_timeout(timeouts.and_then(TimeoutConfig::read_timeout));
        let whole = components.clone().build().map_err(|_| "cannot be used")?;
        Ok(Self {
            url,
            authority,
            path,
            connector: client.http_connector(&settings.build(), &whole),
            attempt_timeout: timeouts.and_then(TimeoutConfig::operation_attempt_timeout),
            credentials,
            known: Mutex::default(),
            signer: Signer::new(region, "kms"),
            skew: AtomicI64::default(),
            quota: TokenBucket::default(),
            retries: config.retry_config().cloned().unwrap_or_else(RetryConfig::standard),
            strategy: StandardRetryStrategy::new(),
            components,
            get_public_key: OnceLock::new(),
            sign: OnceLock::new(),
            verify: OnceLock::new(),
        })
    }

    /// Makes a call. What the SDK has for the operation is kept in `layer`.
    async fn call<O: Operation>(
        &self,
        input: O::Input,
        layer: &OnceLock<FrozenLayer>,
    ) -> Answer<O::Output, O::Error> {
        let none = || Layer::new("none").freeze();
        let layer = layer.get_or_init(|| O::default().config().unwrap_or_else(none));
        let serializer = layer.load::<SharedRequestSerializer>();
        let deserializer = layer.load::<SharedResponseDeserializer>();
        let (Some(serializer), Some(deserializer)) = (serializer, deserializer) else {
            return Err(unfit("no wire format"));
        };
        let mut config = ConfigBag::base();
        let request = serializer.serialize_input(Input::erase(input), &mut config);
        let mut request = request.map_err(SdkError::construction_failure)?;
        request.set_uri(&*self.url).map_err(SdkError::construction_failure)?;
        let answer = self.repeat::<O>(&request, deserializer, &config).await;
        let answer = answer.map_err(|error| {
            error.map_service_error(|error| error.downcast().unwrap_or_else(O::unhandled))
        })?;
        answer.downcast().map_err(|_| unfit("another operation's answer"))
    }

    /// Sends a request until there is an answer, or none to be had.
    async fn repeat<O: Operation>(
        &self,
        request: &HttpRequest,
        deserializer: &SharedResponseDeserializer,
        config: &ConfigBag,
    ) -> Answer<Output, Error> {
        let (mut attempt, mut corrected) = (1, false);
        loop {
            let skew = self.skew.load(Ordering::Relaxed);
            let (response, result) = match self.send(request, attempt, skew).await {
                Ok(response) => {
                    let result =
                        deserializer.deserialize_nonstreaming_with_config(&response, config);
                    (Some(response), result)
                }
                Err(failure) => (None, Err(failure)),
            };
            let result = match result {
                // Nothing has been taken of what retries draw on, so there is nothing to give back.
                Ok(output) if attempt == 1 && self.quota.is_full() => return Ok(output),
                result => result,
            };
            if !corrected && self.corrects::<O>(response.as_ref(), &result, skew) {
                corrected = true;
            } else {
                let context = context(response, result);
                match self.again::<O>(&context, attempt) {
                    Some(delay) => sleep(delay).await,
                    None => return context.finalize(),
                }
            }
            attempt += 1;
        }
    }

    async fn send(
        &self,
        request: &HttpRequest,
        attempt: u32,
        skew: i64,
    ) -> Result<HttpResponse, Failure> {
        let mut request = request.try_clone().ok_or_else(|| Failure::other("taken"))?;
        let credentials = self.credentials().await.map_err(Failure::other)?;
        self.authorize(&mut request, &credentials, skew).map_err(Failure::other)?;
        let attempts = format!("attempt={attempt}; max={}", self.retries.max_attempts());
        request.headers_mut().try_insert("amz-sdk-request", attempts).map_err(Failure::other)?;
        let answer = self.connector.call(request);
        let answer = match self.attempt_timeout {
            Some(limit) => {
                let late = |_| Failure::timeout(Overdue.into());
                timeout(limit, answer).await.map_err(late)?
            }
            None => answer.await,
        };
        let mut response = answer.map_err(Failure::connector)?;
        if response.body().bytes().is_none() {
            let body = ByteStream::new(response.take_body()).collect().await;
            let body = body.map_err(|error| Failure::response(error.into()))?;
            *response.body_mut() = SdkBody::from(body.into_bytes());
        }
        Ok(response)
    }

    fn authorize(
        &self,
        request: &mut HttpRequest,
        credentials: &Credentials,
        skew: i64,
    ) -> Result<(), BoxError> {
        let date = timestamp(ahead(SystemTime::now(), skew));
        let authorization = {
            let sent = |name: &str| request.headers().get(name).unwrap_or_default();
            let headers = [
                ("content-type", sent("content-type")),
                ("host", &*self.authority),
                ("x-amz-date", &*date),
                ("x-amz-security-token", credentials.session_token().unwrap_or_default()),
                ("x-amz-target", sent("x-amz-target")),
            ];
            let headers: Vec<_> =
                headers.into_iter().filter(|(_, value)| !value.is_empty()).collect();
            let body = request.body().bytes().ok_or("a body that is not there whole")?;
            let signable = Signable { path: &self.path, headers: &headers, body };
            self.signer.authorization(&signable, &date, credentials)
        };
        let headers = request.headers_mut();
        headers.try_insert("authorization", authorization)?;
        headers.try_insert("x-amz-date", date)?;
        if let Some(token) = credentials.session_token() {
            headers.try_insert("x-amz-security-token", token.to_owned())?;
        }
        Ok(())
    }

    /// Those of the last call, as long as they are good.
    async fn credentials(&self) -> Result<Credentials, BoxError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let soon = SystemTime::now() + RENEWAL;
        if let Some(known) = known.filter(|known| known.expiry().is_none_or(|end| end > soon)) {
            return Ok(known);
        }
        let credentials = self.credentials.provide_credentials().await?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(credentials.clone());
        Ok(credentials)
    }

    /// Whether KMS refused a request for its time, and says what time it is. Requests are signed
    /// with that from then on.
    fn corrects<O: Operation>(
        &self,
        response: Option<&HttpResponse>,
        result: &Result<Output, Failure>,
        skew: i64,
    ) -> bool {
        let refusal = result.as_ref().err().and_then(OrchestratorError::as_operation_error);
        let code =
            refusal.and_then(|error| ProvideErrorMetadata::code(error.downcast_ref::<O::Error>()?));
        if !code.is_some_and(|code| OF_CLOCKS.contains(&code)) {
            return false;
        }
        // What comes from a cache has another time.
        let headers =
            response.map(HttpResponse::headers).filter(|headers| !headers.contains_key("age"));
        let date = headers.and_then(|headers| headers.get("date"));
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        let Some(theirs) = date.map(|date| date.secs()) else { return false };
        let ahead = theirs - DateTime::from(SystemTime::now()).secs();
        if ahead.abs_diff(skew) <= SKEW {
            return false;
        }
        self.skew.store(ahead, Ordering::Relaxed);
        true
    }

    /// How long to wait for the next attempt, if there is one: the SDK knows what is worth it.
    fn again<O: Operation>(&self, context: &InterceptorContext, attempt: u32) -> Option<Duration> {
        let components = self
            .components
            .clone()
            .with_retry_classifier(HttpStatusCodeClassifier::default())
            .with_retry_classifier(TransientErrorClassifier::<O::Error>::new())
            .with_retry_classifier(ModeledAsRetryableClassifier::<O::Error>::new())
            .with_retry_classifier(AwsErrorCodeClassifier::<O::Error>::new())
            .build()
            .ok()?;
        let mut layer = Layer::new("retries");
        layer
            .store_put(self.retries.clone())
            .store_put(self.quota.clone())
            .store_put(RequestAttempts::new(attempt));
        let config = ConfigBag::of_layers([layer]);
        match self.strategy.should_attempt_retry(context, &components, &config).ok()? {
            ShouldAttempt::Yes => Some(Duration::ZERO),
            ShouldAttempt::YesAfterDelay(delay) => Some(delay),
            ShouldAttempt::No => None,
        }
    }
}

/// An attempt, as the SDK's rules of retries look at it.
fn context(response: Option<HttpResponse>, result: Result<Output, Failure>) -> InterceptorContext {
    let mut context = InterceptorContext::new(Input::erase(()));
    context.enter_serialization_phase();
    context.take_input();
    context.set_request(HttpRequest::empty());
    context.enter_before_transmit_phase();
    context.enter_transmit_phase();
    context.take_request();
    let Some(response) = response else {
        context.set_output_or_error(result);
        return context;
    };
    context.set_response(response);
    context.enter_before_deserialization_phase();
    context.enter_deserialization_phase();
    context.set_output_or_error(result);
    context.enter_after_deserialization_phase();
    context
}

fn unfit<E>(problem: &'static str) -> SdkError<E, HttpResponse> {
    SdkError::construction_failure(problem)
}

fn ahead(time: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    let moved = if seconds < 0 { time.checked_sub(by) } else { time.checked_add(by) };
    moved.unwrap_or(time)
}

/// An operation, with the types that the SDK has for it.
trait Operation: RuntimePlugin + Default {
    type Input: fmt::Debug + Send + Sync + 'static;
    type Output: fmt::Debug + Send + Sync + 'static;
    type Error: std::error::Error
        + ProvideErrorMetadata
        + ProvideErrorKind
        + fmt::Debug
        + Send
        + Sync
        + 'static;

    fn unhandled(error: Error) -> Self::Error;
}

macro_rules! operations {
    ($($operation:ident, $input:ident, $output:ident, $error:ident;)+) => {$(
        impl Operation for $operation {
            type Input = $input;
            type Output = $output;
            type Error = $error;

            fn unhandled(error: Error) -> Self::Error {
                $error::unhandled(error)
            }
        }
    )+};
}

operations! {
    GetPublicKey, GetPublicKeyInput, GetPublicKeyOutput, GetPublicKeyError;
    Sign, SignInput, SignOutput, SignError;
    Verify, VerifyInput, VerifyOutput, VerifyError;
}

/// How long before they end credentials are asked for anew.
const RENEWAL: Duration = Duration::from_mins(5);
/// Clocks that are further apart than this many seconds are what a refusal is about: AWS takes five
/// minutes.
const SKEW: u64 = 240;
/// What AWS says of a signature whose time is wrong, among other things.
const OF_CLOCKS: [&str; 5] = [
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "AuthFailure",
    "RequestTimeTooSkewed",
    "AccessDeniedException",
];

#[cfg(test)]
mod tests {
    use aws_sdk_kms::config::Region;

    use super::*;
    use crate::connector::Connector;

    #[test]
    fn what_a_configuration_lacks() {
        let region = Region::new("us-east-1");
        let credentials = Credentials::new("k", "s", None, None, "test");
        let credentials = SharedCredentialsProvider::new(credentials);
        let rows = [
            ([true, true, true], None),
            ([false, true, true], Some("is required")),
            ([true, false, true], Some("goes with credentials")),
            ([true, true, false], Some("goes with an HTTP client")),
        ];
        for ([has_region, has_credentials, has_client], expected) in rows {
            let mut config = SdkConfig::builder();
            config.set_region(has_region.then(|| region.clone()));
            config.set_credentials_provider(has_credentials.then(|| credentials.clone()));
            if has_client {
                config = config.http_client(Connector::new(None));
            }
            assert_eq!(Calls::new(&config.build()).err(), expected);
        }
    }
}
