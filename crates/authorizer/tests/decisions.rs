//! The decisions and the responses: what the authorizer decides on each request, whether it calls the verifier,
//! and what API Gateway gets.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{
    pin::pin,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll, Waker},
};

use authorizer::{
    AuthorizerConfig, AuthorizerEvent, Check, CredentialSources, Decision, HttpApiResponse,
    MalformedEvent, Refusal, ResponseError, Subprotocol, decide, response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::{Rejection, SignedParts, TokenCheck, UnixTime, Verifier};
use policy::access::ForbidReason;
use serde_json::{Value, json};

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1/GET/whoami";

fn config() -> AuthorizerConfig {
    AuthorizerConfig::new(jwt::Validation::new(Some("countersign".into()), Some(vec![])))
}

fn with_rules(rules: &Value) -> AuthorizerConfig {
    AuthorizerConfig { rules: Some(rules.to_string().parse().unwrap()), ..config() }
}

/// Returns one result, and counts its calls.
struct FakeVerifier {
    result: Verified,
    calls: AtomicU32,
}

impl Verifier for FakeVerifier {
    type Error = &'static str;

    async fn verify(&self, _: &SignedParts<'_>) -> Verified {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.result
    }
}

/// The verdict of a verifier on a signature.
type Verified = Result<Result<(), Rejection>, &'static str>;

const VALID: Verified = Ok(Ok(()));
const INVALID: Verified = Ok(Err(Rejection::Signature));
const FAULT: Verified = Err("KMS is unreachable");

/// Decides with the default configuration. Returns the number of calls of the verifier too.
fn decide_by_default(
    request: &AuthorizerEvent,
    result: Verified,
) -> (Result<Decision, &'static str>, u32) {
    decide_with(&config(), request, result)
}

fn decide_with(
    config: &AuthorizerConfig,
    request: &AuthorizerEvent,
    result: Verified,
) -> (Result<Decision, &'static str>, u32) {
    let verifier = FakeVerifier { result, calls: AtomicU32::new(0) };
    let decision = {
        let mut decision = pin!(decide(request, config, NOW, &verifier));
        match decision.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(decision) => decision,
            Poll::Pending => panic!("the verifier never waits"),
        }
    };
    (decision, verifier.calls.into_inner())
}

/// The response to a request with a valid token.
fn respond(config: &AuthorizerConfig, request: &AuthorizerEvent) -> Result<Value, ResponseError> {
    let (Ok(decision), 1) = decide_with(config, request, VALID) else {
        panic!("the token is valid")
    };
    let response = response(request, &decision, config)?;
    Ok(serde_json::to_value(response.unwrap()).unwrap())
}

fn token(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode("signature"))
}

fn valid_token() -> String {
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "k"});
    token(&header, &json!({"iss": "countersign", "sub": "test-user", "exp": 1_800_000_001}))
}

fn bearer_with_claims(claims: &Value) -> String {
    format!("Bearer {}", token(&json!({"alg": "RS256"}), claims))
}

fn bearer_with_header(header: &Value) -> String {
    format!("Bearer {}", token(header, &json!({"iss": "countersign", "exp": 1_800_000_001})))
}

fn request(authorization: &[&str]) -> AuthorizerEvent {
    let headers =
        if authorization.is_empty() { json!({}) } else { json!({"Authorization": authorization}) };
    let event = json!({"type": "REQUEST", "methodArn": ARN, "multiValueHeaders": headers});
    event.to_string().parse().unwrap()
}

#[test]
fn requests_are_refused_without_calling_the_verifier() {
    let bearer = format!("Bearer {}", valid_token());
    let long = format!("Bearer {}.{}", valid_token(), "A".repeat(100 * 1024));
    let iss = "countersign";
    let rows = [
        ("no credentials", vec![], Refusal::NoCredentials),
        ("two headers", vec![bearer.clone(), bearer.clone()], Refusal::SeveralCredentials),
        ("Basic", vec!["Basic dXNlcjpwYXNz".into()], Refusal::NotBearer),
        ("Bearer twice", vec![format!("Bearer {bearer}")], Rejection::Encoding.into()),
        ("comma-joined", vec![format!("{bearer}, {bearer}")], Rejection::NotCompact.into()),
        ("no dots", vec!["Bearer token".into()], Rejection::NotCompact.into()),
        ("100 KB", vec![long], Rejection::TooLong.into()),
        (
            "alg none",
            vec![bearer_with_header(&json!({"alg": "none"}))],
            Rejection::UnsupportedAlgorithm.into(),
        ),
        (
            "HS256",
            vec![bearer_with_header(&json!({"alg": "HS256"}))],
            Rejection::UnsupportedAlgorithm.into(),
        ),
        (
            "key in the header",
            vec![bearer_with_header(&json!({"alg": "RS256", "jwk": {}}))],
            Rejection::Parameter("jwk").into(),
        ),
        (
            "crit",
            vec![bearer_with_header(&json!({"alg": "RS256", "crit": ["exp"]}))],
            Rejection::Parameter("crit").into(),
        ),
        (
            "wrong type",
            vec![bearer_with_header(&json!({"alg": "RS256", "typ": "at+jwt"}))],
            Rejection::Type.into(),
        ),
        ("no exp", vec![bearer_with_claims(&json!({"iss": iss}))], Rejection::NoExpiry.into()),
        (
            "exp is a string",
            vec![bearer_with_claims(&json!({"iss": iss, "exp": "1800000001"}))],
            Rejection::Claims.into(),
        ),
        (
            "exp is now",
            vec![bearer_with_claims(&json!({"iss": iss, "exp": 1_800_000_000}))],
            Rejection::Expired { at: NOW }.into(),
        ),
        (
            "wrong issuer",
            vec![bearer_with_claims(&json!({"iss": "them", "exp": 1_800_000_001}))],
            Rejection::Issuer.into(),
        ),
        (
            "wrong audience",
            vec![bearer_with_claims(&json!({"iss": iss, "exp": 1_800_000_001, "aud": "x"}))],
            Rejection::Audience.into(),
        ),
    ];
    for (name, authorization, expected) in rows {
        let authorization: Vec<&str> = authorization.iter().map(String::as_str).collect();
        let decided = decide_by_default(&request(&authorization), VALID);
        assert_eq!(decided, (Ok(expected.into()), 0), "{name}");
    }
}

/// Each row fails its check and all later ones.
#[test]
fn checks_run_in_their_order() {
    let claims = |text: &str| token_of_text(&json!({"alg": "RS256"}), text);
    let header = json!({"alg": "RS256", "typ": "JOSE"});
    let wrong = r#"{"exp": 1, "nbf": 9999999999, "iss": "them", "aud": "them", "sub": 1}"#;
    let rows = [
        (Check::Credentials, "Basic a".to_owned(), INVALID),
        (
            Check::Token(TokenCheck::Form),
            format!("Bearer {}.AAAA", token_of_text(&header, wrong)),
            INVALID,
        ),
        (
            Check::Token(TokenCheck::Header),
            format!("Bearer {}", token_of_text(&header, wrong)),
            INVALID,
        ),
        (Check::Token(TokenCheck::Claims), claims(wrong), INVALID),
        (Check::Token(TokenCheck::Time), claims(&wrong.replace(", \"sub\": 1", "")), INVALID),
        (
            Check::Token(TokenCheck::Issuer),
            claims(r#"{"exp": 1800000001, "iss": "them", "aud": "them"}"#),
            INVALID,
        ),
        (
            Check::Token(TokenCheck::Audience),
            claims(r#"{"exp": 1800000001, "iss": "countersign", "aud": "them"}"#),
            INVALID,
        ),
        (
            Check::Token(TokenCheck::Key),
            format!("Bearer {}", valid_token()),
            Ok(Err(Rejection::UnknownKey)),
        ),
        (Check::Token(TokenCheck::Signature), format!("Bearer {}", valid_token()), INVALID),
        (Check::Revocations, format!("Bearer {}", valid_token()), VALID),
        (
            Check::Rules,
            claims(r#"{"exp": 1800000001, "iss": "countersign", "sub": "other"}"#),
            VALID,
        ),
    ];
    let revoked = r#"[{"iss": "countersign", "sub": "test-user", "issued_before": 1800000001}]"#;
    let closed = AuthorizerConfig {
        revocations: revoked.parse().unwrap(),
        ..with_rules(&json!([{"route": "GET /whoami", "scope": "a"}]))
    };
    let order: Vec<_> = rows.iter().map(|(check, ..)| *check).collect();
    assert_eq!(order, Check::all().collect::<Vec<_>>());
    for (check, credential, result) in rows {
        let credential =
            if credential.contains(' ') { credential } else { format!("Bearer {credential}") };
        let (decision, _) = decide_with(&closed, &request(&[&credential]), result);
        assert_eq!(decision.unwrap().failed(), Some(check));
    }
    assert_eq!(
        decide_by_default(&request(&[&format!("Bearer {}", valid_token())]), VALID)
            .0
            .unwrap()
            .failed(),
        None
    );
}

/// A token whose payload is exactly this text.
fn token_of_text(header: &Value, claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(&header.to_string()), part(claims), part("signature"))
}

#[test]
fn verifier_decides_on_a_token_that_passes_all_other_checks() {
    let request = request(&[&format!("Bearer {}", valid_token())]);
    let (allowed, calls) = decide_by_default(&request, VALID);
    assert!(matches!(allowed, Ok(Decision::Allow(_))) && calls == 1);
    let refused = Decision::from(Refusal::Token(Rejection::Signature));
    assert_eq!(decide_by_default(&request, INVALID), (Ok(refused), 1));
    assert_eq!(decide_by_default(&request, FAULT), (Err("KMS is unreachable"), 1));
}

const STAGE: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1";

/// An event of each format, with this credential.
fn events(bearer: &str) -> [(&'static str, Value); 5] {
    let headers = json!({"Authorization": bearer});
    [
        ("REST", json!({"type": "REQUEST", "methodArn": ARN, "headers": headers})),
        ("TOKEN", json!({"type": "TOKEN", "methodArn": ARN, "authorizationToken": bearer})),
        (
            "HTTP 1.0",
            json!({"type": "REQUEST", "version": "1.0", "methodArn": ARN, "headers": headers}),
        ),
        (
            "HTTP 2.0",
            json!({
                "type": "REQUEST", "version": "2.0", "routeArn": ARN, "headers": headers,
                "routeKey": "GET /whoami", "identitySource": [bearer, "GET /whoami"],
            }),
        ),
        (
            "WebSocket",
            json!({
                "type": "REQUEST", "methodArn": format!("{STAGE}/$connect"), "headers": headers,
            }),
        ),
    ]
}

#[test]
fn responses_are_pinned() {
    let claims = json!({
        "iss": "countersign", "sub": "test-user", "exp": 1_800_000_001, "scope": "a b", "jti": "j",
        "admin": true, "level": 7, "nothing": null, "groups": ["g"], "nested": {"a": 1},
        "hole": [{"a": null}], "principalId": "another-user", "big": "x".repeat(5000),
    });
    let scalars = json!({
        "sub": "test-user", "scope": "a b", "iss": "countersign", "jti": "j",
        "exp": 1_800_000_001, "admin": true, "level": 7,
    });
    let mut nested = scalars.clone();
    nested["groups"] = json!(["g"]);
    nested["nested"] = json!({"a": 1});
    for (name, event) in events(&bearer_with_claims(&claims)) {
        let request: AuthorizerEvent = event.to_string().parse().unwrap();
        let resource = if name == "WebSocket" { "$connect" } else { "*/*" };
        let context = if name == "HTTP 2.0" { &nested } else { &scalars };
        let policy = |effect: &str| {
            json!({
                "principalId": "test-user",
                "policyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{
                        "Action": ["execute-api:Invoke"],
                        "Effect": effect,
                        "Resource": [format!("{STAGE}/{resource}")],
                    }],
                },
                "context": context,
            })
        };
        assert_eq!(respond(&config(), &request).unwrap(), policy("Allow"), "{name}");
        let closed = with_rules(
            &json!([{"route": "POST /other", "scope": "a"}, {"route": "$default", "any": true}]),
        );
        if name == "WebSocket" {
            assert_eq!(respond(&closed, &request).unwrap(), policy("Deny"), "{name}");
        }
        let closed = with_rules(&json!([{"route": "GET /whoami", "scope": "c"}]));
        assert_eq!(respond(&closed, &request).unwrap(), policy("Deny"), "{name}");
        let (decision, _) = decide_with(&closed, &request, VALID);
        assert!(matches!(decision, Ok(Decision::Forbid(..))), "{name}");

        let simple = |config: AuthorizerConfig| {
            let config = AuthorizerConfig { http_api_response: HttpApiResponse::Simple, ..config };
            respond(&config, &request).unwrap()
        };
        if name == "HTTP 2.0" {
            let allowed = json!({"isAuthorized": true, "context": context});
            let denied = json!({"isAuthorized": false, "context": context});
            assert_eq!((simple(config()), simple(closed)), (allowed, denied));
        } else {
            assert_eq!((simple(config()), simple(closed)), (policy("Allow"), policy("Deny")));
        }
    }
}

#[test]
fn rules_become_allow_and_deny_statements() {
    let rules = json!([
        {"route": "GET /orders/*", "scope": "orders:read"},
        {"route": "GET /orders/*/items", "scope": "items:read"},
        {"route": "POST /orders/{id}", "scope": "orders:write"},
        {"route": "GET /status", "any": true},
        {"route": "* /admin/*", "when": "'admin' in claims.groups"},
        {"route": "$connect", "when": "has(claims.room)"},
    ]);
    let config = with_rules(&rules);
    let methods = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
    let admin = methods.map(|method| format!("{method}/admin/*"));
    let admin: Vec<&str> = admin.iter().map(String::as_str).collect();
    let dots = ["*/./*", "*/.", "*/.;*", "*/../*", "*/..", "*/..;*"];
    let rows: [(_, _, Vec<&str>, Vec<&str>); 6] = [
        ("no claims", json!({}), vec!["GET/status"], vec![]),
        (
            "narrower rule is closed",
            json!({"scope": "orders:read"}),
            vec!["GET/orders/*", "GET/status"],
            [&["GET/orders/*/items", "GET/orders/*/items/"][..], &dots].concat(),
        ),
        (
            "narrower rule is open",
            json!({"scope": "items:read orders:read"}),
            vec!["GET/orders/*/items", "GET/orders/*", "GET/status"],
            dots.to_vec(),
        ),
        (
            "path parameter",
            json!({"scope": "orders:write"}),
            vec!["GET/status", "POST/orders/?*"],
            [&["POST/orders/*/*"][..], &dots].concat(),
        ),
        (
            "expression is true",
            json!({"groups": ["staff", "admin"]}),
            [&admin[..2], &["GET/status"], &admin[2..]].concat(),
            dots.to_vec(),
        ),
        ("expression fails", json!({"groups": 7}), vec!["GET/status"], vec![]),
    ];
    for (name, mut claims, mut allow, deny) in rows {
        claims["iss"] = "countersign".into();
        claims["exp"] = 1_800_000_001_u32.into();
        let request = request(&[&bearer_with_claims(&claims)]);
        let response = respond(&config, &request).unwrap();
        let statements = response["policyDocument"]["Statement"].as_array().unwrap();
        let mut found = [vec![], vec![]];
        for statement in statements {
            let resources = statement["Resource"].as_array().unwrap();
            let named = resources.iter().map(|arn| {
                arn.as_str().unwrap().strip_prefix(&format!("{STAGE}/")).unwrap().to_owned()
            });
            found[usize::from(statement["Effect"] == "Deny")].extend(named);
        }
        found[0].sort_unstable();
        allow.sort_unstable();
        assert_eq!((&found[0], &found[1]), (&owned(&allow), &owned(&deny)), "{name}");
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn conditions_of_rules_are_evaluated() {
    let rows = [
        ("scope", json!({"scope": "a"}), json!({"scope": "b a c"}), true),
        ("scope", json!({"scope": "a"}), json!({"scope": "ab"}), false),
        ("scope", json!({"scope": "a"}), json!({}), false),
        ("scope", json!({"scope": "a"}), json!({"scope": ["a"]}), false),
        ("when", json!({"when": "claims.level >= 3"}), json!({"level": 3}), true),
        ("when", json!({"when": "claims.level >= 3"}), json!({"level": 3.5}), true),
        ("when", json!({"when": "claims.level >= 3"}), json!({"level": "3"}), false),
        ("when", json!({"when": "claims.level >= 3"}), json!({}), false),
        (
            "when",
            json!({"when": "claims.big > 1"}),
            json!({"big": 18_446_744_073_709_551_615_u64}),
            true,
        ),
        ("when", json!({"when": "claims.sub"}), json!({"sub": "true"}), false),
        ("when", json!({"when": "claims.a == null"}), json!({"a": null}), true),
        ("when", json!({"when": "!has(claims.a)"}), json!({}), true),
        ("when", json!({"when": "claims.a.b['c'] in [1, 2]"}), json!({"a": {"b": {"c": 2}}}), true),
        (
            "when",
            json!({"when": "claims.list.exists(x, x.startsWith('a'))"}),
            json!({"list": ["b", "ab"]}),
            true,
        ),
        (
            "when",
            json!({"when": "claims.sub.matches('^a+$') && size(claims.sub) < 3"}),
            json!({"sub": "aa"}),
            true,
        ),
        ("when", json!({"when": "matches(claims.sub, '(?i)A')"}), json!({"sub": "ba"}), true),
        ("when", json!({"when": "claims.sub.matches('^a')"}), json!({"sub": "ba"}), false),
        ("when", json!({"when": "claims.sub.matches('1')"}), json!({"sub": 1}), false),
        ("when", json!({"when": "type(claims.sub) == string"}), json!({"sub": "a"}), true),
        ("when", json!({"when": "claims.sub == 'é\\u0000'"}), json!({"sub": "é\u{0}"}), true),
        ("any", json!({"any": true}), json!({}), true),
    ];
    for (name, mut rule, mut claims, expected) in rows {
        rule["route"] = "GET /whoami".into();
        claims["iss"] = "countersign".into();
        claims["exp"] = 1_800_000_001_u32.into();
        let request = request(&[&bearer_with_claims(&claims)]);
        let (decision, _) = decide_with(&with_rules(&json!([rule])), &request, VALID);
        assert_eq!(matches!(decision, Ok(Decision::Allow(_))), expected, "{name}: {rule} {claims}");
    }
}

#[test]
fn simple_response_denies_if_it_could_be_cached_for_closed_routes() {
    let bearer =
        bearer_with_claims(&json!({"iss": "countersign", "exp": 1_800_000_001, "scope": "a"}));
    let key = "GET /orders/{id}";
    let [orders, any] =
        [json!({"route": "GET /orders/*", "scope": "a"}), json!({"route": "* /*", "scope": "a"})];
    let seven = json!({"route": "GET /orders/7", "scope": "b"});
    let other = json!({"route": "GET /x", "scope": "b"});
    let rows = [
        ("not cached", json!(null), vec![&orders], true),
        ("not cached, empty list", json!([]), vec![&orders], true),
        ("cached by identity", json!([bearer]), vec![&orders], false),
        ("cached by identity, every route open", json!([bearer]), vec![&any], true),
        ("cached by identity, every route closed", json!([bearer]), vec![&seven], false),
        ("cached by route", json!([bearer, key]), vec![&orders], true),
        (
            "cached by route, part of the route closed",
            json!([bearer, key]),
            vec![&orders, &seven],
            false,
        ),
        (
            "cached by route, another route closed",
            json!([bearer, key]),
            vec![&orders, &other],
            true,
        ),
    ];
    let is_authorized = |config: &AuthorizerConfig, event: &Value| {
        let request: AuthorizerEvent = event.to_string().parse().unwrap();
        let (Ok(decision), 1) = decide_with(config, &request, VALID) else {
            panic!("the token is valid")
        };
        let response = respond(config, &request).unwrap();
        assert_eq!(response["isAuthorized"], matches!(decision, Decision::Allow(_)));
        response["isAuthorized"] == true
    };
    for (name, sources, rules, expected) in rows {
        let config = with_rules(&json!(rules));
        let config = AuthorizerConfig { http_api_response: HttpApiResponse::Simple, ..config };
        let event = json!({
            "type": "REQUEST", "version": "2.0", "routeArn": format!("{STAGE}/GET/orders/8"),
            "headers": {"authorization": bearer}, "routeKey": key, "identitySource": sources,
        });
        assert_eq!(is_authorized(&config, &event), expected, "{name}");

        // If the client sends the route key itself, it may be the value of another identity source.
        for (place, value) in [
            ("headers", json!({"authorization": bearer, "x": key})),
            ("headers", json!({"authorization": bearer, "x": format!("a,{key}, b")})),
            ("queryStringParameters", json!({"a": key})),
            ("queryStringParameters", json!({"a": format!("{key},")})),
            ("cookies", json!([key])),
            ("cookies", json!([format!("a={key}")])),
        ] {
            let mut event = event.clone();
            event[place] = value;
            let by_route = sources.as_array().is_some_and(|sources| sources.len() == 2);
            assert_eq!(is_authorized(&config, &event), expected && !by_route, "{name} {place}");
        }
    }
}

#[test]
fn route_keys_without_method_and_path_are_matched_by_name() {
    let bearer =
        bearer_with_claims(&json!({"iss": "countersign", "exp": 1_800_000_001, "scope": "b"}));
    let rules = json!([
        {"route": "GET /whoami", "scope": "b"},
        {"route": "$connect", "scope": "a"},
        {"route": "$default", "scope": "b"},
    ]);
    let event = |kind: Value, route: &str| {
        let mut event = json!({"type": "REQUEST", "headers": {"authorization": bearer}});
        event["methodArn"] = format!("{STAGE}/{route}").into();
        event["version"] = kind;
        event
    };
    let arns =
        |names: &[&str]| -> Value { names.iter().map(|name| format!("{STAGE}/{name}")).collect() };
    let rows: [(_, _, _, &[&str], bool); 6] = [
        ("REST", event(json!(null), "GET/whoami"), "Allow", &["GET/whoami"], true),
        ("HTTP", event(json!("2.0"), "GET/whoami"), "Allow", &["GET/whoami", "$default"], true),
        ("HTTP", event(json!("1.0"), "$default"), "Allow", &["GET/whoami", "$default"], true),
        ("HTTP", event(json!("2.0"), "GET/x"), "Allow", &["GET/whoami", "$default"], false),
        ("WebSocket", event(json!(null), "$connect"), "Deny", &["$connect"], false),
        ("WebSocket", event(json!(null), "$default"), "Allow", &["$default"], true),
    ];
    for (name, event, effect, resources, allowed) in rows {
        let config = with_rules(&rules);
        let request: AuthorizerEvent = event.to_string().parse().unwrap();
        let (decision, _) = decide_with(&config, &request, VALID);
        assert_eq!(matches!(decision, Ok(Decision::Allow(_))), allowed, "{name} {event}");
        let response = respond(&config, &request).unwrap();
        let statement = &response["policyDocument"]["Statement"][0];
        assert_eq!(statement["Effect"], effect, "{name} {event}");
        assert_eq!(statement["Resource"], arns(resources), "{name} {event}");
    }
    let open = event(json!("2.0"), "$default").to_string().parse().unwrap();
    let all = respond(&config(), &open).unwrap();
    assert_eq!(all["policyDocument"]["Statement"][0]["Resource"], arns(&["*/*", "$default"]));

    // A simple response that is cached by a route key covers only that route.
    let simple =
        AuthorizerConfig { http_api_response: HttpApiResponse::Simple, ..with_rules(&rules) };
    let mut event = event(json!("2.0"), "$default");
    event["routeKey"] = "$default".into();
    event["identitySource"] = json!([bearer, "$default"]);
    let request: AuthorizerEvent = event.to_string().parse().unwrap();
    assert_eq!(respond(&simple, &request).unwrap()["isAuthorized"], true);
    event["routeKey"] = "$other".into();
    event["identitySource"] = json!([bearer, "$other"]);
    let request: AuthorizerEvent = event.to_string().parse().unwrap();
    assert_eq!(respond(&simple, &request).unwrap()["isAuthorized"], false);
}

#[test]
fn websocket_token_is_read_from_the_subprotocols() {
    let token = valid_token();
    let bearer = format!("Bearer {token}");
    let connect = format!("{STAGE}/$connect");
    let offered = json!({"Sec-WebSocket-Protocol": format!("chat, bearer, {token}")});
    let credentials = CredentialSources { websocket_protocol: Some(Subprotocol("bearer".into())) };
    let enabled = AuthorizerConfig { credentials, ..config() };
    let both =
        json!({"Sec-WebSocket-Protocol": format!("bearer, {token}"), "Authorization": bearer});
    let rows = [
        ("disabled, token offered", &config(), &connect, &offered, Some(Refusal::NoCredentials)),
        ("enabled, token offered", &enabled, &connect, &offered, None),
        (
            "enabled, no WebSocket",
            &enabled,
            &ARN.to_owned(),
            &offered,
            Some(Refusal::NoCredentials),
        ),
        (
            "enabled, header and subprotocol",
            &enabled,
            &connect,
            &both,
            Some(Refusal::SeveralCredentials),
        ),
        ("disabled, header and subprotocol", &config(), &connect, &both, None),
        (
            "enabled, no token offered",
            &enabled,
            &connect,
            &json!({"sec-websocket-protocol": "chat"}),
            Some(Refusal::NoCredentials),
        ),
        (
            "enabled, no item after the name",
            &enabled,
            &connect,
            &json!({"sec-websocket-protocol": "bearer"}),
            Some(Refusal::NotBearer),
        ),
    ];
    for (name, config, arn, headers, expected) in rows {
        let event = json!({"type": "REQUEST", "methodArn": arn, "headers": headers});
        let (decision, _) = decide_with(config, &event.to_string().parse().unwrap(), VALID);
        let refusal = match decision.unwrap() {
            Decision::Refuse { refusal, .. } => Some(refusal),
            _ => None,
        };
        assert_eq!(refusal, expected, "{name}");
    }
}

#[test]
fn principal_of_a_token_without_subject_is_a_hyphen() {
    for claims in [
        json!({"iss": "countersign", "exp": 1_800_000_001}),
        json!({"iss": "countersign", "exp": 1_800_000_001, "sub": ""}),
    ] {
        let response = respond(&config(), &request(&[&bearer_with_claims(&claims)])).unwrap();
        assert_eq!(response["principalId"].as_str(), Some("-"));
    }
}

#[test]
fn response_never_exceeds_eight_kilobytes() {
    let rules: Vec<_> =
        (0..66).map(|at| json!({"route": format!("GET /many{at}"), "any": true})).collect();
    let many_rules = || with_rules(&json!(rules));
    let rows = [
        ("long sub", config(), 3000, Ok(4)),
        ("many rules", many_rules(), 100, Ok(15)),
        ("many rules, long sub", many_rules(), 3000, Err(ResponseError::TooLong)),
    ];
    for (name, config, subject, expected) in rows {
        let mut claims =
            json!({"iss": "countersign", "exp": 1_800_000_001, "sub": "s".repeat(subject)});
        for i in 0..(20 - subject / 300) {
            claims[format!("claim-{i:02}")] = "x".repeat(200).into();
        }
        let response = respond(&config, &request(&[&bearer_with_claims(&claims)]));
        let kept = response.as_ref().map(|response| {
            assert!(response.to_string().len() <= 8192, "{name}");
            let context = response["context"].as_object().unwrap();
            assert!(["sub", "iss", "exp"].iter().all(|name| context.contains_key(*name)));
            context.keys().filter(|name| name.starts_with("claim")).count()
        });
        assert_eq!(kept, expected.as_ref().map(|kept| *kept), "{name}");
    }
}

/// Otherwise a client could cause faults with long paths.
#[test]
fn long_closed_path_is_denied_together_with_every_other_path() {
    let mut rules: Vec<_> =
        (0..30).map(|at| json!({"route": format!("GET /many{at}"), "any": true})).collect();
    rules.push(json!({"route": "GET /*", "any": true}));
    let config = with_rules(&json!(rules));
    let mut denials_of_all = 0;
    for subject in (0..3000).step_by(20) {
        let claims =
            json!({"iss": "countersign", "exp": 1_800_000_001, "sub": "s".repeat(subject)});
        let respond_to = |path: &str| {
            let event = json!({
                "type": "REQUEST", "methodArn": format!("{STAGE}/GET/{path}"),
                "headers": {"Authorization": bearer_with_claims(&claims)},
            });
            respond(&config, &event.to_string().parse().unwrap())
        };
        let (plain, rewritten) =
            (respond_to("x"), respond_to(&format!("..%2F{}", "x".repeat(400))));
        assert!(plain.is_err() || rewritten.is_ok(), "{subject}: {rewritten:?}");
        let statement = |response: Value| response["policyDocument"]["Statement"].clone();
        let all = json!([{
            "Effect": "Deny", "Action": ["execute-api:Invoke"], "Resource": [format!("{STAGE}/*/*")],
        }]);
        denials_of_all += usize::from(rewritten.is_ok_and(|response| statement(response) == all));
    }
    assert!(denials_of_all > 0);
}

#[test]
fn response_of_exactly_eight_kilobytes_is_returned() {
    let rules: Vec<_> =
        (0..66).map(|at| json!({"route": format!("GET /many{at}"), "any": true})).collect();
    let config = with_rules(&json!(rules));
    // The response contains `sub` twice and `jti` once.
    let longest =
        (0..2).flat_map(|jti| (1600..1800).map(move |sub| (jti, sub))).map(|(jti, sub)| {
            let (jti, sub) = ("j".repeat(jti), "s".repeat(sub));
            let claims =
                json!({"iss": "countersign", "exp": 1_800_000_001, "sub": sub, "jti": jti});
            let response = respond(&config, &request(&[&bearer_with_claims(&claims)]));
            response.map_or(0, |response| response.to_string().len())
        });
    assert_eq!(longest.max(), Some(8192));
}

#[test]
fn several_audiences_are_passed_on_as_one_string() {
    let claims = json!({"iss": "countersign", "exp": 1_800_000_001, "aud": ["a", "b"]});
    let mut config = config();
    config.token.audiences = Some(vec!["b".into()]);
    let response = respond(&config, &request(&[&bearer_with_claims(&claims)])).unwrap();
    assert_eq!(response["context"]["aud"].as_str(), Some("a b"));
}

/// A backend could read another subject or audience in such a value.
#[test]
fn confusable_subjects_and_audiences_are_left_out_of_the_context() {
    let confusable =
        ["a b", " a", "a\n", "a\u{0}", "a\u{202E}b", "a\u{200B}b", "\u{a0}a", "a\u{2028}"];
    let mut config = config();
    config.token.audiences = None;
    for text in confusable {
        let claims = json!({
            "iss": "countersign", "exp": 1_800_000_001, "sub": text, "aud": ["x", text, "y"],
        });
        let response = respond(&config, &request(&[&bearer_with_claims(&claims)])).unwrap();
        assert_eq!(response["context"]["sub"], json!(null), "{text:?}");
        assert_eq!(response["principalId"], "-", "{text:?}");
        assert_eq!(response["context"]["aud"], "x y", "{text:?}");
        for audience in [json!(text), json!([text])] {
            let claims = json!({"iss": "countersign", "exp": 1_800_000_001, "aud": audience});
            let response = respond(&config, &request(&[&bearer_with_claims(&claims)])).unwrap();
            assert_eq!(response["context"]["aud"], json!(null), "{text:?}");
        }
    }
}

/// API Gateway sets its own values under these names.
#[test]
fn names_of_api_gateway_are_left_out_of_the_context() {
    let names = [
        "claims",
        "error",
        "integrationLatency",
        "integrationStatus",
        "latency",
        "principalId",
        "requestId",
        "status",
    ];
    let mut claims = json!({"iss": "countersign", "exp": 1_800_000_001, "Status": "kept"});
    for name in names {
        claims[name] = "of the token".into();
    }
    for (name, event) in events(&bearer_with_claims(&claims)) {
        let request: AuthorizerEvent = event.to_string().parse().unwrap();
        let response = respond(&config(), &request).unwrap();
        let context = response["context"].as_object().unwrap();
        let expected = ["Status", "exp", "iss"];
        assert!(context.keys().eq(expected), "{name}: {context:?}");
    }
}

#[test]
fn codes_are_stable_and_debug_output_hides_the_token() {
    let rows = [
        (Refusal::NoCredentials, "NoCredentials"),
        (Refusal::SeveralCredentials, "SeveralCredentials"),
        (Refusal::NotBearer, "NotBearer"),
        (Rejection::TooLong.into(), "TokenTooLong"),
        (Rejection::Expired { at: NOW }.into(), "Expired"),
        (Rejection::Signature.into(), "InvalidSignature"),
    ];
    for (refusal, expected) in rows {
        assert_eq!(refusal.code(), expected);
    }
    assert_eq!(ResponseError::TooLong.code(), "AnswerTooLong");
    for (reason, code) in [
        (ForbidReason::ClosedRoute, "ClosedRoute"),
        (ForbidReason::AmbiguousPath, "AmbiguousPath"),
        (ForbidReason::ClosedSpelling, "ClosedSpelling"),
        (ForbidReason::CachedResponse, "CachedResponse"),
    ] {
        assert_eq!(reason.code(), code);
    }
    let shown = format!("{:?}", request(&["Bearer a.b.c"]));
    assert!(
        shown.starts_with("AuthorizerEvent { format: Rest") && !shown.contains("a.b.c"),
        "{shown}"
    );
}

/// A policy depends on every rule for its kind of API, a simple response only on the rules for the route.
#[test]
fn condition_that_the_response_does_not_depend_on_is_not_evaluated() {
    let mut claims = json!({"iss": "countersign", "exp": 1_800_000_001, "a": vec![1; 500]});
    claims["scope"] = "a".into();
    let credential = bearer_with_claims(&claims);
    let expensive = "claims.a.all(x, x in claims.a)";
    let rules = |of: &str| {
        let rule = |route: &str| {
            let (member, condition) =
                if of == route { ("when", expensive) } else { ("scope", "a") };
            json!({"route": route, member: condition})
        };
        json!(["GET /whoami", "GET /other", "$connect"].map(rule))
    };
    // The routes whose condition is evaluated, and those whose condition is not.
    let rows: [(_, _, &[&str], &[&str]); 5] = [
        ("REST", HttpApiResponse::Iam, &["GET /whoami", "GET /other"], &["$connect"]),
        ("HTTP 1.0", HttpApiResponse::Iam, &["GET /whoami", "GET /other", "$connect"], &[]),
        ("HTTP 2.0", HttpApiResponse::Iam, &["GET /whoami", "GET /other", "$connect"], &[]),
        ("HTTP 2.0", HttpApiResponse::Simple, &["GET /whoami"], &["GET /other", "$connect"]),
        ("WebSocket", HttpApiResponse::Iam, &["$connect"], &["GET /whoami", "GET /other"]),
    ];
    for (name, http_api_response, evaluated, skipped) in rows {
        let (_, event) = events(&credential).into_iter().find(|it| it.0 == name).unwrap();
        let request: AuthorizerEvent = event.to_string().parse().unwrap();
        for (route, expected) in evaluated
            .iter()
            .map(|route| (route, true))
            .chain(skipped.iter().map(|route| (route, false)))
        {
            let config = AuthorizerConfig { http_api_response, ..with_rules(&rules(route)) };
            let (decision, _) = decide_with(&config, &request, VALID);
            let (Decision::Allow(verified) | Decision::Forbid(verified, _)) = decision.unwrap()
            else {
                panic!("the token is valid")
            };
            let access = verified.access.unwrap();
            assert_eq!(access.is_over_budget, expected, "{name}, {http_api_response:?}: {route}");
        }
    }
}

/// `countersign explain` shows these texts.
#[test]
fn rules_checks_and_events_are_described() {
    let rules = json!([
        {"route": "GET /whoami", "scope": "a"},
        {"route": "* /{x}", "when": "claims.sub == 'a'"},
        {"route": "$connect", "any": true},
    ]);
    let config = with_rules(&rules);
    let claims = json!({"iss": "countersign", "exp": 1_800_000_001, "sub": "a"});
    let request = request(&[&bearer_with_claims(&claims)]);
    let (Ok(Decision::Forbid(verified, ForbidReason::ClosedRoute)), 1) =
        decide_with(&config, &request, VALID)
    else {
        panic!("the token is valid")
    };
    let rules = config.rules.unwrap();
    let explained =
        rules.explain(verified.access.as_ref().unwrap(), &verified.claims, &request.route);
    let explained: Vec<_> =
        explained.iter().map(|it| (it.route, &*it.condition, it.open, it.decides)).collect();
    let expected = [
        ("GET /whoami", "scope a", false, true),
        ("* /{x}", "when claims.sub == 'a'", true, false),
        ("$connect", "any", true, false),
    ];
    assert_eq!(explained, expected);

    let described: Vec<String> = events("Bearer a")
        .iter()
        .map(|(_, event)| {
            let request: AuthorizerEvent = event.to_string().parse().unwrap();
            format!("{}: {}", request.format, request.route)
        })
        .collect();
    let expected = [
        "REST API, REQUEST: GET /whoami",
        "REST API, TOKEN: GET /whoami",
        "HTTP API, format 1.0: GET /whoami",
        "HTTP API, format 2.0: GET /whoami",
        "WebSocket API: $connect",
    ];
    assert_eq!(described, expected);
    let names: Vec<_> = Check::all().map(Check::name).collect();
    let expected = [
        "one bearer token",
        "form of the token",
        "header",
        "claims",
        "time",
        "issuer",
        "audience",
        "key and algorithm",
        "signature",
        "revocations",
        "rules",
    ];
    assert_eq!(names, expected);
}

#[test]
fn sample_events_are_decided() {
    let event = |text: &str| text.parse::<AuthorizerEvent>();
    let expired = Rejection::Expired { at: UnixTime::from_seconds(1_700_000_000) };
    let rows = [
        (include_str!("../../../events/authorize-expired.json"), expired.into()),
        (include_str!("../../../events/authorize-no-credentials.json"), Refusal::NoCredentials),
    ];
    for (text, expected) in rows {
        assert_eq!(decide_by_default(&event(text).unwrap(), VALID), (Ok(expected.into()), 0));
    }
    let issuer_event = include_str!("../../../events/issue-invoke.json");
    assert_eq!(event(issuer_event), Err(MalformedEvent::UnsupportedType));
}

/// A revoked token is checked like any other, and its signature too: only its owner learns that it is revoked.
#[test]
fn revoked_token_is_refused_after_its_signature_and_before_the_rules() {
    let closed = json!([{"route": "GET /other", "any": true}]);
    let revocations =
        r#"[{"iss": "countersign", "sub": "test-user", "issued_before": 1800000000}]"#;
    let config =
        AuthorizerConfig { revocations: revocations.parse().unwrap(), ..with_rules(&closed) };
    let request_with = |claims: Value| {
        let mut all = json!({"iss": "countersign", "sub": "test-user", "exp": 1_800_000_001});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        request(&[&bearer_with_claims(&all)])
    };
    let revoked = request_with(json!({"jti": "1"}));
    let (decision, calls) = decide_with(&config, &revoked, VALID);
    let decision = decision.unwrap();
    let Decision::Refuse { refusal: Refusal::Revoked, claims: Some(claims) } = &decision else {
        panic!("{decision:?}")
    };
    assert_eq!((claims.text("sub"), calls), (Some("test-user"), 1));
    assert_eq!(decision.failed(), Some(Check::Revocations));
    assert_eq!(response(&revoked, &decision, &config), Ok(None), "401");

    let refused = Ok(Refusal::Token(Rejection::Signature).into());
    assert_eq!(decide_with(&config, &revoked, INVALID), (refused, 1));
    assert_eq!(decide_with(&config, &revoked, FAULT), (Err("KMS is unreachable"), 1));

    let (decision, _) = decide_with(&config, &request_with(json!({"iat": 1_800_000_000})), VALID);
    let Ok(Decision::Forbid(_, ForbidReason::ClosedRoute)) = decision else {
        panic!("{decision:?}")
    };
}
