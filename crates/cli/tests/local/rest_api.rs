//! A REST API, as `examples/rest-api.yaml` defines it, and the reasons that the gateway prints.

use std::fs;

use local::{
    ApiTemplate, Bytes, Request, Stack, StackOptions,
    gateway::{CompletedRequest, Gateway},
    http,
};
use serde_json::{Value, json};

use crate::{TEMPLATE, authorizers::script, interop::is_installed, options, token};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

fn example(name: &str) -> String {
    fs::read_to_string(format!("{EXAMPLES}/{name}")).unwrap()
}

/// A stack with another API.
async fn start(text: String, more: StackOptions) -> Result<Stack, String> {
    let api = ApiTemplate { name: "api.yaml".into(), text };
    let options = StackOptions { apis: vec![api], ..more };
    let template = fs::read_to_string(TEMPLATE).unwrap();
    Stack::start(&template, &options).await.map_err(|error| error.to_string())
}

/// The status and the body of a response, and the reason that is printed.
async fn get(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> (u16, Value, String) {
    let mut exchanges = gateway.follow();
    let request = headers
        .iter()
        .fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    let response = http::send(gateway.address(), request.body(Bytes::new()).unwrap()).await;
    let response = response.unwrap();
    let CompletedRequest { reason, .. } = exchanges.recv().await.unwrap();
    let body = serde_json::from_slice(response.body()).unwrap_or_default();
    (response.status().as_u16(), body, reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_apis_of_the_examples_are_served() {
    let stack = start(example("rest-api.yaml"), options(&[])).await.unwrap();
    let api = &stack.apis[0];
    assert_eq!(api.routes().collect::<Vec<_>>(), ["GET /orders (countersign-authorizer)"]);
    let bearer = format!("Bearer {}", token(&stack, json!({"sub": "ann"})).await);
    let (status, body, _) = get(api, "/orders", &[("authorization", &bearer)]).await;
    assert_eq!((status, body), (200, json!({"orders": [], "for": "ann"})));
    let (status, _, reason) = get(api, "/orders", &[("authorization", "Bearer a.b.c")]).await;
    // From the log of the authorizer.
    assert_eq!((status, &*reason), (401, "MalformedEncoding"));
    let (status, _, reason) = get(api, "/orders", &[]).await;
    assert_eq!((status, &*reason), (401, "no credentials"));
    assert_eq!(get(api, "/other", &[]).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn template_without_supported_api_is_refused() {
    let text = "Resources: {Api: {Type: 'AWS::Serverless::HttpApi'}}".to_owned();
    let error = start(text, options(&[])).await.unwrap_err();
    assert_eq!(
        error,
        "template: api.yaml: there is no API that can be served: AWS::ApiGateway::RestApi and \
         AWS::ApiGatewayV2::Api are supported"
    );
}

/// The log of a third-party authorizer has no reason.
#[tokio::test(flavor = "multi_thread")]
async fn reasons_of_401_are_correct_for_third_party_authorizers() {
    if !is_installed("curl", &["--version"]) {
        return;
    }
    let script = script();
    let own = || StackOptions { authorizer: Some(script.clone()), ..options(&[]) };
    let answered = "the authorizer answered Unauthorized";
    let apis = [
        ("rest-api.yaml", example("rest-api.yaml"), "/orders"),
        ("http-api-iam.yaml", example("http-api-iam.yaml"), "/orders"),
        ("websocket-api.yaml", example("websocket-api.yaml"), "/"),
    ];
    for (name, text, path) in apis {
        let parameters = [("BackendUrl".to_owned(), "http://127.0.0.1:1".to_owned())];
        let has_backend = name == "http-api-iam.yaml";
        let parameters = parameters.into_iter().filter(|_| has_backend).collect();
        let stack = start(text, StackOptions { parameters, ..own() }).await.unwrap();
        let handshake = [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ];
        let handshake = if path == "/" { &handshake[..] } else { &[] };
        for (credentials, expected) in [("Bearer shut", answered), ("", "no credentials")] {
            let authorization = [("authorization", credentials)];
            let authorization = if credentials.is_empty() { &[] } else { &authorization[..] };
            let headers = [handshake, authorization].concat();
            let (status, _, reason) = get(&stack.apis[0], path, &headers).await;
            assert_eq!((status, &*reason), (401, expected), "{name} {credentials}");
        }
        if path == "/orders" {
            let (status, _, reason) =
                get(&stack.gateway, "/whoami", &[("authorization", "a")]).await;
            assert_eq!((status, &*reason), (401, answered), "{name}");
        }
    }
    // Other reasons for which the function is not invoked.
    let rest = example("rest-api.yaml");
    let source = "IdentitySource: method.request.header.Authorization";
    assert!(rest.contains(source));
    let changes = [
        (
            format!("{source}, method.request.header.X-Tenant"),
            "the identity source X-Tenant is missing",
        ),
        (
            format!("{source}\n      IdentityValidationExpression: Bearer .+"),
            "ValidationExpression does not match the token",
        ),
    ];
    for (change, expected) in changes {
        let text = rest.replace(source, &change);
        let is_token = change.contains("Validation");
        let kind = if is_token { "Type: TOKEN" } else { "Type: REQUEST" };
        let text = text.replace("Type: REQUEST", kind);
        let stack = start(text, own()).await.unwrap();
        let headers = [("authorization", "Basic a")];
        let (status, _, reason) = get(&stack.apis[0], "/orders", &headers).await;
        assert_eq!((status, &*reason), (401, expected));
    }
    fs::remove_file(script).unwrap();
}
