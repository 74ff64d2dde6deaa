//! The client of a function where there is nobody to connect to.

use std::time::{Duration, Instant};

use kms::{Settings, connect};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};

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
    let mut settings: Settings = [
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_ENDPOINT_URL_KMS", format!("http://{address}")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect();
    let client = connect(&mut settings).unwrap();
    let start = Instant::now();
    client.list_aliases().send().await.unwrap_err();
    let took = start.elapsed().as_secs_f64();
    assert!((3.0..3.6).contains(&took), "three attempts of a second: {took}");
}
