//! Errors of the SDK in one line.

use std::error::Error;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

/// The error response of the service, or the reason why there is no response.
pub(super) fn describe<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E>) -> String {
    match error {
        SdkError::ServiceError(response) => {
            let error = response.err();
            let status = response.raw().status().as_u16();
            match (error.code(), error.message()) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(code), None) => code.to_owned(),
                (None, _) => format!("the response has the status {status} and no error code"),
            }
        }
        SdkError::ResponseError(response) => {
            format!("the response has the status {} and is invalid", response.raw().status())
        }
        SdkError::TimeoutError(_) => "no response in time".into(),
        _ => root_cause(error),
    }
}

/// The innermost cause of an error.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    let text = error.to_string();
    // rustls, of a server that answers in plain text.
    if text.starts_with("received corrupt message") {
        return "the server does not use TLS: is its URL http in place of https?".into();
    }
    text
}
