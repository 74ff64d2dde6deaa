//! The providers of trusted issuers, and the assertions that they sign.

use std::{
    error::Error,
    time::{SystemTime, UNIX_EPOCH},
};

use local::{Request, http, oidc_provider::OidcProvider};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::MANY_ISSUERS;
use crate::testbed::Testbed;

/// Issuers with the same keys, below one URL.
pub struct Providers {
    ci: OidcProvider,
    url: String,
}

impl Providers {
    /// Publishes the metadata and the keys of the issuers at the servers of the test bed, of which one has this URL.
    pub async fn start(testbed: &Testbed, url: String) -> Result<Self, Box<dyn Error>> {
        let ci = OidcProvider::start(TcpListener::bind("127.0.0.1:0").await?)?;
        let keys = Request::get(PROVIDER_KEYS).body("".into())?;
        let keys = http::send(ci.address(), keys).await?;
        let keys = key_set(&serde_json::from_slice(keys.body())?);
        let providers = Self { ci, url };
        for n in 0..MANY_ISSUERS {
            let issuer = providers.issuer(n);
            let jwks_uri = format!("{issuer}/keys");
            let metadata = json!({
                "issuer": issuer,
                "jwks_uri": jwks_uri,
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            });
            let path = |url: &str| url.replacen(&providers.url, "", 1);
            let document = path(&issuer) + "/.well-known/openid-configuration";
            testbed.service.publish(document, metadata.to_string());
            testbed.service.publish(path(&jwks_uri), keys.to_string());
        }
        Ok(providers)
    }

    fn issuer(&self, n: usize) -> String {
        format!("{}/issuer-{n}", self.url)
    }

    /// `TRUSTED_ISSUERS` with the first issuers.
    pub fn trusted_issuers(&self, count: usize) -> Value {
        let entry = |n| json!({"issuer": self.issuer(n), "audience": AUDIENCE});
        (0..count).map(entry).collect()
    }

    /// `ISSUANCE_POLICY` with a rule for each of them, as in the examples of the documentation.
    pub fn issuance_policy(&self, count: usize) -> Value {
        let rule = |n| {
            json!({
                "caller": {
                    "issuer": self.issuer(n),
                    "when": "claims.repository_id == '7654321' && claims.environment == 'production'",
                },
                "subject_from": format!("'ci-{n}:' + claims.repository_id"),
                "scope": ["orders:read", "orders:write"],
            })
        };
        (0..count).map(rule).collect()
    }

    /// Requests of API Gateway, each with the token of a job of one of the first issuers in turn.
    pub fn events(&self, issuers: usize, count: usize) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
        let mut event: Value = serde_json::from_str(EVENT)?;
        for name in ["resource", "path"] {
            event[name] = "/oauth2/token".into();
        }
        event["headers"]["Content-Type"] = FORM.into();
        event["multiValueHeaders"]["Content-Type"] = json!([FORM]);
        event["requestContext"]["identity"]["userArn"] = Value::Null;
        let expiry = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 3600;
        (0..count)
            .map(|n| {
                let issuer = self.issuer(n % issuers);
                let claims =
                    [("iss", json!(issuer)), ("aud", json!(AUDIENCE)), ("exp", json!(expiry))];
                let claims = claims.map(|(name, value)| (name.to_owned(), value));
                let assertion = self.ci.token(Map::from_iter(claims))?;
                event["body"] = format!("grant_type={GRANT}&assertion={assertion}").into();
                Ok(event.to_string().into_bytes())
            })
            .collect()
    }
}

/// The key of the provider, and others of the same size: most providers publish several.
fn key_set(set: &Value) -> Value {
    let key = &set["keys"][0];
    let others = (1..KEYS).map(|n| {
        let mut other = key.clone();
        other["kid"] = format!("key-{n}").into();
        other
    });
    json!({"keys": others.chain([key.clone()]).collect::<Vec<_>>()})
}

const EVENT: &str = include_str!("../../../events/issue-post-token.json");
const FORM: &str = "application/x-www-form-urlencoded";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const AUDIENCE: &str = "https://api.example";
/// The path of the keys of the local provider.
const PROVIDER_KEYS: &str = "/.well-known/jwks";
const KEYS: usize = 4;
