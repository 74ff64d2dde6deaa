//! A folder of `examples/trusted-issuers`, with a key of the test in place of those of the provider.

use std::{collections::BTreeMap, convert::Infallible, fs};

use issuer::{AssertionTokenRequest, IssuanceError, IssuerConfig, OAuthError, issue};
use jwt::{Algorithm, Signed, Signer, UnixTime, UnsignedToken};
use oidc::{HttpClient, IssuerVerifier, ProxyConfig, TrustStore};
use policy::revocation::Revocations;
use runtime::Settings;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::signing_key::SigningKey;

pub(crate) const EXAMPLES: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/trusted-issuers");

const OWN_ISSUER: &str = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A change of the token of an example: its name, what is different, and the expected outcome.
pub(crate) type Row<'a> = (&'a str, Value, &'a str);

pub(crate) struct Example {
    name: String,
    /// `header` and `claims` of a token that the policy grants.
    token: Value,
    config: IssuerConfig,
    verifier: IssuerVerifier,
    key: SigningKey,
    other_key: SigningKey,
    /// The expected outcome of the token whose audience is this issuer.
    own_audience: &'static str,
}

impl Example {
    /// Reads an example. `key_members` are the further members of a key as the provider publishes it.
    pub(crate) fn read(name: &str, key_members: Value) -> Self {
        Self::read_with(name, &[], key_members)
    }

    /// Reads an example in a deployment that has those with the other names too.
    pub(crate) fn read_with(name: &str, others: &[&str], key_members: Value) -> Self {
        let token = read_json(name, "token.json");
        let algorithm = token["header"]["alg"].as_str().unwrap();
        let [key, other_key] = [(); 2].map(|()| SigningKey::generate(algorithm));
        let jwk = merged(key.jwk(token["header"]["kid"].as_str().unwrap()), key_members);

        let names = || [name].into_iter().chain(others.iter().copied());
        let issuers =
            joined_issuers(names().map(|name| read_json(name, "trusted-issuers.json")).collect());
        let policy = joined(names().map(|name| read_json(name, "issuance-policy.json")).collect());
        config(&issuers, &policy).unwrap_or_else(|error| panic!("{name}: {error}"));
        let config = config(&with_key(issuers, &jwk), &policy).unwrap();
        let own = issuer::own_identity(OWN_ISSUER);
        let http = HttpClient::new(TrustStore::empty(), ProxyConfig::disabled());
        let trusted = config.trusted_issuers.clone().unwrap();
        let verifier = IssuerVerifier::new(trusted, &own, &http);
        let own_audience = "granted";
        Self { name: name.into(), token, config, verifier, key, other_key, own_audience }
    }

    /// For an example whose rule compares the audience: the entry accepts this issuer too, the rule does not.
    pub(crate) fn with_audience_in_rule(self) -> Self {
        Self { own_audience: "unauthorized_client", ..self }
    }

    /// The claims of the token that a caller gets, without those that are the same in every example.
    pub(crate) async fn granted_claims(&self) -> Value {
        let claims = self.exchange(&self.token, &self.key).await;
        let mut claims = claims.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        for name in ["iss", "iat", "exp", "jti", "client_id"] {
            assert!(claims.remove(name).is_some(), "{}: no {name}", self.name);
        }
        claims.into()
    }

    /// Checks the outcome of each changed token. Each row is a JSON Merge Patch (RFC 7396) of the claims.
    pub(crate) async fn assert_outcomes(&self, rows: &[Row<'_>]) {
        let mut wrong = self.common_outcomes().await;
        for (name, change, expected) in rows {
            let token = merged(self.token.clone(), json!({"claims": change}));
            assert_ne!(token, self.token, "{name} changes nothing");
            wrong.extend(self.difference(name, &token, &self.key, expected).await);
        }
        assert!(wrong.is_empty(), "{}: {wrong:#?}", self.name);
    }

    /// Checks that the token is granted with this change of its header.
    pub(crate) async fn assert_granted_with_header(&self, change: Value) {
        let token = merged(self.token.clone(), json!({"header": change}));
        assert_ne!(token, self.token);
        assert_eq!(self.difference("header", &token, &self.key, "granted").await, None);
    }

    /// The rows that apply to all providers.
    async fn common_outcomes(&self) -> Vec<String> {
        let audience = self.token["claims"]["aud"].clone();
        let audience = audience.as_str().unwrap_or_else(|| audience[0].as_str().unwrap());
        let issuer = self.token["claims"]["iss"].as_str().unwrap();
        let other_slash =
            issuer.strip_suffix('/').map_or_else(|| format!("{issuer}/"), str::to_owned);
        let expiry = self.token["claims"]["exp"].as_u64().unwrap();
        let rows = [
            ("the token of the example", json!({}), "granted"),
            (
                "this issuer as the audience",
                json!({"claims": {"aud": OWN_ISSUER}}),
                self.own_audience,
            ),
            (
                "another audience",
                json!({"claims": {"aud": "https://other.example"}}),
                "invalid_grant Audience",
            ),
            (
                "a second audience",
                json!({"claims": {"aud": [audience, "https://other.example"]}}),
                "invalid_grant Audience",
            ),
            ("no audience", json!({"claims": {"aud": null}}), "invalid_grant Audience"),
            (
                "another issuer",
                json!({"claims": {"iss": "https://attacker.example"}}),
                "invalid_grant Issuer",
            ),
            ("another slash", json!({"claims": {"iss": other_slash}}), "invalid_grant Issuer"),
            (
                "a token for another purpose",
                json!({"header": {"typ": "logout+jwt"}}),
                "invalid_grant TokenType",
            ),
            (
                "a token that is bound to a key",
                json!({"claims": {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}}),
                "invalid_grant BoundAssertion",
            ),
            (
                "expired",
                json!({"claims": {"exp": expiry - 100_000, "iat": null, "nbf": null}}),
                "invalid_grant Expired",
            ),
        ];
        let mut wrong = Vec::new();
        for (name, change, expected) in rows {
            let token = merged(self.token.clone(), change);
            wrong.extend(self.difference(name, &token, &self.key, expected).await);
        }
        let other = self.difference(
            "the key of another provider",
            &self.token,
            &self.other_key,
            "invalid_grant InvalidSignature",
        );
        wrong.extend(other.await);
        wrong
    }

    async fn difference(
        &self,
        name: &str,
        token: &Value,
        key: &SigningKey,
        expected: &str,
    ) -> Option<String> {
        let outcome = match self.exchange(token, key).await {
            Ok(_) => "granted".to_owned(),
            Err(outcome) => outcome,
        };
        (outcome != expected).then(|| format!("{name}: {outcome}, expected {expected}"))
    }

    /// The result of the token endpoint for the form of a client: the claims of the new token, or the error.
    async fn exchange(
        &self,
        token: &Value,
        key: &SigningKey,
    ) -> Result<Map<String, Value>, String> {
        let assertion = key.sign(&token["header"], &token["claims"]);
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("grant_type", JWT_BEARER), ("assertion", &assertion)])
            .finish();
        // Some seconds after the provider has issued the original token.
        let now = UnixTime::from_seconds(self.token["claims"]["iat"].as_u64().unwrap() + 5);

        let request = AssertionTokenRequest::read(form.as_bytes(), None, &self.config);
        let AssertionTokenRequest { assertion, request } =
            request.map_err(|error| error.code().to_owned())?;
        let verified =
            assertion.verify(&self.verifier, &Revocations::default(), now).await.unwrap();
        let recipient = verified.map_err(|error| code(&error.into()))?;
        let granted = request.grant(&recipient, &self.config).map_err(|error| code(&error))?;
        let issued = issue(granted, &self.config, Uuid::nil(), now, &FakeSigner).await.unwrap();
        Ok(issued.claims)
    }
}

/// The error of OAuth, and for a refused assertion the reason in the log.
fn code(error: &IssuanceError) -> String {
    match error {
        IssuanceError::OAuth(OAuthError::Assertion(refusal)) => {
            format!("{} {}", error.code(), refusal.code())
        }
        _ => error.code().to_owned(),
    }
}

/// The names of all examples, and their files.
pub(crate) fn all() -> BTreeMap<String, (Value, Value)> {
    let folders = fs::read_dir(EXAMPLES).unwrap().map(|entry| entry.unwrap().path());
    let names = folders.map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned());
    names
        .map(|name| {
            let files = ["trusted-issuers.json", "issuance-policy.json"];
            let [issuers, policy] = files.map(|file| read_json(&name, file));
            (name, (issuers, policy))
        })
        .collect()
}

/// One list with all elements.
pub(crate) fn joined(lists: Vec<Value>) -> Value {
    lists.into_iter().flat_map(|list| list.as_array().unwrap().clone()).collect()
}

/// One list of trusted issuers. Entries of the same issuer become one, with all audiences.
pub(crate) fn joined_issuers(lists: Vec<Value>) -> Value {
    let mut entries: Vec<Value> = Vec::new();
    for entry in joined(lists).as_array().unwrap() {
        let Some(same) = entries.iter_mut().find(|other| other["issuer"] == entry["issuer"]) else {
            entries.push(entry.clone());
            continue;
        };
        let audiences = [same["audience"].clone(), entry["audience"].clone()];
        *same = merged(merged(same.clone(), entry.clone()), json!({"audience": audiences}));
    }
    entries.into()
}

/// The configuration of a token endpoint with these files, read as the function does.
pub(crate) fn config(issuers: &Value, policy: &Value) -> Result<IssuerConfig, String> {
    let mut settings = Settings::from_iter([])
        .with("TOKEN_ISSUER", OWN_ISSUER)
        .with("ISSUER_ROUTES", "oauth2")
        .with("TRUSTED_ISSUERS", issuers.to_string())
        .with("ISSUANCE_POLICY", policy.to_string());
    let config = IssuerConfig::read(&mut settings);
    settings.finish(config).map_err(|error| error.to_string())
}

fn read_json(example: &str, file: &str) -> Value {
    let path = format!("{EXAMPLES}/{example}/{file}");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The entries with this key in place of the URL of the provider's keys.
fn with_key(issuers: Value, jwk: &Value) -> Value {
    let Value::Array(entries) = issuers else { panic!("no list") };
    let keys = json!({"jwks_uri": null, "jwks": {"keys": [jwk]}});
    entries.into_iter().map(|entry| merged(entry, keys.clone())).collect()
}

/// A JSON Merge Patch (RFC 7396).
fn merged(mut base: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else { return patch };
    if !base.is_object() {
        base = json!({});
    }
    let members = base.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            let member = members.remove(&name).unwrap_or_default();
            members.insert(name, merged(member, value));
        }
    }
    base
}

/// Signs with a constant in place of KMS.
struct FakeSigner;

impl Signer for FakeSigner {
    type Error = Infallible;

    async fn sign(&self, draft: &UnsignedToken) -> Result<Signed, Infallible> {
        let token = draft.signing_input(Algorithm::Rs256, "key-1").into_token(b"signature");
        Ok(Signed { token, key_id: "key-1".into(), receipt: None })
    }
}
