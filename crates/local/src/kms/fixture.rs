//! Helpers of the tests.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{authorization::Role, service::KmsService};

/// A KMS without keys.
pub(crate) fn service() -> KmsService {
    KmsService::new("us-east-1", None).unwrap()
}

impl KmsService {
    /// Performs an operation. The error is its code.
    pub(crate) fn call(&self, operation: &str, input: &Value) -> Result<Value, &'static str> {
        let response = self.perform(operation, input.to_string().as_bytes());
        response.map_err(|error| error.code)
    }

    /// Whether the caller with this access key is allowed an operation.
    pub(crate) fn may(&self, access_key: &str, operation: &str, input: &Value) -> bool {
        match self.check_access(access_key, operation, input) {
            Ok(()) => true,
            Err(error) if error.code == "AccessDeniedException" => false,
            Err(error) => panic!("{operation} {input}: {error:?}"),
        }
    }

    /// Assigns a role with this ARN and these policy statements to an access key.
    pub(crate) fn assign(&self, access_key: &str, arn: &str, statements: &Value) {
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        let policies = vec![serde_json::from_value(policy).unwrap()];
        self.access_control().assign_role(access_key, Role { arn: arn.into(), policies });
    }

    /// Replaces the policy of a key.
    pub(crate) fn put_policy(&self, key: &str, statements: &Value) {
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        let input = json!({"KeyId": key, "Policy": policy.to_string()});
        self.call("PutKeyPolicy", &input).unwrap();
    }

    /// Creates a key and returns its id.
    pub(crate) fn create(&self, spec: &str, usage: &str) -> String {
        let input = json!({"KeySpec": spec, "KeyUsage": usage});
        let key = self.call("CreateKey", &input).unwrap();
        key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }
}

/// Reports every row whose actual value, the second member, is not the expected one, the third member.
pub(crate) fn assert_rows<T: PartialEq + std::fmt::Debug>(
    rows: impl IntoIterator<Item = (impl std::fmt::Display, T, T)>,
) {
    let failed = rows.into_iter().filter(|(_, actual, expected)| actual != expected);
    let failed =
        failed.map(|(name, actual, expected)| format!("{name}: {actual:?}, expected {expected:?}"));
    let failed: Vec<_> = failed.collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A Sign request with some members changed.
pub(crate) fn sign_request(key: &str, changes: Value) -> Value {
    let mut input = json!({
        "KeyId": key,
        "Message": STANDARD.encode("message"),
        "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256",
    });
    let Value::Object(changes) = changes else { panic!("an object") };
    input.as_object_mut().unwrap().extend(changes);
    input
}
