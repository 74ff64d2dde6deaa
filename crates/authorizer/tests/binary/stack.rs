use std::{
    collections::BTreeMap,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jwt::{Algorithm, Curve};
use local::{
    kms::Kms,
    lambda::{Bootstrap, FunctionConfig, FunctionLogs, HostedFunction},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const ALIAS: &str = "alias/ring";
pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const STAGE: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1";

/// The local KMS with one key, and the authorizer's function with that key as its ring.
pub(crate) struct Stack {
    pub(crate) kms: Kms,
    pub(crate) key: String,
    pub(crate) function: HostedFunction,
    pub(crate) logs: FunctionLogs,
}

/// The outcome of an event: the effect of the response or the kind of the error, the reason in the log, and the
/// number of KMS calls.
pub(crate) type Outcome = (&'static str, String, u64);

impl Stack {
    pub(crate) async fn start(spec: &str, settings: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kms = Kms::start(listener, "us-east-1", None).unwrap();
        let key = create_key(&kms, spec);
        kms.perform("CreateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": key})).unwrap();
        Self::with_kms(kms, key, settings).await
    }

    /// A stack whose function has this timeout.
    pub(crate) async fn with_timeout(timeout: Duration) -> Self {
        let Self { kms, key, .. } = Self::start("RSA_2048", &[]).await;
        Self::with_kms_and_timeout(kms, key, &[], timeout).await
    }

    pub(crate) async fn with_kms(kms: Kms, key: String, settings: &[(&str, &str)]) -> Self {
        Self::with_kms_and_timeout(kms, key, settings, Duration::from_secs(6)).await
    }

    async fn with_kms_and_timeout(
        kms: Kms,
        key: String,
        settings: &[(&str, &str)],
        timeout: Duration,
    ) -> Self {
        let endpoint = format!("http://{}", kms.address());
        let mut environment = environment(&endpoint);
        environment.extend(settings.iter().copied());
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let config = FunctionConfig {
            name: "Authorizer".into(),
            function_name: "Authorizer".into(),
            binary: "authorizer".into(),
            region: "us-east-1".into(),
            environment: environment.into_iter().map(owned).collect(),
            files: Vec::new(),
            memory: 256,
            timeout,
        };
        let program = env!("CARGO_BIN_EXE_authorizer").into();
        let bootstrap = Bootstrap { program, arguments: Vec::new() };
        let logs = FunctionLogs::default();
        let function = HostedFunction::new(config, bootstrap, logs.clone());
        function.warm().await.unwrap();
        Self { kms, key, function, logs }
    }

    pub(crate) async fn outcome(&self, event: &Value) -> Outcome {
        let (outcome, _) = self.outcome_and_response(event).await;
        outcome
    }

    pub(crate) async fn outcome_and_response(&self, event: &Value) -> (Outcome, Value) {
        let calls = self.kms.calls();
        let invocation = self.function.invoke(event).await;
        let reason = self.logs.reason(&invocation.id.to_string()).await.unwrap();
        let calls = self.kms.calls() - calls;
        match invocation.result {
            Ok(response) => {
                let effects: Vec<&str> = response["policyDocument"]["Statement"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|statement| statement["Effect"].as_str().unwrap())
                    .collect();
                let effect = match (&*effects, response["isAuthorized"].as_bool()) {
                    (["Allow"], None) => "Allow",
                    (["Allow", "Deny"], None) => "Allow and Deny",
                    (["Deny"], None) => "Deny",
                    ([], Some(true)) => "true",
                    ([], Some(false)) => "false",
                    _ => panic!("{response}"),
                };
                ((effect, reason, calls), response)
            }
            Err(error) if error.message == "Unauthorized" => {
                assert_eq!(error.error_type, "Unauthorized");
                (("Unauthorized", reason, calls), Value::Null)
            }
            Err(error) => {
                assert_eq!(error.message, "no decision on the request: see the authorizer's log");
                (("error", reason, calls), Value::Null)
            }
        }
    }

    /// A signature of the key over any text, in the form of JOSE.
    pub(crate) fn sign_with(&self, algorithm: Algorithm, input: &str) -> Vec<u8> {
        let (name, hash) = match algorithm {
            Algorithm::Rs256 => ("RSASSA_PKCS1_V1_5_SHA_256", &digest::SHA256),
            Algorithm::Rs384 => ("RSASSA_PKCS1_V1_5_SHA_384", &digest::SHA384),
            Algorithm::Ps256 => ("RSASSA_PSS_SHA_256", &digest::SHA256),
            Algorithm::Es256 => ("ECDSA_SHA_256", &digest::SHA256),
            _ => panic!("{algorithm}"),
        };
        let digest = digest::digest(hash, input.as_bytes());
        let request = json!({
            "KeyId": self.key, "Message": STANDARD.encode(digest), "MessageType": "DIGEST",
            "SigningAlgorithm": name,
        });
        let response = self.kms.perform("Sign", &request).unwrap();
        let signature = STANDARD.decode(response["Signature"].as_str().unwrap()).unwrap();
        match algorithm {
            Algorithm::Es256 => Curve::P256.from_der(&signature).unwrap(),
            _ => signature,
        }
    }

    /// A token with exactly this header and payload, signed by the key.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let input = signing_input(header, claims);
        let signature = self.sign_with(Algorithm::Rs256, &input);
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": "RS256", "typ": "JWT", "kid": self.key})
    }

    /// A valid token with these further claims.
    pub(crate) fn token_with(&self, further: &Value) -> String {
        let mut claims = claims();
        claims.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    pub(crate) fn public_key(&self) -> Vec<u8> {
        let response = self.kms.perform("GetPublicKey", &json!({"KeyId": self.key})).unwrap();
        STANDARD.decode(response["PublicKey"].as_str().unwrap()).unwrap()
    }
}

pub(crate) fn create_key(kms: &Kms, spec: &str) -> String {
    let key = kms.perform("CreateKey", &json!({"KeySpec": spec, "KeyUsage": "SIGN_VERIFY"}));
    key.unwrap()["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "test-user", "jti": "an-id", "exp": now() + 600})
}

pub(crate) fn signing_input(header: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

pub(crate) fn rest_event(headers: &Value) -> Value {
    json!({"type": "REQUEST", "methodArn": format!("{STAGE}/GET/orders/7"), "headers": headers})
}

pub(crate) fn rest_with_token(token: &str) -> Value {
    rest_event(&json!({"Authorization": format!("Bearer {token}")}))
}

pub(crate) fn unauthorized(reason: &str) -> Outcome {
    ("Unauthorized", reason.to_owned(), 0)
}

/// The settings that the function requires, with KMS at this endpoint.
pub(crate) fn environment(endpoint: &str) -> BTreeMap<&str, &str> {
    BTreeMap::from([
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL_KMS", endpoint),
        ("KEY_ALIAS", ALIAS),
        ("TOKEN_ISSUER", ISSUER),
    ])
}

/// The problems that the function reports about its settings when it refuses to start.
pub(crate) fn startup_problems(settings: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authorizer"));
    command
        .env_clear()
        .envs(environment(""))
        .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
        .env("AWS_LAMBDA_FUNCTION_NAME", "Authorizer")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .envs(settings.iter().copied());
    let output = testing::run_recorded(&mut command, b"").unwrap();
    assert_eq!(output.status.code(), Some(1));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    line["problems"].as_str().unwrap().to_owned()
}
