//! The keys and the requests of KMS.

use local::kms::Kms;
use serde_json::{Value, json};

use super::principals::iam;
use crate::ALIAS;

/// The keys of a KMS, and what requests name of them.
pub(crate) struct Ring {
    /// The key ids.
    keys: Vec<String>,
    /// For each key, the id of a grant on it.
    grants: Vec<String>,
    key_policy: Value,
}

/// The aliases to which requests refer.
const ALIASES: [&str; 5] = [
    ALIAS,
    "alias/countersign-next",
    "alias/countersign-previous",
    "alias/elsewhere",
    "alias/free",
];

/// The index of the key of another ring.
pub(crate) const OF_OTHER_RING: usize = 6;

const TAG: &str = "countersign:ring";

impl Ring {
    /// The key of the stack, with all three aliases, and keys of other kinds.
    pub(crate) fn new(kms: &Kms, spec: &str) -> Self {
        let current = kms.perform("DescribeKey", &json!({"KeyId": ALIAS})).unwrap();
        let current = current["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
        let key_policy = kms.perform("GetKeyPolicy", &json!({"KeyId": current})).unwrap();
        let key_policy = key_policy["Policy"].clone();
        let of_ring = json!([{"TagKey": TAG, "TagValue": ALIAS}]);
        let of_other = json!([{"TagKey": TAG, "TagValue": "alias/e"}]);
        let statement = |effect: &str, principal: &str, action: &str| {
            json!({
                "Effect": effect, "Principal": {"AWS": principal}, "Action": action,
                "Resource": "*",
            })
        };
        let (account, named) = (iam("root"), iam("role/named"));
        let policy = |statements: Value| {
            json!(json!({"Version": "2012-10-17", "Statement": statements}).to_string())
        };
        let mut denied = statement("Deny", &account, "kms:*");
        denied["Condition"] =
            json!({"ArnNotLike": {"aws:PrincipalArn": iam("role/countersign/countersign/*/*")}});
        let naming = policy(json!([statement("Allow", &named, "kms:*")]));
        let denying = policy(json!([statement("Allow", &account, "kms:*"), denied]));
        let everyone = policy(json!([
            statement("Allow", "*", "kms:*"),
            statement("Deny", &iam("role/everything"), "kms:*Key"),
        ]));
        let (ring, none) = (&key_policy, &Value::Null);
        let other_spec = if spec == "ML_DSA_65" { "RSA_2048" } else { "ML_DSA_65" };
        let rows = [
            // These two become `-next` and `-previous`.
            (spec, "SIGN_VERIFY", &of_ring, ring),
            (spec, "SIGN_VERIFY", &of_ring, ring),
            // A key that an interrupted run has left, and keys of another spec or usage.
            (spec, "SIGN_VERIFY", &of_ring, ring),
            (other_spec, "SIGN_VERIFY", &of_ring, ring),
            ("RSA_2048", "ENCRYPT_DECRYPT", &of_ring, ring),
            // Keys of another ring and of none.
            (spec, "SIGN_VERIFY", &of_other, ring),
            (spec, "SIGN_VERIFY", none, ring),
            // The default key policy, and others.
            (spec, "SIGN_VERIFY", none, none),
            (spec, "SIGN_VERIFY", &of_ring, &naming),
            (spec, "SIGN_VERIFY", &of_ring, &denying),
            (spec, "SIGN_VERIFY", &of_ring, &everyone),
        ];
        let mut keys = vec![current];
        keys.extend(rows.map(|(spec, usage, tags, policy)| {
            let input = json!({
                "KeySpec": spec, "KeyUsage": usage, "Tags": tags, "Policy": policy,
            });
            let key = kms.perform("CreateKey", &input).unwrap();
            key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
        }));
        let elsewhere = json!({"AliasName": ALIASES[3], "TargetKeyId": keys[OF_OTHER_RING]});
        kms.perform("CreateAlias", &elsewhere).unwrap();
        let grants = keys.iter().map(|key| {
            let grant = json!({
                "KeyId": key, "GranteePrincipal": iam("role/grantee"),
                "Operations": ["DescribeKey"],
            });
            let grant = kms.perform("CreateGrant", &grant).unwrap();
            grant["GrantId"].as_str().unwrap().to_owned()
        });
        let grants = grants.collect();
        Self { keys, grants, key_policy }
    }

    /// Points `-next`, `-previous` and the alias of the other ring at the keys with these indices.
    pub(crate) fn point(&self, kms: &Kms, targets: [usize; 3]) {
        for (alias, key) in ALIASES[1..4].iter().zip(targets) {
            let input = json!({"AliasName": alias, "TargetKeyId": self.keys[key]});
            kms.perform("UpdateAlias", &input).unwrap();
        }
    }

    /// Each input with each key as its member `member`.
    fn for_each_key(&self, member: &str, inputs: &[Value]) -> Vec<Value> {
        let with = |key: &String| {
            let with_key = move |input: &Value| {
                let mut input = input.clone();
                input[member] = json!(key);
                input
            };
            inputs.iter().map(with_key).collect::<Vec<_>>()
        };
        self.keys.iter().flat_map(with).collect()
    }

    /// The same, also with each alias that exists.
    fn for_each_key_and_alias(&self, inputs: &[Value]) -> Vec<Value> {
        let mut requests = self.for_each_key("KeyId", inputs);
        for alias in &ALIASES[..4] {
            requests.extend(inputs.iter().map(|input| {
                let mut input = input.clone();
                input["KeyId"] = json!(alias);
                input
            }));
        }
        requests
    }
}

/// The requests of an operation. An operation without requests fails the test.
pub(crate) fn requests(operation: &str, ring: &Ring) -> Vec<Value> {
    let none = || vec![json!({})];
    match operation {
        "Sign" | "Verify" => {
            let rows = [
                ("RSASSA_PKCS1_V1_5_SHA_256", json!(null)),
                ("RSASSA_PKCS1_V1_5_SHA_256", json!("DIGEST")),
                ("RSASSA_PSS_SHA_512", json!("RAW")),
                ("ECDSA_SHA_256", json!("DIGEST")),
                ("ECDSA_SHA_256", json!("EXTERNAL_MU")),
                ("ML_DSA_SHAKE_256", json!("EXTERNAL_MU")),
            ];
            let inputs = rows.map(
                |(algorithm, kind)| json!({"SigningAlgorithm": algorithm, "MessageType": kind}),
            );
            ring.for_each_key_and_alias(&inputs)
        }
        "GetPublicKey" | "DescribeKey" => ring.for_each_key_and_alias(&none()),
        "ListAliases" | "ListKeys" => none(),
        "ListRetirableGrants" => vec![json!({"RetiringPrincipal": iam("role/grantee")})],
        "CreateKey" => create_key(&ring.key_policy),
        "TagResource" => {
            let inputs: Vec<_> = tags().into_iter().map(|tags| json!({"Tags": tags})).collect();
            ring.for_each_key("KeyId", &inputs)
        }
        "CreateAlias" | "UpdateAlias" | "DeleteAlias" => {
            ring.for_each_key("TargetKeyId", &ALIASES.map(|alias| json!({"AliasName": alias})))
        }
        "ScheduleKeyDeletion" => {
            let days = [json!(null), json!(7), json!(29), json!(30)];
            ring.for_each_key("KeyId", &days.map(|days| json!({"PendingWindowInDays": days})))
        }
        "PutKeyPolicy" => {
            let inputs = [true, false].map(|bypass| {
                json!({"Policy": ring.key_policy, "BypassPolicyLockoutSafetyCheck": bypass})
            });
            ring.for_each_key("KeyId", &inputs)
        }
        "CreateGrant" => {
            let operations =
                [json!(["Verify"]), json!(["Sign", "Verify"]), json!(["DescribeKey", "Verify"])];
            let inputs = operations.map(|operations| {
                json!({"GranteePrincipal": iam("role/grantee"), "Operations": operations})
            });
            ring.for_each_key("KeyId", &inputs)
        }
        "RetireGrant" | "RevokeGrant" => {
            let pairs = ring.keys.iter().zip(&ring.grants);
            pairs.map(|(key, grant)| json!({"KeyId": key, "GrantId": grant})).collect()
        }
        "CancelKeyDeletion" | "DisableKey" | "EnableKey" | "GetKeyPolicy" | "ListGrants"
        | "ListResourceTags" => ring.for_each_key("KeyId", &none()),
        _ => vec![],
    }
}

/// Lists of tags: none, the ring's, another ring's, and others in addition to the ring's.
fn tags() -> [Value; 6] {
    let list = |tags: &[(&str, &str)]| {
        tags.iter().map(|(key, value)| json!({"TagKey": key, "TagValue": value})).collect()
    };
    [
        list(&[]),
        list(&[(TAG, ALIAS)]),
        list(&[(TAG, "alias/e")]),
        list(&[(TAG, ALIAS), ("team", "a"), ("cost center", "b")]),
        list(&[(TAG, ALIAS), ("access", "all")]),
        list(&[("team", "a")]),
    ]
}

fn create_key(policy: &Value) -> Vec<Value> {
    let rows = [
        ("RSA_2048", "SIGN_VERIFY", true),
        ("RSA_2048", "SIGN_VERIFY", false),
        ("RSA_4096", "ENCRYPT_DECRYPT", true),
        ("ECC_NIST_P256", "SIGN_VERIFY", true),
        ("ML_DSA_65", "SIGN_VERIFY", false),
    ];
    let with_tags = |(spec, usage, bypass)| {
        tags().map(|tags| {
            json!({
                "KeySpec": spec, "KeyUsage": usage, "Tags": tags, "Policy": policy,
                "BypassPolicyLockoutSafetyCheck": bypass,
            })
        })
    };
    rows.into_iter().flat_map(with_tags).collect()
}
