//! A WebSocket API: it authorizes new connections and accepts messages.

mod definition;
mod event;

use std::time::Duration;

use hyper::{
    Method, Request, Response, StatusCode,
    body::Bytes,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, UPGRADE},
    upgrade::{self, OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        error::Error as WebSocketError,
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};
use uuid::Uuid;

use self::{
    definition::{WebSocketApiDefinition, WebSocketAuthorizer},
    event::ConnectRequest,
};
use super::{
    authorizer::{Authorization, AuthorizerOutput, DecisionSource},
    context::GatewayContext,
    error::GatewayError,
    explained_response::{ExplainedResponse, ResponseReason, explained},
    gateway_response::denial,
};
use crate::{
    http,
    template::{Resolver, Template},
};

/// A stage of a WebSocket API.
#[derive(Debug)]
pub(super) struct WebSocketApi {
    context: GatewayContext,
    definition: WebSocketApiDefinition,
}

impl WebSocketApi {
    /// The WebSocket API of a template.
    pub(super) fn new(
        template: &Template,
        resolver: &Resolver,
        context: GatewayContext,
    ) -> Result<Self, GatewayError> {
        Ok(Self { context, definition: WebSocketApiDefinition::read(template, resolver)? })
    }

    /// The routes for display.
    pub(super) fn describe_routes(&self) -> Vec<String> {
        let connect = self.definition.authorizer.as_ref();
        let connect = connect.map_or("open", |authorizer| &authorizer.function);
        let describe = |key: &String| match &**key {
            "$connect" => format!("$connect ({connect})"),
            key => key.to_owned(),
        };
        self.definition.routes.iter().map(describe).collect()
    }

    pub(super) async fn respond(&self, id: Uuid, mut request: Request<Bytes>) -> ExplainedResponse {
        let Some(accept) = accept_key(&request) else {
            let body = r#"{"message":"Upgrade Required"}"#;
            let response = http::json(StatusCode::UPGRADE_REQUIRED, body);
            return explained(response, "no WebSocket handshake");
        };
        let connection = upgrade::on(&mut request);
        let (region, stage) = (&self.context.region, &self.definition.stage);
        let request = ConnectRequest::new(id, request, region, stage);
        let reason = match &self.definition.authorizer {
            None => ResponseReason::Known("open".into()),
            Some(authorizer) => match self.authorize(authorizer, &request).await {
                Ok(reason) => reason,
                Err(refusal) => return refusal,
            },
        };
        tokio::spawn(serve(connection, self.definition.clone(), request.connection_id.clone()));
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        for (name, value) in
            [(CONNECTION, "Upgrade"), (UPGRADE, "websocket"), (SEC_WEBSOCKET_ACCEPT, &*accept)]
        {
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        }
        ExplainedResponse { response, reason }
    }

    /// Authorizes a new connection. The error is the response of a refusal.
    async fn authorize(
        &self,
        authorizer: &WebSocketAuthorizer,
        request: &ConnectRequest,
    ) -> Result<ResponseReason, ExplainedResponse> {
        if let Some(missing) = authorizer.sources.iter().find(|source| !request.has(source)) {
            let source = DecisionSource::MissingSource(missing.name().to_owned());
            let reason = known(&source.unauthorized_reason());
            return Err(request.refusal(StatusCode::UNAUTHORIZED, "Unauthorized", reason));
        }
        let failed = StatusCode::INTERNAL_SERVER_ERROR;
        let Some(function) = self.context.functions.get(&authorizer.function) else {
            return Err(request.refusal(
                failed,
                FAILED,
                known("the authorizer function is not on this machine"),
            ));
        };
        let invocation = function.invoke(&request.authorizer_event()).await;
        let logged = |default: String| ResponseReason::Logged(invocation.id, default);
        let output = match invocation.result {
            Ok(output) => AuthorizerOutput::read(output),
            Err(error) if error.message == "Unauthorized" => {
                let reason = DecisionSource::Function(invocation.id).unauthorized_reason();
                let reason = logged(reason);
                return Err(request.refusal(StatusCode::UNAUTHORIZED, "Unauthorized", reason));
            }
            Err(error) => return Err(request.refusal(failed, FAILED, logged(error.to_string()))),
        };
        match output.map(|output| output.authorization(&request.arn())) {
            Some(Authorization::Allowed(_)) => Ok(logged("Allowed".into())),
            Some(Authorization::Denied(decision)) => {
                let message = denial(decision);
                Err(request.refusal(StatusCode::FORBIDDEN, message, logged(message.into())))
            }
            _ => {
                let reason = known("the authorizer output is malformed");
                Err(request.refusal(failed, FAILED, reason))
            }
        }
    }
}

impl ConnectRequest {
    /// The response to a connection that is refused.
    fn refusal(
        &self,
        status: StatusCode,
        message: &str,
        reason: ResponseReason,
    ) -> ExplainedResponse {
        let body = self.message(message).to_string();
        ExplainedResponse { response: http::json(status, body), reason }
    }
}

/// The value of `Sec-WebSocket-Accept` for a handshake (RFC 6455 section 4.2.1).
fn accept_key(request: &Request<Bytes>) -> Option<String> {
    let header = |name: &str| request.headers().get(name);
    let has = |name: &str, token: &str| {
        let values = header(name).and_then(|value| value.to_str().ok())?;
        values.split(',').any(|value| value.trim().eq_ignore_ascii_case(token)).then_some(())
    };
    has("connection", "upgrade")?;
    has("upgrade", "websocket")?;
    has("sec-websocket-version", "13")?;
    let key = header("sec-websocket-key").filter(|_| request.method() == Method::GET)?;
    Some(derive_accept_key(key.as_bytes()))
}

/// Serves a connection until one side closes it.
async fn serve(connection: OnUpgrade, api: WebSocketApiDefinition, id: String) {
    // An error means that the client closed the connection.
    let Ok(connection) = connection.await else { return };
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_FRAME_BYTES));
    let stream = TokioIo::new(connection);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits)).await;
    while let Ok(Ok(Some(message))) = timeout(IDLE_TIMEOUT, next(&mut socket)).await {
        // The integrations are mocks, which answer nothing.
        if api.route(&message).is_none() {
            let refusal = json!({
                "message": "Forbidden", "connectionId": id, "requestId": Uuid::new_v4().to_string(),
            });
            if send(&mut socket, refusal.to_string()).await.is_err() {
                return;
            }
        }
    }
    let _ = socket.close(None).await;
}

/// The next message with data, or `None` when the connection is closed. The library answers pings.
async fn next(
    socket: &mut WebSocketStream<TokioIo<Upgraded>>,
) -> Result<Option<Vec<u8>>, WebSocketError> {
    use futures_util::StreamExt;

    while let Some(message) = socket.next().await {
        match message? {
            Message::Text(text) => return Ok(Some(text.as_bytes().to_vec())),
            Message::Binary(bytes) => return Ok(Some(bytes.to_vec())),
            // The library sends the reply to a close frame when the next message is read.
            Message::Close(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
    Ok(None)
}

async fn send(
    socket: &mut WebSocketStream<TokioIo<Upgraded>>,
    text: String,
) -> Result<(), WebSocketError> {
    use futures_util::SinkExt;

    socket.send(Message::text(text)).await
}

fn known(reason: &str) -> ResponseReason {
    ResponseReason::Known(reason.to_owned())
}

const FAILED: &str = "Internal server error";
/// The quotas of WebSocket APIs ("Quotas for configuring and running a WebSocket API" in the developer guide).
const MAX_MESSAGE_BYTES: usize = 128 * 1024;
const MAX_FRAME_BYTES: usize = 32 * 1024;
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);
