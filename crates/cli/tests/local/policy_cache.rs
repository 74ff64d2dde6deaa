//! Authorizer responses that API Gateway caches (`PolicyCacheSeconds` in `Settings`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use local::{Bytes, Request, Stack, http};
use serde_json::{Value, json};

use crate::{template_with_paths, token_for, with_parameters};

const RULES: &str = r#"[
    {"route": "GET /whoami", "scope": "read"},
    {"route": "GET /reports/{id}", "scope": "read"},
    {"route": "GET /admin/*", "scope": "admin"}
]"#;

/// The stack of the template with a cache of so many seconds and more routes.
async fn stack(seconds: u64) -> Stack {
    let paths = ["/admin/{proxy+}", "/reports/{id}", "/reports/{id}/pages", "/whoami"];
    let template = template_with_paths(&paths);
    let settings = format!("PolicyCacheSeconds={seconds}");
    let options = with_parameters(&[("Settings", &settings)], &[("ACCESS_RULES", RULES)]);
    Stack::start(&template, &options).await.unwrap()
}

/// The status, and the number of KMS calls.
async fn get(stack: &Stack, path: &str, token: &str) -> (u16, u64) {
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    let calls = stack.kms.calls();
    let answer = http::send(stack.gateway.address(), request.body(Bytes::new()).unwrap()).await;
    (answer.unwrap().status().as_u16(), stack.kms.calls() - calls)
}

#[tokio::test]
async fn cached_policy_is_correct_for_every_route() {
    let stack = stack(300).await;
    let routes = [
        ("/whoami", "read"),
        ("/reports/7", "read"),
        ("/reports/7/pages", "none"),
        ("/admin/users", "admin"),
        ("/admin/users/7", "admin"),
    ];
    for scope in ["read", "admin", "read admin", "other"] {
        // The policy is cached by a request for each of the routes.
        for first in 0..routes.len() {
            let token = token_for(&stack, json!({"sub": "a", "scope": scope}), 600).await;
            let mut order = routes;
            order.rotate_left(first);
            for (at, (path, needed)) in order.into_iter().enumerate() {
                let open = scope.split(' ').any(|scope| scope == needed);
                let expected = (if open { 200 } else { 403 }, u64::from(at == 0));
                assert_eq!(
                    get(&stack, path, &token).await,
                    expected,
                    "{scope} {path}, request {at}"
                );
            }
        }
    }
}

#[tokio::test]
async fn cached_policy_outlives_its_token_by_at_most_the_cache_time() {
    let stack = stack(2).await;
    // Times in a token are whole seconds: more than one of the two is left.
    let token = token_for(&stack, json!({"sub": "a", "scope": "read"}), 2).await;
    assert_eq!(get(&stack, "/whoami", &token).await, (200, 1));
    assert_eq!(get(&stack, "/whoami", &token).await, (200, 0), "cached");
    let expiry = claims(&token)["exp"].as_u64().unwrap();
    let end = UNIX_EPOCH + Duration::from_secs(expiry + 2);
    tokio::time::sleep(end.duration_since(SystemTime::now()).unwrap()).await;
    assert_eq!(get(&stack, "/whoami", &token).await, (401, 0));
}

fn claims(token: &str) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}
