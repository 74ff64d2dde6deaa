//! The effects of the conditions of the template on a stack.

use std::{collections::BTreeMap, fs};

use local::template::Template;
use serde_json::Value;

use super::{deployment::Context, stack::Stack, table::Table};
use crate::{error::Error, workspace::Workspace};

/// The expected effects of the conditions of the template.
#[derive(Debug, Clone)]
pub(super) struct Conditions<'a> {
    /// `CreatesKey` and `HasAdministrators`: the statements of the key policy. None: no key.
    pub(super) key_policy: Option<&'a str>,
    /// `NamesAlgorithm`: `SIGNING_ALGORITHM` of the issuer.
    pub(super) algorithm: &'a str,
    /// `ChangesAlgorithm`: the algorithms that the issuer's role allows.
    pub(super) algorithms: &'a str,
    /// `VerifiesWithKms`: the statements of the authorizer's role.
    pub(super) authorizer: &'a str,
    /// `Rotates` and `CopiesTags`: the tags that the rotator's role allows it to copy. None: no rotator.
    pub(super) copied_tags: Option<&'a [&'a str]>,
    /// `Traces`: the mode, and the statements about telemetry.
    pub(super) tracing: (&'a str, &'a str),
    /// `SetsLogsRole`.
    pub(super) sets_logs_role: bool,
    /// `HasBoundary`: the permissions boundary of each role. Empty: none.
    pub(super) boundary: &'a str,
    /// `HasOtherCallers`: the statements of the API's policy. Empty: no policy.
    pub(super) other_callers: &'a str,
}

impl Conditions<'_> {
    /// Adds a row for each condition, but for that of the token's issuer.
    pub(super) fn check(
        &self,
        context: &Context<'_>,
        table: &mut Table,
        name: &str,
        stack: &Stack<'_>,
    ) -> Result<(), Error> {
        let deployed = Deployed { context, name };
        let resources = deployed.resources()?;
        let has = |logical: &str| resources.iter().any(|resource| resource == logical);
        table.check("CreatesKey: SigningKey", self.key_policy.is_some(), has("SigningKey"));
        if let Some(expected) = self.key_policy {
            let found = sids(&deployed.key_policy(stack.output("KeyArn")?)?);
            table.check("HasAdministrators: statements of the key policy", expected, found);
        }
        table.check(
            "SetsLogsRole: ApiGatewayAccount",
            self.sets_logs_role,
            has("ApiGatewayAccount"),
        );
        table.check("Rotates: Rotator", self.copied_tags.is_some(), has("Rotator"));
        if let Some(copied) = self.copied_tags {
            let create = statement(&deployed.policy("rotator", "keys")?, "CreateTheNextKey");
            let mut expected = own_tag_keys(context.workspace)?;
            expected.extend(copied.iter().map(|key| (*key).to_owned()));
            let found = texts(create.pointer(TAG_KEYS));
            table.check("CopiesTags: aws:TagKeys of the rotator", expected.join(" "), found);
        }

        let issuer = deployed.function("issuer")?;
        let found = texts(issuer.pointer("/Environment/Variables/SIGNING_ALGORITHM"));
        table.check("NamesAlgorithm: SIGNING_ALGORITHM", self.algorithm, found);
        let sign = statement(&deployed.policy("issuer", "keys")?, "Sign");
        let found = texts(sign.pointer("/Condition/StringEquals/kms:SigningAlgorithm"));
        table.check("ChangesAlgorithm: algorithms of the issuer", self.algorithms, found);
        let found = sids(&deployed.policy("authorizer", "keys")?);
        table.check("VerifiesWithKms: statements of the authorizer", self.authorizer, found);
        let (mode, telemetry) = self.tracing;
        table.check(
            "Traces: mode of the issuer",
            mode,
            texts(issuer.pointer("/TracingConfig/Mode")),
        );
        let found = sids(&deployed.policy("issuer", "telemetry")?);
        table.check("Traces: telemetry of the issuer", telemetry, found);
        let (row, found) =
            ("HasBoundary: boundary of the issuer's role", deployed.boundary("issuer")?);
        if self.boundary.is_empty() {
            table.check(row, "", found);
        } else {
            let reason = "CloudFormation gives roles no boundary";
            table.check_unless(row, self.boundary, found, ("", reason));
        }
        let found = sids(&api_policy(context, stack.output("ApiId")?)?);
        table.check("HasOtherCallers: policy of the API", self.other_callers, found);
        Ok(())
    }
}

/// A stack, as the AWS CLI describes it.
struct Deployed<'a> {
    context: &'a Context<'a>,
    name: &'a str,
}

impl Deployed<'_> {
    /// The logical ids of its resources.
    fn resources(&self) -> Result<Vec<String>, Error> {
        let list = ["cloudformation", "list-stack-resources", "--stack-name", self.name];
        let listed = self.context.aws.call(&list)?;
        let listed = listed.get("StackResourceSummaries").and_then(Value::as_array).cloned();
        let id = |resource: Value| Some(resource.get("LogicalResourceId")?.as_str()?.to_owned());
        Ok(listed.unwrap_or_default().into_iter().filter_map(id).collect())
    }

    fn function(&self, function: &str) -> Result<Value, Error> {
        let name = format!("{}-{function}", self.name);
        self.context.aws.call(&["lambda", "get-function-configuration", "--function-name", &name])
    }

    /// An inline policy of a function's role.
    fn policy(&self, function: &str, policy: &str) -> Result<Value, Error> {
        let configuration = self.function(function)?;
        let arn = configuration.get("Role").and_then(Value::as_str).unwrap_or_default();
        let role = arn.rsplit('/').next().unwrap_or_default();
        let get = ["iam", "get-role-policy", "--role-name", role, "--policy-name", policy];
        let policy = self.context.aws.call(&get)?;
        Ok(policy.get("PolicyDocument").cloned().unwrap_or_default())
    }

    /// The permissions boundary of a function's role.
    fn boundary(&self, function: &str) -> Result<String, Error> {
        let configuration = self.function(function)?;
        let arn = configuration.get("Role").and_then(Value::as_str).unwrap_or_default();
        let name = arn.rsplit('/').next().unwrap_or_default();
        let role = self.context.aws.call(&["iam", "get-role", "--role-name", name])?;
        Ok(texts(role.pointer("/Role/PermissionsBoundary/PermissionsBoundaryArn")))
    }

    fn key_policy(&self, key: &str) -> Result<Value, Error> {
        let policy = self.context.aws.call(&["kms", "get-key-policy", "--key-id", key])?;
        let text = policy.get("Policy").and_then(Value::as_str).unwrap_or_default();
        Ok(serde_json::from_str(text).unwrap_or_default())
    }
}

/// The keys of the tags that the rotator sets on a new key: those that its role allows without `CopiedTagKeys`.
pub(super) fn own_tag_keys(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let path = workspace.path("template.yaml");
    let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
    let keys = Template::parse(&text).and_then(|template| {
        let resolver = template.resolver("us-east-1", &BTreeMap::new())?;
        let roles = template.resources("AWS::IAM::Role").filter(|(id, _)| *id == "RotatorRole");
        let policies =
            roles.filter_map(|(_, role)| role.pointer("/Properties/Policies")?.as_array());
        let documents = policies.flatten().filter_map(|policy| policy.get("PolicyDocument"));
        let keys = documents.map(|document| statement(document, "CreateTheNextKey"));
        let keys = keys.filter_map(|create| create.pointer(TAG_KEYS).cloned());
        resolver.resolve(&keys.collect())
    });
    let keys = keys.map_err(|error| Error::Check(format!("template.yaml: {error}")))?;
    let keys = keys.as_array().into_iter().flatten();
    let keys: Vec<_> = keys.map(|keys| texts(Some(keys))).collect();
    Ok(keys.iter().flat_map(|keys| keys.split_whitespace()).map(str::to_owned).collect())
}

/// Where a statement has the tags that a request may set.
const TAG_KEYS: &str = "/Condition/ForAllValues:StringEquals/aws:TagKeys";

/// The resource policy of an API. Null, if it has none.
pub(super) fn api_policy(context: &Context<'_>, api: &str) -> Result<Value, Error> {
    let api = context.aws.call(&["apigateway", "get-rest-api", "--rest-api-id", api])?;
    let text = api.get("policy").and_then(Value::as_str).unwrap_or_default();
    Ok(serde_json::from_str(&text.replace("\\\"", "\"")).unwrap_or_default())
}

/// The ids of the statements of a policy.
pub(super) fn sids(policy: &Value) -> String {
    let statements = policy.get("Statement").and_then(Value::as_array);
    let ids =
        statements.into_iter().flatten().filter_map(|statement| statement.get("Sid")?.as_str());
    ids.collect::<Vec<_>>().join(" ")
}

/// The statement of a policy with this id.
pub(super) fn statement(policy: &Value, sid: &str) -> Value {
    let statements = policy.get("Statement").and_then(Value::as_array);
    let found = statements.into_iter().flatten().find(|statement| statement["Sid"] == sid);
    found.cloned().unwrap_or_default()
}

/// A text, or the texts of an array.
pub(super) fn texts(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statements_and_texts_are_read() {
        let policy = json!({"Statement": [{"Sid": "A"}, {"Sid": "B"}, {}]});
        assert_eq!(sids(&policy), "A B");
        assert_eq!(statement(&policy, "B"), json!({"Sid": "B"}));
        let rows = [(json!("a"), "a"), (json!(["a", "b"]), "a b"), (json!(null), "")];
        let failed = rows.iter().filter(|(value, expected)| texts(Some(value)) != *expected);
        assert_eq!(failed.collect::<Vec<_>>(), Vec::<&(_, _)>::new());
    }

    #[test]
    fn tag_of_the_ring_is_set_by_the_rotator() {
        let keys = own_tag_keys(&Workspace::find().unwrap()).unwrap();
        assert_eq!(keys, ["countersign:ring"]);
    }
}
