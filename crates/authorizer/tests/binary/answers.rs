use serde_json::{Value, json};

use crate::stack::{Outcome, STAGE, Stack, bearer, refused, rest, starting};

#[tokio::test]
async fn credentials_in_every_place_and_form() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let good = stack.good(&json!({}));
    let credential = format!("Bearer {good}");
    let several = |headers: Value, values: Value| {
        let mut event = rest(&headers);
        event["multiValueHeaders"] = values;
        event
    };
    let token = |value: Value| {
        json!({
            "type": "TOKEN", "methodArn": format!("{STAGE}/GET/a"), "authorizationToken": value,
        })
    };
    let two = refused("SeveralCredentials");
    let none = refused("NoCredentials");
    let allowed: Outcome = ("Allow", "Allowed".into(), 1);
    let rows = [
        ("none", rest(&json!({})), none.clone()),
        ("null headers", rest(&json!(null)), none.clone()),
        ("an empty value", rest(&json!({"Authorization": ""})), refused("NotBearer")),
        ("Basic", rest(&json!({"Authorization": "Basic dTpw"})), refused("NotBearer")),
        ("a token alone", rest(&json!({"Authorization": good})), refused("NotBearer")),
        (
            "scheme in lower case",
            rest(&json!({"Authorization": format!("bearer {good}")})),
            allowed.clone(),
        ),
        ("name in capitals", rest(&json!({"AUTHORIZATION": credential})), allowed.clone()),
        (
            "in two cases",
            rest(&json!({"Authorization": credential, "authorization": credential})),
            two.clone(),
        ),
        (
            "two in one name",
            several(json!({}), json!({"Authorization": [credential, credential]})),
            two.clone(),
        ),
        (
            "a bad one hidden behind a good one",
            several(json!({"Authorization": credential}), json!({"authorization": ["Bearer x"]})),
            two.clone(),
        ),
        (
            "once in both maps",
            several(json!({"Authorization": credential}), json!({"Authorization": [credential]})),
            allowed.clone(),
        ),
        (
            "odd headers around it",
            rest(&json!({"Authorization": credential, "X": null, "Y": [1]})),
            allowed.clone(),
        ),
        ("TOKEN", token(json!(credential)), allowed.clone()),
        ("TOKEN with none", token(json!(null)), none),
        ("TOKEN with two", token(json!([credential, credential])), two),
        (
            "in the query alone",
            {
                let mut event = rest(&json!({}));
                event["queryStringParameters"] =
                    json!({"access_token": good, "Authorization": credential});
                event
            },
            refused("NoCredentials"),
        ),
    ];
    for (name, event, expected) in rows {
        assert_eq!(stack.ask(&event).await, expected, "{name}");
    }
}

#[tokio::test]
async fn the_sample_events_of_every_kind() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let credential = format!("Bearer {}", stack.good(&json!({})));
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
        ("REST", rest(&json!({"Authorization": credential})), "*/*"),
        ("HTTP 2.0", http2.clone(), "*/*"),
        ("HTTP 1.0", http1, "*/*"),
        ("WebSocket", connect, "$connect"),
    ];
    for (name, event, resource) in rows {
        let (outcome, answer) = stack.answer(&event).await;
        assert_eq!(outcome, ("Allow", "Allowed".into(), 1), "{name}");
        let found = &answer["policyDocument"]["Statement"][0]["Resource"];
        assert_eq!(*found, json!([format!("{STAGE}/{resource}")]), "{name}");
        assert!(!answer.to_string().contains("null"), "{name}: {answer}");
    }
    let not_ours = [
        ("a proxy event", json!({"resource": "/token", "httpMethod": "POST"})),
        ("no ARN", json!({"type": "REQUEST"})),
        ("another version", json!({"type": "REQUEST", "version": "3.0", "routeArn": STAGE})),
        ("an odd ARN", json!({"type": "TOKEN", "methodArn": "arn:aws:s3:::bucket/v1/GET/"})),
        ("nothing", json!({})),
        ("a list", json!([])),
    ];
    for (name, event) in not_ours {
        assert_eq!(stack.ask(&event).await, ("error", "MalformedEvent".into(), 0), "{name}");
    }

    let simple = Stack::start("RSA_2048", &[("HTTP_API_RESPONSE", "simple")]).await;
    let mut event = http2;
    event["headers"]["authorization"] = format!("Bearer {}", simple.good(&json!({}))).into();
    assert_eq!(simple.ask(&event).await, ("true", "Allowed".into(), 1));
    event["headers"] = json!({});
    assert_eq!(simple.ask(&event).await, refused("NoCredentials"));
}

#[tokio::test]
async fn rules_decide_and_the_path_does_not_change_the_policy() {
    let rules = r#"[
        {"route": "GET /orders/*", "scope": "orders:read"},
        {"route": "* /admin/*", "when": "claims.role == 'admin'"},
        {"route": "GET /admin/motd", "scope": "orders:read"}
    ]"#;
    // The last would have to be open in what is closed.
    let settings = [("ACCESS_RULES", rules.replace("GET /orders/*", "GET /*"))];
    let settings = settings.each_ref().map(|(name, value)| (*name, &**value));
    assert!(starting(&settings).contains("no IAM policy can express"));

    let stack = Stack::start("RSA_2048", &[("ACCESS_RULES", rules)]).await;
    let reader = stack.good(&json!({"scope": "orders:read"}));
    let nobody = stack.good(&json!({}));
    let admin = stack.good(&json!({"role": "admin"}));
    let at = |route: &str, token: &str| {
        let mut event = bearer(token);
        event["methodArn"] = format!("{STAGE}/{route}").into();
        event
    };
    let rows = [
        ("its route", at("GET/orders/7", &reader), ("Allow and Deny", "Allowed")),
        ("another route", at("POST/orders/7", &reader), ("Allow and Deny", "ClosedRoute")),
        (
            "a route that no rule names",
            at("GET/invoices", &reader),
            ("Allow and Deny", "ClosedRoute"),
        ),
        ("no route at all", at("GET/orders/7", &nobody), ("Deny", "ClosedRoute")),
        ("by an expression", at("DELETE/admin/x", &admin), ("Allow and Deny", "Allowed")),
        ("not by another", at("DELETE/admin/x", &reader), ("Allow and Deny", "ClosedRoute")),
    ];
    for (name, event, (effect, reason)) in rows {
        assert_eq!(stack.ask(&event).await, (effect, reason.into(), 1), "{name}");
    }
    let (_, expected) = stack.answer(&at("GET/orders/7", &reader)).await;
    for path in ["*", "?", "%2A", "..", "../admin/x", "orders/*", "orders/%2A", "", "//", "a:b"] {
        let (_, answer) = stack.answer(&at(&format!("GET/{path}"), &reader)).await;
        assert_eq!(answer, expected, "{path}");
    }
    // But for a path that is closed for its spelling.
    let rewritten = "GET/orders/%2e%2e/admin";
    let (_, mut answer) = stack.answer(&at(rewritten, &reader)).await;
    let denied = answer.pointer_mut("/policyDocument/Statement/1/Resource").unwrap();
    let denied = denied.as_array_mut().unwrap().pop();
    assert_eq!(denied, Some(json!(format!("{STAGE}/{rewritten}"))));
    assert_eq!(answer, expected);
}
