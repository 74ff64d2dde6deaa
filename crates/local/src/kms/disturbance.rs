use std::time::Duration;

use hyper::{Response, StatusCode, body::Bytes};

use super::error::KmsError;
use crate::http;

/// What goes wrong with every request that comes over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// KMS answers with this error: `ThrottlingException`.
    Error(&'static str),
    /// Something in between answers with 503 and a page of HTML.
    Page,
    /// The answer comes this much later.
    Late(Duration),
}

impl Disturbance {
    /// The answer, if the request does not reach KMS.
    pub(super) async fn answer(self) -> Option<Response<Bytes>> {
        match self {
            Self::Error(code) => Some(KmsError::new(code, "as it was told to").response()),
            Self::Page => {
                let html = [("content-type", "text/html")];
                let page = "<html><body>503 Service Unavailable</body></html>";
                Some(http::respond(StatusCode::SERVICE_UNAVAILABLE, &html, page))
            }
            Self::Late(time) => {
                tokio::time::sleep(time).await;
                None
            }
        }
    }
}
