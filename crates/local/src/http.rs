//! The HTTP/1.1 server of the local services, and a client for the command line and for tests.

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

pub use crate::faulty_stream::ConnectionFault;

use crate::{allowed_hosts::AllowedHosts, faulty_stream::FaultyStream};

/// A server. When it is dropped, it stops and closes its connections.
#[derive(Debug)]
pub(crate) struct HttpServer {
    pub(crate) address: SocketAddr,
    task: AbortHandle,
    close_connections: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

impl HttpServer {
    /// Serves each request with `handler`. The response is 403 for a request to another host, and 413 if a body is
    /// longer than `max_bytes`.
    pub(crate) fn start<H, F>(
        listener: TcpListener,
        hosts: AllowedHosts,
        max_bytes: usize,
        handler: H,
    ) -> io::Result<Self>
    where
        H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Bytes>> + Send + 'static,
    {
        Self::with_faults(listener, hosts, max_bytes, |_| None, handler)
    }

    /// Like [`Self::start`], with fault injection: `fault` receives the time at which a connection was opened.
    pub(crate) fn with_faults<H, F, D>(
        listener: TcpListener,
        hosts: AllowedHosts,
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
        let (close_connections, close_requests) = mpsc::unbounded_channel();
        let connect = move |stream| {
            let stream = FaultyStream::new(stream, fault.clone());
            connection(stream, hosts, max_bytes, handler.clone())
        };
        let task = tokio::spawn(accept(listener, close_requests, connect)).abort_handle();
        Ok(Self { address, task, close_connections })
    }

    /// Closes every open connection, even during a request.
    pub(crate) async fn close_connections(&self) {
        let (done, closed) = oneshot::channel();
        // If the server has stopped, it has no connections.
        let _ = self.close_connections.send(done);
        let _ = closed.await;
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Builds a response with a JSON body.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    respond(status, &[("content-type", "application/json")], body)
}

/// Builds a response. Invalid headers are skipped.
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

/// Sends a request over a new connection.
///
/// # Errors
/// If there is no response.
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

async fn accept<F>(
    listener: TcpListener,
    mut close_connections: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    connect: impl Fn(TcpStream) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(done) = close_connections.recv() => {
                connections.shutdown().await;
                let _ = done.send(());
                continue;
            }
        };
        let Ok((stream, _)) = accepted else {
            // Probably out of file descriptors, which are released when connections end.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let _ = stream.set_nodelay(true);
        connections.spawn(connect(stream));
    }
}

async fn connection<H, F, D>(
    stream: FaultyStream<D>,
    hosts: AllowedHosts,
    max_bytes: usize,
    handler: H,
) where
    H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Bytes>> + Send + 'static,
    D: Fn(Instant) -> Option<ConnectionFault> + Send + Unpin + 'static,
{
    let service = service_fn(|request: Request<hyper::body::Incoming>| async {
        if !hosts.allow(&request) {
            let message =
                r#"{"message":"the Host header must name this machine, such as 127.0.0.1"}"#;
            return Ok::<_, Infallible>(json(StatusCode::FORBIDDEN, message).map(Full::new));
        }
        let (head, body) = request.into_parts();
        let response = match Limited::new(body, max_bytes).collect().await {
            Ok(body) => handler(Request::from_parts(head, body.to_bytes())).await,
            Err(_) => json(StatusCode::PAYLOAD_TOO_LARGE, r#"{"message":"Request Too Long"}"#),
        };
        Ok(response.map(Full::new))
    });
    // An error means that the client closed the connection during a request.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        // WebSocket APIs take over the connection.
        .with_upgrades()
        .await;
}
