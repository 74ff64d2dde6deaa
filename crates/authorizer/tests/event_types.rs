//! Why the authorizer does not read events with the types of `aws_lambda_events`: each test shows what a type loses
//! or cannot read, and what the authorizer reads. Where both can read an event, they agree.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::fs;

use authorizer::{AuthorizerEvent, CacheScope, EventFormat, MalformedEvent};
use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequest as Token,
    ApiGatewayCustomAuthorizerRequestTypeRequest as Rest,
    ApiGatewayCustomAuthorizerRequestTypeRequestIdentity as Identity,
    ApiGatewayV2CustomAuthorizerV1Request as Http1, ApiGatewayV2CustomAuthorizerV2Request as Http2,
};
use serde_json::{Value, json};

const STAGE: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1";
const BEARER: &str = "Bearer a.b.c";

/// An event for a REST API, built from its published type.
fn rest() -> Value {
    let mut event = Rest::default();
    event.type_ = Some("REQUEST".into());
    event.method_arn = Some(format!("{STAGE}/GET/whoami"));
    event.http_method = Some("GET".parse().unwrap());
    event.headers.insert("authorization", BEARER.parse().unwrap());
    event.multi_value_headers = event.headers.clone();
    event.request_context.http_method = Some("GET".parse().unwrap());
    event.request_context.identity = Some(Identity::default());
    json!(event)
}

fn token() -> Value {
    let mut event = Token::default();
    event.type_ = Some("TOKEN".into());
    event.method_arn = Some(format!("{STAGE}/GET/whoami"));
    event.authorization_token = Some(BEARER.into());
    json!(event)
}

fn http1() -> Value {
    let mut event = Http1::default();
    event.type_ = Some("REQUEST".into());
    event.version = Some("1.0".into());
    event.method_arn = Some(format!("{STAGE}/GET/whoami"));
    event.headers.insert("authorization", BEARER.parse().unwrap());
    event.identity_source = Some(BEARER.into());
    json!(event)
}

fn http2() -> Value {
    let mut event = Http2::default();
    event.type_ = Some("REQUEST".into());
    event.version = Some("2.0".into());
    event.route_arn = Some(format!("{STAGE}/GET/whoami"));
    event.route_key = Some("GET /whoami".into());
    event.headers.insert("authorization", BEARER.parse().unwrap());
    event.identity_source = Some(vec![BEARER.into(), "GET /whoami".into()]);
    json!(event)
}

fn web_socket() -> Value {
    let mut event = rest();
    event["methodArn"] = format!("{STAGE}/$connect").into();
    event["httpMethod"].take();
    event
}

fn read(event: &Value) -> Result<AuthorizerEvent, MalformedEvent> {
    event.to_string().parse()
}

fn published<'de, T: serde::Deserialize<'de>>(event: &'de str) -> Result<T, String> {
    serde_json::from_str(event).map_err(|error| error.to_string())
}

fn with(mut event: Value, member: &str, value: Value) -> Value {
    event[member] = value;
    event
}

#[test]
fn events_built_from_the_published_types_are_read() {
    let by_route = || CacheScope::ByRoute("GET /whoami".into());
    let rows = [
        ("REST", rest(), EventFormat::Rest, CacheScope::Never),
        ("TOKEN", token(), EventFormat::RestToken, CacheScope::Never),
        ("HTTP 1.0", http1(), EventFormat::Http1, CacheScope::ByIdentity),
        ("HTTP 2.0", http2(), EventFormat::Http2, by_route()),
        ("WebSocket", web_socket(), EventFormat::WebSocket, CacheScope::Never),
    ];
    for (name, event, kind, cache_scope) in rows {
        let request = read(&event).unwrap();
        let route = if kind == EventFormat::WebSocket { "$connect" } else { "GET /whoami" };
        assert_eq!((request.format, request.cache_scope), (kind, cache_scope), "{name}");
        assert_eq!(request.route.to_string(), route, "{name}");
        assert_eq!(request.authorization, [BEARER], "{name}");
        assert_eq!(request.stage.resource("*"), format!("{STAGE}/*"), "{name}");
    }
}

/// The sample events in `events/`.
#[test]
fn sample_events_are_read_like_their_published_types() {
    fn through_published_type<'de, T: serde::Deserialize<'de> + serde::Serialize>(
        text: &'de str,
    ) -> AuthorizerEvent {
        read(&json!(published::<T>(text).unwrap())).unwrap()
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events");
    let mut kinds = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let rewritten = match name {
            "authorize-expired" | "authorize-no-credentials" | "authorize-websocket" => {
                through_published_type::<Rest>(&text)
            }
            "authorize-http-api" => through_published_type::<Http2>(&text),
            "authorize-token" => through_published_type::<Token>(&text),
            "issue-invoke" | "issue-jwks" | "issue-post-token" | "rotate" => {
                assert_eq!(
                    text.parse::<AuthorizerEvent>(),
                    Err(MalformedEvent::UnsupportedType),
                    "{name}"
                );
                continue;
            }
            _ => panic!("{name} has no match arm"),
        };
        let request: AuthorizerEvent = text.parse().unwrap();
        assert!(request == rewritten, "{name}");
        kinds.push(request.format.to_string());
    }
    kinds.sort();
    let rest = "REST API, REQUEST";
    assert_eq!(kinds, ["HTTP API, format 2.0", rest, rest, "REST API, TOKEN", "WebSocket API"]);
}

#[test]
fn published_types_keep_one_of_two_headers_that_differ_in_case() {
    let headers = json!({"Authorization": "Bearer first", "authorization": "Bearer second"});
    let [rest, http1, http2] = [rest(), http1(), http2()].map(|event| {
        with(with(event, "multiValueHeaders", json!(null)), "headers", headers.clone())
    });
    let texts = [&rest, &http1, &http2].map(Value::to_string);
    let found = [
        published::<Rest>(&texts[0]).unwrap().headers,
        published::<Http1>(&texts[1]).unwrap().headers,
        published::<Http2>(&texts[2]).unwrap().headers,
    ];
    for headers in found {
        let values: Vec<_> = headers.get_all("authorization").iter().collect();
        assert_eq!(values, ["Bearer second"]);
    }
    for event in [rest, http1, http2] {
        let mut values = read(&event).unwrap().authorization;
        values.sort();
        assert_eq!(values, ["Bearer first", "Bearer second"], "{event}");
    }
}

#[test]
fn published_type_for_rest_apis_reads_format_1_alike() {
    let format_1 = with(rest(), "version", json!("1.0"));
    let [rest_text, format_1_text] = [&rest(), &format_1].map(Value::to_string);
    assert_eq!(published::<Rest>(&rest_text), published::<Rest>(&format_1_text));
    assert_eq!(read(&rest()).unwrap().format, EventFormat::Rest);
    assert_eq!(read(&format_1).unwrap().format, EventFormat::Http1);
}

#[test]
fn published_type_for_format_1_has_no_multi_value_headers() {
    let mut event = http1();
    event["multiValueHeaders"] = json!({"Authorization": ["Bearer first", BEARER]});
    let text = event.to_string();
    let rewritten = json!(published::<Http1>(&text).unwrap());
    assert_eq!(
        (&rewritten["version"], &rewritten["multiValueHeaders"]),
        (&json!("1.0"), &json!(null))
    );
    assert_eq!(read(&rewritten).unwrap().authorization, [BEARER]);
    assert_eq!(read(&event).unwrap().authorization, ["Bearer first", BEARER]);
}

#[test]
fn published_types_read_events_of_other_formats() {
    for (event, kind) in
        [(rest(), EventFormat::Rest), (http2(), EventFormat::Http2), (http1(), EventFormat::Http1)]
    {
        let text = event.to_string();
        assert!(published::<Token>(&text).is_ok_and(|event| event.authorization_token.is_none()));
        let as_rest = published::<Rest>(&text).unwrap();
        assert_eq!(as_rest.method_arn.is_some(), kind != EventFormat::Http2, "routeArn is lost");
        assert_eq!(read(&event).unwrap().format, kind);
    }
    assert!(published::<Token>("{}").is_ok());
    assert_eq!(read(&json!({})), Err(MalformedEvent::UnsupportedType));
}

#[test]
fn published_types_fail_on_null() {
    let rows: [(_, fn() -> Value, _); 8] = [
        ("headers", http1, json!(null)),
        ("headers", http2, json!(null)),
        ("cookies", http2, json!(null)),
        ("requestContext", rest, json!(null)),
        ("requestContext", http1, json!(null)),
        ("requestContext", http2, json!(null)),
        ("queryStringParameters", http2, json!({"a": null})),
        ("identitySource", http2, json!([BEARER, null])),
    ];
    for (member, event, value) in rows {
        let original = event();
        let kind = read(&original).unwrap().format;
        let event = with(original.clone(), member, value);
        let [original, text] = [&original, &event].map(Value::to_string);
        let is_readable = |text: &str| match kind {
            EventFormat::Rest => published::<Rest>(text).is_ok(),
            EventFormat::Http1 => published::<Http1>(text).is_ok(),
            _ => published::<Http2>(text).is_ok(),
        };
        assert!(is_readable(&original) && !is_readable(&text), "{kind}, {member}");
        let request = read(&event).unwrap();
        let no_headers = Vec::<String>::new();
        let expected = if member == "headers" { no_headers } else { vec![BEARER.to_owned()] };
        assert_eq!((request.format, request.authorization), (kind, expected), "{kind}, {member}");
    }
}

#[test]
fn published_types_fail_on_unexpected_types() {
    let headers = [
        ("null", json!({"Authorization": BEARER, "X": null})),
        ("number", json!({"Authorization": BEARER, "X": 1})),
        ("object", json!({"Authorization": BEARER, "X": {}})),
        ("control character", json!({"Authorization": BEARER, "X": "a\n"})),
        ("name with a space", json!({"Authorization": BEARER, "X Y": "a"})),
    ];
    for (name, headers) in headers {
        let [rest, http1, http2] =
            [rest(), http1(), http2()].map(|event| with(event, "headers", headers.clone()));
        let in_both = with(self::rest(), "multiValueHeaders", headers);
        let texts = [&rest, &in_both, &http1, &http2].map(Value::to_string);
        assert!(published::<Rest>(&texts[0]).is_err(), "{name}");
        assert!(published::<Rest>(&texts[1]).is_err(), "{name}");
        assert!(published::<Http1>(&texts[2]).is_err(), "{name}");
        assert!(published::<Http2>(&texts[3]).is_err(), "{name}");
        for event in [rest, in_both, http1, http2] {
            assert_eq!(read(&event).unwrap().authorization, [BEARER], "{name}: {event}");
        }
    }

    let event = with(token(), "authorizationToken", json!([BEARER, BEARER]));
    assert!(published::<Token>(&event.to_string()).is_err());
    assert_eq!(read(&event).unwrap().authorization, [BEARER, BEARER]);

    let event = with(http2(), "routeKey", json!(1));
    assert!(published::<Http2>(&event.to_string()).is_err());
    assert_eq!(read(&event).unwrap().cache_scope, CacheScope::ByIdentity);
}

#[test]
fn published_types_quote_the_token_in_errors() {
    let header = with(rest(), "headers", json!({"Authorization": "Bearer secret\n"}));
    let source = with(http2(), "identitySource", json!("Bearer secret"));
    let texts = [&header, &source].map(Value::to_string);
    let errors =
        [published::<Rest>(&texts[0]).unwrap_err(), published::<Http2>(&texts[1]).unwrap_err()];
    for error in errors {
        assert!(error.contains("Bearer secret"), "{error}");
    }
    assert!(read(&header).is_ok() && read(&source).is_ok());

    let event = rest();
    assert!(format!("{:?}", published::<Rest>(&event.to_string()).unwrap()).contains(BEARER));
    assert!(!format!("{:?}", read(&event).unwrap()).contains(BEARER));
    let error = read(&with(event, "type", json!({"a": BEARER}))).unwrap_err();
    assert_eq!(
        (error, &*error.to_string()),
        (
            MalformedEvent::Unreadable,
            "the event is not a JSON object, or its type, version or ARN is not a string"
        )
    );
}
