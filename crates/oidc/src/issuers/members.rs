//! The members of an entry, read strictly: each error names the member.

use std::ops::RangeInclusive;

use jwt::is_plain_identifier;
use serde_json::{Map, Value};

use super::{
    error::EntryError,
    limits::{MAX_NAME_CHARS, MAX_NAMES},
};

/// The members that have not been read yet.
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub(super) fn new(members: Map<String, Value>) -> Self {
        Self(members)
    }

    pub(super) fn take(&mut self, member: &'static str) -> Option<Value> {
        self.0.remove(member)
    }

    pub(super) fn contains(&self, member: &str) -> bool {
        self.0.contains_key(member)
    }

    pub(super) fn flag(&mut self, member: &'static str) -> Result<bool, EntryError> {
        match self.take(member) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(EntryError::Type { member, expected: "true or false" }),
        }
    }

    pub(super) fn text(&mut self, member: &'static str) -> Result<Option<String>, EntryError> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(EntryError::Type { member, expected: "a string" }),
        }
    }

    pub(super) fn name(&mut self, member: &'static str) -> Result<Option<String>, EntryError> {
        self.text(member)?.map(|text| checked_name(member, text)).transpose()
    }

    /// One name or a list of names.
    pub(super) fn names(
        &mut self,
        member: &'static str,
    ) -> Result<Option<Vec<String>>, EntryError> {
        let expected = "a string or a list of strings";
        let text = |value| match value {
            Value::String(text) => checked_name(member, text),
            _ => Err(EntryError::Type { member, expected }),
        };
        let names: Vec<String> = match self.take(member) {
            None => return Ok(None),
            Some(Value::Array(values)) => values.into_iter().map(text).collect::<Result<_, _>>()?,
            Some(value) => vec![text(value)?],
        };
        if names.is_empty() || names.len() > MAX_NAMES {
            return Err(EntryError::Count(member));
        }
        Ok(Some(names))
    }

    /// A whole number within bounds.
    pub(super) fn number(
        &mut self,
        member: &'static str,
        bounds: RangeInclusive<u64>,
    ) -> Result<Option<u64>, EntryError> {
        let Some(value) = self.take(member) else { return Ok(None) };
        let number = value.as_u64().filter(|number| bounds.contains(number));
        let (min, max) = bounds.into_inner();
        number.map(Some).ok_or(EntryError::Number { member, min, max })
    }

    /// Refuses what has not been read.
    pub(super) fn end(self) -> Result<(), EntryError> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(EntryError::UnknownMember(name)),
        }
    }
}

fn checked_name(member: &'static str, name: String) -> Result<String, EntryError> {
    let is_short = (1..=MAX_NAME_CHARS).contains(&name.chars().count());
    if is_short && is_plain_identifier(&name) { Ok(name) } else { Err(EntryError::Name(member)) }
}
