//! The embedded metric format (Amazon `CloudWatch` User Guide, "Specification: Embedded metric format").

use std::{
    env,
    sync::LazyLock,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};

use crate::table::STACK_NAME;

/// The dimension of all metrics that divides them by stack, and its value. `None`: they are not divided.
pub(super) fn stack() -> Option<(&'static str, &'static str)> {
    static NAME: LazyLock<Option<String>> =
        LazyLock::new(|| env::var(STACK_NAME.name).ok().filter(|name| !name.is_empty()));
    NAME.as_deref().map(|name| (STACK, name))
}

/// The metadata object: which members of a log line are metrics.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Metadata<'a> {
    timestamp: u64,
    cloud_watch_metrics: &'a [MetricDirective<'a>],
}

/// The metric directive of one metric.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetricDirective<'a> {
    namespace: &'static str,
    dimensions: DimensionSets<'a>,
    metrics: [MetricDefinition<'a>; 1],
}

/// Sets of names of dimensions. Each begins with that of the stack.
struct DimensionSets<'a>(&'a [&'a [&'a str]]);

impl Serialize for DimensionSets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stack = stack().map(|(name, _)| name);
        serializer
            .collect_seq(self.0.iter().map(|set| stack.iter().chain(*set).collect::<Vec<_>>()))
    }
}

/// The metric definition: the name of the member and its unit.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetricDefinition<'a> {
    name: &'a str,
    unit: &'a str,
}

impl<'a> Metadata<'a> {
    /// `now` is the time of the metrics.
    pub(super) fn new(now: SystemTime, metrics: &'a [MetricDirective<'a>]) -> Self {
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Self { timestamp, cloud_watch_metrics: metrics }
    }
}

impl<'a> MetricDirective<'a> {
    /// A metric `name` with this unit of `CloudWatch`, once for each set of `dimensions`.
    pub(super) fn new(name: &'a str, unit: &'a str, dimensions: &'a [&'a [&'a str]]) -> Self {
        Self {
            namespace: NAMESPACE,
            dimensions: DimensionSets(dimensions),
            metrics: [MetricDefinition { name, unit }],
        }
    }
}

const NAMESPACE: &str = "Countersign";
const STACK: &str = "Stack";
