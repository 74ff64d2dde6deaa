//! The credentials that a command uses: those that the AWS CLI would use.

use aws_config::SdkConfig;
use aws_credential_types::provider::{
    ProvideCredentials, SharedCredentialsProvider, error::CredentialsError,
};

use super::{
    config::AwsConfig,
    providers::{INVISIBLE, Prefetched, SendableProvider, can_be_headers},
    sources::{Source, Sources},
};
use crate::exit::{UsageError, causes};

/// The reason why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoCredentials {
    #[error(transparent)]
    Invalid(#[from] UsageError),
    /// There are none, or a service does not provide them.
    #[error("{0}")]
    Unavailable(String),
}

/// Finds the source of the credentials, and gets them from it.
///
/// # Errors
/// If the selected profile or the environment has no complete credentials, or the source does not provide them. No other
/// source is tried then: it may be another account.
pub(super) async fn load(
    config: &AwsConfig,
    sdk: &SdkConfig,
    sts: &SdkConfig,
) -> Result<SharedCredentialsProvider, NoCredentials> {
    let (source, provider) = Sources { config, sdk, sts }.select()?;
    let first =
        provider.provide_credentials().await.map_err(|error| unavailable(&source, &error))?;
    if !can_be_headers(&first) {
        return Err(UsageError(format!("{source}: {INVISIBLE}")).into());
    }
    Ok(SharedCredentialsProvider::new(Prefetched {
        first,
        provider: SendableProvider { provider },
    }))
}

fn unavailable(source: &Source, error: &CredentialsError) -> NoCredentials {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(usage) = error.downcast_ref::<UsageError>() {
            return UsageError(usage.0.clone()).into();
        }
        cause = error.source();
    }
    // The instance metadata service is the last resort: it is out of reach on most machines.
    if let (Source::Instance, CredentialsError::CredentialsNotLoaded(_)) = (source, error) {
        return NoCredentials::Unavailable(format!("{NONE}: {HINT}"));
    }
    let cause = causes(error);
    let problem = format!("{source}: cannot get credentials: {cause}");
    match error {
        CredentialsError::InvalidConfiguration(_) => UsageError(problem).into(),
        _ => NoCredentials::Unavailable(problem),
    }
}

const NONE: &str = "no AWS credentials";
const HINT: &str = "set --profile or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
