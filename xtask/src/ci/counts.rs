//! The number of passed tests.

use std::fmt;

/// The sum of the summaries that test binaries print.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Counts {
    /// Reads the output of `cargo test`.
    pub(super) fn of(output: &str) -> Self {
        let mut counts = Self::default();
        for summary in output.lines().filter_map(|line| line.strip_prefix("test result: ")) {
            let fields = summary.split([';', '.']).map(str::trim);
            for (number, what) in fields.filter_map(|field| field.split_once(' ')) {
                let number: usize = number.parse().unwrap_or_default();
                match what {
                    "passed" => counts.passed += number,
                    "failed" => counts.failed += number,
                    "ignored" => counts.skipped += number,
                    _ => {}
                }
            }
        }
        counts
    }

    /// Whether tests have run, and none has failed.
    pub(super) fn are_good(self) -> bool {
        self.passed > 0 && self.failed == 0
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_added_up() {
        let output = "running 2 tests\ntest a ... ok\n\
            test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.07s\n\
            test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
        let counts = Counts::of(output);
        assert_eq!(counts.to_string(), "15 passed, 2 failed, 1 skipped");
        assert!(!counts.are_good());
    }

    #[test]
    fn run_without_tests_fails() {
        let rows = [
            ("", false),
            ("test result: ok. 0 passed; 0 failed; 4 ignored", false),
            ("test result: ok. 1 passed; 0 failed; 0 ignored", true),
            ("test result: FAILED. 1 passed; 1 failed; 0 ignored", false),
        ];
        let failed = rows.iter().filter(|(output, good)| Counts::of(output).are_good() != *good);
        assert_eq!(failed.collect::<Vec<_>>(), Vec::<&(_, _)>::new());
    }
}
