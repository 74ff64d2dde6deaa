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

/// The expected effects of the conditions of the template.
pub(super) struct Observability<'a> {
    /// The stack that is observed.
    pub(super) of: &'a Deployment,
    /// `HasAlarmTopic`: the action of every alarm. Empty: none.
    pub(super) topic: &'a str,
    /// `WatchesRotation`.
    pub(super) rotates: bool,
    /// `WatchesTokenEndpoint`.
    pub(super) token_endpoint: bool,
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
        if self.token_endpoint {
            deployment = deployment.with("TokenEndpoint", "yes");
        }
        let deployed = deployment.run(context, packages)?;
        table.check("sam deploy of observability.yaml", "done", outcome(&deployed));
        let Ok(outputs) = deployed else { return Ok(()) };
        let alarms = alarms(context, &name)?;
        for (row, logical_id, expected) in [
            ("WatchesRotation: RotationOverdueAlarm", "RotationOverdueAlarm", self.rotates),
            (
                "WatchesTokenEndpoint: TokenEndpointErrorsAlarm",
                "TokenEndpointErrorsAlarm",
                self.token_endpoint,
            ),
        ] {
            let prefix = format!("{name}-{logical_id}-");
            let found = alarms.iter().any(|alarm| alarm_name(alarm).starts_with(&prefix));
            table.check(row, expected, found);
        }
        let expected = ALWAYS + usize::from(self.rotates) + usize::from(self.token_endpoint);
        table.check("number of alarms", expected, alarms.len());
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
    let is_own = |alarm: &Value| alarm_name(alarm).starts_with(&prefix);
    Ok(alarms.unwrap_or_default().into_iter().filter(is_own).collect())
}

fn alarm_name(alarm: &Value) -> &str {
    alarm.get("AlarmName").and_then(Value::as_str).unwrap_or_default()
}

/// The number of alarms without a condition.
const ALWAYS: usize = 5;
