//! Roles of the stack and other principals, and the calls that they make.

use std::fs;

use local::{
    Bytes, Request, Stack, http,
    kms::{Kms, Role},
    template::Template,
};
use serde_json::{Value, json};

use crate::{TEMPLATE, public_keys::Signer, with_parameters};

/// Each function with its role. The local KMS knows both as access keys: calls with the name of the function
/// come from the function, calls with the name of the role have its permissions outside of Lambda.
pub(crate) const FUNCTIONS: [(&str, &str); 4] = [
    ("Issuer", "IssuerRole"),
    ("OAuthIssuer", "OAuthIssuerRole"),
    ("Authorizer", "AuthorizerRole"),
    ("Rotator", "RotatorRole"),
];
/// The beginning of the ARN of every role of the stack.
pub(crate) const PATH: &str = "arn:aws:iam::000000000000:role/countersign/countersign/";

/// The issuer that the token endpoint trusts. The tokens get the claim `more` of its assertions.
pub(crate) const TRUSTED_ISSUER: &str = "https://ci.example";

/// The name of the function with this role, without the name of the stack. None: no function has it.
pub(crate) fn function_name(role: &str) -> Option<String> {
    let template = Template::parse(&fs::read_to_string(TEMPLATE).unwrap()).unwrap();
    let mut functions = template.resources("AWS::Serverless::Function");
    let has_role = |function: &Value| function["Properties"]["Role"]["Fn::GetAtt"][0] == role;
    let (_, function) = functions.find(|(_, function)| has_role(function))?;
    let name = function["Properties"]["FunctionName"]["Fn::Sub"].as_str().unwrap();
    Some(name.strip_prefix("${AWS::StackName}-").unwrap().to_owned())
}

/// A stack with all functions.
pub(crate) async fn start() -> Stack {
    start_with(&Signer::new()).await
}

/// The same, with the key of the trusted issuer.
pub(crate) async fn start_with(issuer: &Signer) -> Stack {
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let parameters = [
        ("RotationDays", "2"),
        ("Settings", "KeyRefreshSeconds=10"),
        ("CopiedTagKeys", "team,cost center"),
        ("TokenEndpoint", "yes"),
    ];
    let settings = token_endpoint_settings(issuer);
    let settings = settings.each_ref().map(|(name, value)| (*name, &**value));
    Stack::start(&template, &with_parameters(&parameters, &settings)).await.unwrap()
}

/// The settings with which the token endpoint trusts the issuer with this key.
pub(crate) fn token_endpoint_settings(issuer: &Signer) -> [(&'static str, String); 2] {
    let trusted = json!([
        {"issuer": TRUSTED_ISSUER, "algorithms": "ES256", "jwks": {"keys": [issuer.jwk(Some("ci"))]}},
    ]);
    let policy = json!([
        {"caller": "*", "subject": "*", "claims": "*"},
        {"caller": "invoke", "subject": "*", "claims": "*"},
        {
            "caller": {"issuer": TRUSTED_ISSUER, "when": "true"}, "subject_from": "claims.sub",
            "claims_from": {"more": "claims.more"},
        },
    ]);
    [("TRUSTED_ISSUERS", trusted.to_string()), ("ISSUANCE_POLICY", policy.to_string())]
}

/// The status of a request with the token.
pub(crate) async fn whoami(stack: &Stack, token: &str) -> u16 {
    let request = Request::get("/whoami").header("authorization", format!("Bearer {token}"));
    let request = request.body(Bytes::new()).unwrap();
    http::send(stack.gateway.address(), request).await.unwrap().status().as_u16()
}

/// Assigns an access key to a principal that IAM allows these actions on every resource.
pub(crate) fn assign(kms: &Kms, name: &str, arn: &str, actions: &[&str]) {
    let statement = json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
    let policy = json!([{"Version": "2012-10-17", "Statement": statement}]);
    let policies = serde_json::from_value(policy).unwrap();
    kms.assign_role(name, Role { arn: arn.to_owned(), policies });
}

/// The response of KMS to a request with this access key, or the error code.
pub(crate) fn call(
    kms: &Kms,
    access_key: &str,
    operation: &str,
    input: &Value,
) -> Result<Value, String> {
    let credential = format!("{access_key}/20261123/us-east-1/kms/aws4_request");
    let request = Request::post("/")
        .header("x-amz-target", format!("TrentService.{operation}"))
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential={credential}"))
        .body(Bytes::from(input.to_string()));
    let response = kms.respond(&request.unwrap());
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    if response.status().is_success() {
        Ok(body)
    } else {
        Err(body["__type"].as_str().unwrap().to_owned())
    }
}

pub(crate) fn key_of(kms: &Kms, alias: &str) -> Value {
    let described = kms.perform("DescribeKey", &json!({"KeyId": alias})).unwrap();
    described["KeyMetadata"]["KeyId"].clone()
}
