//! The tables of the book are the rows of the tests.

use std::{fmt::Write, fs};

use super::{Row, clients, floods, key_fetching, keys, purposes, recipients, revocations};
use crate::ROOT;

const TABLES: [(&str, &[Row]); 7] = [
    ("Keys and signatures", keys::ROWS),
    ("Recipient and time", recipients::ROWS),
    ("Purpose and claims", purposes::ROWS),
    ("Clients", clients::ROWS),
    ("Providers", key_fetching::ROWS),
    ("Floods", floods::ROWS),
    ("Revocations", revocations::ROWS),
];

const HEAD: &str = "| attack | status | `error` | code in the log | requests to the provider | calls of KMS |\n\
                    |---|---|---|---|---|---|\n";

#[test]
fn book_has_the_rows_of_the_tests() {
    let page = fs::read_to_string(format!("{ROOT}/docs/src/token-endpoint-attacks.md")).unwrap();
    let mut lines = 0;
    for (title, rows) in TABLES {
        let table = table(rows);
        lines += table.lines().count();
        let section = page.split(&format!("\n## {title}\n")).nth(1).unwrap_or_default();
        let section = section.split("\n## ").next().unwrap_or_default();
        assert!(section.contains(&table), "the section {title:?} must have this table:\n\n{table}");
    }
    let found = page.lines().filter(|line| line.starts_with('|')).count();
    assert_eq!(found, lines, "the page has rows without a test");
}

fn table(rows: &[Row]) -> String {
    let mut table = HEAD.to_owned();
    let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
    for Row { attack, status, error, code: reason, requests, kms_calls } in rows {
        let (error, reason) = (code(error), code(reason));
        writeln!(table, "| {attack} | {status} | {error} | {reason} | {requests} | {kms_calls} |")
            .unwrap();
    }
    table.replace("|  |", "| |").replace("|  |", "| |")
}
