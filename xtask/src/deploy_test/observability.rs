//! The stack with the alarms and the dashboard of another stack.

use std::fs;

use local::template::Template;
use serde_json::Value;

use super::{
    conditions::texts,
    deployment::{Context, Deployment},
    packages::Packages,
    steps::outcome,
    table::Table,
};
use crate::error::Error;

const TEMPLATE: &str = "deploy/observability.yaml";

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
        let mut deployment = Deployment::of_template(&name, TEMPLATE).with("CountersignStack", of);
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
        let path = packages.folder.join(TEMPLATE);
        let template = fs::read_to_string(&path).map_err(Error::file(&path))?;
        let expected = self.expected_alarms(&template)?;
        for alarm in &expected {
            let Some(condition) = &alarm.condition else { continue };
            let prefix = format!("{name}-{}-", alarm.logical_id);
            let found = alarms.iter().any(|alarm| alarm_name(alarm).starts_with(&prefix));
            table.check(format!("{condition}: {}", alarm.logical_id), alarm.exists, found);
        }
        let expected = expected.iter().filter(|alarm| alarm.exists).count();
        table.check("number of alarms", expected, alarms.len());
        let mut topics: Vec<_> = alarms.iter().map(|it| texts(it.get("AlarmActions"))).collect();
        topics.dedup();
        table.check("HasAlarmTopic: actions of the alarms", self.topic, topics.join(", "));
        let url = outputs.get("DashboardUrl").map_or("", String::as_str);
        let dashboard = url.rsplit('/').next().unwrap_or_default();
        table.check("DashboardUrl", format!("{of}-us-east-1"), dashboard);
        Ok(())
    }

    /// The alarms of the template, and which of them the stack should have.
    fn expected_alarms(&self, template: &str) -> Result<Vec<ExpectedAlarm>, Error> {
        let problem = |problem: String| Error::Check(format!("{TEMPLATE}: {problem}"));
        let template = Template::parse(template).map_err(|error| problem(error.to_string()))?;
        let expected = template.resources("AWS::CloudWatch::Alarm").map(|(id, alarm)| {
            let condition = alarm.get("Condition").and_then(Value::as_str).map(str::to_owned);
            let exists = match condition.as_deref() {
                None => true,
                Some("WatchesRotation") => self.rotates,
                Some("WatchesTokenEndpoint") => self.token_endpoint,
                Some(name) => {
                    let text = format!(
                        "{id} has the condition {name}, which the deployment test does not handle"
                    );
                    return Err(problem(text));
                }
            };
            Ok(ExpectedAlarm { logical_id: id.to_owned(), condition, exists })
        });
        expected.collect()
    }
}

/// An alarm of the template.
#[derive(Debug, PartialEq, Eq)]
struct ExpectedAlarm {
    logical_id: String,
    condition: Option<String>,
    /// Whether the stack should have it.
    exists: bool,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Alarms, and a resource of another type.
    const ALARMS: &str = "\
Resources:
  Always: {Type: AWS::CloudWatch::Alarm}
  Rotation: {Type: AWS::CloudWatch::Alarm, Condition: WatchesRotation}
  TokenEndpoint: {Type: AWS::CloudWatch::Alarm, Condition: WatchesTokenEndpoint}
  Dashboard: {Type: AWS::CloudWatch::Dashboard}
";

    #[test]
    fn alarms_with_a_condition_are_expected_if_it_is_true() {
        let deployment = Deployment::new("stack");
        for (rotates, token_endpoint, expected) in [
            (false, false, "Always"),
            (true, false, "Always Rotation"),
            (false, true, "Always TokenEndpoint"),
        ] {
            let observability =
                Observability { of: &deployment, topic: "", rotates, token_endpoint };
            let alarms = observability.expected_alarms(ALARMS).unwrap();
            let existing = alarms.iter().filter(|alarm| alarm.exists);
            let existing: Vec<_> = existing.map(|alarm| &*alarm.logical_id).collect();
            assert_eq!(existing.join(" "), expected);
            assert_eq!(alarms.len(), 3);
        }
        let observability =
            Observability { of: &deployment, topic: "", rotates: true, token_endpoint: true };
        let other = ALARMS.replace("WatchesRotation", "Other");
        let error = observability.expected_alarms(&other).unwrap_err().to_string();
        let expected = "deploy/observability.yaml: Rotation has the condition Other, which";
        assert!(error.starts_with(expected), "{error}");
        // Every condition of the template itself is known.
        let template = include_str!("../../../deploy/observability.yaml");
        let alarms = observability.expected_alarms(template).unwrap();
        assert_eq!(alarms.len(), template.matches("Type: AWS::CloudWatch::Alarm").count());
        let conditional: Vec<_> = alarms
            .iter()
            .filter_map(|alarm| Some((&*alarm.logical_id, alarm.condition.as_deref()?)))
            .collect();
        let expected = [
            ("RotationOverdueAlarm", "WatchesRotation"),
            ("TokenEndpointErrorsAlarm", "WatchesTokenEndpoint"),
        ];
        assert_eq!(conditional, expected);
        assert_eq!(alarms.len() - conditional.len(), 5);
    }
}
