//! The principal of a command.

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
    /// Calls STS. If it does not respond, the account is that of the key's ARN, or else of any key of the account.
    pub(super) async fn read(
        sts: &SdkConfig,
        kms: &kms::Client,
        region: &str,
        key_arn: Option<&str>,
    ) -> Self {
        // One short attempt: the command works without the response.
        let config = sts
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(TIMEOUT).build())
            .build();
        let answer = Client::new(&config).get_caller_identity().send().await.ok();
        let (mut account, principal) =
            answer.map(|answer| (answer.account, answer.arn)).unwrap_or_default();
        if account.is_none() {
            let of_arn = |arn: &str| arn.split(':').nth(4).map(str::to_owned);
            account = if let Some(arn) = key_arn {
                of_arn(arn)
            } else {
                let keys = kms.list_keys().limit(1).send().await.ok();
                let key = keys.and_then(|keys| keys.keys?.into_iter().next());
                key.and_then(|key| of_arn(&key.key_arn?))
            };
        }
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
