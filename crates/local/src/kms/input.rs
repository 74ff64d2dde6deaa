//! The members of a request.

use std::{collections::BTreeSet, ops::RangeInclusive};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::error::KmsError;

/// The JSON object in the body of a request.
pub(crate) struct Input(Map<String, Value>);

impl Input {
    /// Reads the body of a request. An empty body is an empty object.
    pub(crate) fn read(body: &[u8]) -> Result<Self, KmsError> {
        let body = if body.is_empty() { b"{}" } else { body };
        let members = serde_json::from_slice(body);
        members.map(Self).map_err(|_| KmsError::new("SerializationException", "not a JSON object"))
    }

    /// An optional string.
    pub(crate) fn text(&self, member: &str) -> Result<Option<&str>, KmsError> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => {
                Err(KmsError::new("SerializationException", format!("{member} is not a string")))
            }
        }
    }

    /// A string of 1 to `max` characters.
    pub(crate) fn text_within(&self, member: &str, max: usize) -> Result<Option<&str>, KmsError> {
        let text = self.text(member)?;
        text.map(|text| check_length(member, text, 1..=max).map(|()| text)).transpose()
    }

    /// A required string. The identifier of a key has the length that KMS requires.
    pub(crate) fn required(&self, member: &str) -> Result<&str, KmsError> {
        let text = match member {
            "KeyId" | "TargetKeyId" => self.text_within(member, KEY_ID_MAX_LENGTH)?,
            _ => self.text(member)?,
        };
        text.ok_or_else(|| KmsError::constraint(member, "not be null"))
    }

    /// A required blob in base64.
    pub(crate) fn bytes(
        &self,
        member: &str,
        lengths: RangeInclusive<usize>,
    ) -> Result<Vec<u8>, KmsError> {
        let bytes = STANDARD.decode(self.required(member)?);
        let bytes = bytes.map_err(|_| {
            KmsError::new("SerializationException", format!("{member} is not base64"))
        })?;
        if bytes.len() < *lengths.start() {
            let minimum = format!("have length greater than or equal to {}", lengths.start());
            return Err(KmsError::constraint(member, &minimum));
        }
        if bytes.len() > *lengths.end() {
            let maximum = format!("have length less than or equal to {}", lengths.end());
            return Err(KmsError::constraint(member, &maximum));
        }
        Ok(bytes)
    }

    pub(crate) fn number(
        &self,
        member: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, KmsError> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(number) => {
                let number = number.as_u64().filter(|number| range.contains(number));
                let between = format!("have value between {} and {}", range.start(), range.end());
                number.map(Some).ok_or_else(|| KmsError::constraint(member, &between))
            }
        }
    }

    /// Ends a dry run. Call it after every other check, as the error states that all of them passed.
    pub(crate) fn end_dry_run(&self) -> Result<(), KmsError> {
        if self.flag("DryRun")? {
            let message = "The request would have succeeded, but the DryRun option is set.";
            return Err(KmsError::new("DryRunOperationException", message));
        }
        Ok(())
    }

    pub(crate) fn flag(&self, member: &str) -> Result<bool, KmsError> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => {
                Err(KmsError::new("SerializationException", format!("{member} is not a boolean")))
            }
        }
    }

    /// The `Tags` of a request ("Tags" of `TagResource` in the API reference).
    pub(crate) fn tags(&self) -> Result<Vec<(String, String)>, KmsError> {
        let malformed = || KmsError::new("TagException", "a tag needs TagKey and TagValue");
        let tags = self.0.get("Tags").and_then(Value::as_array);
        let tag = |tag: &Value| {
            let member = |name| tag.get(name).and_then(Value::as_str).map(str::to_owned);
            Some((member("TagKey")?, member("TagValue")?))
        };
        let tags = tags.into_iter().flatten().map(|each| tag(each).ok_or_else(malformed));
        let tags: Vec<_> = tags.collect::<Result<_, _>>()?;
        let names: BTreeSet<_> = tags.iter().map(|(name, _)| name).collect();
        if names.len() < tags.len() {
            return Err(KmsError::new("TagException", "Duplicate tag keys"));
        }
        if tags.len() > TAGS_MAX {
            return Err(KmsError::new("TagException", "Too many tags"));
        }
        for (name, value) in &tags {
            check_length("tagKey", name, 1..=TAG_KEY_MAX_LENGTH)?;
            check_length("tagValue", value, 0..=TAG_VALUE_MAX_LENGTH)?;
            if name.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
                let message = "Tags beginning with aws: are reserved";
                return Err(KmsError::new("TagException", message));
            }
        }
        Ok(tags)
    }

    /// An input whose `KeyId` is the `TargetKeyId` of this one.
    pub(crate) fn target(&self) -> Result<Self, KmsError> {
        let key = self.required("TargetKeyId")?;
        Ok(Self([("KeyId".to_owned(), key.into())].into_iter().collect()))
    }

    /// A list of strings.
    pub(crate) fn texts(&self, member: &str) -> Result<Vec<&str>, KmsError> {
        let malformed = || {
            KmsError::new("SerializationException", format!("{member} is not a list of strings"))
        };
        let list = match self.0.get(member) {
            None | Some(Value::Null) => return Err(KmsError::constraint(member, "not be null")),
            Some(list) => list.as_array().ok_or_else(malformed)?,
        };
        list.iter().map(|text| text.as_str().ok_or_else(malformed)).collect()
    }

    /// Whether the member is present and not empty.
    pub(crate) fn has(&self, member: &str) -> bool {
        let is_empty =
            |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
        self.0.get(member).is_some_and(|value| !is_empty(value))
    }
}

/// Checks the length of a string in characters.
pub(crate) fn check_length(
    member: &str,
    text: &str,
    lengths: RangeInclusive<usize>,
) -> Result<(), KmsError> {
    let length = text.chars().count();
    if length < *lengths.start() {
        let minimum = format!("have length greater than or equal to {}", lengths.start());
        return Err(KmsError::constraint(member, &minimum));
    }
    if length > *lengths.end() {
        let maximum = format!("have length less than or equal to {}", lengths.end());
        return Err(KmsError::constraint(member, &maximum));
    }
    Ok(())
}

/// The tags that a key can have ("Resource quotas" in the developer guide).
pub(crate) const TAGS_MAX: usize = 50;
/// The limits of the service model, in characters.
pub(crate) const KEY_ID_MAX_LENGTH: usize = 2048;
const TAG_KEY_MAX_LENGTH: usize = 128;
const TAG_VALUE_MAX_LENGTH: usize = 256;
