//! Revoked assertions and tokens.

use serde_json::json;

use super::{
    attacks,
    requests::{authenticate, grant, whoami},
};

attacks! {
    revoked_assertion(scene): "an assertion that is revoked by its `jti`"
        => (400, "invalid_grant", "Revoked", 2, 0) { grant(&scene.job_with(&json!({"jti": "revoked-job"}))) }
    assertion_of_a_revoked_subject(scene): "an assertion whose subject is revoked"
        => (400, "invalid_grant", "Revoked", 2, 0) { grant(&scene.job_with(&json!({"sub": "revoked-subject"}))) }
    revoked_client_assertion(scene): "a client assertion that is revoked"
        => (400, "invalid_client", "Revoked", 1, 0) {
        authenticate(&scene.credentials_with(&json!({"jti": "revoked-credentials"})))
    }
    id_of_a_revoked_assertion_of_another_issuer(scene): "the `jti` of another issuer's revoked assertion: it is accepted"
        => (200, "", "", 1, 1) { grant(&scene.strict_job_with(&json!({"jti": "revoked-job"}))) }
    revoked_token(scene): "a revoked token, at the API"
        => (401, "", "Revoked", 0, 1) {
        let revoked = scene.own_token("revoked-user").await;
        let valid = scene.own_token("test-user").await;
        scene.revoke_own_tokens_of("revoked-user");
        // The first request with the new list starts an environment.
        assert_eq!(scene.send(whoami(&valid)).await.status(), 200);
        whoami(&revoked)
    }
}
