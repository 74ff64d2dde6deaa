//! Everything that the template deploys, and a client of it who reads the logs too.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use local::{
    Bytes, Options, Request, Stack, http,
    lambda::{Bootstrap, Line},
};
use serde_json::{Value, json};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::timeout,
};

use crate::{BINARY, TEMPLATE};

pub(crate) struct World {
    pub(crate) stack: Stack,
}

/// A function, asked through the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Issuer,
    Authorizer,
}

/// What a client saw, and how the log tells it.
#[derive(Debug)]
pub(crate) struct RingState {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
    pub(crate) took: Duration,
}

impl World {
    /// With these settings in place of the template's.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let bootstrap = Bootstrap { program: BINARY.into(), arguments: vec!["function".into()] };
        let overrides = settings.iter().map(own).collect();
        let options = Options { overrides, ..Options::anywhere(bootstrap) };
        let template = fs::read_to_string(TEMPLATE).unwrap();
        Self { stack: Stack::start(&template, &options).await.unwrap() }
    }

    pub(crate) async fn ask(&self, door: Door, token: &str) -> RingState {
        let request = match door {
            Door::Issuer => Request::post("/token")
                .header("content-type", "application/json")
                .header("x-amz-date", "20261125T000000Z")
                .header("authorization", SIGV4)
                .body(Bytes::from_static(br#"{"claims":{"sub":"test-user"}}"#)),
            Door::Authorizer => Request::get("/whoami")
                .header("authorization", format!("Bearer {token}"))
                .body(Bytes::new()),
        };
        self.send(request.unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> RingState {
        let start = Instant::now();
        let answer = http::send(self.stack.gateway.address(), request).await.unwrap();
        let took = start.elapsed();
        let retry_after = answer.headers().get("retry-after");
        RingState {
            status: answer.status().as_u16(),
            retry_after: retry_after.map(|value| value.to_str().unwrap().to_owned()),
            body: serde_json::from_slice(answer.body()).unwrap_or_default(),
            took,
        }
    }

    /// A token that the issuer has issued.
    pub(crate) async fn token(&self) -> String {
        let RingState { status, body, .. } = self.ask(Door::Issuer, "").await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// And what the function's log says of it. It comes after the answer, so those who go by the
    /// log have to wait for it each time.
    pub(crate) async fn ask_and_read(&self, door: Door, token: &str) -> (RingState, Value) {
        let mut lines = self.stack.journal.follow();
        let seen = self.ask(door, token).await;
        let line = timeout(PATIENCE, record(&mut lines, door.function())).await;
        (seen, line.unwrap_or_default())
    }

    /// Asks until the answer is good, and gives up after a while.
    pub(crate) async fn recovers(&self, door: Door, token: &str) -> bool {
        let good = async {
            while self.ask_and_read(door, token).await.0.status != 200 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, good).await.is_ok()
    }

    /// All that KMS knows of keys and aliases.
    pub(crate) fn ring(&self) -> [Value; 2] {
        let aliases = self.stack.kms.perform("ListAliases", &json!({})).unwrap();
        let key = self.stack.kms.perform("DescribeKey", &json!({"KeyId": ALIAS})).unwrap();
        [aliases, key]
    }

    /// The processes of a function.
    pub(crate) fn processes(&self, door: Door) -> Vec<PathBuf> {
        processes(self.stack.kms.address(), door.function())
    }
}

impl Door {
    pub(crate) const fn function(self) -> &'static str {
        match self {
            Self::Issuer => "Issuer",
            Self::Authorizer => "Authorizer",
        }
    }
}

/// The processes of the function of this name that asks this KMS.
pub(crate) fn processes(kms: SocketAddr, function: &str) -> Vec<PathBuf> {
    let kms = format!("AWS_ENDPOINT_URL_KMS=http://{kms}\0");
    let name = format!("AWS_LAMBDA_FUNCTION_NAME={function}\0");
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let own = processes.map(|process| process.path()).filter(|path| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment);
        environment.contains(&kms) && environment.contains(&name)
    });
    own.collect()
}

/// Ends processes as nothing else does: they do not get to say or do anything.
pub(crate) fn kill(processes: &[PathBuf]) {
    assert!(!processes.is_empty());
    for process in processes {
        let id = process.file_name().unwrap();
        assert!(Command::new("kill").arg("-KILL").arg(id).status().unwrap().success());
    }
}

/// The next line of this function that tells how a request ended.
async fn record(lines: &mut Receiver<Line>, function: &str) -> Value {
    loop {
        let text = match lines.recv().await {
            Ok(line) if line.function == function => line.text,
            Ok(_) | Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return Value::Null,
        };
        let line: Value = serde_json::from_str(&text).unwrap_or_default();
        if line["requestId"].is_string() && line["outcome"].is_string() {
            return line;
        }
    }
}

pub(crate) const ALIAS: &str = "alias/countersign";
/// For what comes by itself in a moment.
const PATIENCE: Duration = Duration::from_secs(5);
/// The form of a signature, which is all that is looked at.
const SIGV4: &str = concat!(
    "AWS4-HMAC-SHA256 Credential=tester/20261125/us-east-1/execute-api/aws4_request, ",
    "SignedHeaders=host;x-amz-date, ",
    "Signature=0000000000000000000000000000000000000000000000000000000000000000",
);
