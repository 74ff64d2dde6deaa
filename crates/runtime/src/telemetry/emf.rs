//! The embedded metric format (Amazon `CloudWatch` User Guide, "Specification: Embedded metric format").

use std::{
    env,
    sync::LazyLock,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};

use crate::table::STACK_NAME;

/// The dimensions that a function's environment gives, with their values: members of each log line with metrics.
pub(super) fn environment_dimensions() -> impl Iterator<Item = (&'static str, &'static str)> {
    static VALUES: LazyLock<[Option<String>; 2]> = LazyLock::new(|| {
        [STACK_NAME.name, FUNCTION_NAME]
            .map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
    });
    let values = VALUES.iter().map(Option::as_deref);
    [STACK, FUNCTION].into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)))
}

fn has_value(dimension: &str) -> bool {
    environment_dimensions().any(|(name, _)| name == dimension)
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

/// Sets of names of dimensions. Each begins with the dimension of the stack, if its name is set. If the name of the
/// function is not set, the sets with its dimension are left out.
struct DimensionSets<'a>(&'a [&'a [&'a str]]);

impl Serialize for DimensionSets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stack = has_value(STACK).then_some(STACK);
        let sets = self.0.iter().filter(|set| !set.contains(&FUNCTION) || has_value(FUNCTION));
        serializer.collect_seq(sets.map(|set| stack.iter().chain(*set).collect::<Vec<_>>()))
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

    /// A metric of what one request cost.
    pub(super) fn measured(name: &'a str, unit: &'a str) -> Self {
        Self::new(name, unit, &[&[]])
    }

    /// The metric of faults: all, by cause, and by function, so that an alarm can compare them with the errors that Lambda
    /// counts for a function.
    pub(super) fn faults() -> Self {
        Self::new(FAULTS, "Count", &[&[], &["Cause"], &[FUNCTION]])
    }
}

/// The metric of faults.
pub(super) const FAULTS: &str = "Faults";

const NAMESPACE: &str = "Countersign";
const STACK: &str = "Stack";
const FUNCTION: &str = "Function";

/// The variable in which Lambda gives the name of the function.
const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";
