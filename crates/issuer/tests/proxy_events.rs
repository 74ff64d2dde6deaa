//! Proxy events of API Gateway: which operation the issuer reads from each, and which it refuses.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;

use aws_lambda_events::apigw::{
    ApiGatewayProxyRequest, ApiGatewayRequestAuthorizer, ApiGatewayRequestAuthorizerIamDescription,
    ApiGatewayV2httpRequest,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use issuer::{
    EventSource, IssuanceError, IssuerEvent, MAX_REQUEST_BYTES, OAuthError, Operation,
    PublishedDocument, Routes,
};
use policy::issuance::Caller;
use serde_json::{Value, json};

const ARN: &str = "arn:aws:iam::123456789012:user/a";

/// An event of a REST API, with the user [`ARN`] as the caller.
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

/// An event of an HTTP API with format 2.0, with the same caller.
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

/// Reads an event of the function with IAM authorization.
fn read(event: &str) -> IssuerEvent {
    IssuerEvent::read(event, Routes::Iam)
}

fn issue_token(body: &str) -> Operation {
    Operation::IssueToken(Caller::Iam(ARN.into()), body.as_bytes().to_vec())
}

#[test]
fn invalid_content_type_body_or_route_is_refused() {
    let json = Some("application/json; charset=utf-8");
    let form = Some("application/x-www-form-urlencoded");
    let wrong_method = Err(IssuanceError::MethodNotAllowed { allow: "POST" });
    let rows = [
        ("request", "/token", "POST", json, Some("{}"), false, Ok(issue_token("{}"))),
        ("no content type", "/token", "POST", None, Some("{}"), false, Ok(issue_token("{}"))),
        ("base64 body", "/token", "POST", json, Some("e30="), true, Ok(issue_token("{}"))),
        (
            "base64 without padding",
            "/token",
            "POST",
            json,
            Some("e30"),
            true,
            Err(IssuanceError::UnreadableBody),
        ),
        ("no body", "/token", "POST", json, None, false, Err(IssuanceError::UnreadableBody)),
        (
            "form",
            "/token",
            "POST",
            form,
            Some("a=b"),
            false,
            Ok(Operation::GrantToCaller(Caller::Iam(ARN.into()), b"a=b".to_vec())),
        ),
        (
            "JSON as a form",
            "/token",
            "POST",
            form,
            Some(" {}"),
            false,
            Err(IssuanceError::UnsupportedMediaType),
        ),
        (
            "another content type",
            "/token",
            "POST",
            Some("text/plain"),
            Some("{}"),
            false,
            Err(IssuanceError::UnsupportedMediaType),
        ),
        (
            "form in another encoding",
            "/token",
            "POST",
            Some("application/x-www-form-urlencoded; charset=utf-16"),
            Some("a=b"),
            false,
            Err(IssuanceError::UnsupportedMediaType),
        ),
        (
            "content type not in ASCII",
            "/token",
            "POST",
            Some("ä"),
            Some("{}"),
            false,
            Err(IssuanceError::UnsupportedMediaType),
        ),
        ("wrong method", "/token", "GET", None, None, false, wrong_method),
        ("unknown path", "/tokens", "POST", json, Some("{}"), false, Err(IssuanceError::NotFound)),
    ];
    for (name, path, method, content_type, body, is_base64, operation) in rows {
        for mut event in [rest(method, path), http(method, path)] {
            let headers = content_type.map(|value| json!({"content-TYPE": value}));
            event["headers"] = headers.unwrap_or_default();
            event["body"] = body.into();
            event["isBase64Encoded"] = is_base64.into();
            let is_oauth = matches!(
                operation,
                Ok(Operation::GrantToCaller(..)) | Err(IssuanceError::OAuth(_))
            );
            let source = if is_oauth { EventSource::OAuth } else { EventSource::Http };
            let expected = IssuerEvent::new(source, operation.clone());
            assert_eq!(read(&event.to_string()), expected, "{name}: {event}");
        }
    }
}

/// Every body is valid JSON, so only its length can be refused.
#[test]
fn body_over_64_kib_is_refused_in_both_formats_and_encodings() {
    let padded = |bytes: usize| format!("{{{}}}", " ".repeat(bytes - 2));
    // The padding of base64 depends on the length modulo three.
    for bytes in MAX_REQUEST_BYTES - 2..=MAX_REQUEST_BYTES + 3 {
        let body = padded(bytes);
        for mut event in [rest("POST", "/token"), http("POST", "/token")] {
            for is_base64 in [false, true] {
                event["isBase64Encoded"] = is_base64.into();
                event["body"] =
                    if is_base64 { STANDARD.encode(&body).into() } else { body.as_str().into() };
                let expected = if bytes <= MAX_REQUEST_BYTES {
                    Ok(issue_token(&body))
                } else {
                    Err(IssuanceError::RequestTooLarge)
                };
                let operation = read(&event.to_string()).operation;
                let error = operation.as_ref().err();
                assert!(operation == expected, "{bytes} bytes, base64: {is_base64}: {error:?}");
            }
        }
    }
    assert_eq!(IssuanceError::RequestTooLarge.status(), 413);
}

#[test]
fn body_of_64_kib_is_accepted_even_if_json_escapes_every_byte() {
    let body = "\0".repeat(MAX_REQUEST_BYTES);
    for mut event in [rest("POST", "/token"), http("POST", "/token")] {
        event["body"] = body.as_str().into();
        let text = event.to_string();
        assert!(text.len() > 6 * MAX_REQUEST_BYTES);
        assert!(read(&text).operation == Ok(issue_token(&body)));
    }
}

/// The published types store the whole context of an authorizer, in many times the memory of its text.
#[test]
fn event_longer_than_the_maximum_is_refused_before_it_is_parsed() {
    for mut event in [rest("POST", "/token"), http("POST", "/token")] {
        event["requestContext"]["authorizer"]["lambda"] = json!({"x": vec![0; 300_000]});
        // Parsing would fail with another error.
        event["headers"] = json!({"X": null});
        assert_eq!(read(&event.to_string()).operation, Err(IssuanceError::RequestTooLarge));
    }
}

#[test]
fn lone_surrogate_in_a_header_is_ignored() {
    for mut event in [rest("POST", "/token"), http("POST", "/token")] {
        event["headers"] = json!({"x": "?"});
        let event = event.to_string().replace('?', "\\ud800");
        assert_eq!(read(&event).operation, Ok(issue_token("{}")), "{event}");
    }
}

#[test]
fn content_type_is_read_from_both_header_maps() {
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    let rows = [
        ("JSON in both", json!({"Content-Type": json}), json!({"Content-Type": [json]}), true),
        ("text in headers", json!({"Content-Type": "text/plain"}), json!(null), false),
        ("text in multiValueHeaders", json!({}), json!({"CONTENT-TYPE": ["text/plain"]}), false),
        ("form as second value", json!({"a": json}), json!({"content-type": [json, form]}), false),
        (
            "two names that differ in case",
            json!(null),
            json!({"Content-Type": [form], "content-type": [json]}),
            false,
        ),
    ];
    for (name, headers, multi_value_headers, is_accepted) in rows {
        let mut event = rest("POST", "/token");
        event["headers"] = headers;
        event["multiValueHeaders"] = multi_value_headers;
        let expected = if is_accepted {
            Ok(issue_token("{}"))
        } else {
            Err(IssuanceError::UnsupportedMediaType)
        };
        assert_eq!(read(&event.to_string()).operation, expected, "{name}");
    }
}

#[test]
fn events_that_the_published_types_cannot_read_are_refused() {
    let rows = [
        ("null header", "headers", json!({"X": null})),
        ("header that is a number", "headers", json!({"X": 1})),
        ("header that is an object", "headers", json!({"X": {}})),
        ("header with a control character", "headers", json!({"X": "secret\n"})),
        ("header name with a space", "headers", json!({"X Y": "a"})),
        ("headers in an array", "headers", json!(["a"])),
        ("context in an array", "requestContext", json!([])),
        ("empty context", "requestContext", json!({})),
        ("body that is a number", "body", json!(1)),
        ("isBase64Encoded that is a string", "isBase64Encoded", json!("false")),
        ("unknown version", "version", json!("3.0")),
        ("version that is a number", "version", json!(2.0)),
    ];
    for mut event in [rest("POST", "/token"), http("POST", "/token")] {
        assert_eq!(read(&event.to_string()).operation, Ok(issue_token("{}")));
        for (name, member, value) in &rows {
            let original = event[*member].take();
            event[*member] = value.clone();
            let operation = Err(IssuanceError::MalformedEvent);
            let expected = IssuerEvent::new(EventSource::Http, operation);
            assert_eq!(read(&event.to_string()), expected, "{name}: {event}");
            event[*member] = original;
        }
    }
    let mut rest = rest("POST", "/token");
    rest["requestContext"]["identity"] = json!(null);
    assert_eq!(
        read(&rest.to_string()).operation,
        Err(IssuanceError::MalformedEvent),
        "null identity"
    );
    let mut http = http("POST", "/token");
    http["isBase64Encoded"] = json!(null);
    assert_eq!(
        read(&http.to_string()).operation,
        Err(IssuanceError::MalformedEvent),
        "null isBase64Encoded"
    );
}

#[test]
fn error_does_not_quote_the_header_that_the_parser_quotes() {
    let mut event = rest("POST", "/token");
    event["headers"] = json!({"Authorization": "secret\n"});
    let error = serde_json::from_str::<ApiGatewayProxyRequest>(&event.to_string()).unwrap_err();
    assert!(error.to_string().contains("secret"), "{error}");
    let refusal = read(&event.to_string()).operation.unwrap_err();
    assert_eq!(refusal.to_string(), "the event is not a valid proxy event of API Gateway");
    assert_eq!(refusal, IssuanceError::MalformedEvent);
}

/// The caller is read only from the members that API Gateway itself writes.
#[test]
fn caller_is_read_from_the_iam_identity_of_each_format() {
    let arn = "arn:aws:iam::123456789012:role/admin";
    let caller = Some(Caller::Iam(arn.into()));
    let (iam, identity) = (json!({"iam": {"userArn": arn}}), json!({"userArn": arn}));
    let long = format!("arn:{}", "x".repeat(2045));
    let jwt = json!({"jwt": {"claims": {"iam": arn, "userArn": arn}, "scopes": null}});
    let rows = [
        ("REST", json!(null), identity.clone(), json!(null), caller.clone()),
        ("REST, iam in the authorizer context", json!(null), json!({}), iam.clone(), None),
        ("REST, userArn in the authorizer context", json!(null), json!({}), identity.clone(), None),
        (
            "REST, identity and authorizer context",
            json!(null),
            identity.clone(),
            json!({"iam": "x"}),
            caller.clone(),
        ),
        ("HTTP 1.0", json!("1.0"), identity.clone(), json!(null), caller.clone()),
        ("HTTP 1.0, iam in the authorizer context", json!("1.0"), json!({}), iam.clone(), None),
        ("HTTP 2.0", json!("2.0"), json!(null), iam.clone(), caller),
        (
            "HTTP 2.0, iam in the Lambda authorizer's context",
            json!("2.0"),
            json!(null),
            json!({"lambda": {"iam": {"userArn": arn}, "userArn": arn}}),
            None,
        ),
        (
            "HTTP 2.0, userArn in the authorizer member",
            json!("2.0"),
            json!(null),
            identity.clone(),
            None,
        ),
        ("HTTP 2.0, iam in the claims of a JWT authorizer", json!("2.0"), json!(null), jwt, None),
        ("HTTP 2.0, identity of format 1.0", json!("2.0"), identity, json!(null), None),
        ("not an ARN", json!(null), json!({"userArn": "admin"}), json!(null), None),
        ("ARN too long", json!(null), json!({"userArn": long}), json!(null), None),
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
        let operation = expected.map(|caller| Operation::IssueToken(caller, b"{}".to_vec()));
        let operation = operation.ok_or(IssuanceError::UnknownCaller);
        assert_eq!(
            read(&event.to_string()),
            IssuerEvent::new(EventSource::Http, operation),
            "{name}"
        );
    }
}

#[test]
fn routes_are_found_in_every_event_format() {
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
    let keys = Ok(Operation::Publish(PublishedDocument::Keys));
    let jwks = "/.well-known/jwks.json";
    let mut anonymous = http_at("v1", "/token", "POST");
    anonymous["requestContext"]["authorizer"] = json!({"jwt": {"claims": {}}});
    let rows = [
        ("keys", rest_at(jwks, jwks, "GET"), keys.clone()),
        ("keys, by a greedy route", rest_at("/{proxy+}", jwks, "GET"), keys.clone()),
        ("keys, by the default route", rest_at("$default", jwks, "GET"), keys.clone()),
        (
            "keys, with a base path",
            rest_at(jwks, "/base/.well-known/jwks.json", "HEAD"),
            keys.clone(),
        ),
        (
            "keys, with POST",
            rest_at(jwks, jwks, "POST"),
            Err(IssuanceError::MethodNotAllowed { allow: "GET" }),
        ),
        (
            "openid",
            rest_at("/.well-known/openid-configuration", "", "GET"),
            Ok(Operation::Publish(PublishedDocument::OpenId)),
        ),
        (
            "oauth",
            rest_at("/.well-known/oauth-authorization-server", "", "GET"),
            Ok(Operation::Publish(PublishedDocument::OAuth)),
        ),
        ("unknown document", rest_at("/.well-known/jwks", "", "GET"), Err(IssuanceError::NotFound)),
        (
            "token without a caller",
            rest_at("/token", "/token", "POST"),
            Err(IssuanceError::UnknownCaller),
        ),
        ("HTTP API", http_at("$default", "/token", "POST"), Ok(issue_token("{}"))),
        ("HTTP API with a stage", http_at("v1", "/v1/token", "POST"), Ok(issue_token("{}"))),
        (
            "HTTP API with a stage that is not in the path",
            http_at("v1", "/token", "GET"),
            Err(IssuanceError::MethodNotAllowed { allow: "POST" }),
        ),
        (
            "HTTP API, path with another stage",
            http_at("v", "/v1/token", "POST"),
            Err(IssuanceError::NotFound),
        ),
        ("HTTP API, keys", http_at("$default", jwks, "GET"), keys),
        ("HTTP API without a caller", anonymous, Err(IssuanceError::UnknownCaller)),
        ("empty context", json!({"requestContext": {}}), Err(IssuanceError::MalformedEvent)),
        ("context in an array", json!({"requestContext": []}), Err(IssuanceError::MalformedEvent)),
        (
            "resource that is a number",
            json!({"requestContext": {}, "resource": 1}),
            Err(IssuanceError::MalformedEvent),
        ),
    ];
    for (name, event, operation) in rows {
        assert_eq!(
            read(&event.to_string()),
            IssuerEvent::new(EventSource::Http, operation),
            "{name}"
        );
    }
}

/// No request reaches the routes of the other function, with or without an IAM identity.
#[test]
fn function_refuses_the_routes_of_the_other_function() {
    let form = b"a=b".to_vec();
    let grant = Ok(Operation::GrantForAssertion { form: form.clone(), authorization: None });
    let (not_found, only_post) =
        (Err(IssuanceError::NotFound), Err(IssuanceError::MethodNotAllowed { allow: "POST" }));
    let no_response_type: Result<Operation, _> = Err(OAuthError::ResponseType.into());
    let caller = Ok(Operation::GrantToCaller(Caller::Iam(ARN.into()), form.clone()));
    let keys = Ok(Operation::Publish(PublishedDocument::Keys));
    let rows = [
        ("POST", "/oauth2/token", not_found.clone(), grant),
        ("GET", "/oauth2/token", not_found.clone(), only_post),
        ("GET", "/oauth2/authorize", not_found.clone(), no_response_type.clone()),
        ("POST", "/oauth2/authorize", not_found.clone(), no_response_type),
        ("POST", "/token", caller, not_found.clone()),
        ("POST", "/oauth2/token/", not_found.clone(), not_found.clone()),
        ("POST", "/", not_found.clone(), not_found.clone()),
        ("GET", "/.well-known/jwks.json", keys, not_found),
    ];
    for (method, path, iam, oauth) in rows {
        for mut event in [rest(method, path), http(method, path)] {
            let headers = json!({"Content-Type": "application/x-www-form-urlencoded"});
            (event["headers"], event["body"]) = (headers, "a=b".into());
            let event = event.to_string();
            assert_eq!(read(&event).operation, iam, "iam {method} {path}");
            let IssuerEvent { source, operation, .. } = IssuerEvent::read(&event, Routes::OAuth);
            assert_eq!(source, EventSource::OAuth);
            assert_eq!(operation, oauth, "oauth2 {method} {path}");
        }
    }
    let mut event = rest("POST", "/oauth2/token");
    event["body"] = "a=b".into();
    for name in ["authorization", "Authorization"] {
        for member in ["headers", "multiValueHeaders"] {
            let mut event = event.clone();
            event["headers"] = json!({"Content-Type": "application/x-www-form-urlencoded"});
            event[member][name] =
                if member == "headers" { json!("Basic YTpi") } else { json!(["Basic YTpi"]) };
            let IssuerEvent { source, operation, .. } =
                IssuerEvent::read(&event.to_string(), Routes::OAuth);
            assert_eq!(source, EventSource::OAuth);
            let Ok(Operation::GrantForAssertion { authorization, .. }) = operation else {
                panic!("{member} {name}: {operation:?}")
            };
            assert!(authorization.is_some(), "{member} {name}");
        }
    }
}

#[test]
fn forms_in_another_place_or_type_are_refused() {
    let form = "application/x-www-form-urlencoded";
    let (media_type, query) = (OAuthError::MediaType, OAuthError::Query);
    let rows = [
        ("JSON", json!({"Content-Type": "application/json"}), json!(null), media_type.clone()),
        ("no content type", json!({}), json!(null), media_type.clone()),
        (
            "another encoding",
            json!({"Content-Type": "application/x-www-form-urlencoded; charset=latin1"}),
            json!(null),
            media_type,
        ),
        ("a query", json!({"Content-Type": form}), json!({"scope": "a"}), query.clone()),
        ("an empty parameter", json!({"Content-Type": form}), json!({"a": ""}), query),
    ];
    for (name, headers, parameters, expected) in rows {
        for mut event in [rest("POST", "/oauth2/token"), http("POST", "/oauth2/token")] {
            event["headers"] = headers.clone();
            event["queryStringParameters"] = parameters.clone();
            event["body"] = "grant_type=a".into();
            let IssuerEvent { source, operation, .. } =
                IssuerEvent::read(&event.to_string(), Routes::OAuth);
            assert_eq!(source, EventSource::OAuth);
            assert_eq!(operation, Err(expected.clone().into()), "{name}: {event}");
        }
    }
    for path in ["/token", "/oauth2/token"] {
        let routes = if path == "/token" { Routes::Iam } else { Routes::OAuth };
        let mut rest = rest("POST", path);
        rest["multiValueQueryStringParameters"] = json!({"scope": ["a"]});
        let mut http = http("POST", path);
        http["rawQueryString"] = json!("scope");
        for mut event in [rest, http] {
            event["headers"] = json!({"Content-Type": form});
            event["body"] = "grant_type=a".into();
            let operation = IssuerEvent::read(&event.to_string(), routes).operation;
            assert_eq!(operation, Err(OAuthError::Query.into()), "{event}");
        }
    }
}

/// The sample events in `events/`.
#[test]
fn sample_events_are_read_like_their_published_types() {
    let mut proxy_events = 0;
    for entry in fs::read_dir(EVENTS).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let event = read(&text);
        let published = serde_json::from_str::<ApiGatewayProxyRequest>(&text);
        match name {
            "issue-post-token" => {
                let published = published.unwrap();
                let arn = published.request_context.identity.user_arn.clone().unwrap();
                let body = published.body.clone().unwrap().into_bytes();
                assert_eq!(event.facts.caller.as_deref(), Some(&*arn));
                assert_eq!(event.operation, Ok(Operation::IssueToken(Caller::Iam(arn), body)));
                assert_eq!(read(&serde_json::to_string(&published).unwrap()), event);
                proxy_events += 1;
            }
            "issue-jwks" => {
                assert_eq!(event.facts.caller, None, "anyone may ask for the keys");
                assert_eq!(event.operation, Ok(Operation::Publish(PublishedDocument::Keys)));
                let published = serde_json::to_string(&published.unwrap()).unwrap();
                assert_eq!(read(&published), event);
                proxy_events += 1;
            }
            // Authorizer events have a requestContext too, but stand for no operation of the issuer.
            "authorize-expired"
            | "authorize-no-credentials"
            | "authorize-http-api"
            | "authorize-websocket" => {
                assert!(event.source == EventSource::Http && event.operation.is_err(), "{name}");
            }
            "issue-invoke" | "authorize-token" | "rotate" => {
                assert_eq!(event.facts.caller.as_deref(), Some("invoke"), "{name}");
                let operation =
                    Ok(Operation::IssueToken(Caller::Invoke, text.clone().into_bytes()));
                assert_eq!(event, IssuerEvent::new(EventSource::Invoke, operation), "{name}");
                assert!(published.is_err(), "{name}");
            }
            _ => panic!("{name} has no match arm"),
        }
    }
    assert_eq!(proxy_events, 2);
}

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events");
