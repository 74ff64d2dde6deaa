//! A hook for fault injection.

use std::{pin::Pin, time::Instant};

use hyper::{Request, Response, body::Bytes};

use crate::http::ConnectionFault;

/// Intercepts the requests of a local KMS, so that tests can inject faults.
pub trait Interceptor: Send + Sync {
    /// Returns the fault of a connection that was opened at this instant.
    fn connection_fault(&self, _opened: Instant) -> Option<ConnectionFault> {
        None
    }

    /// Returns the response to send instead of performing the request, or `None` to perform it.
    fn intercept<'a>(
        &'a self,
        _request: &'a Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Option<Response<Bytes>>> + Send + 'a>> {
        Box::pin(async { None })
    }

    /// Whether to withhold the response of the request that was just performed.
    fn withholds_response(&self) -> bool {
        false
    }
}
