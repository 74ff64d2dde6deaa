use std::{pin::Pin, time::Instant};

use hyper::{Request, Response, body::Bytes};

use crate::http::ConnectionFault;

/// Stands between the network and a local KMS, so that a test can make it fail.
pub trait Interceptor: Send + Sync {
    /// The fault of a connection that was opened at this instant.
    fn connection_fault(&self, _opened: Instant) -> Option<ConnectionFault> {
        None
    }

    /// A response in place of the one of KMS. The request is not performed then.
    fn intercept<'a>(
        &'a self,
        _request: &'a Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Option<Response<Bytes>>> + Send + 'a>> {
        Box::pin(async { None })
    }

    /// Whether the request that was just performed is never answered.
    fn withholds_response(&self) -> bool {
        false
    }
}
