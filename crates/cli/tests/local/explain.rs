//! `countersign explain`: what it says is what the function does.

use std::{env, fs, process::Output};

use base64::{Engine, engine::general_purpose::STANDARD};
use jwt::{Jwk, PublicKey};
use local::{Request, http};
use serde_json::{Value, json};

use crate::{ALIAS, Local, fed, said};

const STAGE: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1";

type Settings<'a> = &'a [(&'a str, &'a str)];

fn explain(event: &Value, arguments: &[&str], settings: Settings<'_>) -> Output {
    let arguments = [&["explain", "--event", "-"], arguments].concat();
    fed(&arguments, settings, event.to_string().as_bytes())
}

#[tokio::test]
async fn it_says_what_the_function_does_and_why() {
    let local = Local::start(&[("TOKEN_ISSUER", "countersign")]);
    let token = local.token().await;
    let folder = env::temp_dir().join(format!("countersign-explain-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: String| {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let request = Request::post("/").header("x-amz-target", "TrentService.GetPublicKey");
    let request = request.body(json!({"KeyId": ALIAS}).to_string().into()).unwrap();
    let answer = http::send(local.kms, request).await.unwrap();
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    let spki = STANDARD.decode(answer["PublicKey"].as_str().unwrap()).unwrap();
    let jwk = Jwk { key: PublicKey::from_spki(&spki).unwrap(), key_id: None, algorithm: None };
    let jwks = file("jwk.json", jwk.to_json().to_string());
    let open = json!([{"route": "GET /orders/{id}", "when": "claims.sub == 'test-user'"}]);
    let open = file("open.json", open.to_string());
    let closed = json!([{"route": "GET /orders/{id}", "scope": "orders:read"}]);
    let closed = file("closed.json", closed.to_string());
    let wrong = file("wrong.json", "[]".into());

    let event = |token: &str| {
        json!({
            "type": "REQUEST", "methodArn": format!("{STAGE}/GET/orders/7"),
            "headers": {"Authorization": format!("Bearer {token}")},
        })
    };
    let endpoint = format!("http://{}", local.kms);
    let ring = [
        ("TOKEN_ISSUER", "countersign"),
        ("KEY_ALIAS", ALIAS),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL_KMS", &*endpoint),
    ];
    let bare = &ring[..1];
    let changed = format!("{}x", &token[..token.len() - 4]);
    let good = event(&token);
    let rows: [(_, Value, &[&str], Settings<'_>, _, _); 9] = [
        ("by KMS", good.clone(), &["--rules", &open], &ring, 0, "open, and decides"),
        ("by keys", good.clone(), &["--jwks", &jwks], bare, 0, "none: all is open"),
        ("by nobody", good.clone(), &[], bare, 3, "NOT CHECKED"),
        (
            "closed",
            good.clone(),
            &["--rules", &closed, "--jwks", &jwks],
            bare,
            1,
            "The client sees 403.",
        ),
        ("cut", event(&changed), &["--jwks", &jwks], bare, 1, "REFUSED"),
        (
            "no token",
            json!({"type": "TOKEN", "methodArn": format!("{STAGE}/GET/")}),
            &[],
            bare,
            1,
            "NoCredentials",
        ),
        ("no settings", good.clone(), &[], &[], 3, "TOKEN_ISSUER is required"),
        (
            "wrong rules",
            good.clone(),
            &["--rules", &wrong],
            bare,
            3,
            "ACCESS_RULES has no rules: add one",
        ),
        ("no event", json!({}), &[], bare, 3, "not an authorizer event"),
    ];
    for (name, event, arguments, settings, code, expected) in rows {
        let output = explain(&event, arguments, settings);
        let told = said(&output.stdout) + &said(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{name}: {told}");
        assert!(told.contains(expected), "{name}: {told}");
        assert!(!told.contains(&token), "{name}: {told}");
    }

    let output = explain(&good, &["--rules", &closed, "--jwks", &jwks, "--json"], bare);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        told["checks"][9],
        json!({"check": "rules", "result": "CLOSED: no rule opens the route to this token (ClosedRoute)"})
    );
    assert_eq!(told["rules"][0]["result"], "closed, and decides");
    let statement = &told["answer"]["policyDocument"]["Statement"][0];
    assert_eq!(statement["Effect"], "Deny");
    assert_eq!(told["client"], "403");
    fs::remove_dir_all(folder).unwrap();
}
