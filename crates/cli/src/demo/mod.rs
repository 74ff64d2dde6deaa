mod rotation;

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use local::{Bytes, Options, Request, Response, Stack, http};
use serde_json::{Value, json};

use crate::function;

/// Prints a line, if anybody reads along.
macro_rules! say {
    ($($words:tt)*) => { writeln!(io::stdout(), $($words)*)? };
}

/// Tells the story, and exits 0 only if all of it is true.
pub(crate) fn run() -> ExitCode {
    match crate::block_on(tell()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(DemoError::Untrue(step)) => {
            eprintln!("\nThis is not what should have happened: {step}");
            ExitCode::FAILURE
        }
        Err(DemoError::Fault(error)) => crate::fault(&*error),
    }
}

async fn tell() -> Result<(), DemoError> {
    let start = Instant::now();
    let stack = Stack::start(TEMPLATE, &options()?).await?;
    say!("AWS on this machine: KMS, two Lambda functions and API Gateway, as template.yaml");
    say!("deploys them. They started in {}, with {} KMS calls.\n", Time(start), stack.kms.calls());
    let mut story = Demo { stack, steps: 0 };

    let step = story.step("KMS holds the key that the template asks for");
    let key = story.kms("DescribeKey", &json!({"KeyId": ALIAS})).await?;
    let key = key.pointer("/KeyMetadata").cloned().unwrap_or_default();
    story.done(
        step,
        1,
        text(&key, "KeyState") == "Enabled" && text(&key, "KeySpec") == "RSA_2048",
    )?;
    Demo::say(format_args!("{ALIAS} is {}", at(&key, "Arn").as_str().unwrap_or_default()))?;

    let step = story.step("POST /token: the issuer has claims signed");
    let answer =
        story.token(&json!({"claims": {"sub": "test-user", "scope": "orders:read"}})).await?;
    let token = text(&answer, "access_token");
    let [header, claims] = [0, 1].map(|part| decode(&token, part));
    let good = at(&header, "kid") == at(&key, "KeyId") && at(&claims, "sub") == "test-user";
    story.done(step, 1, good && text(&answer, "token_type") == "Bearer")?;
    Demo::say(format_args!("header  {}", decode_text(&token, 0)))?;
    Demo::say(format_args!("claims  {}", decode_text(&token, 1)))?;

    let step = story.step("GET /whoami with the token");
    let (status, body, why) = story.whoami(Some(&token)).await?;
    let same = ["sub", "scope", "iss", "jti", "exp"]
        .iter()
        .all(|name| at(&body, name) == at(&claims, name));
    story.done(step, 1, status == 200 && same && why == "Allowed")?;
    Demo::say(format_args!("{status}  {body}  log: {why}"))?;

    let step = story.step("GET /whoami without it");
    let (status, body, why) = story.whoami(None).await?;
    story.done(step, 0, status == 401 && why == "no credentials")?;
    Demo::say(format_args!("{status}  {body}  log: {why}"))?;

    let step = story.step("GET /whoami with one bit of it changed");
    let (status, body, why) = story.whoami(Some(&change_a_bit(&token))).await?;
    story.done(step, 1, status == 401 && why == "InvalidSignature")?;
    Demo::say(format_args!("{status}  {body}  log: {why}"))?;

    let short = story.token(&json!({"claims": {"sub": "test-user"}, "expires_in": 1})).await?;
    let short = text(&short, "access_token");
    wait_until(at(&decode(&short, 1), "exp").as_u64().unwrap_or_default()).await;
    let step = story.step("GET /whoami with a token of one second, now expired");
    let (status, body, why) = story.whoami(Some(&short)).await?;
    story.done(step, 0, status == 401 && why == "Expired")?;
    Demo::say(format_args!("{status}  {body}  log: {why}"))?;

    story.kms("DisableKey", &json!({"KeyId": at(&key, "KeyId")})).await?;
    let step = story.step("GET /whoami with the good token while the key is disabled");
    let (status, body, why) = story.whoami(Some(&token)).await?;
    story.done(step, 1, status == 500 && why == "KeyState")?;
    Demo::say(format_args!("{status}  {body}  log: {why}"))?;

    story.kms("EnableKey", &json!({"KeyId": at(&key, "KeyId")})).await?;
    let step = story.step("GET /whoami with it once the key is enabled again");
    let (status, _, why) = story.whoami(Some(&token)).await?;
    story.done(step, 1, status == 200 && why == "Allowed")?;
    Demo::say(format_args!("{status}  log: {why}"))?;

    rotation::tell(&mut story).await?;

    say!("\nEvery step did what it says. {} in all.", Time(start));
    Ok(())
}

fn options() -> Result<Options, DemoError> {
    Ok(Options::anywhere(function::bootstrap()?))
}

/// The stack, and how far the story has come.
struct Demo {
    stack: Stack,
    steps: u32,
}

/// A step that has begun.
struct Step {
    title: String,
    calls: u64,
    start: Instant,
}

impl Demo {
    fn step(&mut self, title: &str) -> Step {
        self.steps += 1;
        let title = format!("{}. {title}", self.steps);
        Step { title, calls: self.stack.kms.calls(), start: Instant::now() }
    }

    /// Without a number of calls, as the functions ask for their ring now and then, any is good.
    fn done(
        &self,
        step: Step,
        expected_calls: impl Into<Option<u64>>,
        good: bool,
    ) -> Result<(), DemoError> {
        let Step { title, calls, start } = step;
        let (time, calls) = (Time(start), self.stack.kms.calls() - calls);
        let unit = if calls == 1 { "call" } else { "calls" };
        say!("{title:<64} {time:>9}   {calls} KMS {unit}");
        let as_many = expected_calls.into().is_none_or(|expected| calls == expected);
        if good && as_many { Ok(()) } else { Err(DemoError::Untrue(title)) }
    }

    fn say(what: fmt::Arguments<'_>) -> Result<(), DemoError> {
        say!("   {what}");
        Ok(())
    }

    async fn kms(&self, operation: &str, input: &Value) -> Result<Value, DemoError> {
        let request = Request::post("/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("TrentService.{operation}"))
            .body(input.to_string().into())?;
        let response = http::send(self.stack.kms.address(), request).await?;
        Ok(serde_json::from_slice(response.body()).unwrap_or_default())
    }

    async fn token(&self, request: &Value) -> Result<Value, DemoError> {
        let request = Request::post("/token")
            .header("content-type", "application/json")
            .header("x-amz-date", "20000101T000000Z")
            .header("authorization", format!("{CREDENTIAL}, {SIGNATURE}{}", "0".repeat(64)))
            .body(request.to_string().into())?;
        let response = self.send(request).await?;
        Ok(serde_json::from_slice(response.body())?)
    }

    async fn get(&self, path: &str) -> Result<Value, DemoError> {
        let response = self.send(Request::get(path).body(Bytes::new())?).await?;
        Ok(serde_json::from_slice(response.body())?)
    }

    /// The answer's status and body, and what the authorizer's log has as its reason.
    async fn whoami(&self, token: Option<&str>) -> Result<(u16, Value, String), DemoError> {
        let mut exchanges = self.stack.gateway.follow();
        let mut request = Request::get("/whoami");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = self.send(request.body(Bytes::new())?).await?;
        let id = response.headers().get("x-amzn-requestid").and_then(|id| id.to_str().ok());
        let why = loop {
            let exchange = exchanges.recv().await?;
            if Some(&*exchange.id.to_string()) == id {
                break exchange.why;
            }
        };
        Ok((response.status().as_u16(), serde_json::from_slice(response.body())?, why))
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, DemoError> {
        Ok(http::send(self.stack.gateway.address(), request).await?)
    }
}

/// Why the story ends early.
enum DemoError {
    /// A step did not do what it says.
    Untrue(String),
    /// It could not be tried.
    Fault(Box<dyn std::error::Error>),
}

impl<E: std::error::Error + 'static> From<E> for DemoError {
    fn from(error: E) -> Self {
        Self::Fault(Box::new(error))
    }
}

/// The time since then.
struct Time(Instant);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.1} ms", self.0.elapsed().as_secs_f64() * 1000.0))
    }
}

fn at<'a>(value: &'a Value, member: &str) -> &'a Value {
    value.get(member).unwrap_or(&Value::Null)
}

fn text(value: &Value, member: &str) -> String {
    at(value, member).as_str().unwrap_or_default().to_owned()
}

/// One part of a token as anybody can read it.
fn decode_text(token: &str, part: usize) -> String {
    let part = token.split('.').nth(part).unwrap_or_default();
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap_or_default()).unwrap_or_default()
}

fn decode(token: &str, part: usize) -> Value {
    serde_json::from_str(&decode_text(token, part)).unwrap_or_default()
}

fn change_a_bit(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap_or_default();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    if let Some(byte) = signature.last_mut() {
        *byte ^= 1;
    }
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn wait_until(seconds: u64) {
    let then = UNIX_EPOCH + Duration::from_secs(seconds);
    let left = then.duration_since(SystemTime::now()).unwrap_or_default();
    tokio::time::sleep(left).await;
}

pub(crate) const TEMPLATE: &str = include_str!("../../../../template.yaml");
const ALIAS: &str = "alias/countersign";
/// The form of a signature: this machine looks at nothing else.
const CREDENTIAL: &str =
    "AWS4-HMAC-SHA256 Credential=demo/20000101/us-east-1/execute-api/aws4_request";
const SIGNATURE: &str = "SignedHeaders=host;x-amz-date, Signature=";
