//! The calls of KMS that serve requests, by the shortest way through the SDK.
//!
//! The SDK's `Client` reads all partitions of AWS when it is made, which takes a fifth of a start,
//! and for each call it puts a configuration together out of a dozen parts. Here the same parts,
//! those that matter for KMS, are put together once. Operations, signatures, retries and the
//! correction of clocks are the SDK's; what it tells AWS of itself with each request is left out.

use std::fmt;

use aws_runtime::{
    auth::sigv4::{SCHEME_ID, SigV4AuthScheme},
    request_info::RequestInfoInterceptor,
    retries::classifiers::AwsErrorCodeClassifier,
    service_clock_skew::{ServiceClockSkewClassifier, ServiceClockSkewInterceptor},
};
use aws_sdk_kms::{
    config::{
        BehaviorVersion, ConfigBag, FrozenLayer, IdentityCache, Intercept, Layer,
        RuntimeComponentsBuilder, RuntimePlugin, SharedInterceptor, StalledStreamProtectionConfig,
        interceptors::BeforeSerializationInterceptorContextRef, retry::RetryConfig,
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
use aws_types::{SdkConfig, SigningName, region::SigningRegion};

type Answer<T, E> = Result<T, SdkError<E, HttpResponse>>;

/// What a ring asks of KMS.
#[derive(Clone)]
pub struct Calls {
    get_public_key: RuntimePlugins,
    sign: RuntimePlugins,
    verify: RuntimePlugins,
}

impl Calls {
    /// As the SDK's configuration has it: endpoint or Region, credentials, HTTP client, time-outs
    /// and retries.
    ///
    /// # Errors
    /// What the configuration lacks.
    pub fn new(config: &SdkConfig) -> Result<Self, &'static str> {
        let (layer, components) = parts(config)?;
        let (layer, components) = (&layer, &components);
        Ok(Self {
            get_public_key: plugins::<GetPublicKey>(layer, components),
            sign: plugins::<Sign>(layer, components),
            verify: plugins::<Verify>(layer, components),
        })
    }

    pub(crate) async fn get_public_key(
        &self,
        key: &str,
    ) -> Answer<GetPublicKeyOutput, GetPublicKeyError> {
        let input = GetPublicKeyInput::builder().key_id(key).build();
        let input = input.map_err(SdkError::construction_failure)?;
        // Large, and rare: not to be a part of every request.
        Box::pin(call::<GetPublicKey>(input, &self.get_public_key)).await
    }

    pub(crate) async fn sign(&self, input: SignInputBuilder) -> Answer<SignOutput, SignError> {
        let input = input.build().map_err(SdkError::construction_failure)?;
        call::<Sign>(input, &self.sign).await
    }

    pub(crate) async fn verify(
        &self,
        input: VerifyInputBuilder,
    ) -> Answer<VerifyOutput, VerifyError> {
        let input = input.build().map_err(SdkError::construction_failure)?;
        call::<Verify>(input, &self.verify).await
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

/// What is the same for every operation.
fn parts(config: &SdkConfig) -> Result<(FrozenLayer, RuntimeComponentsBuilder), &'static str> {
    let region = config.region().ok_or("is required")?.clone();
    let credentials = config.credentials_provider().ok_or("goes with credentials")?;
    let (fips, dual_stack) =
        (config.use_fips() == Some(true), config.use_dual_stack() == Some(true));
    let url = match config.endpoint_url() {
        Some(url) => url.to_owned(),
        None => endpoint(region.as_ref(), fips, dual_stack),
    };
    let client = config.http_client().ok_or("goes with an HTTP client")?;
    let retries = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
    let identities = config.identity_cache().unwrap_or_else(IdentityCache::no_cache);
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
        .with_http_client(Some(client))
        .with_sleep_impl(Some(TokioSleep::new()))
        .with_time_source(Some(SystemTimeSource::new()))
        .with_identity_cache(Some(identities))
        .with_identity_resolver(SCHEME_ID, credentials)
        .with_auth_scheme(SigV4AuthScheme::new())
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![
            SCHEME_ID,
        ])))
        .with_endpoint_resolver(Some(StaticUriEndpointResolver::uri(url)))
        .with_retry_classifier(HttpStatusCodeClassifier::default())
        .with_interceptor(SharedInterceptor::permanent(NoEndpointParams))
        .with_interceptor(RequestInfoInterceptor::new())
        .with_interceptor(ServiceClockSkewInterceptor::new());
    let mut layer = Layer::new("kms");
    layer
        .store_put(AuthSchemeAndEndpointOrchestrationV2)
        .store_put(SigningName::from_static("kms"))
        .store_put(SigningRegion::from(region.clone()))
        .store_put(region)
        .store_put(RetryPartition::new(partition))
        .store_put(retries)
        // It would find a body that stalls after 20 s: an attempt is given up long before.
        .store_put(StalledStreamProtectionConfig::disabled());
    layer.store_or_unset(config.timeout_config().cloned());
    Ok((layer.freeze(), components))
}

/// Where AWS has KMS.
fn endpoint(region: &str, fips: bool, dual_stack: bool) -> String {
    let service = if fips { "kms-fips" } else { "kms" };
    let partition = PARTITIONS.iter().find(|(start, ..)| region.starts_with(start));
    let (_, domain, both) = partition.unwrap_or(&PUBLIC);
    let domain = if dual_stack { both } else { domain };
    format!("https://{service}.{region}.{domain}")
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

/// The partitions of AWS by the names of their Regions, with the domain of endpoints for IPv4 and of
/// those for IPv6 too.
const PARTITIONS: [(&str, &str, &str); 6] = [
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
];
const PUBLIC: (&str, &str, &str) = ("", "amazonaws.com", "api.aws");

#[cfg(test)]
mod tests {
    use aws_sdk_kms::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};

    use aws_sdk_kms::config::{Credentials, Region, SharedCredentialsProvider};

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

    #[tokio::test]
    async fn endpoints_are_those_of_the_sdk() {
        let regions = [
            "us-east-1",
            "us-gov-west-1",
            "eu-central-2",
            "ap-southeast-7",
            "ca-west-1",
            "mx-central-1",
            "il-central-1",
            "cn-north-1",
            "cn-northwest-1",
            "us-iso-east-1",
            "us-iso-west-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
            "us-isof-south-1",
            "us-isof-east-1",
            "eusc-de-east-1",
            "somewhere",
        ];
        for region in regions {
            for (fips, dual_stack) in [(false, false), (true, false), (false, true), (true, true)] {
                let params = Params::builder().region(region).use_fips(fips);
                let params = params.use_dual_stack(dual_stack).build().unwrap();
                let expected = DefaultResolver::new().resolve_endpoint(&params).await.unwrap();
                assert_eq!(endpoint(region, fips, dual_stack), expected.url(), "{region}");
            }
        }
    }
}
