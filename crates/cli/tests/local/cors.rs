//! CORS: preflight requests, and the headers that let a page of another origin read responses.

use std::fs;

use local::{Bytes, Request, Response, Stack, http};
use serde_json::json;

use crate::{TEMPLATE, log_lines, token, with_parameters};

const ORIGIN: &str = "https://app.example";

async fn send(stack: &Stack, request: &str, authorization: Option<&str>) -> Response<Bytes> {
    let (method, path) = request.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path).header("origin", ORIGIN);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    http::send(stack.gateway.address(), request.body(Bytes::new()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn every_response_has_cors_headers_and_preflights_need_no_token() {
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let rules = r#"[{"route": "GET /whoami", "scope": "read"}]"#;
    let settings = format!("AllowedOrigin={ORIGIN}");
    // The API of the stack, and that of deploy/demo.yaml.
    let parameters = [("Settings", &*settings), ("AllowedOrigin", ORIGIN)];
    let options = with_parameters(&parameters, &[("ACCESS_RULES", rules)]);
    let stack = Stack::start(&template, &options).await.unwrap();
    let mut tokens = Vec::new();
    for scope in ["read", "write"] {
        let token = token(&stack, json!({"sub": "a", "scope": scope})).await;
        tokens.push(format!("Bearer {token}"));
    }
    let rows = [
        ("GET /whoami", Some(&*tokens[0]), 200, ORIGIN, None),
        ("GET /whoami", None, 401, ORIGIN, Some("Bearer")),
        ("GET /whoami", Some("Bearer x"), 401, ORIGIN, Some("Bearer")),
        (
            "GET /whoami",
            Some(&*tokens[1]),
            403,
            ORIGIN,
            Some("Bearer error=\"insufficient_scope\""),
        ),
        ("GET /nowhere", None, 403, ORIGIN, None),
        ("POST /token", None, 403, ORIGIN, None),
        ("GET /.well-known/jwks.json", None, 200, "*", None),
        ("OPTIONS /whoami", None, 200, ORIGIN, None),
        ("OPTIONS /token", None, 200, ORIGIN, None),
    ];
    for (request, authorization, status, origin, challenge) in rows {
        let answer = send(&stack, request, authorization).await;
        assert_eq!(answer.status(), status, "{request}");
        let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("access-control-allow-origin"), Some(origin), "{request}");
        assert_eq!(header("www-authenticate"), challenge, "{request}");
        if request.starts_with("OPTIONS") {
            let allowed = header("access-control-allow-headers");
            assert_eq!(allowed, Some("Authorization,Content-Type"), "{request}");
            assert!(header("access-control-allow-methods").unwrap().contains("POST"));
        }
    }
    let decisions = log_lines(&stack, "Authorizer", 3).await;
    assert_eq!(decisions.len(), 3, "preflights and public routes do not call the authorizer");
}
