//! An authorizer with jsonwebtoken and the Lambda runtime, with the public key (PKCS #1, DER) in the
//! file `PUBLIC_KEY`.

use std::{env, fs};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let key = &DecodingKey::from_rsa_der(&fs::read(env::var("PUBLIC_KEY")?)?);
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[env::var("TOKEN_ISSUER")?]);
    let validation = &validation;
    run(service_fn(|event: LambdaEvent<Value>| async move {
        let event = event.payload;
        let header = event["headers"]["Authorization"].as_str().unwrap_or_default();
        let token = header.strip_prefix("Bearer ").ok_or("Unauthorized")?;
        let claims = decode::<Value>(token, key, validation)?.claims;
        Ok::<_, Error>(json!({
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
    }))
    .await
}
