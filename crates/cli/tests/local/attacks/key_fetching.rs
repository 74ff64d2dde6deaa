//! Providers that do not respond with keys: a fault, and not a refusal.

use serde_json::json;

use super::{
    attacks,
    provider::{KEYS, METADATA, Reply, metadata},
    requests::grant,
    scene::UNPROVEN,
};

attacks! {
    metadata_of_another_issuer(scene): "discovery: metadata of another `issuer`"
        => (503, "temporarily_unavailable", "IssuerKeys", 1, 0) {
        let keys = format!("{}{KEYS}", scene.provider.url);
        scene.provider.reply(METADATA, Reply::Text(metadata("https://a.example", &keys)));
        grant(&scene.job_with(&json!({})))
    }
    keys_without_tls(scene): "discovery: `jwks_uri` with http to another machine"
        => (503, "temporarily_unavailable", "IssuerKeys", 1, 0) {
        // An address that is not one of this machine's loopback addresses, and reaches the provider all the same.
        let keys = format!("{}{KEYS}", scene.provider.url.replace("127.0.0.1", "0.0.0.0"));
        scene.provider.reply(METADATA, Reply::Text(metadata(&scene.provider.url, &keys)));
        grant(&scene.job_with(&json!({})))
    }
    redirected_metadata(scene): "discovery: metadata are a redirect"
        => (503, "temporarily_unavailable", "IssuerKeys", 1, 0) {
        let document = metadata(&scene.provider.url, &format!("{}{KEYS}", scene.provider.url));
        scene.provider.reply("/elsewhere", Reply::Text(document));
        scene.provider.reply(METADATA, Reply::Redirect(format!("{}/elsewhere", scene.provider.url)));
        grant(&scene.job_with(&json!({})))
    }
    redirected_keys(scene): "keys are a redirect"
        => (503, "temporarily_unavailable", "IssuerKeys", 2, 0) {
        scene.provider.publish("/elsewhere", &[scene.ci.jwk(Some("ci"))]);
        scene.provider.reply(KEYS, Reply::Redirect(format!("{}/elsewhere", scene.provider.url)));
        grant(&scene.job_with(&json!({})))
    }
    metadata_of_100_mb(scene): "discovery: metadata of 100 MB"
        => (503, "temporarily_unavailable", "IssuerKeys", 1, 0) {
        scene.provider.reply(METADATA, Reply::Long);
        grant(&scene.job_with(&json!({})))
    }
    keys_of_100_mb(scene): "keys of 100 MB"
        => (503, "temporarily_unavailable", "IssuerKeys", 2, 0) {
        scene.provider.reply(KEYS, Reply::Long);
        grant(&scene.job_with(&json!({})))
    }
    slow_metadata(scene): "discovery: one byte of the metadata a second"
        => (503, "temporarily_unavailable", "IssuerUnreachable", 1, 0) {
        scene.provider.reply(METADATA, Reply::Slow);
        grant(&scene.job_with(&json!({})))
    }
    slow_keys(scene): "one byte of the keys a second"
        => (503, "temporarily_unavailable", "IssuerUnreachable", 2, 0) {
        scene.provider.reply(KEYS, Reply::Slow);
        grant(&scene.job_with(&json!({})))
    }
    empty_key_set(scene): "an empty key set"
        => (503, "temporarily_unavailable", "IssuerKeys", 2, 0) {
        scene.provider.publish(KEYS, &[]);
        grant(&scene.job_with(&json!({})))
    }
    key_set_of_101_keys(scene): "a key set of 101 keys"
        => (503, "temporarily_unavailable", "IssuerKeys", 2, 0) {
        scene.provider.publish(KEYS, &vec![scene.ci.jwk(Some("ci")); 101]);
        grant(&scene.job_with(&json!({})))
    }
    key_set_with_many_objects(scene): "a key set with more than 1,000 JSON objects"
        => (503, "temporarily_unavailable", "IssuerKeys", 2, 0) {
        let keys = json!({"keys": [scene.ci.jwk(Some("ci"))], "more": vec![json!({}); 1000]});
        scene.provider.reply(KEYS, Reply::Text(keys.to_string()));
        grant(&scene.job_with(&json!({})))
    }
    metadata_in_html(scene): "discovery: metadata are HTML"
        => (503, "temporarily_unavailable", "IssuerKeys", 1, 0) {
        scene.provider.reply(METADATA, Reply::Text(format!("<!doctype html><title>{UNPROVEN}</title>")));
        grant(&scene.job_with(&json!({})))
    }
    keys_in_html(scene): "keys are HTML"
        => (503, "temporarily_unavailable", "IssuerKeys", 2, 0) {
        scene.provider.reply(KEYS, Reply::Text(format!("<!doctype html><title>{UNPROVEN}</title>")));
        grant(&scene.job_with(&json!({})))
    }
    provider_down_before_the_first_fetch(scene): "the provider is down before the first fetch"
        => (503, "temporarily_unavailable", "IssuerUnreachable", 0, 0) {
        scene.provider.stop().await;
        grant(&scene.job_with(&json!({})))
    }
    provider_down_after_the_first_fetch(scene): "the provider is down after the first fetch: its last keys are used"
        => (200, "", "", 0, 1) {
        let assertion = scene.job_with(&json!({}));
        assert_eq!(scene.send(grant(&assertion)).await.status(), 200);
        scene.provider.stop().await;
        grant(&assertion)
    }
    unknown_key_while_the_provider_is_down(scene): "an unknown key, while the provider is down after the first fetch"
        => (400, "invalid_grant", "UnknownKey", 0, 0) {
        assert_eq!(scene.send(grant(&scene.job_with(&json!({})))).await.status(), 200);
        scene.provider.stop().await;
        grant(&scene.ci.token(Some(UNPROVEN), &scene.job()))
    }
}

/// The client stops reading at its limit.
#[tokio::test]
async fn long_document_is_not_read_to_its_end() {
    let scene = super::Scene::start("long-document").await;
    scene.provider.reply(KEYS, Reply::Long);
    let response = scene.send(grant(&scene.job_with(&json!({})))).await;
    assert_eq!(response.status(), 503);
    assert!(scene.provider.sent_bytes() < 10_000_000, "{} bytes", scene.provider.sent_bytes());
}
