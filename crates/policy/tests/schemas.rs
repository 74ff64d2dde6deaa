//! The JSON Schemas of the configuration files, which editors use, against the parsers, which decide.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::{fs, path::Path};

use boon::{Compiler, Schemas};
use countersign_policy::{
    access::AccessRules,
    issuance::{IssuancePolicy, RESERVED_CLAIMS},
    revocation::Revocations,
};
use serde_json::{Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A kind of file: the start of its name, and its parser.
struct Kind {
    name: &'static str,
    is_valid: fn(&str) -> bool,
}

const ACCESS_RULES: Kind =
    Kind { name: "access-rules", is_valid: |text| text.parse::<AccessRules>().is_ok() };
const ISSUANCE_POLICY: Kind =
    Kind { name: "issuance-policy", is_valid: |text| text.parse::<IssuancePolicy>().is_ok() };
const REVOCATIONS: Kind =
    Kind { name: "revocations", is_valid: |text| text.parse::<Revocations>().is_ok() };

fn read(path: impl AsRef<Path>) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

impl Kind {
    fn path(&self) -> String {
        format!("{ROOT}/config/schemas/{}.schema.json", self.name)
    }

    /// A function that says whether a document follows the schema.
    fn schema(&self) -> impl Fn(&Value) -> bool {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("schema.json", read(self.path())).unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap();
        move |document| schemas.validate(document, index).is_ok()
    }

    /// Checks that both accept the first documents, both refuse the second, and the parser alone refuses the third.
    fn assert_verdicts(&self, valid: &[Value], invalid: &[Value], refused_by_parser: &[Value]) {
        let follows_schema = self.schema();
        let rows = [(valid, true, true), (invalid, false, false), (refused_by_parser, true, false)];
        let mut wrong = Vec::new();
        for (documents, by_schema, by_parser) in rows {
            for document in documents {
                let verdicts = (follows_schema(document), (self.is_valid)(&document.to_string()));
                if verdicts != (by_schema, by_parser) {
                    wrong.push(format!("{document}: schema, parser: {verdicts:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}: {wrong:#?}", self.name);
    }
}

#[test]
fn examples_and_shipped_files_are_valid() {
    for kind in [ACCESS_RULES, ISSUANCE_POLICY, REVOCATIONS] {
        let follows_schema = kind.schema();
        let examples = fs::read_dir(format!("{ROOT}/config/examples")).unwrap();
        let examples = examples.map(|entry| entry.unwrap().path());
        let prefix = format!("{}.", kind.name);
        let is_own = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with(&prefix);
        let mut files: Vec<_> = examples.filter(|path| is_own(path)).collect();
        assert!(files.len() >= 2, "{}: {files:?}", kind.name);
        files.push(format!("{ROOT}/layer/config/{}.json", kind.name).into());
        let providers = fs::read_dir(format!("{ROOT}/examples/trusted-issuers")).unwrap();
        let file = format!("{}.json", kind.name);
        let of_providers = providers.map(|folder| folder.unwrap().path().join(&file));
        files.extend(of_providers.filter(|file| file.exists()));
        for file in files {
            let document = read(&file);
            assert!(follows_schema(&document), "schema: {}", file.display());
            assert!((kind.is_valid)(&document.to_string()), "parser: {}", file.display());
        }
    }
}

#[test]
fn schema_of_access_rules_agrees_with_the_parser() {
    let routes = "GET /|* /*|ANY /a/{id}/items|PUT /{proxy+}|POST /a.b-c_d~e!$&'()+,;=@%20|$connect|$default";
    let invalid_routes = "|GET|GET orders|get /orders|LINK /orders|GET /orders/|GET //|GET /a b|GET /a//b|GET /a*|\
                          GET /{}|GET /{a b}|GET /{a+}/b|GET /ä|$disconnect";
    let rule = |route: &str| json!([{"route": route, "any": true}]);
    let mut valid: Vec<_> = routes.split('|').map(rule).collect();
    valid.extend([
        json!([{"route": "GET /a", "scope": "orders:read"}]),
        json!([{"route": "GET /a", "scope": "https://api.example/!#[]~"}]),
        json!([{"route": "GET /a", "when": "claims.sub == 'ann'"}]),
    ]);
    let mut invalid: Vec<_> = invalid_routes.split('|').map(rule).collect();
    invalid.extend([
        json!(null),
        json!({}),
        json!([]),
        json!([7]),
        json!([{}]),
        json!([{"any": true}]),
        json!([{"route": 7, "any": true}]),
        json!([{"route": "GET /a"}]),
        json!([{"route": "GET /a", "any": false}]),
        json!([{"route": "GET /a", "any": "true"}]),
        json!([{"route": "GET /a", "any": true, "scope": "a"}]),
        json!([{"route": "GET /a", "scope": "a", "when": "true"}]),
        json!([{"route": "GET /a", "scope": "a b"}]),
        json!([{"route": "GET /a", "scope": ""}]),
        json!([{"route": "GET /a", "scope": "a\""}]),
        json!([{"route": "GET /a", "scope": "a\\"}]),
        json!([{"route": "GET /a", "scope": ["a"]}]),
        json!([{"route": "GET /a", "when": ""}]),
        json!([{"route": "GET /a", "scopes": "a"}]),
        json!([{"route": "GET /a", "any": true, "name": "a"}]),
        (0..129).map(|number| json!({"route": format!("GET /{number}"), "any": true})).collect(),
    ]);
    // Not expressible in a schema: paths that are always closed, CEL and its length in bytes, and rules that depend on
    // each other.
    let refused = [
        rule("GET /a/../b"),
        rule("GET /a/%2e/b"),
        rule("GET /*/a/{id}/b"),
        rule(&format!("GET /{}", "a".repeat(300))),
        json!([{"route": "GET /a", "when": "claim.sub == 'ann'"}]),
        json!([{"route": "GET /a", "when": format!("claims.sub == '{}'", "a".repeat(1024))}]),
        json!([{"route": "GET /a", "any": true}, {"route": "GET /a", "scope": "a"}]),
        json!([{"route": "GET /a/{id}", "scope": "a"}, {"route": "GET /a/{id}/b", "scope": "b"}]),
    ];
    ACCESS_RULES.assert_verdicts(&valid, &invalid, &refused);
}

#[test]
fn schema_of_issuance_policies_agrees_with_the_parser() {
    let role = "arn:aws:iam::123456789012:role/orders";
    let valid = [
        json!([]),
        json!([{"caller": "*"}, {"caller": "invoke"}, {"caller": role}]),
        json!([{"caller": [role, "invoke"], "subject": [], "audience": "a", "scope": ["a", "b*"]}]),
        json!([{"caller": "*", "claims": "tenant"}]),
        json!([{"caller": "*", "claims": ["tenant", "email"]}]),
        json!([{"caller": "*", "claims": {"tenant": "acme", "role": ["a", "b"]}}]),
        json!([{"caller": "*", "max_lifetime": 1}]),
        json!([{"caller": "*", "scope": "https://api.example/a!#[]~", "audience": ["https://ä.example/*", "*"]}]),
        json!([{"caller": {"issuer": "https://idp.example"}}]),
        json!([{
            "caller": {"issuer": "client-1", "when": "claims.a == 'b'"}, "subject": ["a*"], "subject_from": "'a'",
            "audience": "b", "scope": "c", "claims_from": {"tenant": "claims.tenant"}, "max_lifetime": 900,
        }]),
    ];
    let issuer = json!({"issuer": "https://idp.example"});
    let invalid = [
        json!(null),
        json!({"caller": "*"}),
        json!(["*"]),
        json!([{}]),
        json!([{"subject": "a"}]),
        json!([{"caller": ""}]),
        json!([{"caller": []}]),
        json!([{"caller": "role/orders"}]),
        json!([{"caller": ["*", "orders"]}]),
        json!([{"caller": "arn:aws:iam::123456789012"}]),
        json!([{"caller": "*", "subject": 7}]),
        json!([{"caller": "*", "scope": {"a": "b"}}]),
        json!([{"caller": "*", "scope": "orders:read orders:write"}]),
        json!([{"caller": "*", "scope": ["a", "b c"]}]),
        json!([{"caller": "*", "scope": ""}]),
        json!([{"caller": "*", "scope": "a\"b"}]),
        json!([{"caller": "*", "scope": "a\\b"}]),
        json!([{"caller": "*", "scope": "ä"}]),
        json!([{"caller": issuer, "scope": ["a\n"]}]),
        json!([{"caller": "*", "audience": "https://api.example "}]),
        json!([{"caller": issuer, "audience": ["a", "b c"]}]),
        json!([{"caller": "*", "audience": ""}]),
        json!([{"caller": "*", "claims": true}]),
        json!([{"caller": "*", "claims": {"tenant": 7}}]),
        json!([{"caller": "*", "max_lifetime": 0}]),
        json!([{"caller": "*", "max_lifetime": -1}]),
        json!([{"caller": "*", "max_lifetime": 1.5}]),
        json!([{"caller": "*", "max_lifetime": "900"}]),
        json!([{"caller": "*", "lifetime": 900}]),
        json!([{"caller": {}}]),
        json!([{"caller": {"issuer": ""}}]),
        json!([{"caller": {"issuer": ["a"]}}]),
        json!([{"caller": {"issuer": "a", "if": "true"}}]),
        json!([{"caller": {"issuer": "a", "when": ""}}]),
        json!([{"caller": [issuer]}]),
        json!([{"caller": issuer, "subject": []}]),
        json!([{"caller": issuer, "subject_from": ""}]),
        json!([{"caller": issuer, "claims": "a"}]),
        json!([{"caller": issuer, "claims_from": "a"}]),
        json!([{"caller": issuer, "claims_from": {"a": 7}}]),
        json!([{"caller": issuer, "claims_from": {"sub": "claims.a"}}]),
        json!([{"caller": issuer, "claims_from": {"cnf": "claims.a"}}]),
        json!([{"caller": "*", "subject_from": "claims.a"}]),
        json!([{"caller": "*", "claims_from": {"a": "claims.a"}}]),
        json!([{"caller": "*", "claims": "act"}]),
        json!([{"caller": "*", "claims": ["a", "exp"]}]),
        json!([{"caller": "*", "claims": {"may_act": "a"}}]),
    ];
    // A role with a path and a wildcard in its name, characters of Unicode, and expressions that are not CEL.
    let refused = [
        json!([{"caller": "*", "audience": "a\u{202e}b"}]),
        json!([{"caller": "arn:aws:iam::123456789012:role/path/*"}]),
        json!([{"caller": {"issuer": "a", "when": "claim.a"}}]),
        json!([{"caller": issuer, "subject_from": "claims.a ="}]),
        json!([{"caller": issuer, "subject_from": format!("'{}'", "a".repeat(1024))}]),
        json!([{"caller": issuer, "claims_from": {"a": "b"}}]),
    ];
    ISSUANCE_POLICY.assert_verdicts(&valid, &invalid, &refused);
}

#[test]
fn claims_that_the_schema_refuses_are_those_of_the_issuer() {
    let schema = read(ISSUANCE_POLICY.path());
    assert_eq!(schema.pointer("/$defs/claimName/not/enum"), Some(&json!(RESERVED_CLAIMS)));
}

#[test]
fn schema_of_revocations_agrees_with_the_parser() {
    let entry = json!({"iss": "us", "jti": "1"});
    let valid = [
        json!([]),
        json!([entry]),
        json!([{"iss": "us", "jti": "1", "exp": 253_402_300_799_u64, "reason": "lost"}]),
        json!([{"iss": "us", "sub": "ann", "issued_before": 0}]),
        json!([{"iss": "us", "sub": "ann", "issued_before": 1, "exp": 2}]),
        json!(vec![entry.clone(); 10_000]),
    ];
    let invalid = [
        json!(null),
        json!({}),
        json!(["1"]),
        json!([{}]),
        json!([{"jti": "1"}]),
        json!([{"iss": "us"}]),
        json!([{"iss": "us", "sub": "ann"}]),
        json!([{"iss": "us", "issued_before": 1}]),
        json!([{"iss": "us", "jti": "1", "sub": "ann"}]),
        json!([{"iss": "us", "jti": "1", "issued_before": 1}]),
        json!([{"iss": "us", "jti": "1", "sub": "ann", "issued_before": 1}]),
        json!([{"iss": 7, "jti": "1"}]),
        json!([{"iss": "us", "jti": 1}]),
        json!([{"iss": "us", "jti": "1", "exp": "soon"}]),
        json!([{"iss": "us", "jti": "1", "exp": -1}]),
        json!([{"iss": "us", "jti": "1", "exp": 1.5}]),
        json!([{"iss": "us", "jti": "1", "exp": 253_402_300_800_u64}]),
        json!([{"iss": "us", "sub": "ann", "issued_before": 253_402_300_800_u64}]),
        json!([{"iss": "us", "jti": "1", "until": 1}]),
        json!([{"iss": "us", "jti": "1", "reason": 7}]),
        json!(vec![entry; 10_001]),
    ];
    REVOCATIONS.assert_verdicts(&valid, &invalid, &[]);
}
