//! HTTP APIs in front of a backend, as `examples/` defines them.

use std::{fs, sync::Arc};

use local::{ApiTemplate, Bytes, Request, Stack, StackOptions, http};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::Mutex,
};

use crate::{TEMPLATE, token, with_parameters};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

/// A backend that returns the head of each request, and how many requests it had.
async fn backend() -> (String, Arc<Mutex<u32>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/base", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(0));
    let count = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            *count.lock().await += 1;
            let length = head.len();
            let start = format!(
                "HTTP/1.1 201 Created\r\nx-own: yes\r\nwww-authenticate: Basic\r\nconnection: close\r\n\
                 content-length: {length}\r\n\r\n"
            );
            stream.write_all(&[start.as_bytes(), &head].concat()).await.unwrap();
        }
    });
    (url, requests)
}

/// A stack with an HTTP API of an example in front of a backend.
async fn start(example: &str, response: &str, backend: &str) -> Stack {
    let settings = format!("HttpApiResponse={response}");
    let parameters = [("Settings", &*settings), ("BackendUrl", backend)];
    let rules =
        r#"[{"route":"GET /orders","scope":"orders:read"},{"route":"GET /other","any":true}]"#;
    let api = ApiTemplate {
        name: example.to_owned(),
        text: fs::read_to_string(format!("{EXAMPLES}/{example}")).unwrap(),
    };
    let options = StackOptions {
        apis: vec![api],
        ..with_parameters(&parameters, &[("ACCESS_RULES", rules)])
    };
    Stack::start(&fs::read_to_string(TEMPLATE).unwrap(), &options).await.unwrap()
}

#[tokio::test]
async fn http_apis_are_served_in_front_of_a_backend() {
    for (example, response) in [("http-api-iam.yaml", "iam"), ("http-api-simple.yaml", "simple")] {
        let (url, requests) = backend().await;
        let stack = start(example, response, &url).await;
        let address = stack.apis[0].address();
        let get = async |path: &str, headers: &[(&str, &str)]| {
            let request = headers
                .iter()
                .fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
            http::send(address, request.body(Bytes::new()).unwrap()).await.unwrap()
        };
        let granted = token(&stack, json!({"sub": "ann", "scope": "orders:read"})).await;
        let granted = format!("Bearer {granted}");
        let other = format!("Bearer {}", token(&stack, json!({"sub": "ann"})).await);
        let rows = [
            ("no token", "/orders", None, 401, "Unauthorized"),
            ("another scheme", "/orders", Some("Basic a"), 401, "Unauthorized"),
            ("no valid token", "/orders", Some("Bearer a.b.c"), 401, "Unauthorized"),
            ("a token without the scope", "/orders", Some(&*other), 403, "Forbidden"),
            ("no route", "/other", Some(&granted), 404, "Not Found"),
            ("a slash at the end", "/orders/", Some(&granted), 404, "Not Found"),
        ];
        for (name, path, authorization, status, message) in rows {
            let headers: Vec<_> =
                authorization.map(|own| ("authorization", own)).into_iter().collect();
            let response = get(path, &headers).await;
            let body: Value = serde_json::from_slice(response.body()).unwrap();
            let actual = (response.status().as_u16(), body);
            assert_eq!(actual, (status, json!({"message": message})), "{example}: {name}");
        }
        assert_eq!(*requests.lock().await, 0, "{example}: refused requests reach no backend");
        let headers = [("authorization", &*granted), ("x-subject", "sub=root"), ("x-a", "b")];
        let response = get("/orders?q=1", &headers).await;
        assert_eq!(response.status(), 201, "{example}");
        assert_eq!(response.headers()["x-own"], "yes");
        // HTTP APIs do not rename it.
        assert_eq!(response.headers()["www-authenticate"], "Basic");
        let head = String::from_utf8_lossy(response.body()).to_lowercase();
        assert!(head.starts_with("get /base?q=1 http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nx-subject: sub=ann\r\n"), "{head}");
        assert!(head.contains("\r\nx-a: b\r\n") && !head.contains("root"), "{head}");
        assert!(head.contains(&format!("\r\nhost: {}", &url[7..url.len() - 5])), "{head}");
        assert_eq!(*requests.lock().await, 1, "{example}");
    }
}

#[tokio::test]
async fn an_authorizer_with_another_response_is_misconfigured() {
    let (url, requests) = backend().await;
    for (example, response) in [("http-api-iam.yaml", "simple"), ("http-api-simple.yaml", "iam")] {
        let stack = start(example, response, &url).await;
        let token = token(&stack, json!({"sub": "ann", "scope": "orders:read"})).await;
        let request = Request::get("/orders").header("authorization", format!("Bearer {token}"));
        let request = request.body(Bytes::new()).unwrap();
        let response = http::send(stack.apis[0].address(), request).await.unwrap();
        assert_eq!(response.status(), 500, "{example}");
        assert_eq!(response.body(), r#"{"message":"Internal Server Error"}"#, "{example}");
    }
    assert_eq!(*requests.lock().await, 0);
}

#[tokio::test]
async fn a_backend_that_does_not_respond_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let stack = start("http-api-iam.yaml", "iam", &url).await;
    let token = token(&stack, json!({"sub": "ann", "scope": "orders:read"})).await;
    let request = Request::get("/orders").header("authorization", format!("Bearer {token}"));
    let request = request.body(Bytes::new()).unwrap();
    let response = http::send(stack.apis[0].address(), request).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.body(), r#"{"message":"Service Unavailable"}"#);
}
