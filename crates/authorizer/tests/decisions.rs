//! The decision table: what came, what is decided, and whether the key was asked.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{
    pin::pin,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use authorizer::{
    AuthorizerConfig, AuthorizerEvent, Check, Decision, HttpApiResponse, MalformedEvent, Refusal,
    ResponseError, Subprotocol, decide, response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::{Rejection, SignedParts, UnixTime, Verifier};
use policy::access::ForbidReason;
use serde_json::{Value, json};

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1/GET/whoami";

fn profile() -> AuthorizerConfig {
    AuthorizerConfig {
        token: jwt::Validation {
            issuer: Some("countersign".into()),
            audiences: Some(vec![]),
            token_type: "JWT".into(),
            leeway: Duration::ZERO,
        },
        rules: None,
        http_api_response: HttpApiResponse::Iam,
        websocket_protocol: None,
    }
}

fn with_rules(rules: &Value) -> AuthorizerConfig {
    AuthorizerConfig { rules: Some(rules.to_string().parse().unwrap()), ..profile() }
}

/// Gives one answer, and counts how often it is asked.
struct Key {
    answer: Result<Result<(), Rejection>, &'static str>,
    asked: AtomicU32,
}

impl Verifier for Key {
    type Error = &'static str;

    async fn verify(&self, _: &SignedParts<'_>) -> Result<Result<(), Rejection>, &'static str> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.answer
    }
}

const YES: Result<Result<(), Rejection>, &str> = Ok(Ok(()));
const NO: Result<Result<(), Rejection>, &str> = Ok(Err(Rejection::Signature));
const UNKNOWN: Result<Result<(), Rejection>, &str> = Err("KMS is out of reach");

/// Decides, and tells how often the key was asked.
fn judge(
    request: &AuthorizerEvent,
    answer: Result<Result<(), Rejection>, &'static str>,
) -> (Result<Decision, &'static str>, u32) {
    judge_for(&profile(), request, answer)
}

fn judge_for(
    profile: &AuthorizerConfig,
    request: &AuthorizerEvent,
    answer: Result<Result<(), Rejection>, &'static str>,
) -> (Result<Decision, &'static str>, u32) {
    let key = Key { answer, asked: AtomicU32::new(0) };
    let decision = {
        let mut decision = pin!(decide(request, profile, NOW, &key));
        match decision.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(decision) => decision,
            Poll::Pending => panic!("the key answers at once"),
        }
    };
    (decision, key.asked.into_inner())
}

/// What a request with a good token is answered.
fn answer(profile: &AuthorizerConfig, request: &AuthorizerEvent) -> Result<Value, ResponseError> {
    let (Ok(decision), 1) = judge_for(profile, request, YES) else { panic!("a good token") };
    let answer = response(request, &decision, profile)?;
    Ok(serde_json::to_value(answer.unwrap()).unwrap())
}

fn token(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode("signature"))
}

fn good() -> String {
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "k"});
    token(&header, &json!({"iss": "countersign", "sub": "test-user", "exp": 1_800_000_001}))
}

fn with_claims(claims: &Value) -> String {
    format!("Bearer {}", token(&json!({"alg": "RS256"}), claims))
}

fn with_header(header: &Value) -> String {
    format!("Bearer {}", token(header, &json!({"iss": "countersign", "exp": 1_800_000_001})))
}

fn request(authorization: &[&str]) -> AuthorizerEvent {
    let headers =
        if authorization.is_empty() { json!({}) } else { json!({"Authorization": authorization}) };
    let event = json!({"type": "REQUEST", "methodArn": ARN, "multiValueHeaders": headers});
    event.to_string().parse().unwrap()
}

#[test]
fn what_is_refused_without_asking_the_key() {
    let bearer = format!("Bearer {}", good());
    let long = format!("Bearer {}.{}", good(), "A".repeat(100 * 1024));
    let iss = "countersign";
    let rows = [
        ("no credentials", vec![], Refusal::NoCredentials),
        ("two headers", vec![bearer.clone(), bearer.clone()], Refusal::SeveralCredentials),
        ("Basic", vec!["Basic dXNlcjpwYXNz".into()], Refusal::NotBearer),
        ("Bearer twice", vec![format!("Bearer {bearer}")], Rejection::Encoding.into()),
        ("comma-joined", vec![format!("{bearer}, {bearer}")], Rejection::NotCompact.into()),
        ("not a token", vec!["Bearer token".into()], Rejection::NotCompact.into()),
        ("100 KB", vec![long], Rejection::TooLong.into()),
        (
            "alg none",
            vec![with_header(&json!({"alg": "none"}))],
            Rejection::UnsupportedAlgorithm.into(),
        ),
        (
            "HS256",
            vec![with_header(&json!({"alg": "HS256"}))],
            Rejection::UnsupportedAlgorithm.into(),
        ),
        (
            "its own key",
            vec![with_header(&json!({"alg": "RS256", "jwk": {}}))],
            Rejection::Parameter("jwk").into(),
        ),
        (
            "crit",
            vec![with_header(&json!({"alg": "RS256", "crit": ["exp"]}))],
            Rejection::Parameter("crit").into(),
        ),
        (
            "another type",
            vec![with_header(&json!({"alg": "RS256", "typ": "at+jwt"}))],
            Rejection::Type.into(),
        ),
        ("no exp", vec![with_claims(&json!({"iss": iss}))], Rejection::NoExpiry.into()),
        (
            "exp is text",
            vec![with_claims(&json!({"iss": iss, "exp": "1800000001"}))],
            Rejection::Claims.into(),
        ),
        (
            "exp is now",
            vec![with_claims(&json!({"iss": iss, "exp": 1_800_000_000}))],
            Rejection::Expired { at: NOW }.into(),
        ),
        (
            "another issuer",
            vec![with_claims(&json!({"iss": "them", "exp": 1_800_000_001}))],
            Rejection::Issuer.into(),
        ),
        (
            "for somebody else",
            vec![with_claims(&json!({"iss": iss, "exp": 1_800_000_001, "aud": "x"}))],
            Rejection::Audience.into(),
        ),
    ];
    for (name, authorization, expected) in rows {
        let authorization: Vec<&str> = authorization.iter().map(String::as_str).collect();
        let decided = judge(&request(&authorization), YES);
        assert_eq!(decided, (Ok(Decision::Refuse(expected)), 0), "{name}");
    }
}

/// Each of these has everything wrong that comes later, too.
#[test]
fn checks_are_made_in_their_order() {
    let claims = |text: &str| with(&json!({"alg": "RS256"}), text);
    let header = json!({"alg": "RS256", "typ": "JOSE"});
    let wrong = r#"{"exp": 1, "nbf": 9999999999, "iss": "them", "aud": "them", "sub": 1}"#;
    let rows = [
        (Check::Credentials, "Basic a".to_owned(), NO),
        (Check::Form, format!("Bearer {}.AAAA", with(&header, wrong)), NO),
        (Check::Header, format!("Bearer {}", with(&header, wrong)), NO),
        (Check::Claims, claims(wrong), NO),
        (Check::Time, claims(&wrong.replace(", \"sub\": 1", "")), NO),
        (Check::Issuer, claims(r#"{"exp": 1800000001, "iss": "them", "aud": "them"}"#), NO),
        (
            Check::Audience,
            claims(r#"{"exp": 1800000001, "iss": "countersign", "aud": "them"}"#),
            NO,
        ),
        (Check::Key, format!("Bearer {}", good()), Ok(Err(Rejection::UnknownKey))),
        (Check::Signature, format!("Bearer {}", good()), NO),
        (Check::Rules, format!("Bearer {}", good()), YES),
    ];
    let closed = with_rules(&json!([{"route": "GET /whoami", "scope": "a"}]));
    let order: Vec<_> = rows.iter().map(|(check, ..)| *check).collect();
    assert_eq!(order, Check::ALL);
    for (check, credential, answer) in rows {
        let credential =
            if credential.contains(' ') { credential } else { format!("Bearer {credential}") };
        let (decision, _) = judge_for(&closed, &request(&[&credential]), answer);
        assert_eq!(decision.unwrap().failed(), Some(check));
    }
    assert_eq!(judge(&request(&[&format!("Bearer {}", good())]), YES).0.unwrap().failed(), None);
}

/// A token with these claims as they stand.
fn with(header: &Value, claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(&header.to_string()), part(claims), part("signature"))
}

#[test]
fn what_the_key_decides() {
    let request = request(&[&format!("Bearer {}", good())]);
    let (allowed, asked) = judge(&request, YES);
    assert!(matches!(allowed, Ok(Decision::Allow(_))) && asked == 1);
    let refused = Decision::Refuse(Rejection::Signature.into());
    assert_eq!(judge(&request, NO), (Ok(refused), 1));
    assert_eq!(judge(&request, UNKNOWN), (Err("KMS is out of reach"), 1));
}

const STAGE: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1";

/// An event of each kind, with this credential.
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
fn the_answers_are_pinned() {
    let claims = json!({
        "iss": "countersign", "sub": "test-user", "exp": 1_800_000_001, "scope": "a b", "jti": "j",
        "admin": true, "level": 7, "nothing": null, "groups": ["g"], "nested": {"a": 1},
        "hole": [{"a": null}], "principalId": "somebody else", "big": "x".repeat(5000),
    });
    let scalars = json!({
        "sub": "test-user", "scope": "a b", "iss": "countersign", "jti": "j",
        "exp": 1_800_000_001, "admin": true, "level": 7,
    });
    let mut nested = scalars.clone();
    nested["groups"] = json!(["g"]);
    nested["nested"] = json!({"a": 1});
    for (name, event) in events(&with_claims(&claims)) {
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
        assert_eq!(answer(&profile(), &request).unwrap(), policy("Allow"), "{name}");
        let closed = with_rules(
            &json!([{"route": "POST /other", "scope": "a"}, {"route": "$default", "any": true}]),
        );
        if name == "WebSocket" {
            assert_eq!(answer(&closed, &request).unwrap(), policy("Deny"), "{name}");
        }
        let closed = with_rules(&json!([{"route": "GET /whoami", "scope": "c"}]));
        assert_eq!(answer(&closed, &request).unwrap(), policy("Deny"), "{name}");
        let (decision, _) = judge_for(&closed, &request, YES);
        assert!(matches!(decision, Ok(Decision::Forbid(..))), "{name}");

        let simple = |profile: AuthorizerConfig| {
            let profile =
                AuthorizerConfig { http_api_response: HttpApiResponse::Simple, ..profile };
            answer(&profile, &request).unwrap()
        };
        if name == "HTTP 2.0" {
            let yes = json!({"isAuthorized": true, "context": context});
            let no = json!({"isAuthorized": false, "context": context});
            assert_eq!((simple(profile()), simple(closed)), (yes, no));
        } else {
            assert_eq!((simple(profile()), simple(closed)), (policy("Allow"), policy("Deny")));
        }
    }
}

#[test]
fn rules_become_allow_and_deny() {
    let rules = json!([
        {"route": "GET /orders/*", "scope": "orders:read"},
        {"route": "GET /orders/*/items", "scope": "items:read"},
        {"route": "POST /orders/{id}", "scope": "orders:write"},
        {"route": "GET /status", "any": true},
        {"route": "* /admin/*", "when": "'admin' in claims.groups"},
        {"route": "$connect", "when": "has(claims.room)"},
    ]);
    let profile = with_rules(&rules);
    let methods = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
    let admin = methods.map(|method| format!("{method}/admin/*"));
    let admin: Vec<&str> = admin.iter().map(String::as_str).collect();
    let dots = ["*/./*", "*/.", "*/.;*", "*/../*", "*/..", "*/..;*"];
    let rows: [(_, _, Vec<&str>, Vec<&str>); 6] = [
        ("nothing", json!({}), vec!["GET/status"], vec![]),
        (
            "what is below is closed",
            json!({"scope": "orders:read"}),
            vec!["GET/orders/*", "GET/status"],
            [&["GET/orders/*/items", "GET/orders/*/items/"][..], &dots].concat(),
        ),
        (
            "what is below is open",
            json!({"scope": "items:read orders:read"}),
            vec!["GET/orders/*/items", "GET/orders/*", "GET/status"],
            dots.to_vec(),
        ),
        (
            "one segment",
            json!({"scope": "orders:write"}),
            vec!["GET/status", "POST/orders/?*"],
            [&["POST/orders/*/*"][..], &dots].concat(),
        ),
        (
            "an expression",
            json!({"groups": ["staff", "admin"]}),
            [&admin[..2], &["GET/status"], &admin[2..]].concat(),
            dots.to_vec(),
        ),
        ("an expression that fails", json!({"groups": 7}), vec!["GET/status"], vec![]),
    ];
    for (name, mut claims, mut allow, deny) in rows {
        claims["iss"] = "countersign".into();
        claims["exp"] = 1_800_000_001_u32.into();
        let request = request(&[&with_claims(&claims)]);
        let answer = answer(&profile, &request).unwrap();
        let statement = answer["policyDocument"]["Statement"].as_array().unwrap();
        let mut found = [vec![], vec![]];
        for statement in statement {
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
fn conditions() {
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
        let request = request(&[&with_claims(&claims)]);
        let (decision, _) = judge_for(&with_rules(&json!([rule])), &request, YES);
        assert_eq!(matches!(decision, Ok(Decision::Allow(_))), expected, "{name}: {rule} {claims}");
    }
}

#[test]
fn simple_response_is_no_yes_where_it_could_be_cached_for_closed_routes() {
    let bearer = with_claims(&json!({"iss": "countersign", "exp": 1_800_000_001, "scope": "a"}));
    let key = "GET /orders/{id}";
    let [orders, any] =
        [json!({"route": "GET /orders/*", "scope": "a"}), json!({"route": "* /*", "scope": "a"})];
    let seven = json!({"route": "GET /orders/7", "scope": "b"});
    let other = json!({"route": "GET /x", "scope": "b"});
    let rows = [
        ("not cached", json!(null), vec![&orders], true),
        ("not cached, by an empty list", json!([]), vec![&orders], true),
        ("by identity alone", json!([bearer]), vec![&orders], false),
        ("by identity, and all is open", json!([bearer]), vec![&any], true),
        ("by identity, and all is closed", json!([bearer]), vec![&seven], false),
        ("by route", json!([bearer, key]), vec![&orders], true),
        ("by route, and some of it is closed", json!([bearer, key]), vec![&orders, &seven], false),
        ("by route, and another is closed", json!([bearer, key]), vec![&orders, &other], true),
    ];
    let yes = |profile: &AuthorizerConfig, event: &Value| {
        let request: AuthorizerEvent = event.to_string().parse().unwrap();
        let (Ok(decision), 1) = judge_for(profile, &request, YES) else { panic!("a good token") };
        let answer = answer(profile, &request).unwrap();
        assert_eq!(answer["isAuthorized"], matches!(decision, Decision::Allow(_)));
        answer["isAuthorized"] == true
    };
    for (name, sources, rules, expected) in rows {
        let profile = with_rules(&json!(rules));
        let profile = AuthorizerConfig { http_api_response: HttpApiResponse::Simple, ..profile };
        let event = json!({
            "type": "REQUEST", "version": "2.0", "routeArn": format!("{STAGE}/GET/orders/8"),
            "headers": {"authorization": bearer}, "routeKey": key, "identitySource": sources,
        });
        assert_eq!(yes(&profile, &event), expected, "{name}");

        // A client that sends the route key itself may have made it an identity source.
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
            assert_eq!(yes(&profile, &event), expected && !by_route, "{name} {place}");
        }
    }
}

#[test]
fn routes_that_have_a_name_alone() {
    let bearer = with_claims(&json!({"iss": "countersign", "exp": 1_800_000_001, "scope": "b"}));
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
        let profile = with_rules(&rules);
        let request: AuthorizerEvent = event.to_string().parse().unwrap();
        let (decision, _) = judge_for(&profile, &request, YES);
        assert_eq!(matches!(decision, Ok(Decision::Allow(_))), allowed, "{name} {event}");
        let answer = answer(&profile, &request).unwrap();
        let statement = &answer["policyDocument"]["Statement"][0];
        assert_eq!(statement["Effect"], effect, "{name} {event}");
        assert_eq!(statement["Resource"], arns(resources), "{name} {event}");
    }
    let open = event(json!("2.0"), "$default").to_string().parse().unwrap();
    let all = answer(&profile(), &open).unwrap();
    assert_eq!(all["policyDocument"]["Statement"][0]["Resource"], arns(&["*/*", "$default"]));

    // By its name, a simple answer is for nothing else.
    let simple =
        AuthorizerConfig { http_api_response: HttpApiResponse::Simple, ..with_rules(&rules) };
    let mut event = event(json!("2.0"), "$default");
    event["routeKey"] = "$default".into();
    event["identitySource"] = json!([bearer, "$default"]);
    let request: AuthorizerEvent = event.to_string().parse().unwrap();
    assert_eq!(answer(&simple, &request).unwrap()["isAuthorized"], true);
    event["routeKey"] = "$other".into();
    event["identitySource"] = json!([bearer, "$other"]);
    let request: AuthorizerEvent = event.to_string().parse().unwrap();
    assert_eq!(answer(&simple, &request).unwrap()["isAuthorized"], false);
}

#[test]
fn a_browser_offers_its_token_among_the_protocols() {
    let token = good();
    let bearer = format!("Bearer {token}");
    let connect = format!("{STAGE}/$connect");
    let offered = json!({"Sec-WebSocket-Protocol": format!("chat, bearer, {token}")});
    let on =
        AuthorizerConfig { websocket_protocol: Some(Subprotocol("bearer".into())), ..profile() };
    let both =
        json!({"Sec-WebSocket-Protocol": format!("bearer, {token}"), "Authorization": bearer});
    let rows = [
        ("off", &profile(), &connect, &offered, Some(Refusal::NoCredentials)),
        ("on", &on, &connect, &offered, None),
        ("no WebSocket", &on, &ARN.to_owned(), &offered, Some(Refusal::NoCredentials)),
        ("both", &on, &connect, &both, Some(Refusal::SeveralCredentials)),
        ("off and both", &profile(), &connect, &both, None),
        (
            "nothing",
            &on,
            &connect,
            &json!({"sec-websocket-protocol": "chat"}),
            Some(Refusal::NoCredentials),
        ),
        (
            "nothing after it",
            &on,
            &connect,
            &json!({"sec-websocket-protocol": "bearer"}),
            Some(Refusal::NotBearer),
        ),
    ];
    for (name, profile, arn, headers, expected) in rows {
        let event = json!({"type": "REQUEST", "methodArn": arn, "headers": headers});
        let (decision, _) = judge_for(profile, &event.to_string().parse().unwrap(), YES);
        let refusal = match decision.unwrap() {
            Decision::Refuse(refusal) => Some(refusal),
            _ => None,
        };
        assert_eq!(refusal, expected, "{name}");
    }
}

#[test]
fn a_token_without_a_subject_has_a_principal_all_the_same() {
    for claims in [
        json!({"iss": "countersign", "exp": 1_800_000_001}),
        json!({"iss": "countersign", "exp": 1_800_000_001, "sub": ""}),
    ] {
        let answer = answer(&profile(), &request(&[&with_claims(&claims)])).unwrap();
        assert_eq!(answer["principalId"].as_str(), Some("-"));
    }
}

#[test]
fn no_answer_is_longer_than_eight_kilobytes() {
    let rules: Vec<_> =
        (0..66).map(|at| json!({"route": format!("GET /many{at}"), "any": true})).collect();
    let long = || with_rules(&json!(rules));
    let rows = [
        ("much of a token", profile(), 3000, Ok(4)),
        ("many rules", long(), 100, Ok(15)),
        ("many rules, much of a token", long(), 3000, Err(ResponseError::TooLong)),
    ];
    for (name, profile, subject, expected) in rows {
        let mut claims =
            json!({"iss": "countersign", "exp": 1_800_000_001, "sub": "s".repeat(subject)});
        for i in 0..(20 - subject / 300) {
            claims[format!("claim-{i:02}")] = "x".repeat(200).into();
        }
        let answer = answer(&profile, &request(&[&with_claims(&claims)]));
        let kept = answer.as_ref().map(|answer| {
            assert!(answer.to_string().len() <= 8192, "{name}");
            let context = answer["context"].as_object().unwrap();
            assert!(["sub", "iss", "exp"].iter().all(|name| context.contains_key(*name)));
            context.keys().filter(|name| name.starts_with("claim")).count()
        });
        assert_eq!(kept, expected.as_ref().map(|kept| *kept), "{name}");
    }
}

/// A client could make a fault of each request otherwise.
#[test]
fn closed_path_that_does_not_fit_into_the_policy_is_denied_with_all_others() {
    let mut rules: Vec<_> =
        (0..30).map(|at| json!({"route": format!("GET /many{at}"), "any": true})).collect();
    rules.push(json!({"route": "GET /*", "any": true}));
    let profile = with_rules(&json!(rules));
    let mut others = 0;
    for subject in (0..3000).step_by(20) {
        let claims =
            json!({"iss": "countersign", "exp": 1_800_000_001, "sub": "s".repeat(subject)});
        let ask = |path: &str| {
            let event = json!({
                "type": "REQUEST", "methodArn": format!("{STAGE}/GET/{path}"),
                "headers": {"Authorization": with_claims(&claims)},
            });
            answer(&profile, &event.to_string().parse().unwrap())
        };
        let (plain, rewritten) = (ask("x"), ask(&format!("..%2F{}", "x".repeat(400))));
        assert!(plain.is_err() || rewritten.is_ok(), "{subject}: {rewritten:?}");
        let statement = |answer: Value| answer["policyDocument"]["Statement"].clone();
        let all = json!([{
            "Effect": "Deny", "Action": ["execute-api:Invoke"], "Resource": [format!("{STAGE}/*/*")],
        }]);
        others += usize::from(rewritten.is_ok_and(|answer| statement(answer) == all));
    }
    assert!(others > 0);
}

#[test]
fn an_answer_of_eight_kilobytes_is_given() {
    let rules: Vec<_> =
        (0..66).map(|at| json!({"route": format!("GET /many{at}"), "any": true})).collect();
    let profile = with_rules(&json!(rules));
    // Each character of `sub` stands twice in the answer, each of `jti` once.
    let longest =
        (0..2).flat_map(|jti| (1600..1800).map(move |sub| (jti, sub))).map(|(jti, sub)| {
            let (jti, sub) = ("j".repeat(jti), "s".repeat(sub));
            let claims =
                json!({"iss": "countersign", "exp": 1_800_000_001, "sub": sub, "jti": jti});
            let answer = answer(&profile, &request(&[&with_claims(&claims)]));
            answer.map_or(0, |answer| answer.to_string().len())
        });
    assert_eq!(longest.max(), Some(8192));
}

#[test]
fn several_audiences_are_passed_on_as_one_string() {
    let claims = json!({"iss": "countersign", "exp": 1_800_000_001, "aud": ["a", "b"]});
    let mut profile = profile();
    profile.token.audiences = Some(vec!["b".into()]);
    let answer = answer(&profile, &request(&[&with_claims(&claims)])).unwrap();
    assert_eq!(answer["context"]["aud"].as_str(), Some("a b"));
}

/// A backend could read another subject or audience in them.
#[test]
fn odd_subjects_and_audiences_are_left_out_of_the_context() {
    let odd = ["a b", " a", "a\n", "a\u{0}", "a\u{202E}b", "\u{a0}a", "a\u{2028}"];
    let mut profile = profile();
    profile.token.audiences = None;
    for text in odd {
        let claims = json!({
            "iss": "countersign", "exp": 1_800_000_001, "sub": text, "aud": ["x", text, "y"],
        });
        let answered = answer(&profile, &request(&[&with_claims(&claims)])).unwrap();
        assert_eq!(answered["context"]["sub"], json!(null), "{text:?}");
        assert_eq!(answered["principalId"], "-", "{text:?}");
        assert_eq!(answered["context"]["aud"], "x y", "{text:?}");
        for audience in [json!(text), json!([text])] {
            let claims = json!({"iss": "countersign", "exp": 1_800_000_001, "aud": audience});
            let answered = answer(&profile, &request(&[&with_claims(&claims)])).unwrap();
            assert_eq!(answered["context"]["aud"], json!(null), "{text:?}");
        }
    }
}

/// API Gateway has values of its own under these names.
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
        claims[name] = "the token's".into();
    }
    for (name, event) in events(&with_claims(&claims)) {
        let request: AuthorizerEvent = event.to_string().parse().unwrap();
        let answered = answer(&profile(), &request).unwrap();
        let context = answered["context"].as_object().unwrap();
        let expected = ["Status", "exp", "iss"];
        assert!(context.keys().eq(expected), "{name}: {context:?}");
    }
}

#[test]
fn reasons_have_names_that_stay_and_requests_do_not_print() {
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
        shown.starts_with("AuthorizerEvent { kind: Rest") && !shown.contains("a.b.c"),
        "{shown}"
    );
}

/// A policy needs all the rules of its kind of API; any other answer needs those that decide on it.
#[test]
fn condition_that_cannot_matter_is_not_evaluated() {
    let mut claims = json!({"iss": "countersign", "exp": 1_800_000_001, "a": vec![1; 500]});
    claims["scope"] = "a".into();
    let credential = with_claims(&claims);
    let expensive = "claims.a.all(x, x in claims.a)";
    let rules = |of: &str| {
        let rule = |route: &str| {
            let (member, condition) =
                if of == route { ("when", expensive) } else { ("scope", "a") };
            json!({"route": route, member: condition})
        };
        json!(["GET /whoami", "GET /other", "$connect"].map(rule))
    };
    // Where an expensive condition is evaluated, and where it is not.
    let rows: [(_, _, &[&str], &[&str]); 5] = [
        ("REST", HttpApiResponse::Iam, &["GET /whoami", "GET /other"], &["$connect"]),
        ("HTTP 1.0", HttpApiResponse::Iam, &["GET /whoami", "GET /other", "$connect"], &[]),
        ("HTTP 2.0", HttpApiResponse::Iam, &["GET /whoami", "GET /other", "$connect"], &[]),
        ("HTTP 2.0", HttpApiResponse::Simple, &["GET /whoami"], &["GET /other", "$connect"]),
        ("WebSocket", HttpApiResponse::Iam, &["$connect"], &["GET /whoami", "GET /other"]),
    ];
    for (name, response, evaluated, left_out) in rows {
        let (_, event) = events(&credential).into_iter().find(|it| it.0 == name).unwrap();
        let request: AuthorizerEvent = event.to_string().parse().unwrap();
        for (route, expected) in evaluated
            .iter()
            .map(|route| (route, true))
            .chain(left_out.iter().map(|route| (route, false)))
        {
            let profile =
                AuthorizerConfig { http_api_response: response, ..with_rules(&rules(route)) };
            let (decision, _) = judge_for(&profile, &request, YES);
            let (Decision::Allow(grant) | Decision::Forbid(grant, _)) = decision.unwrap() else {
                panic!("a good token")
            };
            let access = grant.access.unwrap();
            assert_eq!(access.is_over_budget, expected, "{name}, {response:?}: {route}");
        }
    }
}

/// What `countersign explain` shows.
#[test]
fn rules_checks_and_events_in_words() {
    let rules = json!([
        {"route": "GET /whoami", "scope": "a"},
        {"route": "* /{x}", "when": "claims.sub == 'a'"},
        {"route": "$connect", "any": true},
    ]);
    let profile = with_rules(&rules);
    let claims = json!({"iss": "countersign", "exp": 1_800_000_001, "sub": "a"});
    let request = request(&[&with_claims(&claims)]);
    let (Ok(Decision::Forbid(grant, ForbidReason::ClosedRoute)), 1) =
        judge_for(&profile, &request, YES)
    else {
        panic!("a good token")
    };
    let rules = profile.rules.unwrap();
    let told = rules.explain(grant.access.as_ref().unwrap(), &grant.claims, &request.route);
    let told: Vec<_> =
        told.iter().map(|it| (it.route, &*it.condition, it.open, it.decides)).collect();
    let expected = [
        ("GET /whoami", "scope a", false, true),
        ("* /{x}", "when claims.sub == 'a'", true, false),
        ("$connect", "any", true, false),
    ];
    assert_eq!(told, expected);

    let words: Vec<String> = events("Bearer a")
        .iter()
        .map(|(_, event)| {
            let request: AuthorizerEvent = event.to_string().parse().unwrap();
            format!("{}: {}", request.kind, request.route)
        })
        .collect();
    let expected = [
        "REST API, REQUEST: GET /whoami",
        "REST API, TOKEN: GET /whoami",
        "HTTP API, format 1.0: GET /whoami",
        "HTTP API, format 2.0: GET /whoami",
        "WebSocket API: $connect",
    ];
    assert_eq!(words, expected);
    let names = Check::ALL.map(Check::name);
    assert_eq!((names[0], names[9]), ("one bearer token", "rules"));
}

#[test]
fn the_sample_events() {
    let event = |text: &str| text.parse::<AuthorizerEvent>();
    let expired = Rejection::Expired { at: UnixTime::from_seconds(1_700_000_000) };
    let rows = [
        (include_str!("../../../events/authorize-expired.json"), expired.into()),
        (include_str!("../../../events/authorize-no-credentials.json"), Refusal::NoCredentials),
    ];
    for (text, expected) in rows {
        assert_eq!(judge(&event(text).unwrap(), YES), (Ok(Decision::Refuse(expected)), 0));
    }
    let not_ours = include_str!("../../../events/issue-invoke.json");
    assert_eq!(event(not_ours), Err(MalformedEvent::Kind));
}
