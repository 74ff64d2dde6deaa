use policy::issuance::AssertedIdentity;
use serde_json::json;

use super::*;

const CI: &str = "https://ci.example";

fn config(token_type: &str, audience: Option<&str>, policy: Option<&Value>) -> IssuerConfig {
    IssuerConfig {
        token_type: token_type.into(),
        audience: audience.map(str::to_owned),
        policy: policy.map(|policy| policy.to_string().parse().unwrap()),
        ..IssuerConfig::new("https://issuer.example")
    }
}

fn asserted(client_id: Option<&str>) -> TokenRecipient {
    let claims = json!({"sub": "job", "tenant": "t", "long": "x".repeat(6000)});
    let Value::Object(claims) = claims else { panic!("claims are an object") };
    let (issuer, subject) = (CI.into(), "job".into());
    let caller = Caller::Assertion(AssertedIdentity { issuer, subject, claims });
    TokenRecipient { caller, client_id: client_id.map(str::to_owned), jti: None }
}

fn iam() -> TokenRecipient {
    let arn = "arn:aws:sts::123456789012:assumed-role/orders/i-1".into();
    TokenRecipient { caller: Caller::Iam(arn), client_id: None, jti: None }
}

fn request(scope: Option<&str>, audiences: &[&str]) -> ClientTokenRequest {
    ClientTokenRequest {
        scope: scope.map(str::to_owned),
        audiences: audiences.iter().map(|&audience| audience.to_owned()).collect(),
        lifetime: None,
    }
}

#[test]
fn granted_claims_have_a_client_id() {
    let policy = json!([
        {"caller": {"issuer": CI}, "scope": "a", "claims_from": {"tenant": "claims.tenant"}},
        {"caller": "*", "subject": "*", "audience": "*"},
    ]);
    let role = "arn:aws:iam::123456789012:role/orders";
    let ci = json!({"sub": "job", "aud": "api", "scope": "a", "tenant": "t", "client_id": "job"});
    let rows = [
        ("the subject is the client", Some(&policy), asserted(None), ci, Some(1)),
        (
            "a client that has proved its identity",
            Some(&policy),
            asserted(Some("client-1")),
            json!({"sub": "job", "aud": "api", "scope": "a", "tenant": "t", "client_id": "client-1"}),
            Some(1),
        ),
        (
            "a caller of IAM",
            Some(&policy),
            iam(),
            json!({"sub": role, "aud": "api", "client_id": role}),
            Some(2),
        ),
        (
            "a caller of IAM without a policy",
            None,
            iam(),
            json!({"sub": role, "client_id": role}),
            None,
        ),
    ];
    for (name, policy, recipient, expected, rule) in rows {
        for token_type in ["JWT", "at+jwt"] {
            let config = config(token_type, Some("api"), policy);
            let granted = request(None, &[]).grant(&recipient, &config).map_err(|e| e.to_string());
            let granted = granted.unwrap();
            assert_eq!(Value::Object(granted.claims), expected, "{name}");
            assert_eq!((granted.rule, granted.lifetime.as_secs()), (rule, 900), "{name}");
        }
    }
}

#[test]
fn request_that_is_not_granted_has_the_error_of_oauth() {
    let ci = json!({"issuer": CI});
    let rule = json!([{"caller": ci, "audience": "*", "scope": "a*"}]);
    let when = json!([{"caller": {"issuer": CI, "when": "claims.sub == 'other'"}}]);
    let subject = json!([{"caller": ci, "subject": "other"}]);
    let claim = json!([{"caller": ci, "claims_from": {"a": "claims.missing"}}]);
    let long = json!([{"caller": ci, "claims_from": {"a": "claims.long"}}]);
    let empty = json!([{"caller": ci}]);
    let rows = [
        ("no rule", &json!([]), None, &[][..], "unauthorized_client", 400),
        ("a condition", &when, None, &[], "unauthorized_client", 400),
        ("a subject", &subject, None, &[], "unauthorized_client", 400),
        ("a missing claim", &claim, None, &[], "unauthorized_client", 400),
        ("no scope", &rule, None, &["x"], "invalid_scope", 400),
        ("another scope", &rule, Some("b"), &["x"], "invalid_scope", 400),
        ("no audience", &rule, Some("a"), &[], "invalid_target", 400),
        ("another audience", &empty, None, &["x"], "invalid_target", 400),
        ("no audience anywhere", &empty, None, &[], "invalid_target", 400),
        ("a claim that is too long", &long, None, &[], "invalid_request", 413),
    ];
    let config = |policy| config("at+jwt", None, policy);
    for (name, policy, scope, audiences, code, status) in rows {
        let granted = request(scope, audiences).grant(&asserted(None), &config(Some(policy)));
        let error = granted.err().map(|error| (error.code(), error.status()));
        assert_eq!(error, Some((code, status)), "{name}");
    }
    let without_policy = request(None, &["x"]).grant(&asserted(None), &config(None));
    let denied = OAuthError::Denied(DeniedField::Caller);
    assert_eq!(without_policy.err(), Some(denied.into()), "without a policy");
}
