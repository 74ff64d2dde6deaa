//! The issuer, behind API Gateway and invoked directly.

use std::fs;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use local::{Bytes, Request, Response, Stack, http};
use serde_json::{Value, json};
use testing::{InjectFaults, InjectedFault};

use crate::{SIGV4, TEMPLATE, options, with_parameters};

async fn start(settings: &[(&str, &str)]) -> Stack {
    Stack::start(&fs::read_to_string(TEMPLATE).unwrap(), &options(settings)).await.unwrap()
}

async fn send(stack: &Stack, request: Request<Bytes>) -> (Response<Bytes>, Value) {
    let answer = http::send(stack.gateway.address(), request).await.unwrap();
    let body = serde_json::from_slice(answer.body()).unwrap_or_default();
    (answer, body)
}

async fn post(stack: &Stack, caller: &str, body: &str) -> (Response<Bytes>, Value) {
    let request = Request::post("/token")
        .header("content-type", "application/json")
        .header("x-amz-date", "20261123T000000Z")
        .header("authorization", SIGV4.replace("tester", caller))
        .body(body.to_owned().into());
    send(stack, request.unwrap()).await
}

fn part(token: &Value, at: usize) -> Value {
    let part = token.as_str().unwrap().split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Through API Gateway, which names the caller, and by direct invocation.
#[tokio::test]
async fn issuance_policy_decides_what_each_caller_gets() {
    let policy = json!([
        {
            "caller": "arn:aws:iam::000000000000:user/orders-*",
            "subject": "test-user", "scope": "orders:*", "claims": ["tenant"], "max_lifetime": 60,
        },
        {"caller": "invoke", "subject": "*", "scope": "read"},
    ]);
    let stack = start(&[("ISSUANCE_POLICY", &policy.to_string())]).await;
    let deep = format!(r#"{{"claims":{{"tenant":{}1{}}}}}"#, "[".repeat(40), "]".repeat(40));
    let long = json!({"claims": {"tenant": "x".repeat(6000)}}).to_string();
    let oversize = format!(r#"{{"claims":{{}}{}}}"#, " ".repeat(65_537 - 13));
    let rows = [
        (
            "orders-1",
            r#"{"claims":{"sub":"test-user","scope":"orders:read orders:write"}}"#,
            200,
            "",
        ),
        ("orders-1", r#"{"claims":{"sub":"test-user","tenant":{"a":1}},"expires_in":60}"#, 200, ""),
        ("orders-1", r#"{"claims":{"sub":"root"}}"#, 403, "access_denied"),
        (
            "orders-1",
            r#"{"claims":{"sub":"test-user","scope":"orders:read admin"}}"#,
            403,
            "invalid_scope",
        ),
        ("orders-1", r#"{"claims":{"sub":"test-user","aud":"elsewhere"}}"#, 403, "invalid_target"),
        ("orders-1", r#"{"claims":{"sub":"test-user","role":"admin"}}"#, 403, "access_denied"),
        ("orders-1", r#"{"claims":{"sub":"test-user"},"expires_in":61}"#, 403, "access_denied"),
        ("orders-1", r#"{"claims":{}}"#, 403, "access_denied"),
        ("stranger", r#"{"claims":{}}"#, 403, "unauthorized_client"),
        ("orders-1", r#"{"claims":{"iss":"me"}}"#, 400, "invalid_request"),
        ("orders-1", r#"{"claims":{"exp":9999999999}}"#, 400, "invalid_request"),
        ("orders-1", r#"{"claims":{"jti":"a"}}"#, 400, "invalid_request"),
        ("orders-1", r#"{"claims":{"sub":"test-user","sub":"root"}}"#, 400, "invalid_request"),
        ("orders-1", &deep, 400, "invalid_request"),
        ("orders-1", &long, 413, "invalid_request"),
        // Refused before the policy is evaluated, which has no rule for this caller.
        ("stranger", &oversize, 413, "invalid_request"),
    ];
    for (caller, body, status, error) in rows {
        let (answer, body_of) = post(&stack, caller, body).await;
        assert_eq!(answer.status(), status, "{caller} {body}: {body_of}");
        assert_eq!(body_of["error"].as_str().unwrap_or_default(), error, "{caller} {body}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
    let (_, short) = post(&stack, "orders-1", r#"{"claims":{"sub":"test-user"}}"#).await;
    assert_eq!(short["expires_in"], 60, "the maximum of the policy");

    let invoke = async |event: Value| {
        let result = stack.functions["Issuer"].invoke(&event).await.result;
        result.map(|answer| answer["expires_in"].clone()).map_err(|error| error.error_type)
    };
    let granted = invoke(json!({"claims": {"sub": "any-user", "scope": "read"}})).await;
    assert_eq!(granted, Ok(json!(3600)));
    let refused = invoke(json!({"claims": {"scope": "write"}})).await;
    assert_eq!(refused, Err("invalid_scope".into()));
    let without_callers = start(&[("ISSUANCE_POLICY", "[]")]).await;
    let (answer, _) = post(&without_callers, "orders-1", r#"{"claims":{}}"#).await;
    assert_eq!(answer.status(), 403);
}

/// The requirements of API Gateway's JWT authorizers, Application Load Balancers and IAM's OIDC providers.
#[tokio::test]
async fn tokens_and_keys_meet_the_requirements_of_aws_services() {
    let stack = start(&[("TOKEN_AUDIENCE", "https://api.example,other")]).await;
    let body = r#"{"claims":{"sub":"test-user","scope":"a b"}}"#;
    let (_, answer) = post(&stack, "ann", body).await;
    let (header, claims) = (part(&answer["access_token"], 0), part(&answer["access_token"], 1));
    assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("JWT")));
    assert_eq!(claims["aud"], "https://api.example", "a single string");
    assert_eq!(claims["scope"], "a b");
    for time in ["iat", "exp"] {
        assert!(claims[time].is_u64(), "{time} is a whole number");
    }
    assert!(claims["iss"].is_string() && claims["sub"].is_string() && claims["jti"].is_string());

    let keys = Request::get("/.well-known/jwks.json").body(Bytes::new()).unwrap();
    let (answer, keys) = send(&stack, keys).await;
    assert!(answer.body().len() < 150_000);
    let keys = keys["keys"].as_array().unwrap();
    assert!((1..=10).contains(&keys.len()));
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).unwrap();
    let facts = ["kty", "use", "alg"].map(|name| key[name].as_str().unwrap());
    assert_eq!(facts, ["RSA", "sig", "RS256"]);
    let modulus = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap();
    assert_eq!(modulus.len(), 256, "RSA-2048");

    let metadata = Request::get("/.well-known/openid-configuration").body(Bytes::new()).unwrap();
    let (_, metadata) = send(&stack, metadata).await;
    assert_eq!(metadata["issuer"], claims["iss"], "exactly");
    for name in [
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "claims_supported",
        "id_token_signing_alg_values_supported",
    ] {
        assert!(!metadata[name].is_null(), "{name}");
    }
}

/// `/token` needs SigV4, for which OAuth has no client authentication method: the metadata has no token
/// endpoint.
#[tokio::test]
async fn metadata_names_only_endpoints_that_exist() {
    let stack = start(&[]).await;
    let get = async |name: &str| {
        let request = Request::get(format!("/.well-known/{name}")).body(Bytes::new()).unwrap();
        let (answer, body) = send(&stack, request).await;
        (answer.status().as_u16(), body)
    };
    let issuer = format!("http://{}", stack.gateway.address());
    let openid = json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "jti", "scope"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
    });
    assert_eq!(get("openid-configuration").await, (200, openid));
    let missing = json!({"error": "invalid_request", "error_description": "no such resource"});
    assert_eq!(get("oauth-authorization-server").await, (404, missing));
}

/// RFC 9068 section 2.
#[tokio::test]
async fn access_tokens_have_the_claims_of_rfc_9068() {
    let settings = [("TOKEN_TYPE", "at+jwt"), ("TOKEN_AUDIENCE", "https://api.example")];
    let stack = start(&settings).await;
    let (_, answer) = post(&stack, "ann", r#"{"claims":{"sub":"test-user","scope":"a"}}"#).await;
    let (header, claims) = (part(&answer["access_token"], 0), part(&answer["access_token"], 1));
    assert_eq!(header["typ"], "at+jwt");
    for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        assert!(!claims[name].is_null(), "{name}");
    }
    let (answer, body) = post(&stack, "ann", r#"{"claims":{}}"#).await;
    assert_eq!((answer.status().as_u16(), &body["error"]), (400, &json!("invalid_request")));
    let bearer = format!("Bearer {}", issue_token(&stack).await);
    let whoami = Request::get("/whoami").header("authorization", bearer).body(Bytes::new());
    assert_eq!(send(&stack, whoami.unwrap()).await.0.status(), 200);
}

async fn issue_token(stack: &Stack) -> String {
    let (_, answer) = post(stack, "ann", r#"{"claims":{"sub":"test-user"}}"#).await;
    answer["access_token"].as_str().unwrap().to_owned()
}

/// The client learns only that it can retry. The cached public keys stay available.
#[tokio::test]
async fn kms_outage_is_a_503_and_public_keys_stay_available() {
    let stack = start(&[]).await;
    let keys = || Request::get("/.well-known/jwks.json").body(Bytes::new()).unwrap();
    assert_eq!(send(&stack, keys()).await.0.status(), 200);
    let faults = [
        InjectedFault::Error("ThrottlingException"),
        InjectedFault::Error("KMSInternalException"),
        InjectedFault::Error("DependencyTimeoutException"),
        InjectedFault::Page,
    ];
    for fault in faults {
        stack.kms.inject(Some(fault));
        let (answer, body) = post(&stack, "ann", r#"{"claims":{"sub":"a"}}"#).await;
        let expected = json!({
            "error": "temporarily_unavailable", "error_description": "KMS is unavailable: try again in 1 s",
        });
        assert_eq!((answer.status().as_u16(), body), (503, expected), "{fault:?}");
        assert_eq!(answer.headers()["retry-after"], "1");
        assert_eq!(send(&stack, keys()).await.0.status(), 200, "{fault:?}");
    }
    stack.kms.inject(None);
    assert_eq!(post(&stack, "ann", r#"{"claims":{"sub":"a"}}"#).await.0.status(), 200);
}

/// Verifiers cache a key set for up to two hours: without a key whose tokens are in use, they would
/// refuse those tokens for as long.
#[tokio::test]
async fn incomplete_key_set_is_not_published_for_caching() {
    let stack = start(&[]).await;
    let (next, previous) = ("alias/countersign-next", "alias/countersign-previous");
    let rows = [
        (None, 200, "public, max-age=300"),
        (Some((previous, "ThrottlingException")), 503, "no-store"),
        (Some((previous, "AccessDeniedException")), 503, "no-store"),
        (Some((previous, "NotFoundException")), 200, "public, max-age=300"),
        (Some((next, "ThrottlingException")), 200, "no-store"),
        (Some((next, "AccessDeniedException")), 200, "no-store"),
        (Some((next, "DisabledException")), 200, "public, max-age=300"),
    ];
    for path in ["jwks.json", "openid-configuration"] {
        for (fault, status, cache_control) in rows {
            stack.functions["Issuer"].stop_idle();
            let injected = fault.map(|(alias, code)| InjectedFault::ErrorFor(alias, code));
            stack.kms.inject(injected);
            let request = Request::get(format!("/.well-known/{path}")).body(Bytes::new());
            let (answer, body) = send(&stack, request.unwrap()).await;
            assert_eq!(answer.status(), status, "{path} {fault:?}: {body}");
            assert_eq!(answer.headers()["cache-control"], cache_control, "{path} {fault:?}");
        }
    }

    // A function that has just started has loaded only the current key.
    stack.kms.inject(None);
    stack.functions["Issuer"].stop_idle();
    stack.functions["Issuer"].warm().await.unwrap();
    stack.kms.inject(Some(InjectedFault::Error("KMSInternalException")));
    let request = Request::get("/.well-known/jwks.json").body(Bytes::new()).unwrap();
    let (answer, _) = send(&stack, request).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["cache-control"], "no-store");
}

/// API Gateway accepts 10,240 bytes of headers in total. An ML-DSA signature alone has up to 6,170
/// characters.
#[tokio::test]
async fn token_too_long_for_a_request_is_refused_before_it_is_signed() {
    const MAX: usize = 10_240 - 1024 - "Authorization: Bearer ".len();
    let rows = [
        ("RSA_4096", "RS256", false),
        ("ML_DSA_44", "ML-DSA-44", true),
        ("ML_DSA_65", "ML-DSA-65", true),
        ("ML_DSA_87", "ML-DSA-87", true),
    ];
    for (spec, algorithm, is_limited) in rows {
        let template = fs::read_to_string(TEMPLATE).unwrap();
        let parameters = [("KeySpec", spec), ("SigningAlgorithm", algorithm)];
        let options = with_parameters(&parameters, &[]);
        let stack = Stack::start(&template, &options).await.unwrap();
        let ask = async |bytes: usize| {
            let claims = json!({"claims": {"sub": "test-user", "f": "x".repeat(bytes)}});
            let (answer, body) = post(&stack, "ann", &claims.to_string()).await;
            (answer.status().as_u16(), body)
        };
        assert_eq!(ask(10).await.0, 200, "{spec}");
        let calls = stack.kms.calls();
        let (status, body) = ask(5000).await;
        assert_eq!(status, if is_limited { 413 } else { 200 }, "{spec}: {body}");
        if !is_limited {
            continue;
        }
        assert_eq!(stack.kms.calls(), calls, "{spec}");
        assert_eq!(body["error"], "invalid_request", "{spec}");
        let description = body["error_description"].as_str().unwrap();
        assert!(description.contains(&format!("at most {MAX} fit")), "{spec}: {description}");
        let excess = description.strip_suffix(" bytes").unwrap().rsplit(' ').next().unwrap();
        let excess: usize = excess.parse().unwrap();
        assert_eq!(ask(5000 - excess + 3).await.0, 413, "{spec}");
        let (status, body) = ask(5000 - excess).await;
        assert_eq!(status, 200, "{spec}: {body}");
        let token = body["access_token"].as_str().unwrap();
        assert!((MAX - 4..=MAX).contains(&token.len()), "{spec}: {}", token.len());
        let request = Request::get("/whoami").header("authorization", format!("Bearer {token}"));
        let (answer, _) = send(&stack, request.body(Bytes::new()).unwrap()).await;
        assert_eq!(answer.status(), 200, "{spec}");
    }
}
