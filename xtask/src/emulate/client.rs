//! Invokes a function over HTTP.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    runtime,
    time::{Instant, sleep, timeout},
};

use crate::error::Error;

/// How long a process has until it accepts connections.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// `cargo lambda watch` builds the function when it is invoked for the first time.
const INVOKE_TIMEOUT: Duration = Duration::from_mins(15);
/// Between two attempts to connect.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// The answers of a function to these events, one after the other. An error of the function is an
/// answer too.
pub(super) fn invoke<'a>(
    port: u16,
    function: &str,
    events: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Value>, Error> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let all = async {
        let mut answers = Vec::new();
        for event in events {
            answers.push(timeout(INVOKE_TIMEOUT, send(port, function, event)).await??);
        }
        Ok(answers)
    };
    let answers: io::Result<_> = runtime.and_then(|runtime| runtime.block_on(all));
    answers.map_err(|error| Error::Check(format!("cannot invoke `{function}`: {error}")))
}

async fn send(port: u16, function: &str, event: &str) -> io::Result<Value> {
    let stream = connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("/2015-03-31/functions/{function}/invocations"))
        .header(HOST, format!("127.0.0.1:{port}"))
        .body(Full::new(Bytes::copy_from_slice(event.as_bytes())))
        .map_err(io::Error::other)?;
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let body = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    connection.abort();
    Ok(serde_json::from_slice(&body)?)
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    loop {
        match TcpStream::connect(address).await {
            Err(_) if Instant::now() < deadline => sleep(RETRY_DELAY).await,
            connected => return connected,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use serde_json::json;

    use super::*;

    #[test]
    fn body_of_any_status_is_an_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            ["200 OK", "502 Bad Gateway"].map(|status| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = vec![0; 1024];
                let length = stream.read(&mut request).unwrap();
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
                )
                .unwrap();
                String::from_utf8_lossy(&request[..length]).into_owned()
            })
        });
        let answers = invoke(port, "function", ["{\"a\":1}", "{\"a\":1}"]).unwrap();
        assert_eq!(answers, [json!({}), json!({})]);
        for request in server.join().unwrap() {
            let first = "POST /2015-03-31/functions/function/invocations HTTP/1.1\r\n";
            assert!(request.starts_with(first), "{request}");
            assert!(request.ends_with("\r\n\r\n{\"a\":1}"), "{request}");
        }
    }
}
