//! The local stack of the demo, its requests, and the output of its steps.

use std::{fmt, io::Write, time::Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use issuer::GrantType;
use local::{Bytes, Request, Response, Stack, StackOptions, http};
use runtime::table;
use serde_json::Value;

use super::ci_system::CiSystem;
use crate::{
    function,
    template::{CONFIGURATION, TEMPLATE},
    terminal,
};

/// Why the demo ends early.
pub(super) enum Error {
    /// A step, by its title, did not have the expected result.
    StepFailed(String),
    /// A step could not run.
    Fault(Box<dyn std::error::Error>),
}

impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Fault(Box::new(error))
    }
}

/// The stack, the CI system that it trusts, and the number of steps so far.
pub(super) struct Scenario {
    pub(super) stack: Stack,
    pub(super) ci_system: CiSystem,
    steps: u32,
}

/// A step that has begun.
pub(super) struct DemoStep {
    title: String,
    /// The number of KMS calls before the step.
    calls: u64,
    start: Instant,
}

impl Scenario {
    pub(super) async fn start() -> Result<Self, Error> {
        let ci_system = CiSystem::start().await?;
        let stack = Stack::start(TEMPLATE, &options(&ci_system)?).await?;
        Ok(Self { stack, ci_system, steps: 0 })
    }

    /// Replaces the stack by one whose functions have this setting.
    pub(super) async fn restart_with(&mut self, name: &str, value: String) -> Result<(), Error> {
        let mut options = options(&self.ci_system)?;
        options.overrides.insert(name.into(), value);
        self.stack = Stack::start(TEMPLATE, &options).await?;
        Ok(())
    }

    pub(super) fn begin(&mut self, title: &str) -> DemoStep {
        self.steps += 1;
        let title = format!("{}. {title}", self.steps);
        DemoStep { title, calls: self.stack.kms.calls(), start: Instant::now() }
    }

    /// Prints the step with its cost.
    ///
    /// # Errors
    /// [`Error::StepFailed`] if its result or its number of KMS calls is not the expected one. `None` accepts any
    /// number of calls, for steps during which the functions may refresh the ring.
    pub(super) fn end(
        &self,
        step: DemoStep,
        expected_calls: impl Into<Option<u64>>,
        is_expected: bool,
    ) -> Result<(), Error> {
        let DemoStep { title, calls, start } = step;
        let (time, calls) = (Elapsed(start), self.stack.kms.calls() - calls);
        let unit = if calls == 1 { "call" } else { "calls" };
        print(format_args!("{title:<64} {time:>9}   {calls} KMS {unit}"))?;
        let calls_are_expected = expected_calls.into().is_none_or(|expected| calls == expected);
        if is_expected && calls_are_expected { Ok(()) } else { Err(Error::StepFailed(title)) }
    }

    pub(super) async fn kms(&self, operation: &str, input: &Value) -> Result<Value, Error> {
        let request = Request::post("/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("TrentService.{operation}"))
            .body(input.to_string().into())?;
        let response = http::send(self.stack.kms.address(), request).await?;
        Ok(serde_json::from_slice(response.body()).unwrap_or_default())
    }

    /// The response to `POST /token`.
    pub(super) async fn token(&self, request: &Value) -> Result<Value, Error> {
        let request = Request::post("/token")
            .header("content-type", "application/json")
            .header("x-amz-date", "20000101T000000Z")
            .header("authorization", format!("{CREDENTIAL}, {SIGNATURE}{}", "0".repeat(64)))
            .body(request.to_string().into())?;
        let response = self.send(request).await?;
        Ok(serde_json::from_slice(response.body())?)
    }

    /// The body of the response to a GET request.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Error> {
        let response = self.send(Request::get(path).body(Bytes::new())?).await?;
        Ok(serde_json::from_slice(response.body())?)
    }

    /// The status and the body of the response to `GET /whoami`, and the outcome in the authorizer's log.
    pub(super) async fn whoami(&self, token: Option<&str>) -> Result<(u16, Value, String), Error> {
        let mut request = Request::get("/whoami");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send_with_reason(request.body(Bytes::new())?).await
    }

    /// The status and the body of the response to a `jwt-bearer` grant, and the outcome in the log of the token endpoint.
    pub(super) async fn grant(&self, assertion: &str) -> Result<(u16, Value, String), Error> {
        // Neither value has a character that a form would have to escape.
        let form = format!("grant_type={}&assertion={assertion}", GrantType::JwtBearer.parameter());
        let request = Request::post("/oauth2/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.into())?;
        self.send_with_reason(request).await
    }

    /// The status and the body of the response, and the reason for them in the function's log.
    async fn send_with_reason(
        &self,
        request: Request<Bytes>,
    ) -> Result<(u16, Value, String), Error> {
        let mut exchanges = self.stack.gateway.follow();
        let response = self.send(request).await?;
        let id = response.headers().get("x-amzn-requestid").and_then(|id| id.to_str().ok());
        let reason = loop {
            let exchange = exchanges.recv().await?;
            if Some(&*exchange.id.to_string()) == id {
                break exchange.reason;
            }
        };
        Ok((response.status().as_u16(), serde_json::from_slice(response.body())?, reason))
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        Ok(http::send(self.stack.gateway.address(), request).await?)
    }
}

/// Prints a line. Unlike `println!`, it does not panic when the pipe is closed.
pub(super) fn print(line: fmt::Arguments<'_>) -> Result<(), Error> {
    Ok(writeln!(terminal::stdout(), "{line}")?)
}

/// Prints a line below the title of a step.
pub(super) fn print_detail(detail: fmt::Arguments<'_>) -> Result<(), Error> {
    print(format_args!("   {detail}"))
}

/// The time since an instant, in milliseconds.
pub(super) struct Elapsed(pub(super) Instant);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.1} ms", self.0.elapsed().as_secs_f64() * 1000.0))
    }
}

/// A member of a JSON object, or `null`.
pub(super) fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// A string member of a JSON object, or an empty string.
pub(super) fn string(value: &Value, name: &str) -> String {
    member(value, name).as_str().unwrap_or_default().to_owned()
}

/// The text of one part of a token: 0 is the header, 1 the claims. Empty if it cannot be decoded.
pub(super) fn decode_text(token: &str, part: usize) -> String {
    let part = token.split('.').nth(part).unwrap_or_default();
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap_or_default()).unwrap_or_default()
}

/// The JSON of one part of a token, or `null`.
pub(super) fn decode_part(token: &str, part: usize) -> Value {
    serde_json::from_str(&decode_text(token, part)).unwrap_or_default()
}

/// The options of the stack. A step waits until a token has expired, so there is no leeway.
fn options(ci_system: &CiSystem) -> Result<StackOptions, Error> {
    let mut options = StackOptions::new(function::bootstrap()?);
    options.parameters.insert("TokenEndpoint".into(), "yes".into());
    let mut set = |name: &str, value: String| options.overrides.insert(name.to_owned(), value);
    set(table::CLOCK_LEEWAY_SECONDS.name, "0".into());
    // The program may run where the layer of the template is not.
    for (name, content) in CONFIGURATION {
        set(name, content.to_owned());
    }
    set(table::TRUSTED_ISSUERS.name, ci_system.trusted_issuers().to_string());
    let policy = table::ISSUANCE_POLICY.name;
    let shipped = CONFIGURATION.iter().find(|(name, _)| *name == policy);
    let mut rules: Vec<Value> = serde_json::from_str(shipped.map_or("[]", |(_, rules)| rules))?;
    rules.push(ci_system.issuance_rule());
    set(policy, Value::from(rules).to_string());
    Ok(options)
}

pub(super) const ALIAS: &str = "alias/countersign";
/// The local API Gateway checks only the form of a SigV4 signature.
const CREDENTIAL: &str =
    "AWS4-HMAC-SHA256 Credential=demo/20000101/us-east-1/execute-api/aws4_request";
const SIGNATURE: &str = "SignedHeaders=host;x-amz-date, Signature=";
