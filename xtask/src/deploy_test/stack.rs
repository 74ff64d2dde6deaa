//! A deployed stack: its API, its functions and its ring.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};

use super::{
    deployment::{Context, Deployment, Outputs},
    engine::Credentials,
    http::{self, Request, Response},
    ring::{Letters, Ring, RotationRun},
    token::Token,
};
use crate::error::Error;

/// A deployed stack.
pub(super) struct Stack<'a> {
    context: &'a Context<'a>,
    name: String,
    alias: String,
    outputs: Outputs,
    /// The URL that returns the claims of a token, if the stack has a demo.
    whoami_url: Option<String>,
    letters: RefCell<Letters>,
}

impl<'a> Stack<'a> {
    /// A stack with its outputs.
    pub(super) fn new(context: &'a Context<'a>, deployment: &Deployment, outputs: Outputs) -> Self {
        let (name, alias, letters) =
            (deployment.stack.clone(), deployment.alias(), RefCell::default());
        Self { context, name, alias, outputs, whoami_url: None, letters }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The same stack after another deployment.
    pub(super) fn set_outputs(&mut self, outputs: Outputs) {
        self.outputs = outputs;
    }

    /// With the demo that was deployed for it.
    pub(super) fn set_whoami_url(&mut self, url: Option<String>) {
        self.whoami_url = url;
    }

    /// Whether it has a demo.
    pub(super) fn has_demo(&self) -> bool {
        self.whoami_url.is_some()
    }

    /// An output.
    pub(super) fn output(&self, name: &str) -> Result<&str, Error> {
        let found = self.outputs.get(name).map(String::as_str);
        found.ok_or_else(|| Error::Check(format!("the stack has no output `{name}`")))
    }

    /// Sends a request to a path of the API.
    pub(super) fn send(&self, path: &str, request: Request<'_>) -> Result<Response, Error> {
        self.send_to(&format!("{}{path}", self.output("ApiUrl")?), request)
    }

    /// Sends a request to the demo. Without a demo, the API itself had the route in earlier revisions.
    pub(super) fn whoami(&self, request: Request<'_>) -> Result<Response, Error> {
        match &self.whoami_url {
            Some(url) => self.send_to(url, request),
            None => self.send("/whoami", request),
        }
    }

    /// Sends a request to the emulator of API Gateway that is for this URL in AWS.
    fn send_to(&self, url: &str, request: Request<'_>) -> Result<Response, Error> {
        let (host, path) = url.trim_start_matches("https://").split_once('/').unwrap_or_default();
        let api = host.split('.').next().unwrap_or_default();
        let url = format!("{}/_aws/execute-api/{api}/{path}", self.context.engine.url());
        http::send(self.context.workspace, &Request { url, ..request })
    }

    /// Requests a token with these members in the body.
    pub(super) fn request_token(
        &self,
        credentials: Option<&Credentials>,
        body: &Value,
    ) -> Result<Response, Error> {
        self.send(
            "/token",
            Request { credentials, body: Some(body.to_string()), ..Request::default() },
        )
    }

    /// Requests a token as the root user. The status, if the response has no token.
    pub(super) fn new_token(&self) -> Result<Result<Token, u16>, Error> {
        let root = Credentials::root();
        let response = self.request_token(Some(&root), &json!({"claims": {"sub": "test-user"}}))?;
        Ok(Token::from_response(&response.body).ok_or(response.status))
    }

    /// The status of a request with this token.
    pub(super) fn status(&self, token: &Token) -> Result<u16, Error> {
        let authorization = Some(token.authorization());
        Ok(self.whoami(Request { authorization, ..Request::default() })?.status)
    }

    /// Requests tokens until their key is the expected one, or the functions have read the ring again. Returns the
    /// last token, and what to compare: the letter of its key, or the status.
    pub(super) fn token_by(&self, expected: &str) -> Result<(Option<Token>, String), Error> {
        let mut last = None;
        let found = repeat(expected, || {
            let token = self.new_token()?;
            let found = match &token {
                Ok(token) => self.letter(&token.kid),
                Err(status) => format!("status {status}"),
            };
            last = token.ok();
            Ok(found)
        })?;
        Ok((last, found))
    }

    /// Sends a token until the status is the expected one, or the functions have read the ring again.
    pub(super) fn status_by(&self, expected: u16, token: &Token) -> Result<String, Error> {
        repeat(&expected.to_string(), || Ok(self.status(token)?.to_string()))
    }

    /// The letters of the published keys.
    pub(super) fn published_by(&self, expected: &str) -> Result<String, Error> {
        repeat(expected, || {
            let response = self.send("/.well-known/jwks.json", Request::default())?;
            if response.status != 200 {
                return Ok(format!("status {}", response.status));
            }
            let set: Value = serde_json::from_str(&response.body).unwrap_or_default();
            let keys = set.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
            let ids = keys.iter().filter_map(|key| key.get("kid")?.as_str());
            let letters: BTreeSet<_> = ids.map(|id| self.letter(id)).collect();
            Ok(letters.into_iter().collect::<Vec<_>>().join(" "))
        })
    }

    /// The current, the next and the previous key.
    pub(super) fn ring(&self) -> Result<String, Error> {
        let ring = Ring::read(&self.context.aws, &self.alias)?;
        Ok(ring.letters(&mut self.letters.borrow_mut()))
    }

    /// The state of a key, and its tags.
    pub(super) fn key(&self, letter: char) -> Result<(String, Vec<String>), Error> {
        let letters = self.letters.borrow();
        let key = letters.key(letter)?;
        let described = self.context.aws.call(&["kms", "describe-key", "--key-id", key])?;
        let state = described.pointer("/KeyMetadata/KeyState").and_then(Value::as_str);
        let listed = self.context.aws.call(&["kms", "list-resource-tags", "--key-id", key])?;
        let tags = listed.get("Tags").and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |tag: &Value, name: &str| tag.get(name)?.as_str().map(str::to_owned);
        let tag =
            |tag: &Value| Some(format!("{}={}", text(tag, "TagKey")?, text(tag, "TagValue")?));
        Ok((state.unwrap_or_default().to_owned(), tags.iter().filter_map(tag).collect()))
    }

    /// Invokes the rotator once it is due, and returns the step that it did or why it failed.
    pub(super) fn rotate(&self) -> Result<String, Error> {
        let rotator = self.output("RotatorArn")?;
        let invoke = || match RotationRun::invoke(&self.context.aws, rotator) {
            Ok(run) => Ok(run),
            Err(Error::Check(text)) => Err(text),
            Err(error) => Err(error.to_string()),
        };
        let run = match invoke() {
            Ok(RotationRun { done: None, due: Some(due), .. }) => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                let wait = due.saturating_sub(now.unwrap_or_default().as_secs());
                self.context.engine.advance(Duration::from_secs(wait + 1))?;
                invoke()
            }
            run => run,
        };
        Ok(run.map_or_else(|problem| problem, |run| run.to_string()))
    }

    fn letter(&self, key: &str) -> String {
        self.letters.borrow_mut().of(key)
    }
}

/// Asks until the answer is the expected one, or for as long as the functions may keep the ring.
fn repeat(expected: &str, mut ask: impl FnMut() -> Result<String, Error>) -> Result<String, Error> {
    let deadline = Instant::now() + REFRESH_TIME;
    loop {
        let found = ask()?;
        if found == expected || Instant::now() > deadline {
            return Ok(found);
        }
        sleep(Duration::from_millis(500));
    }
}

/// `KEY_REFRESH_SECONDS` of the stacks, and the time of a refresh.
const REFRESH_TIME: Duration = Duration::from_secs(15);
/// The smallest value, so that a test waits for as little as possible.
pub(super) const KEY_REFRESH_SECONDS: &str = "10";
/// Members of `Settings` for stacks that rotate: the smallest values.
pub(super) const ROTATION_SETTINGS: &str = "PublicationWaitSeconds=1260,KeyRefreshSeconds=10";
