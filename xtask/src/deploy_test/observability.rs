//! The stack with the alarms and the dashboard of another stack.

use serde_json::Value;

use super::{
    conditions::texts,
    deployment::{Context, Deployment},
    packages::Packages,
    steps::outcome,
    table::Table,
};
use crate::error::Error;

/// What the conditions of the template should have made.
pub(super) struct Observability<'a> {
    /// The stack that is observed.
    pub(super) of: &'a Deployment,
    /// `HasAlarmTopic`: the action of every alarm. Empty: none.
    pub(super) topic: &'a str,
    /// `WatchesRotation`.
    pub(super) rotates: bool,
}

impl Observability<'_> {
    /// Deploys the stack as the documentation says, and adds a row for each condition.
    pub(super) fn check(
        &self,
        context: &Context<'_>,
        packages: &Packages,
        table: &mut Table,
    ) -> Result<(), Error> {
        let (of, name) = (&self.of.stack, format!("{}-observability", self.of.stack));
        let mut deployment = Deployment::of_template(&name, "deploy/observability.yaml")
            .with("CountersignStack", of);
        if !self.topic.is_empty() {
            deployment = deployment.with("AlarmTopicArn", self.topic);
        }
        if self.rotates {
            deployment = deployment.with("RotatedAlias", &self.of.alias());
        }
        let deployed = deployment.run(context, packages)?;
        table.check("sam deploy of observability.yaml", "done", outcome(&deployed));
        let Ok(outputs) = deployed else { return Ok(()) };
        let alarms = alarms(context, &name)?;
        let expected = if self.rotates { 6 } else { 5 };
        table.check("WatchesRotation: number of alarms", expected, alarms.len());
        let mut topics: Vec<_> = alarms.iter().map(|it| texts(it.get("AlarmActions"))).collect();
        topics.dedup();
        table.check("HasAlarmTopic: actions of the alarms", self.topic, topics.join(", "));
        let url = outputs.get("DashboardUrl").map_or("", String::as_str);
        let dashboard = url.rsplit('/').next().unwrap_or_default();
        table.check("DashboardUrl", format!("{of}-us-east-1"), dashboard);
        Ok(())
    }
}

/// The alarms of a stack.
fn alarms(context: &Context<'_>, stack: &str) -> Result<Vec<Value>, Error> {
    let prefix = format!("{stack}-");
    let described = context.aws.call(&["cloudwatch", "describe-alarms"])?;
    let alarms = described.get("MetricAlarms").and_then(Value::as_array).cloned();
    let is_own = |alarm: &Value| {
        alarm.get("AlarmName").and_then(Value::as_str).is_some_and(|it| it.starts_with(&prefix))
    };
    Ok(alarms.unwrap_or_default().into_iter().filter(is_own).collect())
}
