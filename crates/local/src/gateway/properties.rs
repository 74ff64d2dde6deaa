//! Values of properties that the definitions of all APIs read.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::template::{TemplateError, text, whole_number};

/// Headers with static values, which the template writes as `'text'`.
pub(super) type StaticHeaders = Vec<(String, String)>;

/// The function name in an ARN, which can be part of the URI of an integration.
pub(super) fn function_name(arn: &str) -> Result<String, TemplateError> {
    let name = arn.split_once(":function:").and_then(|(_, name)| name.split(['/', ':']).next());
    name.map(str::to_owned).ok_or_else(|| missing("function ARN"))
}

/// The text of a static value, which API Gateway encloses in apostrophes.
pub(super) fn static_value(value: &Value) -> String {
    text(value).trim_matches('\'').to_owned()
}

pub(super) fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

pub(super) fn member<'a>(value: &'a Value, name: &str) -> Result<&'a Value, TemplateError> {
    value.get(name).ok_or_else(|| missing(name))
}

/// A member by its name in templates or, in lower camel case, in OpenAPI definitions.
pub(super) fn either<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let (first, rest) = name.split_at_checked(1)?;
    value.get(name).or_else(|| value.get(first.to_ascii_lowercase() + rest))
}

pub(super) fn missing(name: &str) -> TemplateError {
    TemplateError(format!("the API has no {name}"))
}

pub(super) fn unsupported(what: &str) -> TemplateError {
    TemplateError(format!("{what} is not supported on this machine"))
}

/// The time for which policies are cached, if this property sets it.
pub(super) fn ttl(value: Option<&Value>, name: &str) -> Result<Option<Duration>, TemplateError> {
    let seconds = |value| whole_number(value).ok_or_else(|| missing(&format!("numeric {name}")));
    Ok(value.map(seconds).transpose()?.map(Duration::from_secs))
}

/// The default of API Gateway.
pub(super) const DEFAULT_TTL: Duration = Duration::from_mins(5);
