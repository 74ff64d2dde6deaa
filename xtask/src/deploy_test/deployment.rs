//! `sam deploy` and `sam delete`.

use std::{collections::BTreeMap, process::Output};

use serde_json::Value;

use super::{
    engine::{Credentials, Engine},
    packages::Packages,
};
use crate::{aws::Aws, error::Error, workspace::Workspace};

/// The context of every step of a test.
pub(super) struct Context<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) engine: &'a Engine,
    /// With the credentials of the root user.
    pub(super) aws: Aws,
}

/// The outputs of a stack.
pub(super) type Outputs = BTreeMap<String, String>;

/// A call of `sam deploy`.
#[derive(Debug, Clone)]
pub(super) struct Deployment {
    pub(super) stack: String,
    /// The template, if it is not the one with the functions.
    template: Option<&'static str>,
    parameters: BTreeMap<&'static str, String>,
    tags: BTreeMap<&'static str, &'static str>,
}

impl Deployment {
    /// A stack with the default of every parameter.
    pub(super) fn new(stack: &str) -> Self {
        Self::of_parts(stack, None)
    }

    /// A stack of another template, which has no functions.
    pub(super) fn of_template(stack: &str, template: &'static str) -> Self {
        Self::of_parts(stack, Some(template))
    }

    fn of_parts(stack: &str, template: Option<&'static str>) -> Self {
        let (parameters, tags) = (BTreeMap::new(), BTreeMap::new());
        Self { stack: stack.to_owned(), template, parameters, tags }
    }

    /// With a parameter.
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.parameters.insert(name, value.to_owned());
        self
    }

    /// With a tag.
    pub(super) fn tagged(mut self, key: &'static str, value: &'static str) -> Self {
        self.tags.insert(key, value);
        self
    }

    /// The alias of the ring.
    pub(super) fn alias(&self) -> String {
        let given = self.parameters.get("KeyAlias").cloned();
        given.unwrap_or_else(|| format!("alias/{}", self.stack))
    }

    /// Deploys the packages. The outputs of the stack, or why it was refused.
    pub(super) fn run(
        &self,
        context: &Context<'_>,
        packages: &Packages,
    ) -> Result<Result<Outputs, String>, Error> {
        let pairs = |(name, value): (&&str, String)| format!("{name}={}", quoted(&value));
        let parameters = self.parameters.iter().map(|(name, value)| (name, value.clone()));
        let mut options = Vec::new();
        if let Some(template) = self.template {
            options.extend(["--template-file".to_owned(), template.to_owned()]);
        }
        if !self.parameters.is_empty() {
            options.push("--parameter-overrides".to_owned());
            options.extend(parameters.map(pairs));
        }
        if !self.tags.is_empty() {
            options.push("--tags".to_owned());
            options
                .extend(self.tags.iter().map(|(name, tag)| (name, (*tag).to_owned())).map(pairs));
        }
        let fixed = ["deploy", "--no-confirm-changeset", "--stack-name", &self.stack];
        let options: Vec<&str> =
            fixed.into_iter().chain(options.iter().map(String::as_str)).collect();
        eprintln!("sam {}", options.join(" "));
        let output = sam(context, packages, &options)?;
        if !output.status.success() {
            return Ok(Err(problem(context, &self.stack, &output)));
        }
        outputs(context, &self.stack).map(Ok)
    }
}

/// Deletes a stack.
pub(super) fn delete(
    context: &Context<'_>,
    packages: &Packages,
    stack: &str,
) -> Result<Result<(), String>, Error> {
    let options =
        ["delete", "--no-prompts", "--stack-name", stack, "--region", super::engine::REGION];
    eprintln!("sam {}", options.join(" "));
    let output = sam(context, packages, &options)?;
    Ok(if output.status.success() { Ok(()) } else { Err(problem(context, stack, &output)) })
}

/// Runs the SAM CLI in the folder of the packages.
pub(super) fn sam(
    context: &Context<'_>,
    packages: &Packages,
    options: &[&str],
) -> Result<Output, Error> {
    let sam = context.workspace.command("sam")?.in_folder(&packages.folder).args(options);
    let mut command = sam.into_command();
    command.envs(context.engine.variables(&Credentials::root())).env_remove("AWS_SESSION_TOKEN");
    command.output().map_err(|source| Error::Run { command: "sam".into(), source })
}

fn outputs(context: &Context<'_>, stack: &str) -> Result<Outputs, Error> {
    let described =
        context.aws.call(&["cloudformation", "describe-stacks", "--stack-name", stack])?;
    let listed = described.pointer("/Stacks/0/Outputs").and_then(Value::as_array);
    let text = |output: &Value, name: &str| output.get(name)?.as_str().map(str::to_owned);
    let output = |output| Some((text(output, "OutputKey")?, text(output, "OutputValue")?));
    Ok(listed.into_iter().flatten().filter_map(output).collect())
}

/// A value as the SAM CLI reads it: one with quotes or spaces has to be in quotes.
fn quoted(value: &str) -> String {
    if value.contains(['"', ' ']) {
        format!("\"{}\"", value.replace('"', "\\\""))
    } else {
        value.to_owned()
    }
}

/// The reason of the first resource that failed, or what the SAM CLI says.
fn problem(context: &Context<'_>, stack: &str, output: &Output) -> String {
    let events =
        context.aws.call(&["cloudformation", "describe-stack-events", "--stack-name", stack]);
    let events =
        events.ok().and_then(|events| Some(events.get("StackEvents")?.as_array()?.clone()));
    let reason = |event: &Value| {
        let failed = event.get("ResourceStatus")?.as_str()?.ends_with("_FAILED");
        let reason =
            event.get("ResourceStatusReason").and_then(Value::as_str).filter(|_| failed)?;
        Some(format!("{}: {reason}", event.get("LogicalResourceId")?.as_str()?))
    };
    let first = events.iter().flatten().rev().find_map(reason);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = || text.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned);
    first.or_else(last).unwrap_or_else(|| output.status.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_quotes_are_quoted() {
        let rows = [("a,b", "a,b"), (r#"[{"a": 1}]"#, r#""[{\"a\": 1}]""#)];
        let failed = rows.iter().filter(|(value, expected)| quoted(value) != *expected);
        assert_eq!(failed.collect::<Vec<_>>(), Vec::<&(_, _)>::new());
    }
}
