use serde_json::{Value, json};

use crate::stack::{
    Outcome, STAGE, Stack, rest_event, rest_with_token, startup_problems, unauthorized,
};

#[tokio::test]
async fn credentials_are_read_from_every_place_and_form() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let valid = stack.token_with(&json!({}));
    let credential = format!("Bearer {valid}");
    let in_both_maps = |headers: Value, multi_values: Value| {
        let mut event = rest_event(&headers);
        event["multiValueHeaders"] = multi_values;
        event
    };
    let token_event = |value: Value| {
        json!({
            "type": "TOKEN", "methodArn": format!("{STAGE}/GET/a"), "authorizationToken": value,
        })
    };
    let two = unauthorized("SeveralCredentials");
    let none = unauthorized("NoCredentials");
    let allowed: Outcome = ("Allow", "Allowed".into(), 1);
    let rows = [
        ("no header", rest_event(&json!({})), none.clone()),
        ("null headers", rest_event(&json!(null)), none.clone()),
        ("empty header", rest_event(&json!({"Authorization": ""})), unauthorized("NotBearer")),
        ("Basic", rest_event(&json!({"Authorization": "Basic dTpw"})), unauthorized("NotBearer")),
        (
            "token without a scheme",
            rest_event(&json!({"Authorization": valid})),
            unauthorized("NotBearer"),
        ),
        (
            "scheme in lower case",
            rest_event(&json!({"Authorization": format!("bearer {valid}")})),
            allowed.clone(),
        ),
        (
            "header name in capitals",
            rest_event(&json!({"AUTHORIZATION": credential})),
            allowed.clone(),
        ),
        (
            "two header names that differ in case",
            rest_event(&json!({"Authorization": credential, "authorization": credential})),
            two.clone(),
        ),
        (
            "two values of one header",
            in_both_maps(json!({}), json!({"Authorization": [credential, credential]})),
            two.clone(),
        ),
        (
            "invalid credential hidden behind a valid one",
            in_both_maps(
                json!({"Authorization": credential}),
                json!({"authorization": ["Bearer x"]}),
            ),
            two.clone(),
        ),
        (
            "same credential in both maps",
            in_both_maps(
                json!({"Authorization": credential}),
                json!({"Authorization": [credential]}),
            ),
            allowed.clone(),
        ),
        (
            "other headers of unexpected types",
            rest_event(&json!({"Authorization": credential, "X": null, "Y": [1]})),
            allowed.clone(),
        ),
        ("TOKEN event", token_event(json!(credential)), allowed.clone()),
        ("TOKEN event without credentials", token_event(json!(null)), none),
        ("TOKEN event with two credentials", token_event(json!([credential, credential])), two),
        (
            "only in the query",
            {
                let mut event = rest_event(&json!({}));
                event["queryStringParameters"] =
                    json!({"access_token": valid, "Authorization": credential});
                event
            },
            unauthorized("NoCredentials"),
        ),
    ];
    for (name, event, expected) in rows {
        assert_eq!(stack.outcome(&event).await, expected, "{name}");
    }
}

#[tokio::test]
async fn events_of_every_format_are_decided() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let credential = format!("Bearer {}", stack.token_with(&json!({})));
    let http2 = json!({
        "type": "REQUEST", "version": "2.0", "routeArn": format!("{STAGE}/GET/request"),
        "routeKey": "$default", "rawPath": "/my/path", "headers": {"authorization": credential},
        "identitySource": [credential],
    });
    let http1 = json!({
        "type": "REQUEST", "version": "1.0", "methodArn": format!("{STAGE}/GET/request"),
        "headers": {"Authorization": credential}, "authorizationToken": credential,
        "identitySource": credential,
    });
    let connect = json!({
        "type": "REQUEST", "methodArn": format!("{STAGE}/$connect"),
        "headers": {"Authorization": credential}, "requestContext": {"eventType": "CONNECT"},
    });
    let rows = [
        ("REST", rest_event(&json!({"Authorization": credential})), "*/*"),
        ("HTTP 2.0", http2.clone(), "*/*"),
        ("HTTP 1.0", http1, "*/*"),
        ("WebSocket", connect, "$connect"),
    ];
    for (name, event, resource) in rows {
        let (outcome, response) = stack.outcome_and_response(&event).await;
        assert_eq!(outcome, ("Allow", "Allowed".into(), 1), "{name}");
        let found = &response["policyDocument"]["Statement"][0]["Resource"];
        assert_eq!(*found, json!([format!("{STAGE}/{resource}")]), "{name}");
        assert!(!response.to_string().contains("null"), "{name}: {response}");
    }
    let malformed = [
        ("proxy event", json!({"resource": "/token", "httpMethod": "POST"})),
        ("no ARN", json!({"type": "REQUEST"})),
        ("unknown version", json!({"type": "REQUEST", "version": "3.0", "routeArn": STAGE})),
        (
            "ARN of another service",
            json!({"type": "TOKEN", "methodArn": "arn:aws:s3:::bucket/v1/GET/"}),
        ),
        ("empty object", json!({})),
        ("array", json!([])),
    ];
    for (name, event) in malformed {
        assert_eq!(stack.outcome(&event).await, ("error", "MalformedEvent".into(), 0), "{name}");
    }

    let simple = Stack::start("RSA_2048", &[("HTTP_API_RESPONSE", "simple")]).await;
    let mut event = http2;
    event["headers"]["authorization"] = format!("Bearer {}", simple.token_with(&json!({}))).into();
    assert_eq!(simple.outcome(&event).await, ("true", "Allowed".into(), 1));
    event["headers"] = json!({});
    assert_eq!(simple.outcome(&event).await, unauthorized("NoCredentials"));
}

#[tokio::test]
async fn rules_decide_and_the_policy_is_the_same_for_every_path() {
    let rules = r#"[
        {"route": "GET /orders/*", "scope": "orders:read"},
        {"route": "* /admin/*", "when": "claims.role == 'admin'"},
        {"route": "GET /admin/motd", "scope": "orders:read"}
    ]"#;
    // The route of the first rule would contain a closed route of another rule, which no IAM policy can express.
    let settings = [("ACCESS_RULES", rules.replace("GET /orders/*", "GET /*"))];
    let settings = settings.each_ref().map(|(name, value)| (*name, &**value));
    assert!(startup_problems(&settings).contains("no IAM policy can express"));

    let stack = Stack::start("RSA_2048", &[("ACCESS_RULES", rules)]).await;
    let reader = stack.token_with(&json!({"scope": "orders:read"}));
    let without_claims = stack.token_with(&json!({}));
    let admin = stack.token_with(&json!({"role": "admin"}));
    let at = |route: &str, token: &str| {
        let mut event = rest_with_token(token);
        event["methodArn"] = format!("{STAGE}/{route}").into();
        event
    };
    let rows = [
        ("open route", at("GET/orders/7", &reader), ("Allow and Deny", "Allowed")),
        ("closed route", at("POST/orders/7", &reader), ("Allow and Deny", "ClosedRoute")),
        ("route without a rule", at("GET/invoices", &reader), ("Allow and Deny", "ClosedRoute")),
        ("token that opens no route", at("GET/orders/7", &without_claims), ("Deny", "ClosedRoute")),
        (
            "route open by an expression",
            at("DELETE/admin/x", &admin),
            ("Allow and Deny", "Allowed"),
        ),
        (
            "route closed by an expression",
            at("DELETE/admin/x", &reader),
            ("Allow and Deny", "ClosedRoute"),
        ),
    ];
    for (name, event, (effect, reason)) in rows {
        assert_eq!(stack.outcome(&event).await, (effect, reason.into(), 1), "{name}");
    }
    let (_, expected) = stack.outcome_and_response(&at("GET/orders/7", &reader)).await;
    for path in ["*", "?", "%2A", "..", "../admin/x", "orders/*", "orders/%2A", "", "//", "a:b"] {
        let (_, response) = stack.outcome_and_response(&at(&format!("GET/{path}"), &reader)).await;
        assert_eq!(response, expected, "{path}");
    }
    // A path that is another spelling of a closed one is additionally denied.
    let rewritten = "GET/orders/%2e%2e/admin";
    let (_, mut response) = stack.outcome_and_response(&at(rewritten, &reader)).await;
    let denied = response.pointer_mut("/policyDocument/Statement/1/Resource").unwrap();
    let denied = denied.as_array_mut().unwrap().pop();
    assert_eq!(denied, Some(json!(format!("{STAGE}/{rewritten}"))));
    assert_eq!(response, expected);
}

#[tokio::test]
async fn log_interval_applies_to_allowed_requests_only() {
    let stack = Stack::start("RSA_2048", &[("ALLOWED_LOG_INTERVAL", "3")]).await;
    let valid = rest_with_token(&stack.token_with(&json!({})));
    let invalid = rest_with_token("x.y.z");
    for event in [&valid, &valid, &invalid, &valid, &invalid, &valid] {
        let _ = stack.function.invoke(event).await;
    }
    // The last request has a line: all lines before it are there then.
    let last = stack.function.invoke(&invalid).await;
    stack.logs.reason(&last.id.to_string()).await.unwrap();
    let lines = stack.logs.recent();
    let lines: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(&line.text).unwrap()).collect();
    let counts: Vec<_> =
        lines.iter().map(|line| (line["Allowed"].as_u64(), line["Rejected"].as_u64())).collect();
    let rejected = (None, Some(1));
    assert_eq!(counts, [(Some(1), None), rejected, rejected, (Some(3), None), rejected]);
}
