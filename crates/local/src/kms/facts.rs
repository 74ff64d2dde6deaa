//! The condition keys of a request: those of KMS and the global ones.

use super::{
    error::KmsError,
    input::Input,
    store::{ACCOUNT, Key, Store},
};
use crate::iam::Facts;

/// The condition keys of a request about a key: for every policy, and for the caller's own alone.
pub(super) fn of_key(
    store: &Store,
    key: &Key,
    operation: &str,
    input: &Input,
) -> Result<(Facts, Facts), KmsError> {
    let (mut facts, mut identity_facts) = (Facts::default(), Facts::default());
    facts.set("kms:CallerAccount", [ACCOUNT]);
    facts.set("kms:KeySpec", [key.spec.name()]);
    facts.set("kms:KeyUsage", [key.usage.name()]);
    of_request(&mut facts, operation, input)?;
    let time = store.authorization_time();
    let aliases =
        time.map_or_else(|| store.aliases.all_seen(store.now()), |time| store.aliases.all_at(time));
    let is_own = |name: &str| aliases.get(name).is_some_and(|alias| alias.key == key.id);
    // Not for key policies ("ABAC for AWS KMS" in the developer guide, condition keys).
    let own = aliases.keys().copied().filter(|name| is_own(name));
    identity_facts.set("kms:ResourceAliases", own);
    for (name, value) in key.tags.all_at(time.unwrap_or(f64::INFINITY)) {
        identity_facts.set(&format!("aws:ResourceTag/{name}"), [&**value]);
    }
    if ["Sign", "Verify", "GetPublicKey", "DescribeKey"].contains(&operation) {
        let named = store.alias_name(input.required("KeyId")?);
        // Until authorization knows the alias, the condition key is absent.
        let named = named.filter(|name| time.is_none() || is_own(name));
        facts.set("kms:RequestAlias", named);
    }
    Ok((facts, identity_facts))
}

/// The condition keys that the request alone decides.
pub(super) fn of_request(
    facts: &mut Facts,
    operation: &str,
    input: &Input,
) -> Result<(), KmsError> {
    let members: &[(&str, &str)] = match operation {
        "CreateKey" => &[("kms:KeySpec", "KeySpec"), ("kms:KeyUsage", "KeyUsage")],
        "Sign" | "Verify" => &[("kms:SigningAlgorithm", "SigningAlgorithm")],
        "CreateGrant" => &[
            ("kms:GranteePrincipal", "GranteePrincipal"),
            ("kms:RetiringPrincipal", "RetiringPrincipal"),
        ],
        _ => &[],
    };
    for (fact, member) in members {
        facts.set(fact, input.text(member)?);
    }
    match operation {
        "Sign" | "Verify" => {
            facts.set("kms:MessageType", [input.text("MessageType")?.unwrap_or("RAW")]);
        }
        "CreateGrant" => facts.set("kms:GrantOperations", input.texts("Operations")?),
        "CreateKey" | "PutKeyPolicy" => {
            let bypass = input.flag("BypassPolicyLockoutSafetyCheck")?;
            facts.set("kms:BypassPolicyLockoutSafetyCheck", [bypass.to_string()]);
        }
        "ScheduleKeyDeletion" => {
            let days = input.number("PendingWindowInDays", 7..=30)?.unwrap_or(30);
            facts.set("kms:ScheduleKeyDeletionPendingWindowInDays", [days.to_string()]);
        }
        _ => {}
    }
    if ["CreateKey", "TagResource"].contains(&operation) {
        let tags = input.tags()?;
        facts.set("aws:TagKeys", tags.iter().map(|(name, _)| &**name));
        for (name, value) in tags {
            facts.set(&format!("aws:RequestTag/{name}"), [value]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::{Value, json};

    use super::super::{
        State,
        fixture::{assert_rows, signing, state},
        lock,
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

    /// Whether the caller's policy, and the key's policy, allow the request on this condition.
    fn allowed_on(
        state: &State,
        key: &str,
        request: (&str, &Value),
        condition: &Value,
    ) -> (bool, bool) {
        let (operation, input) = request;
        state.put_policy(key, &json!([statement(Some(ACCOUNT), &json!({}))]));
        state.assign("issuer", ROLE, &json!([statement(None, condition)]));
        let own = state.may("issuer", operation, input);
        state.put_policy(key, &json!([statement(Some(ROLE), condition)]));
        state.assign("issuer", ROLE, &json!([]));
        (own, state.may("issuer", operation, input))
    }

    /// Each row: a request, a condition, and whether it holds in the caller's and in the key's policy.
    #[test]
    fn condition_keys() {
        let state = state();
        let id = state.create("RSA_2048", "SIGN_VERIFY");
        let tag = |name: &str, value: &str| json!({"TagKey": name, "TagValue": value});
        let tags = json!({"KeyId": id, "Tags": [tag("ring", "alias/a")]});
        state.call("TagResource", &tags).unwrap();
        for name in ["alias/a", "alias/b"] {
            let alias = json!({"AliasName": name, "TargetKeyId": id});
            state.call("CreateAlias", &alias).unwrap();
        }
        state.guard().set_source_function("issuer", FUNCTION);
        let sign = signing(&id, json!({}));
        let by_alias = signing("alias/a", json!({}));
        let by_alias_arn = signing("arn:aws:kms:us-east-1:000000000000:alias/a", json!({}));
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
            let allowed = allowed_on(&state, &id, (operation, input), &condition);
            (format!("{operation} {input} {condition}"), allowed, expected)
        }));
    }

    #[test]
    fn new_keys_are_known_by_the_tags_of_the_request() {
        let state = state();
        let tags = |names: &[&str]| -> Value {
            names.iter().map(|name| json!({"TagKey": name, "TagValue": "alias/a"})).collect()
        };
        let key = |tags| json!({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY", "Tags": tags});
        let condition = json!({
            "StringEquals": {"aws:RequestTag/ring": "alias/a"},
            "ForAllValues:StringEquals": {"aws:TagKeys": "ring"},
        });
        state.assign("rotator", ROLE, &json!([statement(None, &condition)]));
        for (names, expected) in [(&["ring"][..], true), (&["ring", "b"], false), (&[], false)] {
            assert_eq!(state.may("rotator", "CreateKey", &key(tags(names))), expected, "{names:?}");
        }
    }

    /// Each row: the time in seconds, and whether access is allowed to the new key by its tag and by
    /// its alias, to the old key by the alias that it had, and by the alias in the request.
    #[test]
    fn authorization_is_late() {
        let state = state();
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let at = |seconds| lock(&state.store).set_time(start + Duration::from_secs(seconds));
        let alias = |operation: &str, key: &str| {
            let alias = json!({"AliasName": "alias/a", "TargetKeyId": key});
            state.call(operation, &alias).unwrap();
        };
        at(0);
        let old = state.create("ECC_NIST_P256", "SIGN_VERIFY");
        alias("CreateAlias", &old);
        lock(&state.store).delay_authorization(Box::new(|| Duration::from_mins(5)));
        let tags = json!([{"TagKey": "ring", "TagValue": "alias/a"}]);
        let input = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "Tags": tags});
        let new = state.call("CreateKey", &input).unwrap();
        let new = new["KeyMetadata"]["KeyId"].as_str().unwrap();
        let may = |key: &str, condition: Value| {
            state.assign("issuer", ROLE, &json!([statement(None, &condition)]));
            state.may("issuer", "DescribeKey", &json!({"KeyId": key}))
        };
        let by_tag = json!({"StringEquals": {"aws:ResourceTag/ring": "alias/a"}});
        let by_alias = json!({"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/a"}});
        let by_request = json!({"StringEquals": {"kms:RequestAlias": "alias/a"}});
        let rows = [
            (0, [false, false, true, true]),
            (60, [false, false, true, true]),
            // The alias moves: a request by it reaches the new key at once.
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
        let listed = state.call("ListResourceTags", &json!({"KeyId": new})).unwrap();
        assert_eq!(listed["Tags"], tags);
    }
}
