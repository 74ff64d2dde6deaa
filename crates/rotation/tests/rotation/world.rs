//! A KMS in this process, a simulated clock, and clients that can be killed.

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

/// A KMS and a clock for it and its clients.
pub(crate) struct World {
    pub(crate) kms: Arc<Kms>,
    pub(crate) time: AtomicU64,
    pub(crate) dice: Dice,
    /// When `-next` first pointed at each key, in Unix seconds.
    pub(crate) published: Arc<Mutex<BTreeMap<String, u64>>>,
    /// Whether each `CreateKey` bypassed the lockout check.
    pub(crate) bypassed: Arc<Mutex<Vec<bool>>>,
    /// Members to add to the response of `DescribeKey`, by key id.
    pub(crate) metadata: Arc<Mutex<BTreeMap<String, Value>>>,
    /// Whether aliases are read without delay for now.
    pub(crate) without_delay: Arc<AtomicBool>,
}

impl World {
    /// A ring of one key in a KMS that lists aliases up to `delay` late.
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
            without_delay: Arc::default(),
        };
        world.wait(0).await;
        world.rotation(None).create(&"ECC_NIST_P256".into(), None).await.unwrap();
        // The first key may sign at once, because there are no earlier tokens.
        world.published.lock().unwrap().values_mut().for_each(|published| *published = 0);
        let (dice, without_delay) = (Dice::new(seed), Arc::clone(&world.without_delay));
        world.kms.delay_aliases(move || {
            if without_delay.load(Ordering::Relaxed) {
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

    pub(crate) fn client(&self, script: Option<Arc<Script>>) -> Client {
        let (kms, published) = (Arc::clone(&self.kms), Arc::clone(&self.published));
        let (script, dice) = (script.unwrap_or_default(), Dice::new(self.dice.roll(u64::MAX)));
        let now = self.now().seconds();
        let bypassed = Arc::clone(&self.bypassed);
        let metadata = Arc::clone(&self.metadata);
        let connector =
            Arc::new(KmsConnector { kms, script, dice, published, bypassed, metadata, now });
        let credentials = Credentials::new("local", "local", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(InProcess(connector))
            .build();
        Client::new(&config)
    }

    pub(crate) fn rotation(&self, script: Option<Arc<Script>>) -> Rotation {
        Rotation::new(self.client(script), ALIAS.parse().unwrap())
    }

    /// One run at this time. `None` if the run was killed.
    pub(crate) async fn run(
        &self,
        config: &RotationConfig,
        now: UnixTime,
        script: Arc<Script>,
    ) -> Option<Result<Option<(Step, KeyMetadata)>, RotationError>> {
        let rotation = self.rotation(Some(Arc::clone(&script)));
        let run = async { Ok(countersign_rotation::run_once(&rotation, config, now).await?.done) };
        tokio::select! {
            biased;
            () = script.killed.notified() => None,
            result = run => Some(result),
        }
    }

    /// The aliases and their key ids, read without delay from now on.
    pub(crate) fn aliases(&self) -> BTreeMap<String, String> {
        self.kms.delay_aliases(|| Duration::ZERO);
        let output = self.kms.perform("ListAliases", &json!({})).unwrap();
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let rows = output["Aliases"].as_array().unwrap().iter();
        rows.map(|row| (text(row, "AliasName"), text(row, "TargetKeyId"))).collect()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        let output = self.kms.perform("ListKeys", &json!({})).unwrap();
        let rows = output["Keys"].as_array().unwrap().iter();
        rows.map(|row| row["KeyId"].as_str().unwrap().to_owned()).collect()
    }

    /// The `KeyState` of a key. `None` if the key was deleted.
    pub(crate) fn state(&self, key: &str) -> Option<String> {
        let output = self.kms.perform("DescribeKey", &json!({"KeyId": key})).ok()?;
        Some(output["KeyMetadata"]["KeyState"].as_str()?.to_owned())
    }
}

/// The configuration with the shortest allowed publication wait.
pub(crate) fn config(every: Option<Duration>) -> RotationConfig {
    RotationConfig { every, ..RotationConfig::on_request(timing(1260, 3600)) }
}

pub(crate) fn timing(publication: u64, lifetime: u64) -> RotationTiming {
    let (publication, lifetime) = (Duration::from_secs(publication), Duration::from_secs(lifetime));
    RotationTiming::new(publication, lifetime, Duration::ZERO, REFRESH).unwrap()
}

pub(crate) const REFRESH: Duration = Duration::from_mins(5);

/// The faults of a client's calls.
#[derive(Debug)]
pub(crate) struct Script {
    calls: AtomicU64,
    /// The call at which the client is killed.
    kill_at: u64,
    /// Whether KMS performs that call.
    performs_last: bool,
    /// Whether other clients may make calls between two calls.
    yields: bool,
    /// How many more times `UpdateAlias` of `-next` is denied.
    denials: AtomicU64,
    killed: Notify,
}

impl Script {
    /// A run that is not killed.
    pub(crate) fn undisturbed() -> Arc<Self> {
        Arc::default()
    }

    /// A run that is killed at a call, which KMS performs or not.
    pub(crate) fn killed_at(call: u64, performs_last: bool) -> Arc<Self> {
        Arc::new(Self { kill_at: call, performs_last, ..Self::default() })
    }

    /// The same run, but other runs may make calls between its calls.
    pub(crate) fn concurrent(self: Arc<Self>) -> Arc<Self> {
        Arc::new(Self { yields: true, ..Arc::into_inner(self).unwrap() })
    }

    /// A run whose authorization sees the tag of a new key late.
    pub(crate) fn denied(times: u64) -> Arc<Self> {
        Arc::new(Self { denials: AtomicU64::new(times), ..Self::default() })
    }

    /// The same run, with this many denials.
    pub(crate) fn and_denied(self: Arc<Self>, times: u64) -> Arc<Self> {
        self.denials.store(times, Ordering::Relaxed);
        self
    }
}

impl Default for Script {
    fn default() -> Self {
        Self {
            calls: AtomicU64::new(0),
            kill_at: u64::MAX,
            performs_last: true,
            yields: false,
            denials: AtomicU64::new(0),
            killed: Notify::new(),
        }
    }
}

struct KmsConnector {
    kms: Arc<Kms>,
    script: Arc<Script>,
    dice: Dice,
    published: Arc<Mutex<BTreeMap<String, u64>>>,
    bypassed: Arc<Mutex<Vec<bool>>>,
    metadata: Arc<Mutex<BTreeMap<String, Value>>>,
    now: u64,
}

impl KmsConnector {
    async fn send(&self, request: HttpRequest) -> HttpResponse {
        if self.script.yields {
            for _ in 0..self.dice.roll(4) {
                yield_now().await;
            }
        }
        let call = self.script.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let is_last = call >= self.script.kill_at;
        if is_last && !self.script.performs_last {
            return self.kill().await;
        }
        let target = request.headers().get("x-amz-target").unwrap().to_owned();
        let body = Bytes::copy_from_slice(request.body().bytes().unwrap());
        let denials = self.script.denials.load(Ordering::Relaxed);
        let next = format!("\"{ALIAS}-next\"");
        let is_for_next = str::from_utf8(&body).unwrap().contains(&next);
        if denials > 0 && target.ends_with("UpdateAlias") && is_for_next {
            self.script.denials.store(denials - 1, Ordering::Relaxed);
            let body = SdkBody::from(r#"{"__type":"AccessDeniedException"}"#);
            return HttpResponse::new(400.try_into().unwrap(), body);
        }
        let request = Request::post("/")
            .header("x-amz-target", &target)
            .header("authorization", request.headers().get("authorization").unwrap())
            .body(body.clone())
            .unwrap();
        let response = self.kms.respond(&request).map(|body| self.with_metadata(&target, body));
        if target.ends_with("CreateKey") {
            let input: Value = serde_json::from_slice(&body).unwrap();
            self.bypassed.lock().unwrap().push(input["BypassPolicyLockoutSafetyCheck"] == true);
        }
        let moves_alias = target.ends_with("CreateAlias") || target.ends_with("UpdateAlias");
        if moves_alias && response.status() == 200 {
            let input: Value = serde_json::from_slice(&body).unwrap();
            if input["AliasName"].as_str().unwrap().ends_with("-next") {
                let key = input["TargetKeyId"].as_str().unwrap().to_owned();
                self.published.lock().unwrap().entry(key).or_insert(self.now);
            }
        }
        if is_last {
            return self.kill().await;
        }
        HttpResponse::try_from(response.map(Into::into)).unwrap()
    }

    fn with_metadata(&self, target: &str, body: Bytes) -> Bytes {
        let metadata = self.metadata.lock().unwrap();
        if metadata.is_empty() || !target.ends_with("DescribeKey") {
            return body;
        }
        let mut output: Value = serde_json::from_slice(&body).unwrap();
        let key = output.pointer("/KeyMetadata/KeyId").and_then(Value::as_str);
        let Some(Value::Object(members)) = key.and_then(|key| metadata.get(key)).cloned() else {
            return body;
        };
        output["KeyMetadata"].as_object_mut().unwrap().extend(members);
        output.to_string().into()
    }

    async fn kill(&self) -> HttpResponse {
        self.script.killed.notify_one();
        std::future::pending().await
    }
}

impl fmt::Debug for KmsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsConnector").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
struct InProcess(Arc<KmsConnector>);

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move { Ok(connector.send(request).await) })
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

/// A pseudorandom number generator (`SplitMix64`).
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A number less than `sides`.
    pub(crate) fn roll(&self, sides: u64) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    /// True with a probability of 1 in `times`.
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
