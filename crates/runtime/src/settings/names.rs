//! Lists of names.

use std::str::FromStr;

/// A list of names, parsed from text with commas between them. No name is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names(pub Vec<String>);

impl FromStr for Names {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            return Err("must be names separated by commas, none of them empty");
        }
        Ok(Self(names))
    }
}
