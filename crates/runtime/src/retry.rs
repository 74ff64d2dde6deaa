//! Retries of transient errors, as [`Cause`] classifies them.

use aws_sdk_kms::{
    error::ProvideErrorMetadata,
    operation::{get_public_key::GetPublicKeyError, sign::SignError, verify::VerifyError},
};
use aws_smithy_runtime_api::client::{
    interceptors::context::{Error, InterceptorContext},
    retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority},
};

use kms::Cause;

/// Retries errors that the SDK's own classifiers do not: by status, such as 408 and 429, and by KMS's codes
/// where the status is 400. The SDK classifies connection errors and timeouts.
#[derive(Debug)]
pub(crate) struct TransientErrors;

impl ClassifyRetry for TransientErrors {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let (Some(Err(error)), Some(response)) = (context.output_or_error(), context.response())
        else {
            return RetryAction::NoActionIndicated;
        };
        let Some(error) = error.as_operation_error() else {
            return RetryAction::NoActionIndicated;
        };
        match Cause::from_response(code(error), response.status().as_u16()) {
            Cause::Throttled => RetryAction::throttling_error(),
            cause if cause.is_transient() => RetryAction::transient_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "transient errors of KMS"
    }

    /// Before the classifier of AWS, which adds the time that `x-amz-retry-after` asks for.
    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::http_status_code_classifier())
    }
}

/// The error's code if it is one of an operation that requests wait for. Any other is judged by the
/// status alone.
fn code(error: &Error) -> Option<&str> {
    let key = error.downcast_ref::<GetPublicKeyError>().map(ProvideErrorMetadata::code);
    let sign = || error.downcast_ref::<SignError>().map(ProvideErrorMetadata::code);
    let verify = || error.downcast_ref::<VerifyError>().map(ProvideErrorMetadata::code);
    key.or_else(sign).or_else(verify).unwrap_or(Some(""))
}
