//! Attacks on the token endpoint, behind API Gateway, with the real functions. Each row is a test, which starts its own
//! stack and counts the requests to the provider and the KMS calls. `docs/src/token-endpoint-attacks.md` has the
//! rows as tables.

mod clients;
mod documentation;
mod floods;
mod key_fetching;
mod keys;
mod provider;
mod purposes;
mod recipients;
mod requests;
mod revocations;
mod scene;
mod signatures;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use local::{Bytes, Request, Response, lambda::LogLine};
use serde_json::Value;
use tokio::{
    sync::broadcast::Receiver,
    time::{Instant, timeout_at},
};

pub(crate) use self::provider::Provider;
use self::scene::{Scene, UNPROVEN, body};

/// An attack, and its expected outcome.
#[derive(Debug, Clone, Copy)]
struct Row {
    attack: &'static str,
    status: u16,
    /// `error` of the response, or empty.
    error: &'static str,
    /// The code in the log line: why an assertion is refused, or the cause of a fault. Empty: the line has no code.
    code: &'static str,
    /// The requests to the provider.
    requests: usize,
    kms_calls: u64,
}

/// Rows, each with the test that sends its request. The name of a test is followed by the variable for the scene.
macro_rules! attacks {
    ($(
        $name:ident($scene:ident): $attack:literal
            => ($status:literal, $error:literal, $code:literal, $requests:literal, $kms_calls:literal) $send:block
    )+) => {
        pub(super) const ROWS: &[$crate::attacks::Row] = &[$($crate::attacks::Row {
            attack: $attack, status: $status, error: $error, code: $code, requests: $requests, kms_calls: $kms_calls,
        }),+];

        $(
            #[tokio::test]
            async fn $name() {
                let row = ROWS.iter().find(|row| row.attack == $attack).unwrap();
                let mut scene = $crate::attacks::scene::Scene::start(stringify!($name)).await;
                let request = {
                    let $scene = &mut scene;
                    $send
                };
                row.check(&scene, vec![request]).await;
            }
        )+
    };
}
use attacks;

impl Row {
    /// Sends the requests one after the other, and compares the outcome of each. The numbers are those of all
    /// requests together.
    async fn check(&self, scene: &Scene, requests: Vec<Request<Bytes>>) {
        let signatures = || (scene.signatures.for_clients(), scene.signatures.for_others());
        let (provider, kms) = (scene.provider.requests(), scene.stack.kms.calls());
        let (before, granted) =
            (signatures(), requests.len() as u64 * u64::from(self.status == 200));
        for request in requests {
            let mut log = scene.stack.logs.follow();
            let function = function_of(&request);
            let response = scene.send(request).await;
            self.check_response(&response);
            self.check_line(&log_line(&mut log, function).await);
        }
        for line in scene.stack.logs.recent() {
            assert!(!line.text.contains(UNPROVEN), "{}", line.text);
        }
        let found = (scene.provider.requests() - provider, scene.stack.kms.calls() - kms);
        assert_eq!(found, (self.requests, self.kms_calls), "{}", self.attack);
        assert_eq!(signatures(), (before.0 + granted, before.1), "{}", self.attack);
    }

    fn check_line(&self, line: &Value) {
        let names = ["assertionReason", "Cause", "Reason"];
        let code = names.into_iter().find_map(|name| line[name].as_str());
        assert_eq!(code.unwrap_or_default(), self.code, "{line}");
        let outcomes: &[_] = match self.status {
            200 => &["Issued"],
            503 => &["Fault"],
            _ => &["Refused", "Rejected"],
        };
        assert!(outcomes.contains(&line["outcome"].as_str().unwrap()), "{line}");
        if line["outcome"] == "Refused" && line["Error"].is_string() {
            assert_eq!(
                (&line["Error"], &line["Refused"]),
                (&self.error.into(), &1.into()),
                "{line}"
            );
        }
        // Only the policy refuses an assertion that is proved.
        if self.status != 200 && self.error != "unauthorized_client" {
            assert!(line["assertion"].is_null() && line["client"].is_null(), "{line}");
        }
    }

    fn check_response(&self, response: &Response<Bytes>) {
        let body = body(response);
        let found = (response.status().as_u16(), body["error"].as_str().unwrap_or_default());
        assert_eq!(found, (self.status, self.error), "{}: {body}", self.attack);
        assert!(!body.to_string().contains(UNPROVEN), "{body}");
        if let Some(token) = body["access_token"].as_str() {
            let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
            let claims = String::from_utf8(claims).unwrap();
            assert!(!claims.contains(UNPROVEN), "{claims}");
        }
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("location"), None);
        if self.status != 401 {
            assert_eq!(header("cache-control"), Some("no-store"));
        }
        assert_eq!(header("retry-after"), (self.status == 503).then_some("5"));
    }
}

fn function_of(request: &Request<Bytes>) -> &'static str {
    match request.uri().path() {
        "/oauth2/token" => "OAuthIssuer",
        "/token" => "Issuer",
        _ => "Authorizer",
    }
}

/// The line of the next invocation of a function.
async fn log_line(log: &mut Receiver<LogLine>, function: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let line = timeout_at(deadline, log.recv()).await.unwrap().unwrap();
        let text: Value = serde_json::from_str(&line.text).unwrap_or_default();
        if line.function == function && text["outcome"].is_string() {
            return text;
        }
    }
}
