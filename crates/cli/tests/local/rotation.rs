//! Rotations by the command line and by the rotator.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use local::Stack;
use serde_json::{Value, json};

use crate::{ALIAS, TEMPLATE, cloud::Cloud, log_lines, options};

#[tokio::test(flavor = "multi_thread")]
async fn rotation_by_the_command_line_moves_the_aliases_that_the_aws_cli_lists() {
    let cloud = Cloud::start().await;
    let rotate = format!("key rotate {ALIAS}");
    cloud.set_hours_ago(100);
    cloud.succeed(&format!("key create {ALIAS} --yes"), "");
    let old = cloud.json(&format!("key show {ALIAS}"))["current"]["id"].clone();
    let mut next = Value::Null;
    let suffixes = [("", "current"), ("-next", "next"), ("-previous", "previous")];
    let steps = [
        ("prepare", "promote", ["old", "new", "old"]),
        ("promote", "retire", ["new", "new", "old"]),
        ("retire", "prepare", ["new", "new", "new"]),
    ];
    for (number, (step, after, standing)) in (0_u64..).zip(steps) {
        cloud.set_hours_ago(99 - number);
        let before = cloud.json(&format!("key show {ALIAS}"));
        assert_eq!(before["step"]["name"], step);
        let dry = cloud.json(&format!("{rotate} --dry-run"));
        assert_eq!(dry["would"]["name"], step);
        assert_eq!(cloud.json(&format!("key show {ALIAS}"))["current"], before["current"]);
        if step == "retire" {
            let (code, out, error) = cloud.run(&rotate, "y\n");
            assert_eq!((code, &*out), (Some(2), ""), "no terminal for the confirmation: {error}");
            assert!(error.contains("--yes"), "{error}");
            cloud.expect_retained(old.as_str().unwrap());
        }
        let done = cloud.json(&format!("{rotate} --yes"));
        assert_eq!(done["done"], step);
        let shown = cloud.json(&format!("key show {ALIAS}"));
        if step == "prepare" {
            next = shown["next"]["id"].clone();
        }
        assert_eq!(shown["step"]["name"], after);
        let key = |name: &str| if name == "old" { old.clone() } else { next.clone() };
        for ((_, place), name) in suffixes.into_iter().zip(standing) {
            assert_eq!(shown[place]["id"], key(name), "{step} {place}");
        }
        if let Some((aliases, states)) = cloud.aws_cli_state() {
            let expected: Vec<_> = suffixes
                .into_iter()
                .zip(standing)
                .map(|((suffix, _), name)| {
                    (format!("{ALIAS}{suffix}"), key(name).as_str().unwrap().to_owned())
                })
                .collect();
            assert_eq!(aliases, expected, "{step}");
            assert!(states.iter().all(|state| state == "Enabled"), "{step} {states:?}");
        }
    }
    let listed = cloud.json(&format!("key list {ALIAS}"));
    let roles: Vec<_> = listed.as_array().unwrap().iter().map(|row| &row["role"]).collect();
    assert_eq!(roles, ["current", "next", "previous", "retired"]);
    assert_eq!(listed[3]["key"]["state"], "PendingDeletion");
    let text = cloud.succeed(&format!("key list {ALIAS}"), "");
    assert!(text.contains("PendingDeletion") && text.contains("to be deleted"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rotator_does_one_step_per_run_and_reports_it() {
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let without = Stack::start(&template, &options(&[])).await.unwrap();
    assert!(!without.functions.contains_key("Rotator"), "ROTATION_DAYS is not set");
    let stack = Stack::start(&template, &options(&[("ROTATION_DAYS", "2")])).await.unwrap();
    let start = SystemTime::now();
    let alias = json!({"KeyId": ALIAS});
    let current =
        || stack.kms.perform("DescribeKey", &alias).unwrap()["KeyMetadata"]["KeyId"].clone();
    let old = current();
    // The functions use the clock of this machine, so the aliases are moved at earlier times of KMS's clock.
    let mut runs = Vec::new();
    for days in [60, 50, 40, 30, 20] {
        stack.kms.set_time(start - Duration::from_hours(24 * days));
        if days == 60 {
            for alias in [ALIAS.to_owned(), format!("{ALIAS}-next"), format!("{ALIAS}-previous")] {
                let moved = json!({"AliasName": alias, "TargetKeyId": old});
                stack.kms.perform("UpdateAlias", &moved).unwrap();
            }
            continue;
        }
        let invocation = stack.functions["Rotator"].invoke(&json!({})).await;
        let answer = invocation.result.unwrap();
        assert_eq!(answer["Ring"], ALIAS);
        runs.push((answer["done"].clone(), answer["next"].clone()));
    }
    // The last run starts a second rotation, after the key of the stack was retired.
    let steps = ["prepare", "promote", "retire", "prepare"];
    let expected = steps.into_iter().zip(["promote", "retire", "prepare", "promote"]);
    assert_eq!(runs, expected.map(|(done, next)| (json!(done), json!(next))).collect::<Vec<_>>());
    assert_ne!(current(), old);
    let state = |key: &Value| {
        let key = stack.kms.perform("DescribeKey", &json!({"KeyId": key})).unwrap();
        key["KeyMetadata"]["KeyState"].clone()
    };
    assert_eq!(state(&old), "Disabled", "the key of the stack is not deleted");
    let lines = log_lines(&stack, "Rotator", 4).await;
    assert_eq!(lines.len(), 4, "one line per run");
    // The key was 60 days old, with a rotation due after 2.
    let overdue = lines[0]["RotationOverdue"].as_u64().unwrap();
    assert!((57 * 86_400..59 * 86_400).contains(&overdue), "{overdue}");
    assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Stack", "Ring"]]));
    // No step is due; then a disabled key blocks the next one.
    stack.kms.set_time(start);
    stack
        .kms
        .perform("UpdateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": current()}))
        .unwrap();
    let moved = json!({"AliasName": format!("{ALIAS}-next"), "TargetKeyId": current()});
    stack.kms.perform("UpdateAlias", &moved).unwrap();
    let answer = stack.functions["Rotator"].invoke(&json!({})).await.result.unwrap();
    assert_eq!((&answer["done"], &answer["next"]), (&Value::Null, &json!("prepare")));
    stack.kms.perform("DisableKey", &json!({"KeyId": current()})).unwrap();
    let error = stack.functions["Rotator"].invoke(&json!({})).await.result.unwrap_err();
    assert_eq!(error.error_type, "Obstacle");
}

/// The dates of aliases are optional in the KMS API. Without them, no wait can be checked.
#[tokio::test(flavor = "multi_thread")]
async fn aliases_without_dates_stop_a_rotation() {
    let cloud = Cloud::start().await;
    cloud.set_hours_ago(100);
    cloud.succeed(&format!("key create {ALIAS} --spec ECC_NIST_P256 --yes"), "");
    cloud.kms.omit_alias_dates(true);
    let shown = cloud.succeed(&format!("key show {ALIAS}"), "");
    assert!(shown.contains("since an unknown time"), "{shown}");
    // The first step has no wait.
    let prepared = cloud.succeed(&format!("key rotate {ALIAS} --yes"), "");
    assert!(prepared.contains("promote, which is never due: KMS does not say"), "{prepared}");
    assert_eq!(cloud.json(&format!("key show {ALIAS}"))["step"]["due"], Value::Null);
    for more in ["--yes", "--wait --yes"] {
        let (code, out, error) = cloud.run(&format!("key rotate {ALIAS} {more}"), "");
        assert_eq!((code, &*out), (Some(3), ""), "{error}");
        assert!(error.contains("promote is never due: KMS does not say"), "{error}");
    }
    cloud.kms.omit_alias_dates(false);
    cloud.set_hours_ago(90);
    cloud.succeed(&format!("key rotate {ALIAS} --yes"), "");
    cloud.kms.omit_alias_dates(true);
    let (code, out, error) = cloud.run(&format!("key rollback {ALIAS} --yes"), "");
    assert_eq!((code, &*out), (Some(3), ""), "{error}");
    assert!(error.contains("ListAliases failed"), "{error}");
}
