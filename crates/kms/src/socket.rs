use std::{
    io::{self, Read, Write},
    net::TcpStream as BlockingStream,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A TCP connection, and how it is waited on.
#[derive(Debug)]
pub(crate) enum Socket {
    /// Beside others, as tokio does it.
    Shared(TcpStream),
    /// In the operating system, by a process that has nothing else to do meanwhile. That is how a
    /// function waits that answers one request after another: tokio's way through `epoll` costs each
    /// wait some microseconds.
    Alone {
        /// The connection.
        stream: BlockingStream,
        /// Whether a wait ends after a [`SLICE`], and goes on if nothing was to be done: for the
        /// sake of timers, and of what is done beside requests now and then.
        sliced: bool,
    },
}

impl Socket {
    /// Whether it waits in slices from now on.
    pub(crate) fn wait_in_slices(&mut self, slices: bool) -> io::Result<()> {
        if let Self::Alone { stream, sliced } = self
            && *sliced != slices
        {
            let limit = slices.then_some(SLICE);
            stream.set_read_timeout(limit)?;
            stream.set_write_timeout(limit)?;
            *sliced = slices;
        }
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Shared(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Alone { stream, .. } => {
                let read = ready!(wait(context, || stream.read(buffer.initialize_unfilled())))?;
                buffer.advance(read);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Shared(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Alone { stream, .. } => wait(context, || stream.write(bytes)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Shared(stream) => Pin::new(stream).poll_flush(context),
            Self::Alone { .. } => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Shared(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Alone { stream, .. } => Poll::Ready(stream.shutdown(std::net::Shutdown::Write)),
        }
    }
}

/// What comes of it within a slice.
fn wait<T>(
    context: &Context<'_>,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What a socket says whose time is over.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            result => return Poll::Ready(result),
        }
    }
}

/// How late a timer may be where a process waits alone.
const SLICE: Duration = Duration::from_millis(50);
