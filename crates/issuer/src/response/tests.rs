use aws_lambda_events::http::header::AUTHORIZATION;
use jwt::{Signed, UnsignedToken};
use policy::issuance::DeniedField;
use serde_json::Map;

use super::*;
use crate::AuthenticationScheme;

fn issued() -> IssuerResponse {
    let draft = UnsignedToken::new("JWT", &Map::new());
    let token = draft.signing_input(jwt::Algorithm::Rs256, "k").into_token(b"s");
    IssuerResponse::Issued(IssuedToken {
        signed: Signed { token, key_id: "k".into(), receipt: None },
        expires_in: 60,
        claims: Map::new(),
        rule: None,
    })
}

const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.e30.cw";

#[test]
fn proxy_responses_are_pinned() {
    let response = |status: u16, extra: Option<(&str, &str)>, body: &str| {
        let mut headers = Map::new();
        headers.insert("content-type".into(), "application/json".into());
        headers.insert("cache-control".into(), "no-store".into());
        headers.extend(extra.map(|(name, value)| (name.to_owned(), value.into())));
        json!({
            "statusCode": status, "headers": headers, "multiValueHeaders": {}, "body": body,
            "isBase64Encoded": false,
        })
    };
    let rows = [
        (
            "token",
            issued(),
            response(
                200,
                None,
                &format!(r#"{{"access_token":"{TOKEN}","expires_in":60,"token_type":"Bearer"}}"#),
            ),
        ),
        (
            "reserved claim",
            IssuerResponse::Refused(IssuanceError::ReservedClaim("exp")),
            response(
                400,
                None,
                r#"{"error":"invalid_request","error_description":"the claim exp is set by the issuer: remove it from the request"}"#,
            ),
        ),
        (
            "unknown path",
            IssuerResponse::Refused(IssuanceError::NotFound),
            response(
                404,
                None,
                r#"{"error":"invalid_request","error_description":"no such resource"}"#,
            ),
        ),
        (
            "denied by the policy",
            IssuerResponse::Refused(IssuanceError::Denied(DeniedField::Scope)),
            response(
                403,
                None,
                r#"{"error":"invalid_scope","error_description":"the issuance policy does not grant the scope"}"#,
            ),
        ),
        (
            "wrong method",
            IssuerResponse::Refused(IssuanceError::MethodNotAllowed { allow: "POST" }),
            response(
                405,
                Some(("allow", "POST")),
                r#"{"error":"invalid_request","error_description":"method not allowed: use POST"}"#,
            ),
        ),
        (
            "KMS timeout",
            IssuerResponse::Failed(Fault::timed_out("Sign")),
            response(
                503,
                Some(("retry-after", "1")),
                r#"{"error":"temporarily_unavailable","error_description":"KMS is unavailable: try again in 1 s"}"#,
            ),
        ),
    ];
    for (name, response, expected) in rows {
        assert_eq!(response.into_lambda_response(EventSource::Http), Ok(expected), "{name}");
    }
}

#[test]
fn complete_key_set_may_be_cached() {
    let published = IssuerResponse::Published(json!({"keys": []}), Cacheable::Yes);
    let response = published.into_lambda_response(EventSource::Http).unwrap();
    let age = kms::KEY_SET_MAX_AGE.as_secs();
    assert_eq!(response["headers"]["cache-control"], format!("public, max-age={age}"));
    assert_eq!(response["headers"]["access-control-allow-origin"], "*");
    assert_eq!(
        (&response["statusCode"], &response["body"]),
        (&json!(200), &json!(r#"{"keys":[]}"#))
    );
}

#[test]
fn incomplete_key_set_is_not_cached() {
    let transient = Fault::timed_out("GetPublicKey");
    let mut lasting = transient.clone();
    lasting.cause = Cause::AccessDenied;
    let rows = [
        ("next key missing", IssuerResponse::Published(json!({}), Cacheable::No), 200, None),
        ("transient fault", IssuerResponse::KeysUnavailable(transient), 503, Some("1")),
        ("lasting fault", IssuerResponse::KeysUnavailable(lasting), 503, None),
    ];
    for (name, response, status, retry_after) in rows {
        let response = response.into_lambda_response(EventSource::Http).unwrap();
        let headers = &response["headers"];
        assert_eq!(response["statusCode"], status, "{name}");
        assert_eq!(headers["cache-control"], "no-store", "{name}");
        assert_eq!(headers["retry-after"].as_str(), retry_after, "{name}");
    }
}

#[test]
fn direct_invocation_gets_the_token_or_a_lambda_error() {
    let error = |error_type: &str, error_message: &str| {
        Err(Diagnostic { error_type: error_type.into(), error_message: error_message.into() })
    };
    let token = json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 60});
    let rows = [
        ("token", issued(), Ok(token)),
        (
            "refused",
            IssuerResponse::Refused(IssuanceError::ClaimsNotObject),
            error("invalid_request", "claims must be a JSON object"),
        ),
        (
            "KMS timeout",
            IssuerResponse::Failed(Fault::timed_out("Sign")),
            error("temporarily_unavailable", "KMS is unavailable: try again in 1 s"),
        ),
    ];
    for (name, response, expected) in rows {
        assert_eq!(response.into_lambda_response(EventSource::Invoke), expected, "{name}");
    }
}

/// RFC 6749 sections 5.1 and 5.2.
#[test]
fn responses_to_oauth_clients_are_pinned() {
    let scope = |claim: Option<&str>, requested: Option<&str>| {
        let IssuerResponse::Issued(mut issued) = issued() else { panic!("a token") };
        issued.claims.extend(claim.map(|scope| ("scope".to_owned(), scope.into())));
        IssuerResponse::granted(issued, requested)
    };
    let token = |scope: Option<&str>| {
        let mut body = json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 60});
        body.as_object_mut().unwrap().extend(scope.map(|scope| ("scope".into(), scope.into())));
        (200, body)
    };
    let refused = OAuthError::Denied(DeniedField::Audience);
    let rows = [
        ("the scope asked for", scope(Some("a b"), Some("a b")), token(None)),
        ("another scope", scope(Some("a"), None), token(Some("a"))),
        ("no scope", scope(None, None), token(None)),
        (
            "refused",
            IssuerResponse::Refused(refused.into()),
            (
                400,
                json!({
                    "error": "invalid_target",
                    "error_description": "the issuance policy does not grant the audience",
                }),
            ),
        ),
        (
            "a token that is too long",
            IssuerResponse::Refused(IssuanceError::ClaimsTooLong { max: 5400 }),
            (
                400,
                json!({
                    "error": "invalid_request",
                    "error_description": "the claims exceed 5400 bytes of JSON: shorten them",
                }),
            ),
        ),
        (
            "a body that is too long",
            IssuerResponse::Refused(IssuanceError::RequestTooLarge),
            (
                400,
                json!({
                    "error": "invalid_request",
                    "error_description": "the request exceeds 65536 bytes",
                }),
            ),
        ),
        (
            "an unknown path",
            IssuerResponse::Refused(IssuanceError::NotFound),
            (404, json!({"error": "invalid_request", "error_description": "no such resource"})),
        ),
        (
            "KMS timeout",
            IssuerResponse::Failed(Fault::timed_out("Sign")),
            (
                503,
                json!({
                    "error": "temporarily_unavailable",
                    "error_description": "KMS is unavailable: try again in 1 s",
                }),
            ),
        ),
    ];
    for (name, response, (status, body)) in rows {
        let response = response.into_lambda_response(EventSource::OAuth).unwrap();
        let headers = &response["headers"];
        assert_eq!(headers["cache-control"], "no-store", "{name}");
        assert_eq!(headers["pragma"], "no-cache", "{name}");
        assert!(headers.get("www-authenticate").is_none(), "{name}");
        assert_eq!(response["statusCode"], status, "{name}");
        let found: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
        assert_eq!(found, body, "{name}");
    }
    let fault = IssuerResponse::ProviderFailed(ProviderFault::TimedOut);
    let response = fault.into_lambda_response(EventSource::OAuth).unwrap();
    let found = (&response["statusCode"], &response["headers"]["retry-after"]);
    assert_eq!(found, (&json!(503), &json!("5")));
}

/// RFC 6749 section 5.2, `invalid_client`.
#[test]
fn authentication_by_a_header_is_answered_with_401() {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
    let scheme = AuthenticationScheme::of(&[&headers]).unwrap();
    let refused = IssuerResponse::Refused(OAuthError::AuthorizationHeader(scheme).into());
    let response = refused.into_lambda_response(EventSource::OAuth).unwrap();
    assert_eq!(response["statusCode"], 401);
    let challenge = "Bearer realm=\"oauth2/token\"";
    assert_eq!(response["headers"]["www-authenticate"], challenge, "the scheme of the client");
    let body: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["error"], "invalid_client");
}
