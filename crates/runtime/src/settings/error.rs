use std::{error::Error, fmt};

/// Why a function does not start: every problem with its settings. No value is quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(pub Vec<SettingError>);

/// A problem with one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError {
    /// The name of the environment variable.
    pub name: String,
    /// What is wrong with it.
    pub problem: SettingProblem,
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingProblem {
    /// It is required, and missing or empty.
    Missing,
    /// There is no such setting, and one with almost this name.
    Unknown {
        /// The name that was probably meant.
        suggestion: &'static str,
    },
    /// The number is out of bounds.
    OutOfRange {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
        /// `seconds` or `days`.
        unit: &'static str,
    },
    /// The value is not valid: what it must be.
    Invalid(String),
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.problem {
            SettingProblem::Missing => write!(f, "{name} is required"),
            SettingProblem::Unknown { suggestion } => {
                // No semicolon: it separates the problems.
                write!(f, "unknown setting `{name}`, did you mean `{suggestion}`?")
            }
            SettingProblem::OutOfRange { min, max, unit } => {
                write!(f, "{name} must be from {min} to {max} {unit}")
            }
            SettingProblem::Invalid(problem) => write!(f, "{name} {problem}"),
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl Error for SettingError {}
impl Error for SettingsError {}
