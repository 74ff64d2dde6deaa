//! The decision table through the real binary: what came, what API Gateway is answered, why in the
//! log, and how often KMS was asked.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{digest, hmac};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jwt::{Algorithm, Curve, PublicKey};
use local::{
    kms::{Disturbance, Kms},
    lambda::{Bootstrap, Configuration, Function, Journal},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const ALIAS: &str = "alias/ring";
const ISSUER: &str = "https://issuer.example";
const STAGE: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1";

/// KMS with a key, and the authorizer over it.
struct Stack {
    kms: Kms,
    key: String,
    function: Function,
    journal: Journal,
}

/// What came of an event: the answer's effect, or the error's message; the reason in the log; and
/// KMS calls.
type Outcome = (&'static str, String, u64);

impl Stack {
    async fn start(spec: &str, settings: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kms = Kms::start(listener, "us-east-1", None).unwrap();
        let key = create_key(&kms, spec);
        kms.perform("CreateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": key})).unwrap();
        Self::over(kms, key, settings).await
    }

    async fn over(kms: Kms, key: String, settings: &[(&str, &str)]) -> Self {
        let endpoint = format!("http://{}", kms.address());
        let mut environment = BTreeMap::from([
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL_KMS", &endpoint),
            ("KEY_ALIAS", ALIAS),
            ("TOKEN_ISSUER", ISSUER),
        ]);
        environment.extend(settings.iter().copied());
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let configuration = Configuration {
            name: "Authorizer".into(),
            binary: "authorizer".into(),
            region: "us-east-1".into(),
            environment: environment.into_iter().map(own).collect(),
            memory: 256,
            timeout: Duration::from_secs(6),
        };
        let program = env!("CARGO_BIN_EXE_authorizer").into();
        let bootstrap = Bootstrap { program, arguments: Vec::new() };
        let journal = Journal::default();
        let function = Function::new(configuration, bootstrap, journal.clone());
        function.warm().await.unwrap();
        Self { kms, key, function, journal }
    }

    async fn ask(&self, event: &Value) -> Outcome {
        let (outcome, _) = self.answer(event).await;
        outcome
    }

    async fn answer(&self, event: &Value) -> (Outcome, Value) {
        let calls = self.kms.calls();
        let invocation = self.function.invoke(event).await;
        let reason = self.journal.reason(&invocation.id.to_string()).await.unwrap();
        let calls = self.kms.calls() - calls;
        match invocation.result {
            Ok(answer) => {
                let effects: Vec<&str> = answer["policyDocument"]["Statement"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|statement| statement["Effect"].as_str().unwrap())
                    .collect();
                let effect = match (&*effects, answer["isAuthorized"].as_bool()) {
                    (["Allow"], None) => "Allow",
                    (["Allow", "Deny"], None) => "Allow and Deny",
                    (["Deny"], None) => "Deny",
                    ([], Some(true)) => "true",
                    ([], Some(false)) => "false",
                    _ => panic!("{answer}"),
                };
                ((effect, reason, calls), answer)
            }
            Err(error) if error.message == "Unauthorized" => {
                assert_eq!(error.error_type, "Unauthorized");
                (("Unauthorized", reason, calls), Value::Null)
            }
            Err(error) => {
                assert_eq!(error.message, "the request could not be decided on");
                (("error", reason, calls), Value::Null)
            }
        }
    }

    /// A signature by the key itself over anything at all, as JOSE writes it.
    fn sign_with(&self, algorithm: Algorithm, input: &str) -> Vec<u8> {
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
        let answer = self.kms.perform("Sign", &request).unwrap();
        let signature = STANDARD.decode(answer["Signature"].as_str().unwrap()).unwrap();
        match algorithm {
            Algorithm::Es256 => Curve::P256.from_der(&signature).unwrap(),
            _ => signature,
        }
    }

    /// A token with this header and these claims, as they stand, that the key has signed.
    fn sign(&self, header: &str, claims: &str) -> String {
        let input = input(header, claims);
        let signature = self.sign_with(Algorithm::Rs256, &input);
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn header(&self) -> Value {
        json!({"alg": "RS256", "typ": "JWT", "kid": self.key})
    }

    /// A good token with some claims more.
    fn good(&self, more: &Value) -> String {
        let mut claims = claims();
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    fn public(&self) -> Vec<u8> {
        let answer = self.kms.perform("GetPublicKey", &json!({"KeyId": self.key})).unwrap();
        STANDARD.decode(answer["PublicKey"].as_str().unwrap()).unwrap()
    }
}

fn create_key(kms: &Kms, spec: &str) -> String {
    let key = kms.perform("CreateKey", &json!({"KeySpec": spec, "KeyUsage": "SIGN_VERIFY"}));
    key.unwrap()["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "test-user", "jti": "an-id", "exp": now() + 600})
}

fn input(header: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

fn rest(headers: &Value) -> Value {
    json!({"type": "REQUEST", "methodArn": format!("{STAGE}/GET/orders/7"), "headers": headers})
}

fn bearer(token: &str) -> Value {
    rest(&json!({"Authorization": format!("Bearer {token}")}))
}

fn refused(reason: &str) -> Outcome {
    ("Unauthorized", reason.to_owned(), 0)
}

/// Every attack is a token that the right key has signed, but for what its name says: what refuses it
/// is the check, and not the signature.
#[tokio::test]
async fn every_attack_is_unauthorized_and_costs_no_kms_call() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let good = stack.good(&json!({}));
    assert_eq!(stack.ask(&bearer(&good)).await, ("Allow", "Allowed".into(), 1));
    let (plain, own) = (stack.header(), claims().to_string());
    let with = |changes: Value| {
        let mut header = plain.clone();
        header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        header.to_string()
    };
    let headed = |changes: Value| stack.sign(&with(changes), &own);
    let claimed = |claims: &str| stack.sign(&plain.to_string(), claims);
    let exp = |value: &str| claimed(&format!(r#"{{"iss":"{ISSUER}","exp":{value}}}"#));

    let mut rows: Vec<(String, String, &str)> = Vec::new();
    let mut row = |name: &str, token: String, reason| rows.push((name.to_owned(), token, reason));

    for alg in ["none", "None", "NONE", "nOnE", "none ", ""] {
        row(&format!("alg {alg}"), headed(json!({"alg": alg})), "UnsupportedAlgorithm");
        let unsigned = input(&json!({"alg": alg}).to_string(), &own);
        row(&format!("alg {alg}, unsigned"), format!("{unsigned}."), "NotCompact");
        row(&format!("alg {alg}, two parts"), unsigned, "NotCompact");
    }
    row("alg null", headed(json!({"alg": null})), "MalformedHeader");
    row("alg a list", headed(json!({"alg": ["RS256"]})), "MalformedHeader");
    row("no alg", stack.sign(r#"{"typ":"JWT"}"#, &own), "MalformedHeader");

    let der = stack.public();
    let pem = PublicKey::from_spki(&der).unwrap().to_pem();
    for (name, secret) in [("DER", &*der), ("PEM", pem.as_bytes())] {
        for (alg, hash) in [
            ("HS256", hmac::HMAC_SHA256),
            ("HS384", hmac::HMAC_SHA384),
            ("HS512", hmac::HMAC_SHA512),
        ] {
            let input = input(&with(json!({"alg": alg})), &own);
            let tag = hmac::sign(&hmac::Key::new(hash, secret), input.as_bytes());
            let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag));
            row(&format!("{alg} with the {name}"), token, "UnsupportedAlgorithm");
        }
    }

    let others = [
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "ES256K",
        "EdDSA",
        "Ed25519",
        "ML-DSA-44",
        "ML-DSA-65",
        "ML-DSA-87",
    ];
    for alg in others {
        row(&format!("alg {alg}"), headed(json!({"alg": alg})), "WrongAlgorithm");
    }
    for algorithm in [Algorithm::Rs384, Algorithm::Ps256] {
        let input = input(&with(json!({"alg": algorithm.name()})), &own);
        let signature = URL_SAFE_NO_PAD.encode(stack.sign_with(algorithm, &input));
        row(&format!("signed with {algorithm}"), format!("{input}.{signature}"), "WrongAlgorithm");
    }
    for alg in ["rs256", "RS256 ", "RS1", "Ed448", "ES512K", "ＲＳ256"] {
        row(&format!("alg {alg}"), headed(json!({"alg": alg})), "UnsupportedAlgorithm");
    }

    for (name, value) in [
        ("jwk", json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/x5u")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
    ] {
        row(name, headed(json!({name: value})), "HeaderParameter");
    }
    row("b64 with crit", headed(json!({"b64": false, "crit": ["b64"]})), "HeaderParameter");

    let kids = [
        "arn:aws:kms:us-east-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab".to_owned(),
        format!("arn:aws:kms:us-east-1:000000000000:key/{}", stack.key),
        ALIAS.to_owned(),
        "../../../../dev/null".to_owned(),
        "' OR '1'='1".to_owned(),
        "'; DROP TABLE keys; --".to_owned(),
        format!("{}\0", stack.key),
        format!("{} ", stack.key),
        stack.key.to_uppercase(),
        String::new(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
    ];
    for kid in &kids {
        row(&format!("kid {kid:?}"), headed(json!({"kid": kid})), "UnknownKey");
    }
    row("kid a number", headed(json!({"kid": 1})), "MalformedHeader");

    let twice = format!(r#"{{"alg":"RS256","alg":"RS256","kid":"{}"}}"#, stack.key);
    row("alg twice", stack.sign(&twice, &own), "MalformedHeader");
    let escaped = format!(r#"{{"alg":"RS256","\u0061lg":"none","kid":"{}"}}"#, stack.key);
    row("alg twice, escaped", stack.sign(&escaped, &own), "MalformedHeader");
    let expiry = now() + 600;
    let twice = format!(r#"{{"iss":"{ISSUER}","exp":1,"exp":{expiry}}}"#);
    row("exp twice", claimed(&twice), "MalformedClaims");
    let deep = format!(r#"{{"iss":"{ISSUER}","exp":{expiry},"a":[{{"b":1,"b":2}}]}}"#);
    row("a member twice, deep down", claimed(&deep), "MalformedClaims");
    let bomb = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        claimed(&format!(r#"{{"iss":"{ISSUER}","exp":{expiry},"a":{open}{close}}}"#))
    };
    row("nested", bomb(16), "MalformedClaims");
    row("a nesting bomb", bomb(2000), "MalformedClaims");
    row("claims that are a list", claimed("[]"), "MalformedClaims");
    row("claims with a byte order mark", claimed(&format!("\u{feff}{own}")), "MalformedClaims");
    row("claims with something behind them", claimed(&format!("{own}{own}")), "MalformedClaims");

    row("exp a string", exp(&format!("\"{expiry}\"")), "MalformedClaims");
    row("exp negative", exp("-1"), "MalformedClaims");
    row("exp 1e400", exp("1e400"), "MalformedClaims");
    row("exp NaN", exp("NaN"), "MalformedClaims");
    row("exp null", exp("null"), "MalformedClaims");
    row("exp past", exp("1"), "Expired");
    row("no exp", claimed(&format!(r#"{{"iss":"{ISSUER}"}}"#)), "NoExpiry");
    let changed = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claimed(&claims.to_string())
    };
    row("nbf to come", changed("nbf", (now() + 60).into()), "NotYetValid");
    row("iat to come", changed("iat", (now() + 60).into()), "IssuedInFuture");
    row("iat a string", changed("iat", "1".into()), "MalformedClaims");
    row("another issuer", changed("iss", "https://issuer.example/".into()), "Issuer");
    row("the issuer in a list", changed("iss", json!([ISSUER])), "MalformedClaims");
    row("an issuer that looks like it", changed("iss", "https://іssuer.example".into()), "Issuer");
    row("an audience", changed("aud", "somebody else".into()), "Audience");
    row("another type", headed(json!({"typ": "at+jwt"})), "TokenType");
    row("JOSE", headed(json!({"typ": "JOSE"})), "TokenType");

    let (head, signature) = good.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    row("padded", format!("{good}="), "MalformedEncoding");
    row("padded within", good.replacen('.', "=.", 1), "MalformedEncoding");
    row("the other alphabet", format!("{head}.+/{}", &signature[2..]), "MalformedEncoding");
    let last = signature.chars().last().unwrap();
    let trailing = char::from(u8::try_from(last).unwrap() + 1);
    let trailing = format!("{head}.{}{trailing}", &signature[..signature.len() - 1]);
    row("trailing bits", trailing, "MalformedEncoding");
    for (name, inserted) in [
        ("a space", ' '),
        ("a tab", '\t'),
        ("a line", '\n'),
        ("NUL", '\0'),
        ("a zero width space", '\u{200b}'),
    ] {
        row(&format!("{name} behind"), format!("{good}{inserted}"), "MalformedEncoding");
        row(
            &format!("{name} within"),
            good.replacen('.', &format!("{inserted}."), 1),
            "MalformedEncoding",
        );
    }
    row("a letter that looks like it", good.replacen('e', "е", 1), "MalformedEncoding");
    row("a full stop that looks like it", good.replacen('.', "．", 1), "NotCompact");
    row(
        "a signature too short",
        format!("{head}.{}", URL_SAFE_NO_PAD.encode(&raw[1..])),
        "InvalidSignature",
    );
    let longer = URL_SAFE_NO_PAD.encode([&raw[..], &[0]].concat());
    row("a signature too long", format!("{head}.{longer}"), "InvalidSignature");
    row("a JWE", format!("{good}.AAAA.AAAA"), "NotCompact");
    row(
        "the JSON serialization",
        json!({"payload": "e30", "signatures": []}).to_string(),
        "NotCompact",
    );
    row("dots", "..".into(), "NotCompact");
    row("Bearer twice", format!("Bearer {good}"), "MalformedEncoding");
    row("comma-joined", format!("{good}, Bearer {good}"), "NotCompact");
    row("comma-joined without a space", format!("{good},Bearer"), "MalformedEncoding");

    let of_bytes = |bytes: usize| {
        let token = |padding: usize| {
            let mut claims = claims();
            claims["a"] = "x".repeat(padding).into();
            claimed(&claims.to_string())
        };
        let padding = (bytes - token(0).len()) * 3 / 4;
        let fitting = (padding.saturating_sub(4)..padding + 4).map(token);
        fitting.into_iter().find(|token| token.len() == bytes)
    };
    // Not every length is one of a token: base64 skips every fourth.
    let long = (8193..8197).find_map(of_bytes).unwrap();
    row("over 8 KiB", long, "TokenTooLong");
    row(
        "8 KiB + 1 of nothing",
        format!("{head}.{}", "A".repeat(8192 - head.len())),
        "TokenTooLong",
    );
    row("16 KiB + 1", "A".repeat(16 * 1024 + 1), "TokenTooLong");
    row("a long header", headed(json!({"x": "x".repeat(2000)})), "TokenTooLong");
    row("much to pass on", changed("sub", "s".repeat(3100).into()), "ClaimsTooLong");

    for (name, token, reason) in rows {
        assert_eq!(stack.ask(&bearer(&token)).await, refused(reason), "{name}");
    }

    // As much as a token may have is taken.
    let whole = (8189..8193).rev().find_map(of_bytes).unwrap();
    assert_eq!(stack.ask(&bearer(&whole)).await, ("Allow", "Allowed".into(), 1));
    // And of what only the key can tell, the key is asked.
    let mut flipped = raw;
    flipped[100] ^= 1;
    let flipped = format!("{head}.{}", URL_SAFE_NO_PAD.encode(flipped));
    let (effect, reason, calls) = stack.ask(&bearer(&flipped)).await;
    assert_eq!((effect, &*reason, calls), ("Unauthorized", "InvalidSignature", 1));
}

#[tokio::test]
async fn credentials_in_every_place_and_form() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let good = stack.good(&json!({}));
    let credential = format!("Bearer {good}");
    let several = |headers: Value, values: Value| {
        let mut event = rest(&headers);
        event["multiValueHeaders"] = values;
        event
    };
    let token = |value: Value| {
        json!({
            "type": "TOKEN", "methodArn": format!("{STAGE}/GET/a"), "authorizationToken": value,
        })
    };
    let two = refused("SeveralCredentials");
    let none = refused("NoCredentials");
    let allowed: Outcome = ("Allow", "Allowed".into(), 1);
    let rows = [
        ("none", rest(&json!({})), none.clone()),
        ("null headers", rest(&json!(null)), none.clone()),
        ("an empty value", rest(&json!({"Authorization": ""})), refused("NotBearer")),
        ("Basic", rest(&json!({"Authorization": "Basic dTpw"})), refused("NotBearer")),
        ("a token alone", rest(&json!({"Authorization": good})), refused("NotBearer")),
        (
            "scheme in lower case",
            rest(&json!({"Authorization": format!("bearer {good}")})),
            allowed.clone(),
        ),
        ("name in capitals", rest(&json!({"AUTHORIZATION": credential})), allowed.clone()),
        (
            "in two cases",
            rest(&json!({"Authorization": credential, "authorization": credential})),
            two.clone(),
        ),
        (
            "two in one name",
            several(json!({}), json!({"Authorization": [credential, credential]})),
            two.clone(),
        ),
        (
            "a bad one hidden behind a good one",
            several(json!({"Authorization": credential}), json!({"authorization": ["Bearer x"]})),
            two.clone(),
        ),
        (
            "once in both maps",
            several(json!({"Authorization": credential}), json!({"Authorization": [credential]})),
            allowed.clone(),
        ),
        (
            "odd headers around it",
            rest(&json!({"Authorization": credential, "X": null, "Y": [1]})),
            allowed.clone(),
        ),
        ("TOKEN", token(json!(credential)), allowed.clone()),
        ("TOKEN with none", token(json!(null)), none),
        ("TOKEN with two", token(json!([credential, credential])), two),
        (
            "in the query alone",
            {
                let mut event = rest(&json!({}));
                event["queryStringParameters"] =
                    json!({"access_token": good, "Authorization": credential});
                event
            },
            refused("NoCredentials"),
        ),
    ];
    for (name, event, expected) in rows {
        assert_eq!(stack.ask(&event).await, expected, "{name}");
    }
}

#[tokio::test]
async fn the_sample_events_of_every_kind() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let credential = format!("Bearer {}", stack.good(&json!({})));
    let http2 = json!({
        "type": "REQUEST", "version": "2.0", "routeArn": format!("{STAGE}/GET/request"),
        "routeKey": "$default", "rawPath": "/my/path", "headers": {"authorization": credential},
        "identitySource": [credential],
    });
    let http1 = json!({
        "type": "REQUEST", "version": "1.0", "methodArn": format!("{STAGE}/GET/request"),
        "headers": {"Authorization": credential}, "authorizationToken": credential,
        "identitySource": credential,
    });
    let connect = json!({
        "type": "REQUEST", "methodArn": format!("{STAGE}/$connect"),
        "headers": {"Authorization": credential}, "requestContext": {"eventType": "CONNECT"},
    });
    let rows = [
        ("REST", rest(&json!({"Authorization": credential})), "*/*"),
        ("HTTP 2.0", http2.clone(), "*/*"),
        ("HTTP 1.0", http1, "*/*"),
        ("WebSocket", connect, "$connect"),
    ];
    for (name, event, resource) in rows {
        let (outcome, answer) = stack.answer(&event).await;
        assert_eq!(outcome, ("Allow", "Allowed".into(), 1), "{name}");
        let found = &answer["policyDocument"]["Statement"][0]["Resource"];
        assert_eq!(*found, format!("{STAGE}/{resource}"), "{name}");
        assert!(!answer.to_string().contains("null"), "{name}: {answer}");
    }
    let not_ours = [
        ("a proxy event", json!({"resource": "/token", "httpMethod": "POST"})),
        ("no ARN", json!({"type": "REQUEST"})),
        ("another version", json!({"type": "REQUEST", "version": "3.0", "routeArn": STAGE})),
        ("an odd ARN", json!({"type": "TOKEN", "methodArn": "arn:aws:s3:::bucket/v1/GET/"})),
        ("nothing", json!({})),
        ("a list", json!([])),
    ];
    for (name, event) in not_ours {
        assert_eq!(stack.ask(&event).await, ("error", "MalformedEvent".into(), 0), "{name}");
    }

    let simple = Stack::start("RSA_2048", &[("HTTP_API_RESPONSE", "simple")]).await;
    let mut event = http2;
    event["headers"]["authorization"] = format!("Bearer {}", simple.good(&json!({}))).into();
    assert_eq!(simple.ask(&event).await, ("true", "Allowed".into(), 1));
    event["headers"] = json!({});
    assert_eq!(simple.ask(&event).await, refused("NoCredentials"));
}

#[tokio::test]
async fn rules_decide_and_the_path_does_not_change_the_policy() {
    let rules = r#"[
        {"route": "GET /orders/*", "scope": "orders:read"},
        {"route": "* /admin/*", "when": "claims.role == 'admin'"},
        {"route": "GET /admin/motd", "scope": "orders:read"}
    ]"#;
    // The last would have to be open in what is closed.
    let settings = [("ACCESS_RULES", rules.replace("GET /orders/*", "GET /*"))];
    let settings = settings.each_ref().map(|(name, value)| (*name, &**value));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kms = Kms::start(listener, "us-east-1", None).unwrap();
    assert!(starting(kms, &settings).await.contains("cannot be kept apart"));

    let stack = Stack::start("RSA_2048", &[("ACCESS_RULES", rules)]).await;
    let reader = stack.good(&json!({"scope": "orders:read"}));
    let nobody = stack.good(&json!({}));
    let admin = stack.good(&json!({"role": "admin"}));
    let at = |route: &str, token: &str| {
        let mut event = bearer(token);
        event["methodArn"] = format!("{STAGE}/{route}").into();
        event
    };
    let rows = [
        ("its route", at("GET/orders/7", &reader), ("Allow", "Allowed")),
        ("another route", at("POST/orders/7", &reader), ("Allow", "Forbidden")),
        ("a route that no rule names", at("GET/invoices", &reader), ("Allow", "Forbidden")),
        ("no route at all", at("GET/orders/7", &nobody), ("Deny", "Forbidden")),
        ("by an expression", at("DELETE/admin/x", &admin), ("Allow and Deny", "Allowed")),
        ("not by another", at("DELETE/admin/x", &reader), ("Allow", "Forbidden")),
    ];
    for (name, event, (effect, reason)) in rows {
        assert_eq!(stack.ask(&event).await, (effect, reason.into(), 1), "{name}");
    }
    let (_, expected) = stack.answer(&at("GET/orders/7", &reader)).await;
    for path in
        ["*", "?", "%2A", "..", "../admin/x", "orders/*", "orders/%2e%2e/admin", "", "//", "a:b"]
    {
        let (_, answer) = stack.answer(&at(&format!("GET/{path}"), &reader)).await;
        assert_eq!(answer, expected, "{path}");
    }
}

/// What the function says of its settings.
async fn starting(kms: Kms, settings: &[(&str, &str)]) -> String {
    let key = create_key(&kms, "RSA_2048");
    kms.perform("CreateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": key})).unwrap();
    let endpoint = format!("http://{}", kms.address());
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_authorizer"))
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"),
            ("AWS_LAMBDA_FUNCTION_NAME", "Authorizer"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL_KMS", &endpoint),
            ("KEY_ALIAS", ALIAS),
            ("TOKEN_ISSUER", ISSUER),
        ])
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    line["problems"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn dangerous_or_wrong_settings_stop_the_start() {
    let rows = [
        ("VERIFICATION", "remote", "VERIFICATION must be kms or local"),
        ("HTTP_API_RESPONSE", "yes", "HTTP_API_RESPONSE must be iam or simple"),
        ("AWS_LAMBDA_LOG_LEVEL", "TRACE", "must not be TRACE, at which events would be logged"),
        ("RUST_LOG", "info,lambda_runtime=trace", "RUST_LOG must not be TRACE"),
        ("CLOCK_LEEWAY_SECONDS", "301", "CLOCK_LEEWAY_SECONDS must be from 0 to 300 seconds"),
        ("ACCESS_RULES", "{}", "ACCESS_RULES is not a JSON list of rules"),
    ];
    for (name, value, expected) in rows {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kms = Kms::start(listener, "us-east-1", None).unwrap();
        let said = starting(kms, &[(name, value)]).await;
        assert!(said.contains(expected), "{name}: {said}");
    }
}

#[tokio::test]
async fn a_fault_is_neither_yes_nor_no_and_comes_in_time() {
    for verification in ["kms", "local"] {
        let stack = Stack::start("RSA_2048", &[("VERIFICATION", verification)]).await;
        let good = bearer(&stack.good(&json!({})));
        let garbage = bearer("garbage");
        let calls = u64::from(verification == "kms");
        assert_eq!(stack.ask(&good).await, ("Allow", "Allowed".into(), calls));
        let faults = [
            (Disturbance::Error("ThrottlingException"), "KmsThrottled"),
            (Disturbance::Error("KMSInternalException"), "KmsUnavailable"),
            (Disturbance::Error("AccessDeniedException"), "AccessDenied"),
            (Disturbance::Error("DisabledException"), "KeyState"),
            (Disturbance::Page, "KmsUnreachable"),
            (Disturbance::Late(Duration::from_mins(1)), "KmsUnreachable"),
        ];
        for (disturbance, cause) in faults {
            stack.kms.disturb(Some(disturbance));
            let start = Instant::now();
            let (effect, reason, _) = stack.ask(&good).await;
            let took = start.elapsed();
            let expected = if calls == 0 { ("Allow", "Allowed") } else { ("error", cause) };
            assert_eq!((effect, &*reason), expected, "{verification} {disturbance:?}");
            assert!(took < Duration::from_secs(5), "{verification} {disturbance:?}: {took:?}");
            assert_eq!(stack.ask(&garbage).await, refused("NotCompact"));
        }
        stack.kms.disturb(None);
        assert_eq!(stack.ask(&good).await, ("Allow", "Allowed".into(), calls), "it is over");
    }
}

#[tokio::test]
async fn a_start_without_kms_is_made_good_by_the_first_request() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let (token, Stack { kms, key, .. }) = (stack.good(&json!({})), stack);
    kms.disturb(Some(Disturbance::Error("KMSInternalException")));
    let stack = Stack::over(kms, key, &[]).await;
    assert_eq!(stack.ask(&bearer(&token)).await.1, "KmsUnavailable");
    stack.kms.disturb(None);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(stack.ask(&bearer(&token)).await.0, "Allow");
}

#[tokio::test]
async fn local_verification_asks_kms_for_keys_alone() {
    let settings = [("VERIFICATION", "local"), ("KEY_REFRESH_SECONDS", "1")];
    let stack = Stack::start("RSA_2048", &settings).await;
    let good = stack.good(&json!({}));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let mut raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    raw[0] ^= 1;
    let changed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(raw));
    let unnamed = stack.sign(r#"{"alg":"RS256"}"#, &claims().to_string());
    let allowed: Outcome = ("Allow", "Allowed".into(), 0);
    assert_eq!(stack.ask(&bearer(&good)).await, allowed);
    assert_eq!(stack.ask(&bearer(&unnamed)).await, allowed);
    assert_eq!(stack.ask(&bearer(&changed)).await, refused("InvalidSignature"));

    // A key that was prepared, one that signs now, and one whose tokens still live.
    let next = create_key(&stack.kms, "ECC_NIST_P256");
    let target = json!({"AliasName": format!("{ALIAS}-next"), "TargetKeyId": next});
    stack.kms.perform("CreateAlias", &target).unwrap();
    let next_stack = Stack { key: next.clone(), ..stack };
    let header = json!({"alg": "ES256", "kid": next}).to_string();
    let input = input(&header, &claims().to_string());
    let signature = next_stack.sign_with(Algorithm::Es256, &input);
    let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (effect, _, calls) = next_stack.ask(&bearer(&token)).await;
    assert_eq!((effect, calls), ("Allow", 3), "GetPublicKey of the three");

    // Once withdrawn, it is refused when the ring is refreshed.
    next_stack.kms.perform("DisableKey", &json!({"KeyId": next})).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (effect, reason, _) = next_stack.ask(&bearer(&token)).await;
    assert_eq!((effect, &*reason), ("Unauthorized", "UnknownKey"));
    assert_eq!(next_stack.ask(&bearer(&good)).await.0, "Allow");
}

#[tokio::test]
async fn numbers_that_no_ecdsa_signature_has() {
    let stack = Stack::start("ECC_NIST_P256", &[]).await;
    let header = json!({"alg": "ES256", "kid": stack.key}).to_string();
    let input = input(&header, &claims().to_string());
    let good = stack.sign_with(Algorithm::Es256, &input);
    let token =
        |signature: &[u8]| bearer(&format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)));
    assert_eq!(stack.ask(&token(&good)).await, ("Allow", "Allowed".into(), 1));
    let (r, s) = good.split_at(32);
    let order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (zero, most) = ([0; 32], [0xff; 32]);
    let der = Curve::P256.to_der(&good).unwrap();
    let rows: [(&str, Vec<u8>); 9] = [
        ("r is zero", [&zero, s].concat()),
        ("s is zero", [r, &zero].concat()),
        ("both are zero", vec![0; 64]),
        ("r is the order", [&order, s].concat()),
        ("s is the order", [r, &order].concat()),
        ("r is past the order", [&most, s].concat()),
        ("s is past the order", [r, &most].concat()),
        ("DER", der),
        ("r alone", r.to_vec()),
    ];
    for (name, signature) in rows {
        assert_eq!(stack.ask(&token(&signature)).await, refused("InvalidSignature"), "{name}");
    }
}

/// Nothing of a request reaches the log but a verified token's `sub` and `jti`.
#[tokio::test]
async fn a_log_line_has_what_it_needs_and_nothing_of_the_clients() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let good = stack.good(&json!({"secret": "s3cr3t-claim"}));
    stack.ask(&bearer(&good)).await;
    let mut event = bearer("s3cr3t-token");
    event["path"] = "/s3cr3t-path".into();
    event["headers"]["User-Agent"] = "s3cr3t-agent".into();
    stack.ask(&event).await;
    stack.ask(&bearer(&stack.sign(r#"{"alg":"s3cr3t"}"#, "{}"))).await;
    stack.ask(&bearer(&stack.good(&json!({"exp": 1_234_567_890})))).await;
    stack.ask(&json!({"type": "s3cr3t-type", "methodArn": "s3cr3t-arn"})).await;
    let lines: Vec<Value> = stack
        .journal
        .recent()
        .iter()
        .map(|line| serde_json::from_str(&line.text).unwrap())
        .collect();
    assert_eq!(lines.len(), 5, "one for each request");
    for line in &lines {
        let text = line.to_string();
        assert!(!text.contains("s3cr3t") && !text.contains("1234567890"), "{text}");
        assert!(!text.contains(good.rsplit('.').next().unwrap()), "{text}");
        for name in ["timestamp", "level", "message", "requestId", "xrayTraceId"] {
            assert!(line[name].is_string(), "{name}: {text}");
        }
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Countersign");
    }
    let [first, second, ..] = &*lines else { panic!("five lines") };
    assert_eq!((&first["coldStart"], &second["coldStart"]), (&json!(true), &json!(false)));
    assert_eq!((&first["sub"], &first["jti"]), (&json!("test-user"), &json!("an-id")));
    assert!(first["KmsLatency"].as_f64().unwrap() > 0.0 && second["KmsLatency"].is_null());
    assert_eq!((&second["Reason"], &second["Rejected"]), (&json!("NotCompact"), &json!(1)));
    assert_eq!((&lines[4]["Cause"], &lines[4]["Faults"]), (&json!("MalformedEvent"), &json!(1)));
}
