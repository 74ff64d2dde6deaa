use std::{
    io::{self, Read, Write},
    net::TcpStream as BlockingStream,
    pin::Pin,
    task::{Context, Poll},
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
    /// wait some microseconds. On Lambda nothing goes on between two requests in any case.
    Alone(BlockingStream),
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Shared(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Alone(stream) => {
                let read = uninterrupted(|| stream.read(buffer.initialize_unfilled()))?;
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
            Self::Alone(stream) => Poll::Ready(uninterrupted(|| stream.write(bytes))),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Shared(stream) => Pin::new(stream).poll_flush(context),
            Self::Alone(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Shared(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Alone(stream) => Poll::Ready(stream.shutdown(std::net::Shutdown::Write)),
        }
    }
}

/// A signal is no reason to stop waiting.
fn uninterrupted(mut attempt: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_ends_no_wait() {
        let mut results = [
            Err(io::ErrorKind::Interrupted.into()),
            Err(io::ErrorKind::Interrupted.into()),
            Ok(7),
            Err(io::ErrorKind::ConnectionReset.into()),
        ]
        .into_iter();
        let mut attempt = || results.next().unwrap();
        assert_eq!(uninterrupted(&mut attempt).unwrap(), 7);
        let error = uninterrupted(&mut attempt).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
