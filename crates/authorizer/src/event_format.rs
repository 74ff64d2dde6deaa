use std::fmt;

use policy::access::Api;

/// The kind of API and the format of an event, as read from the event itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventFormat {
    /// A REST API's `REQUEST` authorizer.
    Rest,
    /// A REST API's `TOKEN` authorizer.
    RestToken,
    /// An HTTP API, format 1.0.
    Http1,
    /// An HTTP API, format 2.0.
    Http2,
    /// A WebSocket API's `$connect`.
    WebSocket,
}

impl EventFormat {
    /// The kind of API that sends such events.
    #[must_use]
    pub const fn api(self) -> Api {
        match self {
            Self::Rest | Self::RestToken => Api::Rest,
            Self::Http1 | Self::Http2 => Api::Http,
            Self::WebSocket => Api::WebSocket,
        }
    }

    /// Whether the context of the response can have arrays and objects.
    pub(crate) const fn accepts_nested_context(self) -> bool {
        match self {
            Self::Http2 => true,
            Self::Rest | Self::RestToken | Self::Http1 | Self::WebSocket => false,
        }
    }

    /// Whether the API can be configured for simple responses.
    pub(crate) const fn accepts_simple_response(self) -> bool {
        match self {
            Self::Http2 => true,
            Self::Rest | Self::RestToken | Self::Http1 | Self::WebSocket => false,
        }
    }

    /// Whether a browser can offer its token as a WebSocket subprotocol.
    pub(crate) const fn has_subprotocols(self) -> bool {
        match self {
            Self::WebSocket => true,
            Self::Rest | Self::RestToken | Self::Http1 | Self::Http2 => false,
        }
    }
}

impl fmt::Display for EventFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rest => "REST API, REQUEST",
            Self::RestToken => "REST API, TOKEN",
            Self::Http1 => "HTTP API, format 1.0",
            Self::Http2 => "HTTP API, format 2.0",
            Self::WebSocket => "WebSocket API",
        })
    }
}
