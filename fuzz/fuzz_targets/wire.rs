//! Any bytes as what KMS or the Runtime API answers, in any pieces: the pieces change nothing, nor
//! does an answer before, and what is taken keeps to its bound.

#![no_main]

// The file itself: it is private to its crate, and stands on no other part of it.
#[expect(dead_code, reason = "what an exchange needs not")]
#[path = "../../crates/kms/src/wire.rs"]
mod wire;

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wire::{Answer, Wire};

fuzz_target!(|input: &[u8]| {
    let [one, other, bytes @ ..] = input else { return };
    let pieces = [one, other].map(|length| usize::from(length % 16) + 1);
    let (whole, after_another) = (read(bytes, [usize::MAX; 2]), read_again(bytes, pieces));
    let pieces = read(bytes, pieces);
    let answer = |read: &Option<Read>| {
        read.as_ref().map(|(Answer { status, body }, _)| (*status, body.clone()))
    };
    assert_eq!(answer(&whole), answer(&pieces));
    let Some((Answer { status, body }, reusable)) = &whole else { return };
    assert!(*status >= 200 && body.len() <= bytes.len());
    if *reusable {
        // It has said itself where it ends: what comes after it is not its own.
        let after = read(&[bytes, b"HTTP/1.1 500 \r\n\r\n"].concat(), [1; 2]);
        assert_eq!(answer(&whole), answer(&after));
        assert!(pieces.is_some_and(|(_, reusable)| reusable));
        assert_eq!(answer(&whole), answer(&after_another));
    }
});

/// An answer, and whether the connection is good for another.
type Read = (Answer, bool);

fn read(bytes: &[u8], pieces: [usize; 2]) -> Option<Read> {
    exchange(&mut Wire::new(Pieces { next: bytes, rest: &[], pieces }))
}

/// The same once more on the connection, if it is good for another.
fn read_again(bytes: &[u8], pieces: [usize; 2]) -> Option<Read> {
    let mut wire = Wire::new(Pieces { next: bytes, rest: &[], pieces });
    let (_, reusable) = exchange(&mut wire)?;
    if reusable { exchange(&mut wire) } else { None }
}

fn exchange(wire: &mut Wire<Pieces<'_>>) -> Option<Read> {
    let answer = {
        let exchange = pin!(wire.exchange(|_| {}, |_, _, _| {}));
        match exchange.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer.ok()?,
            Poll::Pending => unreachable!("there is always something, or the end"),
        }
    };
    Some((answer, wire.is_reusable()))
}

/// What each request is answered with, by pieces of these lengths in turn.
struct Pieces<'a> {
    next: &'a [u8],
    rest: &'a [u8],
    pieces: [usize; 2],
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.pieces[0].min(self.rest.len()).min(buffer.remaining());
        let (piece, rest) = self.rest.split_at(length);
        buffer.put_slice(piece);
        self.rest = rest;
        self.pieces.swap(0, 1);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.rest = self.next;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
