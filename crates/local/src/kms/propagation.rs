//! Values as they are, and as they look for some time after a change.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::store::Alias;

/// Named values, and what each was before its changes.
#[derive(Debug, Clone)]
pub(super) struct History<V> {
    now: BTreeMap<String, V>,
    /// When a value changed and what it was until then, in the order of time.
    past: Vec<(f64, String, Option<V>)>,
}

/// The aliases. The next change builds on what they are; readers may see an earlier state: KMS says
/// "several minutes in some cases".
#[derive(Default)]
pub(super) struct Aliases {
    history: History<Alias>,
    keeps_past: bool,
    delay: Option<Delay>,
}

/// How far behind the next look is.
pub(super) type Delay = Box<dyn Fn() -> Duration + Send>;

impl<V> Default for History<V> {
    fn default() -> Self {
        Self { now: BTreeMap::new(), past: Vec::new() }
    }
}

impl<V: Clone> History<V> {
    /// All values as they are.
    pub(super) fn all(&self) -> &BTreeMap<String, V> {
        &self.now
    }

    /// Starts with these values and no past.
    pub(super) fn restore(&mut self, all: BTreeMap<String, V>) {
        *self = Self { now: all, past: Vec::new() };
    }

    /// Sets the value, or removes it, and returns what it was. With a time, the change is in the
    /// past that [`Self::at`] reads; without one, the value counts as if it had always been there.
    pub(super) fn change(&mut self, name: &str, value: Option<V>, time: Option<f64>) -> Option<V> {
        let before = match value {
            Some(value) => self.now.insert(name.to_owned(), value),
            None => self.now.remove(name),
        };
        if let Some(time) = time {
            self.past.push((time, name.to_owned(), before.clone()));
        }
        before
    }

    /// The value at this time.
    pub(super) fn at(&self, name: &str, time: f64) -> Option<&V> {
        let mut later = self.past.iter().filter(|(at, changed, _)| *at > time && changed == name);
        later.next().map_or_else(|| self.now.get(name), |(.., before)| before.as_ref())
    }

    /// All values at this time.
    pub(super) fn all_at(&self, time: f64) -> BTreeMap<&str, &V> {
        let names = self.names().into_iter();
        names.filter_map(|name| Some((name, self.at(name, time)?))).collect()
    }

    /// The names of all values that there are or were.
    fn names(&self) -> BTreeSet<&str> {
        let past = self.past.iter().map(|(_, name, _)| &**name);
        self.now.keys().map(|name| &**name).chain(past).collect()
    }
}

impl Aliases {
    /// What the next change of this alias builds on.
    pub(super) fn actual(&self, name: &str) -> Option<&Alias> {
        self.history.all().get(name)
    }

    /// All of them as they are.
    pub(super) fn all(&self) -> &BTreeMap<String, Alias> {
        self.history.all()
    }

    pub(super) fn restore(&mut self, all: BTreeMap<String, Alias>) {
        self.history.restore(all);
    }

    /// Each look at an alias is as far behind as this says, which is called each time.
    pub(super) fn delay(&mut self, delay: Delay) {
        self.delay = Some(delay);
        self.keep_past();
    }

    /// From now on [`Self::all_at`] knows what the aliases were.
    pub(super) fn keep_past(&mut self) {
        self.keeps_past = true;
    }

    /// Sets the alias, or removes it, and returns what it was.
    pub(super) fn change(&mut self, name: &str, alias: Option<Alias>, now: f64) -> Option<Alias> {
        self.history.change(name, alias, self.keeps_past.then_some(now))
    }

    /// The alias as a reader sees it now.
    pub(super) fn seen(&self, name: &str, now: f64) -> Option<&Alias> {
        self.history.at(name, self.seen_time(now))
    }

    /// All aliases as a reader sees them now, each with a delay of its own.
    pub(super) fn all_seen(&self, now: f64) -> BTreeMap<&str, &Alias> {
        let names = self.history.names().into_iter();
        names.filter_map(|name| Some((name, self.seen(name, now)?))).collect()
    }

    /// All aliases at this time.
    pub(super) fn all_at(&self, time: f64) -> BTreeMap<&str, &Alias> {
        self.history.all_at(time)
    }

    fn seen_time(&self, now: f64) -> f64 {
        // Without a delay even a clock that was set back hides nothing.
        self.delay.as_ref().map_or(f64::INFINITY, |delay| now - delay().as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_when_it_has_come_through() {
        let alias = |key: &str| Alias { key: key.into(), created: 0.0, updated: 0.0 };
        let key = |alias: Option<&Alias>| alias.map(|alias| alias.key.clone());
        let mut aliases = Aliases::default();
        aliases.change("a", Some(alias("before")), 0.0);
        aliases.delay(Box::new(|| Duration::from_mins(5)));
        assert_eq!(key(aliases.seen("a", 1.0)), Some("before".into()), "from before the delay");
        aliases.change("a", Some(alias("one")), 1000.0);
        aliases.change("b", Some(alias("one")), 1000.0);
        aliases.change("a", Some(alias("two")), 1100.0);
        aliases.change("b", None, 1200.0);
        assert_eq!(
            (key(aliases.actual("a")), key(aliases.actual("b"))),
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
            let seen = (key(aliases.seen("a", now)), key(aliases.seen("b", now)));
            assert_eq!(seen, (a.map(str::to_owned), b.map(str::to_owned)), "{now}");
            let names: Vec<_> = aliases.all_seen(now).into_keys().collect();
            assert_eq!(names, if b.is_some() { vec!["a", "b"] } else { vec!["a"] }, "{now}");
            let then: Vec<_> = aliases.all_at(now - 300.0).into_keys().collect();
            assert_eq!(then, names, "{now}");
        }
    }
}
