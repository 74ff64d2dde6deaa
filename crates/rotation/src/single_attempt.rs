//! The configuration of calls that change something.

use std::time::Duration;

use aws_sdk_kms::{
    Config,
    config::{Builder, retry::RetryConfig, timeout::TimeoutConfig},
};

/// For calls that change something: one attempt. A retry of `CreateKey` could create a second key, and a retry after
/// a suspension of the process would act on an old snapshot.
pub(crate) fn no_retries() -> Builder {
    Config::builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build())
}

/// Long enough to create an RSA key.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
