//! The limits of the service model and the quotas of KMS.

use serde_json::{Value, json};

use crate::{assert_outcomes, call_as, create, start};

const INVALID: (u16, &str) = (400, "ValidationException");

fn key_with(member: &str, value: Value) -> Value {
    let mut input = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"});
    input[member] = value;
    input
}

fn tag(name: &str, value: &str) -> Value {
    json!({"TagKey": name, "TagValue": value})
}

#[tokio::test]
async fn new_key_over_a_limit_is_refused() {
    let kms = start(None).await;
    let policy = |length: usize| {
        let statement = json!({
            "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "kms:*",
            "Resource": "*",
        });
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        json!(format!("{policy}{}", " ".repeat(length - policy.len())))
    };
    let unsupported = (400, "UnsupportedOperationException");
    let ok = (200, "");
    let rows = [
        ("a description", "Description", json!("ä".repeat(8192)), ok),
        ("a long description", "Description", json!("a".repeat(8193)), INVALID),
        ("a policy", "Policy", policy(32_768), ok),
        ("a policy over the quota", "Policy", policy(32_769), (400, "LimitExceededException")),
        ("a policy over the model's limit", "Policy", policy(131_073), INVALID),
        ("no policy", "Policy", json!(""), INVALID),
        ("material of KMS", "Origin", json!("AWS_KMS"), ok),
        ("imported material", "Origin", json!("EXTERNAL"), unsupported),
        ("a CloudHSM", "Origin", json!("AWS_CLOUDHSM"), unsupported),
        ("an external key store", "Origin", json!("EXTERNAL_KEY_STORE"), unsupported),
        ("an unknown origin", "Origin", json!("LOCAL"), INVALID),
        ("a custom key store", "CustomKeyStoreId", json!("cks-1"), unsupported),
        ("an external key", "XksKeyId", json!("key-1"), unsupported),
        ("a long id of a key store", "CustomKeyStoreId", json!("a".repeat(65)), INVALID),
        ("a long id of an external key", "XksKeyId", json!("a".repeat(129)), INVALID),
        ("two members for the spec", "CustomerMasterKeySpec", json!("ECC_NIST_P256"), INVALID),
        ("an unknown tag's prefix", "Tags", json!([tag("aws", "")]), ok),
        ("a reserved tag", "Tags", json!([tag("AWS:a", "")]), (400, "TagException")),
    ];
    let rows = rows.map(|(name, member, value, expected)| {
        (name, "CreateKey", key_with(member, value), expected)
    });
    assert_outcomes(&kms, &rows);
}

#[tokio::test]
async fn tags_over_a_limit_are_refused() {
    let kms = start(None).await;
    let id = create(&kms);
    let tags = |tags: Value| json!({"KeyId": id, "Tags": tags});
    let numbered = |range: std::ops::Range<usize>| -> Value {
        range.map(|number| tag(&format!("tag{number:02}"), "")).collect()
    };
    let malformed = (400, "TagException");
    let ok = (200, "");
    let rows = [
        ("a long name", json!([tag(&"ä".repeat(128), "")]), ok),
        ("a name that is too long", json!([tag(&"a".repeat(129), "")]), INVALID),
        ("an empty name", json!([tag("", "a")]), INVALID),
        ("a long value", json!([tag("a", &"b".repeat(256))]), ok),
        ("a value that is too long", json!([tag("a", &"b".repeat(257))]), INVALID),
        ("a reserved name", json!([tag("aws:cloudformation:stack-name", "a")]), malformed),
        ("two tags of a name", json!([tag("a", "1"), tag("a", "2")]), malformed),
        ("51 tags", numbered(0..51), malformed),
        // Two exist.
        ("49 more tags", numbered(0..49), (400, "LimitExceededException")),
        ("48 more tags", numbered(0..48), ok),
        ("no list", Value::Null, INVALID),
        ("new values of 50 tags", numbered(0..48), ok),
        ("one more tag", numbered(48..49), (400, "LimitExceededException")),
    ];
    let rows = rows.map(|(name, value, expected)| (name, "TagResource", tags(value), expected));
    assert_outcomes(&kms, &rows);
}

#[tokio::test]
async fn name_over_a_limit_is_refused() {
    let kms = start(None).await;
    let id = create(&kms);
    let name = |length: usize| format!("alias/{}", "a".repeat(length - 6));
    let alias = |name: String, key: &str| json!({"AliasName": name, "TargetKeyId": key});
    let long = "a".repeat(2048);
    let too_long = "a".repeat(2049);
    let missing = (400, "NotFoundException");
    let ok = (200, "");
    assert_outcomes(
        &kms,
        &[
            ("a long key id", "DescribeKey", json!({"KeyId": long}), missing),
            ("a key id that is too long", "DescribeKey", json!({"KeyId": too_long}), INVALID),
            ("an empty key id", "DescribeKey", json!({"KeyId": ""}), INVALID),
            ("a filter that is too long", "ListAliases", json!({"KeyId": too_long}), INVALID),
            ("an empty filter", "ListAliases", json!({"KeyId": ""}), INVALID),
            ("a target that is too long", "CreateAlias", alias(name(9), &too_long), INVALID),
            ("a long alias", "CreateAlias", alias(name(256), &id), ok),
            ("an alias that is too long", "CreateAlias", alias(name(257), &id), INVALID),
        ],
    );
}

#[tokio::test]
async fn page_over_a_limit_is_refused() {
    let kms = start(None).await;
    let id = create(&kms);
    let page = |limit: usize| json!({"KeyId": id, "Limit": limit});
    let marker = |length: usize| json!({"KeyId": id, "Marker": "a".repeat(length)});
    let ok = (200, "");
    assert_outcomes(
        &kms,
        &[
            ("50 tags", "ListResourceTags", page(50), ok),
            ("51 tags", "ListResourceTags", page(51), INVALID),
            ("no tags", "ListResourceTags", page(0), INVALID),
            ("100 aliases", "ListAliases", page(100), ok),
            ("101 aliases", "ListAliases", page(101), INVALID),
            ("no aliases", "ListAliases", page(0), INVALID),
            ("a long marker", "ListAliases", marker(1024), ok),
            ("a marker that is too long", "ListAliases", marker(1025), INVALID),
            ("an empty marker", "ListResourceTags", marker(0), INVALID),
            ("a marker of grants that is too long", "ListGrants", marker(1025), INVALID),
            ("a marker of no grant", "ListGrants", marker(64), ok),
            ("a malformed marker", "ListGrants", marker(63), (400, "InvalidMarkerException")),
        ],
    );
    let tags: Value = (0..3).map(|number| tag(&format!("tag{number}"), "")).collect();
    let tagged = call_as(&kms, "tester", "TagResource", &json!({"KeyId": id, "Tags": tags}));
    assert_eq!(tagged.0, 200, "{tagged:?}");
    let (_, first) = call_as(&kms, "tester", "ListResourceTags", &page(2));
    let expected = json!({
        "Tags": [tag("tag0", ""), tag("tag1", "")], "Truncated": true, "NextMarker": "tag1",
    });
    assert_eq!(first, expected);
    let next = json!({"KeyId": id, "Limit": 2, "Marker": "tag1"});
    let (_, second) = call_as(&kms, "tester", "ListResourceTags", &next);
    assert_eq!(second, json!({"Tags": [tag("tag2", "")], "Truncated": false}));
}
