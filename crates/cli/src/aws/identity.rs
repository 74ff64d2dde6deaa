//! For whom a command acts.

use std::{fmt, time::Duration};

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sts::Client;

/// The account, Region and principal that a command acts for.
#[derive(Debug)]
pub(crate) struct Identity {
    account: Option<String>,
    region: String,
    /// The ARN of the principal. `None` if STS is out of reach.
    principal: Option<String>,
}

impl Identity {
    /// Asks STS. If it does not answer, the account is that of a key's ARN.
    pub(super) async fn read(sts: &SdkConfig, region: &str, key_arn: Option<&str>) -> Self {
        // One short attempt: the command works without the answer.
        let config = sts
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(TIMEOUT).build())
            .build();
        let answer = Client::new(&config).get_caller_identity().send().await.ok();
        let of_key = || key_arn.and_then(|arn| arn.split(':').nth(4)).map(str::to_owned);
        let account = answer.as_ref().and_then(|answer| answer.account.clone()).or_else(of_key);
        let principal = answer.and_then(|answer| answer.arn);
        Self { account, region: region.to_owned(), principal }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.account {
            Some(account) => write!(f, "account {account}")?,
            None => f.write_str("account unknown")?,
        }
        write!(f, ", Region {}", self.region)?;
        match &self.principal {
            Some(principal) => write!(f, ", principal {principal}"),
            None => f.write_str(", principal unknown"),
        }
    }
}

const TIMEOUT: Duration = Duration::from_secs(5);
