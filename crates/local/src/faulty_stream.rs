//! A connection with faults.

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

/// What goes wrong on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionFault {
    /// Half of the answer, and then the end.
    Truncated,
    /// One byte of the answer a second.
    Trickle,
    /// A request comes, and nobody reads it.
    ResetUnread,
    /// A request is read, and nothing comes back.
    ResetUnanswered,
    /// Nothing that comes is heard.
    Deaf,
}

/// The server's side of a connection. `fault` says what goes wrong on it at the moment, given when it was opened.
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

    /// Ends the connection with a reset.
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
            // Never woken again.
            Some(ConnectionFault::Deaf) => Poll::Pending,
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
                self.pause = Some(Box::pin(tokio::time::sleep(A_SECOND)));
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

const A_SECOND: Duration = Duration::from_secs(1);
