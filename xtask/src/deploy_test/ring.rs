//! The keys of a ring.

use std::fmt;

use serde_json::Value;

use crate::{aws::Aws, error::Error};

/// The keys that a test has seen, which its rows call A, B, C and so on.
#[derive(Debug, Default)]
pub(super) struct Letters {
    known: Vec<String>,
}

impl Letters {
    /// The letter of a key, by its id.
    pub(super) fn of(&mut self, key: &str) -> String {
        let index = self.known.iter().position(|known| known == key).unwrap_or_else(|| {
            self.known.push(key.to_owned());
            self.known.len() - 1
        });
        ('A'..='Z').nth(index).map_or_else(|| key.to_owned(), String::from)
    }

    /// The id of a key.
    pub(super) fn key(&self, letter: char) -> Result<&str, Error> {
        let index = ('A'..='Z').position(|known| known == letter).unwrap_or(usize::MAX);
        let found = self.known.get(index).map(String::as_str);
        found.ok_or_else(|| Error::Check(format!("no key has the letter {letter}")))
    }
}

/// The key ids under the three aliases of a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ring([Option<String>; 3]);

impl Ring {
    /// Reads the aliases.
    pub(super) fn read(aws: &Aws, alias: &str) -> Result<Self, Error> {
        let listed = aws.call(&["kms", "list-aliases"])?;
        let aliases = listed.get("Aliases").and_then(Value::as_array).cloned().unwrap_or_default();
        let target = |name: String| {
            let found = aliases.iter().find(|known| known["AliasName"] == name.as_str())?;
            found.get("TargetKeyId")?.as_str().map(str::to_owned)
        };
        Ok(Self(["", "-next", "-previous"].map(|suffix| target(format!("{alias}{suffix}")))))
    }

    /// The current, the next and the previous key by their letters.
    pub(super) fn letters(&self, letters: &mut Letters) -> String {
        let Self(keys) = self;
        let names = keys.iter().map(|key| key.as_ref().map(|key| letters.of(key)));
        names.map(|name| name.unwrap_or_else(|| "none".into())).collect::<Vec<_>>().join(" ")
    }
}

/// The result of a run of the rotator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RotationRun {
    /// The step that it did.
    pub(super) done: Option<String>,
    /// The step that comes next, and when it is due, in seconds since 1970.
    pub(super) next: Option<String>,
    pub(super) due: Option<u64>,
}

impl RotationRun {
    /// Invokes the rotator.
    pub(super) fn invoke(aws: &Aws, rotator: &str) -> Result<Self, Error> {
        let response = aws.invoke(rotator, &Value::Object(serde_json::Map::new()))?;
        let text = |name| response.get(name).and_then(Value::as_str).map(str::to_owned);
        let due = response.get("due").and_then(Value::as_u64);
        Ok(Self { done: text("done"), next: text("next"), due })
    }
}

impl fmt::Display for RotationRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.done.as_deref().unwrap_or("no step"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::tests::Script;

    #[test]
    fn aliases_are_read_in_the_order_of_the_ring() {
        let script = Script::new(
            "ring",
            r#"echo '{"Aliases": [
                {"AliasName": "alias/a-previous", "TargetKeyId": "1"},
                {"AliasName": "alias/a", "TargetKeyId": "2"},
                {"AliasName": "alias/ab", "TargetKeyId": "3"}]}'"#,
        );
        let mut letters = Letters::default();
        let ring = Ring::read(&script.aws, "alias/a").unwrap();
        assert_eq!(ring.letters(&mut letters), "A none B");
        assert_eq!((letters.key('A').unwrap(), letters.key('B').unwrap()), ("2", "1"));
        assert!(letters.key('C').is_err());
    }

    #[test]
    fn run_of_the_rotator_is_read() {
        let script = Script::new(
            "run",
            r#"echo '{"done": null, "next": "promote", "due": 5}'; echo '{"StatusCode": 200}'"#,
        );
        let run = RotationRun::invoke(&script.aws, "rotator").unwrap();
        let expected = RotationRun { done: None, next: Some("promote".into()), due: Some(5) };
        assert_eq!((run.to_string().as_str(), &run), ("no step", &expected));
    }
}
