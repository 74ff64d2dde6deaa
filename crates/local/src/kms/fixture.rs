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
        weather: Weather::default(),
        hold: Hold::default(),
    }
}

impl State {
    pub(super) fn call(&self, operation: &str, input: &Value) -> Result<Value, &'static str> {
        let answer = self.perform(operation, input.to_string().as_bytes());
        answer.map_err(|error| error.code)
    }

    pub(super) fn create(&self, spec: &str, usage: &str) -> String {
        let input = json!({"KeySpec": spec, "KeyUsage": usage});
        let key = self.call("CreateKey", &input).unwrap();
        key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }
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
