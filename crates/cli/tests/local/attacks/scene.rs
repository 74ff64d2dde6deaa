//! A stack with a token endpoint, a provider that counts requests, and the assertions of callers.

use std::{fs, sync::Arc};

use jsonwebtoken::{Algorithm, Header};
use local::{Bytes, Request, Response, Stack, StackOptions, http};
use serde_json::{Value, json};

use super::{provider::Provider, requests::request_claims, signatures::Signatures};
use crate::{
    TEMPLATE, configuration_files::Folder, public_keys::Signer, token_endpoint::now,
    with_parameters,
};

pub(crate) const API: &str = "https://api.example";
pub(crate) const OTHER: &str = "https://other.example";
pub(crate) const STRICT: &str = "https://strict.example";
pub(crate) const CLIENT: &str = "client-1";
/// A marker in each value that a request claims without proof.
pub(crate) const UNPROVEN: &str = "unproven-marker";

/// The stack trusts a CI system whose keys are discovered, another issuer, a strict one, and a client. All of their keys
/// are at one provider.
pub(crate) struct Scene {
    pub(crate) stack: Stack,
    pub(crate) provider: Provider,
    pub(crate) ci: Signer,
    pub(crate) other: Signer,
    pub(crate) client: Signer,
    pub(super) signatures: Arc<Signatures>,
    folder: Folder,
}

impl Scene {
    pub(crate) async fn start(name: &str) -> Self {
        let (ci, other, client) = (Signer::new(), Signer::new(), Signer::new());
        let provider = Provider::start(&[ci.jwk(Some("ci"))]).await;
        provider.publish("/other-keys", &[other.jwk(Some("other"))]);
        provider.publish("/client-keys", &[client.jwk(Some("client"))]);
        let folder = Folder::new(&format!("attack-{name}"));
        for (file, content) in [
            ("trusted-issuers.json", trusted_issuers(&provider.url)),
            ("issuance-policy.json", issuance_policy(&provider.url)),
            ("revocations.json", revocations(&provider.url)),
        ] {
            folder.write(file, &content.to_string());
        }
        let parameters = [("TokenEndpoint", "yes")];
        let options = with_parameters(&parameters, &[("TOKEN_AUDIENCE", API)]);
        let options = StackOptions { folder: folder.path().into(), ..options };
        let template = fs::read_to_string(TEMPLATE).unwrap();
        let stack = Stack::start(&template, &options).await.unwrap();
        let signatures = Signatures::count(&stack.kms);
        Self { stack, provider, ci, other, client, signatures, folder }
    }

    /// The name of the issuer.
    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.stack.gateway.address())
    }

    pub(crate) fn token_endpoint(&self) -> String {
        format!("{}/oauth2/token", self.issuer())
    }

    /// The claims of a job of the CI system, which the policy grants a token for.
    pub(crate) fn job(&self) -> Value {
        json!({
            "iss": self.provider.url, "sub": "repo:acme/app", "aud": API, "exp": now() + 300,
            "iat": now(), "repository_id": "42", "note": UNPROVEN,
        })
    }

    /// The assertion of the job with these claims in place of its own. A claim that is null is left out.
    pub(crate) fn job_with(&self, changes: &Value) -> String {
        self.ci.token(Some("ci"), &merged(self.job(), changes))
    }

    /// The assertion of the job with this header.
    pub(crate) fn job_with_header(&self, header: &Header) -> String {
        self.ci.token_with(header, &self.job())
    }

    /// The assertion of the job with this `typ`.
    pub(crate) fn job_with_type(&self, token_type: &str) -> String {
        self.job_with_header(&Header { typ: Some(token_type.to_owned()), ..header("ci") })
    }

    /// An assertion of the issuer with `max_age_seconds` and `required_claims`, with these changes.
    pub(crate) fn strict_job_with(&self, changes: &Value) -> String {
        let job = merged(self.job(), &json!({"iss": STRICT, "tenant": "acme"}));
        self.ci.token(Some("ci"), &merged(job, changes))
    }

    /// An assertion of the issuer with a rule that compares two lists.
    pub(super) fn other_job_with(&self, changes: &Value) -> String {
        let job = merged(self.job(), &json!({"iss": OTHER, "repository_id": "7"}));
        self.other.token(Some("other"), &merged(job, changes))
    }

    /// The assertion with which the client authenticates itself, with these changes.
    pub(crate) fn credentials_with(&self, changes: &Value) -> String {
        let claims = json!({
            "iss": CLIENT, "sub": CLIENT, "aud": self.issuer(), "exp": now() + 60, "note": UNPROVEN,
        });
        self.client.token(Some("client"), &merged(claims, changes))
    }

    /// One of our own access tokens.
    pub(crate) async fn own_token(&self, subject: &str) -> String {
        let response = self.send(request_claims(&json!({"sub": subject}))).await;
        body(&response)["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        http::send(self.stack.gateway.address(), request).await.unwrap()
    }

    /// From now on, the tokens of this subject that we issued are revoked.
    pub(crate) fn revoke_own_tokens_of(&self, subject: &str) {
        let entry =
            json!({"iss": self.issuer(), "sub": subject, "issued_before": 4_000_000_000_u64});
        self.folder.write("revocations.json", &json!([entry]).to_string());
    }
}

fn trusted_issuers(provider: &str) -> Value {
    json!([
        {"issuer": provider, "audience": API, "algorithms": "ES256"},
        {
            "issuer": OTHER, "audience": API, "algorithms": "ES256",
            "jwks_uri": format!("{provider}/other-keys"),
        },
        {
            "issuer": STRICT, "audience": API, "algorithms": "ES256",
            "jwks_uri": format!("{provider}/keys"),
            "max_age_seconds": 300, "required_claims": {"tenant": "acme"},
        },
        {
            "issuer": CLIENT, "client": true, "algorithms": "ES256",
            "jwks_uri": format!("{provider}/client-keys"),
        },
    ])
}

fn issuance_policy(provider: &str) -> Value {
    let rule = |issuer: &str, prefix: &str| {
        json!({
            "caller": {"issuer": issuer, "when": "claims.repository_id == '42'"},
            "subject_from": format!("'{prefix}:' + claims.repository_id"), "scope": "deploy",
        })
    };
    json!([
        rule(provider, "ci"),
        rule(OTHER, "other"),
        rule(STRICT, "strict"),
        {"caller": {"issuer": CLIENT}, "scope": "orders"},
        {
            "caller": {"issuer": OTHER, "when": "claims.groups.all(group, group in claims.allowed)"},
            "subject_from": "'other:' + claims.repository_id",
        },
        {"caller": "*", "subject": ["test-user", "revoked-user"], "claims": "*"},
    ])
}

fn revocations(provider: &str) -> Value {
    json!([
        {"iss": provider, "jti": "revoked-job"},
        {"iss": provider, "sub": "revoked-subject", "issued_before": 4_000_000_000_u64},
        {"iss": CLIENT, "jti": "revoked-credentials"},
    ])
}

/// The header of a token of this key.
pub(crate) fn header(kid: &str) -> Header {
    Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) }
}

/// The body of a response as JSON; null if it is not JSON.
pub(crate) fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or_default()
}

/// Both objects. A member that is null in the second one is left out.
pub(super) fn merged(mut base: Value, changes: &Value) -> Value {
    let members = base.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    base
}
