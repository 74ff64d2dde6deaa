//! The KMS client of the functions against a failing KMS: which errors are retried, how often, and how long an operation
//! takes at most.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use aws_sdk_kms::config::{Config, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_types::{DateTime, date_time::Format};
use countersign_runtime::{Settings, connect, operation_time};
use kms::{Cause, Client, Keyring};
use local::kms::Kms;
use testing::{InjectFaults, InjectedFault};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

fn client(address: impl std::fmt::Display) -> Client {
    let mut settings: Settings = [
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_ENDPOINT_URL_KMS", format!("http://{address}")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect();
    connect(&mut settings).unwrap()
}

/// A server in the place of KMS that records requests.
struct Recorder {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    async fn start(response: impl Fn(&str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::with_capacity(8192);
                stream.read_buf(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request).into_owned();
                let (status, response) = response(&request);
                recorded.lock().unwrap().push(request);
                let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n");
                stream.write_all((head + &response).as_bytes()).await.unwrap();
            }
        });
        Self { address, requests }
    }

    fn keyring(&self) -> Arc<Keyring> {
        let (client, name) = (client(self.address), "key".parse().unwrap());
        Arc::new(Keyring::new(client, name, None, Duration::from_nanos(1)))
    }

    /// The `amz-sdk-request` headers of the attempts of one operation, and the cause of its fault.
    async fn attempts(&self, keyring: &Arc<Keyring>) -> (Vec<String>, Cause) {
        let cause = keyring.ring().await.unwrap_err().cause;
        let requests = std::mem::take(&mut *self.requests.lock().unwrap());
        let attempts = requests.iter().map(|request| header(request, "amz-sdk-request").to_owned());
        (attempts.collect(), cause)
    }
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let line = request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_default()
}

fn error(code: &str) -> String {
    with_body(&format!(r#"{{"__type":"{code}"}}"#))
}

fn with_body(body: &str) -> String {
    format!("content-length: {}\r\n\r\n{body}", body.len())
}

/// An error with an unknown code is classified by its status.
#[tokio::test]
async fn transient_errors_are_retried_and_others_are_not() {
    let rows = [
        (400, "ThrottlingException", 3, Cause::Throttled),
        (500, "KMSInternalException", 3, Cause::Unavailable),
        (500, "DependencyTimeoutException", 3, Cause::Unavailable),
        (400, "NotFoundException", 1, Cause::NotFound),
        (400, "AccessDeniedException", 1, Cause::AccessDenied),
        (400, "ExpiredTokenException", 1, Cause::CredentialsExpired),
        (400, "InvalidSignatureException", 1, Cause::Refused),
        (409, "DisabledException", 1, Cause::KeyState),
        // Some emulators send it with the status 400.
        (400, "KMSInternalException", 3, Cause::Unavailable),
        (500, "InternalFailure", 3, Cause::Unavailable),
        (503, "ServiceUnavailableException", 3, Cause::Unavailable),
        (400, "SlowDown", 3, Cause::Throttled),
        (400, "TooManyRequestsException", 3, Cause::Throttled),
        (400, "RequestTimeout", 3, Cause::Unavailable),
        (408, "RequestTimeoutException", 3, Cause::Unavailable),
        (429, "UnknownException", 3, Cause::Throttled),
        (408, "UnknownException", 3, Cause::Unavailable),
        (500, "UnknownException", 3, Cause::Unavailable),
        (509, "UnknownException", 3, Cause::Unavailable),
        (400, "UnknownException", 1, Cause::Refused),
        (500, "AccessDeniedException", 3, Cause::AccessDenied),
    ];
    for (status, code, attempts, cause) in rows {
        let kms = Recorder::start(move |_| (status, error(code))).await;
        let found = kms.attempts(&kms.keyring()).await;
        assert_eq!((found.0.len(), found.1), (attempts, cause), "{status} {code}: {:?}", found.0);
    }
}

#[tokio::test]
async fn error_without_a_code_is_retried() {
    let rows = [
        (400, "{}", Cause::Unreachable),
        (403, "<html>", Cause::Unreachable),
        (408, "{}", Cause::Unreachable),
        (429, "{}", Cause::Throttled),
        (429, "<html>", Cause::Throttled),
        (503, "<html>", Cause::Unreachable),
        (520, "", Cause::Unreachable),
    ];
    for (status, body, cause) in rows {
        let kms = Recorder::start(move |_| (status, with_body(body))).await;
        let found = kms.attempts(&kms.keyring()).await;
        assert_eq!((found.0.len(), found.1), (3, cause), "{status} {body}: {:?}", found.0);
    }
}

/// The clock of a suspended container may be an hour behind.
#[tokio::test]
async fn clock_skew_costs_one_attempt() {
    let kms = Recorder::start(move |request| {
        let ahead = DateTime::from(SystemTime::now()).secs() + 3600;
        let date = DateTime::from_secs(ahead).fmt(Format::HttpDate).unwrap();
        let is_skewed = ahead.abs_diff(signed_at(request)) > 300;
        let code = if is_skewed { "InvalidSignatureException" } else { "NotFoundException" };
        (400, format!("date: {date}\r\n{}", error(code)))
    })
    .await;
    let keyring = kms.keyring();
    for (name, expected) in [("first operation", 2), ("second operation", 1)] {
        let (attempts, cause) = kms.attempts(&keyring).await;
        assert_eq!((attempts.len(), cause), (expected, Cause::NotFound), "{name}");
    }
}

/// The `x-amz-date` of a request, such as `20150830T123600Z`, in Unix seconds.
fn signed_at(request: &str) -> i64 {
    let date = header(request, "x-amz-date");
    let part = |range: std::ops::Range<usize>| date.get(range).unwrap_or_default();
    let [year, month, day] = [part(0..4), part(4..6), part(6..8)];
    let [hour, minute, second] = [part(9..11), part(11..13), part(13..15)];
    let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    DateTime::from_str(&text, Format::DateTime).unwrap().secs()
}

/// A security group or a route may drop packets, so that a connection is neither accepted nor refused.
#[tokio::test]
async fn connection_attempt_ends_after_one_second() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    // Fills the listener's backlog. Further connections get no response.
    let mut connections = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(500), TcpStream::connect(address)).await {
        connections.push(stream.unwrap());
    }
    let client = client(address);
    let start = Instant::now();
    client.list_aliases().send().await.unwrap_err();
    let elapsed = start.elapsed().as_secs_f64();
    assert!((3.0..3.6).contains(&elapsed), "three attempts of a second: {elapsed}");
}

/// The rotator needs a longer timeout for operations that change a key.
#[tokio::test]
async fn timeout_of_an_operation_can_be_overridden() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kms = Kms::start(listener, "us-east-1", None).unwrap();
    kms.inject(Some(InjectedFault::Late(Duration::from_secs(2))));
    let client = client(kms.address());
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(10)).build();
    let once = Config::builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts);
    client.create_key().customize().config_override(once).send().await.unwrap();
    let start = Instant::now();
    client.list_keys().send().await.unwrap_err();
    let elapsed = start.elapsed();
    // The pauses have random lengths, and a busy machine delays the requests.
    let difference = elapsed.abs_diff(operation_time(&client));
    assert!(difference < Duration::from_millis(350), "all attempts with their pauses: {elapsed:?}");
}

#[tokio::test]
async fn long_retry_after_is_limited() {
    let kms = Recorder::start(|_| {
        (400, format!("x-amz-retry-after: 60000\r\n{}", error("ThrottlingException")))
    })
    .await;
    let start = Instant::now();
    client(kms.address).list_keys().send().await.unwrap_err();
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_millis(700), "two pauses of 100 ms: {elapsed:?}");
}
