use std::{error::Error, fmt, sync::Arc};

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};

use crate::response::InvalidResponse;

/// KMS could not be asked, or could not answer. Nothing follows from it for any token.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} failed: {cause}")]
pub struct Fault {
    /// The KMS operation.
    pub operation: &'static str,
    /// What to do about it depends on this.
    pub cause: Cause,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Fault {
    /// No response of KMS within the time that the invocation has.
    #[must_use]
    pub fn timed_out(operation: &'static str) -> Self {
        Self::new(operation, Cause::Unreachable)
    }

    /// The key cannot do what a ring needs it for.
    pub(crate) fn unsupported_key(
        operation: &'static str,
        problem: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self { operation, cause: Cause::UnsupportedKey, source: Some(Arc::new(problem)) }
    }

    pub(crate) fn invalid(operation: &'static str, problem: InvalidResponse) -> Self {
        Self { operation, cause: Cause::InvalidResponse, source: Some(Arc::new(problem)) }
    }

    /// A fault that no error of the SDK stands for.
    #[must_use]
    pub fn new(operation: &'static str, cause: Cause) -> Self {
        Self { operation, cause, source: None }
    }

    /// The fault that an error of the SDK is.
    #[must_use]
    pub fn of<E>(operation: &'static str, error: SdkError<E>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let cause = match &error {
            SdkError::ServiceError(answer) => {
                Cause::of_response(answer.err().code(), answer.raw().status().as_u16())
            }
            SdkError::ResponseError(answer) => {
                Cause::of_response(None, answer.raw().status().as_u16())
            }
            SdkError::ConstructionFailure(_) => Cause::Refused,
            _ => Cause::Unreachable,
        };
        Self { operation, cause, source: Some(Arc::new(error)) }
    }
}

/// Why KMS did not answer: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The account's quota is used up for this second.
    #[error("KMS throttles")]
    Throttled,
    /// No connection, no response in time, or an error that is not one of KMS.
    #[error("KMS is out of reach")]
    Unreachable,
    /// A 2xx response that does not answer the request: it is empty, say, or about another key.
    #[error("the response is not usable")]
    InvalidResponse,
    /// KMS says that it cannot now.
    #[error("KMS is unavailable")]
    Unavailable,
    /// The key is disabled, or on its way to deletion.
    #[error("the key is not enabled")]
    KeyState,
    /// There is no such key or alias.
    #[error("no such key")]
    NotFound,
    /// The role, the key policy or the credentials do not allow it.
    #[error("access denied")]
    AccessDenied,
    /// The credentials of the environment have expired: only a new environment has others.
    #[error("the credentials have expired")]
    CredentialsExpired,
    /// The message is longer than KMS takes from a key of this kind.
    #[error("the message is too long for the key")]
    TooLong,
    /// The token would be longer than a request can carry.
    #[error("the token would have {bytes} bytes; at most {max} are allowed")]
    TokenTooLong {
        /// Of the token.
        bytes: usize,
        /// That are allowed.
        max: usize,
    },
    /// The key is of a kind that cannot do this.
    #[error("the key cannot do this")]
    UnsupportedKey,
    /// KMS did not take the request for a reason that only a change of ours can mend.
    #[error("KMS refused the request")]
    Refused,
}

impl Cause {
    /// A name that stays, for logs and metrics.
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

    /// Whether the same request can succeed in a moment with nobody doing anything.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Throttled | Self::Unreachable | Self::InvalidResponse | Self::Unavailable
        )
    }

    /// The cause of an error response: by its code if that is known, as the status can be 400 for all of
    /// them, else by its status. An error without a code is not one of KMS.
    #[must_use]
    pub fn of_response(code: Option<&str>, status: u16) -> Self {
        match (code.and_then(Self::of_code), status) {
            (Some(cause), _) => cause,
            (None, 429) => Self::Throttled,
            (None, _) if code.is_none() => Self::Unreachable,
            (None, 408 | 500..) => Self::Unavailable,
            (None, _) => Self::Refused,
        }
    }

    /// The cause for a code: of the operations, of all AWS services (AWS KMS API reference, common
    /// errors), and of those that the SDK retries.
    fn of_code(code: &str) -> Option<Self> {
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

/// An error with all its causes, in one line.
#[derive(Debug)]
pub struct ErrorChain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}
