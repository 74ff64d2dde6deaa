use jwt::{KeySetVerifier, UnverifiedToken, Validation};

use super::*;
use crate::http;

async fn provider() -> OidcProvider {
    OidcProvider::start(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap()
}

async fn request(provider: &OidcProvider, request: Request<Bytes>) -> (StatusCode, Value) {
    let response = http::send(provider.address(), request).await.unwrap();
    (response.status(), serde_json::from_slice(response.body()).unwrap())
}

async fn get(provider: &OidcProvider, path: &str) -> Value {
    let (status, body) = request(provider, Request::get(path).body(Bytes::new()).unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

/// The claims of a token, verified with the published keys of the provider.
async fn verified(provider: &OidcProvider, token: &str) -> Map<String, Value> {
    let metadata = get(provider, METADATA).await;
    assert_eq!(metadata["issuer"], provider.issuer());
    let path = metadata["jwks_uri"].as_str().unwrap().strip_prefix(provider.issuer()).unwrap();
    let set = get(provider, path).await;
    let keys = KeySetVerifier::new(&JwkSet::read(set.to_string().as_bytes()).unwrap()).unwrap();
    let validation = Validation::new(Some(provider.issuer().into()), None);
    let now = UnixTime::from(SystemTime::now());
    let candidate = UnverifiedToken::parse(token).unwrap().screen(&validation, now).unwrap();
    candidate.confirm(&keys).await.unwrap().unwrap().into_members()
}

#[tokio::test]
async fn token_of_a_job_is_verified_with_the_published_keys() {
    let provider = provider().await;
    let body = get(&provider, "/token?audience=https%3A%2F%2Fapi.example").await;
    let claims = verified(&provider, body["value"].as_str().unwrap()).await;
    assert_eq!(claims["aud"], "https://api.example");
    assert_eq!(claims["sub"], "repo:acme@1234567/app@7654321:environment:production");
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test]
async fn requested_claims_replace_those_of_the_job() {
    let provider = provider().await;
    let requested = json!({"repository_id": "1", "environment": null, "tenant": [7]});
    let post = Request::post("/token").body(requested.to_string().into()).unwrap();
    let (status, body) = request(&provider, post).await;
    assert_eq!(status, StatusCode::OK);
    let claims = verified(&provider, body["value"].as_str().unwrap()).await;
    assert_eq!((&claims["repository_id"], &claims["tenant"]), (&json!("1"), &json!([7])));
    assert!(!claims.contains_key("environment"));

    let token = provider.token(Map::from_iter([("sub".into(), json!("job"))])).unwrap();
    assert_eq!(verified(&provider, &token).await["sub"], "job");
}

#[tokio::test]
async fn metadata_and_tokens_have_the_name_of_the_proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = "https://localhost:8443";
    let options = OidcOptions { name: Some(name.into()), ..OidcOptions::default() };
    let provider = OidcProvider::start_with(listener, &options).unwrap();
    let metadata = get(&provider, METADATA).await;
    assert_eq!(metadata["jwks_uri"], format!("{name}{KEYS}"));
    let token = provider.token(Map::new()).unwrap();
    assert_eq!(verified(&provider, &token).await["iss"], name);
}

#[tokio::test]
async fn other_requests_are_refused() {
    let provider = provider().await;
    let rows = [
        (Request::post("/token").body("[]".into()), StatusCode::BAD_REQUEST),
        (Request::post("/token").body(r#"{"a":1,"a":2}"#.into()), StatusCode::BAD_REQUEST),
        (Request::delete("/token").body("".into()), StatusCode::METHOD_NOT_ALLOWED),
        (Request::get("/keys").body("".into()), StatusCode::NOT_FOUND),
        (Request::get("/token").header("host", "a.example").body("".into()), StatusCode::FORBIDDEN),
    ];
    for (sent, expected) in rows {
        let sent = sent.unwrap();
        let name = format!("{} {}", sent.method(), sent.uri());
        assert_eq!(request(&provider, sent).await.0, expected, "{name}");
    }
}
