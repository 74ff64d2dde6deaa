//! The stack of the template, and a client that also reads its logs.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use local::{
    Bytes, Request, Stack, StackOptions, http,
    lambda::{Bootstrap, LogLine},
};
use serde_json::{Value, json};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::timeout,
};

use crate::{BINARY, ROOT, TEMPLATE};

pub(crate) struct Deployment {
    pub(crate) stack: Stack,
}

/// A function that is called through API Gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Issuer,
    Authorizer,
}

/// The response that a client received.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
    pub(crate) took: Duration,
}

impl Deployment {
    /// Starts the stack with these settings in place of the template's.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let bootstrap = Bootstrap { program: BINARY.into(), arguments: vec!["function".into()] };
        let overrides = settings.iter().map(own).collect();
        let options =
            StackOptions { folder: ROOT.into(), overrides, ..StackOptions::new(bootstrap) };
        let template = fs::read_to_string(TEMPLATE).unwrap();
        Self { stack: Stack::start(&template, &options).await.unwrap() }
    }

    pub(crate) async fn request(&self, function: Function, token: &str) -> Response {
        let request = match function {
            Function::Issuer => Request::post("/token")
                .header("content-type", "application/json")
                .header("x-amz-date", "20261125T000000Z")
                .header("authorization", SIGV4)
                .body(Bytes::from_static(br#"{"claims":{"sub":"test-user"}}"#)),
            Function::Authorizer => Request::get("/whoami")
                .header("authorization", format!("Bearer {token}"))
                .body(Bytes::new()),
        };
        self.send(request.unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Response {
        let start = Instant::now();
        let response = http::send(self.stack.gateway.address(), request).await.unwrap();
        let took = start.elapsed();
        let retry_after = response.headers().get("retry-after");
        Response {
            status: response.status().as_u16(),
            retry_after: retry_after.map(|value| value.to_str().unwrap().to_owned()),
            body: serde_json::from_slice(response.body()).unwrap_or_default(),
            took,
        }
    }

    /// A token that the issuer has issued.
    pub(crate) async fn token(&self) -> String {
        let Response { status, body, .. } = self.request(Function::Issuer, "").await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// The response and the log line of the request, which arrives after the response. `null` if it does not
    /// arrive in time.
    pub(crate) async fn request_with_log(
        &self,
        function: Function,
        token: &str,
    ) -> (Response, Value) {
        let mut lines = self.stack.logs.follow();
        let response = self.request(function, token).await;
        let line = timeout(TIMEOUT, log_line(&mut lines, function.name())).await;
        (response, line.unwrap_or_default())
    }

    /// Whether a request succeeds within the timeout.
    pub(crate) async fn recovers(&self, function: Function, token: &str) -> bool {
        let good = async {
            while self.request_with_log(function, token).await.0.status != 200 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(TIMEOUT, good).await.is_ok()
    }

    /// The aliases and the current key as KMS describes them.
    pub(crate) fn ring(&self) -> [Value; 2] {
        let aliases = self.stack.kms.perform("ListAliases", &json!({})).unwrap();
        let key = self.stack.kms.perform("DescribeKey", &json!({"KeyId": ALIAS})).unwrap();
        [aliases, key]
    }

    /// The processes of a function.
    pub(crate) fn processes(&self, function: Function) -> Vec<PathBuf> {
        let name = format!("countersign-{}", function.name().to_lowercase());
        processes(self.stack.kms.address(), &name)
    }
}

impl Function {
    /// The logical id of the function in the template.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Issuer => "Issuer",
            Self::Authorizer => "Authorizer",
        }
    }
}

/// The processes of the function with this name that uses this KMS.
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

/// Ends processes with SIGKILL, which they cannot handle.
pub(crate) fn kill(processes: &[PathBuf]) {
    assert!(!processes.is_empty());
    for process in processes {
        let id = process.file_name().unwrap();
        assert!(Command::new("kill").arg("-KILL").arg(id).status().unwrap().success());
    }
}

/// The next log line of this function that reports the outcome of a request.
async fn log_line(lines: &mut Receiver<LogLine>, function: &str) -> Value {
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
/// For a log line, and for the recovery from a fault.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A SigV4 header. The local API Gateway checks only its form.
const SIGV4: &str = concat!(
    "AWS4-HMAC-SHA256 Credential=tester/20261125/us-east-1/execute-api/aws4_request, ",
    "SignedHeaders=host;x-amz-date, ",
    "Signature=0000000000000000000000000000000000000000000000000000000000000000",
);
