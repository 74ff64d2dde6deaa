//! The errors of KMS that are retried.

use aws_sdk_kms::{
    error::ProvideErrorMetadata,
    operation::{get_public_key::GetPublicKeyError, sign::SignError, verify::VerifyError},
};
use aws_smithy_runtime_api::client::{
    interceptors::context::{Error, InterceptorContext},
    retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority},
};

use kms::Cause;

/// Retries the errors whose [`Cause`] is transient. The SDK's own classifiers do not retry some of them: those with a
/// status such as 408 or 429, and those with a KMS error code and the status 400. The SDK classifies connection errors
/// and timeouts.
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
        match Cause::from_response(error_code(error), response.status().as_u16()) {
            Cause::Throttled => RetryAction::throttling_error(),
            cause if cause.is_transient() => RetryAction::transient_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "transient KMS errors"
    }

    /// Runs before the AWS classifier, which adds the delay of `x-amz-retry-after`.
    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::http_status_code_classifier())
    }
}

/// The code of an error of `GetPublicKey`, `Sign` or `Verify`, the operations of requests. Errors of other operations get an
/// unknown code, so that only the status decides.
fn error_code(error: &Error) -> Option<&str> {
    let key = error.downcast_ref::<GetPublicKeyError>().map(ProvideErrorMetadata::code);
    let sign = || error.downcast_ref::<SignError>().map(ProvideErrorMetadata::code);
    let verify = || error.downcast_ref::<VerifyError>().map(ProvideErrorMetadata::code);
    key.or_else(sign).or_else(verify).unwrap_or(Some(""))
}
