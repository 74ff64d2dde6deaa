//! `countersign explain`: each check and the response of the authorizer.

use std::{env, fs, process::Output};

use base64::{Engine, engine::general_purpose::STANDARD};
use jwt::{Jwk, PublicKey};
use local::{Request, http};
use serde_json::{Value, json};

use crate::{ALIAS, Local, run_with_input, to_text};

const STAGE: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1";

type Settings<'a> = &'a [(&'a str, &'a str)];

fn explain(event: &Value, arguments: &[&str], settings: Settings<'_>) -> Output {
    let arguments = [&["explain", "--event", "-"], arguments].concat();
    run_with_input(&arguments, settings, event.to_string().as_bytes())
}

#[tokio::test]
async fn checks_rules_and_response_are_printed() {
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
    let jwk = Jwk::new(PublicKey::from_spki(&spki).unwrap());
    let jwks = file("jwk.json", jwk.to_json().to_string());
    let open = json!([{"route": "GET /orders/{id}", "when": "claims.sub == 'test-user'"}]);
    let open = file("open.json", open.to_string());
    let closed = json!([{"route": "GET /orders/{id}", "scope": "orders:read"}]);
    let closed = file("closed.json", closed.to_string());

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
    let issuer = &ring[..1];
    let changed = format!("{}x", &token[..token.len() - 4]);
    let good = event(&token);
    let cached = [ring[0], ("SIGNATURE_CACHE_SECONDS", "60")];
    let rows: [(_, Value, &[&str], Settings<'_>, _, _); 7] = [
        ("allowing rule", good.clone(), &["--rules", &open], &ring, 0, "open, and decides"),
        ("no rules", good.clone(), &["--jwks", &jwks], issuer, 0, "no rules: every route is open"),
        ("no keys", good.clone(), &[], issuer, 3, "NOT CHECKED"),
        (
            "signature cache",
            good.clone(),
            &["--jwks", &jwks],
            &cached,
            0,
            "signature           passed; an environment does not verify it again for 60 s",
        ),
        (
            "denying rule",
            good.clone(),
            &["--rules", &closed, "--jwks", &jwks],
            issuer,
            1,
            "Response to the client: 403",
        ),
        ("changed signature", event(&changed), &["--jwks", &jwks], issuer, 1, "REFUSED"),
        (
            "no token",
            json!({"type": "TOKEN", "methodArn": format!("{STAGE}/GET/")}),
            &[],
            issuer,
            1,
            "NoCredentials",
        ),
    ];
    for (name, event, arguments, settings, code, expected) in rows {
        let output = explain(&event, arguments, settings);
        let text = to_text(&output.stdout) + &to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{name}: {text}");
        assert!(text.contains(expected), "{name}: {text}");
        assert!(!text.contains(&token), "{name}: {text}");
    }

    let output = explain(&good, &["--rules", &closed, "--jwks", &jwks, "--json"], issuer);
    let explanation: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        explanation["checks"][10],
        json!({"check": "rules", "result": "CLOSED: no rule opens the route to this token (ClosedRoute)"})
    );
    assert_eq!(explanation["rules"][0]["result"], "closed, and decides");
    let statement = &explanation["answer"]["policyDocument"]["Statement"][0];
    assert_eq!(statement["Effect"], "Deny");
    assert_eq!(explanation["client"], "403");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn invalid_settings_and_files_are_usage_errors() {
    let good = json!({"type": "TOKEN", "methodArn": format!("{STAGE}/GET/")});
    let wrong = env::temp_dir().join(format!("countersign-wrong-{}.json", std::process::id()));
    fs::write(&wrong, "[]").unwrap();
    let wrong = wrong.to_str().unwrap();
    let issuer = [("TOKEN_ISSUER", "countersign")];
    let rows: [(&Value, &[&str], Settings<'_>, &str); 8] = [
        (&good, &[], &[], "TOKEN_ISSUER is required"),
        (&good, &["--rules", wrong], &issuer, "ACCESS_RULES has no rules: add one"),
        (&json!({}), &[], &issuer, "not an authorizer event"),
        (&good, &["--rules", "/nowhere"], &issuer, "/nowhere: No such file"),
        (&good, &["--rules", "/"], &issuer, "/: Is a directory"),
        (&good, &["--jwks", "/nowhere"], &issuer, "/nowhere: No such file"),
        (&good, &["--rules", "-"], &issuer, "only one of --event, --rules and --jwks"),
        (&good, &["--jwks", "-"], &issuer, "only one of --event, --rules and --jwks"),
    ];
    for (event, arguments, settings, expected) in rows {
        let output = explain(event, arguments, settings);
        let text = to_text(&output.stdout) + &to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    fs::remove_file(wrong).unwrap();
}
