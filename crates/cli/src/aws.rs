use std::{error::Error, sync::Arc, time::Duration};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableRegionProvider,
    meta::region::RegionProviderChain, profile::ProfileFileRegionProvider, timeout::TimeoutConfig,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use clap::Args;
use jwt::Algorithm;
use kms::{Client, KeyName, Keyring};
use runtime::client_for;

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
    /// Profile in the AWS CLI's configuration files
    #[arg(long, help_heading = HEADING)]
    profile: Option<String>,
}

impl Aws {
    /// A KMS client for the selected account and Region.
    pub(crate) async fn connect(&self) -> Result<Client, Box<dyn Error>> {
        Ok(client_for(&self.load().await?))
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

    async fn load(&self) -> Result<SdkConfig, Box<dyn Error>> {
        let mut profile = ProfileFileRegionProvider::builder();
        if let Some(name) = &self.profile {
            profile = profile.profile_name(name);
        }
        // Without the instance metadata service: outside of EC2 a request to it only ends with its timeout.
        let region = RegionProviderChain::first_try(self.region.clone().map(Region::new))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(profile.build());
        let region = region.region().await;
        let region =
            region.ok_or(UsageError("no AWS Region: set --region or AWS_REGION".into()))?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let tls = Provider::Rustls(CryptoMode::AwsLc);
        let mut config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(Builder::new().tls_provider(tls).build_https())
            .region(region)
            .timeout_config(timeouts);
        if let Some(name) = &self.profile {
            config = config.profile_name(name);
        }
        if let Some(url) = &self.endpoint_url {
            if !url.starts_with("http://") && !url.starts_with("https://") {
                let problem = "--endpoint-url must be an http or https URL";
                return Err(UsageError(problem.into()).into());
            }
            config = config.endpoint_url(url);
        }
        Ok(Box::pin(config.load()).await)
    }
}

const HEADING: &str = "AWS options";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// KMS can take more than a second for `CreateKey`.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const REFRESH: Duration = Duration::from_hours(1);
