//! A provider of identity tokens on this machine, which counts requests and sends the responses that a test sets.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::sleep,
};

pub(crate) const METADATA: &str = "/.well-known/openid-configuration";
pub(crate) const KEYS: &str = "/keys";

/// The response of a provider for a path.
#[derive(Clone)]
pub(crate) enum Reply {
    /// 200 with this text.
    Text(String),
    /// 302 to this URL.
    Redirect(String),
    /// 200 with 100 MB.
    Long,
    /// 200 with one byte a second.
    Slow,
}

/// It stops when it is dropped.
pub(crate) struct Provider {
    pub(crate) url: String,
    state: Arc<State>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    replies: Mutex<HashMap<String, Reply>>,
    requests: AtomicUsize,
    sent_bytes: AtomicUsize,
}

impl Provider {
    /// A provider with metadata and these keys.
    pub(crate) async fn start(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<State>::default();
        let server = tokio::spawn(serve(listener, Arc::clone(&state)));
        let provider = Self { url, state, server };
        provider.publish(KEYS, keys);
        let metadata = metadata(&provider.url, &format!("{}{KEYS}", provider.url));
        provider.reply(METADATA, Reply::Text(metadata));
        provider
    }

    /// From now on, the path has a key set.
    pub(crate) fn publish(&self, path: &str, keys: &[Value]) {
        self.reply(path, Reply::Text(json!({"keys": keys}).to_string()));
    }

    pub(crate) fn reply(&self, path: &str, reply: Reply) {
        self.state.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// The number of requests so far, also for paths that do not exist.
    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// The number of bytes of long bodies that the clients have read.
    pub(crate) fn sent_bytes(&self) -> usize {
        self.state.sent_bytes.load(Ordering::SeqCst)
    }

    /// From now on, connections are refused.
    pub(crate) async fn stop(&mut self) {
        self.server.abort();
        assert!((&mut self.server).await.is_err_and(|error| error.is_cancelled()));
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn metadata(issuer: &str, jwks_uri: &str) -> String {
    json!({"issuer": issuer, "jwks_uri": jwks_uri}).to_string()
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move { respond(stream, &state).await });
    }
}

/// Responds to one request. A client that closes the connection early is not an error.
async fn respond(mut stream: TcpStream, state: &State) -> Option<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut buffer = [0; 1024];
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        request.extend(&buffer[..read]);
    }
    state.requests.fetch_add(1, Ordering::SeqCst);
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1)?;
    let reply = state.replies.lock().unwrap().get(path).cloned();
    let (head, body) = match &reply {
        None => ("404 Not Found\r\ncontent-length: 0".to_owned(), ""),
        Some(Reply::Text(text)) => (format!("200 OK\r\ncontent-length: {}", text.len()), &**text),
        Some(Reply::Redirect(url)) => {
            (format!("302 Found\r\nlocation: {url}\r\ncontent-length: 0"), "")
        }
        Some(Reply::Long) => (format!("200 OK\r\ncontent-length: {LONG}"), ""),
        Some(Reply::Slow) => ("200 OK\r\ncontent-length: 1000".to_owned(), ""),
    };
    let head = format!("HTTP/1.1 {head}\r\ncontent-type: application/json\r\nconnection: close");
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.ok()?;
    match reply {
        Some(Reply::Long) => {
            let chunk = vec![b' '; 64 * 1024];
            for _ in 0..LONG / chunk.len() {
                stream.write_all(&chunk).await.ok()?;
                state.sent_bytes.fetch_add(chunk.len(), Ordering::SeqCst);
            }
        }
        Some(Reply::Slow) => loop {
            stream.write_all(b" ").await.ok()?;
            sleep(Duration::from_secs(1)).await;
        },
        _ => {}
    }
    Some(())
}

const LONG: usize = 100_000_000;
