//! Resolves a path to the modules that define its items.

use std::collections::{BTreeSet, HashSet};

use super::modules::{Binding, Crate, Id, Segments};

/// The module and the items that a path names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) module: Option<Id>,
    /// The modules that define the items of this name: a type and a function may share one.
    pub(super) defined_in: BTreeSet<Id>,
}

/// Names that are being looked up, so that imports that name each other come to an end; and whether
/// more of the path follows, as a module and a function of one name are looked up separately.
type Pending = HashSet<(Id, String, bool)>;

impl Crate {
    /// The module and the items that a path names in a module. Empty if the path leads to another crate.
    pub(super) fn resolve(&self, module: Id, path: &[String]) -> Target {
        self.walk(module, path, &mut Pending::new())
    }

    fn walk(&self, module: Id, path: &[String], pending: &mut Pending) -> Target {
        let mut current = Some(module);
        let mut rest = path;
        while let Some((first, after)) = rest.split_first() {
            match first.as_str() {
                "crate" | "$crate" => current = Some(0),
                "self" => {}
                "super" => current = current.and_then(|id| self.modules.get(id)?.parent),
                _ => break,
            }
            rest = after;
        }
        let mut target = Target { module: current, defined_in: BTreeSet::new() };
        while let Some((name, after)) = rest.split_first() {
            let Some(module) = target.module else {
                // The rest is a variant or an associated item.
                return target;
            };
            target = self.look_up(module, name, !after.is_empty(), pending);
            rest = after;
        }
        target
    }

    /// The meaning of a name in a module: its own items and named imports come before glob imports.
    fn look_up(&self, module: Id, name: &str, goes_on: bool, pending: &mut Pending) -> Target {
        let mut target = Target::default();
        let Some(own) = self.modules.get(module) else { return target };
        let key = (module, name.to_owned(), goes_on);
        if !pending.insert(key.clone()) {
            return target;
        }
        for binding in own.names.get(name).into_iter().flatten() {
            match binding {
                Binding::Item(id) => {
                    target.defined_in.insert(*id);
                }
                Binding::Module(id) => target.module = Some(*id),
                Binding::Import(path) => target.add(self.walk(module, path, pending)),
            }
        }
        let is_unknown = target == Target::default();
        for path in own.globs.iter().filter(|_| is_unknown) {
            if let Some(whole) = self.walk(module, path, pending).module {
                target.add(self.look_up(whole, name, goes_on, pending));
            }
        }
        pending.remove(&key);
        target
    }

    /// Whether a module is below another module.
    pub(super) fn is_below(&self, module: Id, ancestor: Id) -> bool {
        let path = |id: Id| self.modules.get(id).map(|module| module.path.as_slice());
        match (path(module), path(ancestor)) {
            (Some(path), Some(above)) => path.len() > above.len() && path.starts_with(above),
            _ => false,
        }
    }
}

impl Target {
    fn add(&mut self, other: Self) {
        self.module = self.module.or(other.module);
        self.defined_in.extend(other.defined_in);
    }
}

/// A path as it is written.
pub(super) fn written(path: &Segments) -> String {
    path.join("::")
}
