use serde_json::{Value, json};

use crate::kms::{
    fixture::{assert_rows, service, sign_request},
    service::KmsService,
};

const ROLE: &str = "arn:aws:iam::000000000000:role/path/caller";
const USER: &str = "arn:aws:iam::000000000000:user/caller";
const OTHER: &str = "arn:aws:iam::000000000000:role/caller";
const ACCOUNT: &str = "arn:aws:iam::000000000000:root";

fn own(effect: &str, action: &str) -> Value {
    json!({"Effect": effect, "Action": action, "Resource": "*"})
}

fn of_key(effect: &str, principal: &str, action: &str) -> Value {
    let mut statement = own(effect, action);
    statement["Principal"] = json!({"AWS": principal});
    statement
}

fn grant(service: &KmsService, key: &str, grantee: &str, operations: &[&str]) -> Value {
    let input = json!({"KeyId": key, "GranteePrincipal": grantee, "Operations": operations});
    service.call("CreateGrant", &input).unwrap()
}

/// A caller with at most one policy statement, and a key with one policy statement.
fn prepare(caller: &str, policy: Option<&Value>, key_policy: &Value) -> (KmsService, String) {
    let service = service();
    let key = service.create("ECC_NIST_P256", "SIGN_VERIFY");
    service.assign("caller", caller, &json!(policy.as_slice()));
    service.put_policy(&key, &json!([key_policy]));
    (service, key)
}

/// Each row: the caller, its policy, the key policy, a grant, and whether Sign is allowed.
#[test]
fn a_grant_allows_an_operation_that_no_policy_denies() {
    let no_access = || of_key("Allow", OTHER, "kms:PutKeyPolicy");
    let account = || of_key("Allow", ACCOUNT, "kms:*");
    let sign = |effect| Some(own(effect, "kms:Sign"));
    let to = |grantee| Some((grantee, "Sign"));
    let other_account = "arn:aws:iam::111122223333:root";
    let rows = [
        ("no grant", ROLE, None, no_access(), None, false),
        ("a grant", ROLE, None, no_access(), to(ROLE), true),
        ("a grant to a user", USER, None, no_access(), to(USER), true),
        ("a grant of another operation", ROLE, None, no_access(), Some((ROLE, "Verify")), false),
        ("a grant to another principal", ROLE, None, no_access(), to(USER), false),
        ("a grant to a role of the same name", ROLE, None, no_access(), to(OTHER), false),
        ("a grant to the account", ROLE, None, no_access(), to(ACCOUNT), false),
        ("a grant to the account and IAM", ROLE, sign("Allow"), no_access(), to(ACCOUNT), true),
        (
            "a grant to another account and IAM",
            ROLE,
            sign("Allow"),
            no_access(),
            to(other_account),
            false,
        ),
        ("IAM alone", ROLE, sign("Allow"), no_access(), None, false),
        ("IAM and the key policy", ROLE, sign("Allow"), account(), to(OTHER), true),
        ("denied by IAM", ROLE, sign("Deny"), no_access(), to(ROLE), false),
        (
            "another operation denied by IAM",
            ROLE,
            Some(own("Deny", "kms:Verify")),
            no_access(),
            to(ROLE),
            true,
        ),
        ("denied by the key policy", ROLE, None, of_key("Deny", ROLE, "kms:*"), to(ROLE), false),
        (
            "account denied by the key policy",
            ROLE,
            None,
            of_key("Deny", ACCOUNT, "kms:*"),
            to(ROLE),
            false,
        ),
        (
            "everyone denied by the key policy",
            ROLE,
            None,
            of_key("Deny", "*", "kms:Sign"),
            to(ROLE),
            false,
        ),
        (
            "another role denied by the key policy",
            ROLE,
            None,
            of_key("Deny", OTHER, "kms:Sign"),
            to(ROLE),
            true,
        ),
    ];
    assert_rows(rows.map(|(name, caller, policy, key_policy, granted, expected)| {
        let (service, key) = prepare(caller, policy.as_ref(), &key_policy);
        if let Some((grantee, operation)) = granted {
            grant(&service, &key, grantee, &[operation]);
        }
        let sign = sign_request(&key, json!({"SigningAlgorithm": "ECDSA_SHA_256"}));
        (name, service.may("caller", "Sign", &sign), expected)
    }));
}

#[test]
fn a_grant_applies_to_its_key_until_it_is_revoked() {
    let service = service();
    let keys = [(); 2].map(|()| service.create("ECC_NIST_P256", "SIGN_VERIFY"));
    service.assign("caller", ROLE, &json!([]));
    let granted = grant(&service, &keys[0], ROLE, &["GetPublicKey"]);
    let may =
        || keys.each_ref().map(|key| service.may("caller", "GetPublicKey", &json!({"KeyId": key})));
    assert_eq!(may(), [true, false]);
    service.put_policy(&keys[0], &json!([of_key("Allow", ACCOUNT, "kms:*")]));
    assert_eq!(may(), [true, false], "after a new policy");
    let input = json!({"KeyId": keys[0], "GrantId": granted["GrantId"]});
    service.call("RevokeGrant", &input).unwrap();
    assert_eq!(may(), [false, false], "after the revocation");
}

/// Each row: the caller's policy, the key policy, the caller's grants, and which of four grants
/// the caller may create.
#[test]
fn create_grant_needs_a_policy_or_a_parent_grant() {
    let create = "kms:CreateGrant";
    let no_access = || of_key("Allow", OTHER, create);
    let children: [&[&str]; 4] =
        [&["Sign"], &["Sign", "CreateGrant"], &["Verify"], &["Sign", "Verify"]];
    let (all, none) = ([true; 4], [false; 4]);
    let (by_role, by_account) = (of_key("Allow", ROLE, create), of_key("Allow", ACCOUNT, create));
    let (given, giving) = (vec!["Sign", "Verify"], vec!["CreateGrant", "Sign"]);
    let two = vec![giving.clone(), vec!["CreateGrant", "Verify"]];
    let (allow, deny) = (Some(own("Allow", create)), Some(own("Deny", create)));
    let rows = [
        ("nothing", None, no_access(), vec![], none),
        ("only its own policy", allow.clone(), no_access(), vec![], none),
        ("the key policy", None, by_role.clone(), vec![], all),
        ("both policies", allow, by_account, vec![], all),
        ("a grant without CreateGrant", None, no_access(), vec![given], none),
        ("a grant", None, no_access(), vec![giving.clone()], [true, true, false, false]),
        ("two grants", None, no_access(), two, [true, true, true, false]),
        ("a grant and the key policy", None, by_role, vec![giving.clone()], all),
        ("a grant and a denial", deny, no_access(), vec![giving], none),
    ];
    assert_rows(rows.map(|(name, policy, key_policy, grants, expected)| {
        let (service, key) = prepare(ROLE, policy.as_ref(), &key_policy);
        for operations in grants {
            grant(&service, &key, ROLE, &operations);
        }
        let may = children.map(|operations| {
            let input = json!({"KeyId": key, "GranteePrincipal": OTHER, "Operations": operations});
            service.may("caller", "CreateGrant", &input)
        });
        (name, may, expected)
    }));
}

/// Each row: the caller's policy, the key policy, a grant, and whether the caller may list,
/// revoke and retire it.
#[test]
fn grants_are_listed_revoked_and_retired_only_with_permission() {
    let no_access = || of_key("Allow", OTHER, "kms:*");
    let everything = ["Sign", "Verify", "GetPublicKey", "DescribeKey", "CreateGrant"];
    let retiring = [&everything[..], &["RetireGrant"]].concat();
    let to = |grantee: &str, retiring: &str, operations: &[&str]| {
        json!({
            "GranteePrincipal": grantee, "RetiringPrincipal": retiring,
            "Operations": operations,
        })
    };
    let rows = [
        (
            "a grant of another principal",
            None,
            no_access(),
            to(OTHER, OTHER, &retiring),
            [false; 3],
        ),
        ("its own grant", None, no_access(), to(ROLE, OTHER, &everything), [false; 3]),
        (
            "its own grant with RetireGrant",
            None,
            no_access(),
            to(ROLE, OTHER, &retiring),
            [false, false, true],
        ),
        (
            "its grant to retire",
            None,
            no_access(),
            to(OTHER, ROLE, &everything),
            [false, false, true],
        ),
        (
            "its grant to retire and a denial",
            Some(own("Deny", "kms:RetireGrant")),
            no_access(),
            to(OTHER, ROLE, &everything),
            [false; 3],
        ),
        (
            "the key policy",
            None,
            of_key("Allow", ROLE, "kms:*"),
            to(OTHER, OTHER, &everything),
            [true, true, false],
        ),
        (
            "both policies, by the account",
            Some(own("Allow", "kms:*")),
            of_key("Allow", ACCOUNT, "kms:*"),
            to(OTHER, OTHER, &everything),
            [true, true, true],
        ),
        (
            "only its own policy",
            Some(own("Allow", "kms:*")),
            no_access(),
            to(OTHER, OTHER, &everything),
            [false, false, true],
        ),
    ];
    assert_rows(rows.map(|(name, policy, key_policy, mut granted, expected)| {
        let (service, key) = prepare(ROLE, policy.as_ref(), &key_policy);
        granted["KeyId"] = json!(key);
        let granted = service.call("CreateGrant", &granted).unwrap();
        let by_id = json!({"KeyId": key, "GrantId": granted["GrantId"]});
        let by_token = json!({"GrantToken": granted["GrantToken"]});
        let may = ["ListGrants", "RevokeGrant", "RetireGrant"]
            .map(|operation| service.may("caller", operation, &by_id));
        assert_eq!(service.may("caller", "RetireGrant", &by_token), may[2], "{name}");
        (name, may, expected)
    }));
}
