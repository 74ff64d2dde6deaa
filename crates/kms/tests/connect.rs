//! How long the client of a function waits: where there is nobody to connect to, where KMS is slow,
//! and where it asks for patience.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::time::{Duration, Instant};

use aws_sdk_kms::config::{Config, retry::RetryConfig, timeout::TimeoutConfig};
use kms::{Client, Settings, connect};
use local::kms::{Disturbance, Kms};
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

/// As when a security group or a route is in the way: nothing comes back, not even a refusal.
#[tokio::test]
async fn a_connection_that_is_not_to_be_had_is_given_up_before_the_attempt_is() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    // Once as many wait as it takes, the next are not answered.
    let mut waiting = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(500), TcpStream::connect(address)).await {
        waiting.push(stream.unwrap());
    }
    let client = client(address);
    let start = Instant::now();
    client.list_aliases().send().await.unwrap_err();
    let took = start.elapsed().as_secs_f64();
    assert!((3.0..3.6).contains(&took), "three attempts of a second: {took}");
}

/// As the rotator does with a change.
#[tokio::test]
async fn a_call_that_says_so_has_more_time_than_others() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kms = Kms::start(listener, "us-east-1", None).unwrap();
    kms.disturb(Some(Disturbance::Late(Duration::from_secs(2))));
    let client = client(kms.address());
    let patient = TimeoutConfig::builder().read_timeout(Duration::from_secs(10)).build();
    let once = Config::builder().retry_config(RetryConfig::disabled()).timeout_config(patient);
    client.create_key().customize().config_override(once).send().await.unwrap();
    let start = Instant::now();
    client.list_keys().send().await.unwrap_err();
    let took = start.elapsed().as_secs_f64();
    assert!((3.4..4.3).contains(&took), "three attempts of 1.3 s: {took}");
}

/// Whoever waits for an answer has no minute.
#[tokio::test]
async fn a_wish_of_kms_for_a_long_pause_is_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let body = r#"{"__type":"ThrottlingException"}"#;
            let _ = stream.read(&mut [0; 8192]).await;
            let head = "HTTP/1.1 400 x\r\nx-amz-retry-after: 60000\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let start = Instant::now();
    client(address).list_keys().send().await.unwrap_err();
    let took = start.elapsed();
    assert!(took < Duration::from_millis(700), "two pauses of 100 ms: {took:?}");
}
