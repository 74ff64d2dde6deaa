//! The table of the checks.

use std::fmt::Display;

use regex_lite::Regex;

use crate::error::Error;

/// Prints a row for each check, in Markdown, and counts those that failed.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: usize,
    failed: usize,
    /// All parts, with a heading of each.
    text: String,
}

/// The result of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Failed,
    /// The emulator cannot tell. Such a row is neither good nor bad.
    NotEvaluated,
}

impl Table {
    /// Begins a part of the table.
    pub(super) fn part(&mut self, title: &str) {
        let head = "| | step | expected | found |\n|---|---|---|---|";
        println!("\n{title}\n\n{head}");
        self.text.extend(["\n## ", title, "\n\n", head, "\n"]);
    }

    /// Compares what was found with what was expected.
    pub(super) fn check(
        &mut self,
        step: impl Display,
        expected: impl Display,
        found: impl Display,
    ) {
        let (expected, found) = (expected.to_string(), found.to_string());
        let verdict = if expected == found { Verdict::Ok } else { Verdict::Failed };
        self.add(verdict, &step, &expected, &found);
    }

    /// As [`Self::check`], but for what an emulator answers that lacks something.
    pub(super) fn check_unless(
        &mut self,
        step: impl Display,
        expected: impl Display,
        found: impl Display,
        (lacking, reason): (&str, &str),
    ) {
        if found.to_string() == lacking {
            self.not_evaluated(step, expected, reason);
        } else {
            self.check(step, expected, found);
        }
    }

    /// A check that the emulator cannot do, with the reason.
    pub(super) fn not_evaluated(
        &mut self,
        step: impl Display,
        expected: impl Display,
        reason: impl Display,
    ) {
        let found = format!("not evaluated by the engine: {reason}");
        self.add(Verdict::NotEvaluated, &step, &expected.to_string(), &found);
    }

    /// An error if a row failed, or if there is no row.
    pub(super) fn finish(&self) -> Result<(), Error> {
        let Self { rows, failed, .. } = self;
        println!("\n{rows} rows, {failed} failed");
        match (rows, failed) {
            (0, _) => Err(Error::Check("nothing was checked".into())),
            (_, 0) => Ok(()),
            _ => Err(Error::Check(format!("{failed} of {rows} rows failed"))),
        }
    }

    fn add(&mut self, verdict: Verdict, step: &dyn Display, expected: &str, found: &str) {
        self.rows += 1;
        self.failed += usize::from(verdict == Verdict::Failed);
        let row = row(verdict, &step.to_string(), expected, found);
        println!("{row}");
        self.text.extend([&*row, "\n"]);
    }

    /// All parts, without the ids that differ from run to run.
    pub(super) fn text(&self) -> Result<String, Error> {
        let ids = [
            (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "KEY_ID"),
            (r"[a-z0-9]+\.execute-api\.", "API_ID.execute-api."),
        ];
        let mut text = self.text.clone();
        for (pattern, name) in ids {
            let pattern = Regex::new(pattern).map_err(|error| Error::Check(error.to_string()))?;
            text = pattern.replace_all(&text, name).into_owned();
        }
        Ok(text)
    }
}

fn row(verdict: Verdict, step: &str, expected: &str, found: &str) -> String {
    let verdict = match verdict {
        Verdict::Ok => "ok",
        Verdict::Failed => "**FAILED**",
        Verdict::NotEvaluated => "–",
    };
    let cell = |text: &str| if text.is_empty() { "none".into() } else { text.replace('|', "\\|") };
    let cells = [verdict, step, expected, found].map(cell);
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_that_differs_fails_the_table() {
        let mut table = Table::default();
        assert_eq!(table.finish().unwrap_err().to_string(), "nothing was checked");
        table.check("status", 200, 200);
        table.not_evaluated("header", "Bearer", "no gateway responses");
        table.check_unless("status", 500, 200, ("200", "no permissions"));
        table.check_unless("status", 500, 500, ("200", "no permissions"));
        table.finish().unwrap();
        table.check("status", 401, 200);
        table.check_unless("status", 500, 401, ("200", "no permissions"));
        assert_eq!(table.finish().unwrap_err().to_string(), "2 of 6 rows failed");
    }

    #[test]
    fn text_is_the_same_for_other_ids() {
        let text = |api: &str, key: &str| {
            let mut table = Table::default();
            table.part("Defaults");
            table.check(
                "ApiUrl",
                1,
                format!("https://{api}.execute-api.us-east-1.amazonaws.com/v1"),
            );
            table.check("the key", key, key);
            table.text().unwrap()
        };
        let first = text("a1b2c3d4e5", "8557db6d-0b90-4658-a2e7-d8083b6ffa0b");
        assert_eq!(first, text("zzzzz12345", "00000000-0b90-4658-a2e7-d8083b6ffa0b"));
        assert!(
            first.contains("| **FAILED** | ApiUrl | 1 | https://API_ID.execute-api.us-east-1"),
            "{first}"
        );
        assert!(first.contains("| ok | the key | KEY_ID | KEY_ID |\n"), "{first}");
    }

    #[test]
    fn cells_stay_in_their_row() {
        let expected = "| **FAILED** | a\\|b | 1 | none |";
        assert_eq!(row(Verdict::Failed, "a|b", "1", ""), expected);
    }
}
