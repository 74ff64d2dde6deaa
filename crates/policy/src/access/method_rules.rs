use std::cmp::Ordering;

use super::{
    RulesError,
    condition::Condition,
    evaluated::Opens,
    path::PathPattern,
    route::RoutePattern,
    rule::Rule,
    spelling::{Steps, is_ambiguous, reads_as_sent},
};

/// What the rules for one method say of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// This rule opens it.
    Open(usize),
    /// The rule that decides is closed, or there is none.
    Closed(Option<usize>),
    /// A rule opens it as it was sent, and another reading of it is one that this rule closes.
    ClosedSpelling(usize),
    /// A rule opens it as it was sent, and a backend may rewrite it.
    AmbiguousPath,
}

/// The rules for one method, and how a policy says the same as they do.
///
/// In a policy every Deny wins over every Allow, and a `*` reaches over slashes. So what is open is
/// allowed with a pattern that may be too wide, and of that, what is closed is denied. Some rules
/// cannot be told apart that way; there is no table of them.
#[derive(Debug)]
pub(crate) struct MethodRules {
    entries: Vec<Entry>,
    /// The rules as they read after each combination of steps.
    alike: Vec<Alike>,
}

/// The rules after some combinations of steps, which make the same of them.
#[derive(Debug)]
struct Alike {
    combinations: Vec<Steps>,
    /// With their rules, the most specific first.
    patterns: Vec<(PathPattern, usize)>,
}

/// A rule, the most specific first.
#[derive(Debug)]
struct Entry {
    rule: usize,
    path: PathPattern,
    /// Whether it is closed to any token.
    can_close: bool,
    /// What allows it when it is open, and denies it when it is closed.
    resource: String,
    /// What the resource is too wide by.
    beyond: Vec<Overmatch>,
    /// Less specific rules that it takes paths from.
    under: Vec<usize>,
    /// The paths with a slash at the end, where the pattern has no `*`. Some backends take them for the same:
    /// where the one is closed, the other is not open by another rule.
    slash: Option<Spelling>,
    /// Other spellings: with a slash at the end, with one more at the start, and the second reading.
    spellings: Vec<Spelling>,
}

/// Other spellings of a rule's paths, which a policy can deny.
#[derive(Debug)]
struct Spelling {
    path: PathPattern,
    resource: String,
    /// Rules that would open them.
    under: Vec<usize>,
    /// More specific rules for some of the paths that these are spellings of.
    inner: Vec<usize>,
}

#[derive(Debug)]
struct Overmatch {
    resource: String,
    /// Rules that say of all of it what is to become of it.
    named_by: Vec<usize>,
}

impl MethodRules {
    pub(crate) fn new(method: &'static str, rules: &[Rule]) -> Result<Self, RulesError> {
        let ours = order(method, rules);
        reject_ambiguous(&ours, rules)?;
        let entries = ours.iter().enumerate().map(|(at, &(rule, path))| {
            let less = ours.iter().skip(at + 1).filter(|(_, less)| less.overlaps(path));
            let beyond = path.beyond().map(|beyond| {
                let named_by = ours.iter().filter(|(_, other)| other.covers(&beyond.wide()));
                Overmatch {
                    resource: format!("{method}/{}", beyond.glob()),
                    named_by: named_by.map(|&(rule, _)| rule).collect(),
                }
            });
            let spelling = |other: PathPattern, inner: &[usize]| {
                let under = ours.iter().filter(|it| it.0 != rule && it.1.overlaps(&other));
                Spelling {
                    resource: format!("{method}/{}", other.glob()),
                    under: under.map(|it| it.0).collect(),
                    inner: inner.to_vec(),
                    path: other,
                }
            };
            let inner = ours.iter().take(at).filter(|(_, inner)| inner.overlaps(path));
            let inner: Vec<usize> = inner.map(|it| it.0).collect();
            let second = path.read_alike(Steps::ALL);
            let second = (second != *path).then(|| {
                let inner = ours.iter().filter(|(other, it)| {
                    let it = it.read_alike(Steps::ALL);
                    let is_wider = it.specificity(&second) == Ordering::Greater;
                    *other != rule && it.overlaps(&second) && !is_wider
                });
                let inner: Vec<usize> = inner.map(|it| it.0).collect();
                spelling(second.clone(), &inner)
            });
            let ends_alike = path.ends_with_many() || path.has_fixed_length();
            let slash = (!ends_alike).then(|| spelling(path.slash(), &inner));
            let double_slash = spelling(path.below_empty(), &inner);
            // A glob with `{name}` in it is wider than the pattern: no other rule may open the rest.
            let is_apart = |it: &Spelling| {
                let reached = |beyond: PathPattern| {
                    let beyond = beyond.wide();
                    ours.iter().any(|other| other.0 != rule && other.1.overlaps(&beyond))
                };
                !it.path.beyond().any(reached)
            };
            let spellings = slash.into_iter().chain([double_slash]).chain(second);
            Entry {
                slash: path.has_fixed_length().then(|| spelling(path.slash(), &[])),
                spellings: spellings.filter(is_apart).collect(),
                rule,
                path: path.clone(),
                can_close: !rules
                    .get(rule)
                    .is_some_and(|it| matches!(it.condition, Condition::Any)),
                resource: format!("{method}/{}", path.glob()),
                beyond: beyond.collect(),
                under: less.map(|&(rule, _)| rule).collect(),
            }
        });
        let entries = entries.collect();
        let table = Self { entries, alike: alike(&ours) };
        table.expressible(rules)?;
        Ok(table)
    }

    /// What becomes of a path, without the slash before it: open as it was sent, and not closed in its
    /// second reading.
    pub(crate) fn decide(&self, access: &impl Opens, path: &str) -> Verdict {
        let sent = PathPattern::exactly(path);
        let without_slash = sent.without_slash().and_then(|path| self.find(&path));
        let closed = without_slash.filter(|it| it.slash.is_some() && !access.opens(it.rule));
        let Some(entry) = closed.or_else(|| self.find(&sent)) else { return Verdict::Closed(None) };
        if !access.opens(entry.rule) {
            return Verdict::Closed(Some(entry.rule));
        }
        if is_ambiguous(path) {
            return Verdict::AmbiguousPath;
        }
        let closing = self.alike.iter().find_map(|alike| {
            let combinations =
                if reads_as_sent(path) { &[Steps::ALL][..] } else { &alike.combinations };
            let mut readings: Vec<PathPattern> = Vec::new();
            for reading in combinations.iter().flat_map(|steps| PathPattern::readings(path, *steps))
            {
                if !readings.contains(&reading) {
                    readings.push(reading);
                }
            }
            readings.iter().find_map(|reading| alike.closing(access, entry.rule, reading))
        });
        closing.map_or(Verdict::Open(entry.rule), Verdict::ClosedSpelling)
    }

    fn find(&self, path: &PathPattern) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path.covers(path))
    }

    /// What this table does not say of paths that it opens, though a reader of the rules would expect it:
    /// `/admin/*` is not about `/admin`. Each is a rule with `*` at its end and another one that opens the
    /// path above it.
    pub(crate) fn open_parents(&self, rules: &[Rule]) -> Vec<(usize, usize)> {
        let condition = |rule: usize| rules.get(rule).map(|rule| &rule.condition);
        let open_parent = |entry: &Entry| {
            let opening = self.find(&entry.path.parent()?)?.rule;
            let differs = match (condition(entry.rule)?, condition(opening)?) {
                (Condition::Any, _) => false,
                (own, other) => !own.same(other),
            };
            let is_wider = entry.under.contains(&opening);
            (differs && is_wider).then_some((entry.rule, opening))
        };
        self.entries.iter().filter_map(open_parent).collect()
    }

    /// What the rules say of all these paths, if it is the same for each.
    pub(crate) fn verdict(&self, access: &impl Opens, paths: &PathPattern) -> Option<bool> {
        let closed = |entry: &Entry| {
            let slash = entry.slash.as_ref().filter(|slash| slash.path.overlaps(paths));
            slash.is_some() && !access.opens(entry.rule)
        };
        let mut verdicts = if self.entries.iter().any(closed) { vec![false] } else { Vec::new() };
        for entry in self.entries.iter().filter(|entry| entry.path.overlaps(paths)) {
            verdicts.push(access.opens(entry.rule));
            if entry.path.covers(paths) {
                return agreed(&verdicts);
            }
        }
        verdicts.push(false);
        agreed(&verdicts)
    }

    /// What a policy has to allow and to deny; with `spellings`, also other spellings of what is closed.
    pub(crate) fn write(
        &self,
        access: &impl Opens,
        spellings: bool,
        allow: &mut Vec<String>,
        deny: &mut Vec<String>,
    ) {
        let any_open = |rules: &[usize]| rules.iter().any(|rule| access.opens(*rule));
        let mut refuse = |resource: &String| {
            if !deny.contains(resource) {
                deny.push(resource.clone());
            }
        };
        for entry in &self.entries {
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
            // None of a path that is open after all.
            let opened = |it: &&Spelling| spellings && any_open(&it.under) && !any_open(&it.inner);
            entry.spellings.iter().filter(opened).for_each(|it| refuse(&it.resource));
        }
    }

    /// The most that a policy can need, each resource with this much around it.
    pub(crate) fn bytes(&self, around: usize, spellings: bool) -> usize {
        let needs = |entry: &Entry| {
            let beyond = entry.beyond.iter().map(|beyond| &beyond.resource);
            let open = beyond.chain([&entry.resource]);
            let closed = (!entry.under.is_empty()).then_some(&entry.resource).into_iter();
            let others = entry.spellings.iter().filter(|_| spellings);
            let others = entry.slash.iter().chain(others).filter(|it| !it.under.is_empty());
            let closed = closed.chain(others.map(|spelling| &spelling.resource));
            let closed = closed.filter(|_| entry.can_close);
            let bytes = |resource: &String| around + resource.len();
            open.map(bytes).sum::<usize>().max(closed.map(bytes).sum())
        };
        self.entries.iter().map(needs).sum()
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
        for (at, entry) in self.entries.iter().enumerate() {
            for (other_at, other) in
                self.entries.iter().enumerate().filter(|(other, _)| *other != at)
            {
                let (rule, other_rule) = (entry.rule, other.rule);
                let reached = |beyond: PathPattern| beyond.wide().overlaps(&other.path);
                let in_beyond: Vec<bool> = entry.path.beyond().map(reached).collect();
                // Open, this one is allowed with something beyond it, which must then be denied.
                for (beyond, overlaps) in entry.beyond.iter().zip(&in_beyond) {
                    if *overlaps && possible(&beyond.named_by, [rule, other_rule]) {
                        return Err(RulesError::Below(text(rules, rule), text(rules, other_rule)));
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
                    return Err(RulesError::Within(
                        text(rules, wider),
                        text(rules, rule),
                        text(rules, other_rule),
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Alike {
    /// The rule that closes a reading of a path that this rule opens as it was sent. Of rules that read
    /// alike, the one that opens the path is about this very spelling; else all of them are asked.
    fn closing(&self, access: &impl Opens, opening: usize, reading: &PathPattern) -> Option<usize> {
        let mut covering = self.patterns.iter().filter(|(path, _)| path.covers(reading)).peekable();
        let first = &covering.peek()?.0;
        let same = covering.take_while(|(path, _)| path.specificity(first) == Ordering::Equal);
        let same: Vec<usize> = same.map(|(_, rule)| *rule).collect();
        if same.contains(&opening) {
            return None;
        }
        same.into_iter().find(|rule| !access.opens(*rule))
    }
}

/// The rules for a method after every combination of steps.
fn alike(ours: &[(usize, &PathPattern)]) -> Vec<Alike> {
    // Most rules read as they are written.
    if ours.iter().all(|(_, path)| path.reads_as_written()) {
        let patterns = ours.iter().map(|(rule, path)| ((*path).clone(), *rule)).collect();
        return vec![Alike { combinations: Steps::combinations().collect(), patterns }];
    }
    let mut all: Vec<Alike> = Vec::new();
    for steps in Steps::combinations() {
        let read = ours.iter().map(|(rule, path)| (path.read_alike(steps), *rule));
        let mut patterns: Vec<_> = read.collect();
        patterns.sort_by(|(path, _), (other, _)| path.specificity(other));
        match all.iter_mut().find(|alike| alike.patterns == patterns) {
            Some(alike) => alike.combinations.push(steps),
            None => all.push(Alike { combinations: vec![steps], patterns }),
        }
    }
    all
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
fn reject_ambiguous(ours: &[(usize, &PathPattern)], rules: &[Rule]) -> Result<(), RulesError> {
    for (at, (rule, path)) in ours.iter().enumerate() {
        for (other_rule, other) in ours.iter().skip(at + 1).filter(|(_, it)| it.overlaps(path)) {
            if path.specificity(other) == Ordering::Equal || path.covers(other) {
                return Err(RulesError::Ambiguous(text(rules, *rule), text(rules, *other_rule)));
            }
        }
    }
    Ok(())
}

fn agreed(verdicts: &[bool]) -> Option<bool> {
    let first = verdicts.first().copied()?;
    verdicts.iter().all(|verdict| *verdict == first).then_some(first)
}

fn text(rules: &[Rule], rule: usize) -> String {
    rules.get(rule).map(|rule| rule.text.clone()).unwrap_or_default()
}
