//! Simulates two years of a ring with killed, slow and concurrent runs, skewed clocks and an attacker. No token must
//! become invalid before it expires.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    sync::{Arc, LazyLock, atomic::Ordering},
    time::Duration,
};

use countersign_rotation::{RotationConfig, RotationError, RotationTiming, Step, plan};
use jwt::{Rejection, Signer, UnixTime, UnsignedToken, UnverifiedToken, Validation};
use kms::{Cause, Client, KeyName, Keyring, KmsSigner, KmsVerifier, RequestMetrics, Verification};
use proptest::{prelude::*, test_runner::RngSeed};
use serde_json::{Value, json};
use tokio::runtime;

use crate::world::{ALIAS, Dice, REFRESH, Script, World, timing};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        max_shrink_iters: 0,
        failure_persistence: None,
        rng_seed: seed(),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_token_becomes_invalid_before_it_expires(
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

/// Two fixed seeds by default; `PROPTEST_CASES` sets a number of random ones.
fn seed() -> RngSeed {
    if env::var_os("PROPTEST_CASES").is_some() { RngSeed::Random } else { RngSeed::Fixed(7) }
}

/// A case takes long in a debug build.
fn cases() -> u32 {
    env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2)
}

struct Simulation {
    world: World,
    config: RotationConfig,
    /// The client of the functions. It is never killed.
    client: Client,
    lifetime: u64,
    /// The largest clock skew of a run, in seconds.
    skew: u64,
    dice: Dice,
    /// How many more short time steps follow a step of the rotation.
    short_steps: u32,
    issuers: Vec<Arc<Keyring>>,
    authorizers: Vec<(Arc<Keyring>, Verification)>,
    /// Third parties that cache the public keys for as long as the publication wait allows: when they fetch the keys
    /// again, and the cached key ids.
    parties: Vec<(u64, BTreeSet<String>)>,
    /// Tokens that have not expired, each with its key id and `exp`.
    unexpired: Vec<(String, String, u64)>,
    /// For each key that has signed, a token that never expires.
    never_expiring: BTreeMap<String, String>,
    /// When each retired key was first found disabled.
    retired: BTreeMap<String, u64>,
    /// The attacker's keys.
    planted: BTreeSet<String>,
    /// The alias that the attacker moved last.
    taken: Option<Taken>,
    /// The aliases at the last check, and the time of their last change.
    settled: (BTreeMap<String, String>, u64),
    counts: Counts,
}

/// An alias that the attacker moved to a foreign key.
struct Taken {
    alias: String,
    /// The key of the ring under the alias.
    own: String,
    /// The attacker's key.
    foreign: String,
    /// When the operator moves the alias back.
    until: u64,
}

/// How often each event happened.
#[derive(Debug, Default)]
struct Counts {
    killed: usize,
    taken: usize,
    /// Of [`Self::taken`], those whose alias did not exist.
    created: usize,
    blocked: usize,
    deleted: usize,
    dateless: usize,
    rolled_back: usize,
    reported: usize,
    /// Keys that may have lost `-next` to the key of a run that prepared less than five minutes later.
    overtaken: usize,
    /// Keys that the rotation created and left without an alias.
    unused: usize,
}

impl Simulation {
    async fn run(seed: u64, publication: u64, lifetime: u64, skew: u64) {
        let mut simulation = Self::new(seed, publication, lifetime, skew).await;
        let end = simulation.now() + YEARS;
        while simulation.now() < end {
            simulation.plant();
            simulation.take_or_restore();
            simulation.delete_alias();
            Box::pin(simulation.rotate()).await;
            simulation.roll_back().await;
            simulation.expect_own_keys();
            simulation.issue().await;
            simulation.verify().await;
            simulation.fetch().await;
            simulation.expect_retired_keys_rejected().await;
            let seconds = simulation.next_wait();
            simulation.world.wait(seconds).await;
        }
        let (rotations, retired) = (simulation.never_expiring.len() - 1, simulation.retired.len());
        assert!(rotations >= 2 && retired >= 1, "{rotations} {retired}");
        simulation.expect_unused_keys_reported().await;
        let counts = &simulation.counts;
        println!("{rotations} rotations, {retired} retired, {counts:?}");
        for key in &simulation.planted {
            assert_eq!(simulation.world.state(key).as_deref(), Some("Enabled"));
        }
        let Counts { killed, taken, blocked, deleted, dateless, .. } = *counts;
        let counts_of_faults = [killed, taken, blocked, deleted, dateless];
        let has_faults = counts_of_faults.iter().all(|count| *count > 0);
        assert!(!simulation.planted.is_empty() && has_faults, "{counts:?}");
    }

    /// An attacker who may only create and tag keys.
    fn plant(&mut self) {
        if self.short_steps > 0 && self.dice.once_in(20) || self.dice.once_in(50) {
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

    /// An attacker who may create and move aliases moves one for ten minutes or longer, until the operator reacts to the
    /// alarm. The attacker does not move it just before a promotion: a run that reads the alias late may rightly promote.
    fn take_or_restore(&mut self) {
        let (now, aliases, at_rest) = (self.now(), self.aliases(), self.is_at_rest());
        if aliases != self.settled.0 {
            self.settled = (aliases.clone(), now);
        }
        if let Some(taken) = &mut self.taken {
            if taken.until > now {
                return;
            }
            let Taken { alias, own, foreign, .. } = taken;
            if aliases.get(alias) == Some(foreign) {
                // A run may read the moved alias for a while.
                taken.until = now + LATE.as_secs();
                let (alias, own) = (alias.clone(), own.clone());
                return self.point(&alias, &own);
            }
            self.taken = None;
        }
        // A verifier that also reads another alias late would not know the key that signs.
        if self.settled.1 + LATE.as_secs() > now {
            return;
        }
        if !self.dice.once_in(if self.short_steps > 0 { 60 } else { 40 }) {
            return;
        }
        let alias = format!("{ALIAS}-{}", if self.dice.once_in(2) { "next" } else { "previous" });
        // The operator may have deleted the alias.
        let key = |alias: &str| aliases.get(alias).unwrap_or(&aliases[ALIAS]);
        let next = key(&format!("{ALIAS}-next"));
        let published = self.world.published.lock().unwrap().get(next).copied();
        let is_promoted = next == &aliases[ALIAS];
        let has_signed = self.never_expiring.contains_key(next);
        let due = published.unwrap_or_default() + self.config.timing.publication().as_secs();
        let is_distant = is_promoted || !has_signed && due > now + 3 * LATE.as_secs();
        if !at_rest && (alias.ends_with("previous") || !is_distant) {
            return;
        }
        // A foreign key with the ring's tag and policy is found by its grant.
        let has_grant = alias.ends_with("next") && self.dice.once_in(2);
        let foreign = self.create_foreign(has_grant);
        if has_grant {
            let grant = json!({
                "KeyId": foreign, "GranteePrincipal": "arn:aws:iam::000000000000:user/attacker",
                "Operations": ["Sign"],
            });
            self.world.kms.perform("CreateGrant", &grant).unwrap();
        }
        self.counts.taken += 1;
        self.counts.created += usize::from(!aliases.contains_key(&alias));
        self.point(&alias, &foreign);
        let until = now + 600 + self.dice.roll(2 * self.config.timing.publication().as_secs());
        let own = key(&alias).clone();
        self.taken = Some(Taken { alias, own, foreign, until });
    }

    /// An operator deletes `-next` or `-previous` between two rotations. During a rotation, tokens would become invalid.
    fn delete_alias(&mut self) {
        if self.taken.is_none() && self.is_at_rest() && self.dice.once_in(30) {
            let suffix = if self.dice.once_in(2) { "next" } else { "previous" };
            let alias = json!({"AliasName": format!("{ALIAS}-{suffix}")});
            self.counts.deleted +=
                usize::from(self.world.kms.perform("DeleteAlias", &alias).is_ok());
        }
    }

    /// An operator rolls a promotion back.
    async fn roll_back(&mut self) {
        if self.short_steps == 0 || self.taken.is_some() || !self.dice.once_in(10) {
            return;
        }
        let now = self.skewed_now();
        let rotation = self.world.rotation(None);
        let snapshot = rotation.read_state().await.unwrap();
        match rotation.roll_back(&snapshot, now, &self.config.timing).await {
            Ok(_) => self.counts.rolled_back += 1,
            Err(RotationError::NotPromoted | RotationError::RetirementDue) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Asserts that no alias but the one that the attacker moved points at a foreign key.
    fn expect_own_keys(&self) {
        for (alias, key) in self.aliases() {
            let is_taken = self.taken.as_ref().is_some_and(|taken| taken.alias == alias);
            assert!(is_taken || !self.planted.contains(&key), "{alias} points at {key}");
        }
        assert!(self.never_expiring.keys().all(|key| !self.planted.contains(key)));
    }

    /// The aliases and their key ids, without delay.
    fn aliases(&self) -> BTreeMap<String, String> {
        self.world.without_delay.store(true, Ordering::Relaxed);
        let output = self.world.kms.perform("ListAliases", &json!({})).unwrap();
        self.world.without_delay.store(false, Ordering::Relaxed);
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let rows = output["Aliases"].as_array().unwrap().iter();
        rows.map(|row| (text(row, "AliasName"), text(row, "TargetKeyId"))).collect()
    }

    /// Points an alias at a key, whether it exists or not.
    fn point(&self, alias: &str, key: &str) {
        let input = json!({"AliasName": alias, "TargetKeyId": key});
        let exists = self.aliases().contains_key(alias);
        let operation = if exists { "UpdateAlias" } else { "CreateAlias" };
        self.world.kms.perform(operation, &input).unwrap();
    }

    /// The enabled keys of the rotation without an alias.
    fn unused_keys(&self) -> BTreeSet<String> {
        let named: BTreeSet<_> = self.aliases().into_values().collect();
        let is_enabled = |key: &String| self.world.state(key).as_deref() == Some("Enabled");
        let is_unused =
            |key: &String| !named.contains(key) && !self.planted.contains(key) && is_enabled(key);
        self.world.keys().into_iter().filter(is_unused).collect()
    }

    /// Asserts that each key without an alias is reported as a leftover.
    async fn expect_unused_keys_reported(&mut self) {
        // Younger keys are not reported.
        self.world.wait(DAY).await;
        let rotation = self.world.rotation(None);
        let snapshot = rotation.read_state().await.unwrap();
        let leftovers = rotation.leftovers(&snapshot, self.world.now()).await.unwrap();
        let reported: BTreeSet<_> = leftovers.into_iter().map(|leftover| leftover.key.id).collect();
        let unused = self.unused_keys();
        assert!(unused.is_subset(&reported), "{unused:?} {reported:?}");
        self.counts.unused = unused.len();
    }

    /// The time by the clock of a run.
    fn skewed_now(&self) -> UnixTime {
        let skewed = self.now() + self.dice.roll(2 * self.skew + 1) - self.skew;
        UnixTime::from_seconds(skewed)
    }

    async fn new(seed: u64, publication: u64, lifetime: u64, skew: u64) -> Self {
        let world = World::new(seed, Duration::from_mins(5)).await;
        let timing: RotationTiming = timing(publication, lifetime);
        let every = Some(Duration::from_secs(EVERY));
        let config = RotationConfig { every, ..RotationConfig::on_request(timing) };
        let client = world.client(None);
        let ring = || keyring(&client, ALIAS);
        let issuers = (0..2).map(|_| ring()).collect();
        let verifications = [Verification::Kms, Verification::Local, Verification::Local];
        let authorizers = verifications.map(|verification| (ring(), verification)).into();
        let parties = vec![(0, BTreeSet::new()); 2];
        let dice = Dice::new(seed);
        let (unexpired, never_expiring, retired) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self {
            world,
            config,
            client,
            lifetime,
            skew,
            dice,
            short_steps: 0,
            issuers,
            authorizers,
            parties,
            unexpired,
            never_expiring,
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

    /// No run, one run, or two concurrent runs, each with its own clock.
    async fn rotate(&mut self) {
        let runs = u64::from(self.short_steps > 0) + self.dice.roll(8).saturating_sub(5).min(1);
        self.short_steps = self.short_steps.saturating_sub(1);
        let script = || {
            let kill_at = if self.dice.once_in(2) { u64::MAX } else { self.dice.roll(30) + 1 };
            // Authorization may see the tag of a new key late.
            let denials = if self.dice.once_in(3) { self.dice.roll(4) } else { 0 };
            let script = Script::killed_at(kill_at, self.dice.once_in(2)).and_denied(denials);
            if runs == 2 { script.concurrent() } else { script }
        };
        let run = || self.world.run(&self.config, self.skewed_now(), script());
        if runs == 0 {
            return;
        }
        let unused_before = self.unused_keys();
        // A run may not see yet that another run has published a key, and moves `-next` again.
        let is_next_recent = {
            let published = self.world.published.lock().unwrap();
            published.values().any(|time| time + LATE.as_secs() >= self.now())
        };
        let dateless = self.dice.once_in(10);
        self.world.kms.omit_alias_dates(dateless);
        let results = if runs == 1 {
            vec![run().await]
        } else {
            let (one, other) = tokio::join!(run(), run());
            vec![one, other]
        };
        self.world.kms.omit_alias_dates(false);
        let killed = results.iter().filter(|result| result.is_none()).count();
        let is_orphan =
            |result: &&Option<_>| matches!(result, Some(Err(RotationError::Leftover { .. })));
        let reported = results.iter().filter(is_orphan).count();
        let is_prepared =
            |result: &&Option<_>| matches!(result, Some(Ok(Some((Step::Prepare(_), _)))));
        let prepared = results.iter().filter(is_prepared).count();
        let overtaken = if is_next_recent { prepared } else { prepared.saturating_sub(1) };
        let unused: Vec<_> = self.unused_keys().difference(&unused_before).cloned().collect();
        assert!(
            unused.len() <= killed + reported + overtaken,
            "{unused:?}: {killed} killed, {reported} reported, {overtaken} overtaken"
        );
        self.counts.killed += killed;
        self.counts.reported += reported;
        self.counts.overtaken += overtaken;
        for result in results.into_iter().flatten() {
            match result {
                Err(RotationError::Fault(fault)) if dateless => {
                    assert_eq!(fault.cause, Cause::InvalidResponse);
                    self.counts.dateless += 1;
                }
                result if dateless => panic!("a run with aliases without dates: {result:?}"),
                Err(RotationError::Findings(_)) if self.taken.is_some() => self.counts.blocked += 1,
                // An alias that was just created again may be read late. The error names the new key.
                Err(RotationError::Leftover { .. }) if self.counts.deleted > 0 => {}
                Err(RotationError::Fault(fault)) if self.counts.deleted > 0 => {
                    assert_eq!(fault.cause, Cause::NotFound);
                }
                Ok(Some(_)) => self.short_steps = 12,
                Ok(None) | Err(RotationError::Conflict(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        for key in self.never_expiring.keys() {
            if self.world.state(key).as_deref() != Some("Enabled") {
                self.retired.entry(key.clone()).or_insert(self.world.now().seconds());
            }
        }
    }

    async fn issue(&mut self) {
        // Between two rotations, few tokens are enough.
        if self.is_at_rest() && !self.dice.once_in(3) {
            return;
        }
        let issuer = &self.issuers[self.index(self.issuers.len())];
        let exp = self.now() + 1 + self.dice.roll(self.lifetime);
        let (token, key) = sign(issuer, exp).await;
        if !self.never_expiring.contains_key(&key) {
            if let Some(published) = self.world.published.lock().unwrap().get(&key) {
                let wait = self.config.timing.publication().as_secs();
                let is_early = published + wait > self.now() + self.skew;
                assert!(
                    !is_early,
                    "{key} was published at {published} and signs at {}",
                    self.now()
                );
            }
            let (token, _) = sign(&keyring(&self.client, &key), FOREVER).await;
            self.never_expiring.insert(key.clone(), token);
        }
        for (_, known) in &self.parties {
            let is_known = known.is_empty() || known.contains(&key);
            assert!(is_known, "{key} signs, but a client with cached keys does not know it");
        }
        self.unexpired.push((token, key, exp));
    }

    /// Every authorizer verifies some of the valid tokens, and all that are about to expire.
    async fn verify(&mut self) {
        let now = self.now();
        self.unexpired.retain(|(.., exp)| now < *exp);
        if self.short_steps > 0 || self.dice.once_in(4) {
            // Replaces one authorizer by a new one.
            let new = self.index(self.authorizers.len());
            self.authorizers[new].0 = keyring(&self.client, ALIAS);
        }
        for (token, key, exp) in &self.unexpired {
            if now + 1 < *exp && !self.dice.once_in(self.unexpired.len().try_into().unwrap()) {
                continue;
            }
            for (keyring, verification) in &self.authorizers {
                let is_valid = is_valid(keyring, *verification, token, self.world.now()).await;
                assert!(
                    is_valid,
                    "token of {key} until {exp} is invalid at {now} ({verification:?})"
                );
            }
            for (_, known) in &self.parties {
                assert!(
                    known.is_empty() || known.contains(key),
                    "{key} was removed from the key set too early"
                );
            }
        }
    }

    /// The third parties fetch the public keys when their cache has expired.
    async fn fetch(&mut self) {
        let lag = self.config.timing.propagation() + REFRESH + Duration::from_mins(1);
        let cache_time = self.config.timing.publication().checked_sub(lag).unwrap().as_secs();
        let now = self.now();
        for number in 0..self.parties.len() {
            if self.parties[number].0 <= now {
                let issuer = &self.issuers[self.index(self.issuers.len())];
                let ring = issuer.ring().await.unwrap();
                let known = ring.keys().map(|key| key.id.clone()).collect();
                self.parties[number] = (now + cache_time, known);
            }
        }
    }

    /// Asserts that tokens of retired keys are invalid and that the keys are deleted after 30 days.
    async fn expect_retired_keys_rejected(&mut self) {
        if !self.dice.once_in(4) {
            return;
        }
        for (key, since) in &self.retired {
            let is_recent = self.now() < since + 3 * REFRESH.as_secs();
            for (keyring, verification) in &self.authorizers {
                if is_recent && *verification == Verification::Local {
                    continue;
                }
                let token = &self.never_expiring[key];
                let is_valid = is_valid(keyring, *verification, token, self.world.now()).await;
                assert!(!is_valid, "{key} was retired at {since} and verifies at {}", self.now());
            }
        }
        let now = self.now();
        let is_deleted = |since: &u64| now > since + 30 * DAY;
        let deleted =
            self.retired.iter().filter(|(_, since)| is_deleted(since)).map(|(key, _)| key);
        for key in deleted {
            assert_eq!(self.world.state(key), None, "deleted after 30 days");
        }
    }

    /// The seconds until the next round: short during a rotation, long otherwise, and never past the expiry of a token.
    fn next_wait(&self) -> u64 {
        let now = self.now();
        let longest = match (self.short_steps > 0, self.is_at_rest()) {
            (true, _) => 100,
            (false, true) => 10 * DAY,
            (false, false) if self.taken.is_some() => 4000,
            (false, false) => 1200,
        };
        let seconds = self.dice.roll(longest) + 1;
        let ends = self.unexpired.iter().map(|(.., exp)| exp - 1).filter(|end| *end > now);
        ends.map(|end| end - now).min().map_or(seconds, |end| end.min(seconds))
    }

    /// Whether all aliases point at one key.
    fn is_at_rest(&self) -> bool {
        let aliases = self.aliases();
        aliases.values().all(|key| key == &aliases[ALIAS])
    }

    fn index(&self, length: usize) -> usize {
        usize::try_from(self.dice.roll(length.try_into().unwrap())).unwrap()
    }
}

/// The clock of the runs is five minutes fast, each step is performed in its first second, each alias is read five
/// minutes late or at once, and an issuer refreshes its ring at the worst time.
#[tokio::test(start_paused = true)]
async fn worst_case_of_delays_and_clocks_loses_no_token() {
    const LIFETIME: u64 = 3600;
    let world = World::new(7, Duration::ZERO).await;
    let config = RotationConfig::on_request(timing(1260, LIFETIME));
    let client = world.client(None);
    let now = || world.now().seconds();
    let mut tokens = vec![sign(&keyring(&client, ALIAS), FOREVER).await.0];
    for expected in ["prepare", "promote", "retire"] {
        world.kms.delay_aliases(|| Duration::ZERO);
        let state = world.rotation(None).read_state().await.unwrap().state;
        let due = plan(&state, world.now(), &config).unwrap().due.seconds();
        world.wait(due.saturating_sub(LATE.as_secs()).saturating_sub(now())).await;
        read_aliases_late_or_at_once(&world);
        let fast = UnixTime::from_seconds(now() + LATE.as_secs());
        let step = world.run(&config, fast, Arc::default()).await.unwrap().unwrap();
        let (step, key) = step.unwrap();
        assert_eq!(step.name(), expected);
        if expected == "retire" {
            break;
        }
        if expected == "promote" {
            tokens.push(sign(&keyring(&client, &key.id), FOREVER).await.0);
        }
        expect_valid(&client, &world, &tokens).await;
        if expected == "promote" {
            world.kms.delay_aliases(|| LATE);
            world.wait(LATE.as_secs() - 1).await;
            let issuer = keyring(&client, ALIAS);
            issuer.ring().await.unwrap();
            read_aliases_late_or_at_once(&world);
            world.wait(REFRESH.as_secs() - 1).await;
            let (token, signed_by) = sign(&issuer, now() + LIFETIME).await;
            assert_ne!(signed_by, key.id);
            tokens.push(token);
            expect_valid(&client, &world, &tokens).await;
        }
    }
    let last = UnverifiedToken::parse(tokens.last().unwrap()).unwrap();
    let rejection = last.screen(&validation(), world.now()).err();
    assert!(
        matches!(rejection, Some(Rejection::Expired { .. })),
        "the key was retired before its last token expired"
    );
}

fn read_aliases_late_or_at_once(world: &World) {
    let dice = Dice::new(world.now().seconds());
    world.kms.delay_aliases(move || if dice.once_in(2) { LATE } else { Duration::ZERO });
}

/// Asserts that new authorizers accept the tokens, whichever aliases they read late.
async fn expect_valid(client: &Client, world: &World, tokens: &[String]) {
    for _ in 0..30 {
        let keyring = keyring(client, ALIAS);
        for token in tokens {
            assert!(is_valid(&keyring, Verification::Local, token, world.now()).await);
        }
    }
}

/// The longest delay of an alias, and the largest clock skew.
const LATE: Duration = Duration::from_mins(5);

fn keyring(client: &Client, name: &str) -> Arc<Keyring> {
    let name: KeyName = name.parse().unwrap();
    Arc::new(Keyring::new(client.clone(), name, None, REFRESH))
}

/// Signs a token. Returns it with the id of its key.
async fn sign(keyring: &Arc<Keyring>, exp: u64) -> (String, String) {
    let claims = json!({"iss": "us", "exp": exp}).as_object().unwrap().clone();
    let unsigned = UnsignedToken::new("JWT", &claims);
    let signer = KmsSigner { keyring, metrics: &METRICS, max_token_bytes: None };
    let signed = signer.sign(&unsigned).await.unwrap();
    (signed.token.reveal().to_owned(), signed.key_id)
}

/// Whether the token is accepted. For a disabled key, KMS returns an error.
async fn is_valid(
    keyring: &Arc<Keyring>,
    verification: Verification,
    token: &str,
    now: UnixTime,
) -> bool {
    let candidate = UnverifiedToken::parse(token).unwrap().screen(&validation(), now).unwrap();
    let verifier = KmsVerifier { keyring, verification, signature_cache: None, metrics: &METRICS };
    matches!(candidate.confirm(&verifier).await, Ok(Ok(_)))
}

fn validation() -> Validation {
    Validation::new(Some("us".into()), None)
}

static METRICS: LazyLock<RequestMetrics> = LazyLock::new(RequestMetrics::default);

const DAY: u64 = 86_400;
const EVERY: u64 = 240 * DAY;
const YEARS: u64 = 2 * 365 * DAY;
const FOREVER: u64 = 253_402_300_799;
