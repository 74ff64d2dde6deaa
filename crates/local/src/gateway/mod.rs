//! API Gateway's REST API: routes, the caller's right to them, and who answers.

mod api;
mod authorize;
mod event;
mod mapping;
mod refusal;
mod sigv4;

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{Request, Response, StatusCode, body::Bytes};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::broadcast};
use uuid::Uuid;

pub(crate) use self::event::API;
use self::{
    api::{Api, Guard, Route, Target},
    authorize::{Cache, Outcome, Source, authorize},
    event::Call,
    refusal::{Refusal, denial},
    sigv4::Caller,
};
use crate::{
    http::{self, Server},
    lambda::{Function, Journal},
    template::TemplateError,
};

/// A stage of the API, served on this machine. Unlike at AWS, the stage is not in the path.
#[derive(Debug)]
pub struct Gateway {
    server: Server,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    region: String,
    api: Api,
    functions: BTreeMap<String, Arc<Function>>,
    cache: Cache,
    journal: Journal,
    exchanges: broadcast::Sender<Exchange>,
}

/// A request that was answered, as it is told on the terminal.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The request's id, which the answer has as `x-amzn-requestid`.
    pub id: Uuid,
    /// The request's method.
    pub method: String,
    /// The request's path, without its query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// What decided it.
    pub why: String,
    /// From the request's last byte to the answer's first.
    pub took: Duration,
}

impl Gateway {
    /// Serves the API of these properties until it is dropped.
    ///
    /// # Errors
    /// When the properties describe what this machine cannot do, or the listener has no address.
    pub fn start(
        listener: TcpListener,
        region: &str,
        properties: &Value,
        functions: BTreeMap<String, Arc<Function>>,
        journal: Journal,
    ) -> Result<Self, GatewayError> {
        let state = Arc::new(State {
            region: region.to_owned(),
            api: Api::read(properties)?,
            functions,
            cache: Cache::default(),
            journal,
            exchanges: broadcast::Sender::new(256),
        });
        let shared = Arc::clone(&state);
        let server = Server::start(listener, MAX_BODY_BYTES, move |request| {
            let state = Arc::clone(&shared);
            // In a task of its own: what was asked for is done even if the client does not wait.
            let exchange = tokio::spawn(state.exchange(request));
            async move {
                let failed =
                    |_| http::json(StatusCode::INTERNAL_SERVER_ERROR, r#"{"message":null}"#);
                exchange.await.unwrap_or_else(failed)
            }
        })?;
        Ok(Self { server, state })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Every request from now on, when it is over. Who is too slow misses some.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Exchange> {
        self.state.exchanges.subscribe()
    }

    /// Its routes, for people: `POST /token (AWS_IAM)`.
    pub fn routes(&self) -> impl Iterator<Item = String> {
        self.state.api.routes.iter().map(|route| {
            let guard = match &route.guard {
                Guard::Open => "open",
                Guard::Iam => "AWS_IAM",
                Guard::Lambda(authorizer) => &authorizer.function,
            };
            format!("{} {} ({guard})", route.method, route.resource)
        })
    }
}

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The template is at fault.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The listener is at fault.
    #[error("the gateway cannot listen")]
    Listen(#[from] io::Error),
}

/// An answer, and what decided it.
struct Answer {
    response: Response<Bytes>,
    why: Why,
}

enum Why {
    Said(String),
    /// The log of this invocation knows; if it says nothing, this is known without it.
    Logged(Uuid, String),
}

impl State {
    async fn exchange(self: Arc<Self>, request: Request<Bytes>) -> Response<Bytes> {
        let start = Instant::now();
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let id = Uuid::new_v4();
        let Answer { mut response, why } = self.answer(id, request).await;
        if let Ok(id) = id.to_string().parse() {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        let (took, status) = (start.elapsed(), response.status().as_u16());
        // The reason may still be on its way; the client does not wait for it.
        tokio::spawn(async move {
            let why = match why {
                Why::Said(why) => why,
                Why::Logged(id, otherwise) => {
                    self.journal.reason(&id.to_string()).await.unwrap_or(otherwise)
                }
            };
            let _ = self.exchanges.send(Exchange { id, method, path, status, why, took });
        });
        response
    }

    async fn answer(&self, id: Uuid, request: Request<Bytes>) -> Answer {
        let (head, body) = request.into_parts();
        let line = head.method.as_str().len() + head.uri.to_string().len();
        let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        if line + headers.sum::<usize>() > MAX_HEAD_BYTES {
            let body = r#"{"message":"Request Header Fields Too Large"}"#;
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return said(http::json(status, body), "headers over 10240 bytes");
        }
        let Some(route) = self.api.route(head.method.as_str(), head.uri.path()) else {
            return self.refuse(Refusal::MissingAuthenticationToken, "no such route");
        };
        let call = Call {
            id,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            method: head.method,
            headers: head.headers,
            body,
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            region: self.region.clone(),
            stage: self.api.stage.clone(),
            resource: route.resource.clone(),
        };
        match &route.guard {
            Guard::Open => self.backend(route, &call, None, &Value::Null, None).await,
            Guard::Iam => {
                if let Some(caller) = Caller::read(&call.headers) {
                    self.backend(route, &call, Some(&caller), &Value::Null, None).await
                } else {
                    let why = "no well-formed SigV4 signature";
                    self.refuse(Refusal::MissingAuthenticationToken, why)
                }
            }
            Guard::Lambda(authorizer) => {
                let Some(function) = self.functions.get(&authorizer.function) else {
                    let why = "no such authorizer";
                    return self.refuse(Refusal::AuthorizerConfigurationError, why);
                };
                let (outcome, source) = authorize(authorizer, function, &self.cache, &call).await;
                self.authorized(route, &call, outcome, source).await
            }
        }
    }

    async fn authorized(
        &self,
        route: &Route,
        call: &Call,
        outcome: Outcome,
        source: Source,
    ) -> Answer {
        let logged = |why: String| match source {
            Source::Function(id) => Why::Logged(id, why),
            Source::Cache => Why::Said(format!("{why} (kept policy)")),
            Source::Nobody => Why::Said(why),
        };
        match outcome {
            Outcome::Allowed(context) => {
                let why = logged("Allowed".into());
                self.backend(route, call, None, &context, Some(why)).await
            }
            Outcome::Unauthorized => {
                let refused = self.refuse(Refusal::Unauthorized, "");
                Answer { why: logged("no credentials".into()), ..refused }
            }
            Outcome::Denied(verdict) => {
                self.refuse(Refusal::AccessDenied(verdict), denial(verdict))
            }
            Outcome::Failed(error) => {
                let refused = self.refuse(Refusal::AuthorizerFailure, "");
                Answer { why: logged(error.to_string()), ..refused }
            }
            Outcome::Misconfigured => {
                let why = "the authorizer's answer is malformed";
                self.refuse(Refusal::AuthorizerConfigurationError, why)
            }
        }
    }

    async fn backend(
        &self,
        route: &Route,
        call: &Call,
        caller: Option<&Caller>,
        authorizer: &Value,
        why: Option<Why>,
    ) -> Answer {
        match &route.target {
            Target::Mock { status, headers, body } => {
                let body = body.render(&json!({"authorizer": authorizer}));
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::OK);
                let why = why.unwrap_or_else(|| Why::Said("open".into()));
                let mut all = vec![("content-type", "application/json")];
                all.extend(headers.iter().map(|(name, value)| (&**name, &**value)));
                Answer { response: http::respond(status, &all, body), why }
            }
            Target::Function(name) => {
                let failed = |why| self.refuse(Refusal::IntegrationFailure, why);
                let Some(function) = self.functions.get(name) else {
                    return failed("no such function");
                };
                let invocation = function.invoke(&call.proxy_event(caller, authorizer)).await;
                let id = invocation.id;
                match invocation.result.as_ref().map(proxy_response) {
                    Ok(Some(response)) => Answer { response, why: Why::Logged(id, String::new()) },
                    Ok(None) => failed("the function's answer is malformed"),
                    Err(error) => Answer { why: Why::Logged(id, error.to_string()), ..failed("") },
                }
            }
        }
    }

    /// An answer of API Gateway's own, as the template shapes it.
    fn refuse(&self, refusal: Refusal, why: &str) -> Answer {
        let shape = refusal.names().into_iter().find_map(|name| self.api.responses.get(name));
        let status = shape.and_then(|shape| shape.status).unwrap_or(refusal.status());
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = vec![("content-type", "application/json")];
        let own = shape.map(|shape| &*shape.headers).unwrap_or_default();
        headers.extend(own.iter().map(|(name, value)| (&**name, &**value)));
        said(http::respond(status, &headers, refusal.body()), why)
    }
}

fn said(response: Response<Bytes>, why: &str) -> Answer {
    Answer { response, why: Why::Said(why.to_owned()) }
}

/// A function's answer to a proxy event, if it is one.
fn proxy_response(answer: &Value) -> Option<Response<Bytes>> {
    let status = u16::try_from(answer.get("statusCode")?.as_u64()?).ok()?;
    let headers = answer.get("headers").and_then(Value::as_object).into_iter().flatten();
    let headers: Vec<_> =
        headers.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
    let body = answer.get("body").and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(http::respond(StatusCode::from_u16(status).ok()?, &headers, body))
}

/// API Gateway's limit for the request line and all headers together.
const MAX_HEAD_BYTES: usize = 10_240;
/// Lambda's limit for an event, which is lower than API Gateway's for a request.
const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;
