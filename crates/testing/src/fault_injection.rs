//! Faults of a local KMS and of the network in front of it.

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

/// A fault that affects every request over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InjectedFault {
    /// The response is an error with this code, for example `ThrottlingException`.
    Error(&'static str),
    /// The response to requests for this key or alias (the first member, as in `KeyId`) is an error with this code
    /// (the second member). Other requests are performed.
    ErrorFor(&'static str, &'static str),
    /// Every response has this status and body.
    Response(u16, &'static str),
    /// A proxy responds with 503 and an HTML page.
    Page,
    /// Requests are performed after this delay.
    Late(Duration),
    /// Requests are read and never answered.
    Silence,
    /// The connection closes after half of the response.
    Truncated,
    /// The response arrives at one byte per second.
    Trickle,
    /// The connection is reset before the request is read.
    ResetUnread,
    /// The request is performed, and the connection is reset instead of a response.
    ResetUnanswered,
    /// Connections opened before the injection are reset by the next request, like connections that the server has
    /// closed. New connections work.
    Stale,
    /// Requests over connections opened before the injection are never read, like connections that a NAT gateway
    /// has dropped. New connections work.
    Lost,
    /// KMS is in this Region and rejects requests that are signed for another one.
    Region(&'static str),
    /// Requests over this rate per second are throttled.
    Throttle(u32),
}

/// Injects faults into a local KMS. Each call replaces what the one before it has set.
pub trait InjectFaults {
    /// Injects a fault into every request over the network; `None` removes it.
    fn inject(&self, fault: impl Into<Option<InjectedFault>>);

    /// Responds to this many requests, then performs one more and withholds its response. The receiver is notified
    /// when that request has been performed.
    fn block_after(&self, requests: u64) -> oneshot::Receiver<()>;
}

impl InjectFaults for Kms {
    fn inject(&self, fault: impl Into<Option<InjectedFault>>) {
        let injector = fault.into().map(|fault| FaultInjector::new(fault, Instant::now()));
        self.set_interceptor(injector.map(|injector| Arc::new(injector) as Arc<dyn Interceptor>));
    }

    fn block_after(&self, requests: u64) -> oneshot::Receiver<()> {
        let (blocked, receiver) = oneshot::channel();
        self.set_interceptor(Some(Arc::new(ResponseBlocker(Mutex::new(Some((
            requests, blocked,
        )))))));
        receiver
    }
}

/// Withholds the response of one request. Holds how many requests come before it, and the sender to notify.
#[derive(Debug)]
struct ResponseBlocker(Mutex<Option<(u64, oneshot::Sender<()>)>>);

impl Interceptor for ResponseBlocker {
    fn withholds_response(&self) -> bool {
        let mut block = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match block.take() {
            Some((0, blocked)) => {
                // An error means that the receiver was dropped.
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

/// The fault and the state of the quota.
#[derive(Debug)]
struct ActiveFault {
    fault: InjectedFault,
    since: Instant,
    /// How many requests the quota allows, and the time at which this was computed.
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
        let fault = self.active().for_request(Instant::now())?;
        match fault {
            InjectedFault::Error(code) => Some(error_response(code, "injected")),
            InjectedFault::ErrorFor(key, code) if is_for_key(request, key) => {
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
            InjectedFault::Region(region) if signed_region(request) != Some(region) => {
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
            InjectedFault::Lost if opened < active.since => Some(ConnectionFault::Unresponsive),
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
    /// The fault that applies to a request now. The quota is a token bucket with the capacity of one second.
    fn for_request(&mut self, now: Instant) -> Option<InjectedFault> {
        let InjectedFault::Throttle(rate) = self.fault else { return Some(self.fault) };
        let (remaining, computed_at) = self.allowance;
        let rate = f64::from(rate);
        let elapsed = now.duration_since(computed_at).as_secs_f64();
        let remaining = elapsed.mul_add(rate, remaining).min(rate);
        let is_allowed = remaining >= 1.0;
        self.allowance = (if is_allowed { remaining - 1.0 } else { remaining }, now);
        (!is_allowed).then_some(self.fault)
    }
}

/// Whether the `KeyId` of a request is this key or alias.
fn is_for_key(request: &Request<Bytes>, key: &str) -> bool {
    let input = serde_json::from_slice::<Value>(request.body()).unwrap_or_default();
    input.get("KeyId").and_then(Value::as_str) == Some(key)
}

/// The Region in the credential scope of a SigV4 signature.
fn signed_region(request: &Request<Bytes>) -> Option<&str> {
    let header = request.headers().get("authorization")?.to_str().ok()?;
    header.split_once("Credential=")?.1.split('/').nth(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_is_replenished_over_time() {
        let start = Instant::now();
        let injector = FaultInjector::new(InjectedFault::Throttle(50), start);
        let mut active = injector.active();
        let mut passed = |after: u64, requests: u32| {
            let now = start + Duration::from_millis(after);
            (0..requests).filter(|_| active.for_request(now).is_none()).count()
        };
        let rows = [(0, 60, 50), (0, 1, 0), (20, 2, 1), (40, 1, 1), (1040, 60, 50), (9000, 60, 50)];
        for (after, requests, expected) in rows {
            assert_eq!(passed(after, requests), expected, "{after} ms");
        }
    }

    #[test]
    fn the_region_of_a_signature_is_read() {
        let scope = "AWS4-HMAC-SHA256 Credential=key/20261125/eu-west-1/kms/aws4_request, x";
        for (header, expected) in [(scope, Some("eu-west-1")), ("Bearer x", None)] {
            let request = Request::post("/").header("authorization", header).body(Bytes::new());
            assert_eq!(signed_region(&request.unwrap()), expected, "{header}");
        }
    }
}
