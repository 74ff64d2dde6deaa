//! Problems of configuration files, in text and in JSON.

use std::{fmt, path::PathBuf};

use serde_json::{Value, json};

use super::{Element, Position};

/// A problem that `check` reports, or a warning.
#[derive(Debug)]
pub(crate) struct ConfigurationProblem {
    pub(crate) file: PathBuf,
    /// `None`: the problem is not in the text of the file.
    pub(crate) position: Option<Position>,
    pub(crate) severity: Severity,
    pub(crate) text: String,
}

/// A problem of the text of a file, or a warning, with its place.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) position: Position,
    pub(crate) severity: Severity,
    pub(crate) text: String,
}

/// Whether the problem stops a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    Warning,
}

impl ConfigurationProblem {
    /// A problem of the text of a file.
    pub(crate) fn new(file: PathBuf, located: Located) -> Self {
        let Located { position, severity, text } = located;
        Self { file, position: Some(position), severity, text }
    }

    /// A problem that is not in the text of the file.
    pub(crate) const fn of_file(file: PathBuf, severity: Severity, text: String) -> Self {
        Self { file, position: None, severity, text }
    }

    pub(crate) fn to_json(&self) -> Value {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        json!({
            "file": self.file.display().to_string(),
            "line": self.position.map(|position| position.line),
            "column": self.position.map(|position| position.column),
            "severity": severity,
            "problem": self.text,
        })
    }
}

impl fmt::Display for ConfigurationProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        let severity = if self.severity == Severity::Warning { "warning: " } else { "" };
        write!(f, ": {severity}{}", self.text)
    }
}

impl Located {
    pub(crate) const fn new(position: Position, severity: Severity, text: String) -> Self {
        Self { position, severity, text }
    }

    /// A problem at this offset of the text of a list.
    pub(crate) fn at(text: &str, offset: usize, severity: Severity, problem: String) -> Self {
        Self::new(Position::of_offset(text, offset), severity, problem)
    }

    /// A problem at this offset of an element of the list.
    pub(crate) fn in_element(
        text: &str,
        element: Element<'_>,
        offset: usize,
        severity: Severity,
        problem: String,
    ) -> Self {
        Self::at(text, element.offset + offset, severity, problem)
    }
}
