//! Events from API Gateway: what the issuer reads, and what it refuses to read.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;

use aws_lambda_events::apigw::{
    ApiGatewayProxyRequest, ApiGatewayRequestAuthorizer, ApiGatewayRequestAuthorizerIamDescription,
    ApiGatewayV2httpRequest,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use issuer::{
    EventSource, IssuanceError, IssuerEvent, MAX_REQUEST_BYTES, Operation, PublishedDocument,
};
use policy::issuance::Caller;
use serde_json::{Value, json};

const ARN: &str = "arn:aws:iam::123456789012:user/a";

/// A request from this user to a REST API, as JSON.
fn rest(method: &str, resource: &str) -> Value {
    let mut event = ApiGatewayProxyRequest::default();
    event.resource = Some(resource.into());
    event.path = Some(resource.into());
    event.http_method = method.parse().unwrap();
    event.body = Some("{}".into());
    event.request_context.stage = Some("v1".into());
    event.request_context.http_method = method.parse().unwrap();
    event.request_context.identity.user_arn = Some(ARN.into());
    json!(event)
}

/// The same to an HTTP API with format 2.0.
fn http(method: &str, path: &str) -> Value {
    let mut iam = ApiGatewayRequestAuthorizerIamDescription::default();
    iam.user_arn = Some(ARN.into());
    let mut authorizer = ApiGatewayRequestAuthorizer::default();
    authorizer.iam = Some(iam);
    let mut event = ApiGatewayV2httpRequest::default();
    event.version = Some("2.0".into());
    event.route_key = Some("$default".into());
    event.raw_path = Some(path.into());
    event.body = Some("{}".into());
    event.request_context.stage = Some("$default".into());
    event.request_context.http.method = method.parse().unwrap();
    event.request_context.authorizer = Some(authorizer);
    json!(event)
}

fn token(body: &str) -> Operation {
    Operation::Token(Caller::Iam(ARN.into()), body.as_bytes().to_vec())
}

#[test]
fn proxy_events() {
    let json = Some("application/json; charset=utf-8");
    let form = Some("application/x-www-form-urlencoded");
    let method = Err(IssuanceError::Method { allow: "POST" });
    let rows = [
        ("a request", "/token", "POST", json, Some("{}"), false, Ok(token("{}"))),
        ("no content type", "/token", "POST", None, Some("{}"), false, Ok(token("{}"))),
        ("encoded", "/token", "POST", json, Some("e30="), true, Ok(token("{}"))),
        ("badly encoded", "/token", "POST", json, Some("e30"), true, Err(IssuanceError::Body)),
        ("no body", "/token", "POST", json, None, false, Err(IssuanceError::Body)),
        ("a form", "/token", "POST", form, Some("{}"), false, Err(IssuanceError::MediaType)),
        (
            "not ASCII",
            "/token",
            "POST",
            Some("ä"),
            Some("{}"),
            false,
            Err(IssuanceError::MediaType),
        ),
        ("GET", "/token", "GET", None, None, false, method),
        ("elsewhere", "/tokens", "POST", json, Some("{}"), false, Err(IssuanceError::NotFound)),
    ];
    for (name, path, method, content_type, body, encoded, ask) in rows {
        for mut event in [rest(method, path), http(method, path)] {
            let headers = content_type.map(|value| json!({"content-TYPE": value}));
            event["headers"] = headers.unwrap_or_default();
            event["body"] = body.into();
            event["isBase64Encoded"] = encoded.into();
            let expected = IssuerEvent { door: EventSource::Http, ask: ask.clone() };
            assert_eq!(IssuerEvent::read(&event.to_string()), expected, "{name}: {event}");
        }
    }
}

/// Every body here is JSON, so only its length can be at fault.
#[test]
fn body_over_64_kib_is_refused_in_both_formats_and_encodings() {
    let padded = |bytes: usize| format!("{{{}}}", " ".repeat(bytes - 2));
    // One to three bytes end a text of base64 with different padding.
    for bytes in MAX_REQUEST_BYTES - 2..=MAX_REQUEST_BYTES + 3 {
        let body = padded(bytes);
        for mut event in [rest("POST", "/token"), http("POST", "/token")] {
            for encoded in [false, true] {
                event["isBase64Encoded"] = encoded.into();
                event["body"] =
                    if encoded { STANDARD.encode(&body).into() } else { body.as_str().into() };
                let expected = if bytes <= MAX_REQUEST_BYTES {
                    Ok(token(&body))
                } else {
                    Err(IssuanceError::RequestTooLarge)
                };
                let ask = IssuerEvent::read(&event.to_string()).ask;
                assert!(ask == expected, "{bytes} bytes, base64: {encoded}: {:?}", ask.err());
            }
        }
    }
    assert_eq!(IssuanceError::RequestTooLarge.status(), 413);
}

#[test]
fn body_of_64_kib_is_accepted_however_json_escapes_it() {
    let body = "\0".repeat(MAX_REQUEST_BYTES);
    for mut event in [rest("POST", "/token"), http("POST", "/token")] {
        event["body"] = body.as_str().into();
        let text = event.to_string();
        assert!(text.len() > 6 * MAX_REQUEST_BYTES);
        assert!(IssuerEvent::read(&text).ask == Ok(token(&body)));
    }
}

/// The types that read an event keep the context of an authorizer whole, at many times its length.
#[test]
fn event_far_longer_than_any_body_allows_is_refused_before_it_is_read() {
    for mut event in [rest("POST", "/token"), http("POST", "/token")] {
        event["requestContext"]["authorizer"]["lambda"] = json!({"x": vec![0; 300_000]});
        // It could not be read, which nothing finds out.
        event["headers"] = json!({"X": null});
        assert_eq!(IssuerEvent::read(&event.to_string()).ask, Err(IssuanceError::RequestTooLarge));
    }
}

#[test]
fn lone_surrogate_in_a_header_decides_nothing() {
    for mut event in [rest("POST", "/token"), http("POST", "/token")] {
        event["headers"] = json!({"x": "?"});
        let event = event.to_string().replace('?', "\\ud800");
        assert_eq!(IssuerEvent::read(&event).ask, Ok(token("{}")), "{event}");
    }
}

#[test]
fn content_types_in_either_map() {
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    let rows = [
        ("JSON in both", json!({"Content-Type": json}), json!({"Content-Type": [json]}), true),
        ("a form in headers", json!({"Content-Type": form}), json!(null), false),
        ("a form in multiValueHeaders", json!({}), json!({"CONTENT-TYPE": [form]}), false),
        ("a second value", json!({"a": json}), json!({"content-type": [json, form]}), false),
        (
            "names in two cases",
            json!(null),
            json!({"Content-Type": [form], "content-type": [json]}),
            false,
        ),
    ];
    for (name, headers, multi_value_headers, accepted) in rows {
        let mut event = rest("POST", "/token");
        event["headers"] = headers;
        event["multiValueHeaders"] = multi_value_headers;
        let expected = if accepted { Ok(token("{}")) } else { Err(IssuanceError::MediaType) };
        assert_eq!(IssuerEvent::read(&event.to_string()).ask, expected, "{name}");
    }
}

#[test]
fn events_that_the_published_types_cannot_read_are_refused() {
    let rows = [
        ("a null header", "headers", json!({"X": null})),
        ("a header that is a number", "headers", json!({"X": 1})),
        ("a header that is an object", "headers", json!({"X": {}})),
        ("a header with a control character", "headers", json!({"X": "secret\n"})),
        ("a header name with a space", "headers", json!({"X Y": "a"})),
        ("headers in an array", "headers", json!(["a"])),
        ("a context in an array", "requestContext", json!([])),
        ("an empty context", "requestContext", json!({})),
        ("a body that is a number", "body", json!(1)),
        ("an encoding that is a string", "isBase64Encoded", json!("false")),
        ("another version", "version", json!("3.0")),
        ("a version that is a number", "version", json!(2.0)),
    ];
    for mut event in [rest("POST", "/token"), http("POST", "/token")] {
        assert_eq!(IssuerEvent::read(&event.to_string()).ask, Ok(token("{}")));
        for (name, member, value) in &rows {
            let whole = event[*member].take();
            event[*member] = value.clone();
            let expected = IssuerEvent { door: EventSource::Http, ask: Err(IssuanceError::Event) };
            assert_eq!(IssuerEvent::read(&event.to_string()), expected, "{name}: {event}");
            event[*member] = whole;
        }
    }
    let mut rest = rest("POST", "/token");
    rest["requestContext"]["identity"] = json!(null);
    assert_eq!(
        IssuerEvent::read(&rest.to_string()).ask,
        Err(IssuanceError::Event),
        "a null identity"
    );
    let mut http = http("POST", "/token");
    http["isBase64Encoded"] = json!(null);
    assert_eq!(
        IssuerEvent::read(&http.to_string()).ask,
        Err(IssuanceError::Event),
        "a null encoding"
    );
}

#[test]
fn refusal_does_not_quote_the_header_that_the_error_quotes() {
    let mut event = rest("POST", "/token");
    event["headers"] = json!({"Authorization": "secret\n"});
    let error = serde_json::from_str::<ApiGatewayProxyRequest>(&event.to_string()).unwrap_err();
    assert!(error.to_string().contains("secret"), "{error}");
    let refusal = IssuerEvent::read(&event.to_string()).ask.unwrap_err();
    assert_eq!(refusal.to_string(), "the event cannot be read");
    assert_eq!(refusal, IssuanceError::Event);
}

/// Nobody but API Gateway says who asks.
#[test]
fn callers_by_format() {
    let arn = "arn:aws:iam::123456789012:role/admin";
    let known = Some(Caller::Iam(arn.into()));
    let (iam, identity) = (json!({"iam": {"userArn": arn}}), json!({"userArn": arn}));
    let long = format!("arn:{}", "x".repeat(2045));
    let jwt = json!({"jwt": {"claims": {"iam": arn, "userArn": arn}, "scopes": null}});
    let rows = [
        ("REST", json!(null), identity.clone(), json!(null), known.clone()),
        ("REST, a Lambda authorizer's", json!(null), json!({}), iam.clone(), None),
        ("REST, by name", json!(null), json!({}), identity.clone(), None),
        ("REST, both", json!(null), identity.clone(), json!({"iam": "x"}), known.clone()),
        ("HTTP 1.0", json!("1.0"), identity.clone(), json!(null), known.clone()),
        ("HTTP 1.0, a Lambda authorizer's", json!("1.0"), json!({}), iam.clone(), None),
        ("HTTP 2.0", json!("2.0"), json!(null), iam.clone(), known),
        (
            "HTTP 2.0, a Lambda authorizer's",
            json!("2.0"),
            json!(null),
            json!({"lambda": {"iam": {"userArn": arn}, "userArn": arn}}),
            None,
        ),
        ("HTTP 2.0, by name", json!("2.0"), json!(null), identity.clone(), None),
        ("HTTP 2.0, a JWT authorizer's", json!("2.0"), json!(null), jwt, None),
        ("HTTP 2.0, in the other place", json!("2.0"), identity, json!(null), None),
        ("no ARN", json!(null), json!({"userArn": "admin"}), json!(null), None),
        ("too long", json!(null), json!({"userArn": long}), json!(null), None),
    ];
    for (name, version, identity, authorizer, expected) in rows {
        let event = json!({
            "version": version, "resource": "/token", "httpMethod": "POST", "body": "{}",
            "rawPath": "/token",
            "requestContext": {
                "identity": identity, "authorizer": authorizer, "httpMethod": "POST",
                "http": {"method": "POST"},
            },
        });
        let ask = expected.map(|caller| Operation::Token(caller, b"{}".to_vec()));
        let ask = ask.ok_or(IssuanceError::Anonymous);
        assert_eq!(
            IssuerEvent::read(&event.to_string()),
            IssuerEvent { door: EventSource::Http, ask },
            "{name}"
        );
    }
}

#[test]
fn routes_of_every_kind_of_api() {
    let rest_at = |resource: &str, path: &str, method: &str| {
        let mut event = rest(method, resource);
        event["path"] = path.into();
        event["requestContext"]["identity"]["userArn"] = json!(null);
        event
    };
    let http_at = |stage: &str, path: &str, method: &str| {
        let mut event = http(method, path);
        event["requestContext"]["stage"] = stage.into();
        event
    };
    let keys = Ok(Operation::Public(PublishedDocument::Keys));
    let jwks = "/.well-known/jwks.json";
    let mut anonymous = http_at("v1", "/token", "POST");
    anonymous["requestContext"]["authorizer"] = json!({"jwt": {"claims": {}}});
    let rows = [
        ("keys", rest_at(jwks, jwks, "GET"), keys.clone()),
        ("keys, greedy", rest_at("/{proxy+}", jwks, "GET"), keys.clone()),
        ("keys, by the default route", rest_at("$default", jwks, "GET"), keys.clone()),
        (
            "keys, with a base path",
            rest_at(jwks, "/base/.well-known/jwks.json", "HEAD"),
            keys.clone(),
        ),
        ("keys, posted", rest_at(jwks, jwks, "POST"), Err(IssuanceError::Method { allow: "GET" })),
        (
            "openid",
            rest_at("/.well-known/openid-configuration", "", "GET"),
            Ok(Operation::Public(PublishedDocument::OpenId)),
        ),
        (
            "metadata of a token endpoint that does not exist",
            rest_at("/.well-known/oauth-authorization-server", "", "GET"),
            Err(IssuanceError::NotFound),
        ),
        ("another document", rest_at("/.well-known/jwks", "", "GET"), Err(IssuanceError::NotFound)),
        ("a token for nobody", rest_at("/token", "/token", "POST"), Err(IssuanceError::Anonymous)),
        ("HTTP API", http_at("$default", "/token", "POST"), Ok(token("{}"))),
        ("HTTP API with a stage", http_at("v1", "/v1/token", "POST"), Ok(token("{}"))),
        (
            "HTTP API without it",
            http_at("v1", "/token", "GET"),
            Err(IssuanceError::Method { allow: "POST" }),
        ),
        (
            "HTTP API, another stage",
            http_at("v", "/v1/token", "POST"),
            Err(IssuanceError::NotFound),
        ),
        ("HTTP API, keys", http_at("$default", jwks, "GET"), keys),
        ("HTTP API for nobody", anonymous, Err(IssuanceError::Anonymous)),
        ("no method", json!({"requestContext": {}}), Err(IssuanceError::Event)),
        ("not an event", json!({"requestContext": []}), Err(IssuanceError::Event)),
        ("odd members", json!({"requestContext": {}, "resource": 1}), Err(IssuanceError::Event)),
    ];
    for (name, event, ask) in rows {
        assert_eq!(
            IssuerEvent::read(&event.to_string()),
            IssuerEvent { door: EventSource::Http, ask },
            "{name}"
        );
    }
}

/// The sample events in `events/`.
#[test]
fn sample_events_are_those_of_the_published_types() {
    let mut proxy_events = 0;
    for entry in fs::read_dir(EVENTS).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let event = IssuerEvent::read(&text);
        let published = serde_json::from_str::<ApiGatewayProxyRequest>(&text);
        match name {
            "issue-post-token" => {
                let published = published.unwrap();
                let arn = published.request_context.identity.user_arn.clone().unwrap();
                let body = published.body.clone().unwrap().into_bytes();
                assert_eq!(event.ask, Ok(Operation::Token(Caller::Iam(arn), body)));
                assert_eq!(IssuerEvent::read(&serde_json::to_string(&published).unwrap()), event);
                proxy_events += 1;
            }
            "issue-jwks" => {
                assert_eq!(event.ask, Ok(Operation::Public(PublishedDocument::Keys)));
                let published = serde_json::to_string(&published.unwrap()).unwrap();
                assert_eq!(IssuerEvent::read(&published), event);
                proxy_events += 1;
            }
            // Events with a requestContext for the authorizer, which ask the issuer for nothing.
            "authorize-expired"
            | "authorize-no-credentials"
            | "authorize-http-api"
            | "authorize-websocket" => {
                assert!(event.door == EventSource::Http && event.ask.is_err(), "{name}");
            }
            "issue-invoke" | "authorize-token" | "rotate" => {
                let ask = Ok(Operation::Token(Caller::Invoke, text.clone().into_bytes()));
                assert_eq!(event, IssuerEvent { door: EventSource::Invoke, ask }, "{name}");
                assert!(published.is_err(), "{name}");
            }
            _ => panic!("{name} is in no row"),
        }
    }
    assert_eq!(proxy_events, 2);
}

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events");
