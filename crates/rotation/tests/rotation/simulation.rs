//! Years in the life of a ring: whatever happens to those who rotate it, no token is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    sync::{Arc, LazyLock, atomic::Ordering},
    time::Duration,
};

use countersign_rotation::{RotationConfig, RotationError, RotationTiming, plan};
use jwt::{Rejection, Signer, UnixTime, UnsignedToken, UnverifiedToken, Validation};
use kms::{Cause, Client, KeyName, Keyring, KmsSigner, KmsVerifier, Stopwatch, Verification};
use proptest::{prelude::*, test_runner::RngSeed};
use serde_json::{Value, json};
use tokio::runtime;

use crate::world::{ALIAS, Dice, Life, REFRESH, World, timing};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        max_shrink_iters: 0,
        failure_persistence: None,
        rng_seed: seed(),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_token_is_lost(
        seed: u64,
        publication in 1260_u64..12_000,
        lifetime in 1_u64..20_000,
        skew in prop::sample::select(vec![0_u64, 300]),
    ) {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(Simulation::run(seed, publication, lifetime, skew));
    }
}

/// The same two lives in every run of the tests; `PROPTEST_CASES` asks for that many others.
fn seed() -> RngSeed {
    if env::var_os("PROPTEST_CASES").is_some() { RngSeed::Random } else { RngSeed::Fixed(7) }
}

/// Each takes half a minute in a debug build.
fn cases() -> u32 {
    env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2)
}

struct Simulation {
    world: World,
    policy: RotationConfig,
    /// The client of the functions, which is never killed.
    client: Client,
    lifetime: u64,
    /// How wrong a rotating operator's clock can be.
    skew: u64,
    dice: Dice,
    /// How long it stays interesting after a step.
    busy: u32,
    issuers: Vec<Arc<Keyring>>,
    authorizers: Vec<(Arc<Keyring>, Verification)>,
    /// Third parties that keep public keys for as long as the publication wait lets them.
    parties: Vec<(u64, BTreeSet<String>)>,
    live: Vec<(String, String, u64)>,
    /// A token of each key that never expires.
    eternal: BTreeMap<String, String>,
    retired: BTreeMap<String, u64>,
    /// A stranger's keys.
    planted: BTreeSet<String>,
    /// The name that the stranger has taken last.
    taken: Option<Taken>,
    /// The aliases as they were last seen here, and since when.
    settled: (BTreeMap<String, String>, u64),
    counts: Counts,
}

/// A name of the ring that points at a stranger's key for a while.
struct Taken {
    alias: String,
    /// Where the alias pointed, and the stranger's key.
    own: String,
    foreign: String,
    /// When the operator moves it back.
    until: u64,
}

/// What has happened.
#[derive(Debug, Default)]
struct Counts {
    killed: usize,
    taken: usize,
    blocked: usize,
    deleted: usize,
    dateless: usize,
    rolled_back: usize,
    reported: usize,
}

impl Simulation {
    async fn run(seed: u64, publication: u64, lifetime: u64, skew: u64) {
        let mut simulation = Self::new(seed, publication, lifetime, skew).await;
        let end = simulation.now() + YEARS;
        while simulation.now() < end {
            simulation.plant();
            simulation.take_or_restore();
            simulation.delete();
            Box::pin(simulation.rotate()).await;
            simulation.roll_back().await;
            simulation.refuse_planted();
            simulation.issue().await;
            simulation.decide().await;
            simulation.fetch().await;
            simulation.refuse_retired().await;
            let until = simulation.next_moment();
            simulation.world.wait(until).await;
        }
        let (rotations, retired) = (simulation.eternal.len() - 1, simulation.retired.len());
        assert!(rotations >= 2 && retired >= 1, "{rotations} {retired}");
        let published = simulation.world.published.lock().unwrap().clone();
        let known = |key: &String| {
            // The first key has signed, and was never the next one.
            simulation.planted.contains(key)
                || published.contains_key(key)
                || simulation.eternal.contains_key(key)
        };
        let orphans = simulation.world.keys().into_iter().filter(|key| !known(key)).count();
        let counts = &simulation.counts;
        assert!(
            orphans <= counts.killed + counts.reported,
            "{orphans} keys without an alias: {counts:?}"
        );
        for key in &simulation.planted {
            assert_eq!(simulation.world.state(key).as_deref(), Some("Enabled"));
        }
        let Counts { killed, taken, blocked, deleted, dateless, rolled_back: _, reported: _ } =
            *counts;
        let all = [killed, taken, blocked, deleted, dateless];
        assert!(!simulation.planted.is_empty() && all.iter().all(|count| *count > 0), "{counts:?}");
    }

    /// Who may create and tag keys, and nothing more.
    fn plant(&mut self) {
        if self.busy > 0 && self.dice.once_in(20) || self.dice.once_in(50) {
            self.create_foreign(true);
        }
    }

    fn create_foreign(&mut self, tagged: bool) -> String {
        let tag = json!({"TagKey": "countersign:ring", "TagValue": ALIAS});
        let tags: Vec<_> = tagged.then_some(tag).into_iter().collect();
        let input = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "Tags": tags});
        let key = self.world.kms.perform("CreateKey", &input).unwrap();
        let key = key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
        self.planted.insert(key.clone());
        key
    }

    /// A stranger who may move aliases takes a name for ten minutes or longer, until the operator heeds the
    /// alarm. Not just before a promotion: a run that sees the name as it was would be right to promote.
    fn take_or_restore(&mut self) {
        let (now, names, at_rest) = (self.now(), self.names(), self.at_rest());
        if names != self.settled.0 {
            self.settled = (names.clone(), now);
        }
        if let Some(taken) = &mut self.taken {
            if taken.until > now {
                return;
            }
            let Taken { alias, own, foreign, .. } = taken;
            if names.get(alias) == Some(foreign) {
                // A run may see the name as it was for a while.
                taken.until = now + LATE.as_secs();
                let (alias, own) = (alias.clone(), own.clone());
                return self.point(&alias, &own);
            }
            self.taken = None;
        }
        // Whoever sees another alias as it was before its last move would miss a key that signs.
        if self.settled.1 + LATE.as_secs() > now {
            return;
        }
        if !self.dice.once_in(if self.busy > 0 { 60 } else { 40 }) {
            return;
        }
        let alias = format!("{ALIAS}-{}", if self.dice.once_in(2) { "next" } else { "previous" });
        let Some(next) = names.get(&format!("{ALIAS}-next")).filter(|_| names.contains_key(&alias))
        else {
            return;
        };
        let published = self.world.published.lock().unwrap().get(next).copied();
        let promoted = next == &names[ALIAS];
        let has_signed = self.eternal.contains_key(next);
        let due = published.unwrap_or_default() + self.policy.timing.publication().as_secs();
        let is_distant = promoted || !has_signed && due > now + 3 * LATE.as_secs();
        if !at_rest && (alias.ends_with("previous") || !is_distant) {
            return;
        }
        // With the ring's tag and policy, a grant shows that it is a stranger's.
        let granted = alias.ends_with("next") && self.dice.once_in(2);
        let foreign = self.create_foreign(granted);
        if granted {
            let grant = json!({
                "KeyId": foreign, "GranteePrincipal": "arn:aws:iam::000000000000:user/stranger",
                "Operations": ["Sign"],
            });
            self.world.kms.perform("CreateGrant", &grant).unwrap();
        }
        self.point(&alias, &foreign);
        self.counts.taken += 1;
        let until = now + 600 + self.dice.roll(2 * self.policy.timing.publication().as_secs());
        let own = names[&alias].clone();
        self.taken = Some(Taken { alias, own, foreign, until });
    }

    /// Somebody deletes a name of a ring at rest. While a rotation is under way that loses tokens.
    fn delete(&mut self) {
        if self.taken.is_none() && self.at_rest() && self.dice.once_in(30) {
            let name = if self.dice.once_in(2) { "next" } else { "previous" };
            let alias = json!({"AliasName": format!("{ALIAS}-{name}")});
            self.counts.deleted +=
                usize::from(self.world.kms.perform("DeleteAlias", &alias).is_ok());
        }
    }

    /// An operator has the previous key sign again.
    async fn roll_back(&mut self) {
        if self.busy == 0 || self.taken.is_some() || !self.dice.once_in(10) {
            return;
        }
        let clock = self.clock();
        let rotation = self.world.rotation(None);
        let snapshot = rotation.read_state().await.unwrap();
        match rotation.roll_back(&snapshot, clock, &self.policy.timing).await {
            Ok(_) => self.counts.rolled_back += 1,
            Err(RotationError::NotPromoted | RotationError::RetirementDue) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// No alias of the ring points at a stranger's key but the one that he has taken.
    fn refuse_planted(&self) {
        for (alias, key) in self.names() {
            let taken = self.taken.as_ref().is_some_and(|taken| taken.alias == alias);
            assert!(taken || !self.planted.contains(&key), "{alias} points at {key}");
        }
        assert!(self.eternal.keys().all(|key| !self.planted.contains(key)));
    }

    /// The ring's aliases as they are, with their keys.
    fn names(&self) -> BTreeMap<String, String> {
        self.world.exact.store(true, Ordering::Relaxed);
        let answer = self.world.kms.perform("ListAliases", &json!({})).unwrap();
        self.world.exact.store(false, Ordering::Relaxed);
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let rows = answer["Aliases"].as_array().unwrap().iter();
        rows.map(|row| (text(row, "AliasName"), text(row, "TargetKeyId"))).collect()
    }

    fn point(&self, alias: &str, key: &str) {
        let input = json!({"AliasName": alias, "TargetKeyId": key});
        self.world.kms.perform("UpdateAlias", &input).unwrap();
    }

    /// An operator's clock.
    fn clock(&self) -> UnixTime {
        let skewed = self.now() + self.dice.roll(2 * self.skew + 1) - self.skew;
        UnixTime::from_seconds(skewed)
    }

    async fn new(seed: u64, publication: u64, lifetime: u64, skew: u64) -> Self {
        let world = World::new(seed, Duration::from_mins(5)).await;
        let timing: RotationTiming = timing(publication, lifetime);
        let every = Some(Duration::from_secs(EVERY));
        let policy = RotationConfig { every, timing, algorithm: None, spec: None };
        let client = world.client(None);
        let ring = || keyring(&client, ALIAS);
        let issuers = (0..2).map(|_| ring()).collect();
        let both = [Verification::Kms, Verification::Local, Verification::Local];
        let authorizers = both.map(|verification| (ring(), verification)).into();
        let parties = vec![(0, BTreeSet::new()); 2];
        let dice = Dice::new(seed);
        let (live, eternal, retired) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self {
            world,
            policy,
            client,
            lifetime,
            skew,
            dice,
            busy: 0,
            issuers,
            authorizers,
            parties,
            live,
            eternal,
            retired,
            planted: BTreeSet::new(),
            taken: None,
            settled: (BTreeMap::new(), 0),
            counts: Counts::default(),
        }
    }

    fn now(&self) -> u64 {
        self.world.now().seconds()
    }

    /// Nobody, somebody, or two at once do what is due by their own clocks.
    async fn rotate(&mut self) {
        let runs = u64::from(self.busy > 0) + self.dice.roll(8).saturating_sub(5).min(1);
        self.busy = self.busy.saturating_sub(1);
        let life = || {
            let limit = if self.dice.once_in(2) { u64::MAX } else { self.dice.roll(30) + 1 };
            // IAM can see the tag of a new key late.
            let denials = if self.dice.once_in(3) { self.dice.roll(4) } else { 0 };
            Life::of(limit, self.dice.once_in(2), runs == 2).and_denied(denials)
        };
        let run = || self.world.run(&self.policy, self.clock(), life());
        if runs == 0 {
            return;
        }
        let dateless = self.dice.once_in(10);
        self.world.kms.omit_alias_dates(dateless);
        let done = if runs == 1 {
            vec![run().await]
        } else {
            let (one, other) = tokio::join!(run(), run());
            vec![one, other]
        };
        self.world.kms.omit_alias_dates(false);
        self.counts.killed += done.iter().filter(|done| done.is_none()).count();
        for done in done.into_iter().flatten() {
            match done {
                Err(RotationError::Fault(fault)) if dateless => {
                    assert_eq!(fault.cause, Cause::InvalidResponse);
                    self.counts.dateless += 1;
                }
                done if dateless => panic!("a step by aliases without dates: {done:?}"),
                Err(RotationError::Findings(_)) if self.taken.is_some() => self.counts.blocked += 1,
                // An alias that was just created again, and is seen late: the error names the new key.
                Err(RotationError::Orphan { .. }) if self.counts.deleted > 0 => {
                    self.counts.reported += 1;
                }
                Err(RotationError::Fault(fault)) if self.counts.deleted > 0 => {
                    assert_eq!(fault.cause, Cause::NotFound);
                }
                Ok(Some(_)) => self.busy = 12,
                Ok(None) | Err(RotationError::Conflict(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        for key in self.eternal.keys() {
            if self.world.state(key).as_deref() != Some("Enabled") {
                self.retired.entry(key.clone()).or_insert(self.world.now().seconds());
            }
        }
    }

    async fn issue(&mut self) {
        // Between two rotations a token now and then will do.
        if self.at_rest() && !self.dice.once_in(3) {
            return;
        }
        let issuer = &self.issuers[self.index(self.issuers.len())];
        let exp = self.now() + 1 + self.dice.roll(self.lifetime);
        let (token, key) = sign(issuer, exp).await;
        if !self.eternal.contains_key(&key) {
            if let Some(published) = self.world.published.lock().unwrap().get(&key) {
                let wait = self.policy.timing.publication().as_secs();
                let early = published + wait > self.now() + self.skew;
                assert!(!early, "{key} was published at {published} and signs at {}", self.now());
            }
            let (token, _) = sign(&keyring(&self.client, &key), FOREVER).await;
            self.eternal.insert(key.clone(), token);
        }
        for (_, known) in &self.parties {
            let told = known.is_empty() || known.contains(&key);
            assert!(told, "{key} signs, and whoever keeps keys does not know it");
        }
        self.live.push((token, key, exp));
    }

    /// Every authorizer sees some of the tokens that live, and all that are about to die.
    async fn decide(&mut self) {
        let now = self.now();
        self.live.retain(|(.., exp)| now < *exp);
        if self.busy > 0 || self.dice.once_in(4) {
            // One has just been started.
            let cold = self.index(self.authorizers.len());
            self.authorizers[cold].0 = keyring(&self.client, ALIAS);
        }
        for (token, key, exp) in &self.live {
            if now + 1 < *exp && !self.dice.once_in(self.live.len().try_into().unwrap()) {
                continue;
            }
            for (keyring, verification) in &self.authorizers {
                let good = is_good(keyring, *verification, token, self.world.now()).await;
                assert!(good, "a token of {key} until {exp} is lost at {now} ({verification:?})");
            }
            for (_, known) in &self.parties {
                assert!(known.is_empty() || known.contains(key), "{key} is gone too early");
            }
        }
    }

    async fn fetch(&mut self) {
        let lag = self.policy.timing.propagation() + REFRESH + Duration::from_mins(1);
        let keep = self.policy.timing.publication().checked_sub(lag).unwrap().as_secs();
        let now = self.now();
        for number in 0..self.parties.len() {
            if self.parties[number].0 <= now {
                let issuer = &self.issuers[self.index(self.issuers.len())];
                let ring = issuer.ring().await.unwrap();
                let known = ring.keys().map(|key| key.id.clone()).collect();
                self.parties[number] = (now + keep, known);
            }
        }
    }

    async fn refuse_retired(&mut self) {
        if !self.dice.once_in(4) {
            return;
        }
        for (key, since) in &self.retired {
            let at_once = self.now() < since + 3 * REFRESH.as_secs();
            for (keyring, verification) in &self.authorizers {
                if at_once && *verification == Verification::Local {
                    continue;
                }
                let token = &self.eternal[key];
                let good = is_good(keyring, *verification, token, self.world.now()).await;
                assert!(!good, "{key} was retired at {since} and verifies at {}", self.now());
            }
        }
        // Once is enough, after a while.
        let now = self.now();
        let over = |since: &u64| now > since + 30 * DAY;
        let buried = self.retired.iter().filter(|(_, since)| over(since)).map(|(key, _)| key);
        for key in buried {
            assert_eq!(self.world.state(key), None, "deleted after 30 days");
        }
    }

    /// Long while nothing happens, short around a rotation, and never past the end of a token.
    fn next_moment(&self) -> u64 {
        let now = self.now();
        let some = match (self.busy > 0, self.at_rest()) {
            (true, _) => 100,
            (false, true) => 10 * DAY,
            (false, false) if self.taken.is_some() => 4000,
            (false, false) => 1200,
        };
        let some = self.dice.roll(some) + 1;
        let ends = self.live.iter().map(|(.., exp)| exp - 1).filter(|end| *end > now);
        ends.map(|end| end - now).min().map_or(some, |end| end.min(some))
    }

    fn at_rest(&self) -> bool {
        let names = self.names();
        names.values().all(|key| key == &names[ALIAS])
    }

    fn index(&self, length: usize) -> usize {
        usize::try_from(self.dice.roll(length.try_into().unwrap())).unwrap()
    }
}

/// The operator's clock is five minutes fast and each step is done in its first second; whoever looks
/// sees each alias five minutes late or as it is; and an issuer has looked at the worst moment.
#[tokio::test(start_paused = true)]
async fn the_worst_is_provided_for() {
    const LIFETIME: u64 = 3600;
    let world = World::new(7, Duration::ZERO).await;
    let policy =
        RotationConfig { every: None, timing: timing(1260, LIFETIME), algorithm: None, spec: None };
    let client = world.client(None);
    let now = || world.now().seconds();
    let mut tokens = vec![sign(&keyring(&client, ALIAS), FOREVER).await.0];
    for expected in ["prepare", "promote", "retire"] {
        world.kms.delay_aliases(|| Duration::ZERO);
        let seen = world.rotation(None).read_state().await.unwrap().state;
        let due = plan(&seen, world.now(), &policy).unwrap().due.seconds();
        world.wait(due.saturating_sub(LATE.as_secs()).saturating_sub(now())).await;
        see_late_or_not(&world);
        let fast = UnixTime::from_seconds(now() + LATE.as_secs());
        let done = world.run(&policy, fast, Arc::default()).await.unwrap().unwrap();
        let (step, key) = done.unwrap();
        assert_eq!(step.name(), expected);
        if expected == "retire" {
            break;
        }
        if expected == "promote" {
            tokens.push(sign(&keyring(&client, &key.id), FOREVER).await.0);
        }
        are_known(&client, &world, &tokens).await;
        if expected == "promote" {
            world.kms.delay_aliases(|| LATE);
            world.wait(LATE.as_secs() - 1).await;
            let issuer = keyring(&client, ALIAS);
            issuer.ring().await.unwrap();
            see_late_or_not(&world);
            world.wait(REFRESH.as_secs() - 1).await;
            let (token, by) = sign(&issuer, now() + LIFETIME).await;
            assert_ne!(by, key.id);
            tokens.push(token);
            are_known(&client, &world, &tokens).await;
        }
    }
    let last = UnverifiedToken::parse(tokens.last().unwrap()).unwrap();
    let dead = last.screen(&profile(), world.now()).err();
    assert!(matches!(dead, Some(Rejection::Expired { .. })), "retired while its last token lives");
}

fn see_late_or_not(world: &World) {
    let dice = Dice::new(world.now().seconds());
    world.kms.delay_aliases(move || if dice.once_in(2) { LATE } else { Duration::ZERO });
}

/// To whoever starts now, whichever aliases it sees late.
async fn are_known(client: &Client, world: &World, tokens: &[String]) {
    for _ in 0..30 {
        let keyring = keyring(client, ALIAS);
        for token in tokens {
            assert!(is_good(&keyring, Verification::Local, token, world.now()).await);
        }
    }
}

/// How late an alias can be seen, and how wrong a clock can be.
const LATE: Duration = Duration::from_mins(5);

fn keyring(client: &Client, name: &str) -> Arc<Keyring> {
    let name: KeyName = name.parse().unwrap();
    Arc::new(Keyring::new(client.clone(), name, None, REFRESH))
}

/// A token, and the id of the key that signed it.
async fn sign(keyring: &Arc<Keyring>, exp: u64) -> (String, String) {
    let claims = json!({"iss": "us", "exp": exp}).as_object().unwrap().clone();
    let draft = UnsignedToken::new("JWT", &claims);
    let signer = KmsSigner { keyring, stopwatch: &UNREAD, max_token_bytes: None };
    let signed = signer.sign(&draft).await.unwrap();
    (signed.token.reveal().to_owned(), signed.key_id)
}

/// A key that is disabled makes KMS answer with an error, which is no yes either.
async fn is_good(
    keyring: &Arc<Keyring>,
    verification: Verification,
    token: &str,
    now: UnixTime,
) -> bool {
    let candidate = UnverifiedToken::parse(token).unwrap().screen(&profile(), now).unwrap();
    let verifier = KmsVerifier { keyring, verification, stopwatch: &UNREAD };
    matches!(candidate.confirm(&verifier).await, Ok(Ok(_)))
}

fn profile() -> Validation {
    Validation {
        issuer: Some("us".into()),
        audiences: None,
        token_type: "JWT".into(),
        leeway: Duration::ZERO,
    }
}

static UNREAD: LazyLock<Stopwatch> = LazyLock::new(Stopwatch::default);

const DAY: u64 = 86_400;
const EVERY: u64 = 240 * DAY;
const YEARS: u64 = 2 * 365 * DAY;
const FOREVER: u64 = 253_402_300_799;
