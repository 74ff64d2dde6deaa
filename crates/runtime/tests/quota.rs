//! The SDK limits retries by a quota, so that retries do not add to the load of a failing KMS. The quota is shared by the
//! whole process, so this test has its own process.

use std::{sync::Arc, time::Duration};

use countersign_runtime::{Settings, connect};
use kms::Keyring;
use local::kms::Kms;
use testing::{InjectFaults, InjectedFault};
use tokio::net::TcpListener;

#[tokio::test]
async fn successes_refill_the_exhausted_retry_quota() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kms = Kms::start(listener, "us-east-1", None).unwrap();
    let input = serde_json::json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"});
    let key = kms.perform("CreateKey", &input).unwrap();
    let key = key.pointer("/KeyMetadata/KeyId").and_then(|id| id.as_str()).unwrap();
    let mut settings: Settings = [
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_ENDPOINT_URL_KMS", format!("http://{}", kms.address())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect();
    let client = connect(&mut settings).unwrap();
    let name = key.parse().unwrap();
    let keyring = Arc::new(Keyring::new(client, name, None, Duration::from_nanos(1)));
    let attempts = async || {
        let calls = kms.calls();
        let _ = keyring.published_ring().await;
        kms.calls() - calls
    };
    kms.inject(Some(InjectedFault::Error("KMSInternalException")));
    let mut attempts_per_operation = Vec::new();
    for _ in 0..60 {
        attempts_per_operation.push(attempts().await);
    }
    assert_eq!(attempts_per_operation.first(), Some(&3), "{attempts_per_operation:?}");
    assert_eq!(
        attempts_per_operation.last(),
        Some(&1),
        "the quota is exhausted: {attempts_per_operation:?}"
    );
    kms.inject(None);
    for _ in 0..60 {
        attempts().await;
    }
    kms.inject(Some(InjectedFault::Error("KMSInternalException")));
    assert!(attempts().await > 1, "successes have refilled the quota");
}
