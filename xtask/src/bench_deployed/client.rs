//! Sends the requests, and measures the responses.

use std::{
    collections::BTreeMap,
    error, fmt, io, iter,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Uri,
    body::Bytes,
    header::{AUTHORIZATION, HeaderValue},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{runtime, task::JoinSet, time::timeout};

use super::{distribution::Distribution, tokens::Token};
use crate::error::Error;

/// The requests to send.
pub(super) struct Load<'a> {
    pub(super) url: &'a str,
    /// The requests use them in turn.
    pub(super) tokens: &'a [Token],
    pub(super) requests: u32,
    pub(super) concurrency: u32,
}

/// The latency of the responses in milliseconds, by status, or by the reason why there was no response.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Responses(BTreeMap<Result<u16, String>, Vec<f64>>);

impl Responses {
    /// The number of requests about which the authorizer decided with a valid token: 200 and 403.
    pub(super) fn decided(&self) -> usize {
        [200, 403].iter().filter_map(|status| self.0.get(&Ok(*status))).map(Vec::len).sum()
    }

    /// The latency of each status.
    pub(super) fn by_status(&self) -> impl Iterator<Item = (String, Distribution)> {
        self.0.iter().map(|(status, latency)| {
            let text = match status {
                Ok(status) => status.to_string(),
                Err(reason) => format!("no response ({reason})"),
            };
            (text, latency.iter().copied().collect())
        })
    }
}

impl fmt::Display for Responses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.by_status();
        let counts = counts.map(|(status, latency)| format!("{} × {status}", latency.count()));
        f.write_str(&counts.collect::<Vec<_>>().join(", "))
    }
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// Sends the requests. Connections are kept open, as clients do.
pub(super) fn send(load: &Load<'_>) -> Result<Responses, Error> {
    let url: Uri =
        load.url.parse().map_err(|error| Error::Check(format!("{}: {error}", load.url)))?;
    let with_url = |error: io::Error| Error::Check(format!("{}: {error}", load.url));
    let tls = HttpsConnectorBuilder::new().with_native_roots().map_err(with_url)?;
    let connector = tls.https_or_http().enable_http1().build();
    let client: HttpClient = Client::builder(TokioExecutor::new()).build(connector);
    let tokens = load.tokens.iter().map(|token| token.authorization.clone());
    let tokens = tokens.cycle().take(load.requests as usize).collect::<Vec<_>>();
    let waiting = Arc::new(Mutex::new(tokens.into_iter()));
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(with_url)?.block_on(async {
        let mut workers = JoinSet::new();
        for _ in 0..load.concurrency {
            workers.spawn(send_waiting(client.clone(), url.clone(), Arc::clone(&waiting)));
        }
        let mut responses = Responses::default();
        for (status, latency) in workers.join_all().await.into_iter().flatten() {
            responses.0.entry(status).or_default().push(latency);
        }
        Ok(responses)
    })
}

/// Sends requests one after the other until there is no more token. Returns the status and the latency of each.
async fn send_waiting(
    client: HttpClient,
    url: Uri,
    tokens: Arc<Mutex<impl Iterator<Item = HeaderValue>>>,
) -> Vec<(Result<u16, String>, f64)> {
    let next = || tokens.lock().unwrap_or_else(PoisonError::into_inner).next();
    let mut responses = Vec::new();
    while let Some(token) = next() {
        let start = Instant::now();
        let response = timeout(RESPONSE_TIMEOUT, status(&client, &url, token)).await;
        let status = match response {
            Ok(status) => status.map_err(|error| with_sources(&*error)),
            Err(elapsed) => Err(elapsed.to_string()),
        };
        responses.push((status, start.elapsed().as_secs_f64() * 1000.0));
    }
    responses
}

/// The status of the response, when all of it has arrived.
async fn status(
    client: &HttpClient,
    url: &Uri,
    token: HeaderValue,
) -> Result<u16, Box<dyn error::Error + Send + Sync>> {
    let request = Request::get(url.clone()).header(AUTHORIZATION, token).body(Empty::new())?;
    let response = client.request(request).await?;
    let status = response.status().as_u16();
    response.into_body().collect().await?;
    Ok(status)
}

/// The text of an error and of the errors that caused it.
fn with_sources(error: &dyn error::Error) -> String {
    let errors = iter::successors(Some(error), |error| error.source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// API Gateway waits 29 seconds for a backend.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
pub(super) mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    pub(in super::super) fn responses(
        rows: impl IntoIterator<Item = (Result<u16, String>, Vec<f64>)>,
    ) -> Responses {
        Responses(rows.into_iter().collect())
    }

    fn tokens(names: &[&str]) -> Vec<Token> {
        let token = |name: &&str| Token {
            authorization: HeaderValue::from_str(&format!("Bearer {name}")).unwrap(),
            jti: (*name).to_owned(),
        };
        names.iter().map(token).collect()
    }

    #[test]
    fn requests_use_the_tokens_in_turn_on_one_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/whoami", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut stream = stream;
            ["200 OK", "403 Forbidden", "200 OK", "401 Unauthorized", "200 OK"].map(|status| {
                let head: Vec<String> = reader
                    .by_ref()
                    .map(Result::unwrap)
                    .take_while(|line| !line.is_empty())
                    .collect();
                write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}").unwrap();
                assert_eq!(head[0], "GET /v1/whoami HTTP/1.1");
                head.into_iter().find(|line| line.starts_with("authorization")).unwrap()
            })
        });
        let tokens = tokens(&["a", "b"]);
        let load = Load { url: &url, tokens: &tokens, requests: 5, concurrency: 1 };
        let responses = send(&load).unwrap();
        assert_eq!(responses.to_string(), "3 × 200, 1 × 401, 1 × 403");
        assert_eq!(responses.decided(), 4);
        let sent = ["a", "b", "a", "b", "a"].map(|name| format!("authorization: Bearer {name}"));
        assert_eq!(server.join().unwrap(), sent);
    }

    #[test]
    fn requests_without_a_response_are_counted() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let tokens = tokens(&["a"]);
        let url = format!("http://{closed}/");
        let load = Load { url: &url, tokens: &tokens, requests: 3, concurrency: 2 };
        let responses = send(&load).unwrap();
        let text = responses.to_string();
        assert!(text.starts_with("3 × no response ("), "{text}");
        assert!(text.contains("Connection refused"), "{text}");
        assert_eq!(responses.decided(), 0);
    }

    #[test]
    fn invalid_url_is_named() {
        let load = Load { url: "not a url", tokens: &[], requests: 1, concurrency: 1 };
        assert_eq!(send(&load).unwrap_err().to_string(), "not a url: invalid uri character");
    }
}
