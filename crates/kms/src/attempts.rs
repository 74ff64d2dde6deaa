//! How a call is made: written and read by the SDK, signed and sent here, and sent again where that
//! is worth it.

use std::{
    ops::ControlFlow,
    time::{Duration, SystemTime},
};

use aws_sdk_kms::{
    config::{
        ConfigBag, Credentials, FrozenLayer, ProvideCredentials, SharedCredentialsProvider,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
    error::{BoxError, SdkError},
};
use aws_smithy_runtime_api::client::{
    interceptors::context::{Error, Input, Output},
    orchestrator::{HttpRequest, HttpResponse},
    ser_de::{
        DeserializeResponse, SerializeRequest, SharedRequestSerializer, SharedResponseDeserializer,
    },
};
use aws_types::SdkConfig;
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};

use crate::{
    Overdue,
    calls::{Answer, Operation},
    carrier::Carrier,
    endpoint::endpoint,
    outgoing::{Outgoing, Target},
    retries::{Attempt, Failure, Retries, now},
    sigv4::{Signable, Signer, timestamp},
};

/// Where calls go, and what they go with.
pub(crate) struct Attempts {
    target: Target,
    carrier: Carrier,
    /// How long one may take that the carrier does not end by itself.
    limit: Option<Duration>,
    credentials: SharedCredentialsProvider,
    /// Those of the last call.
    known: Mutex<Option<Credentials>>,
    signer: Signer,
    retries: Retries,
}

impl Attempts {
    pub(crate) fn new(config: &SdkConfig, carrier: Carrier) -> Result<Self, &'static str> {
        let region = config.region().ok_or("is required")?.as_ref();
        let credentials = config.credentials_provider().ok_or("goes with credentials")?;
        let (fips, dual_stack) =
            (config.use_fips() == Some(true), config.use_dual_stack() == Some(true));
        let url = match config.endpoint_url() {
            Some(url) => format!("{}/", url.trim_end_matches('/')),
            None => endpoint(region, fips, dual_stack) + "/",
        };
        let target = Target::read(&url).ok_or("goes with an endpoint that is a URL")?;
        let retries = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
        Ok(Self {
            target,
            carrier,
            limit: config.timeout_config().and_then(TimeoutConfig::operation_attempt_timeout),
            credentials,
            known: Mutex::default(),
            signer: Signer::new(region, "kms"),
            retries: Retries::new(retries),
        })
    }

    /// Makes a call, by what the SDK has for the operation.
    pub(crate) async fn call<O: Operation>(
        &self,
        input: O::Input,
        layer: &FrozenLayer,
    ) -> Answer<O::Output, O::Error> {
        let serializer = layer.load::<SharedRequestSerializer>();
        let deserializer = layer.load::<SharedResponseDeserializer>();
        let (Some(serializer), Some(deserializer)) = (serializer, deserializer) else {
            return Err(SdkError::construction_failure("no wire format"));
        };
        let request = serializer.serialize_input(Input::erase(input), &mut ConfigBag::base());
        let request = request.map_err(SdkError::construction_failure)?;
        let answer = self.repeat::<O>(&request, deserializer).await;
        let answer = answer.map_err(|error| {
            error.map_service_error(|error| error.downcast().unwrap_or_else(O::unhandled))
        })?;
        let other = |_| SdkError::construction_failure("another operation's answer");
        answer.downcast().map_err(other)
    }

    /// Sends a request until there is an answer, or none to be had.
    async fn repeat<O: Operation>(
        &self,
        request: &HttpRequest,
        deserializer: &SharedResponseDeserializer,
    ) -> Answer<Output, Error> {
        let (mut number, mut corrected, config) = (1, false, ConfigBag::base());
        loop {
            let skew = self.retries.skew();
            let attempt = match self.send(request, number, skew).await {
                Ok(response) => {
                    match deserializer.deserialize_nonstreaming_with_config(&response, &config) {
                        Ok(output) if self.retries.are_whole() => return Ok(output),
                        result => Attempt { skew, response: Some(response), result },
                    }
                }
                Err(failure) => Attempt { skew, response: None, result: Err(failure) },
            };
            let more = number < self.retries.max_attempts();
            if more && !corrected && self.retries.correct::<O>(&attempt) {
                corrected = true;
            } else {
                match self.retries.after::<O>(number, attempt) {
                    ControlFlow::Continue(delay) => sleep(delay).await,
                    ControlFlow::Break(answer) => return answer,
                }
            }
            number += 1;
        }
    }

    async fn send(
        &self,
        request: &HttpRequest,
        number: u32,
        skew: i64,
    ) -> Result<HttpResponse, Failure> {
        let answer = self.exchange(request, number, skew);
        let Some(limit) = self.limit else { return answer.await };
        timeout(limit, answer).await.map_err(|_| Failure::timeout(Overdue.into()))?
    }

    async fn exchange(
        &self,
        request: &HttpRequest,
        number: u32,
        skew: i64,
    ) -> Result<HttpResponse, Failure> {
        let body = request.body().bytes().ok_or_else(|| Failure::other(NOT_WHOLE))?;
        let credentials = self.credentials().await.map_err(Failure::other)?;
        let date = timestamp(now(skew));
        let token = credentials.session_token().filter(|token| !token.is_empty());
        let sent = |name: &str| request.headers().get(name).unwrap_or_default();
        let signed = [
            ("content-type", sent("content-type")),
            ("host", &*self.target.authority),
            ("x-amz-date", &*date),
            ("x-amz-security-token", token.unwrap_or_default()),
            ("x-amz-target", sent("x-amz-target")),
        ];
        let mut headers = Vec::with_capacity(8);
        headers.extend(signed.into_iter().filter(|(_, value)| !value.is_empty()));
        let signable = Signable { path: &self.target.path, headers: &headers, body };
        let authorization = self.signer.authorization(&signable, &date, &credentials);
        let attempts = format!("attempt={number}; max={}", self.retries.max_attempts());
        let is_signed = |name: &str| signed.iter().any(|(known, _)| *known == name);
        headers.extend(request.headers().iter().filter(|(name, _)| !is_signed(name)));
        headers.extend([("authorization", &*authorization), ("amz-sdk-request", &*attempts)]);
        let (method, target) = (request.method(), &self.target);
        let request = Outgoing { method, target, headers: &headers, body };
        self.carrier.carry(&request).await.map_err(Failure::connector)
    }

    /// Those of the last call, as long as they are good. Of several callers one asks for others.
    async fn credentials(&self) -> Result<Credentials, BoxError> {
        let mut known = self.known.lock().await;
        let soon = SystemTime::now() + RENEWAL;
        match &*known {
            Some(good) if good.expiry().is_none_or(|end| end > soon) => Ok(good.clone()),
            _ => Ok(known.insert(self.credentials.provide_credentials().await?).clone()),
        }
    }
}

/// How long before they end credentials are asked for anew, as the SDK has it.
const RENEWAL: Duration = Duration::from_secs(10);
const NOT_WHOLE: &str = "a body that is not there whole";

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use aws_credential_types::provider::future::ProvideCredentials as Provided;
    use aws_sdk_kms::config::Region;

    use super::*;
    use crate::connector::Connector;

    #[derive(Debug)]
    struct Provider {
        asked: Arc<AtomicUsize>,
        good_for: Option<Duration>,
    }

    impl ProvideCredentials for Provider {
        fn provide_credentials<'a>(&'a self) -> Provided<'a>
        where
            Self: 'a,
        {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let end = self.good_for.map(|time| SystemTime::now() + time);
            Provided::new(async move {
                tokio::task::yield_now().await;
                Ok(Credentials::new("k", "s", None, end, "test"))
            })
        }
    }

    #[tokio::test]
    async fn credentials_are_kept_as_long_as_they_are_good() {
        let rows = [
            ("for ever", None, 1),
            ("for an hour", Some(Duration::from_hours(1)), 1),
            ("not for much longer", Some(Duration::from_secs(9)), 3),
        ];
        for (name, good_for, expected) in rows {
            let asked = Arc::new(AtomicUsize::new(0));
            let provider = Provider { asked: Arc::clone(&asked), good_for };
            let config = SdkConfig::builder()
                .region(Region::new("us-east-1"))
                .credentials_provider(SharedCredentialsProvider::new(provider))
                .build();
            let attempts = Attempts::new(&config, Carrier::Own(Connector::new(None))).unwrap();
            // Each may have to do with a terminal, or with a code that is good for once.
            let each = || attempts.credentials();
            let (first, second, third) = tokio::join!(each(), each(), each());
            for credentials in [first, second, third] {
                assert_eq!(credentials.unwrap().access_key_id(), "k");
            }
            assert_eq!(asked.load(Ordering::Relaxed), expected, "{name}");
        }
    }
}
