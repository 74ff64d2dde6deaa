//! The outputs of the stack, and the configuration of its functions.

use serde_json::Value;

use crate::{aws::Aws, error::Error};

/// A deployed stack.
pub(super) struct Deployment {
    pub(super) issuer: Function,
    pub(super) authorizer: Function,
}

/// The configuration of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) arn: String,
    pub(super) log_group: String,
    pub(super) architecture: String,
    /// The memory size in megabytes.
    pub(super) memory: u64,
    /// Settings that the latency depends on.
    pub(super) settings: Vec<(&'static str, String)>,
}

/// The settings that the latency depends on.
const SETTINGS: [&str; 3] = ["VERIFICATION", "SIGNATURE_CACHE_SECONDS", "SIGNING_ALGORITHM"];

impl Deployment {
    /// Reads the outputs of a stack and the configuration of its functions.
    pub(super) fn find(aws: &Aws, stack: &str) -> Result<Self, Error> {
        let described = describe(aws, stack)?;
        let function = |arn: String| {
            let configured =
                aws.call(&["lambda", "get-function-configuration", "--function-name", &arn])?;
            Ok::<_, Error>(Function::read(arn, &configured))
        };
        Ok(Self {
            issuer: function(output(&described, stack, "IssuerArn")?)?,
            authorizer: function(output(&described, stack, "AuthorizerArn")?)?,
        })
    }
}

/// The URL that the authorizer protects in a stack of `deploy/demo.yaml`.
pub(super) fn whoami_url(aws: &Aws, stack: &str) -> Result<String, Error> {
    let url = describe(aws, stack).and_then(|described| output(&described, stack, "WhoamiUrl"));
    url.map_err(|error| {
        let remedy = "deploy deploy/demo.yaml, or name the URL of the requests with --url";
        Error::Check(format!("{error}; {remedy}"))
    })
}

fn describe(aws: &Aws, stack: &str) -> Result<Value, Error> {
    aws.call(&["cloudformation", "describe-stacks", "--stack-name", stack])
}

impl Function {
    /// The response of `GetFunctionConfiguration`.
    fn read(arn: String, configured: &Value) -> Self {
        let text =
            |pointer: &str| configured.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let name = arn.rsplit(':').next().unwrap_or_default();
        // Without a configuration, Lambda has this group and this architecture.
        let log_group =
            text("/LoggingConfig/LogGroup").unwrap_or_else(|| format!("/aws/lambda/{name}"));
        let architecture = text("/Architectures/0").unwrap_or_else(|| "x86_64".to_owned());
        let memory = configured.get("MemorySize").and_then(Value::as_u64).unwrap_or_default();
        let setting = |name| Some((name, text(&format!("/Environment/Variables/{name}"))?));
        let settings = SETTINGS.into_iter().filter_map(setting);
        let settings = settings.filter(|(_, value)| !value.is_empty()).collect();
        Self { arn, log_group, architecture, memory, settings }
    }

    /// The Region in the ARN.
    pub(super) fn region(&self) -> &str {
        self.arn.split(':').nth(3).unwrap_or_default()
    }
}

fn output(described: &Value, stack: &str, name: &str) -> Result<String, Error> {
    let outputs = described.pointer("/Stacks/0/Outputs").and_then(Value::as_array);
    let found = outputs.into_iter().flatten().find(|output| output["OutputKey"] == name);
    let value = found.and_then(|output| output.get("OutputValue")?.as_str());
    let missing = || Error::Check(format!("the stack `{stack}` has no output `{name}`"));
    value.map(str::to_owned).ok_or_else(missing)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::tests::Script;

    const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:countersign-authorizer";

    pub(in super::super) fn authorizer() -> Function {
        Function {
            arn: ARN.into(),
            log_group: "/aws/lambda/countersign-authorizer".into(),
            architecture: "arm64".into(),
            memory: 256,
            settings: vec![("VERIFICATION", "kms".into())],
        }
    }

    #[test]
    fn configuration_is_read() {
        let configured = json!({
            "FunctionName": "countersign-authorizer", "MemorySize": 256, "Architectures": ["arm64"],
            "Environment": {"Variables": {"VERIFICATION": "kms", "SIGNING_ALGORITHM": "", "OTHER": "x"}},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/countersign-authorizer"},
        });
        let function = Function::read(ARN.into(), &configured);
        assert_eq!((function.region(), &function), ("eu-west-1", &authorizer()));
    }

    #[test]
    fn missing_output_is_named() {
        let script = Script::new(
            "outputs",
            r#"echo '{"Stacks": [{"Outputs": [{"OutputKey": "ApiUrl", "OutputValue": "https://a/v1"}]}]}'"#,
        );
        let error = whoami_url(&script.aws, "orders-demo").unwrap_err().to_string();
        let missing =
            "the stack `orders-demo` has no output `WhoamiUrl`; deploy deploy/demo.yaml, or name";
        assert!(error.starts_with(missing), "{error}");
        let error = Deployment::find(&script.aws, "orders").err().unwrap().to_string();
        assert_eq!(error, "the stack `orders` has no output `IssuerArn`");
    }
}
