use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hyper::{Request, Response, StatusCode, body::Bytes};
use serde_json::Value;

use super::error::KmsError;
use crate::{http, wire::Damage};

/// What goes wrong with every request that comes over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
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

/// What goes wrong now.
#[derive(Debug, Default)]
pub(super) struct Weather(Mutex<Option<Spell>>);

#[derive(Debug)]
struct Spell {
    disturbance: Disturbance,
    since: Instant,
    /// How many requests may still come, and when that was true.
    allowance: (f64, Instant),
}

impl Weather {
    pub(super) fn set(&self, disturbance: Option<Disturbance>) {
        let since = Instant::now();
        let spell = disturbance.map(|disturbance| {
            let most = if let Disturbance::Throttle(rate) = disturbance { rate } else { 0 };
            Spell { disturbance, since, allowance: (f64::from(most), since) }
        });
        *self.spell() = spell;
    }

    /// What becomes of what goes over a connection of this age.
    pub(super) fn damage(&self, opened: Instant) -> Option<Damage> {
        let spell = self.spell();
        let spell = spell.as_ref()?;
        match spell.disturbance {
            Disturbance::Truncated => Some(Damage::Truncated),
            Disturbance::Trickle => Some(Damage::Trickle),
            Disturbance::ResetUnread => Some(Damage::ResetUnread),
            Disturbance::ResetUnanswered => Some(Damage::ResetUnanswered),
            Disturbance::Stale if opened < spell.since => Some(Damage::ResetUnread),
            Disturbance::Lost if opened < spell.since => Some(Damage::Deaf),
            _ => None,
        }
    }

    /// The answer, if the request does not reach KMS.
    pub(super) async fn answer(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        let disturbance = self.spell().as_mut().and_then(|spell| spell.falls(Instant::now()))?;
        match disturbance {
            Disturbance::Error(code) => Some(KmsError::new(code, "as it was told to").response()),
            Disturbance::ErrorFor(key, code) if names(request, key) => {
                Some(KmsError::new(code, "as it was told to").response())
            }
            Disturbance::Response(status, body) => {
                let json = [("content-type", "application/x-amz-json-1.1")];
                Some(http::respond(StatusCode::from_u16(status).ok()?, &json, body))
            }
            Disturbance::Throttle(_) => {
                Some(KmsError::new("ThrottlingException", "Rate exceeded").response())
            }
            Disturbance::Page => {
                let html = [("content-type", "text/html")];
                let page = "<html><body>503 Service Unavailable</body></html>";
                Some(http::respond(StatusCode::SERVICE_UNAVAILABLE, &html, page))
            }
            Disturbance::Region(region) if signed_for(request) != Some(region) => {
                let message = "Credential should be scoped to a valid region.";
                Some(KmsError::new("InvalidSignatureException", message).response())
            }
            Disturbance::Late(time) => {
                tokio::time::sleep(time).await;
                None
            }
            Disturbance::Silence => std::future::pending().await,
            _ => None,
        }
    }

    fn spell(&self) -> MutexGuard<'_, Option<Spell>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spell {
    /// What befalls a request that comes now. A quota is a bucket that holds a second's requests.
    fn falls(&mut self, now: Instant) -> Option<Disturbance> {
        let Disturbance::Throttle(rate) = self.disturbance else { return Some(self.disturbance) };
        let (left, at) = self.allowance;
        let rate = f64::from(rate);
        let left = now.duration_since(at).as_secs_f64().mul_add(rate, left).min(rate);
        let passes = left >= 1.0;
        self.allowance = (if passes { left - 1.0 } else { left }, now);
        (!passes).then_some(self.disturbance)
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
        let weather = Weather::default();
        weather.set(Some(Disturbance::Throttle(50)));
        let mut spell = weather.spell();
        let spell = spell.as_mut().unwrap();
        let start = spell.since;
        let mut passed = |after: u64, requests: u32| {
            let now = start + Duration::from_millis(after);
            (0..requests).filter(|_| spell.falls(now).is_none()).count()
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
