//! How requests get to KMS and back: HTTP/1.1 over connections that are kept.
//!
//! In place of the SDK's own client this has no task for each connection, no second protocol and no resolver
//! of proxies, and it knows when an attempt is lost.

use std::{
    fmt, io,
    mem::MaybeUninit,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use rustls::{ClientConfig, pki_types::ServerName};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;

use crate::{
    Overdue, Patience,
    moment::Moment,
    outgoing::{Outgoing, Target},
    wire::Wire,
};

/// Connections to KMS.
#[derive(Clone)]
pub(crate) struct Connector {
    connections: Arc<Connections>,
    /// How long an attempt may take.
    limit: Duration,
}

struct Connections {
    tls: Option<Arc<ClientConfig>>,
    idle: Mutex<Vec<Idle>>,
    connect: Patience,
    attempt: Patience,
}

/// A connection that waits for its next request.
struct Idle {
    place: Arc<str>,
    wire: Wire<Stream>,
    since: Moment,
}

type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

impl Connector {
    /// Without TLS, for a KMS on this machine alone.
    pub(crate) fn new(tls: Option<ClientConfig>) -> Self {
        let connections = Connections {
            tls: tls.map(Arc::new),
            idle: Mutex::default(),
            connect: Patience::default(),
            attempt: Patience::default(),
        };
        Self { connections: Arc::new(connections), limit: ATTEMPT }
    }

    /// Sends a request that is signed, and waits for the answer.
    pub(crate) async fn carry(
        &self,
        request: &Outgoing<'_>,
    ) -> Result<HttpResponse, ConnectorError> {
        let Self { connections, limit } = self;
        let exchange = pin!(connections.exchange(request));
        connections.attempt.wait(*limit, exchange).await.unwrap_or_else(overdue)
    }

    /// The same for a request of the SDK's.
    async fn attempt(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let Some(target) = Target::read(request.uri()) else {
            return Err(ConnectorError::user("not a URL of KMS".into()));
        };
        let Some(body) = request.body().bytes() else {
            return Err(ConnectorError::user("a body that is not there whole".into()));
        };
        let headers: Vec<_> = request.headers().iter().collect();
        let method = request.method();
        self.carry(&Outgoing { method, target: &target, headers: &headers, body }).await
    }
}

fn overdue<T>(overdue: Overdue) -> Result<T, ConnectorError> {
    Err(ConnectorError::timeout(overdue.into()))
}

impl Connections {
    async fn exchange(&self, request: &Outgoing<'_>) -> Result<HttpResponse, ConnectorError> {
        let target = request.target;
        let mut wire = match self.idle(&target.place) {
            Some(wire) => wire,
            // Large, and rare: not to be a part of every request.
            None => Box::pin(self.connect(target)).await?,
        };
        let doubt = Doubt(Some(&self.idle));
        let mut headers = Vec::with_capacity(8);
        let answer = wire
            .exchange(
                |output| request.write(output),
                |status, name, value| {
                    if says_something(status, name) {
                        let value = str::from_utf8(value).ok();
                        headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
                    }
                },
            )
            .await
            .map_err(|error| ConnectorError::io(error.into()))?;
        doubt.dispel();
        if wire.is_reusable() {
            let idle = Idle { place: Arc::clone(&target.place), wire, since: Moment::now() };
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
        }
        let status = StatusCode::try_from(answer.status)
            .map_err(|error| ConnectorError::other(error.into(), None))?;
        let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
        for (name, value) in headers {
            // A header that is none is nothing that KMS has said.
            let _ = response.headers_mut().try_append(name, value);
        }
        Ok(response)
    }

    /// A connection that still stands, as far as this side can know without asking the other.
    fn idle(&self, place: &str) -> Option<Wire<Stream>> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let fresh = *idle.place == *place && idle.since.elapsed() < IDLE;
            if fresh && is_quiet(idle.wire.stream()) {
                return Some(idle.wire);
            }
        }
    }

    async fn connect(&self, target: &Target) -> Result<Wire<Stream>, ConnectorError> {
        match self.connect.wait(CONNECT, pin!(self.open(target))).await {
            Ok(Ok(stream)) => Ok(Wire::new(stream)),
            Ok(Err(error)) => Err(ConnectorError::io(error.into())),
            Err(late) => overdue(late),
        }
    }

    async fn open(&self, target: &Target) -> io::Result<Stream> {
        let Target { host, port, tls, .. } = target;
        let tcp = match host.trim_start_matches('[').trim_end_matches(']') {
            // RFC 6761, section 6.3: nobody has to be asked.
            "localhost" => {
                let here: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                TcpStream::connect(&here.map(|address| SocketAddr::new(address, *port))[..]).await?
            }
            host => TcpStream::connect((host, *port)).await?,
        };
        tcp.set_nodelay(true)?;
        if !tls {
            return Ok(Either::Left(tcp));
        }
        let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
        let config = self.tls.clone().ok_or(io::ErrorKind::Unsupported)?;
        let stream = TlsConnector::from(config).connect(name, tcp).await?;
        Ok(Either::Right(Box::new(stream)))
    }
}

/// As long as an answer is not there whole. If it never is, the connections that wait are given up
/// too: they have waited for as long, and each would cost the next attempt as this one has.
struct Doubt<'a>(Option<&'a Mutex<Vec<Idle>>>);

impl Doubt<'_> {
    fn dispel(mut self) {
        self.0 = None;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(idle) = self.0 {
            idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

impl HttpClient for Connector {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let limit = settings.read_timeout().unwrap_or(self.limit);
        SharedHttpConnector::new(Self { limit, ..self.clone() })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().attempt(request))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

/// Whether somebody reads it: AWS's own headers, and of a refusal the time, by which clocks are
/// corrected.
fn says_something(status: u16, header: &str) -> bool {
    let amz = header.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("x-amz"));
    let is = |name: &str| header.eq_ignore_ascii_case(name);
    amz || (status >= 400 && (is("date") || is("age")))
}

/// Whether nothing has come that nobody asked for, the end of the connection among it. The operating
/// system is asked: tokio knows what it knew when it last waited.
fn is_quiet(stream: &Stream) -> bool {
    let tcp = match stream {
        Either::Left(tcp) => tcp,
        Either::Right(tls) => tls.get_ref().0,
    };
    let look = SockRef::from(tcp).peek(&mut [MaybeUninit::uninit()]);
    look.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// KMS is in the same Region: a connection takes a few milliseconds or is not to be had. Within an
/// attempt, so that one that has to connect has time left to ask.
const CONNECT: Duration = Duration::from_secs(1);
/// A signature takes KMS some tens of milliseconds; an attempt that takes this long, or an eighth less
/// ([`Patience`]), is lost. Three of them, and what is waited for between them, are a little over 4 s: a
/// caller who waits for 5 s still gets an answer. A change that takes KMS longer says so.
const ATTEMPT: Duration = Duration::from_millis(1300);
/// How long a connection may wait for its next request. The longer, the likelier that the other
/// side, or something in between, has forgotten it without a word.
const IDLE: Duration = Duration::from_mins(1);
