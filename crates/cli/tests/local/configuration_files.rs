//! The configuration files in the layer of the template.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use local::{Bytes, Request, Stack, StackOptions, http};
use serde_json::{Value, json};

use crate::{ROOT, SIGV4, TEMPLATE, options, token, with_parameters};

/// A copy of the layer, and of the template next to it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("countersign-{name}-{}", process::id()));
        fs::create_dir_all(folder.join("layer/config")).unwrap();
        for file in ["access-rules.json", "issuance-policy.json", "revocations.json"] {
            let file = format!("layer/config/{file}");
            fs::copy(format!("{ROOT}/{file}"), folder.join(file)).unwrap();
        }
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The path of the folder with the files.
    pub(crate) fn config(&self) -> String {
        self.0.join("layer/config").to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join("layer/config").join(file), text).unwrap();
    }

    async fn start(&self) -> Stack {
        let options = StackOptions { folder: self.0.clone(), ..options(&[]) };
        Stack::start(&fs::read_to_string(TEMPLATE).unwrap(), &options).await.unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn status(stack: &Stack, request: Request<Bytes>) -> u16 {
    http::send(stack.gateway.address(), request).await.unwrap().status().as_u16()
}

async fn whoami(stack: &Stack, token: &str) -> u16 {
    let request = Request::get("/whoami").header("authorization", format!("Bearer {token}"));
    status(stack, request.body(Bytes::new()).unwrap()).await
}

#[tokio::test]
async fn changed_file_applies_to_the_next_request() {
    let folder = Folder::new("reload");
    let stack = folder.start().await;
    let token = token(&stack, json!({"sub": "ann"})).await;
    assert_eq!(whoami(&stack, &token).await, 200);

    folder.write("access-rules.json", r#"[{"route": "GET /whoami", "scope": "read"}]"#);
    assert_eq!(whoami(&stack, &token).await, 403, "the rules are closed");

    folder.write("access-rules.json", "[");
    assert_eq!(whoami(&stack, &token).await, 500, "the function does not start with half a file");
    let log = stack.logs.recent();
    let problem = log.iter().rfind(|line| line.text.contains("invalid settings")).unwrap();
    assert!(problem.text.contains("access-rules.json: is not a JSON list of rules"), "{problem:?}");

    folder.write("access-rules.json", r#"[{"route": "GET /whoami", "any": true}]"#);
    assert_eq!(whoami(&stack, &token).await, 200);

    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let revoked = json!([{"iss": claims["iss"], "sub": "ann", "issued_before": 4_000_000_000_u64}]);
    folder.write("revocations.json", &revoked.to_string());
    assert_eq!(whoami(&stack, &token).await, 401, "the token is revoked");

    folder.write("revocations.json", "[]");
    assert_eq!(whoami(&stack, &token).await, 200);

    let closed = r#"[{"caller": "arn:aws:iam::123456789012:role/other"}]"#;
    folder.write("issuance-policy.json", closed);
    let request = Request::post("/token")
        .header("content-type", "application/json")
        .header("x-amz-date", "20261123T000000Z")
        .header("authorization", SIGV4)
        .body(json!({"claims": {"sub": "ann"}}).to_string().into());
    assert_eq!(status(&stack, request.unwrap()).await, 403, "the caller has no rule");
}

#[tokio::test]
async fn layer_of_another_template_is_an_error() {
    let arn = "arn:aws:lambda:us-east-1:123456789012:layer:config:1";
    let options = with_parameters(&[("ConfigLayerArn", arn)], &[]);
    let error = Stack::start(&fs::read_to_string(TEMPLATE).unwrap(), &options).await.unwrap_err();
    let expected =
        "has a layer that is not part of the template, and its files are not on this machine";
    assert!(error.to_string().contains(expected), "{error}");
}
