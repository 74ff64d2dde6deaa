//! The last part of the demo: the key is rotated, and tokens of both keys are valid until the old key is
//! retired.

use std::time::{Duration, Instant, SystemTime};

use local::Stack;
use rotation::{Rotation, RotationConfig, RotationTiming};
use runtime::{Settings, connect};
use serde_json::{Value, json};

use super::scenario::{ALIAS, Error, Scenario, decode_part, member, print, print_detail, string};

/// Runs on a new stack whose functions refresh their ring every second.
pub(super) async fn run(scenario: &mut Scenario) -> Result<(), Error> {
    scenario.restart_with("KEY_REFRESH_SECONDS", REFRESH.as_secs().to_string()).await?;
    let mut rotator = LocalRotator::new(&scenario.stack)?;

    let old_token = string(&scenario.token(&token_request()).await?, "access_token");
    let old = string(&decode_part(&old_token, 0), "kid");
    print(format_args!("\nThe stack restarts with a new key of {ALIAS}: {old}."))?;
    print(format_args!(
        "The steps below replace it. Its KMS is in this process; no other key is touched.\n"
    ))?;
    let step = scenario.begin("prepare: the next key is published, but does not sign yet");
    let next = rotator.run(&scenario.stack, "prepare", Duration::ZERO).await?;
    let is_published = becomes_true(async || {
        let keys = scenario.get("/.well-known/jwks.json").await?;
        Ok(member(&keys, "keys").as_array().is_some_and(|keys| keys.len() == 2))
    });
    let is_published = is_published.await?;
    scenario.end(step, None, is_published && !next.is_empty())?;
    print_detail(format_args!("{ALIAS}-next is {next}"))?;

    let step = scenario.begin("promote: 2 h 30 min later by KMS's clock, it signs");
    rotator.run(&scenario.stack, "promote", rotator.config.timing.publication()).await?;
    let mut new_token = String::new();
    let signs = becomes_true(async || {
        new_token = string(&scenario.token(&token_request()).await?, "access_token");
        Ok(string(&decode_part(&new_token, 0), "kid") == next)
    });
    let signs = signs.await?;
    scenario.end(step, None, signs)?;
    print_detail(format_args!("{ALIAS} is {next}"))?;

    for (title, token) in
        [("a token of the old key", &old_token), ("a token of the new key", &new_token)]
    {
        let step = scenario.begin(&format!("GET /whoami with {title}"));
        let (status, _, reason) = scenario.whoami(Some(token)).await?;
        scenario.end(step, None, status == 200 && reason == "Allowed")?;
        print_detail(format_args!("{status}  log: {reason}"))?;
    }

    let step = scenario.begin("retire: the last token of the old key has expired");
    rotator.run(&scenario.stack, "retire", rotator.config.timing.retirement()).await?;
    let key = scenario.kms("DescribeKey", &json!({"KeyId": old})).await?;
    let state = key.pointer("/KeyMetadata/KeyState").and_then(Value::as_str).unwrap_or_default();
    scenario.end(step, None, state == "PendingDeletion")?;
    print_detail(format_args!("{old} is {state}"))?;

    for (title, token, expected) in [
        ("the token of the old key", &old_token, (401, "UnknownKey")),
        ("the token of the new key", &new_token, (200, "Allowed")),
    ] {
        let step = scenario.begin(&format!("GET /whoami with {title}"));
        let mut last = (0, String::new());
        let is_expected = becomes_true(async || {
            let (status, _, reason) = scenario.whoami(Some(token)).await?;
            last = (status, reason);
            Ok((last.0, &*last.1) == expected)
        });
        let is_expected = is_expected.await?;
        scenario.end(step, None, is_expected)?;
        print_detail(format_args!("{}  log: {}", last.0, last.1))?;
    }
    Ok(())
}

fn token_request() -> Value {
    json!({"claims": {"sub": "test-user"}})
}

/// Runs the rotation at times that it sets as the clock of KMS.
struct LocalRotator {
    rotation: Rotation,
    config: RotationConfig,
    clock: SystemTime,
}

impl LocalRotator {
    fn new(stack: &Stack) -> Result<Self, Error> {
        let endpoint = format!("http://{}", stack.kms.address());
        let settings = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "demo"),
            ("AWS_SECRET_ACCESS_KEY", "demo"),
            ("AWS_ENDPOINT_URL_KMS", &endpoint),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings: Settings = settings.into_iter().collect();
        let client = connect(&mut settings);
        let client = settings.finish(client)?;
        let timing = RotationTiming::new(PUBLICATION, LIFETIME, Duration::ZERO, REFRESH)?;
        let config = RotationConfig::on_request(timing);
        let rotation = Rotation::new(client, ALIAS.parse()?);
        // The times of the aliases are rounded up to whole seconds.
        let clock = SystemTime::now() + Duration::from_secs(1);
        Ok(Self { rotation, config, clock })
    }

    /// Advances the clock by `wait`, does the step that is due then, and returns the id of its key.
    ///
    /// # Errors
    /// [`Error::StepFailed`] if the step is not `expected`.
    async fn run(
        &mut self,
        stack: &Stack,
        expected: &'static str,
        wait: Duration,
    ) -> Result<String, Error> {
        self.clock += wait + Duration::from_secs(1);
        stack.kms.set_time(self.clock);
        let run = rotation::run_once(&self.rotation, &self.config, self.clock.into());
        match Box::pin(run).await?.done {
            Some((step, key)) if step.name() == expected => Ok(key.id),
            _ => Err(Error::StepFailed(expected.to_owned())),
        }
    }
}

/// Whether a condition becomes true before a timeout. The functions see a change of the ring at their next
/// refresh.
async fn becomes_true(
    mut condition: impl AsyncFnMut() -> Result<bool, Error>,
) -> Result<bool, Error> {
    let start = Instant::now();
    loop {
        let is_true = condition().await?;
        if is_true || start.elapsed() > REFRESH_TIMEOUT {
            return Ok(is_true);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

const REFRESH: Duration = Duration::from_secs(1);
const PUBLICATION: Duration = Duration::from_mins(150);
const LIFETIME: Duration = Duration::from_hours(1);
const REFRESH_TIMEOUT: Duration = Duration::from_secs(20);
