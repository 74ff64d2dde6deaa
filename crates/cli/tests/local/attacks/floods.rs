//! Many requests.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use local::{Bytes, Request, http, template::parse_yaml};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Row,
    requests::{grant, request_claims},
    scene::{Scene, UNPROVEN, body},
};
use crate::{ROOT, TEMPLATE};

pub(super) const ROWS: &[Row] = &[UNKNOWN_KEYS, FORMS];

const UNKNOWN_KEYS: Row = Row {
    attack: "30 assertions with 30 unknown `kid`s",
    status: 400,
    error: "invalid_grant",
    code: "UnknownKey",
    requests: 2,
    kms_calls: 0,
};

const FORMS: Row = Row {
    attack: "more forms at once than the endpoint has environments; `/token` and the key set still answer",
    status: 400,
    error: "invalid_grant",
    code: "NotCompact",
    requests: 0,
    kms_calls: 0,
};

#[tokio::test]
async fn flood_of_unknown_keys_causes_one_fetch_and_valid_tokens_are_accepted() {
    let scene = Scene::start("flood-of-keys").await;
    let assertion =
        |number: usize| scene.ci.token(Some(&format!("{UNPROVEN}-{number}")), &scene.job());
    let requests = (0..30).map(|number| grant(&assertion(number))).collect();
    UNKNOWN_KEYS.check(&scene, requests).await;
    let valid = scene.send(grant(&scene.job_with(&json!({})))).await;
    assert_eq!(valid.status(), 200, "the known key is still accepted");
}

/// The senders are twice as many as the environments that a function has on this machine, so all of these are busy.
#[tokio::test]
async fn flood_of_forms_does_not_stop_other_requests() {
    let scene = Scene::start("flood-of-forms").await;
    let (address, form) = (scene.stack.gateway.address(), grant(UNPROVEN));
    let stop = Arc::<AtomicBool>::default();
    let (sent, mut count) = mpsc::unbounded_channel();
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let (stop, sent, form) = (Arc::clone(&stop), sent.clone(), form.clone());
        senders.spawn(async move {
            for _ in 0..MAX_FORMS {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                sent.send(()).unwrap();
                FORMS.check_response(&http::send(address, form.clone()).await.unwrap());
            }
            panic!("the flood has ended before the other requests");
        });
    }
    for _ in 0..2 * SENDERS {
        count.recv().await.unwrap();
    }
    let callers_before = scene.signatures.for_others();
    for _ in 0..OTHER_REQUESTS {
        let token = scene.send(request_claims(&json!({}))).await;
        assert_eq!(token.status(), 200, "{}", body(&token));
        let key_set = Request::get("/.well-known/jwks.json").body(Bytes::new()).unwrap();
        assert_eq!(scene.send(key_set).await.status(), 200);
    }
    stop.store(true, Ordering::SeqCst);
    let callers = scene.signatures.for_others() - callers_before;
    assert_eq!(callers, OTHER_REQUESTS, "a signature for each caller of /token");
    while let Some(sender) = senders.join_next().await {
        sender.unwrap();
    }
    // KMS is called for the keys when an environment starts.
    let found = (scene.provider.requests(), scene.signatures.for_clients());
    assert_eq!(found, (FORMS.requests, FORMS.kms_calls));
}

const SENDERS: usize = 32;
/// For each sender.
const MAX_FORMS: usize = 2000;
const OTHER_REQUESTS: u64 = 5;

/// In AWS, these two values keep a flood from `/token` and the key set. The book names them.
#[test]
fn template_limits_concurrency_and_rate_of_the_endpoint() {
    let template = parse_yaml(&fs::read_to_string(TEMPLATE).unwrap()).unwrap();
    let function = &template["Resources"]["OAuthIssuer"]["Properties"];
    let concurrency = function["ReservedConcurrentExecutions"].as_u64().unwrap();
    let settings = template["Resources"]["Api"]["Properties"]["MethodSettings"].to_string();
    let endpoint = settings.split("/~1oauth2~1token").nth(1).unwrap();
    let rate = endpoint.split("\"ThrottlingRateLimit\":").nth(1).unwrap();
    let rate = rate.split([',', '}']).next().unwrap();
    let book = fs::read_to_string(format!("{ROOT}/docs/src/token-endpoint-attacks.md")).unwrap();
    for text in
        [format!("a reserved concurrency of {concurrency}"), format!("{rate} requests a second")]
    {
        assert!(book.contains(&text), "{text}");
    }
}
