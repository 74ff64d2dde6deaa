//! Problems with settings.

use std::{error::Error, fmt};

/// All problems with the settings of a function, which does not start. `Display` separates them with semicolons and
/// never shows a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(pub Vec<SettingError>);

/// A problem with one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError {
    /// The name of the environment variable.
    pub name: String,
    /// The problem.
    pub problem: SettingProblem,
}

/// The problem with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingProblem {
    /// The setting is required, but not set or empty.
    Missing,
    /// The setting does not exist, but its name is almost that of another.
    Unknown {
        /// The name of the other setting.
        suggestion: &'static str,
    },
    /// The number is out of range.
    OutOfRange {
        /// The minimum.
        min: u64,
        /// The maximum.
        max: u64,
        /// The unit: `seconds`, `days`, or empty.
        unit: &'static str,
    },
    /// The value is not valid. The text states the requirement, such as `must be kms or local`.
    Invalid(String),
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.problem {
            SettingProblem::Missing => write!(f, "{name} is required"),
            SettingProblem::Unknown { suggestion } => {
                // No semicolon, because semicolons separate problems.
                write!(f, "unknown setting `{name}`, did you mean `{suggestion}`?")
            }
            SettingProblem::OutOfRange { min, max, unit } => {
                write!(f, "{name} must be from {min} to {max}")?;
                if unit.is_empty() { Ok(()) } else { write!(f, " {unit}") }
            }
            SettingProblem::Invalid(problem) => write!(f, "{name} {problem}"),
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl Error for SettingError {}
impl Error for SettingsError {}
