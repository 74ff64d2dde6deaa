//! The calls of KMS that serve requests, by the shortest way through the SDK.
//!
//! The SDK's `Client` reads all partitions of AWS when it is made, which takes a fifth of a start,
//! and for each call it puts a configuration together out of a dozen parts. Here the same parts,
//! those that matter for KMS, are put together once. Operations, signatures, retries, time-outs and
//! the correction of clocks are the SDK's.

use std::fmt;

use aws_runtime::{
    auth::sigv4::{SCHEME_ID, SigV4AuthScheme},
    invocation_id::InvocationIdInterceptor,
    request_info::RequestInfoInterceptor,
    retries::classifiers::AwsErrorCodeClassifier,
    service_clock_skew::{ServiceClockSkewClassifier, ServiceClockSkewInterceptor},
    user_agent::{ApiMetadata, UserAgentInterceptor},
};
use aws_sdk_kms::{
    Client,
    config::{
        BehaviorVersion, ConfigBag, Credentials, FrozenLayer, IdentityCache, Intercept, Layer,
        Region, RuntimeComponentsBuilder, RuntimePlugin, SharedCredentialsProvider,
        SharedInterceptor, StalledStreamProtectionConfig,
        interceptors::BeforeSerializationInterceptorContextRef, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
    error::{BoxError, ProvideErrorMetadata, SdkError},
    meta::PKG_VERSION,
    operation::{
        get_public_key::{GetPublicKey, GetPublicKeyError, GetPublicKeyInput, GetPublicKeyOutput},
        sign::{Sign, SignError, SignInput, SignOutput, builders::SignInputBuilder},
        verify::{Verify, VerifyError, VerifyInput, VerifyOutput, builders::VerifyInputBuilder},
    },
};
use aws_smithy_async::{rt::sleep::TokioSleep, time::SystemTimeSource};
use aws_smithy_runtime::client::{
    defaults::{DefaultPluginParams, default_retry_config_plugin_v2},
    orchestrator::{
        AuthSchemeAndEndpointOrchestrationV2, endpoints::StaticUriEndpointResolver, invoke,
    },
    retries::{
        RetryPartition,
        classifiers::{
            HttpStatusCodeClassifier, ModeledAsRetryableClassifier, TransientErrorClassifier,
        },
    },
};
use aws_smithy_runtime_api::client::{
    auth::static_resolver::StaticAuthSchemeOptionResolver,
    endpoint::EndpointResolverParams,
    interceptors::context::{Error, Input, Output},
    orchestrator::HttpResponse,
    runtime_plugin::{RuntimePlugins, StaticRuntimePlugin},
};
use aws_smithy_types::retry::ProvideErrorKind;
use aws_types::{SigningName, region::SigningRegion};

use crate::connector::Connector;

type Answer<T, E> = Result<T, SdkError<E, HttpResponse>>;

/// What a ring asks of KMS.
#[derive(Clone)]
pub struct Calls(Way);

#[derive(Clone)]
enum Way {
    Client(Client),
    Direct { get_public_key: RuntimePlugins, sign: RuntimePlugins, verify: RuntimePlugins },
}

/// Where KMS is, and how it is called.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) region: Region,
    pub(crate) credentials: Credentials,
    pub(crate) connector: Connector,
    pub(crate) timeouts: TimeoutConfig,
    pub(crate) retries: RetryConfig,
}

impl Calls {
    pub(crate) fn direct(place: Place) -> Self {
        let (layer, components) = place.parts();
        let (layer, components) = (&layer, &components);
        Self(Way::Direct {
            get_public_key: plugins::<GetPublicKey>(layer, components),
            sign: plugins::<Sign>(layer, components),
            verify: plugins::<Verify>(layer, components),
        })
    }

    pub(crate) async fn get_public_key(
        &self,
        key: &str,
    ) -> Answer<GetPublicKeyOutput, GetPublicKeyError> {
        let input = GetPublicKeyInput::builder().key_id(key);
        match &self.0 {
            Way::Client(client) => Box::pin(input.send_with(client)).await,
            Way::Direct { get_public_key, .. } => {
                let input = input.build().map_err(SdkError::construction_failure)?;
                // Large, and rare: not to be a part of every request.
                Box::pin(call::<GetPublicKey>(input, get_public_key)).await
            }
        }
    }

    pub(crate) async fn sign(&self, input: SignInputBuilder) -> Answer<SignOutput, SignError> {
        match &self.0 {
            Way::Client(client) => input.send_with(client).await,
            Way::Direct { sign, .. } => {
                let input = input.build().map_err(SdkError::construction_failure)?;
                call::<Sign>(input, sign).await
            }
        }
    }

    pub(crate) async fn verify(
        &self,
        input: VerifyInputBuilder,
    ) -> Answer<VerifyOutput, VerifyError> {
        match &self.0 {
            Way::Client(client) => input.send_with(client).await,
            Way::Direct { verify, .. } => {
                let input = input.build().map_err(SdkError::construction_failure)?;
                call::<Verify>(input, verify).await
            }
        }
    }
}

impl From<Client> for Calls {
    fn from(client: Client) -> Self {
        Self(Way::Client(client))
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

impl Place {
    /// What is the same for every operation.
    fn parts(self) -> (FrozenLayer, RuntimeComponentsBuilder) {
        let Self { url, region, credentials, connector, timeouts, retries } = self;
        let partition = format!("kms-{region}");
        let defaults = DefaultPluginParams::new()
            .with_retry_partition_name(partition.clone())
            .with_behavior_version(BehaviorVersion::v2026_01_12())
            .with_is_aws_sdk(true);
        let components = RuntimeComponentsBuilder::new("kms");
        let components = match default_retry_config_plugin_v2(&defaults) {
            Some(retries) => retries.runtime_components(&components).into_owned(),
            None => components,
        };
        let components = components
            .with_http_client(Some(connector))
            .with_sleep_impl(Some(TokioSleep::new()))
            .with_time_source(Some(SystemTimeSource::new()))
            .with_identity_cache(Some(IdentityCache::no_cache()))
            .with_identity_resolver(SCHEME_ID, SharedCredentialsProvider::new(credentials))
            .with_auth_scheme(SigV4AuthScheme::new())
            .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![
                SCHEME_ID,
            ])))
            .with_endpoint_resolver(Some(StaticUriEndpointResolver::uri(url)))
            .with_retry_classifier(HttpStatusCodeClassifier::default())
            .with_interceptor(SharedInterceptor::permanent(NoEndpointParams))
            .with_interceptor(ServiceClockSkewInterceptor::new())
            .with_interceptor(RequestInfoInterceptor::new())
            .with_interceptor(UserAgentInterceptor::new())
            .with_interceptor(InvocationIdInterceptor::new());
        let mut layer = Layer::new("kms");
        layer
            .store_put(AuthSchemeAndEndpointOrchestrationV2)
            .store_put(ApiMetadata::new("kms", PKG_VERSION))
            .store_put(SigningName::from_static("kms"))
            .store_put(SigningRegion::from(region.clone()))
            .store_put(region)
            .store_put(RetryPartition::new(partition))
            .store_put(retries)
            .store_put(timeouts)
            // It would find a body that stalls after 20 s: an attempt is given up long before.
            .store_put(StalledStreamProtectionConfig::disabled());
        (layer.freeze(), components)
    }
}

/// An operation, with the types that the SDK has for it.
trait Operation: RuntimePlugin + Default {
    const NAME: &'static str;
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
            const NAME: &'static str = stringify!($operation);
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

fn plugins<O: Operation>(
    layer: &FrozenLayer,
    components: &RuntimeComponentsBuilder,
) -> RuntimePlugins {
    let components = components
        .clone()
        .with_retry_classifier(TransientErrorClassifier::<O::Error>::new())
        .with_retry_classifier(ModeledAsRetryableClassifier::<O::Error>::new())
        .with_retry_classifier(AwsErrorCodeClassifier::<O::Error>::new())
        .with_retry_classifier(ServiceClockSkewClassifier::<O::Error>::new());
    let service =
        StaticRuntimePlugin::new().with_config(layer.clone()).with_runtime_components(components);
    let plugins = RuntimePlugins::new().with_client_plugin(service);
    match O::default().config() {
        Some(config) => {
            plugins.with_operation_plugin(StaticRuntimePlugin::new().with_config(config))
        }
        None => plugins,
    }
}

async fn call<O: Operation>(
    input: O::Input,
    plugins: &RuntimePlugins,
) -> Answer<O::Output, O::Error> {
    let answer = invoke("KMS", O::NAME, Input::erase(input), plugins).await;
    let answer: Output = answer.map_err(|error| {
        error.map_service_error(|error| error.downcast().unwrap_or_else(O::unhandled))
    })?;
    answer.downcast().map_err(|_| SdkError::construction_failure("another operation's answer"))
}

/// The endpoint is known, so nothing is told about the call to whoever would find it.
#[derive(Debug)]
struct NoEndpointParams;

impl Intercept for NoEndpointParams {
    fn name(&self) -> &'static str {
        "NoEndpointParams"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(EndpointResolverParams::new(()));
        Ok(())
    }
}
