//! A minimal Lambda function: a socket and the standard library, without other dependencies.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
};

/// A persistent connection with one exchange at a time.
pub struct Connection<S> {
    host: String,
    stream: BufReader<S>,
    out: Vec<u8>,
}

/// A response.
#[derive(Default)]
pub struct Reply {
    /// The request id of the invocation, if the response is an event of Lambda.
    pub id: String,
    /// The body. It must have a `Content-Length`.
    pub body: Vec<u8>,
}

impl Connection<TcpStream> {
    /// Connects to `host:port`.
    pub fn open(host: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        Ok(Self::over(host, stream))
    }
}

impl<S: Read + Write> Connection<S> {
    /// Uses an open stream to `host:port`.
    pub fn over(host: &str, stream: S) -> Self {
        Self { host: host.to_owned(), stream: BufReader::new(stream), out: Vec::new() }
    }

    /// Sends a request and reads its response into `reply`.
    pub fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
        reply: &mut Reply,
    ) -> io::Result<()> {
        self.out.clear();
        write!(
            self.out,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: {}\r\n\r\n",
            self.host,
            body.len()
        )?;
        self.out.extend_from_slice(body);
        self.stream.get_mut().write_all(&self.out)?;
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == "\r\n" {
                break;
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(io::Error::other)?;
            } else if name.eq_ignore_ascii_case("lambda-runtime-aws-request-id") {
                reply.id.clear();
                reply.id.push_str(value.trim());
            }
        }
        reply.body.resize(length, 0);
        self.stream.read_exact(&mut reply.body)
    }
}

/// Handles events until the Runtime API closes the connection.
pub fn serve(mut handler: impl FnMut(&[u8]) -> io::Result<Vec<u8>>) -> io::Result<()> {
    let host = env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    let mut runtime = Connection::open(&host)?;
    let (mut event, mut receipt) = (Reply::default(), Reply::default());
    loop {
        let next = "/2018-06-01/runtime/invocation/next";
        runtime.exchange("GET", next, "", b"", &mut event)?;
        let body = handler(&event.body)?;
        let path = format!("/2018-06-01/runtime/invocation/{}/response", event.id);
        runtime.exchange("POST", &path, "", &body, &mut receipt)?;
    }
}

/// Calls KMS for every event. `KEY` is the key id, `OPERATION` is Sign or Verify.
pub fn serve_with_kms<S: Read + Write>(mut kms: Connection<S>) -> io::Result<()> {
    let setting = |name| env::var(name).map_err(io::Error::other);
    let (key, operation) = (setting("KEY")?, setting("OPERATION")?);
    let headers = format!(
        "Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: TrentService.{operation}\r\n"
    );
    let mut reply = Reply::default();
    serve(|event| {
        let (message, signature) = if operation == "Verify" {
            let (token, dot) = token(event)?;
            let signature = encode(&decode(&token[dot + 1..]));
            (&token.as_bytes()[..dot], format!(r#","Signature":"{signature}""#))
        } else {
            (event, String::new())
        };
        let body = format!(
            r#"{{"KeyId":"{key}","Message":"{}","MessageType":"RAW","SigningAlgorithm":"RSASSA_PKCS1_V1_5_SHA_256"{signature}}}"#,
            encode(message)
        );
        kms.exchange("POST", "/", &headers, body.as_bytes(), &mut reply)?;
        if !reply.body.windows(9).any(|part| part == b"Signature") {
            return Err(io::Error::other("KMS neither signed nor verified"));
        }
        Ok(b"{}".to_vec())
    })
}

/// The token in an event of an authorizer, and the index of its last dot.
pub fn token(event: &[u8]) -> io::Result<(&str, usize)> {
    let text = str::from_utf8(event).map_err(io::Error::other)?;
    let token = text.split_once("Bearer ").and_then(|(_, rest)| rest.split('"').next());
    let token = token.ok_or(io::ErrorKind::InvalidData)?;
    Ok((token, token.rfind('.').ok_or(io::ErrorKind::InvalidData)?))
}

/// Decodes base64url. The text must be valid.
#[must_use]
pub fn decode(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let chunk = |chars: &[u8]| {
        let bits = chars.iter().fold(0_u32, |bits, c| bits << 6 | u32::from(value(*c)));
        let bits = bits << (6 * (4 - chars.len()));
        bits.to_be_bytes()[1..chars.len()].to_vec()
    };
    text.as_bytes().chunks(4).flat_map(chunk).collect()
}

/// Encodes base64 with padding.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            text.push(if place > chunk.len() { '=' } else { ALPHABET[index as usize] as char });
        }
    }
    text
}
