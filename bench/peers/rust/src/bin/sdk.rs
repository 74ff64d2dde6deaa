//! An authorizer, or with `OPERATION=Sign` an issuer, with the default SDK and the Lambda runtime as in their
//! documentation.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_config::BehaviorVersion;
use aws_sdk_kms::{
    Client,
    primitives::Blob,
    types::{MessageType, SigningAlgorithmSpec},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let (client, key) = (&Client::new(&config), &env::var("KEY_ALIAS")?);
    if env::var("OPERATION").is_ok_and(|operation| operation == "Sign") {
        run(service_fn(|event: LambdaEvent<Value>| issue(client, key, event.payload))).await
    } else {
        run(service_fn(|event: LambdaEvent<Value>| authorize(client, key, event.payload))).await
    }
}

async fn authorize(client: &Client, key: &str, event: Value) -> Result<Value, Error> {
    let header = event["headers"]["Authorization"].as_str().unwrap_or_default();
    let token = header.strip_prefix("Bearer ").ok_or("Unauthorized")?;
    let (input, signature) = token.rsplit_once('.').ok_or("Unauthorized")?;
    let (_, payload) = input.split_once('.').ok_or("Unauthorized")?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
    if claims["exp"].as_u64().is_none_or(|exp| exp <= now()) {
        return Err("Unauthorized".into());
    }
    let answer = client
        .verify()
        .key_id(key)
        .message(Blob::new(input))
        .message_type(MessageType::Raw)
        .signature(Blob::new(URL_SAFE_NO_PAD.decode(signature)?))
        .signing_algorithm(SigningAlgorithmSpec::RsassaPkcs1V15Sha256)
        .send()
        .await?;
    if !answer.signature_valid() {
        return Err("Unauthorized".into());
    }
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

async fn issue(client: &Client, key: &str, event: Value) -> Result<Value, Error> {
    let mut claims = event["claims"].clone();
    (claims["iat"], claims["exp"]) = (now().into(), (now() + 3600).into());
    let header = json!({"alg": "RS256", "typ": "JWT"});
    let [header, payload] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let input = format!("{header}.{payload}");
    let answer = client
        .sign()
        .key_id(key)
        .message(Blob::new(input.as_bytes()))
        .message_type(MessageType::Raw)
        .signing_algorithm(SigningAlgorithmSpec::RsassaPkcs1V15Sha256)
        .send()
        .await?;
    let signature = URL_SAFE_NO_PAD.encode(answer.signature().ok_or("no signature")?);
    Ok(json!({"access_token": format!("{input}.{signature}")}))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
