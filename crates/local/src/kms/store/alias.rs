//! Aliases, and the delay with which readers see their changes.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::history::History;

/// An alias of a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredAlias {
    /// The id of the key.
    pub(crate) key: String,
    /// Seconds since the epoch.
    pub(crate) created: f64,
    pub(crate) updated: f64,
}

/// The aliases by name. Changes apply to the current state; readers may see an earlier one, as aliases
/// in KMS are eventually consistent ("Updating an alias" in the developer guide).
#[derive(Default)]
pub(crate) struct AliasTable {
    history: History<StoredAlias>,
    records_changes: bool,
    delay: Option<Delay>,
}

/// Returns the age of the state that the next read sees.
pub(crate) type Delay = Box<dyn Fn() -> Duration + Send>;

impl AliasTable {
    /// The current alias, to which the next change applies.
    pub(crate) fn current(&self, name: &str) -> Option<&StoredAlias> {
        self.history.current().get(name)
    }

    /// All current aliases.
    pub(crate) fn all_current(&self) -> &BTreeMap<String, StoredAlias> {
        self.history.current()
    }

    /// Replaces all aliases, without a past.
    pub(crate) fn restore(&mut self, aliases: BTreeMap<String, StoredAlias>) {
        self.history = aliases.into();
    }

    /// All aliases with their past.
    pub(crate) fn history(&self) -> &History<StoredAlias> {
        &self.history
    }

    /// Replaces all aliases and their past.
    pub(crate) fn set_history(&mut self, history: History<StoredAlias>) {
        self.history = history;
    }

    /// Delays what readers see. `delay` is called for each read of an alias.
    pub(crate) fn set_delay(&mut self, delay: Delay) {
        self.delay = Some(delay);
        self.record_changes();
    }

    /// Records changes from now on, for [`Self::all_at`].
    pub(crate) fn record_changes(&mut self) {
        self.records_changes = true;
    }

    /// Sets or removes an alias and returns the one before.
    pub(crate) fn change(
        &mut self,
        name: &str,
        alias: Option<StoredAlias>,
        now: f64,
    ) -> Option<StoredAlias> {
        self.history.change(name, alias, self.records_changes.then_some(now))
    }

    /// The alias as a reader sees it now.
    pub(crate) fn visible(&self, name: &str, now: f64) -> Option<&StoredAlias> {
        self.history.at(name, self.visible_time(now))
    }

    /// All aliases as a reader sees them now, each with its own delay.
    pub(crate) fn all_visible(&self, now: f64) -> BTreeMap<&str, &StoredAlias> {
        let names = self.history.names().into_iter();
        names.filter_map(|name| Some((name, self.visible(name, now)?))).collect()
    }

    /// All aliases at a time.
    pub(crate) fn all_at(&self, time: f64) -> BTreeMap<&str, &StoredAlias> {
        self.history.all_at(time)
    }

    fn visible_time(&self, now: f64) -> f64 {
        // Without a delay, the current state is visible even if the clock was set back.
        self.delay.as_ref().map_or(f64::INFINITY, |delay| now - delay().as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_visible_after_the_delay() {
        let alias = |key: &str| StoredAlias { key: key.into(), created: 0.0, updated: 0.0 };
        let key = |alias: Option<&StoredAlias>| alias.map(|alias| alias.key.clone());
        let mut aliases = AliasTable::default();
        aliases.change("a", Some(alias("before")), 0.0);
        aliases.set_delay(Box::new(|| Duration::from_mins(5)));
        assert_eq!(key(aliases.visible("a", 1.0)), Some("before".into()), "set before the delay");
        aliases.change("a", Some(alias("one")), 1000.0);
        aliases.change("b", Some(alias("one")), 1000.0);
        aliases.change("a", Some(alias("two")), 1100.0);
        aliases.change("b", None, 1200.0);
        assert_eq!(
            (key(aliases.current("a")), key(aliases.current("b"))),
            (Some("two".into()), None)
        );
        let rows = [
            (1299.0, Some("before"), None),
            (1300.0, Some("one"), Some("one")),
            (1399.0, Some("one"), Some("one")),
            (1400.0, Some("two"), Some("one")),
            (1500.0, Some("two"), None),
        ];
        for (now, a, b) in rows {
            let visible = (key(aliases.visible("a", now)), key(aliases.visible("b", now)));
            assert_eq!(visible, (a.map(str::to_owned), b.map(str::to_owned)), "{now}");
            let names: Vec<_> = aliases.all_visible(now).into_keys().collect();
            assert_eq!(names, if b.is_some() { vec!["a", "b"] } else { vec!["a"] }, "{now}");
            let then: Vec<_> = aliases.all_at(now - 300.0).into_keys().collect();
            assert_eq!(then, names, "{now}");
        }
    }
}
