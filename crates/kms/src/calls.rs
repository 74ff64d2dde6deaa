//! The calls of KMS that serve requests, by the shortest way through the SDK.
//!
//! Operations, credentials and the rules of retries are the SDK's; what puts them together is here
//! and in [`Attempts`]. The SDK's `Client` reads all partitions of AWS when it is made, a fifth of a
//! start, and its orchestrator asks each of its parts at nineteen places of a call what it wants,
//! which takes as long as all the rest of an answer.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use aws_sdk_kms::{
    config::{FrozenLayer, Layer, RuntimePlugin},
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        get_public_key::{GetPublicKey, GetPublicKeyError, GetPublicKeyInput, GetPublicKeyOutput},
        sign::{Sign, SignError, SignInput, SignOutput, builders::SignInputBuilder},
        verify::{Verify, VerifyError, VerifyInput, VerifyOutput, builders::VerifyInputBuilder},
    },
};
use aws_smithy_runtime_api::client::{interceptors::context::Error, orchestrator::HttpResponse};
use aws_smithy_types::retry::ProvideErrorKind;
use aws_types::SdkConfig;

use crate::{attempts::Attempts, carrier::Carrier};

/// What came of a call, or why nothing did.
pub(crate) type Answer<T, E> = Result<T, SdkError<E, HttpResponse>>;

/// What a ring asks of KMS.
#[derive(Clone)]
pub struct Calls(Arc<Parts>);

struct Parts {
    attempts: Attempts,
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
        Self::over(config, Carrier::of(config)?)
    }

    /// The same, over what has time-outs of its own.
    pub(crate) fn over(config: &SdkConfig, carrier: Carrier) -> Result<Self, &'static str> {
        Ok(Self(Arc::new(Parts {
            attempts: Attempts::new(config, carrier)?,
            get_public_key: OnceLock::new(),
            sign: OnceLock::new(),
            verify: OnceLock::new(),
        })))
    }

    pub(crate) async fn get_public_key(
        &self,
        key: &str,
    ) -> Answer<GetPublicKeyOutput, GetPublicKeyError> {
        let input = GetPublicKeyInput::builder().key_id(key).build();
        let input = input.map_err(SdkError::construction_failure)?;
        // Large, and rare: not to be a part of every request.
        Box::pin(self.call::<GetPublicKey>(input, &self.0.get_public_key)).await
    }

    pub(crate) async fn sign(&self, input: SignInputBuilder) -> Answer<SignOutput, SignError> {
        let input = input.build().map_err(SdkError::construction_failure)?;
        self.call::<Sign>(input, &self.0.sign).await
    }

    pub(crate) async fn verify(
        &self,
        input: VerifyInputBuilder,
    ) -> Answer<VerifyOutput, VerifyError> {
        let input = input.build().map_err(SdkError::construction_failure)?;
        self.call::<Verify>(input, &self.0.verify).await
    }

    /// What the SDK has for the operation is kept, once it is known.
    async fn call<O: Operation>(
        &self,
        input: O::Input,
        known: &OnceLock<FrozenLayer>,
    ) -> Answer<O::Output, O::Error> {
        let none = || Layer::new("none").freeze();
        let layer = known.get_or_init(|| O::default().config().unwrap_or_else(none));
        self.0.attempts.call::<O>(input, layer).await
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

/// An operation, with the types that the SDK has for it.
pub(crate) trait Operation: RuntimePlugin + Default {
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

#[cfg(test)]
mod tests {
    use aws_sdk_kms::config::{Credentials, Region, SharedCredentialsProvider};

    use super::*;
    use crate::connector::Connector;

    #[test]
    fn what_a_configuration_lacks() {
        let region = Region::new("us-east-1");
        let credentials = Credentials::new("k", "s", None, None, "test");
        let credentials = SharedCredentialsProvider::new(credentials);
        let url = "http://127.0.0.1:4566";
        let rows = [
            ([true, true, true], url, None),
            ([false, true, true], url, Some("is required")),
            ([true, false, true], url, Some("goes with credentials")),
            ([true, true, false], url, Some("goes with an HTTP client")),
            ([true, true, true], "127.0.0.1", Some("goes with an endpoint that is a URL")),
        ];
        for ([has_region, has_credentials, has_client], url, expected) in rows {
            let mut config = SdkConfig::builder().endpoint_url(url);
            config.set_region(has_region.then(|| region.clone()));
            config.set_credentials_provider(has_credentials.then(|| credentials.clone()));
            if has_client {
                config = config.http_client(Connector::new(None));
            }
            assert_eq!(Calls::new(&config.build()).err(), expected);
        }
    }
}
