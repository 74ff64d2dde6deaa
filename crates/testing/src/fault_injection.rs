//! Faults of KMS and of the network before it, as tests need them.

use std::{
    future::pending,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use local::{
    Bytes, Request, Response, StatusCode,
    http::{self, ConnectionFault},
    kms::{Interceptor, Kms, error_response},
};
use serde_json::Value;
use tokio::sync::oneshot;

/// What goes wrong with every request that comes over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InjectedFault {
    /// KMS answers with this error: `ThrottlingException`.
    Error(&'static str),
    /// Requests for this key or alias get this error; all others are performed.
    ErrorFor(&'static str, &'static str),
    /// Every response has this status and this body.
    Response(u16, &'static str),
    /// Something in between answers with 503 and a page of HTML.
    Page,
    /// The answer comes this much later.
    Late(Duration),
    /// Requests are taken, and nothing is ever heard of them.
    Silence,
    /// The connection ends in the middle of the answer.
    Truncated,
    /// The answer comes at one byte a second.
    Trickle,
    /// The connection is reset before the request is read.
    ResetUnread,
    /// The request is performed, and the connection reset instead of an answer.
    ResetUnanswered,
    /// A connection that was there before is reset when a request comes over it: the other side had
    /// forgotten it. New ones work.
    Stale,
    /// Over a connection that was there before nothing is ever heard: something in between has
    /// forgotten it. New ones work.
    Lost,
    /// This is another Region's KMS, and takes no request that is signed for ours.
    Region(&'static str),
    /// More requests a second than this are throttled.
    Throttle(u32),
}

/// Makes a local KMS fail.
pub trait InjectFaults {
    /// From now on, every request over the network meets this fault; `None` ends it.
    fn inject(&self, fault: impl Into<Option<InjectedFault>>);

    /// Answers so many more requests, performs the next one and never answers it. The receiver is told when it
    /// has been performed.
    fn block_after(&self, requests: u64) -> oneshot::Receiver<()>;
}

impl InjectFaults for Kms {
    fn inject(&self, fault: impl Into<Option<InjectedFault>>) {
        let injector = fault.into().map(|fault| FaultInjector::new(fault, Instant::now()));
        self.set_interceptor(injector.map(|injector| Arc::new(injector) as Arc<dyn Interceptor>));
    }

    fn block_after(&self, requests: u64) -> oneshot::Receiver<()> {
        let (blocked, receiver) = oneshot::channel();
        self.set_interceptor(Some(Arc::new(Block(Mutex::new(Some((requests, blocked)))))));
        receiver
    }
}

/// Blocks one request: after how many others, and the sender that is told.
#[derive(Debug)]
struct Block(Mutex<Option<(u64, oneshot::Sender<()>)>>);

impl Interceptor for Block {
    fn withholds_response(&self) -> bool {
        let mut block = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match block.take() {
            Some((0, blocked)) => {
                // The receiver may be gone.
                let _ = blocked.send(());
                true
            }
            Some((requests, blocked)) => {
                *block = Some((requests - 1, blocked));
                false
            }
            None => false,
        }
    }
}

/// Injects one fault.
#[derive(Debug)]
struct FaultInjector(Mutex<ActiveFault>);

#[derive(Debug)]
struct ActiveFault {
    fault: InjectedFault,
    since: Instant,
    /// How many requests may still come, and when that was true.
    allowance: (f64, Instant),
}

impl FaultInjector {
    fn new(fault: InjectedFault, since: Instant) -> Self {
        let requests = if let InjectedFault::Throttle(rate) = fault { rate } else { 0 };
        Self(Mutex::new(ActiveFault { fault, since, allowance: (f64::from(requests), since) }))
    }

    fn active(&self) -> MutexGuard<'_, ActiveFault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn response(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        let fault = self.active().applies(Instant::now())?;
        match fault {
            InjectedFault::Error(code) => Some(error_response(code, "injected")),
            InjectedFault::ErrorFor(key, code) if names(request, key) => {
                Some(error_response(code, "injected"))
            }
            InjectedFault::Response(status, body) => {
                let json = [("content-type", "application/x-amz-json-1.1")];
                Some(http::respond(StatusCode::from_u16(status).ok()?, &json, body))
            }
            InjectedFault::Throttle(_) => {
                Some(error_response("ThrottlingException", "Rate exceeded"))
            }
            InjectedFault::Page => {
                let html = [("content-type", "text/html")];
                let page = "<html><body>503 Service Unavailable</body></html>";
                Some(http::respond(StatusCode::SERVICE_UNAVAILABLE, &html, page))
            }
            InjectedFault::Region(region) if signed_for(request) != Some(region) => {
                let message = "Credential should be scoped to a valid region.";
                Some(error_response("InvalidSignatureException", message))
            }
            InjectedFault::Late(time) => {
                tokio::time::sleep(time).await;
                None
            }
            InjectedFault::Silence => pending().await,
            _ => None,
        }
    }
}

impl Interceptor for FaultInjector {
    fn connection_fault(&self, opened: Instant) -> Option<ConnectionFault> {
        let active = self.active();
        match active.fault {
            InjectedFault::Truncated => Some(ConnectionFault::Truncated),
            InjectedFault::Trickle => Some(ConnectionFault::Trickle),
            InjectedFault::ResetUnread => Some(ConnectionFault::ResetUnread),
            InjectedFault::ResetUnanswered => Some(ConnectionFault::ResetUnanswered),
            InjectedFault::Stale if opened < active.since => Some(ConnectionFault::ResetUnread),
            InjectedFault::Lost if opened < active.since => Some(ConnectionFault::Deaf),
            _ => None,
        }
    }

    fn intercept<'a>(
        &'a self,
        request: &'a Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Option<Response<Bytes>>> + Send + 'a>> {
        Box::pin(self.response(request))
    }
}

impl ActiveFault {
    /// The fault that a request meets now. A quota is a bucket that holds a second's requests.
    fn applies(&mut self, now: Instant) -> Option<InjectedFault> {
        let InjectedFault::Throttle(rate) = self.fault else { return Some(self.fault) };
        let (left, at) = self.allowance;
        let rate = f64::from(rate);
        let left = now.duration_since(at).as_secs_f64().mul_add(rate, left).min(rate);
        let passes = left >= 1.0;
        self.allowance = (if passes { left - 1.0 } else { left }, now);
        (!passes).then_some(self.fault)
    }
}

/// Whether the request is about this key or alias.
fn names(request: &Request<Bytes>, key: &str) -> bool {
    let input = serde_json::from_slice::<Value>(request.body()).unwrap_or_default();
    input.get("KeyId").and_then(Value::as_str) == Some(key)
}

/// The Region in the scope of a request's signature.
fn signed_for(request: &Request<Bytes>) -> Option<&str> {
    let header = request.headers().get("authorization")?.to_str().ok()?;
    header.split_once("Credential=")?.1.split('/').nth(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_used_up_and_comes_back() {
        let start = Instant::now();
        let injector = FaultInjector::new(InjectedFault::Throttle(50), start);
        let mut active = injector.active();
        let mut passed = |after: u64, requests: u32| {
            let now = start + Duration::from_millis(after);
            (0..requests).filter(|_| active.applies(now).is_none()).count()
        };
        let rows = [(0, 60, 50), (0, 1, 0), (20, 2, 1), (40, 1, 1), (1040, 60, 50), (9000, 60, 50)];
        for (after, requests, expected) in rows {
            assert_eq!(passed(after, requests), expected, "{after} ms");
        }
    }

    #[test]
    fn the_region_of_a_signature() {
        let scope = "AWS4-HMAC-SHA256 Credential=key/20261125/eu-west-1/kms/aws4_request, x";
        for (header, expected) in [(scope, Some("eu-west-1")), ("Bearer x", None)] {
            let request = Request::post("/").header("authorization", header).body(Bytes::new());
            assert_eq!(signed_for(&request.unwrap()), expected);
        }
    }
}
