//! The environment variables that the AWS CLI reads.

use std::{collections::BTreeMap, env};

/// The environment variables with a value: an empty one is not set.
#[derive(Debug, Default)]
pub(super) struct EnvironmentVariables(BTreeMap<String, String>);

impl EnvironmentVariables {
    pub(super) fn read() -> Self {
        let variables = env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        });
        Self(variables.filter(|(_, value)| !value.is_empty()).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}
