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

use std::fs;

#[test]
fn every_example_has_a_test() {
    let names: Vec<_> = example::all().into_keys().collect();
    assert_eq!(names, providers::NAMES);
}

/// One deployment can trust all providers: no two of them give tokens the same `sub`.
#[test]
fn examples_can_be_used_together() {
    let (issuers, policies): (Vec<_>, Vec<_>) = example::all().into_values().unzip();
    let config = example::config(&example::joined_issuers(issuers), &example::joined(policies));
    assert_eq!(config.map(|_| ()), Ok(()));
}

/// The book shows the example once more, step by step.
#[test]
fn walkthrough_of_the_book_has_the_files_of_the_example() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/tokens-without-secrets.md");
    let page = fs::read_to_string(page).unwrap();
    for file in ["trusted-issuers.json", "issuance-policy.json"] {
        let text =
            fs::read_to_string(format!("{}/github-actions/{file}", example::EXAMPLES)).unwrap();
        let indented = format!("   {}\n", text.trim_end().replace('\n', "\n   "));
        assert!(page.contains(&indented), "{file}");
    }
}
