//! Tokens for another purpose, and claims that only the issuer sets.

use serde_json::json;

use super::{
    attacks,
    requests::{authenticate, grant, request_claims},
    scene::{CLIENT, UNPROVEN},
};

attacks! {
    access_token(scene): "`typ` is `at+jwt`"
        => (400, "invalid_grant", "TokenType", 0, 0) { grant(&scene.job_with_type("at+jwt")) }
    dpop_proof(scene): "`typ` is `dpop+jwt`"
        => (400, "invalid_grant", "TokenType", 0, 0) { grant(&scene.job_with_type("dpop+jwt")) }
    logout_token(scene): "`typ` is `logout+jwt`"
        => (400, "invalid_grant", "TokenType", 0, 0) { grant(&scene.job_with_type("logout+jwt")) }
    identity_assertion_grant(scene): "`typ` is `oauth-id-jag+jwt`"
        => (400, "invalid_grant", "TokenType", 0, 0) { grant(&scene.job_with_type("oauth-id-jag+jwt")) }
    introspection_response(scene): "`typ` is `token-introspection+jwt`"
        => (400, "invalid_grant", "TokenType", 0, 0) { grant(&scene.job_with_type("token-introspection+jwt")) }
    key_binding_proof(scene): "`typ` is `kb+jwt`"
        => (400, "invalid_grant", "TokenType", 0, 0) { grant(&scene.job_with_type("kb+jwt")) }
    security_event(scene): "`typ` is `secevent+jwt`"
        => (400, "invalid_grant", "TokenType", 0, 0) { grant(&scene.job_with_type("secevent+jwt")) }
    type_of_a_client_assertion(scene): "`typ` is `client-authentication+jwt`, as a grant"
        => (400, "invalid_grant", "TokenType", 0, 0) { grant(&scene.job_with_type("client-authentication+jwt")) }
    logout_token_without_type(scene): "a logout token without `typ` (`events`)"
        => (400, "invalid_grant", "OtherPurpose", 2, 0) {
        let event = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
        grant(&scene.job_with(&json!({"events": event})))
    }
    bound_token(scene): "`cnf` without a proof of its key"
        => (400, "invalid_grant", "BoundAssertion", 2, 0) {
        grant(&scene.job_with(&json!({"cnf": {"jkt": UNPROVEN}})))
    }
    delegated_token(scene): "`act`: a token of an actor"
        => (400, "invalid_grant", "DelegatedAssertion", 2, 0) {
        grant(&scene.job_with(&json!({"act": {"sub": UNPROVEN}})))
    }
    own_access_token(scene): "an access token of this issuer"
        => (400, "invalid_grant", "Issuer", 0, 0) {
        let token = scene.own_token("test-user").await;
        grant(&token)
    }
    unknown_issuer(scene): "an `iss` without an entry"
        => (400, "invalid_grant", "Issuer", 0, 0) { grant(&scene.job_with(&json!({"iss": UNPROVEN}))) }
    issuer_in_another_spelling(scene): "`iss` with another slash"
        => (400, "invalid_grant", "Issuer", 0, 0) {
        let issuer = format!("{}/", scene.provider.url);
        grant(&scene.job_with(&json!({"iss": issuer})))
    }
    client_assertion_as_a_grant(scene): "a client assertion as a grant"
        => (400, "invalid_grant", "Issuer", 0, 0) { grant(&scene.credentials_with(&json!({}))) }
    grant_as_a_client_assertion(scene): "a token of an issuer as a client assertion"
        => (400, "invalid_client", "Issuer", 0, 0) { authenticate(&scene.job_with(&json!({}))) }
    missing_required_claim(scene): "another value of a claim in `required_claims`"
        => (400, "invalid_grant", "RequiredClaim", 1, 0) {
        grant(&scene.strict_job_with(&json!({"tenant": UNPROVEN})))
    }
    expensive_claims(scene): "lists for which a condition of the policy is too expensive"
        => (400, "unauthorized_client", "", 1, 0) {
        let numbers = vec![1; 1500];
        grant(&scene.other_job_with(&json!({"groups": numbers, "allowed": numbers})))
    }
    subject_of_another_client(scene): "another client's name as `sub` of a client assertion"
        => (400, "invalid_client", "ClientSubject", 1, 0) {
        authenticate(&scene.credentials_with(&json!({"sub": UNPROVEN})))
    }
    confirmation_claim_of_a_caller(_scene): "`POST /token`: `cnf` under a rule with `\"claims\": \"*\"`"
        => (400, "invalid_request", "", 0, 0) { request_claims(&json!({"cnf": {"jkt": UNPROVEN}})) }
    actor_claim_of_a_caller(_scene): "`POST /token`: `act` under a rule with `\"claims\": \"*\"`"
        => (400, "invalid_request", "", 0, 0) { request_claims(&json!({"act": {"sub": UNPROVEN}})) }
    may_act_claim_of_a_caller(_scene): "`POST /token`: `may_act` under a rule with `\"claims\": \"*\"`"
        => (400, "invalid_request", "", 0, 0) { request_claims(&json!({"may_act": {"sub": UNPROVEN}})) }
    client_id_of_a_client_for_a_caller(_scene): "`POST /token`: a client's `client_id` under a rule with `\"claims\": \"*\"`"
        => (403, "access_denied", "", 0, 0) { request_claims(&json!({"client_id": CLIENT})) }
}
