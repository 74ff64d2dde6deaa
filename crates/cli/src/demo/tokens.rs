//! The first part of the demo: a token is issued, and requests with and without valid tokens are sent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::scenario::{
    ALIAS, Error, Scenario, decode_part, decode_text, member, print_detail, string,
};

pub(super) async fn run(scenario: &mut Scenario) -> Result<(), Error> {
    let step = scenario.begin("KMS has the key that the template creates");
    let key = scenario.kms("DescribeKey", &json!({"KeyId": ALIAS})).await?;
    let key = key.pointer("/KeyMetadata").cloned().unwrap_or_default();
    let is_enabled = string(&key, "KeyState") == "Enabled";
    scenario.end(step, 1, is_enabled && string(&key, "KeySpec") == "RSA_2048")?;
    print_detail(format_args!("{ALIAS} is {}", string(&key, "Arn")))?;

    let step = scenario.begin("POST /token: the issuer signs a token");
    let response =
        scenario.token(&json!({"claims": {"sub": "test-user", "scope": "orders:read"}})).await?;
    let token = string(&response, "access_token");
    let [header, claims] = [0, 1].map(|part| decode_part(&token, part));
    let is_signed_by_key = member(&header, "kid") == member(&key, "KeyId");
    let is_expected = is_signed_by_key
        && member(&claims, "sub") == "test-user"
        && string(&response, "token_type") == "Bearer";
    scenario.end(step, 1, is_expected)?;
    print_detail(format_args!("header  {}", decode_text(&token, 0)))?;
    print_detail(format_args!("claims  {}", decode_text(&token, 1)))?;

    let step = scenario.begin("GET /whoami with the token");
    let (status, body, reason) = scenario.whoami(Some(&token)).await?;
    let has_same_claims = ["sub", "scope", "iss", "jti", "exp"]
        .iter()
        .all(|name| member(&body, name) == member(&claims, name));
    scenario.end(step, 1, status == 200 && has_same_claims && reason == "Allowed")?;
    print_detail(format_args!("{status}  {body}  log: {reason}"))?;

    let step = scenario.begin("GET /whoami without a token");
    let (status, body, reason) = scenario.whoami(None).await?;
    scenario.end(step, 0, status == 401 && reason == "no credentials")?;
    print_detail(format_args!("{status}  {body}  log: {reason}"))?;

    let step = scenario.begin("GET /whoami with one bit of the token changed");
    let (status, body, reason) = scenario.whoami(Some(&change_signature(&token))).await?;
    scenario.end(step, 1, status == 401 && reason == "InvalidSignature")?;
    print_detail(format_args!("{status}  {body}  log: {reason}"))?;

    let request = json!({"claims": {"sub": "test-user"}, "expires_in": 1});
    let expired = string(&scenario.token(&request).await?, "access_token");
    let expiry = member(&decode_part(&expired, 1), "exp").as_u64().unwrap_or_default();
    sleep_until(expiry).await;
    let step = scenario.begin("GET /whoami with an expired token");
    let (status, body, reason) = scenario.whoami(Some(&expired)).await?;
    scenario.end(step, 0, status == 401 && reason == "Expired")?;
    print_detail(format_args!("{status}  {body}  log: {reason}"))?;

    scenario.kms("DisableKey", &json!({"KeyId": member(&key, "KeyId")})).await?;
    let step = scenario.begin("GET /whoami with the valid token while the key is disabled");
    let (status, body, reason) = scenario.whoami(Some(&token)).await?;
    scenario.end(step, 1, status == 500 && reason == "KeyState")?;
    print_detail(format_args!("{status}  {body}  log: {reason}"))?;

    scenario.kms("EnableKey", &json!({"KeyId": member(&key, "KeyId")})).await?;
    let step = scenario.begin("GET /whoami after the key is enabled again");
    let (status, _, reason) = scenario.whoami(Some(&token)).await?;
    scenario.end(step, 1, status == 200 && reason == "Allowed")?;
    print_detail(format_args!("{status}  log: {reason}"))
}

/// The token with one bit of its signature changed.
fn change_signature(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap_or_default();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    if let Some(byte) = signature.last_mut() {
        *byte ^= 1;
    }
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn sleep_until(unix_seconds: u64) {
    let time = UNIX_EPOCH + Duration::from_secs(unix_seconds);
    let left = time.duration_since(SystemTime::now()).unwrap_or_default();
    tokio::time::sleep(left).await;
}
