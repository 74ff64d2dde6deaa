use super::*;

fn target(id: &str, since: u64) -> AliasTarget {
    let key = KeyMetadata {
        id: id.into(),
        arn: format!("arn:aws:kms:us-east-1:1:key/{id}"),
        spec: KeySpec::EccNistP256,
        state: KeyState::Enabled,
        created: UnixTime::from_seconds(0),
        is_for_signing: true,
        is_reproducible: true,
    };
    AliasTarget { key, since: UnixTime::from_seconds(since) }
}

fn config() -> RotationConfig {
    let (hour, minutes) = (Duration::from_hours(1), Duration::from_mins(5));
    let timing =
        RotationTiming::new(Duration::from_mins(150), hour, Duration::ZERO, minutes).unwrap();
    RotationConfig { every: Some(Duration::from_hours(24)), ..RotationConfig::on_request(timing) }
}

fn step(state: &RingState, config: &RotationConfig) -> Result<(&'static str, u64), Obstacle> {
    let plan = plan(state, UnixTime::from_seconds(777), config)?;
    Ok((plan.step.name(), plan.due.seconds()))
}

#[test]
fn next_step_follows_from_the_state() {
    let optional = |alias: Option<(&str, u64)>| alias.map(|(id, since)| target(id, since));
    let rows = [
        ("at rest", ("a", 1000), Some(("a", 0)), Some(("a", 0)), ("prepare", 1000 + 86_400)),
        ("published", ("a", 0), Some(("b", 1000)), Some(("a", 0)), ("promote", 10_000)),
        (
            "-previous moved after -next",
            ("a", 0),
            Some(("b", 1000)),
            Some(("a", 9500)),
            ("promote", 10_700),
        ),
        ("promoted", ("b", 1000), Some(("b", 0)), Some(("a", 0)), ("retire", 1000 + 4560)),
        (
            "-previous moved after the promotion",
            ("b", 1000),
            Some(("b", 0)),
            Some(("a", 5000)),
            ("retire", 5000 + 4560),
        ),
        (
            "next key published before the retirement",
            ("b", 0),
            Some(("c", 1)),
            Some(("a", 0)),
            ("retire", 4560),
        ),
        ("only alias/NAME", ("a", 1000), None, None, ("complete", 777)),
        ("no -previous", ("a", 0), Some(("b", 1000)), None, ("complete", 777)),
        ("no -next", ("b", 1000), None, Some(("a", 0)), ("complete", 777)),
    ];
    for (name, (id, since), next, previous, expected) in rows {
        let current = target(id, since);
        let state = RingState { current, next: optional(next), previous: optional(previous) };
        assert_eq!(step(&state, &config()), Ok(expected), "{name}");
    }
    let on_request = RotationConfig { every: None, ..config() };
    assert_eq!(step(&at_rest("a", 1000), &on_request), Ok(("prepare", 777)), "on request");
}

fn at_rest(id: &str, since: u64) -> RingState {
    let target = || target(id, since);
    RingState { current: target(), next: Some(target()), previous: Some(target()) }
}

#[test]
fn state_without_a_safe_step_is_an_obstacle() {
    type Change = fn(&mut RingState, &mut RotationConfig);
    let (a, b) = (|| "a".to_owned(), || "b".to_owned());
    let p256 = || "ECC_NIST_P256".to_owned();
    let current = "the ring's alias";
    let rows: [(&str, Change, Obstacle); 11] = [
        (
            "current key not for signing",
            |state, _| state.current.key.is_for_signing = false,
            Obstacle::UnsupportedKey { alias: current, id: a(), spec: p256() },
        ),
        (
            "symmetric current key",
            |state, _| state.current.key.spec = KeySpec::SymmetricDefault,
            Obstacle::UnsupportedKey { alias: current, id: a(), spec: "SYMMETRIC_DEFAULT".into() },
        ),
        (
            "disabled current key",
            |state, _| state.current.key.state = KeyState::Disabled,
            Obstacle::NotEnabled { alias: current, id: a(), state: KeyState::Disabled },
        ),
        (
            "next key not enabled",
            |state, _| state.next.as_mut().unwrap().key.state = KeyState::Other,
            Obstacle::NotEnabled { alias: "-next", id: b(), state: KeyState::Other },
        ),
        (
            "next key not for signing",
            |state, _| state.next.as_mut().unwrap().key.is_for_signing = false,
            Obstacle::UnsupportedKey { alias: "-next", id: b(), spec: p256() },
        ),
        (
            "next key without the algorithm",
            |state, config| {
                config.algorithm = Some(Algorithm::Es256);
                state.next.as_mut().unwrap().key.spec = KeySpec::EccSecgP256K1;
            },
            Obstacle::UnsupportedAlgorithm {
                spec: "ECC_SECG_P256K1".into(),
                algorithm: Algorithm::Es256,
            },
        ),
        (
            "-next and -previous at one key",
            |state, _| state.previous = Some(target("b", 0)),
            Obstacle::NextIsPrevious { current: a(), other: b() },
        ),
        (
            "current key without the algorithm",
            |_, config| config.algorithm = Some(Algorithm::Rs256),
            Obstacle::UnsupportedAlgorithm { spec: p256(), algorithm: Algorithm::Rs256 },
        ),
        (
            "KeySpec without the algorithm",
            |state, config| {
                state.next = Some(target("a", 0));
                config.algorithm = Some(Algorithm::Es256);
                config.spec = Some(KeySpec::Rsa2048);
            },
            Obstacle::UnsupportedAlgorithm { spec: "RSA_2048".into(), algorithm: Algorithm::Es256 },
        ),
        (
            "KeySpec that does not sign tokens",
            |state, config| {
                state.next = Some(target("a", 0));
                config.spec = Some(KeySpec::Hmac256);
            },
            Obstacle::UnsupportedSpec { spec: "HMAC_256".into() },
        ),
        (
            "current key that CreateKey cannot reproduce",
            |state, _| {
                state.next = Some(target("a", 0));
                state.current.key.is_reproducible = false;
            },
            Obstacle::NotReproducible { id: a() },
        ),
    ];
    for (name, change, expected) in rows {
        let mut state = RingState { next: Some(target("b", 0)), ..at_rest("a", 0) };
        let mut config = config();
        change(&mut state, &mut config);
        assert_eq!(step(&state, &config), Err(expected), "{name}");
    }
}

#[test]
fn step_is_overdue_from_its_due_second_on() {
    let plan = Plan { step: Step::Prepare(KeySpec::EccNistP256), due: UnixTime::from_seconds(100) };
    let rows = [(99, None), (100, Some(0)), (160, Some(60))];
    for (now, expected) in rows {
        let overdue = plan.overdue(UnixTime::from_seconds(now));
        assert_eq!(overdue, expected.map(Duration::from_secs), "{now}");
    }
}
