//! The local API Gateway responds as API Gateway does.

use local::{Bytes, Request, Stack, StackOptions, http};
use serde_json::{Value, json};

use crate::{Local, SIGV4, TEMPLATE, options, to_text, token};

const MISSING: &str = "MissingAuthenticationTokenException";
const INCOMPLETE: &str = "IncompleteSignatureException";

#[tokio::test]
async fn responses_have_the_error_type_of_api_gateway() {
    let local = Local::start(&[]);
    let bearer = format!("Bearer {}", local.token().await);
    let signature = SIGV4.replace("execute-api", "kms");
    let rows = [
        ("a route", "GET", "/whoami", &*bearer, 200, ""),
        ("a slash at the end", "GET", "/whoami/", &bearer, 200, ""),
        ("two slashes at the start", "GET", "//whoami", &bearer, 403, INCOMPLETE),
        ("two slashes at the end", "GET", "/whoami//", &bearer, 403, INCOMPLETE),
        ("no route and no credentials", "GET", "/nothing", "", 403, MISSING),
        ("no route, with a signature", "GET", "/nothing", SIGV4, 403, MISSING),
        ("no route, with a token", "GET", "/nothing", &bearer, 403, INCOMPLETE),
        ("no credentials", "GET", "/whoami", "", 401, "UnauthorizedException"),
        ("no token", "GET", "/whoami", "Bearer nonsense", 401, "UnauthorizedException"),
        ("IAM without a signature", "POST", "/token", "", 403, MISSING),
        ("IAM with a token", "POST", "/token", &bearer, 403, INCOMPLETE),
        (
            "IAM with another service",
            "POST",
            "/token",
            &signature,
            403,
            "InvalidSignatureException",
        ),
    ];
    for (name, method, path, authorization, status, error_type) in rows {
        let mut request =
            Request::builder().method(method).uri(path).header("x-amz-date", "20261129T000000Z");
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        let response = http::send(local.api, request.body(Bytes::new()).unwrap()).await.unwrap();
        let found = response.headers().get("x-amzn-errortype");
        let found = found.map(|value| value.to_str().unwrap()).unwrap_or_default();
        let body = to_text(response.body());
        assert_eq!((response.status().as_u16(), found), (status, error_type), "{name}: {body}");
        if error_type == INCOMPLETE {
            let start = r#"{"message":"Invalid key=value pair (missing equal-sign) in Authorization header (hashed"#;
            assert!(body.starts_with(start), "{name}: {body}");
        }
    }
}

#[tokio::test]
async fn a_stack_runs_in_every_partition() {
    for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")] {
        let options = StackOptions { region: region.into(), ..options(&[]) };
        let template = std::fs::read_to_string(TEMPLATE).unwrap();
        let stack = Stack::start(&template, &options).await.unwrap();
        let key = stack.kms.perform("DescribeKey", &json!({"KeyId": crate::ALIAS})).unwrap();
        let arn = key["KeyMetadata"]["Arn"].as_str().unwrap();
        assert!(arn.starts_with(&format!("arn:{partition}:kms:{region}:")), "{arn}");
        let token = token(&stack, json!({"sub": "a"})).await;
        let request = Request::get("/whoami").header("authorization", format!("Bearer {token}"));
        let request = request.body(Bytes::new()).unwrap();
        let response = http::send(stack.gateway.address(), request).await.unwrap();
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!((response.status().as_u16(), &body["sub"]), (200, &json!("a")), "{body}");
        let used = stack.kms.used_permissions();
        let prefix = format!("arn:{partition}:iam::000000000000:role/");
        assert!(
            !used.is_empty() && used.iter().all(|(role, _)| role.starts_with(&prefix)),
            "{used:?}"
        );
    }
}
