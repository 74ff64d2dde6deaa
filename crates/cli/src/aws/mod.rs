//! How commands reach AWS: the options, the settings and the credentials of the AWS CLI.

mod config;
mod config_file;
mod credentials;
mod environment;
mod http;
mod identity;
mod metadata;
mod profiles;
mod providers;
mod sdk_error;
mod sources;
mod sso;

use std::{error::Error, sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, Region, SdkConfig, timeout::TimeoutConfig};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use clap::Args;
use jwt::Algorithm;
use kms::{Client, KeyName, Keyring};
use runtime::client_for;

pub(crate) use self::sdk_error::root_cause;
use self::{
    config::{AwsConfig, SourcedValue},
    credentials::NoCredentials,
    environment::EnvironmentVariables,
    identity::Identity,
    profiles::{Profiles, Selected},
};
use crate::exit::UsageError;

/// The options that select the account, the Region and the endpoint. Without them, the environment and the
/// configuration files decide, as in the AWS CLI.
#[derive(Args)]
pub(crate) struct Aws {
    /// Override the KMS endpoint URL
    #[arg(long, value_name = "URL", help_heading = HEADING)]
    endpoint_url: Option<String>,
    /// AWS Region
    #[arg(long, help_heading = HEADING)]
    region: Option<String>,
    /// Profile in the AWS CLI's configuration files, which is then the only source of credentials
    #[arg(long, help_heading = HEADING)]
    profile: Option<String>,
}

/// KMS in one account and Region.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// The configuration for STS.
    sts: SdkConfig,
    region: SourcedValue,
}

impl Session {
    /// The principal that the commands act for. Its account is that of `key_arn` if STS does not respond.
    pub(crate) async fn identity(&self, key_arn: Option<&str>) -> Identity {
        Identity::read(&self.sts, &self.client, &self.region.value, key_arn).await
    }
}

impl Aws {
    /// A KMS client for the selected account and Region.
    pub(crate) async fn connect(&self) -> Result<Client, Box<dyn Error>> {
        Ok(self.session().await?.client)
    }

    /// The ring or key of this name. It is loaded once: no command runs until a refresh is due.
    pub(crate) async fn keyring(
        &self,
        name: &KeyName,
        algorithm: Option<Algorithm>,
    ) -> Result<Arc<Keyring>, Box<dyn Error>> {
        let client = self.connect().await?;
        Ok(Arc::new(Keyring::new(client, name.clone(), algorithm, REFRESH)))
    }

    /// The HTTP connector for requests to other servers than those of AWS.
    pub(crate) async fn http_connector(&self) -> Result<SharedHttpConnector, UsageError> {
        connector(&self.config().await?)
    }

    /// The KMS client, with further values for commands that change keys.
    pub(crate) async fn session(&self) -> Result<Session, Box<dyn Error>> {
        let config = self.config().await?;
        let region = config.region(self.region.as_deref())?;
        config.check_user_agent()?;
        let kms = config.endpoint("kms", self.endpoint_url.as_deref())?;
        let (fips, dual_stack) = config.endpoint_variants(kms.as_ref())?;
        let sts = config.endpoint("sts", None)?;
        config.endpoint_variants(sts.as_ref())?;
        let connector = connector(&config)?;
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
        let base = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.value.clone()))
            .use_fips(fips)
            .use_dual_stack(dual_stack)
            .retry_config(config.retry_config()?)
            .timeout_config(timeouts)
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        let with_endpoint = |endpoint: Option<config::EndpointUrl>| {
            let mut builder = base.to_builder();
            builder.set_endpoint_url(endpoint.map(|endpoint| endpoint.url));
            builder
        };
        let roles = with_endpoint(sts.clone()).build();
        let loaded = credentials::load(&config, &base, &roles).await;
        let credentials = loaded.map_err(|error| match error {
            NoCredentials::Invalid(error) => Box::<dyn Error>::from(error),
            error @ NoCredentials::Unavailable(_) => error.into(),
        })?;
        // An endpoint of KMS outside of AWS may serve STS too. Its access keys must not be sent to AWS.
        let sts = sts.or_else(|| kms.clone().filter(|endpoint| !endpoint.is_aws()));
        let client =
            client_for(&with_endpoint(kms).credentials_provider(credentials.clone()).build());
        let sts = with_endpoint(sts).credentials_provider(credentials).build();
        Ok(Session { client, sts, region })
    }

    async fn config(&self) -> Result<AwsConfig, UsageError> {
        let environment = EnvironmentVariables::read();
        let selected = Selected::read(self.profile.as_deref(), &environment)?;
        let profiles = Profiles::load(selected, &environment).await?;
        Ok(AwsConfig { environment, profiles })
    }
}

fn connector(config: &AwsConfig) -> Result<SharedHttpConnector, UsageError> {
    config.check_proxies()?;
    Ok(http::connector(config.trust_store()?))
}

const HEADING: &str = "AWS options";
/// KMS can take more than a second for `CreateKey`.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const REFRESH: Duration = Duration::from_hours(1);
