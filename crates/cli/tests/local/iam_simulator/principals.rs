//! The callers of KMS.

use local::{
    Stack,
    kms::{Kms, Role},
};
use serde_json::{Value, json};

use crate::{key_policy::POWER_USER, principals::function_name};

/// A caller of KMS with the policies of its role.
pub(crate) struct Caller {
    /// The access key.
    pub(crate) name: String,
    pub(crate) policies: Vec<Value>,
}

impl Caller {
    /// Assigns a role to an access key and, if it is a Lambda function, the ARN of the function.
    fn assign(
        kms: &Kms,
        name: &str,
        arn: &str,
        policies: Vec<Value>,
        function: Option<&str>,
    ) -> Self {
        let documents = serde_json::from_value(json!(policies)).unwrap();
        kms.assign_role(name, Role { arn: arn.to_owned(), policies: documents });
        if let Some(function) = function {
            kms.set_source_function(name, &function_arn(function));
        }
        Self { name: name.to_owned(), policies }
    }
}

/// The roles of the template, each as its own function, as another function and outside of Lambda. Then the same
/// without the path of the role.
pub(crate) fn callers_with_roles(stack: &Stack) -> Vec<Caller> {
    let mut callers = Vec::new();
    for (id, role) in &stack.roles {
        let own = function_name(id).map(|name| format!("countersign-{name}"));
        let without_path = iam(&format!("role/{}", role.arn.rsplit('/').next().unwrap()));
        for (arn, function) in [
            (&role.arn, own.as_deref()),
            (&role.arn, Some("countersign-other")),
            (&role.arn, None),
            (&without_path, own.as_deref()),
        ] {
            let name = format!("{arn} in {function:?}");
            let policies = role.policies.clone();
            callers.push(Caller::assign(&stack.kms, &name, arn, policies, function));
        }
    }
    callers
}

/// Principals with policies that are not of the template.
pub(crate) fn other_callers(kms: &Kms) -> Vec<Caller> {
    let allow = |actions: Value, resource: &str| statement("Allow", &actions, &json!(resource));
    let all = || policy(&allow(json!("kms:*"), "*"));
    let deny = |action: &str| statement("Deny", &json!(action), &json!("*"));
    let everything = allow(json!("*"), "*");
    let keys = "arn:aws:kms:us-east-1:000000000000:key/*";
    let alias_actions = json!(["kms:CreateAlias", "kms:UpdateAlias"]);
    let denied_aliases = policy(&json!([everything, deny("kms:*Alias")]));
    let denied_signature = vec![policy(&deny("kms:s*")), all()];
    let rows = [
        ("root", "root", vec![policy(&everything)]),
        ("administrator", "role/teams/security", vec![all()]),
        ("administrator without policy", "role/teams/security", vec![]),
        ("user as administrator", "user/ops/ann", vec![all()]),
        ("administrator's name without path", "role/security", vec![all()]),
        ("another issuer of the stack", "role/countersign/countersign/issuer/again", vec![all()]),
        ("another rotator of the stack", "role/countersign/countersign/rotator/again", vec![all()]),
        ("issuer of another stack", "role/countersign/countersign2/issuer/again", vec![all()]),
        ("everything", "role/everything", vec![all()]),
        ("keys only", "role/keys", vec![policy(&allow(json!("kms:*"), keys))]),
        ("power user", "user/power", vec![policy(&allow(json!(POWER_USER), "*"))]),
        ("alias user", "user/alias", vec![policy(&allow(alias_actions, "*"))]),
        ("denied aliases", "role/denied", vec![denied_aliases]),
        ("denied signature", "role/countersign/countersign/issuer/denied", denied_signature),
        ("named by a key policy", "role/named", vec![]),
        ("nobody", "user/nobody", vec![]),
    ];
    let assign = |(name, arn, policies)| Caller::assign(kms, name, &iam(arn), policies, None);
    rows.map(assign).into()
}

/// A caller for each operator of conditions with values that match and others, and an operation whose requests have
/// the condition key.
pub(crate) fn callers_with_conditions(kms: &Kms) -> Vec<(&'static str, Caller)> {
    let names = |names: &[&str]| -> Vec<String> { names.iter().copied().map(Into::into).collect() };
    let texts = names(&["StringEquals", "StringNotEquals", "StringLike", "StringNotLike"]);
    let arns = names(&["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"]);
    let null = names(&["Null"]);
    let number = names(&["NumericGreaterThanEquals"]);
    let flag = names(&["Bool"]);
    let with_sets =
        |operator: &String| ["ForAnyValue", "ForAllValues"].map(|set| format!("{set}:{operator}"));
    let sets: Vec<_> = texts.iter().flat_map(with_sets).collect();
    let tag = "aws:ResourceTag/countersign:ring";
    let days = "kms:ScheduleKeyDeletionPendingWindowInDays";
    let bypass = "kms:BypassPolicyLockoutSafetyCheck";
    let functions = json!([function_arn("*"), function_arn("x")]);
    let rows = [
        ("EnableKey", &texts, tag, json!("alias/countersign")),
        ("EnableKey", &texts, tag, json!(["alias/e", "alias/*", "ALIAS/E"])),
        ("DescribeKey", &texts, "kms:RequestAlias", json!(["alias/e*", "alias/countersign-????"])),
        ("EnableKey", &texts, "KMS:KeySpec", json!(["RSA_*", "ECC_NIST_P256"])),
        ("EnableKey", &texts, "kms:KeyUsage", json!("SIGN_VERIFY")),
        ("CreateKey", &texts, "aws:RequestTag/cost center", json!(["b", "c"])),
        ("EnableKey", &sets, "kms:ResourceAliases", json!(["alias/countersign", "alias/e*"])),
        ("TagResource", &sets, "aws:TagKeys", json!(["countersign:ring", "team"])),
        ("CreateGrant", &sets, "kms:GrantOperations", json!(["Verify", "DescribeKey"])),
        (
            "DisableKey",
            &arns,
            "lambda:SourceFunctionArn",
            json!(function_arn("countersign-issuer")),
        ),
        ("DisableKey", &arns, "lambda:SourceFunctionArn", functions),
        ("EnableKey", &arns, "aws:PrincipalArn", json!(iam("role/condition-?"))),
        ("EnableKey", &arns, "aws:PrincipalArn", json!(iam("role/*/*"))),
        ("DisableKey", &null, "lambda:SourceFunctionArn", json!("true")),
        ("DescribeKey", &null, "kms:RequestAlias", json!("false")),
        ("EnableKey", &null, "kms:ResourceAliases", json!("true")),
        ("TagResource", &null, "aws:TagKeys", json!("false")),
        ("ScheduleKeyDeletion", &number, days, json!(30)),
        ("ScheduleKeyDeletion", &number, days, json!("29.5")),
        ("PutKeyPolicy", &flag, bypass, json!("true")),
        ("PutKeyPolicy", &flag, bypass, json!(false)),
        ("DisableKey", &number, days, json!(30)),
        ("DisableKey", &flag, bypass, json!(false)),
    ];
    let mut callers = Vec::new();
    for (operation, operators, key, values) in rows {
        for (operator, suffix) in operators.iter().flat_map(|it| [(it, ""), (it, "IfExists")]) {
            // There is no `NullIfExists`. With `ForAnyValue`, the simulator decides as if there were no
            // `IfExists`, while a condition with `IfExists` is met if the key is absent ("IfExists" in the IAM
            // user guide).
            let is_excluded = operator == "Null" || operator.starts_with("ForAnyValue");
            if is_excluded && !suffix.is_empty() {
                continue;
            }
            let operator = format!("{operator}{suffix}");
            for function in [Some("countersign-issuer"), None] {
                if function.is_some() && key != "lambda:SourceFunctionArn" {
                    continue;
                }
                let mut statement = statement("Allow", &json!("*"), &json!("*"));
                statement["Condition"] = json!({&*operator: {key: values}});
                let name = format!("{} in {function:?}", statement["Condition"]);
                let role = iam(&format!("role/condition-{}", callers.len() % 10));
                let policies = vec![policy(&statement)];
                callers.push((operation, Caller::assign(kms, &name, &role, policies, function)));
            }
        }
    }
    callers
}

pub(crate) fn iam(name: &str) -> String {
    format!("arn:aws:iam::000000000000:{name}")
}

fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")
}

fn statement(effect: &str, action: &Value, resource: &Value) -> Value {
    json!({"Effect": effect, "Action": action, "Resource": resource})
}

fn policy(statement: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statement})
}
