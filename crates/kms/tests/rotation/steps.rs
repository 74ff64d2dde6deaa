use std::time::Duration;

use ::kms::rotation::{Policy, Role, RotationError, Step, list, plan};
use jwt::UnixTime;
use serde_json::json;

use crate::world::{ALIAS, Life, World, policy};

const NEXT: &str = "alias/ring-next";
const PREVIOUS: &str = "alias/ring-previous";

/// Each step with the seconds from the one before it to the first at which it is due.
const STEPS: [(&str, u64); 5] =
    [("prepare", 0), ("keep", 1260), ("promote", 1200), ("clear", 600), ("retire", 3960)];

/// What is under the three aliases, by the keys' age, and the states of the keys in the same order.
fn standing(world: &World, keys: &[String]) -> (String, Vec<String>) {
    let aliases = world.aliases();
    let name = |alias: &str| match aliases.get(alias) {
        Some(key) => keys.iter().position(|known| known == key).unwrap().to_string(),
        None => "-".into(),
    };
    let states = keys.iter().map(|key| world.state(key).unwrap()).collect();
    ([ALIAS, NEXT, PREVIOUS].map(name).join(" "), states)
}

/// The key that there is, and then those that were added.
fn by_age(world: &World, known: &mut Vec<String>) {
    let new = world.keys().into_iter().filter(|key| !known.contains(key));
    let new: Vec<_> = new.collect();
    known.extend(new);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_goes_step_by_step_and_none_is_early() {
    let world = World::new(1, Duration::ZERO).await;
    let policy = policy(None);
    let mut keys = world.keys();
    let enabled = |number: usize| vec!["Enabled".to_owned(); number];
    assert_eq!(standing(&world, &keys), ("0 - -".into(), enabled(1)));
    let retired = vec!["PendingDeletion".into(), "Enabled".into()];
    let states = [
        ("0 1 -", enabled(2)),
        ("0 1 0", enabled(2)),
        ("1 1 0", enabled(2)),
        ("1 - 0", enabled(2)),
        ("1 - -", retired),
    ];
    for ((name, wait), (aliases, states)) in STEPS.into_iter().zip(states) {
        if wait > 0 {
            world.wait(wait - 1).await;
            let early = world.run(&policy, world.now(), Life::of(u64::MAX, true, false)).await;
            assert!(matches!(early, Some(Ok(None))), "{name} came early");
            world.wait(1).await;
        }
        let done = world.run(&policy, world.now(), Life::of(u64::MAX, true, false)).await;
        let (step, _) = done.unwrap().unwrap().unwrap();
        assert_eq!(step.name(), name);
        by_age(&world, &mut keys);
        assert_eq!(standing(&world, &keys), (aliases.into(), states), "{name}");
    }
    let deletion = world.kms.perform("DescribeKey", &json!({"KeyId": keys[0]})).unwrap();
    let date = deletion["KeyMetadata"]["DeletionDate"].as_f64().unwrap();
    let expected = Duration::from_secs(world.now().seconds()) + Duration::from_hours(30 * 24);
    assert_eq!(Duration::from_secs_f64(date), expected);
}

#[tokio::test(start_paused = true)]
async fn the_next_key_is_like_the_current_one_where_nothing_else_is_asked() {
    let world = World::new(1, Duration::ZERO).await;
    let policy = Policy { spec: Some("RSA_2048".into()), ..policy(None) };
    let own = json!({"Version": "2012-10-17", "Statement": []}).to_string();
    let tags = json!([{"TagKey": "cost-center", "TagValue": "7"}]);
    world.kms.perform("PutKeyPolicy", &json!({"KeyId": world.keys()[0], "Policy": own})).unwrap();
    world.kms.perform("TagResource", &json!({"KeyId": world.keys()[0], "Tags": tags})).unwrap();
    let done = world.run(&policy, world.now(), Life::of(u64::MAX, true, false)).await;
    let (_, key) = done.unwrap().unwrap().unwrap();
    let of = |operation: &str| world.kms.perform(operation, &json!({"KeyId": key.id})).unwrap();
    assert_eq!(of("DescribeKey")["KeyMetadata"]["KeySpec"], "RSA_2048");
    assert_eq!(of("GetKeyPolicy")["Policy"], own);
    let all = json!([
        {"TagKey": "cost-center", "TagValue": "7"},
        {"TagKey": "countersign:ring", "TagValue": ALIAS},
    ]);
    assert_eq!(of("ListResourceTags")["Tags"], all);
}

/// Does every step up to this one, which is due then.
async fn until(world: &World, policy: &Policy, step: usize) {
    for (name, wait) in &STEPS[..step] {
        world.wait(*wait).await;
        let done = world.run(policy, world.now(), Life::of(u64::MAX, true, false)).await;
        assert_eq!(done.unwrap().unwrap().unwrap().0.name(), *name);
    }
    world.wait(STEPS[step].1).await;
}

#[tokio::test(start_paused = true)]
async fn killed_after_any_call_a_step_is_gone_on_with() {
    let mut deaths = 0;
    for (number, (name, _)) in STEPS.into_iter().enumerate() {
        for deed in [false, true] {
            for limit in 1.. {
                let world = World::new(1, Duration::ZERO).await;
                let policy = policy(None);
                let mut keys = world.keys();
                until(&world, &policy, number).await;
                by_age(&world, &mut keys);
                // Later, so that a left key is newer than the ring's last move.
                world.wait(1).await;
                let life = Life::of(limit, deed, false);
                let killed = world.run(&policy, world.now(), life).await.is_none();
                let case = format!("{name}, {limit} calls, the last one {deed}");
                world.wait(1).await;
                let done = world.run(&policy, world.now(), Life::of(u64::MAX, true, false)).await;
                done.unwrap_or_else(|| panic!("{case}")).unwrap();
                by_age(&world, &mut keys);
                let last = match STEPS[number].0 {
                    "prepare" => ("0 1 -", 2),
                    "keep" => ("0 1 0", 2),
                    "promote" => ("1 1 0", 2),
                    "clear" => ("1 - 0", 2),
                    _ => ("1 - -", 2),
                };
                let (aliases, states) = standing(&world, &keys);
                // Killed after its last deed, a step is done, and the run after it found nothing due,
                // or, after a retirement that nobody has to wait for, the next prepare.
                let over = name == "retire" && aliases == "1 2 -";
                assert!(over || (&*aliases, states.len()) == last, "{case}: {aliases} {states:?}");
                if !killed {
                    break;
                }
                deaths += 1;
            }
        }
    }
    assert!(deaths > 50, "{deaths}");
}

#[tokio::test(start_paused = true)]
async fn two_at_once_do_a_step_once() {
    let mut overtaken = 0;
    for (number, (name, _)) in STEPS.into_iter().enumerate() {
        for seed in 0..40 {
            let world = World::new(seed, Duration::ZERO).await;
            let policy = policy(None);
            let mut keys = world.keys();
            until(&world, &policy, number).await;
            by_age(&world, &mut keys);
            let one = || world.run(&policy, world.now(), Life::of(u64::MAX, true, true));
            let (one, other) = tokio::join!(one(), one());
            for done in [one, other] {
                match done.unwrap() {
                    Ok(_) => {}
                    Err(RotationError::Overtaken(_)) => overtaken += 1,
                    Err(error) => panic!("{name} {seed}: {error}"),
                }
            }
            by_age(&world, &mut keys);
            let used: Vec<_> = world.aliases().into_values().collect();
            for key in &keys {
                let state = world.state(key).unwrap();
                assert!(used.contains(key) == (state == "Enabled"), "{name} {seed}: {key} {state}");
            }
        }
    }
    assert!(overtaken > 10, "{overtaken}");
}

/// A key with the ring's tag is taken for one that a prepare has left only if it is as good as new.
#[tokio::test(start_paused = true)]
async fn a_stranger_s_key_is_not_taken() {
    let own = json!({"Version": "2012-10-17", "Statement": []}).to_string();
    let rows = [
        ("as a prepare leaves it", "ECC_NIST_P256", None, 1, true),
        ("another spec", "ECC_NIST_P384", None, 1, false),
        ("another policy", "ECC_NIST_P256", Some(own), 1, false),
        ("older than the ring", "ECC_NIST_P256", None, 0, false),
    ];
    for (name, spec, policy, age, expected) in rows {
        let world = World::new(1, Duration::ZERO).await;
        world.wait(age).await;
        let input = json!({
            "KeySpec": spec, "KeyUsage": "SIGN_VERIFY", "Policy": policy,
            "Tags": [{"TagKey": "countersign:ring", "TagValue": ALIAS}],
        });
        let left = world.kms.perform("CreateKey", &input).unwrap();
        let done =
            world.run(&self::policy(None), world.now(), Life::of(u64::MAX, true, false)).await;
        let (_, key) = done.unwrap().unwrap().unwrap();
        assert_eq!(left["KeyMetadata"]["KeyId"] == *key.id, expected, "{name}");
    }
}

/// Twice: the second time, the current key has a tag of this project's own.
#[tokio::test(start_paused = true)]
async fn a_rotation_follows_another() {
    let world = World::new(1, Duration::ZERO).await;
    let policy = policy(None);
    for _ in 0..2 {
        until(&world, &policy, 4).await;
        world.run(&policy, world.now(), Life::of(u64::MAX, true, false)).await.unwrap().unwrap();
    }
    assert_eq!(world.keys().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_look_from_yesterday_is_not_gone_by() {
    let world = World::new(1, Duration::ZERO).await;
    let policy = policy(None);
    for (number, (name, _)) in STEPS.into_iter().enumerate() {
        world.wait(STEPS[number].1).await;
        let (rotation, before) = (world.rotation(None), world.aliases());
        let look = rotation.look().await.unwrap();
        let step = plan(&look.seen, world.now(), &policy).unwrap().step;
        world.wait(61).await;
        let late = rotation.perform(&look, &step).await;
        assert!(matches!(late, Err(RotationError::Late)), "{name}: {late:?}");
        assert_eq!(world.aliases(), before, "{name}");
        let look = rotation.look().await.unwrap();
        rotation.perform(&look, &step).await.unwrap();
    }
}

/// Where the next key is there before the previous one is gone, somebody who has not seen yet that it
/// is gone takes `-previous` away a second time, from the key that signs.
#[tokio::test(start_paused = true)]
async fn a_retirement_twice_does_not_lose_the_key_that_signs() {
    const LATE: Duration = Duration::from_mins(5);
    let world = World::new(1, Duration::ZERO).await;
    let policy = policy(None);
    until(&world, &policy, 3).await;
    world.run(&policy, world.now(), Life::of(u64::MAX, true, false)).await.unwrap().unwrap();
    let key = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"});
    let key = world.kms.perform("CreateKey", &key).unwrap()["KeyMetadata"]["KeyId"].clone();
    world.kms.perform("CreateAlias", &json!({"AliasName": NEXT, "TargetKeyId": key})).unwrap();
    world.wait(STEPS[4].1).await;
    let fast = || UnixTime::from_seconds((world.now().seconds()) + LATE.as_secs());
    let run = async || {
        let done = world.run(&policy, fast(), Life::of(u64::MAX, true, false)).await;
        done.unwrap().unwrap().map(|(step, _)| step.name())
    };
    assert_eq!(run().await, Some("retire"));
    world.wait(1).await;
    assert_eq!(run().await, Some("keep"));
    world.kms.delay_aliases(|| LATE);
    world.wait(298).await;
    let rotation = world.rotation(None);
    let look = rotation.look().await.unwrap();
    let step = plan(&look.seen, world.now(), &policy).unwrap().step;
    assert_eq!(step.name(), "retire", "seen late");
    world.wait(60).await;
    rotation.perform(&look, &step).await.unwrap();
    // By now everybody sees that it is gone, before anybody thinks it was there for long enough.
    for _ in 0..20 {
        world.wait(60).await;
        assert_ne!(run().await, Some("promote"));
        if world.aliases().contains_key(PREVIOUS) {
            break;
        }
        world.kms.delay_aliases(|| LATE);
    }
    assert!(world.aliases().contains_key(PREVIOUS), "kept again");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_ring_is_said() {
    let world = World::new(1, Duration::ZERO).await;
    let exists = world.rotation(None).create(&"ECC_NIST_P256".into()).await.unwrap_err();
    assert_eq!(exists.to_string(), "alias/ring is there already");
    assert_eq!(world.keys().len(), 1);
    world.kms.perform("DeleteAlias", &json!({"AliasName": ALIAS})).unwrap();
    let missing = world.rotation(None).look().await.unwrap_err();
    assert_eq!(missing.to_string(), "there is no alias/ring in this account and Region");
}

#[tokio::test(start_paused = true)]
async fn a_ring_lists_its_keys_of_old_too() {
    let world = World::new(1, Duration::ZERO).await;
    let policy = policy(None);
    let listed = async |only: bool| {
        let ring = ALIAS.parse().unwrap();
        let entries = list(&world.client(None), only.then_some(&ring)).await.unwrap();
        entries.into_iter().map(|entry| (entry.ring, entry.role)).collect::<Vec<_>>()
    };
    until(&world, &policy, 4).await;
    let row = |role| (ALIAS.to_owned(), role);
    assert_eq!(listed(true).await, [row(Role::Current), row(Role::Previous)]);
    world.run(&policy, world.now(), Life::of(u64::MAX, true, false)).await.unwrap().unwrap();
    world.wait(1).await;
    // Killed with its key made and no alias to it.
    let life = Life::of(8, true, false);
    assert!(world.run(&policy, world.now(), life).await.is_none());
    let all = [row(Role::Current), row(Role::Unused), row(Role::Retired)];
    assert_eq!(listed(true).await, all);
    assert_eq!(listed(false).await, [row(Role::Current)]);
    let other = json!({"AliasName": "alias/other-next", "TargetKeyId": world.keys()[0]});
    if world.kms.perform("CreateAlias", &other).is_ok() {
        let ring = ("alias/other-next".to_owned(), Role::Current);
        assert!(listed(false).await.contains(&ring), "an alias of its own");
    }
    let spec =
        |step: &Step| matches!(step, Step::Prepare(spec) if spec.as_str() == "ECC_NIST_P256");
    let look = world.rotation(None).look().await.unwrap();
    assert!(spec(&plan(&look.seen, world.now(), &policy).unwrap().step));
}
