//! The second half of the story: the key is rotated, and no token is lost.

use std::time::{Duration, Instant, SystemTime};

use local::Stack;
use rotation::{Rotation, RotationConfig, RotationTiming};
use runtime::{Settings, connect};
use serde_json::{Value, json};

use super::{ALIAS, Demo, DemoError, TEMPLATE, at, decode, options, text};

/// Tells it with functions that follow their ring within a second.
pub(super) async fn tell(story: &mut Demo) -> Result<(), DemoError> {
    let mut options = options()?;
    options.overrides.insert("KEY_REFRESH_SECONDS".into(), REFRESH.as_secs().to_string());
    story.stack = Stack::start(TEMPLATE, &options).await?;
    let mut rotator = Rotator::new(&story.stack)?;

    let before = text(&story.token(&claims()).await?, "access_token");
    let step = story.step("prepare: the next key is published, and does not sign");
    let next = rotator.run(&story.stack, "prepare", Duration::ZERO).await?;
    let published = within(async || {
        let keys = story.get("/.well-known/jwks.json").await?;
        Ok(at(&keys, "keys").as_array().is_some_and(|keys| keys.len() == 2))
    });
    let published = published.await?;
    story.done(step, None, published && !next.is_empty())?;
    Demo::say(format_args!("{ALIAS}-next is {next}"))?;

    let step = story.step("promote: KMS's clock is 2 h 30 min later, and it signs");
    rotator.run(&story.stack, "promote", rotator.policy.timing.publication()).await?;
    let mut after = String::new();
    let signs = within(async || {
        after = text(&story.token(&claims()).await?, "access_token");
        Ok(text(&decode(&after, 0), "kid") == next)
    });
    let signs = signs.await?;
    story.done(step, None, signs)?;
    Demo::say(format_args!("{ALIAS} is {next}"))?;

    for (title, token) in
        [("with a token from before", &before), ("with a token from after", &after)]
    {
        let step = story.step(&format!("GET /whoami {title}"));
        let (status, _, why) = story.whoami(Some(token)).await?;
        story.done(step, None, status == 200 && why == "Allowed")?;
        Demo::say(format_args!("{status}  log: {why}"))?;
    }

    let step = story.step("retire: its last token would have expired by now");
    rotator.run(&story.stack, "retire", rotator.policy.timing.retirement()).await?;
    let old = text(&decode(&before, 0), "kid");
    let key = story.kms("DescribeKey", &json!({"KeyId": old})).await?;
    let state = key.pointer("/KeyMetadata/KeyState").and_then(Value::as_str).unwrap_or_default();
    story.done(step, None, state == "PendingDeletion")?;
    Demo::say(format_args!("{old} is {state}"))?;

    for (title, token, expected) in [
        ("with the token from before", &before, (401, "UnknownKey")),
        ("with the token from after", &after, (200, "Allowed")),
    ] {
        let step = story.step(&format!("GET /whoami {title}"));
        let mut last = (0, String::new());
        let good = within(async || {
            let (status, _, why) = story.whoami(Some(token)).await?;
            last = (status, why);
            Ok((last.0, &*last.1) == expected)
        });
        let good = good.await?;
        story.done(step, None, good)?;
        Demo::say(format_args!("{}  log: {}", last.0, last.1))?;
    }
    Ok(())
}

fn claims() -> Value {
    json!({"claims": {"sub": "test-user"}})
}

/// Somebody who rotates, by KMS's clock.
struct Rotator {
    rotation: Rotation,
    policy: RotationConfig,
    clock: SystemTime,
}

impl Rotator {
    fn new(stack: &Stack) -> Result<Self, DemoError> {
        let endpoint = format!("http://{}", stack.kms.address());
        let own = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "demo"),
            ("AWS_SECRET_ACCESS_KEY", "demo"),
            ("AWS_ENDPOINT_URL_KMS", &endpoint),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings: Settings = own.into_iter().collect();
        let client = connect(&mut settings);
        let client = settings.finish(client)?;
        let timing = RotationTiming::new(PUBLICATION, LIFETIME, Duration::ZERO, REFRESH)?;
        let policy = RotationConfig { every: None, timing, algorithm: None, spec: None };
        let rotation = Rotation::new(client, ALIAS.parse()?);
        // The next whole second, as the aliases' times are rounded up.
        let clock = SystemTime::now() + Duration::from_secs(1);
        Ok(Self { rotation, policy, clock })
    }

    /// Does the step that is due when this time has passed, and gives the id of its key.
    async fn run(
        &mut self,
        stack: &Stack,
        expected: &'static str,
        wait: Duration,
    ) -> Result<String, DemoError> {
        self.clock += wait + Duration::from_secs(1);
        stack.kms.set_time(self.clock);
        let run = rotation::run(&self.rotation, &self.policy, self.clock.into());
        match Box::pin(run).await?.done {
            Some((step, key)) if step.name() == expected => Ok(key.id),
            _ => Err(DemoError::Untrue(expected.to_owned())),
        }
    }
}

/// Whether it comes true in a moment: the functions see a ring's change at their next refresh.
async fn within(
    mut holds: impl AsyncFnMut() -> Result<bool, DemoError>,
) -> Result<bool, DemoError> {
    let start = Instant::now();
    loop {
        let good = holds().await?;
        if good || start.elapsed() > PATIENCE {
            return Ok(good);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

const REFRESH: Duration = Duration::from_secs(1);
const PUBLICATION: Duration = Duration::from_mins(150);
const LIFETIME: Duration = Duration::from_hours(1);
const PATIENCE: Duration = Duration::from_secs(20);
