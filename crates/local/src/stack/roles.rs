//! The IAM roles of a template.

use serde::Deserialize;
use serde_json::{Value, json};

use super::properties::property;
use crate::{
    account::ACCOUNT,
    iam::PolicyDocument,
    kms::Role,
    template::{Resolver, TemplateError, text},
};

/// An IAM role of a template.
#[derive(Debug, Clone)]
pub struct DeployedRole {
    /// The ARN of the role.
    pub arn: String,
    /// The documents of its inline policies.
    pub policies: Vec<Value>,
}

/// The logical id of the role of a function.
pub(super) fn role_of(function: &Value) -> Option<&str> {
    function.pointer("/Properties/Role/Fn::GetAtt/0").and_then(Value::as_str)
}

/// The ARN of a role. Like CloudFormation, it generates a name if the template gives none.
pub(super) fn role_arn(
    id: &str,
    role: &Value,
    resolver: &Resolver,
) -> Result<String, TemplateError> {
    let resolved = |member: &str| {
        let value = property(role, member).ok();
        value.map(|value| resolver.resolve(value).map(|value| text(&value))).transpose()
    };
    let path = resolved("/Path")?.unwrap_or_else(|| "/".into());
    let pseudo = |name: &str| resolver.resolve(&json!({"Ref": name})).map(|value| text(&value));
    let (stack, partition) = (pseudo("AWS::StackName")?, pseudo("AWS::Partition")?);
    let name = resolved("/RoleName")?.unwrap_or_else(|| format!("{stack}-{id}-0LOCAL0LOCAL"));
    Ok(format!("arn:{partition}:iam::{ACCOUNT}:role{path}{name}"))
}

/// The role with its inline policies.
pub(super) fn deployed_role(
    id: &str,
    role: &Value,
    resolver: &Resolver,
) -> Result<DeployedRole, TemplateError> {
    let all = resolver.resolve(property(role, "/Policies").unwrap_or(&Value::Null))?;
    let document = |policy: &Value| policy.get("PolicyDocument").cloned().unwrap_or_default();
    let policies = all.as_array().into_iter().flatten().map(document).collect();
    Ok(DeployedRole { arn: role_arn(id, role, resolver)?, policies })
}

impl DeployedRole {
    /// The role for KMS.
    pub(super) fn kms_role(&self) -> Result<Role, TemplateError> {
        let read = |policy: &Value| {
            PolicyDocument::deserialize(policy)
                .map_err(|error| TemplateError(format!("invalid policy of a role: {error}")))
        };
        let policies = self.policies.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Role { arn: self.arn.clone(), policies })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::template::Template;

    #[test]
    fn role_arns_contain_the_path_and_the_name() {
        let template = Template::parse("Resources: {}").unwrap();
        let resolver = template.resolver("us-east-1", &BTreeMap::new()).unwrap();
        let path = json!({"Fn::Sub": "/countersign/${AWS::StackName}/"});
        let rows = [
            (json!({}), "countersign-Issuer-0LOCAL0LOCAL"),
            (json!({"Path": path}), "countersign/countersign/countersign-Issuer-0LOCAL0LOCAL"),
            (json!({"Path": path, "RoleName": "issuer"}), "countersign/countersign/issuer"),
            (json!({"RoleName": "issuer"}), "issuer"),
        ];
        for (properties, expected) in rows {
            let role = json!({"Properties": properties});
            let expected = format!("arn:aws:iam::000000000000:role/{expected}");
            assert_eq!(role_arn("Issuer", &role, &resolver), Ok(expected), "{properties}");
        }
    }
}
