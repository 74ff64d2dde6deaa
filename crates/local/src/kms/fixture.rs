//! What the tests of the operations start with.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::*;

pub(super) fn state() -> State {
    State {
        store: Mutex::new(Store::new("us-east-1")),
        file: None,
        _lock: None,
        guard: Mutex::default(),
        calls: AtomicU64::new(0),
        retries: AtomicU64::new(0),
        interceptor: Mutex::default(),
    }
}

impl State {
    pub(super) fn call(&self, operation: &str, input: &Value) -> Result<Value, &'static str> {
        let answer = self.perform(operation, input.to_string().as_bytes());
        answer.map_err(|error| error.code)
    }

    /// Whether the caller with this access key may do this.
    pub(super) fn may(&self, access_key: &str, operation: &str, input: &Value) -> bool {
        match self.check(access_key, operation, input) {
            Ok(()) => true,
            Err(error) if error.code == "AccessDeniedException" => false,
            Err(error) => panic!("{operation} {input}: {error:?}"),
        }
    }

    /// From now on this access key belongs to the principal with this ARN and these statements.
    pub(super) fn assign(&self, access_key: &str, arn: &str, statements: &Value) {
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        let policies = vec![serde_json::from_value(policy).unwrap()];
        self.guard().assign_role(access_key, Role { arn: arn.into(), policies });
    }

    pub(super) fn put_policy(&self, key: &str, statements: &Value) {
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        let input = json!({"KeyId": key, "Policy": policy.to_string()});
        self.call("PutKeyPolicy", &input).unwrap();
    }

    pub(super) fn create(&self, spec: &str, usage: &str) -> String {
        let input = json!({"KeySpec": spec, "KeyUsage": usage});
        let key = self.call("CreateKey", &input).unwrap();
        key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }
}

/// Fails with every row whose outcome, the first value, is not the expected one.
pub(super) fn assert_rows<T: PartialEq + std::fmt::Debug>(
    rows: impl IntoIterator<Item = (impl std::fmt::Display, T, T)>,
) {
    let failed = rows.into_iter().filter(|(_, actual, expected)| actual != expected);
    let failed =
        failed.map(|(name, actual, expected)| format!("{name}: {actual:?}, expected {expected:?}"));
    let failed: Vec<_> = failed.collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A request to Sign, with some of its members changed.
pub(super) fn signing(key: &str, changes: Value) -> Value {
    let mut input = json!({
        "KeyId": key,
        "Message": STANDARD.encode("message"),
        "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256",
    });
    let Value::Object(changes) = changes else { panic!("an object") };
    input.as_object_mut().unwrap().extend(changes);
    input
}
