//! A WebSocket API, as `examples/websocket-api.yaml` defines it.

use std::fs;

use futures_util::{SinkExt, StreamExt};
use local::{ApiTemplate, Bytes, Request, Stack, StackOptions, http};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{Duration, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use crate::{TEMPLATE, options, token};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/websocket-api.yaml");

async fn start(change: impl Fn(String) -> String) -> Stack {
    let text = change(fs::read_to_string(EXAMPLE).unwrap());
    let rules = r#"[{"route":"$connect","scope":"chat"}]"#;
    let options = StackOptions {
        apis: vec![ApiTemplate { name: "websocket-api.yaml".into(), text }],
        ..options(&[("ACCESS_RULES", rules)])
    };
    Stack::start(&fs::read_to_string(TEMPLATE).unwrap(), &options).await.unwrap()
}

/// Opens a connection with an `Authorization` header, unless it is empty.
async fn connect(stack: &Stack, authorization: &str) -> Result<WebSocketStream<TcpStream>, Error> {
    let address = stack.apis[0].address();
    let mut request = format!("ws://{address}/").into_client_request().unwrap();
    if !authorization.is_empty() {
        request.headers_mut().insert("authorization", authorization.parse().unwrap());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    client_async(request, stream).await.map(|(socket, _)| socket)
}

async fn bearer(stack: &Stack, scope: &str) -> String {
    format!("Bearer {}", token(stack, json!({"sub": "ann", "scope": scope})).await)
}

#[tokio::test]
async fn connections_are_authorized() {
    let stack = start(|text| text).await;
    let denied = "User is not authorized to access this resource with an explicit deny";
    let rows = [
        ("no token", String::new(), 401, "Unauthorized"),
        ("no valid token", "Bearer a.b.c".into(), 401, "Unauthorized"),
        ("a token without the scope", bearer(&stack, "other").await, 403, denied),
    ];
    for (name, authorization, status, message) in rows {
        let Err(Error::Http(response)) = connect(&stack, &authorization).await else {
            panic!("{name}: the connection is open");
        };
        assert_eq!(response.status().as_u16(), status, "{name}");
        let length = response.headers()["content-length"].to_str().unwrap().parse::<usize>();
        assert!(length.unwrap() > 0, "{name}");
        let body = response.body().clone().unwrap_or_default();
        if let Ok(body) = serde_json::from_slice::<Value>(&body) {
            assert_eq!(body["message"], message, "{name}");
            assert!(body["connectionId"].is_string() && body["requestId"].is_string(), "{name}");
        }
    }
    let mut socket = connect(&stack, &bearer(&stack, "chat").await).await.unwrap();
    // The route $default is a mock: it takes every message and answers none.
    for message in [Message::text(r#"{"action":"send"}"#), Message::binary(vec![1, 2])] {
        socket.send(message).await.unwrap();
    }
    socket.send(Message::Ping(Bytes::from_static(b"a"))).await.unwrap();
    let answer = timeout(Duration::from_secs(10), socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(answer, Message::Pong(Bytes::from_static(b"a")));
    socket.close(None).await.unwrap();
    let answer = timeout(Duration::from_secs(10), socket.next()).await.unwrap();
    assert!(answer.is_none_or(|answer| answer.is_ok_and(|answer| answer.is_close())));
}

#[tokio::test]
async fn a_message_without_a_route_is_forbidden() {
    let stack = start(|text| text.replace("RouteKey: $default", "RouteKey: send")).await;
    let mut socket = connect(&stack, &bearer(&stack, "chat").await).await.unwrap();
    socket.send(Message::text(r#"{"action":"send"}"#)).await.unwrap();
    socket.send(Message::text(r#"{"action":"other"}"#)).await.unwrap();
    let answer = timeout(Duration::from_secs(10), socket.next()).await.unwrap().unwrap().unwrap();
    let answer: Value = serde_json::from_str(answer.to_text().unwrap()).unwrap();
    assert_eq!(answer["message"], "Forbidden");
    assert!(answer["connectionId"].is_string() && answer["requestId"].is_string(), "{answer}");
}

#[tokio::test]
async fn a_request_without_a_handshake_is_refused() {
    let stack = start(|text| text).await;
    let bearer = bearer(&stack, "chat").await;
    let handshake = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (missing, _) in handshake {
        let present = handshake.iter().filter(|(name, _)| *name != missing);
        let request = Request::get("/").header("authorization", &bearer);
        let request = present.fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Bytes::new()).unwrap();
        let response = http::send(stack.apis[0].address(), request).await.unwrap();
        assert_eq!(response.status(), 426, "without {missing}");
    }
}
