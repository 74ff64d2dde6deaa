//! A typical authorizer for an OpenID Connect issuer: fetches the JWK Set at `JWKS_URI` for the first token, caches it,
//! and verifies RS256 with jsonwebtoken.

use std::{collections::HashMap, env};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

struct Authorizer {
    client: Client,
    jwks_uri: String,
    keys: OnceCell<HashMap<String, DecodingKey>>,
    validation: Validation,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[env::var("TOKEN_ISSUER")?]);
    validation.set_required_spec_claims(&["exp", "iss"]);
    let (client, jwks_uri, keys) = (Client::new(), env::var("JWKS_URI")?, OnceCell::new());
    let authorizer = &Authorizer { client, jwks_uri, keys, validation };
    run(service_fn(|event: LambdaEvent<Value>| authorizer.authorize(event.payload))).await
}

impl Authorizer {
    async fn authorize(&self, event: Value) -> Result<Value, Error> {
        let header = event["headers"]["Authorization"].as_str().unwrap_or_default();
        let token = header.strip_prefix("Bearer ").ok_or("Unauthorized")?;
        let key_id = decode_header(token)?.kid.ok_or("Unauthorized")?;
        let keys = self.keys.get_or_try_init(|| self.fetch_keys()).await?;
        let key = keys.get(&key_id).ok_or("Unauthorized")?;
        let claims = decode::<Value>(token, key, &self.validation)?.claims;
        Ok(json!({
            "principalId": claims["sub"],
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": event["methodArn"],
                }],
            },
        }))
    }

    async fn fetch_keys(&self) -> Result<HashMap<String, DecodingKey>, Error> {
        let response = self.client.get(&self.jwks_uri).send().await?.error_for_status()?;
        let mut keys = HashMap::new();
        for jwk in response.json::<JwkSet>().await?.keys {
            let key = DecodingKey::from_jwk(&jwk)?;
            keys.insert(jwk.common.key_id.ok_or("a key without kid")?, key);
        }
        Ok(keys)
    }
}
