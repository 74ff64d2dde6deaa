//! Authorizers of other types, and third-party authorizers.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use local::{Bytes, Request, Stack, StackOptions, http};
use serde_json::{Value, json};

use crate::{
    Local, TEMPLATE, interop::is_installed, options, run, template_with_paths, to_text, token,
    with_parameters,
};

async fn whoami(stack: &Stack, authorization: &str) -> (u16, Value) {
    let mut request = Request::get("/whoami");
    if !authorization.is_empty() {
        request = request.header("authorization", authorization);
    }
    let request = request.body(Bytes::new()).unwrap();
    let response = http::send(stack.gateway.address(), request).await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
}

#[tokio::test]
async fn token_authorizers_are_served() {
    let template = template_with_paths(&["/whoami"]);
    let request = "FunctionPayloadType: REQUEST\n            Identity:\n              Headers: [Authorization]";
    assert!(template.contains(request));
    let of_type = |identity: &str| {
        let own =
            format!("FunctionPayloadType: TOKEN\n            Identity:\n              {identity}");
        template.replace(request, &own)
    };
    let plain = of_type("Header: Authorization");
    let stack = Stack::start(&plain, &with_parameters(&[("PolicyCacheSeconds", "0")], &[])).await;
    let stack = stack.unwrap();
    let bearer = format!("Bearer {}", token(&stack, json!({"sub": "ann"})).await);
    let (status, body) = whoami(&stack, &bearer).await;
    assert_eq!((status, &body["sub"]), (200, &json!("ann")));
    let unauthorized = (401, json!({"message": "Unauthorized"}));
    assert_eq!(whoami(&stack, "Bearer a.b.c").await, unauthorized);
    assert_eq!(whoami(&stack, "").await, unauthorized);
    drop(stack);
    let checked = of_type("ValidationExpression: '^Bearer e[^ ]+$'");
    let stack = Stack::start(&checked, &options(&[])).await.unwrap();
    let bearer = format!("Bearer {}", token(&stack, json!({"sub": "ann"})).await);
    assert_eq!(whoami(&stack, &bearer).await.0, 200);
    let invocations = |stack: &Stack| {
        let lines = stack.logs.recent();
        lines.iter().filter(|line| line.function == "Authorizer").count()
    };
    // The log line can arrive later than the response.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let before = invocations(&stack);
    assert!(before > 0);
    assert_eq!(whoami(&stack, "Basic a").await, unauthorized);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(invocations(&stack), before, "refused without an invocation");
}

/// An authorizer that is a script: it allows `Bearer open`, and returns values of its environment.
const SCRIPT: &str = r#"#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while :; do
    head=$(mktemp)
    event=$(curl -s -D "$head" "$api/next") || exit 1
    id=$(tr -d '\r' < "$head" | sed -n 's/^lambda-runtime-aws-request-id: //p')
    rm "$head"
    case $event in
    *'Bearer open'*)
        policy='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"*"}]}'
        context="{\"sub\":\"$OWN_VARIABLE\",\"scope\":\"$AWS_SESSION_TOKEN\",\"exp\":1}"
        result="{\"principalId\":\"a\",\"policyDocument\":$policy,\"context\":$context}"
        curl -s -o /dev/null "$api/$id/response" -d "$result" ;;
    *) curl -s -o /dev/null "$api/$id/error" -d '{"errorType":"No","errorMessage":"Unauthorized"}' ;;
    esac
done
"#;

pub(crate) fn script() -> PathBuf {
    let file = env::temp_dir().join(format!("countersign-authorizer-{}", uuid::Uuid::new_v4()));
    fs::write(&file, SCRIPT).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

#[tokio::test]
async fn a_third_party_authorizer_is_served() {
    if !is_installed("curl", &["--version"]) {
        return;
    }
    let file = script();
    let path = env::var("PATH").unwrap();
    let environment =
        [("PATH", &*path), ("OWN_VARIABLE", "theirs"), ("AWS_SESSION_TOKEN", "not for it")];
    let local =
        Local::start_with_arguments(&["--authorizer", file.to_str().unwrap()], &environment);
    let expected = json!({"sub": "theirs", "scope": "", "iss": "", "aud": "", "jti": "", "exp": 1});
    assert_eq!(local.whoami("Bearer open").await, (200, expected));
    assert_eq!(local.whoami("Bearer shut").await, (401, json!({"message": "Unauthorized"})));
    // The other functions are those of the template.
    let token = local.token().await;
    assert_eq!(token.split('.').count(), 3);
    fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_missing_authorizer_is_named() {
    let output = run(&["local", "--authorizer", "./missing"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let message = to_text(&output.stderr);
    assert!(message.starts_with("countersign: --authorizer ./missing: "), "{message}");
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let authorizer = Some(Path::new("/nonexistent").to_owned());
    let options = StackOptions { authorizer, ..options(&[]) };
    let error = Stack::start(&template, &options).await.unwrap_err().to_string();
    assert!(error.starts_with("Authorizer did not start"), "{error}");
}
