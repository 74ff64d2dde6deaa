//! Values with their past, so that readers can see an earlier state.

use std::collections::{BTreeMap, BTreeSet};

/// Named values and their earlier states.
#[derive(Debug, Clone)]
pub(crate) struct History<V> {
    current: BTreeMap<String, V>,
    /// The recorded changes in order of time.
    changes: Vec<RecordedChange<V>>,
}

/// The value that a name had until a time in seconds since the epoch.
#[derive(Debug, Clone)]
struct RecordedChange<V> {
    time: f64,
    name: String,
    before: Option<V>,
}

impl<V> Default for History<V> {
    fn default() -> Self {
        Self { current: BTreeMap::new(), changes: Vec::new() }
    }
}

impl<V> From<BTreeMap<String, V>> for History<V> {
    /// Starts with these values and no past.
    fn from(current: BTreeMap<String, V>) -> Self {
        Self { current, changes: Vec::new() }
    }
}

impl<V: Clone> History<V> {
    /// The current values.
    pub(crate) fn current(&self) -> &BTreeMap<String, V> {
        &self.current
    }

    /// Sets or removes a value and returns the one before. Without a time, the change is not recorded:
    /// [`Self::at`] then reports the new value for the past too.
    pub(crate) fn change(&mut self, name: &str, value: Option<V>, time: Option<f64>) -> Option<V> {
        let before = match value {
            Some(value) => self.current.insert(name.to_owned(), value),
            None => self.current.remove(name),
        };
        if let Some(time) = time {
            self.changes.push(RecordedChange {
                time,
                name: name.to_owned(),
                before: before.clone(),
            });
        }
        before
    }

    /// The value at a time.
    pub(crate) fn at(&self, name: &str, time: f64) -> Option<&V> {
        let mut later =
            self.changes.iter().filter(|change| change.time > time && change.name == name);
        later.next().map_or_else(|| self.current.get(name), |change| change.before.as_ref())
    }

    /// All values at a time.
    pub(crate) fn all_at(&self, time: f64) -> BTreeMap<&str, &V> {
        let names = self.names().into_iter();
        names.filter_map(|name| Some((name, self.at(name, time)?))).collect()
    }

    /// The names of all current and earlier values.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        let past = self.changes.iter().map(|change| &*change.name);
        self.current.keys().map(|name| &**name).chain(past).collect()
    }
}
