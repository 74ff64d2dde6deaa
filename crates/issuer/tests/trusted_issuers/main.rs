//! The examples of trusted issuers, as a user copies them, with tokens in the shape of each provider.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod example;
mod providers;
mod signing_key;

use serde_json::Value;

#[test]
fn every_example_has_a_test() {
    let names: Vec<_> = example::all().into_keys().collect();
    assert_eq!(names, providers::NAMES);
}

/// One deployment can trust all providers: no two of them give tokens the same `sub`.
#[test]
fn examples_can_be_used_together() {
    let (issuers, policies): (Vec<_>, Vec<_>) = example::all().into_values().unzip();
    let joined = |lists: Vec<Value>| -> Value {
        lists.into_iter().flat_map(|list| list.as_array().unwrap().clone()).collect()
    };
    let config = example::config(&joined(issuers), &joined(policies));
    assert_eq!(config.map(|_| ()), Ok(()));
}
