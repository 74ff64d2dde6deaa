//! What a request says, and the shapes that answers have in common.

use std::{collections::BTreeSet, ops::RangeInclusive};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::error::KmsError;

/// The members of a request.
pub(super) struct Input(Map<String, Value>);

impl Input {
    pub(super) fn read(body: &[u8]) -> Result<Self, KmsError> {
        let body = if body.is_empty() { b"{}" } else { body };
        let members = serde_json::from_slice(body);
        members.map(Self).map_err(|_| KmsError::new("SerializationException", "not a JSON object"))
    }

    pub(super) fn text(&self, member: &str) -> Result<Option<&str>, KmsError> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => {
                Err(KmsError::new("SerializationException", format!("{member} is not a string")))
            }
        }
    }

    /// A string of at least one and at most so many bytes.
    pub(super) fn text_within(&self, member: &str, most: usize) -> Result<Option<&str>, KmsError> {
        let text = self.text(member)?;
        if text.is_some_and(|text| text.is_empty() || text.len() > most) {
            let length = format!("have length between 1 and {most}");
            return Err(KmsError::constraint(member, &length));
        }
        Ok(text)
    }

    pub(super) fn required(&self, member: &str) -> Result<&str, KmsError> {
        match self.text(member)? {
            Some("") if member.ends_with("Id") => {
                Err(KmsError::constraint(member, "have length greater than or equal to 1"))
            }
            Some(text) => Ok(text),
            None => Err(KmsError::constraint(member, "not be null")),
        }
    }

    pub(super) fn bytes(
        &self,
        member: &str,
        lengths: RangeInclusive<usize>,
    ) -> Result<Vec<u8>, KmsError> {
        let bytes = STANDARD.decode(self.required(member)?);
        let bytes = bytes.map_err(|_| {
            KmsError::new("SerializationException", format!("{member} is not base64"))
        })?;
        if bytes.len() < *lengths.start() {
            let least = format!("have length greater than or equal to {}", lengths.start());
            return Err(KmsError::constraint(member, &least));
        }
        if bytes.len() > *lengths.end() {
            let most = format!("have length less than or equal to {}", lengths.end());
            return Err(KmsError::constraint(member, &most));
        }
        Ok(bytes)
    }

    pub(super) fn number(
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

    /// Asked after every other check: the answer says that all of them passed.
    pub(super) fn dry_run(&self) -> Result<(), KmsError> {
        if self.flag("DryRun")? {
            let message = "The request would have succeeded, but the DryRun option is set.";
            return Err(KmsError::new("DryRunOperationException", message));
        }
        Ok(())
    }

    pub(super) fn flag(&self, member: &str) -> Result<bool, KmsError> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => {
                Err(KmsError::new("SerializationException", format!("{member} is not a boolean")))
            }
        }
    }

    pub(super) fn tags(&self) -> Result<Vec<(String, String)>, KmsError> {
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
        Ok(tags)
    }

    /// The same request about its `TargetKeyId`.
    pub(super) fn target(&self) -> Result<Self, KmsError> {
        let key = self.required("TargetKeyId")?;
        Ok(Self([("KeyId".to_owned(), key.into())].into_iter().collect()))
    }

    /// The strings of a list.
    pub(super) fn texts(&self, member: &str) -> Result<Vec<&str>, KmsError> {
        let malformed = || {
            KmsError::new("SerializationException", format!("{member} is not a list of strings"))
        };
        let list = match self.0.get(member) {
            None | Some(Value::Null) => return Err(KmsError::constraint(member, "not be null")),
            Some(list) => list.as_array().ok_or_else(malformed)?,
        };
        list.iter().map(|text| text.as_str().ok_or_else(malformed)).collect()
    }

    /// Whether the member holds anything.
    pub(super) fn has(&self, member: &str) -> bool {
        let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
        self.0.get(member).is_some_and(|value| !empty(value))
    }

    /// One page of rows that come in the order of their names.
    pub(super) fn page<'a>(
        &self,
        member: &str,
        size: &PageSize,
        rows: impl Iterator<Item = (&'a str, Value)>,
    ) -> Result<Value, KmsError> {
        let limit = self.number("Limit", 1..=size.most)?.unwrap_or(size.default);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let marker = self.text("Marker")?;
        let mut rows = rows.skip_while(|(name, _)| marker.is_some_and(|marker| *name <= marker));
        let page: Vec<_> = rows.by_ref().take(limit).collect();
        let truncated = rows.next().is_some();
        let next = page.last().filter(|_| truncated).map(|(name, _)| (*name).to_owned());
        let rows: Vec<_> = page.into_iter().map(|(_, row)| row).collect();
        let answer = json!({member: rows, "Truncated": truncated});
        Ok(with(answer, [("NextMarker", json!(next))]))
    }
}

/// How many rows a page of an operation's answer has, as its page in the API reference says.
pub(super) struct PageSize {
    default: u64,
    most: u64,
}

impl PageSize {
    pub(super) const KEYS: Self = Self { default: 100, most: 1000 };
    pub(super) const ALIASES: Self = Self { default: 50, most: 100 };
    pub(super) const GRANTS: Self = Self { default: 50, most: 100 };
}

/// The object with these members too, but for those that are null: KMS leaves them out.
pub(super) fn with<const N: usize>(mut object: Value, members: [(&str, Value); N]) -> Value {
    if let Some(object) = object.as_object_mut() {
        let members = members.into_iter().filter(|(_, value)| !value.is_null());
        object.extend(members.map(|(name, value)| (name.to_owned(), value)));
    }
    object
}

pub(super) fn blob(bytes: &[u8]) -> Value {
    STANDARD.encode(bytes).into()
}
