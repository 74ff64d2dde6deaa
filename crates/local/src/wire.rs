//! The wire between a server and its clients, and what can be wrong with it.

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

/// What becomes of what goes over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
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

/// A server's side of a connection, to which `damage` says what is wrong with it at this moment.
pub(crate) struct Wire<D> {
    stream: TcpStream,
    opened: Instant,
    damage: D,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<D: Fn(Instant) -> Option<Damage>> Wire<D> {
    pub(crate) fn new(stream: TcpStream, damage: D) -> Self {
        Self { stream, opened: Instant::now(), damage, pause: None }
    }

    fn damage(&self) -> Option<Damage> {
        (self.damage)(self.opened)
    }

    /// Has the other side see a reset where it would see an end.
    fn reset<T>(&self) -> Poll<io::Result<T>> {
        self.stream.set_zero_linger()?;
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl<D: Fn(Instant) -> Option<Damage> + Unpin> AsyncRead for Wire<D> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.stream.poll_read_ready(cx))?;
        match self.damage() {
            Some(Damage::ResetUnread) => self.reset(),
            // Nobody wakes it any more.
            Some(Damage::Deaf) => Poll::Pending,
            _ => Pin::new(&mut self.stream).poll_read(cx, buf),
        }
    }
}

impl<D: Fn(Instant) -> Option<Damage> + Unpin> AsyncWrite for Wire<D> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let part = match self.damage() {
            Some(Damage::ResetUnanswered) => return self.reset(),
            Some(Damage::Truncated) => bytes.get(..bytes.len() / 2).unwrap_or_default(),
            Some(Damage::Trickle) => {
                if let Some(pause) = &mut self.pause {
                    ready!(pause.as_mut().poll(cx));
                }
                self.pause = Some(Box::pin(tokio::time::sleep(A_SECOND)));
                bytes.get(..1).unwrap_or_default()
            }
            _ => bytes,
        };
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, part))?;
        if self.damage() == Some(Damage::Truncated) {
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
