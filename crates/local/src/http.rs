//! The HTTP/1.1 server of the local services, and a client for tests.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response, StatusCode, body::Bytes, client::conn, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinSet},
};

use crate::faulty_stream::FaultyStream;

pub use crate::faulty_stream::ConnectionFault;

/// A server that stops, with all its connections, when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: AbortHandle,
    hang_up: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

impl Server {
    /// Serves each request with `handler`. A body over `max_bytes` is answered with 413.
    pub(crate) fn start<H, F>(
        listener: TcpListener,
        max_bytes: usize,
        handler: H,
    ) -> io::Result<Self>
    where
        H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Bytes>> + Send + 'static,
    {
        Self::with_faults(listener, max_bytes, |_| None, handler)
    }

    /// The same, over connections with faults: `fault` is given when the connection was opened.
    pub(crate) fn with_faults<H, F, D>(
        listener: TcpListener,
        max_bytes: usize,
        fault: D,
        handler: H,
    ) -> io::Result<Self>
    where
        H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Bytes>> + Send + 'static,
        D: Fn(Instant) -> Option<ConnectionFault> + Clone + Send + Unpin + 'static,
    {
        let address = listener.local_addr()?;
        let (hang_up, wishes) = mpsc::unbounded_channel();
        let connect = move |stream| {
            connection(FaultyStream::new(stream, fault.clone()), max_bytes, handler.clone())
        };
        let task = tokio::spawn(accept(listener, wishes, connect)).abort_handle();
        Ok(Self { address, task, hang_up })
    }

    /// Ends every connection that there is, whatever goes on on it.
    pub(crate) async fn hang_up(&self) {
        let (done, told) = oneshot::channel();
        // A server that is no more has no connections either.
        let _ = self.hang_up.send(done);
        let _ = told.await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept<F>(
    listener: TcpListener,
    mut hang_up: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    connect: impl Fn(TcpStream) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(done) = hang_up.recv() => {
                connections.shutdown().await;
                let _ = done.send(());
                continue;
            }
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: some come back when a connection ends.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let _ = stream.set_nodelay(true);
        connections.spawn(connect(stream));
    }
}

async fn connection<H, F, D>(stream: FaultyStream<D>, max_bytes: usize, handler: H)
where
    H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Bytes>> + Send + 'static,
    D: Fn(Instant) -> Option<ConnectionFault> + Send + Unpin + 'static,
{
    let service = service_fn(|request: Request<hyper::body::Incoming>| async {
        let (head, body) = request.into_parts();
        let response = match Limited::new(body, max_bytes).collect().await {
            Ok(body) => handler(Request::from_parts(head, body.to_bytes())).await,
            Err(_) => json(StatusCode::PAYLOAD_TOO_LARGE, r#"{"message":"Request Too Long"}"#),
        };
        Ok::<_, Infallible>(response.map(Full::new))
    });
    // A client that goes away in the middle of a request is its own affair.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// A response with a JSON body.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    respond(status, &[("content-type", "application/json")], body)
}

/// A response. Invalid headers are left out.
#[must_use]
pub fn respond(
    status: StatusCode,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) =
            (name.parse::<hyper::header::HeaderName>(), value.parse::<hyper::header::HeaderValue>())
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Sends one request over a connection of its own.
///
/// # Errors
/// When there is no answer.
pub async fn send(address: SocketAddr, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let exchange = async {
        let (mut head, body) = request.into_parts();
        let host = address.to_string().parse().map_err(io::Error::other)?;
        head.headers.entry(hyper::header::HOST).or_insert(host);
        let request = Request::from_parts(head, Full::new(body));
        let (head, body) =
            sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    let response = exchange.await;
    connection.abort();
    response
}
