//! A KMS in this process, its clock, and clients that can be killed.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_config::SdkConfig;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use countersign_rotation::{
    KeyMetadata, Rotation, RotationConfig, RotationError, RotationTiming, Step,
};
use jwt::UnixTime;
use kms::Client;
use local::{Bytes, Request, kms::Kms};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify, task::yield_now};

pub(crate) const ALIAS: &str = "alias/ring";

/// KMS, and what time it is there and for everybody.
pub(crate) struct World {
    pub(crate) kms: Arc<Kms>,
    pub(crate) time: AtomicU64,
    pub(crate) dice: Dice,
    /// When each key was published as the next one.
    pub(crate) published: Arc<Mutex<BTreeMap<String, u64>>>,
    /// Whether each `CreateKey` has bypassed the lockout check.
    pub(crate) bypassed: Arc<Mutex<Vec<bool>>>,
    /// What `DescribeKey` says of a key beside what the local KMS knows.
    pub(crate) metadata: Arc<Mutex<BTreeMap<String, Value>>>,
    /// Whether aliases are seen as they are for now.
    pub(crate) exact: Arc<AtomicBool>,
}

impl World {
    /// With a ring of one key, and every look at an alias up to this long behind.
    pub(crate) async fn new(seed: u64, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kms = Arc::new(Kms::start(listener, "us-east-1", None).unwrap());
        let world = Self {
            kms,
            time: AtomicU64::new(START),
            dice: Dice::new(seed),
            published: Arc::default(),
            bypassed: Arc::default(),
            metadata: Arc::default(),
            exact: Arc::default(),
        };
        world.wait(0).await;
        world.rotation(None).create(&"ECC_NIST_P256".into(), None).await.unwrap();
        // The first key signs at once: there were no tokens before it.
        world.published.lock().unwrap().values_mut().for_each(|published| *published = 0);
        let (dice, exact) = (Dice::new(seed), Arc::clone(&world.exact));
        world.kms.delay_aliases(move || {
            if exact.load(Ordering::Relaxed) {
                Duration::ZERO
            } else {
                delay.mul_f64(dice.fraction())
            }
        });
        world
    }

    pub(crate) fn now(&self) -> UnixTime {
        UnixTime::from_seconds(self.time.load(Ordering::Relaxed))
    }

    pub(crate) async fn wait(&self, seconds: u64) {
        let now = self.time.fetch_add(seconds, Ordering::Relaxed) + seconds;
        self.kms.set_time(time(now));
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    pub(crate) fn client(&self, life: Option<Arc<Life>>) -> Client {
        let (kms, published) = (Arc::clone(&self.kms), Arc::clone(&self.published));
        let (life, pace) = (life.unwrap_or_default(), Dice::new(self.dice.roll(u64::MAX)));
        let now = self.now().seconds();
        let bypassed = Arc::clone(&self.bypassed);
        let metadata = Arc::clone(&self.metadata);
        let wire = Arc::new(Wire { kms, life, pace, published, bypassed, metadata, now });
        let credentials = Credentials::new("local", "local", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(InProcess(wire))
            .build();
        Client::new(&config)
    }

    pub(crate) fn rotation(&self, life: Option<Arc<Life>>) -> Rotation {
        Rotation::new(self.client(life), ALIAS.parse().unwrap())
    }

    /// One run of an operator who does what is due by this clock, until the end or a sudden one.
    pub(crate) async fn run(
        &self,
        policy: &RotationConfig,
        now: UnixTime,
        life: Arc<Life>,
    ) -> Option<Result<Option<(Step, KeyMetadata)>, RotationError>> {
        let rotation = self.rotation(Some(Arc::clone(&life)));
        let run = async { Ok(countersign_rotation::run(&rotation, policy, now).await?.done) };
        tokio::select! {
            biased;
            () = life.end.notified() => None,
            done = run => Some(done),
        }
    }

    /// The aliases that there are, with their keys; as the AWS CLI has them after a while.
    pub(crate) fn aliases(&self) -> BTreeMap<String, String> {
        self.kms.delay_aliases(|| Duration::ZERO);
        let answer = self.kms.perform("ListAliases", &json!({})).unwrap();
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let rows = answer["Aliases"].as_array().unwrap().iter();
        rows.map(|row| (text(row, "AliasName"), text(row, "TargetKeyId"))).collect()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        let answer = self.kms.perform("ListKeys", &json!({})).unwrap();
        let rows = answer["Keys"].as_array().unwrap().iter();
        rows.map(|row| row["KeyId"].as_str().unwrap().to_owned()).collect()
    }

    /// What `aws kms describe-key` says of its state; nothing when it is gone.
    pub(crate) fn state(&self, key: &str) -> Option<String> {
        let answer = self.kms.perform("DescribeKey", &json!({"KeyId": key})).ok()?;
        Some(answer["KeyMetadata"]["KeyState"].as_str()?.to_owned())
    }
}

/// With the least publication wait that the rest allows for.
pub(crate) fn policy(every: Option<Duration>) -> RotationConfig {
    RotationConfig { every, timing: timing(1260, 3600), algorithm: None, spec: None }
}

pub(crate) fn timing(publication: u64, lifetime: u64) -> RotationTiming {
    let (publication, lifetime) = (Duration::from_secs(publication), Duration::from_secs(lifetime));
    RotationTiming::new(publication, lifetime, Duration::ZERO, REFRESH).unwrap()
}

pub(crate) const REFRESH: Duration = Duration::from_mins(5);

/// How many calls a client makes before it is killed.
#[derive(Debug)]
pub(crate) struct Life {
    calls: AtomicU64,
    limit: u64,
    /// Whether the last call is still performed.
    deed: bool,
    /// Whether others may come in between two calls.
    slow: bool,
    /// How many times `UpdateAlias` of the next key's alias is denied first.
    denials: AtomicU64,
    end: Notify,
}

impl Life {
    pub(crate) fn of(limit: u64, deed: bool, slow: bool) -> Arc<Self> {
        Arc::new(Self { limit, deed, slow, ..Self::default() })
    }

    /// As long as IAM does not see the tag of a new key.
    pub(crate) fn denied(times: u64) -> Arc<Self> {
        Arc::new(Self { denials: AtomicU64::new(times), ..Self::default() })
    }

    /// The same life, with this many denials.
    pub(crate) fn and_denied(self: Arc<Self>, times: u64) -> Arc<Self> {
        self.denials.store(times, Ordering::Relaxed);
        self
    }
}

impl Default for Life {
    fn default() -> Self {
        Self {
            calls: AtomicU64::new(0),
            limit: u64::MAX,
            deed: true,
            slow: false,
            denials: AtomicU64::new(0),
            end: Notify::new(),
        }
    }
}

struct Wire {
    kms: Arc<Kms>,
    life: Arc<Life>,
    pace: Dice,
    published: Arc<Mutex<BTreeMap<String, u64>>>,
    bypassed: Arc<Mutex<Vec<bool>>>,
    metadata: Arc<Mutex<BTreeMap<String, Value>>>,
    now: u64,
}

impl Wire {
    async fn send(&self, request: HttpRequest) -> HttpResponse {
        if self.life.slow {
            for _ in 0..self.pace.roll(4) {
                yield_now().await;
            }
        }
        let call = self.life.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let last = call >= self.life.limit;
        if last && !self.life.deed {
            return self.die().await;
        }
        let target = request.headers().get("x-amz-target").unwrap().to_owned();
        let body = Bytes::copy_from_slice(request.body().bytes().unwrap());
        let left = self.life.denials.load(Ordering::Relaxed);
        let next = format!("\"{ALIAS}-next\"");
        let names_next = str::from_utf8(&body).unwrap().contains(&next);
        if left > 0 && target.ends_with("UpdateAlias") && names_next {
            self.life.denials.store(left - 1, Ordering::Relaxed);
            let body = SdkBody::from(r#"{"__type":"AccessDeniedException"}"#);
            return HttpResponse::new(400.try_into().unwrap(), body);
        }
        let own = Request::post("/")
            .header("x-amz-target", &target)
            .header("authorization", request.headers().get("authorization").unwrap())
            .body(body.clone())
            .unwrap();
        let answer = self.kms.answer(&own).map(|body| self.with_metadata(&target, body));
        if target.ends_with("CreateKey") {
            let input: Value = serde_json::from_slice(&body).unwrap();
            self.bypassed.lock().unwrap().push(input["BypassPolicyLockoutSafetyCheck"] == true);
        }
        let moves = target.ends_with("CreateAlias") || target.ends_with("UpdateAlias");
        if moves && answer.status() == 200 {
            let input: Value = serde_json::from_slice(&body).unwrap();
            if input["AliasName"].as_str().unwrap().ends_with("-next") {
                let key = input["TargetKeyId"].as_str().unwrap().to_owned();
                self.published.lock().unwrap().entry(key).or_insert(self.now);
            }
        }
        if last {
            return self.die().await;
        }
        HttpResponse::try_from(answer.map(Into::into)).unwrap()
    }

    fn with_metadata(&self, target: &str, body: Bytes) -> Bytes {
        let metadata = self.metadata.lock().unwrap();
        if metadata.is_empty() || !target.ends_with("DescribeKey") {
            return body;
        }
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        let key = answer.pointer("/KeyMetadata/KeyId").and_then(Value::as_str);
        let Some(Value::Object(more)) = key.and_then(|key| metadata.get(key)).cloned() else {
            return body;
        };
        answer["KeyMetadata"].as_object_mut().unwrap().extend(more);
        answer.to_string().into()
    }

    async fn die(&self) -> HttpResponse {
        self.life.end.notify_one();
        std::future::pending().await
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
struct InProcess(Arc<Wire>);

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wire = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move { Ok(wire.send(request).await) })
    }
}

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Numbers that look random, the same for the same seed (`SplitMix64`).
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Less than `sides`.
    pub(crate) fn roll(&self, sides: u64) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    /// One time in so many.
    pub(crate) fn once_in(&self, times: u64) -> bool {
        self.roll(times) == 0
    }

    fn fraction(&self) -> f64 {
        f64::from(u32::try_from(self.roll(1001)).unwrap()) / 1000.0
    }
}

fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

const START: u64 = 1_800_000_000;
