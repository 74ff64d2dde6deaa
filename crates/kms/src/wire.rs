//! HTTP/1.1 on one connection: a request out, its answer in.
//!
//! Both sides that a function talks to, the Runtime API and KMS, are asked one small question after
//! another. A client that does no more than that takes a tenth of the time of one that does all.

use std::{fmt, io};

use httparse::{EMPTY_HEADER, Response, Status, parse_chunk_size};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A connection that is kept from one exchange to the next.
pub(crate) struct Wire<S> {
    stream: S,
    /// What has been read, and room for more that need not be cleared before each reading.
    input: Vec<u8>,
    filled: usize,
    output: Vec<u8>,
    /// Whether the last exchange ended where its answer ended.
    whole: bool,
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Length(usize),
    Chunks,
    Close,
}

struct Head {
    status: u16,
    end: End,
    keep: bool,
    bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        let (input, output) = (vec![0; READ], Vec::new());
        Self { stream, input, filled: 0, output, whole: true }
    }

    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    /// Whether another exchange can follow: the other side has said where the answer ended, and
    /// that it keeps the connection.
    pub(crate) fn is_reusable(&self) -> bool {
        self.whole
    }

    /// Sends what `write` writes, and shows each header of the answer, with its status, to `header`.
    pub(crate) async fn exchange(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>),
        mut header: impl FnMut(u16, &str, &[u8]),
    ) -> io::Result<Answer> {
        // Until the end is reached: dropped before, this is in the middle of an answer.
        self.whole = false;
        self.output.clear();
        write(&mut self.output);
        self.stream.write_all(&self.output).await?;
        self.stream.flush().await?;
        self.filled = 0;
        let head = loop {
            match head(self.received(), &mut header)? {
                // Of an answer that is yet to come.
                Some(head) if head.status < 200 => self.consume(head.bytes),
                Some(head) => break head,
                None => self.fill(MAX_HEAD).await?,
            }
        };
        let body = match head.end {
            End::Length(length) => {
                let end = head.bytes + length;
                while self.filled < end {
                    self.fill(MAX_HEAD + MAX_BODY).await?;
                }
                // Copied, and not taken: the buffer serves every exchange.
                let body = self.input.get(head.bytes..end).unwrap_or_default().to_vec();
                self.consume(end);
                body
            }
            End::Chunks => {
                self.consume(head.bytes);
                self.chunks().await?
            }
            End::Close => loop {
                match self.fill(MAX_BODY).await {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        break self.received().get(head.bytes..).unwrap_or_default().to_vec();
                    }
                    Err(error) => return Err(error),
                }
            },
        };
        // What nobody asked for is an answer to nothing.
        self.whole = head.keep && head.end != End::Close && self.filled == 0;
        Ok(Answer { status: head.status, body })
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let (start, size) = loop {
                match parse_chunk_size(self.received())
                    .map_err(|_| invalid("a chunk without a size"))?
                {
                    Status::Complete((start, size)) => break (start, size),
                    Status::Partial => self.fill(MAX_BODY).await?,
                }
            };
            let size = usize::try_from(size).ok().filter(|size| *size <= MAX_BODY - body.len());
            let size = size.ok_or_else(|| invalid("more than is taken"))?;
            if size == 0 {
                self.trailers(start).await?;
                return Ok(body);
            }
            while self.filled < start + size + 2 {
                self.fill(MAX_BODY + READ).await?;
            }
            body.extend_from_slice(self.input.get(start..start + size).unwrap_or_default());
            self.consume(start + size + 2);
        }
    }

    /// What comes after the last chunk: nothing, as a rule, and nothing that is needed.
    async fn trailers(&mut self, start: usize) -> io::Result<()> {
        self.consume(start);
        loop {
            match trailers(self.received())? {
                Some(bytes) => {
                    self.consume(bytes);
                    return Ok(());
                }
                None => self.fill(MAX_HEAD).await?,
            }
        }
    }

    fn received(&self) -> &[u8] {
        self.input.get(..self.filled).unwrap_or_default()
    }

    /// Leaves what comes after so many bytes.
    fn consume(&mut self, bytes: usize) {
        self.input.copy_within(bytes..self.filled, 0);
        self.filled -= bytes;
    }

    async fn fill(&mut self, max: usize) -> io::Result<()> {
        if self.filled >= max {
            return Err(invalid("more than is taken"));
        }
        if self.input.len() < self.filled + READ {
            // In steps that grow, so that what is there is not copied too often.
            self.input.resize(self.filled + self.filled / 4 + READ, 0);
        }
        let room = self.input.get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(room).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.filled += read;
                Ok(())
            }
        }
    }
}

impl<S> fmt::Debug for Wire<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

/// How long the trailers are, once they are there whole.
fn trailers(input: &[u8]) -> io::Result<Option<usize>> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    match httparse::parse_headers(input, &mut headers).map_err(io::Error::other)? {
        Status::Complete((bytes, _)) => Ok(Some(bytes)),
        Status::Partial => Ok(None),
    }
}

/// The head of an answer, once it is there whole.
fn head(input: &[u8], header: &mut impl FnMut(u16, &str, &[u8])) -> io::Result<Option<Head>> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut response = Response::new(&mut headers);
    let Status::Complete(bytes) = response.parse(input).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let status = response.code.ok_or_else(|| invalid("no status"))?;
    let mut keep = response.version == Some(1);
    let (mut length, mut chunks) = (None, false);
    for found in response.headers.iter() {
        let is = |name: &str| found.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let text = str::from_utf8(found.value).ok().filter(|text| !text.starts_with('+'));
            let number = text.and_then(|text| text.parse::<usize>().ok());
            if number.is_none_or(|number| number > MAX_BODY || length.is_some_and(|l| l != number))
            {
                return Err(invalid("a length that is none, or too much"));
            }
            length = number;
        } else if is("transfer-encoding") {
            if !found.value.eq_ignore_ascii_case(b"chunked") {
                return Err(invalid("an encoding that was not asked for"));
            }
            chunks = true;
        } else if is("connection") && found.value.eq_ignore_ascii_case(b"close") {
            keep = false;
        }
        header(status, found.name, found.value);
    }
    let end = match (status, chunks, length) {
        (..200 | 204 | 304, ..) => End::Length(0),
        // Both would be two answers to one question: where the body ends.
        (_, true, Some(_)) => return Err(invalid("a length and chunks")),
        (_, true, None) => End::Chunks,
        (_, false, Some(length)) => End::Length(length),
        (_, false, None) => End::Close,
    };
    Ok(Some(Head { status, end, keep, bytes }))
}

fn invalid(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// What is read at once. A longer event makes more room, which stays.
const READ: usize = 4 * 1024;
const MAX_HEADERS: usize = 64;
const MAX_HEAD: usize = 64 * 1024;
/// Far over the largest event: 6 MB, and what JSON makes of it.
const MAX_BODY: usize = 32 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// What is made of an answer that comes in pieces of this size, with the end after it.
    async fn read(answer: &str, piece: usize) -> Option<(u16, String, bool)> {
        let (ours, mut theirs) = duplex(1024 * 1024);
        for piece in answer.as_bytes().chunks(piece) {
            theirs.write_all(piece).await.unwrap();
        }
        theirs.shutdown().await.unwrap();
        let mut wire = Wire::new(ours);
        let answer = wire.exchange(|output| output.extend(b"GET / HTTP/1.1\r\n\r\n"), |_, _, _| {});
        let answer = answer.await.ok()?;
        let body = String::from_utf8(answer.body).unwrap();
        Some((answer.status, body, wire.is_reusable()))
    }

    #[tokio::test]
    async fn where_an_answer_ends() {
        let ok = |body: &str, reusable| Some((200, body.to_owned(), reusable));
        let rows = [
            ("a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", ok("ab", true)),
            ("no body", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ok("", true)),
            (
                "one length twice",
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
                ok("ab", true),
            ),
            (
                "two lengths",
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                None,
            ),
            ("a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab", None),
            ("too little", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", None),
            ("too much", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", ok("a", false)),
            ("more than is taken", "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", None),
            (
                "the last answer",
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab",
                ok("ab", false),
            ),
            ("until the end", "HTTP/1.1 200 OK\r\n\r\nab", ok("ab", false)),
            ("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", ok("ab", false)),
            (
                "chunks",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
                ok("abc", true),
            ),
            (
                "chunks and trailers",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n",
                ok("a", true),
            ),
            (
                "chunks without an end",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
                None,
            ),
            (
                "a chunk without a size",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\na\r\n0\r\n\r\n",
                None,
            ),
            (
                "a chunk that is too large",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\na",
                None,
            ),
            (
                "a length and chunks",
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                None,
            ),
            (
                "another encoding",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                None,
            ),
            (
                "an answer before the answer",
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
                ok("a", true),
            ),
            ("no content", "HTTP/1.1 204 No Content\r\n\r\n", Some((204, String::new(), true))),
            ("no answer", "", None),
            ("half a head", "HTTP/1.1 200 OK\r\nContent-Le", None),
            ("another protocol", "220 mail.example ESMTP\r\n\r\n", None),
        ];
        for (name, answer, expected) in rows {
            for piece in [1, 7, answer.len().max(1)] {
                assert_eq!(read(answer, piece).await, expected, "{name}, by {piece}");
            }
        }
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(2 * MAX_HEAD));
        assert_eq!(read(&endless, 8192).await, None, "a head without an end");
    }

    #[tokio::test]
    async fn one_answer_after_another() {
        let (ours, mut theirs) = duplex(1024 * 1024);
        let mut wire = Wire::new(ours);
        let (long, chunk) = ("a".repeat(100_000), "c".repeat(9000));
        let rows = [
            (format!("Content-Length: 100000\r\n\r\n{long}"), &*long),
            ("Content-Length: 1\r\n\r\nb".into(), "b"),
            (format!("Transfer-Encoding: chunked\r\n\r\n2328\r\n{chunk}\r\n0\r\n\r\n"), &chunk),
            ("Content-Length: 0\r\n\r\n".into(), ""),
            ("Content-Length: 2\r\n\r\nde".into(), "de"),
        ];
        for (answer, expected) in rows {
            theirs.write_all(format!("HTTP/1.1 200 OK\r\n{answer}").as_bytes()).await.unwrap();
            let answer = wire.exchange(|_| {}, |_, _, _| {}).await.unwrap();
            assert_eq!(String::from_utf8(answer.body).unwrap(), expected);
            assert!(wire.is_reusable());
        }
        // One that is not there whole leaves nothing to rely on.
        theirs.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nf").await.unwrap();
        let (late, at_once) = (wire.exchange(|_| {}, |_, _, _| {}), std::future::ready(()));
        tokio::select! {
            biased;
            _ = late => panic!("half an answer is none"),
            () = at_once => {}
        }
        assert!(!wire.is_reusable());
    }
}
