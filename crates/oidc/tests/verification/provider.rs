//! A provider on this machine, whose responses a test sets.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};
use tokio_rustls::TlsAcceptor;

use crate::NOW;

/// How a provider responds to a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// 200 with this text.
    Text(String),
    Status(u16),
    /// A redirect to this URL.
    Redirect(String),
    /// 200 with this number of bytes.
    Long(usize),
    /// 200 with one byte a second.
    Slow,
    /// The response begins after this time.
    Late(Duration, String),
    /// The connection is closed within the body.
    Incomplete,
}

/// A provider with metadata and keys. It ends with the value.
pub(crate) struct Provider {
    pub(crate) url: String,
    replies: Arc<Mutex<Replies>>,
    requests: Arc<AtomicUsize>,
    sent_bytes: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

struct Replies {
    metadata: Reply,
    keys: Reply,
}

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

impl Provider {
    /// A provider that publishes these keys.
    pub(crate) async fn start(keys: &[Value]) -> Self {
        Self::start_with(keys, None).await
    }

    /// The same over TLS, under the name `localhost`.
    pub(crate) async fn start_tls(keys: &[Value], tls: ServerConfig) -> Self {
        Self::start_with(keys, Some(TlsAcceptor::from(Arc::new(tls)))).await
    }

    async fn start_with(keys: &[Value], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = match tls {
            None => format!("http://{address}"),
            Some(_) => format!("https://localhost:{}", address.port()),
        };
        let metadata = json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string();
        let replies = Replies { metadata: Reply::Text(metadata), keys: Reply::Text(String::new()) };
        let replies = Arc::new(Mutex::new(replies));
        let (requests, sent_bytes) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let server = tokio::spawn(serve(
            listener,
            tls,
            Arc::clone(&replies),
            Arc::clone(&requests),
            Arc::clone(&sent_bytes),
        ));
        let provider = Self { url, replies, requests, sent_bytes, server };
        provider.publish(keys);
        provider
    }

    /// The entry of this provider for Ed25519, whose keys are discovered.
    pub(crate) fn entry(&self) -> Value {
        json!({"issuer": self.url, "audience": "orders", "algorithms": "Ed25519"})
    }

    /// The claims of a valid token.
    pub(crate) fn claims(&self) -> Value {
        json!({"iss": self.url, "sub": "job", "aud": "orders", "exp": NOW + 86_400})
    }

    pub(crate) fn publish(&self, keys: &[Value]) {
        self.reply_for_keys(Reply::Text(json!({"keys": keys}).to_string()));
    }

    pub(crate) fn reply_for_keys(&self, reply: Reply) {
        self.replies.lock().unwrap().keys = reply;
    }

    pub(crate) fn reply_for_metadata(&self, reply: Reply) {
        self.replies.lock().unwrap().metadata = reply;
    }

    /// The number of requests since the last call.
    pub(crate) fn take_requests(&self) -> usize {
        self.requests.swap(0, Ordering::SeqCst)
    }

    /// The number of bytes of long bodies that the client has taken.
    pub(crate) fn sent_bytes(&self) -> usize {
        self.sent_bytes.load(Ordering::SeqCst)
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

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    replies: Arc<Mutex<Replies>>,
    requests: Arc<AtomicUsize>,
    sent_bytes: Arc<AtomicUsize>,
) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let (replies, requests) = (Arc::clone(&replies), Arc::clone(&requests));
        let sent_bytes = Arc::clone(&sent_bytes);
        let service = service_fn(move |request: Request<Incoming>| {
            requests.fetch_add(1, Ordering::SeqCst);
            let reply = {
                let replies = replies.lock().unwrap();
                match request.uri().path() {
                    "/.well-known/openid-configuration" => replies.metadata.clone(),
                    "/keys" => replies.keys.clone(),
                    _ => Reply::Status(404),
                }
            };
            let sent_bytes = Arc::clone(&sent_bytes);
            async move { Ok::<_, Infallible>(response(reply, sent_bytes).await) }
        });
        let tls = tls.clone();
        connections.spawn(async move {
            let http = http1::Builder::new();
            match tls {
                None => http.serve_connection(TokioIo::new(stream), service).await.is_ok(),
                Some(tls) => {
                    let Ok(stream) = tls.accept(stream).await else { return false };
                    http.serve_connection(TokioIo::new(stream), service).await.is_ok()
                }
            }
        });
    }
}

async fn response(reply: Reply, sent_bytes: Arc<AtomicUsize>) -> Response<Body> {
    let text =
        |text: String| Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(text(String::new()));
    match reply {
        Reply::Text(body) => *response.body_mut() = text(body),
        Reply::Late(time, body) => {
            sleep(time).await;
            *response.body_mut() = text(body);
        }
        Reply::Status(status) => *response.status_mut() = status.try_into().unwrap(),
        Reply::Redirect(location) => {
            *response.status_mut() = hyper::StatusCode::FOUND;
            response.headers_mut().insert("location", location.try_into().unwrap());
        }
        Reply::Long(bytes) => {
            let chunk = Bytes::from(vec![b' '; 64 * 1024]);
            let chunks = stream::unfold(bytes, move |left| {
                let (chunk, sent_bytes) = (chunk.clone(), Arc::clone(&sent_bytes));
                async move {
                    let rest = left.checked_sub(chunk.len())?;
                    sent_bytes.fetch_add(chunk.len(), Ordering::SeqCst);
                    Some((Ok(Frame::data(chunk)), rest))
                }
            });
            *response.body_mut() = StreamBody::new(chunks).boxed_unsync();
        }
        Reply::Slow => {
            let bytes = stream::unfold((), |()| async {
                sleep(Duration::from_secs(1)).await;
                Some((Ok(Frame::data(Bytes::from_static(b" "))), ()))
            });
            *response.body_mut() = StreamBody::new(bytes).boxed_unsync();
        }
        Reply::Incomplete => {
            let parts =
                [Ok(Frame::data(Bytes::from_static(b"{"))), Err(std::io::Error::other("closed"))];
            *response.body_mut() = StreamBody::new(stream::iter(parts)).boxed_unsync();
        }
    }
    response
}
