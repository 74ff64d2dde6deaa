//! The Lambda Runtime API (2018-06-01), as a function of this project needs it.

use std::{io, net::TcpStream as BlockingStream};

use serde::Serialize;
use tokio::net::TcpStream;

use crate::{
    socket::Socket,
    wire::{Answer, Wire},
};

/// A function's error, as Lambda tells it to whoever invoked it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// A name that stays.
    pub error_type: String,
    /// What it says.
    pub error_message: String,
}

/// One worker's connection to the Runtime API.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    host: String,
    /// Whether it is the only one.
    alone: bool,
    wire: Wire<Socket>,
}

/// An invocation that is to be answered.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) id: WorkId,
    pub(crate) trace: String,
    pub(crate) event: String,
}

/// What Lambda knows an invocation by.
#[derive(Debug, Default)]
pub(crate) struct WorkId {
    pub(crate) request: String,
    /// Told apart by this where one request is tried more than once; to be sent back.
    invocation: Option<String>,
}

impl RuntimeApi {
    pub(crate) async fn connect(host: &str, alone: bool) -> io::Result<Self> {
        Ok(Self { host: host.to_owned(), alone, wire: open(host, alone).await? })
    }

    /// Waits until there is work.
    pub(crate) async fn next(&mut self) -> io::Result<Work> {
        let mut work = Work::default();
        let request = Request { method: "GET", path: &["next"], headers: &[], body: b"" };
        let answer = self.exchange(&request, |_, name, value| {
            let text = || str::from_utf8(value).unwrap_or_default().to_owned();
            if name.eq_ignore_ascii_case("lambda-runtime-aws-request-id") {
                work.id.request = text();
            } else if name.eq_ignore_ascii_case(INVOCATION_ID) {
                work.id.invocation = Some(text());
            } else if name.eq_ignore_ascii_case("lambda-runtime-trace-id") {
                work.trace = text();
            }
        });
        let answer = answer.await?;
        if answer.status != 200 || work.id.request.is_empty() {
            return Err(io::Error::other(format!("no work, but status {}", answer.status)));
        }
        work.event = String::from_utf8(answer.body).map_err(io::Error::other)?;
        Ok(work)
    }

    /// Says how an invocation ended. What Lambda does not take of it, Lambda reports.
    pub(crate) async fn end(
        &mut self,
        id: &WorkId,
        answer: &Result<Vec<u8>, Diagnostic>,
    ) -> io::Result<()> {
        let mut headers = Vec::with_capacity(2);
        headers.extend(id.invocation.as_deref().map(|id| (INVOCATION_ID, id)));
        let error;
        let (place, body) = match answer {
            Ok(body) => ("/response", body),
            Err(diagnostic) => {
                headers.push(("lambda-runtime-function-error-type", "Unhandled"));
                error = serde_json::to_vec(diagnostic)?;
                ("/error", &error)
            }
        };
        let path = &[&id.request, place];
        let request = Request { method: "POST", path, headers: &headers, body };
        self.exchange(&request, |_, _, _| {}).await.map(|_| ())
    }

    async fn exchange(
        &mut self,
        request: &Request<'_>,
        header: impl FnMut(u16, &str, &[u8]),
    ) -> io::Result<Answer> {
        if !self.wire.is_reusable() {
            self.wire = open(&self.host, self.alone).await?;
        }
        let host = &self.host;
        self.wire.exchange(|output| request.write(host, output), header).await
    }
}

struct Request<'a> {
    method: &'static str,
    /// Below the invocations, in pieces.
    path: &'a [&'a str],
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
}

impl Request<'_> {
    fn write(&self, host: &str, output: &mut Vec<u8>) {
        let Self { method, path, headers, body } = self;
        let mut add = |text: &str| output.extend_from_slice(text.as_bytes());
        add(method);
        add(" /2018-06-01/runtime/invocation/");
        path.iter().for_each(|part| add(part));
        add(" HTTP/1.1\r\nhost: ");
        add(host);
        add("\r\nuser-agent: countersign\r\ncontent-type: application/json\r\n");
        for (name, value) in *headers {
            [name, ": ", value, "\r\n"].into_iter().for_each(&mut add);
        }
        add("content-length: ");
        add(&body.len().to_string());
        add("\r\n\r\n");
        output.extend_from_slice(body);
    }
}

async fn open(host: &str, alone: bool) -> io::Result<Wire<Socket>> {
    // It is in the same sandbox, and there before a function is.
    let socket = if alone {
        let stream = BlockingStream::connect(host)?;
        stream.set_nodelay(true)?;
        Socket::Alone(stream)
    } else {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Socket::Shared(stream)
    };
    Ok(Wire::new(socket))
}

const INVOCATION_ID: &str = "lambda-runtime-invocation-id";
