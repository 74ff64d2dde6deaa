//! The API of `deploy/demo.yaml`, which the local stack serves at the address of its own API.

use std::fs;

use local::{Bytes, Request, Stack, http, template::Template};
use serde_json::{Value, json};

use crate::{TEMPLATE, options, template_with_paths, to_text, token, with_parameters};

const TEMPLATES: [&str; 2] =
    [include_str!("../../../../template.yaml"), include_str!("../../../../deploy/demo.yaml")];
const DEMO_ROUTES: [&str; 2] = ["OPTIONS /whoami (open)", "GET /whoami (countersign-authorizer)"];

/// The status and the body of a response.
async fn send(stack: &Stack, method: &str, path: &str, authorization: &str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", authorization).body(Bytes::new()).unwrap();
    let response = http::send(stack.gateway.address(), request).await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
}

fn own_template() -> String {
    fs::read_to_string(TEMPLATE).unwrap()
}

#[tokio::test]
async fn demo_is_served_in_addition_to_the_api_of_the_stack() {
    let stack = Stack::start(&own_template(), &options(&[])).await.unwrap();
    let routes: Vec<_> = stack.gateway.routes().collect();
    assert!(routes.ends_with(&DEMO_ROUTES), "{routes:?}");
    assert!(routes.contains(&"POST /token (AWS_IAM)"), "{routes:?}");
    let bearer = format!("Bearer {}", token(&stack, json!({"sub": "ann", "scope": "a b"})).await);
    let (status, body) = send(&stack, "GET", "/whoami", &bearer).await;
    assert_eq!((status, &body["sub"], &body["scope"]), (200, &json!("ann"), &json!("a b")));
    for (method, path) in [("POST", "/whoami"), ("GET", "/whoami/x"), ("GET", "/whoami//")] {
        assert_eq!(send(&stack, method, path, &bearer).await.0, 403, "{method} {path}");
    }
}

#[tokio::test]
async fn paths_of_the_template_are_served_instead_of_those_of_the_demo() {
    let sub = r#""sub": ""#;
    let rows = [
        ("the same path", "/whoami"),
        ("a path parameter", "/{name}"),
        ("every path", "/{proxy+}"),
    ];
    for (name, path) in rows {
        let template = template_with_paths(&[path]);
        assert!(template.contains(sub), "{name}");
        let template = template.replace(sub, r#""sub": "own "#);
        let stack = Stack::start(&template, &options(&[])).await.unwrap();
        let routes: Vec<_> = stack.gateway.routes().filter(|it| it.starts_with("GET")).collect();
        let own = format!("GET {path} (countersign-authorizer)");
        assert_eq!(routes.iter().filter(|route| **route == own).count(), 1, "{name}: {routes:?}");
        assert_eq!(routes.contains(&DEMO_ROUTES[1]), path == "/whoami", "{name}: {routes:?}");
        let bearer = format!("Bearer {}", token(&stack, json!({"sub": "ann"})).await);
        let (status, body) = send(&stack, "GET", "/whoami", &bearer).await;
        assert_eq!((status, &body["sub"]), (200, &json!("own ann")), "{name}");
    }
    // The path belongs to the template with all its methods.
    let post = template_with_paths(&["/whoami"]).replace(
        "            get:\n              summary: The claims",
        "            post:\n              summary: The claims",
    );
    let stack = Stack::start(&post, &options(&[])).await.unwrap();
    let bearer = format!("Bearer {}", token(&stack, json!({"sub": "ann"})).await);
    assert_eq!(send(&stack, "POST", "/whoami", &bearer).await.0, 200);
    assert_eq!(send(&stack, "GET", "/whoami", &bearer).await.0, 403);
}

#[tokio::test]
async fn demo_is_not_served_without_its_authorizer() {
    let template = own_template();
    let name = "${AWS::StackName}-authorizer";
    assert!(template.contains(name));
    let template = template.replace(name, "${AWS::StackName}-other");
    let stack = Stack::start(&template, &options(&[])).await.unwrap();
    let routes: Vec<_> = stack.gateway.routes().collect();
    assert!(!routes.iter().any(|route| route.contains("/whoami")), "{routes:?}");
    assert_eq!(send(&stack, "GET", "/whoami", "Bearer a").await.0, 403);
}

#[tokio::test]
async fn parameters_of_the_demo_apply_by_name() {
    let parameters = [("PolicyCacheSeconds", "300"), ("AllowedOrigin", "https://app.example")];
    let stack = Stack::start(&own_template(), &with_parameters(&parameters, &[])).await.unwrap();
    let bearer = format!("Bearer {}", token(&stack, json!({"sub": "ann"})).await);
    for expected in [1, 0] {
        let calls = stack.kms.calls();
        assert_eq!(send(&stack, "GET", "/whoami", &bearer).await.0, 200);
        assert_eq!(stack.kms.calls() - calls, expected);
    }
    // The two APIs have separate parameters for the origin.
    for (path, expected) in [("/whoami", "https://app.example"), ("/token", "*")] {
        let request = Request::builder().method("OPTIONS").uri(path).body(Bytes::new()).unwrap();
        let response = http::send(stack.gateway.address(), request).await.unwrap();
        assert_eq!(response.headers()["access-control-allow-origin"], expected, "{path}");
    }
    let rows = [
        ("AllowedOrigin=app.example", "deploy/demo.yaml: parameter AllowedOrigin must match"),
        ("AllowedOrigins=*", "unknown parameter AllowedOrigins"),
    ];
    for (parameter, expected) in rows {
        let output = crate::run(
            &["local", "--port", "0", "--kms-port", "0", "--parameter-overrides", parameter],
            &[],
        );
        let message = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

/// A member of a section of a template.
fn member(template: &Template, section: &str, name: &str) -> Value {
    let mut members = template.section(section);
    members.find(|(own, _)| *own == name).map(|(_, value)| value.clone()).unwrap()
}

#[test]
fn demo_has_the_properties_of_the_api_of_the_stack() {
    let apis = TEMPLATES.map(|text| {
        let template = Template::parse(text).unwrap();
        let mut resolver = template.resolver("us-east-1", &[].into()).unwrap();
        for (id, _) in template.section("Resources") {
            resolver.define(id, id.into());
            resolver.define_attribute(id, "Arn", id);
        }
        let (_, api) = template.resources("AWS::Serverless::Api").next().unwrap();
        let mut api = resolver.resolve(&api["Properties"]).unwrap();
        let members = api.as_object_mut().unwrap();
        assert!(
            members.remove("DefinitionBody").is_some() && members.remove("Description").is_some()
        );
        // Resolved numbers of the stack's API are members of a list, and so text.
        for pointer in ["/MethodSettings/0", "/Auth/Authorizers/Bearer/Identity"] {
            let part = api.pointer_mut(pointer).and_then(Value::as_object_mut).unwrap();
            for value in part.values_mut().filter(|value| value.is_number()) {
                *value = value.to_string().into();
            }
        }
        api
    });
    assert_eq!(apis[0], apis[1]);
}

#[test]
fn parameters_of_the_demo_have_the_bounds_of_the_stack() {
    let [stack, demo] = TEMPLATES.map(|text| Template::parse(text).unwrap());
    let observability = include_str!("../../../../deploy/observability.yaml");
    let observability = Template::parse(observability).unwrap();
    let name = "CountersignStack";
    assert_eq!(member(&observability, "Parameters", name), member(&demo, "Parameters", name));
    let is_allowed = |template: &Template, name: &str, value: String| {
        template.resolver("us-east-1", &[(name.to_owned(), value)].into()).is_ok()
    };
    let rows = [
        ("AllowedOrigin", "*", true),
        ("AllowedOrigin", "https://app.example", true),
        ("AllowedOrigin", "http://127.0.0.1:8080", true),
        ("AllowedOrigin", "app.example", false),
        ("AllowedOrigin", "https://", false),
        ("AllowedOrigin", "https://a,b", false),
        ("AllowedOrigin", "https://a'b", false),
        ("AllowedOrigin", "https://a b", false),
        ("AllowedOrigin", "**", false),
        ("PolicyCacheSeconds", "0", true),
        ("PolicyCacheSeconds", "3600", true),
        ("PolicyCacheSeconds", "3601", false),
        ("PolicyCacheSeconds", "-1", false),
    ];
    for (name, value, expected) in rows {
        let in_settings = format!("{name}={value}");
        assert_eq!(is_allowed(&stack, "Settings", in_settings), expected, "{name} {value}");
        assert_eq!(is_allowed(&demo, name, value.to_owned()), expected, "{name} {value}");
    }
}
