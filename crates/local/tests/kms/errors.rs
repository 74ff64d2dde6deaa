//! The status and the words of errors.

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_local::kms::error_response;
use serde_json::json;

use crate::{assert_outcomes, call_as, create, start};

#[tokio::test]
async fn errors_of_the_client_have_status_400() {
    let kms = start(None).await;
    let id = create(&kms);
    let key = json!({"KeyId": id});
    let sign = json!({
        "KeyId": id, "Message": STANDARD.encode("a"), "SigningAlgorithm": "ECDSA_SHA_256", "DryRun": true,
    });
    let unknown = json!({"KeyId": "00000000-0000-0000-0000-000000000000"});
    let alias = json!({"AliasName": "alias/a", "TargetKeyId": id});
    let ok = (200, "");
    assert_outcomes(
        &kms,
        &[
            ("an unknown key", "DescribeKey", unknown, (400, "NotFoundException")),
            ("a dry run", "Sign", sign.clone(), (400, "DryRunOperationException")),
            ("a new alias", "CreateAlias", alias.clone(), ok),
            ("an existing alias", "CreateAlias", alias, (400, "AlreadyExistsException")),
            ("disabling", "DisableKey", key.clone(), ok),
            ("a disabled key", "Sign", sign, (400, "DisabledException")),
            ("deleting", "ScheduleKeyDeletion", key.clone(), ok),
            ("a key pending deletion", "EnableKey", key, (400, "KMSInvalidStateException")),
        ],
    );
}

#[test]
fn errors_of_kms_have_status_500() {
    for code in ["KMSInternalException", "KeyUnavailableException", "DependencyTimeoutException"] {
        assert_eq!(error_response(code, "").status(), 500, "{code}");
    }
}

#[tokio::test]
async fn an_unknown_operation_is_named() {
    let kms = start(None).await;
    for (operation, shown) in [("EnableKeyRotation", "EnableKeyRotation"), ("A'b", "A\\'b")] {
        let (status, body) = call_as(&kms, "tester", operation, &json!({}));
        let message = format!("Operation {shown} is not supported on this machine.");
        let expected = json!({"__type": "UnknownOperationException", "message": message});
        assert_eq!((status, body), (400, expected), "{operation}");
    }
    let long = "A".repeat(1000);
    let (_, body) = call_as(&kms, "tester", &long, &json!({}));
    assert!(body["message"].as_str().unwrap().len() < 120, "{body}");
}
