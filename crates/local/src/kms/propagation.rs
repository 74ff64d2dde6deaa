//! Aliases as they are, and as they look to those who ask a moment after a change.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::store::Alias;

/// A change counts at once for the next change, and later for those who look: KMS says "several
/// minutes in some cases".
#[derive(Default)]
pub(super) struct Aliases {
    now: BTreeMap<String, Alias>,
    /// What an alias was until then, in the order of time.
    past: Vec<(f64, String, Option<Alias>)>,
    delay: Option<Delay>,
}

/// How far behind the next look at an alias is.
pub(super) type Delay = Box<dyn Fn() -> Duration + Send>;

impl Aliases {
    /// What the next change of this alias builds on.
    pub(super) fn actual(&self, name: &str) -> Option<&Alias> {
        self.now.get(name)
    }

    /// All of them as they are.
    pub(super) fn all(&self) -> &BTreeMap<String, Alias> {
        &self.now
    }

    pub(super) fn restore(&mut self, all: BTreeMap<String, Alias>) {
        self.now = all;
    }

    /// Each look at an alias is as far behind as this says, anew.
    pub(super) fn delay(&mut self, delay: Delay) {
        self.delay = Some(delay);
    }

    /// Makes the alias this, or takes it away.
    pub(super) fn change(&mut self, name: &str, alias: Option<Alias>, now: f64) -> Option<Alias> {
        let before = match alias {
            Some(alias) => self.now.insert(name.to_owned(), alias),
            None => self.now.remove(name),
        };
        if self.delay.is_some() {
            self.past.push((now, name.to_owned(), before.clone()));
        }
        before
    }

    /// What somebody sees who looks now.
    pub(super) fn seen(&self, name: &str, now: f64) -> Option<&Alias> {
        let Some(delay) = &self.delay else { return self.now.get(name) };
        let then = now - delay().as_secs_f64();
        let mut later = self.past.iter().filter(|(at, changed, _)| *at > then && changed == name);
        later.next().map_or_else(|| self.now.get(name), |(.., before)| before.as_ref())
    }

    /// All that somebody sees who looks now.
    pub(super) fn all_seen(&self, now: f64) -> BTreeMap<&str, &Alias> {
        let past = self.past.iter().map(|(_, name, _)| &**name);
        let names: BTreeSet<_> = self.now.keys().map(|name| &**name).chain(past).collect();
        names.into_iter().filter_map(|name| Some((name, self.seen(name, now)?))).collect()
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
        }
    }
}
