use std::{error::Error, time::Duration};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableRegionProvider,
    meta::region::RegionProviderChain, profile::ProfileFileRegionProvider, timeout::TimeoutConfig,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use clap::Args;
use kms::Client;
use runtime::client_for;

use crate::Usage;

/// Which account and Region: as the AWS CLI has it, from these, the environment and its files.
#[derive(Args)]
pub(crate) struct Aws {
    /// Where KMS is, when it is not where AWS has it
    #[arg(long, value_name = "URL", help_heading = HEADING)]
    endpoint_url: Option<String>,
    /// The AWS Region
    #[arg(long, help_heading = HEADING)]
    region: Option<String>,
    /// The profile in the AWS CLI's files
    #[arg(long, help_heading = HEADING)]
    profile: Option<String>,
}

impl Aws {
    /// A client of KMS.
    pub(crate) async fn connect(&self) -> Result<Client, Box<dyn Error>> {
        Ok(client_for(&self.load().await?))
    }

    async fn load(&self) -> Result<SdkConfig, Box<dyn Error>> {
        let mut profile = ProfileFileRegionProvider::builder();
        if let Some(name) = &self.profile {
            profile = profile.profile_name(name);
        }
        // Not from the machine's metadata service: elsewhere than on EC2 nobody answers there.
        let region = RegionProviderChain::first_try(self.region.clone().map(Region::new))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(profile.build());
        let region = region.region().await;
        let region =
            region.ok_or(Usage("no Region: name one with --region or AWS_REGION".into()))?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
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
                return Err(Usage("--endpoint-url must be an http or https URL".into()).into());
            }
            config = config.endpoint_url(url);
        }
        Ok(Box::pin(config.load()).await)
    }
}

const HEADING: &str = "AWS, as its own CLI has it";
const CONNECT: Duration = Duration::from_secs(3);
/// A key takes KMS a second to make, now and then.
const ATTEMPT: Duration = Duration::from_secs(10);
