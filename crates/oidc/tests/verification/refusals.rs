//! Assertions that are refused before a key is needed, and why.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_oidc::{AssertionError, IssuerVerifier, Purpose, Verified};
use jwt::UnixTime;
use serde_json::{Value, json};

use crate::{
    NOW, OWN_ISSUER,
    Outcome::{self, Refused, Valid},
    TOKEN_ENDPOINT, outcome,
    provider::Provider,
    tokens::{SigningKey, header, merged, signing_input},
    verifier, verify,
};

/// The provider of the table, and a verifier with more entries for the same key.
async fn provider_and_entries() -> (Provider, SigningKey, Vec<Value>) {
    let key = SigningKey::ed25519(1);
    let provider = Provider::start(&[key.jwk("k")]).await;
    let entry = merged(
        provider.entry(),
        json!({"max_age_seconds": 300, "required_claims": {"tenant": ["acme", 7, true]}}),
    );
    let inline = |more: Value| {
        let entry = json!({"algorithms": "Ed25519", "jwks": {"keys": [key.jwk("k")]}});
        merged(entry, more)
    };
    let entries = vec![
        entry,
        inline(
            json!({"issuer": "access", "audience": "orders", "typ": ["at+jwt", "oauth-id-jag+jwt"]}),
        ),
        inline(json!({"issuer": "oid", "audience": "orders", "subject_claim": "oid"})),
        inline(json!({"issuer": "without-audience"})),
        inline(json!({"issuer": "client", "client": true})),
        inline(json!({"issuer": "patient", "client": true, "max_age_seconds": 7200})),
        inline(
            json!({"issuer": "old-client", "client": true, "accept_token_endpoint_audience": true}),
        ),
    ];
    (provider, key, entries)
}

/// Claims of the provider that are valid, and checks of changes to them.
struct Checks {
    provider: Provider,
    key: SigningKey,
    verifier: IssuerVerifier,
    claims: Value,
}

impl Checks {
    async fn new() -> Self {
        let (provider, key, entries) = provider_and_entries().await;
        let claims = merged(provider.claims(), json!({"iat": NOW, "tenant": "acme", "jti": "1"}));
        Self { provider, key, verifier: verifier(&entries), claims }
    }

    fn with(&self, changes: Value) -> String {
        self.key.sign(&header("k"), &merged(self.claims.clone(), changes))
    }

    fn with_header(&self, changes: Value) -> String {
        self.key.sign(&merged(header("k"), changes), &self.claims)
    }

    /// Checks that each assertion is refused for this reason, and without a request for keys.
    async fn assert_refused_without_a_request(&self, rows: Vec<(&str, String, &'static str)>) {
        let mut wrong = Vec::new();
        for (name, assertion, expected) in rows {
            let found = outcome(&self.verifier, &assertion, NOW).await;
            let requests = self.provider.take_requests();
            if (found, requests) != (Refused(expected), 0) {
                wrong.push(format!("{name}: {found:?}, not {expected}; {requests} requests"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        // Unchanged, the assertion is valid, and needs the metadata and the keys.
        let found = outcome(&self.verifier, &self.with(json!({})), NOW).await;
        assert_eq!((found, self.provider.take_requests()), (Valid, 2));
    }
}

#[tokio::test]
async fn assertion_of_another_form_or_with_a_key_is_refused() {
    let checks = Checks::new().await;
    let with = |changes| checks.with(changes);
    let with_header = |changes| checks.with_header(changes);
    let good = with(json!({}));
    let (input, _) = good.rsplit_once('.').unwrap();
    let public = checks.key.public().to_pem();
    let hs256 = {
        let input = signing_input(&json!({"alg": "HS256", "kid": "k"}), &checks.claims);
        let secret = hmac::Key::new(hmac::HMAC_SHA256, public.as_bytes());
        let mac = hmac::sign(&secret, input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(mac))
    };
    let none = signing_input(&json!({"alg": "none", "kid": "k"}), &checks.claims);
    checks
        .assert_refused_without_a_request(vec![
            ("empty", String::new(), "NotCompact"),
            ("two parts", input.to_owned(), "NotCompact"),
            ("without a signature", format!("{input}."), "NotCompact"),
            ("encrypted", "e30.e30.AA.AA.AA".to_owned(), "NotCompact"),
            ("with white space", format!("{good} "), "MalformedEncoding"),
            ("long", with(json!({"x": "x".repeat(16_000)})), "TokenTooLong"),
            ("HS256 with the public key", hs256, "UnsupportedAlgorithm"),
            ("none", format!("{none}."), "NotCompact"),
            ("none with a signature", format!("{none}.AAAA"), "UnsupportedAlgorithm"),
            (
                "an algorithm that the entry lacks",
                with_header(json!({"alg": "ES256"})),
                "UnsupportedAlgorithm",
            ),
            ("jwk", with_header(json!({"jwk": checks.key.jwk("k")})), "HeaderParameter"),
            (
                "jku",
                with_header(json!({"jku": format!("{}/keys", checks.provider.url)})),
                "HeaderParameter",
            ),
            (
                "x5u",
                with_header(json!({"x5u": format!("{}/keys", checks.provider.url)})),
                "HeaderParameter",
            ),
            ("x5c", with_header(json!({"x5c": [checks.key.jwk("k")]})), "HeaderParameter"),
            ("crit", with_header(json!({"crit": ["b64"], "b64": true})), "HeaderParameter"),
            ("kid is a number", with_header(json!({"kid": 7})), "MalformedHeader"),
        ])
        .await;
}

#[tokio::test]
async fn assertion_for_another_audience_is_refused() {
    let checks = Checks::new().await;
    let with = |changes| checks.with(changes);
    checks
        .assert_refused_without_a_request(vec![
            ("another audience", with(json!({"aud": "payments"})), "Audience"),
            ("no audience", with(json!({"aud": null})), "Audience"),
            ("an additional audience", with(json!({"aud": ["orders", "payments"]})), "Audience"),
            ("two accepted audiences", with(json!({"aud": ["orders", OWN_ISSUER]})), "Audience"),
            ("the audience twice", with(json!({"aud": ["orders", "orders"]})), "Audience"),
            ("an empty list of audiences", with(json!({"aud": []})), "Audience"),
            ("the audience in another case", with(json!({"aud": "Orders"})), "Audience"),
            (
                "the issuer as audience with a slash",
                with(json!({"aud": format!("{OWN_ISSUER}/")})),
                "Audience",
            ),
            ("the audience is a number", with(json!({"aud": 7})), "MalformedClaims"),
        ])
        .await;
}

#[tokio::test]
async fn assertion_outside_of_its_times_is_refused() {
    let checks = Checks::new().await;
    let with = |changes| checks.with(changes);
    checks
        .assert_refused_without_a_request(vec![
            ("no exp", with(json!({"exp": null})), "NoExpiry"),
            ("exp is a string", with(json!({"exp": "2000000000"})), "MalformedClaims"),
            ("expired now", with(json!({"exp": NOW})), "Expired"),
            ("expired a second ago", with(json!({"exp": NOW - 1})), "Expired"),
            ("valid in 61 seconds", with(json!({"nbf": NOW + 61})), "NotYetValid"),
            ("issued in 61 seconds", with(json!({"iat": NOW + 61})), "IssuedInFuture"),
            ("issued 300 seconds ago", with(json!({"iat": NOW - 300})), "TooOld"),
            ("without the time of issue", with(json!({"iat": null})), "NoIssueTime"),
        ])
        .await;
}

#[tokio::test]
async fn assertion_of_another_issuer_is_refused() {
    let checks = Checks::new().await;
    let with = |changes| checks.with(changes);
    checks
        .assert_refused_without_a_request(vec![
            ("no issuer", with(json!({"iss": null})), "Issuer"),
            ("unknown issuer", with(json!({"iss": "https://unknown.example"})), "Issuer"),
            (
                "the issuer with a slash",
                with(json!({"iss": format!("{}/", checks.provider.url)})),
                "Issuer",
            ),
            (
                "the issuer in another case",
                with(json!({"iss": checks.provider.url.to_uppercase()})),
                "Issuer",
            ),
            (
                "a client",
                with(json!({"iss": "client", "sub": "client", "aud": OWN_ISSUER})),
                "Issuer",
            ),
            (
                "our own access token",
                checks.key.sign(
                    &json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k"}),
                    &merged(checks.claims.clone(), json!({"iss": OWN_ISSUER, "aud": OWN_ISSUER})),
                ),
                "Issuer",
            ),
            ("our own token", with(json!({"iss": OWN_ISSUER, "aud": OWN_ISSUER})), "Issuer"),
        ])
        .await;
}

#[tokio::test]
async fn assertion_of_another_type_is_refused() {
    let (provider, key, entries) = provider_and_entries().await;
    let verifier = verifier(&entries);
    let claims = merged(provider.claims(), json!({"iat": NOW, "tenant": "acme"}));
    let access = merged(claims.clone(), json!({"iss": "access"}));
    let client = json!({"iss": "client", "sub": "client", "aud": OWN_ISSUER, "exp": NOW + 60});
    let foreign = [
        "at+jwt",
        "application/at+jwt",
        "dpop+jwt",
        "logout+jwt",
        "oauth-id-jag+jwt",
        "token-introspection+jwt",
        "kb+jwt",
        "secevent+jwt",
        "vc+sd-jwt",
        "oauth-authz-req+jwt",
        "client-authentication+jwt",
        "JOSE",
        "",
    ];
    let typ = |typ: Option<&str>| merged(header("k"), json!({"typ": typ}));
    let mut rows = vec![
        ("JWT", Purpose::Grant, key.sign(&typ(Some("JWT")), &claims), Valid),
        ("jwt", Purpose::Grant, key.sign(&typ(Some("application/jwt")), &claims), Valid),
        ("none", Purpose::Grant, key.sign(&typ(None), &claims), Valid),
        ("at+jwt of the entry", Purpose::Grant, key.sign(&typ(Some("at+jwt")), &access), Valid),
        (
            "id-jag of the entry",
            Purpose::Grant,
            key.sign(&typ(Some("oauth-id-jag+jwt")), &access),
            Valid,
        ),
        (
            "not of the entry",
            Purpose::Grant,
            key.sign(&typ(Some("dpop+jwt")), &access),
            Refused("TokenType"),
        ),
        (
            "JWT of a client",
            Purpose::ClientAuthentication,
            key.sign(&typ(Some("JWT")), &client),
            Valid,
        ),
        ("none of a client", Purpose::ClientAuthentication, key.sign(&typ(None), &client), Valid),
        (
            "of a client",
            Purpose::ClientAuthentication,
            key.sign(&typ(Some("client-authentication+jwt")), &client),
            Valid,
        ),
    ];
    for name in foreign {
        rows.push((
            name,
            Purpose::Grant,
            key.sign(&typ(Some(name)), &claims),
            Refused("TokenType"),
        ));
        if name != "client-authentication+jwt" {
            let assertion = key.sign(&typ(Some(name)), &client);
            rows.push((name, Purpose::ClientAuthentication, assertion, Refused("TokenType")));
        }
    }
    let mut wrong = Vec::new();
    for (name, purpose, assertion, expected) in rows {
        let found = Outcome::from(verify(&verifier, &assertion, purpose, NOW).await);
        if found != expected {
            wrong.push(format!("{name} {purpose:?}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn verified_assertion_that_the_entry_does_not_accept_is_refused() {
    let (provider, key, entries) = provider_and_entries().await;
    let verifier = verifier(&entries);
    let claims = merged(provider.claims(), json!({"iat": NOW, "tenant": "acme"}));
    let with = |changes: Value| key.sign(&header("k"), &merged(claims.clone(), changes));
    let other_key = SigningKey::ed25519(2);
    let oid = json!({"iss": "oid", "tenant": null});
    let thumbprint = json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"});
    let rows = [
        ("valid", with(json!({})), Valid),
        ("the own issuer as audience", with(json!({"aud": OWN_ISSUER})), Valid),
        ("the token endpoint as audience", with(json!({"aud": TOKEN_ENDPOINT})), Valid),
        ("a list of one audience", with(json!({"aud": ["orders"]})), Valid),
        (
            "no audience in the entry",
            with(json!({"iss": "without-audience", "aud": OWN_ISSUER})),
            Valid,
        ),
        (
            "the audience of another entry",
            with(json!({"iss": "without-audience"})),
            Refused("Audience"),
        ),
        ("valid for another second", with(json!({"exp": NOW + 1})), Valid),
        ("valid in 60 seconds", with(json!({"nbf": NOW + 60, "iat": NOW + 60})), Valid),
        ("issued 299 seconds ago", with(json!({"iat": NOW - 299})), Valid),
        ("bound to a DPoP key", with(json!({"cnf": thumbprint})), Refused("BoundAssertion")),
        (
            "bound to a certificate",
            with(json!({"cnf": {"x5t#S256": "A"}})),
            Refused("BoundAssertion"),
        ),
        ("bound to nothing", with(json!({"cnf": {}})), Refused("BoundAssertion")),
        ("cnf is false", with(json!({"cnf": false})), Refused("BoundAssertion")),
        (
            "a logout token without its type",
            with(json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}})),
            Refused("OtherPurpose"),
        ),
        (
            "an introspection response",
            with(json!({"token_introspection": {"active": true}})),
            Refused("OtherPurpose"),
        ),
        (
            "an actor for the subject",
            with(json!({"act": {"sub": "agent"}})),
            Refused("DelegatedAssertion"),
        ),
        ("an actor that may act", with(json!({"may_act": {"sub": "agent"}})), Valid),
        ("valid for 25 hours", with(json!({"iss": "oid", "oid": "o", "exp": NOW + 90_000})), Valid),
        (
            "valid for more than 25 hours",
            with(json!({"iss": "oid", "oid": "o", "exp": NOW + 90_001})),
            Refused("ExpiresTooLate"),
        ),
        ("valid for years, with a maximum age", with(json!({"exp": 253_402_300_799_u64})), Valid),
        ("another required value", with(json!({"tenant": "globex"})), Refused("RequiredClaim")),
        ("a second required value", with(json!({"tenant": 7})), Valid),
        ("a third required value", with(json!({"tenant": true})), Valid),
        ("the value as a string", with(json!({"tenant": "7"})), Refused("RequiredClaim")),
        ("the value in a list", with(json!({"tenant": ["acme"]})), Refused("RequiredClaim")),
        ("no required claim", with(json!({"tenant": null})), Refused("RequiredClaim")),
        ("no subject", with(json!({"sub": null})), Refused("NoSubject")),
        ("empty subject", with(json!({"sub": ""})), Refused("NoSubject")),
        ("no subject in the claim of the entry", with(oid.clone()), Refused("NoSubject")),
        ("subject is a number", with(merged(oid.clone(), json!({"oid": 7}))), Refused("NoSubject")),
        ("another subject claim", with(merged(oid, json!({"oid": "o", "sub": null}))), Valid),
        ("another key", other_key.sign(&header("k"), &claims), Refused("InvalidSignature")),
        ("changed claims", tampered(&with(json!({}))), Refused("InvalidSignature")),
    ];
    let mut wrong = Vec::new();
    for (name, assertion, expected) in rows {
        let found = outcome(&verifier, &assertion, NOW).await;
        if found != expected {
            wrong.push(format!("{name}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn client_assertion_for_another_recipient_or_subject_is_refused() {
    let (provider, key, entries) = provider_and_entries().await;
    let verifier = verifier(&entries);
    let claims = json!({"iss": "client", "sub": "client", "aud": OWN_ISSUER, "exp": NOW + 60});
    let with = |changes: Value| key.sign(&header("k"), &merged(claims.clone(), changes));
    let old = |aud: &str| with(json!({"iss": "old-client", "sub": "old-client", "aud": aud}));
    let grant = merged(provider.claims(), json!({"iat": NOW, "tenant": "acme", "aud": OWN_ISSUER}));
    let grant = key.sign(&header("k"), &grant);
    let rows = [
        ("valid", with(json!({})), Valid),
        ("the token endpoint", with(json!({"aud": TOKEN_ENDPOINT})), Refused("Audience")),
        ("the token endpoint, which the entry accepts", old(TOKEN_ENDPOINT), Valid),
        ("the issuer too", old(OWN_ISSUER), Valid),
        (
            "issuer and token endpoint",
            with(json!({"aud": [OWN_ISSUER, TOKEN_ENDPOINT]})),
            Refused("Audience"),
        ),
        ("the audience of issuers", with(json!({"aud": "orders"})), Refused("Audience")),
        ("another subject", with(json!({"sub": "admin"})), Refused("ClientSubject")),
        ("the subject in another case", with(json!({"sub": "Client"})), Refused("ClientSubject")),
        ("no subject", with(json!({"sub": null})), Refused("ClientSubject")),
        ("an issuer", grant, Refused("Issuer")),
        ("an unknown client", with(json!({"iss": "x", "sub": "x"})), Refused("Issuer")),
        ("expired", with(json!({"exp": NOW})), Refused("Expired")),
        ("valid for an hour", with(json!({"exp": NOW + 3600})), Valid),
        (
            "valid for more than an hour",
            with(json!({"exp": NOW + 3601})),
            Refused("ExpiresTooLate"),
        ),
        (
            "valid for more than the maximum age of the client",
            with(json!({"iss": "patient", "sub": "patient", "exp": NOW + 7200, "iat": NOW})),
            Valid,
        ),
        ("bound", with(json!({"cnf": {}})), Refused("BoundAssertion")),
        (
            "another key",
            SigningKey::ed25519(2).sign(&header("k"), &claims),
            Refused("InvalidSignature"),
        ),
    ];
    let mut wrong = Vec::new();
    for (name, assertion, expected) in rows {
        let found = verify(&verifier, &assertion, Purpose::ClientAuthentication, NOW).await;
        let found = Outcome::from(found);
        if found != expected {
            wrong.push(format!("{name}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(provider.take_requests(), 0);
}

#[tokio::test]
async fn verified_assertion_has_its_issuer_subject_and_claims() {
    let (provider, key, entries) = provider_and_entries().await;
    let verifier = verifier(&entries);
    let claims = merged(provider.claims(), json!({"iat": NOW, "tenant": "acme", "jti": "7"}));
    let verified = verify(&verifier, &key.sign(&header("k"), &claims), Purpose::Grant, NOW).await;
    let expected = Verified {
        issuer: provider.url.clone(),
        subject: "job".into(),
        jti: Some("7".into()),
        claims: claims.as_object().unwrap().clone(),
    };
    assert_eq!(verified.unwrap(), Ok(expected));

    let claims = json!({"iss": "oid", "sub": "s", "oid": "o", "aud": "orders", "exp": NOW + 1});
    let verified = verify(&verifier, &key.sign(&header("k"), &claims), Purpose::Grant, NOW).await;
    let verified = verified.unwrap().unwrap();
    assert_eq!((&*verified.issuer, &*verified.subject, verified.jti), ("oid", "o", None));
}

#[tokio::test]
async fn refusal_quotes_nothing_of_the_assertion() {
    let (provider, key, entries) = provider_and_entries().await;
    let verifier = verifier(&entries);
    let now = UnixTime::from_seconds(NOW);
    let claims = merged(provider.claims(), json!({"iat": NOW, "tenant": "acme"}));
    let refuse = async |changes: Value| -> AssertionError {
        let assertion = key.sign(&header("k"), &merged(claims.clone(), changes));
        verifier.verify(&assertion, Purpose::Grant, now).await.unwrap().unwrap_err()
    };
    let named = Some(provider.url.clone());
    let rows = [
        (json!({"exp": 1_234_567}), named.clone(), "the assertion has expired"),
        (
            json!({"aud": "secret"}),
            named.clone(),
            "the assertion is not for this recipient alone (`aud`)",
        ),
        (
            json!({"tenant": "secret"}),
            named,
            "the assertion lacks a claim that its issuer must set",
        ),
        (json!({"iss": "secret"}), None, "the assertion has an issuer that is not trusted"),
    ];
    for (changes, issuer, text) in rows {
        let error = refuse(changes).await;
        assert_eq!((error.issuer.clone(), &*error.to_string()), (issuer, text));
    }
}

/// The assertion with another payload under its signature.
fn tampered(assertion: &str) -> String {
    let parts: Vec<_> = assertion.split('.').collect();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let payload = URL_SAFE_NO_PAD.encode(payload.replace("\"job\"", "\"joe\""));
    [parts[0], &payload, parts[2]].join(".")
}

#[tokio::test]
async fn entry_with_the_name_of_the_own_issuer_is_left_out() {
    let key = SigningKey::ed25519(1);
    let keys = json!({"keys": [key.jwk("k")]});
    let entry = |name: &str| json!({"issuer": name, "algorithms": "Ed25519", "jwks": keys});
    let verifier = verifier(&[entry(OWN_ISSUER), entry("other")]);
    for (issuer, expected) in [(OWN_ISSUER, Refused("Issuer")), ("other", Valid)] {
        let claims = json!({"iss": issuer, "sub": "job", "aud": OWN_ISSUER, "exp": NOW + 60});
        let found = outcome(&verifier, &key.sign(&header("k"), &claims), NOW).await;
        assert_eq!(found, expected, "{issuer}");
    }
}
