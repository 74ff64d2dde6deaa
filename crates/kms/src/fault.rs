//! Failed KMS operations and their causes.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};

use crate::response::InvalidResponse;

/// A KMS operation failed. A fault says nothing about a token: it is never a rejection.
///
/// ```
/// use countersign_kms::{Cause, Fault};
///
/// let fault = Fault::timed_out("Verify");
/// assert_eq!(fault.cause, Cause::Unreachable);
/// assert!(fault.cause.is_transient());
/// assert_eq!(fault.to_string(), "Verify failed: KMS is out of reach");
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} failed: {cause}")]
pub struct Fault {
    /// The name of the KMS operation, such as `GetPublicKey`.
    pub operation: &'static str,
    /// Why it failed.
    pub cause: Cause,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Fault {
    /// KMS did not respond within the caller's time limit.
    #[must_use]
    pub fn timed_out(operation: &'static str) -> Self {
        Self::new(operation, Cause::Unreachable)
    }

    /// The key cannot sign tokens for a ring.
    pub(crate) fn unsupported_key(
        operation: &'static str,
        problem: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self { operation, cause: Cause::UnsupportedKey, source: Some(Arc::new(problem)) }
    }

    /// A 2xx response that does not answer the request.
    pub(crate) fn invalid_response(operation: &'static str, problem: InvalidResponse) -> Self {
        Self { operation, cause: Cause::InvalidResponse, source: Some(Arc::new(problem)) }
    }

    /// A fault without an SDK error.
    #[must_use]
    pub fn new(operation: &'static str, cause: Cause) -> Self {
        Self { operation, cause, source: None }
    }

    /// The fault for an SDK error, which becomes its `source`.
    #[must_use]
    pub fn from_sdk_error<E>(operation: &'static str, error: SdkError<E>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let cause = match &error {
            SdkError::ServiceError(response) => {
                Cause::from_response(response.err().code(), response.raw().status().as_u16())
            }
            SdkError::ResponseError(response) => {
                Cause::from_response(None, response.raw().status().as_u16())
            }
            SdkError::ConstructionFailure(_) => Cause::Refused,
            _ => Cause::Unreachable,
        };
        Self { operation, cause, source: Some(Arc::new(error)) }
    }

    /// After how long a caller should repeat the request. `None`: a retry does not help.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign_kms::{Cause, Fault};
    ///
    /// let throttled = Fault::new("Sign", Cause::Throttled);
    /// assert_eq!(throttled.retry_after(), Some(Duration::from_secs(1)));
    /// let denied = Fault::new("Sign", Cause::AccessDenied);
    /// assert_eq!(denied.retry_after(), None);
    /// ```
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.cause.is_transient().then_some(RETRY_AFTER)
    }
}

/// The quota of KMS counts the requests of each second.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a KMS operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The request quota of the account and Region is exhausted.
    #[error("KMS throttles requests")]
    Throttled,
    /// There was no connection or no response in time, or the error is not from KMS.
    #[error("KMS is out of reach")]
    Unreachable,
    /// A 2xx response does not answer the request: for example, it is empty or names another key.
    #[error("KMS returned an unexpected response")]
    InvalidResponse,
    /// KMS has an internal error or is temporarily unavailable.
    #[error("KMS is unavailable")]
    Unavailable,
    /// The key is disabled or pending deletion.
    #[error("the key is not enabled")]
    KeyState,
    /// The key or alias does not exist.
    #[error("no such key")]
    NotFound,
    /// IAM, the key policy or the credentials do not allow the operation.
    #[error("access denied")]
    AccessDenied,
    /// The credentials of the execution environment have expired. Only a new environment gets new ones.
    #[error("the credentials have expired")]
    CredentialsExpired,
    /// The message is longer than KMS accepts for a key of this `KeySpec`.
    #[error("the message is too long for the key")]
    TooLong,
    /// The token would exceed the signer's limit.
    #[error("the token would have {bytes} bytes, but at most {max} bytes are allowed")]
    TokenTooLong {
        /// The size of the token.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The `KeySpec` or `KeyUsage` of the key does not support the operation or the algorithm.
    #[error("the key does not support the operation")]
    UnsupportedKey,
    /// KMS refused the request for any other reason. A retry does not help.
    #[error("KMS refused the request")]
    Refused,
}

impl Cause {
    /// The stable name of the cause in logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Throttled => "KmsThrottled",
            Self::Unreachable => "KmsUnreachable",
            Self::InvalidResponse => "KmsInvalidResponse",
            Self::Unavailable => "KmsUnavailable",
            Self::KeyState => "KeyState",
            Self::NotFound => "KeyNotFound",
            Self::AccessDenied => "AccessDenied",
            Self::CredentialsExpired => "CredentialsExpired",
            Self::TooLong => "MessageTooLong",
            Self::TokenTooLong { .. } => "TokenTooLong",
            Self::UnsupportedKey => "KeyUnfit",
            Self::Refused => "KmsRefused",
        }
    }

    /// Whether the same request may succeed later without a change by the operator.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Throttled | Self::Unreachable | Self::InvalidResponse | Self::Unavailable => true,
            Self::KeyState
            | Self::NotFound
            | Self::AccessDenied
            | Self::CredentialsExpired
            | Self::TooLong
            | Self::TokenTooLong { .. }
            | Self::UnsupportedKey
            | Self::Refused => false,
        }
    }

    /// Whether no request can use the key: it does not exist, is disabled or pending deletion.
    #[must_use]
    pub const fn is_unusable_key(self) -> bool {
        match self {
            Self::NotFound | Self::KeyState => true,
            Self::Throttled
            | Self::Unreachable
            | Self::InvalidResponse
            | Self::Unavailable
            | Self::AccessDenied
            | Self::CredentialsExpired
            | Self::TooLong
            | Self::TokenTooLong { .. }
            | Self::UnsupportedKey
            | Self::Refused => false,
        }
    }

    /// The cause of an error response. A known error code decides, because KMS uses the status 400 for most
    /// errors. Otherwise the status decides. An error without a code is not from KMS.
    #[must_use]
    pub fn from_response(code: Option<&str>, status: u16) -> Self {
        match (code.and_then(Self::from_code), status) {
            (Some(cause), _) => cause,
            (None, 429) => Self::Throttled,
            (None, _) if code.is_none() => Self::Unreachable,
            (None, 408 | 500..) => Self::Unavailable,
            (None, _) => Self::Refused,
        }
    }

    /// The cause of an error code. The codes are those of the operations, the common errors (AWS KMS API
    /// Reference, "Common errors"), and those that the SDK retries.
    fn from_code(code: &str) -> Option<Self> {
        Some(match code {
            _ if THROTTLING_ERRORS.contains(&code) => Self::Throttled,
            _ if TRANSIENT_ERRORS.contains(&code) => Self::Unavailable,
            "KMSInternalException"
            | "KeyUnavailableException"
            | "DependencyTimeoutException"
            | "InternalFailure"
            | "InternalError"
            | "ServiceUnavailable"
            | "ServiceUnavailableException" => Self::Unavailable,
            "DisabledException" | "KMSInvalidStateException" => Self::KeyState,
            "NotFoundException" => Self::NotFound,
            "AccessDeniedException"
            | "AccessDenied"
            | "NotAuthorized"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId" => Self::AccessDenied,
            "ExpiredTokenException" | "ExpiredToken" => Self::CredentialsExpired,
            "InvalidKeyUsageException" | "UnsupportedOperationException" => Self::UnsupportedKey,
            _ => return None,
        })
    }
}

/// Displays an error and the chain of its sources in one line, separated by `: `.
#[derive(Debug)]
pub struct ErrorChain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
