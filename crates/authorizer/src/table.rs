use std::cmp::Ordering;

use crate::{
    RulesError, condition::Condition, path::PathPattern, route::RoutePattern, rule::Rule,
    rules::Access,
};

/// The rules for one method, and how a policy says the same as they do.
///
/// In a policy every Deny wins over every Allow, and a `*` reaches over slashes. So what is open is
/// allowed with a pattern that may be too wide, and of that, what is closed is denied. Some rules
/// cannot be told apart that way; there is no table of them.
#[derive(Debug)]
pub(crate) struct Table(Vec<Entry>);

/// A rule, the most specific first.
#[derive(Debug)]
struct Entry {
    rule: usize,
    path: PathPattern,
    /// What allows it when it is open, and denies it when it is closed.
    resource: String,
    /// What the resource is too wide by.
    beyond: Vec<Beyond>,
    /// Less specific rules that it takes paths from.
    under: Vec<usize>,
    /// The paths with a slash at the end, where the rule has no `*`. Some take them for the same: so
    /// where the one is closed, the other is not open by another rule.
    slash: Option<Slash>,
}

#[derive(Debug)]
struct Slash {
    path: PathPattern,
    resource: String,
    /// Rules that would open it.
    under: Vec<usize>,
}

#[derive(Debug)]
struct Beyond {
    resource: String,
    /// Rules that say of all of it what is to become of it.
    named_by: Vec<usize>,
}

impl Table {
    pub(crate) fn new(method: &'static str, rules: &[Rule]) -> Result<Self, RulesError> {
        let ours = order(method, rules);
        plain(&ours, rules)?;
        let entries = ours.iter().enumerate().map(|(at, &(rule, path))| {
            let less = ours.iter().skip(at + 1).filter(|(_, less)| less.overlaps(path));
            let beyond = path.beyond().map(|beyond| {
                let named_by = ours.iter().filter(|(_, other)| other.covers(&beyond.wide()));
                Beyond {
                    resource: format!("{method}/{}", beyond.glob()),
                    named_by: named_by.map(|&(rule, _)| rule).collect(),
                }
            });
            let slash = path.is_plain().then(|| path.slash());
            let slash = slash.map(|path| Slash {
                resource: format!("{method}/{}", path.glob()),
                under: ours.iter().filter(|(_, it)| it.overlaps(&path)).map(|it| it.0).collect(),
                path,
            });
            Entry {
                slash,
                rule,
                path: path.clone(),
                resource: format!("{method}/{}", path.glob()),
                beyond: beyond.collect(),
                under: less.map(|&(rule, _)| rule).collect(),
            }
        });
        let table = Self(entries.collect());
        table.expressible(rules)?;
        Ok(table)
    }

    /// The rule that decides on a path.
    pub(crate) fn deciding(&self, access: &Access, path: &PathPattern) -> Option<usize> {
        if let Some(same) = path.without_slash()
            && let Some(entry) = self.find(&same)
            && entry.slash.is_some()
            && !access.opens(entry.rule)
        {
            return Some(entry.rule);
        }
        self.find(path).map(|entry| entry.rule)
    }

    fn find(&self, path: &PathPattern) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.path.covers(path))
    }

    /// What the rules say of all these paths, if it is the same for each.
    pub(crate) fn verdict(&self, access: &Access, paths: &PathPattern) -> Option<bool> {
        let closed = |entry: &Entry| {
            let slash = entry.slash.as_ref().filter(|_| !access.opens(entry.rule));
            slash.is_some_and(|slash| slash.path.overlaps(paths))
        };
        let mut verdicts = if self.0.iter().any(closed) { vec![false] } else { Vec::new() };
        for entry in self.0.iter().filter(|entry| entry.path.overlaps(paths)) {
            verdicts.push(access.opens(entry.rule));
            if entry.path.covers(paths) {
                return agreed(&verdicts);
            }
        }
        verdicts.push(false);
        agreed(&verdicts)
    }

    /// What a policy has to allow and to deny.
    pub(crate) fn write(&self, access: &Access, allow: &mut Vec<String>, deny: &mut Vec<String>) {
        let any_open = |rules: &[usize]| rules.iter().any(|rule| access.opens(*rule));
        let mut refuse = |resource: &String| {
            if !deny.contains(resource) {
                deny.push(resource.clone());
            }
        };
        for entry in &self.0 {
            if access.opens(entry.rule) {
                allow.push(entry.resource.clone());
                let unnamed = entry.beyond.iter().filter(|beyond| !any_open(&beyond.named_by));
                unnamed.for_each(|beyond| refuse(&beyond.resource));
                continue;
            }
            if any_open(&entry.under) {
                refuse(&entry.resource);
            }
            if let Some(slash) = entry.slash.as_ref().filter(|slash| any_open(&slash.under)) {
                refuse(&slash.resource);
            }
        }
    }

    /// The most that a policy can need, each resource with this much around it.
    pub(crate) fn bytes(&self, around: usize) -> usize {
        let needs = |entry: &Entry| {
            let beyond = entry.beyond.iter().map(|beyond| &beyond.resource);
            let open = beyond.chain([&entry.resource]);
            let closed = (!entry.under.is_empty()).then_some(&entry.resource).into_iter();
            let slash = entry.slash.iter().filter(|slash| !slash.under.is_empty());
            let closed = closed.chain(slash.map(|slash| &slash.resource));
            let bytes = |resource: &String| around + resource.len();
            open.map(bytes).sum::<usize>().max(closed.map(bytes).sum())
        };
        self.0.iter().map(needs).sum()
    }

    /// Whether a policy can say what the rules say, whichever of them are open.
    fn expressible(&self, rules: &[Rule]) -> Result<(), RulesError> {
        let possible = |closed: &[usize], open: [usize; 2]| {
            let condition = |rule: usize| rules.get(rule).map(|rule| &rule.condition);
            closed.iter().all(|closed| {
                let closed = condition(*closed);
                let open = open.map(condition);
                !matches!(closed, Some(Condition::Any))
                    && open.iter().all(|open| !closed.zip(*open).is_some_and(|(a, b)| a.same(b)))
            })
        };
        for (at, entry) in self.0.iter().enumerate() {
            for (other_at, other) in self.0.iter().enumerate().filter(|(other, _)| *other != at) {
                let (rule, other_rule) = (entry.rule, other.rule);
                let reached = |beyond: PathPattern| beyond.wide().overlaps(&other.path);
                let in_beyond: Vec<bool> = entry.path.beyond().map(reached).collect();
                // Open, this one is allowed with something beyond it, which must then be denied.
                for (beyond, overlaps) in entry.beyond.iter().zip(&in_beyond) {
                    if *overlaps && possible(&beyond.named_by, [rule, other_rule]) {
                        return Err(RulesError::below(rules, rule, other_rule));
                    }
                }
                // Closed, this one is denied for the sake of a wider one, and the other with it.
                let denied_for = |rules_that_open: &[usize]| {
                    let mut wider = rules_that_open.iter();
                    wider.find(|wider| possible(&[rule], [**wider, other_rule])).copied()
                };
                let inner = other_at < at && other.path.overlaps(&entry.path);
                let denied_too = inner || in_beyond.contains(&true);
                let wider = denied_too.then_some(&entry.under).into_iter();
                let slash = entry.slash.iter();
                let slash = slash.filter(|it| inner || it.path.beyond().any(reached));
                let mut wider = wider.chain(slash.map(|slash| &slash.under));
                if let Some(wider) = wider.find_map(|wider| denied_for(wider)) {
                    return Err(RulesError::within(rules, wider, rule, other_rule));
                }
            }
        }
        Ok(())
    }
}

/// The rules for a method, the most specific first, and of those with one path, the one that names
/// the method.
fn order<'a>(method: &str, rules: &'a [Rule]) -> Vec<(usize, &'a PathPattern)> {
    let mut ours: Vec<_> = rules
        .iter()
        .enumerate()
        .filter_map(|(at, rule)| match &rule.route {
            RoutePattern::Http { method: own, path } if own.is_none_or(|own| own == method) => {
                Some((at, own.is_none(), path))
            }
            _ => None,
        })
        .collect();
    ours.sort_by(|(_, any, path), (_, other_any, other)| {
        path.specificity(other).then(any.cmp(other_any))
    });
    let mut kept: Vec<(usize, &PathPattern)> = Vec::new();
    for (at, _, path) in ours {
        if !kept.iter().any(|(_, known)| *known == path) {
            kept.push((at, path));
        }
    }
    kept
}

/// Of two rules for one path, one must be the more specific, and leave something to the other.
fn plain(ours: &[(usize, &PathPattern)], rules: &[Rule]) -> Result<(), RulesError> {
    for (at, (rule, path)) in ours.iter().enumerate() {
        for (other_rule, other) in ours.iter().skip(at + 1).filter(|(_, it)| it.overlaps(path)) {
            if path.specificity(other) == Ordering::Equal || path.covers(other) {
                return Err(RulesError::ambiguous(rules, *rule, *other_rule));
            }
        }
    }
    Ok(())
}

fn agreed(verdicts: &[bool]) -> Option<bool> {
    let first = verdicts.first().copied()?;
    verdicts.iter().all(|verdict| *verdict == first).then_some(first)
}
