//! The condition keys of a request for a key: those of KMS and the global ones ("Condition keys for AWS KMS" in the
//! developer guide). Each operation declares those that depend on the request only.

use crate::{
    account::ACCOUNT,
    iam::ConditionContext,
    kms::{
        error::KmsError,
        input::Input,
        operations::{KmsOperation, Resource},
        store::{Store, StoredKey},
    },
};

/// The condition keys of a request for a key: those for every policy, and those for identity-based policies
/// only.
pub(crate) fn of_key(
    store: &Store,
    key: &StoredKey,
    operation: Option<&KmsOperation>,
    input: &Input,
) -> Result<(ConditionContext, ConditionContext), KmsError> {
    let (mut context, mut identity_context) = match operation {
        Some(operation) => (operation.request_context(input)?, ConditionContext::default()),
        None => Default::default(),
    };
    context.set("kms:CallerAccount", [ACCOUNT]);
    context.set("kms:KeySpec", [key.spec.name()]);
    context.set("kms:KeyUsage", [key.usage.name()]);
    let time = store.authorization_time();
    let aliases = time
        .map_or_else(|| store.aliases.all_visible(store.now()), |time| store.aliases.all_at(time));
    let is_own = |name: &str| aliases.get(name).is_some_and(|alias| alias.key == key.id);
    // Not for key policies ("ABAC for AWS KMS" in the developer guide).
    let own = aliases.keys().copied().filter(|name| is_own(name));
    identity_context.set("kms:ResourceAliases", own);
    for (name, value) in key.tags.all_at(time.unwrap_or(f64::INFINITY)) {
        identity_context.set(&format!("aws:ResourceTag/{name}"), [&**value]);
    }
    if operation.is_some_and(|operation| operation.resource == Resource::KeyOrAlias) {
        let alias = store.alias_name(input.required("KeyId")?);
        // The condition key is absent until authorization sees the alias.
        let alias = alias.filter(|name| time.is_none() || is_own(name));
        context.set("kms:RequestAlias", alias);
    }
    Ok((context, identity_context))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::{Value, json};

    use crate::kms::{
        fixture::{assert_rows, service, sign_request},
        service::KmsService,
        store::lock,
    };

    const ROLE: &str = "arn:aws:iam::000000000000:role/countersign/stack/issuer";
    const ACCOUNT: &str = "arn:aws:iam::000000000000:root";
    const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:stack-issuer";

    fn statement(principal: Option<&str>, condition: &Value) -> Value {
        let mut statement =
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
        if let Some(principal) = principal {
            statement["Principal"] = json!({"AWS": principal});
        }
        statement
    }

    /// Whether the caller's policy and the key policy allow the request with this condition.
    fn allowed_with(
        service: &KmsService,
        key: &str,
        request: (&str, &Value),
        condition: &Value,
    ) -> (bool, bool) {
        let (operation, input) = request;
        service.put_policy(key, &json!([statement(Some(ACCOUNT), &json!({}))]));
        service.assign("issuer", ROLE, &json!([statement(None, condition)]));
        let own = service.may("issuer", operation, input);
        service.put_policy(key, &json!([statement(Some(ROLE), condition)]));
        service.assign("issuer", ROLE, &json!([]));
        (own, service.may("issuer", operation, input))
    }

    /// Each row: a request, a condition, and whether it is met in the caller's policy and in the key policy.
    #[test]
    fn conditions_on_requests_for_a_key_are_evaluated() {
        let service = service();
        let id = service.create("RSA_2048", "SIGN_VERIFY");
        let tag = |name: &str, value: &str| json!({"TagKey": name, "TagValue": value});
        let tags = json!({"KeyId": id, "Tags": [tag("ring", "alias/a")]});
        service.call("TagResource", &tags).unwrap();
        for name in ["alias/a", "alias/b"] {
            let alias = json!({"AliasName": name, "TargetKeyId": id});
            service.call("CreateAlias", &alias).unwrap();
        }
        service.access_control().set_source_function("issuer", FUNCTION);
        let sign = sign_request(&id, json!({}));
        let by_alias = sign_request("alias/a", json!({}));
        let by_alias_arn = sign_request("arn:aws:kms:us-east-1:000000000000:alias/a", json!({}));
        let tagging = |names: &[&str]| {
            let tags: Vec<_> = names.iter().map(|name| tag(name, "alias/a")).collect();
            json!({"KeyId": id, "Tags": tags})
        };
        let (one, two, none) = (tagging(&["ring"]), tagging(&["ring", "other"]), tagging(&[]));
        let grant = |operations: &[&str]| {
            json!({
                "KeyId": id, "GranteePrincipal": ROLE, "Operations": operations,
                "RetiringPrincipal": ACCOUNT,
            })
        };
        let (verify, verify_and_sign) = (grant(&["Verify"]), grant(&["Verify", "Sign"]));
        let role = |path: &str| json!(format!("arn:aws:iam::000000000000:role/{path}"));
        let session = json!("arn:aws:sts::000000000000:assumed-role/issuer/*");
        let function =
            |name| json!(format!("arn:aws:lambda:us-east-1:000000000000:function:{name}"));
        let all = "ForAllValues:StringEquals";
        let any = "ForAnyValue:StringEquals";
        let equals = "StringEquals";
        let (a, b) = (json!("alias/a"), json!("alias/b"));
        let harmless = json!(["Verify", "DescribeKey"]);
        let (both, neither, own) = ((true, true), (false, false), (true, false));
        let arn = "aws:PrincipalArn";
        let source = "lambda:SourceFunctionArn";
        let operations = "kms:GrantOperations";
        let rows = [
            ("Sign", &sign, "ArnEquals", arn, role("countersign/stack/issuer"), both),
            ("Sign", &sign, "ArnLike", arn, role("countersign/stack/*"), both),
            ("Sign", &sign, "StringLike", arn, json!("*/issuer"), both),
            ("Sign", &sign, "ArnLike", arn, role("issuer"), neither),
            ("Sign", &sign, "ArnLike", arn, session, neither),
            ("Sign", &sign, "ArnNotLike", arn, role("countersign/*"), neither),
            ("Sign", &sign, "ArnEquals", source, function("stack-issuer"), own),
            ("Sign", &sign, "ArnEquals", source, function("other"), neither),
            ("Sign", &sign, "Null", source, json!("true"), (false, true)),
            ("Sign", &sign, equals, "aws:ResourceTag/ring", a.clone(), own),
            ("Sign", &sign, equals, "aws:ResourceTag/ring", b.clone(), neither),
            ("Sign", &sign, equals, "aws:ResourceTag/other", a.clone(), neither),
            ("Sign", &sign, any, "kms:ResourceAliases", b.clone(), own),
            ("Sign", &sign, any, "kms:ResourceAliases", json!("alias/c"), neither),
            ("Sign", &by_alias, equals, "kms:RequestAlias", a.clone(), both),
            ("Sign", &by_alias_arn, equals, "kms:RequestAlias", a.clone(), both),
            ("DescribeKey", &by_alias, equals, "kms:RequestAlias", a.clone(), both),
            ("Sign", &by_alias, equals, "kms:RequestAlias", b.clone(), neither),
            ("Sign", &sign, equals, "kms:RequestAlias", a.clone(), neither),
            ("TagResource", &one, all, "aws:TagKeys", json!("ring"), both),
            ("TagResource", &two, all, "aws:TagKeys", json!("ring"), neither),
            ("TagResource", &none, all, "aws:TagKeys", json!("ring"), both),
            ("TagResource", &two, any, "aws:TagKeys", json!("ring"), both),
            ("TagResource", &none, any, "aws:TagKeys", json!("ring"), neither),
            ("TagResource", &one, equals, "aws:RequestTag/ring", a.clone(), both),
            ("TagResource", &one, equals, "aws:RequestTag/ring", b, neither),
            ("TagResource", &none, equals, "aws:RequestTag/ring", a, neither),
            ("CreateGrant", &verify, all, operations, harmless.clone(), both),
            ("CreateGrant", &verify_and_sign, all, operations, harmless, neither),
            ("CreateGrant", &verify_and_sign, any, operations, json!("Sign"), both),
            ("CreateGrant", &verify, any, operations, json!("Sign"), neither),
            ("CreateGrant", &verify, equals, "kms:GranteePrincipal", json!(ROLE), both),
            ("CreateGrant", &verify, equals, "kms:GranteePrincipal", json!(ACCOUNT), neither),
            ("CreateGrant", &verify, equals, "kms:RetiringPrincipal", json!(ACCOUNT), both),
            ("ListGrants", &sign, "Null", "kms:GranteePrincipal", json!("true"), both),
        ];
        assert_rows(rows.map(|(operation, input, operator, key, value, expected)| {
            let condition = json!({operator: {key: value}});
            let allowed = allowed_with(&service, &id, (operation, input), &condition);
            (format!("{operation} {input} {condition}"), allowed, expected)
        }));
    }

    #[test]
    fn create_key_is_authorized_by_the_tags_of_the_request() {
        let service = service();
        let tags = |names: &[&str]| -> Value {
            names.iter().map(|name| json!({"TagKey": name, "TagValue": "alias/a"})).collect()
        };
        let key = |tags| json!({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY", "Tags": tags});
        let condition = json!({
            "StringEquals": {"aws:RequestTag/ring": "alias/a"},
            "ForAllValues:StringEquals": {"aws:TagKeys": "ring"},
        });
        service.assign("rotator", ROLE, &json!([statement(None, &condition)]));
        for (names, expected) in [(&["ring"][..], true), (&["ring", "b"], false), (&[], false)] {
            assert_eq!(
                service.may("rotator", "CreateKey", &key(tags(names))),
                expected,
                "{names:?}"
            );
        }
    }

    /// The tags of a new key need the permission `TagResource`, which has other condition keys than `CreateKey`.
    #[test]
    fn tags_of_a_new_key_have_the_condition_keys_of_tag_resource() {
        let service = service();
        let tags = json!([{"TagKey": "ring", "TagValue": "alias/a"}]);
        let input = json!({
            "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY", "Tags": tags,
            "BypassPolicyLockoutSafetyCheck": true,
        });
        let rows = [
            ("aws:RequestTag/ring", "alias/a", true),
            ("aws:RequestTag/ring", "alias/b", false),
            ("aws:TagKeys", "ring", true),
            ("kms:KeySpec", "RSA_2048", false),
            ("kms:KeyUsage", "SIGN_VERIFY", false),
            ("kms:BypassPolicyLockoutSafetyCheck", "true", false),
        ];
        assert_rows(rows.map(|(key, value, expected)| {
            let mut create = statement(None, &json!({}));
            create["Action"] = json!("kms:CreateKey");
            let mut tag = statement(None, &json!({"ForAnyValue:StringEquals": {key: value}}));
            tag["Action"] = json!("kms:TagResource");
            service.assign("rotator", ROLE, &json!([create, tag]));
            (format!("{key} {value}"), service.may("rotator", "CreateKey", &input), expected)
        }));
    }

    /// Each row: the time in seconds, and whether access is allowed to the new key by its tag and by its alias,
    /// to the old key by its former alias, and by the alias in the request.
    #[test]
    fn authorization_sees_tags_and_aliases_with_a_delay() {
        let service = service();
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let at = |seconds| lock(&service.store).set_time(start + Duration::from_secs(seconds));
        let alias = |operation: &str, key: &str| {
            let alias = json!({"AliasName": "alias/a", "TargetKeyId": key});
            service.call(operation, &alias).unwrap();
        };
        at(0);
        let old = service.create("ECC_NIST_P256", "SIGN_VERIFY");
        alias("CreateAlias", &old);
        lock(&service.store).delay_authorization(Box::new(|| Duration::from_mins(5)));
        let tags = json!([{"TagKey": "ring", "TagValue": "alias/a"}]);
        let input = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "Tags": tags});
        let new = service.call("CreateKey", &input).unwrap();
        let new = new["KeyMetadata"]["KeyId"].as_str().unwrap();
        let may = |key: &str, condition: Value| {
            service.assign("issuer", ROLE, &json!([statement(None, &condition)]));
            service.may("issuer", "DescribeKey", &json!({"KeyId": key}))
        };
        let by_tag = json!({"StringEquals": {"aws:ResourceTag/ring": "alias/a"}});
        let by_alias = json!({"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/a"}});
        let by_request = json!({"StringEquals": {"kms:RequestAlias": "alias/a"}});
        let rows = [
            (0, [false, false, true, true]),
            (60, [false, false, true, true]),
            // The alias moves. A request by alias uses the new key at once.
            (100, [false, false, true, false]),
            (299, [false, false, true, false]),
            (300, [true, false, true, false]),
            (399, [true, false, true, false]),
            (400, [true, true, false, true]),
        ];
        for (seconds, expected) in rows {
            at(seconds);
            if seconds == 100 {
                alias("UpdateAlias", new);
            }
            let actual = [
                may(new, by_tag.clone()),
                may(new, by_alias.clone()),
                may(&old, by_alias.clone()),
                may("alias/a", by_request.clone()),
            ];
            assert_eq!(actual, expected, "{seconds}");
        }
        let listed = service.call("ListResourceTags", &json!({"KeyId": new})).unwrap();
        assert_eq!(listed["Tags"], tags);
    }
}
