//! `event` and `explain`: the token is where each kind of event has it.

use std::{env, fs, process};

use serde_json::{Value, json};

use crate::{ALIAS, Local, run_with_input, to_text};

const STAGE: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123";

#[tokio::test]
async fn new_token_is_accepted_in_every_kind_of_event() {
    let local = Local::start(&[("TOKEN_ISSUER", "us")]);
    let endpoint = format!("http://{}", local.kms);
    let settings = |more: (&'static str, &'static str)| {
        let base = [
            ("TOKEN_ISSUER", "us"),
            ("KEY_ALIAS", ALIAS),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL_KMS", &*endpoint),
        ];
        [&base[..], &[more]].concat()
    };
    let none = ("IGNORED", "");
    let simple = ("HTTP_API_RESPONSE", "simple");
    let subprotocol = ("WEBSOCKET_TOKEN_PROTOCOL", "bearer");
    let old = "Bearer old";
    let rest = |headers: Value| json!({"type": "REQUEST", "methodArn": format!("{STAGE}/v1/GET/x"), "headers": headers});
    let web_socket = |headers: Value| json!({"type": "REQUEST", "methodArn": format!("{STAGE}/v1/$connect"), "headers": headers});
    let rows = [
        ("REST", rest(json!({"authorization": old})), none),
        ("REST with a lone surrogate", rest(json!({"X": "SURROGATE"})), none),
        ("TOKEN", json!({"type": "TOKEN", "methodArn": format!("{STAGE}/v1/GET/x")}), none),
        (
            "HTTP API, format 1.0",
            json!({
                "version": "1.0", "type": "REQUEST", "methodArn": format!("{STAGE}/test/GET/request"),
                "identitySource": old, "authorizationToken": old, "headers": {"Authorization": old},
            }),
            none,
        ),
        (
            "HTTP API, several identity sources",
            json!({
                "version": "2.0", "type": "REQUEST", "routeArn": format!("{STAGE}/$default/GET/orders/7"),
                "identitySource": [old, "GET /orders/{id}"], "routeKey": "GET /orders/{id}",
                "rawPath": "/orders/7", "headers": {"authorization": old},
            }),
            simple,
        ),
        ("WebSocket with a header", web_socket(json!({"Authorization": old})), subprotocol),
        (
            "WebSocket with a subprotocol",
            web_socket(json!({"Sec-WebSocket-Protocol": "bearer, old"})),
            subprotocol,
        ),
    ];
    for (name, event, setting) in rows {
        let text = event.to_string().replace("SURROGATE", "\\ud800");
        let event = run_with_input(&["event", "-"], &settings(setting), text.as_bytes());
        assert_eq!(event.status.code(), Some(0), "{name}: {}", to_text(&event.stderr));
        assert!(!to_text(&event.stdout).contains("old"), "{name}: the old token is still there");
        let arguments = ["explain", "--event", "-"];
        let explained = run_with_input(&arguments, &settings(setting), &event.stdout);
        let text = to_text(&explained.stdout) + &to_text(&explained.stderr);
        assert_eq!(explained.status.code(), Some(0), "{name}: {text}");
        // Without keys, the response to the client is unknown.
        let without_keys = [("TOKEN_ISSUER", "us"), setting];
        for format in [&arguments[..], &["explain", "--event", "-", "--json"]] {
            let explained = run_with_input(format, &without_keys, &event.stdout);
            let text = to_text(&explained.stdout);
            assert_eq!(explained.status.code(), Some(3), "{name}: {text}");
            assert!(
                text.contains("unknown, because the signature was not checked"),
                "{name}: {text}"
            );
            assert!(
                !text.contains("backend") && !text.contains("a WebSocket connection"),
                "{name}: {text}"
            );
        }
    }
    for event in ["{\n\"type\" 1}", "[]"] {
        let output = run_with_input(&["event", "-"], &settings(none), event.as_bytes());
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.starts_with("countersign: standard input: not "), "{error}");
        assert_eq!(error.contains("(line 2, column 8)"), event.len() > 2, "{error}");
    }
}

/// The dates of an expired token are in words.
#[test]
fn explained_refusals_have_dates_in_words() {
    let event = include_bytes!("../../../../events/authorize-expired.json");
    let settings = [("TOKEN_ISSUER", "countersign")];
    let output = run_with_input(&["explain", "--event", "-"], &settings, event);
    let text = to_text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("REFUSED: expired: `exp` is 20") && text.contains(" UTC ("), "{text}");
}

/// The token of a WebSocket subprotocol is described like that of a header.
#[test]
fn explained_refusals_describe_the_token_of_a_subprotocol() {
    let event = include_str!("../../../../events/authorize-expired.json");
    let expired: Value = serde_json::from_str(event).unwrap();
    let credential = expired["headers"]["Authorization"].as_str().unwrap();
    let token = credential.strip_prefix("Bearer ").unwrap();
    let event = json!({
        "type": "REQUEST", "methodArn": format!("{STAGE}/v1/$connect"),
        "headers": {"Sec-WebSocket-Protocol": format!("bearer, {token}")},
    });
    let settings = [("TOKEN_ISSUER", "countersign"), ("WEBSOCKET_TOKEN_PROTOCOL", "bearer")];
    let event = event.to_string();
    let output = run_with_input(&["explain", "--event", "-"], &settings, event.as_bytes());
    let text = to_text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("REFUSED: expired: `exp` is 20") && text.contains(" UTC ("), "{text}");
}

/// JSON errors name the file or the option, and the line.
#[test]
fn invalid_json_is_named_with_its_line() {
    let file = env::temp_dir().join(format!("countersign-rules-{}.json", process::id()));
    fs::write(&file, "[\n{\"route\" 1}]").unwrap();
    let name = file.to_str().unwrap();
    let event = include_str!("../../../../events/authorize-expired.json");
    let in_rules = format!("(line 2, column 10) (ACCESS_RULES is the content of {name})");
    let rows: [(&[&str], &str, i32, &str); 4] = [
        (&["explain", "--event", "-", "--rules", name], event, 2, &in_rules),
        (
            &["explain", "--event", "-"],
            "{\n\"type\" 1}",
            2,
            "standard input: not JSON (line 2, column 8)",
        ),
        (&["event", "-", "--claims", "{\n1}"], event, 2, "--claims: not JSON"),
        (&["sign", "--key", ALIAS, "-"], "{\n1}", 2, "standard input: not JSON"),
    ];
    for (arguments, input, code, expected) in rows {
        let output = run_with_input(arguments, &[("TOKEN_ISSUER", "us")], input.as_bytes());
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(expected) && error.contains("(line 2, "), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    }
    fs::remove_file(file).unwrap();
}
