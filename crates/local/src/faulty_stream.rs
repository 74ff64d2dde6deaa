//! Fault injection for connections.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

/// A fault of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionFault {
    /// The connection closes after half of the response.
    Truncated,
    /// The response arrives at one byte per second.
    Trickle,
    /// The connection is reset before the request is read.
    ResetUnread,
    /// The connection is reset after the request is performed, instead of a response.
    ResetUnanswered,
    /// The request is never read.
    Unresponsive,
}

/// The server side of a connection. `fault` receives the time at which it was opened and returns its current fault.
pub(crate) struct FaultyStream<D> {
    stream: TcpStream,
    opened: Instant,
    fault: D,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<D: Fn(Instant) -> Option<ConnectionFault>> FaultyStream<D> {
    pub(crate) fn new(stream: TcpStream, fault: D) -> Self {
        Self { stream, opened: Instant::now(), fault, pause: None }
    }

    fn fault(&self) -> Option<ConnectionFault> {
        (self.fault)(self.opened)
    }

    /// Resets the connection.
    fn reset<T>(&self) -> Poll<io::Result<T>> {
        self.stream.set_zero_linger()?;
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl<D: Fn(Instant) -> Option<ConnectionFault> + Unpin> AsyncRead for FaultyStream<D> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.stream.poll_read_ready(cx))?;
        match self.fault() {
            Some(ConnectionFault::ResetUnread) => self.reset(),
            // The task is not woken again.
            Some(ConnectionFault::Unresponsive) => Poll::Pending,
            _ => Pin::new(&mut self.stream).poll_read(cx, buf),
        }
    }
}

impl<D: Fn(Instant) -> Option<ConnectionFault> + Unpin> AsyncWrite for FaultyStream<D> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let part = match self.fault() {
            Some(ConnectionFault::ResetUnanswered) => return self.reset(),
            Some(ConnectionFault::Truncated) => bytes.get(..bytes.len() / 2).unwrap_or_default(),
            Some(ConnectionFault::Trickle) => {
                if let Some(pause) = &mut self.pause {
                    ready!(pause.as_mut().poll(cx));
                }
                self.pause = Some(Box::pin(tokio::time::sleep(TRICKLE_INTERVAL)));
                bytes.get(..1).unwrap_or_default()
            }
            _ => bytes,
        };
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, part))?;
        if self.fault() == Some(ConnectionFault::Truncated) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

const TRICKLE_INTERVAL: Duration = Duration::from_secs(1);
