//! All problems of the text of a configuration file.

use jwt::{
    UnixTime,
    json::{self, JsonError, MAX_DEPTH},
};
use oidc::{TrustedIssuers, TrustedIssuersError};
use policy::{
    access::{AccessRules, RulesError},
    issuance::IssuancePolicy,
    revocation::{MAX_REVOCATIONS, Revocation, RevocationsError},
};
use serde_json::{Value, json};

use super::{
    Content, Element, Located, Position, Severity,
    elements::{elements, offset_of},
    has_expired,
};

/// The result of a check of a list.
#[derive(Debug, Default)]
pub(crate) struct ListReport {
    /// The number of its elements.
    pub(crate) elements: usize,
    pub(crate) problems: Vec<Located>,
}

impl ListReport {
    /// The text is not a list.
    fn of_problem(position: Position, text: String) -> Self {
        let problems = vec![Located::new(position, Severity::Error, text)];
        Self { elements: 0, problems }
    }
}

/// Checks the text of a file. If there is no problem, the functions accept it.
pub(crate) fn check_list(content: Content, text: &str, now: UnixTime) -> ListReport {
    if matches!(text.trim(), "" | "null") {
        let problem = format!("has no value, write {}", smallest_list(content));
        return ListReport::of_problem(Position::START, problem);
    }
    let elements = match elements(text) {
        Ok(elements) => elements,
        Err((position, problem)) => return ListReport::of_problem(position, problem),
    };
    let mut list = List { content, text, elements, problems: Vec::new() };
    list.check(now);
    list.problems.sort_by_key(|problem| problem.position);
    ListReport { elements: list.elements.len(), problems: list.problems }
}

/// A list that is JSON.
struct List<'a> {
    content: Content,
    text: &'a str,
    elements: Vec<Element<'a>>,
    problems: Vec<Located>,
}

impl List<'_> {
    fn check(&mut self, now: UnixTime) {
        let mut valid = Vec::new();
        for (index, element) in self.elements.clone().into_iter().enumerate() {
            match element_problem(self.content, element) {
                None => valid.push(index),
                Some((offset, problem)) => {
                    let problem = format!("{} {}{problem}", self.content.element(), index + 1);
                    let severity = Severity::Error;
                    let located =
                        Located::in_element(self.text, element, offset, severity, problem);
                    self.problems.push(located);
                }
            }
        }
        match self.content {
            Content::AccessRules => self.reject_conflicts(&valid),
            Content::IssuanceRules | Content::TrustedIssuers => {}
            Content::Revocations => {
                if self.elements.len() > MAX_REVOCATIONS {
                    let problem = RevocationsError::TooMany(self.elements.len());
                    self.add_at_start(Severity::Error, problem.to_string());
                }
                self.warn_about_expired(&valid, now);
            }
        }
        let has_problem = self.problems.iter().any(|it| it.severity == Severity::Error);
        // The other rules may need the invalid one, so the rules are checked together only if each is valid.
        if !has_problem {
            self.check_together();
        }
    }

    /// Adds a problem for each two rules that no other rule can reconcile.
    fn reject_conflicts(&mut self, valid: &[usize]) {
        if valid.len() > MAX_COMPARED {
            return;
        }
        let routes: Vec<_> =
            valid.iter().filter_map(|index| Some((*index, self.route(*index)?))).collect();
        for (position, (index, route)) in routes.iter().enumerate() {
            for (_, earlier) in routes.iter().take(position) {
                // Different conditions, as equal ones can make rules expressible.
                let pair =
                    json!([{"route": earlier, "scope": "a"}, {"route": route, "scope": "b"}]);
                let parsed = pair.to_string().parse::<AccessRules>();
                if let Err(error @ (RulesError::Twice(..) | RulesError::Ambiguous(..))) = parsed {
                    self.add_at(*index, Severity::Error, error.to_string());
                }
            }
        }
    }

    fn warn_about_expired(&mut self, valid: &[usize], now: UnixTime) {
        let is_expired = |index: &&usize| {
            let element = self.elements.get(**index).map(list_of).unwrap_or_default();
            let read = Revocation::read_all(&element).unwrap_or_default();
            read.iter().any(|revocation| has_expired(revocation, now))
        };
        let expired: Vec<_> = valid.iter().filter(is_expired).copied().collect();
        let Some(first) = expired.first() else { return };
        let others = match expired.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let warning = format!(
            "the tokens of revocation {}{others} have expired: `countersign revoke` removes such revocations",
            first + 1
        );
        self.add_at(*first, Severity::Warning, warning);
    }

    /// Checks what depends on several elements, and adds the warnings.
    fn check_together(&mut self) {
        match self.content {
            Content::AccessRules => match self.text.parse::<AccessRules>() {
                Ok(rules) => {
                    for warning in rules.warnings() {
                        let index = warning.rule().and_then(|rule| self.rule_at(&[rule]));
                        self.add_found(index, Severity::Warning, warning.to_string());
                    }
                }
                Err(error) => {
                    let index = match &error {
                        RulesError::Below(one, other) => self.rule_at(&[one, other]),
                        RulesError::Within(conflict) => {
                            self.rule_at(&[&conflict.closed, &conflict.open])
                        }
                        _ => None,
                    };
                    self.add_found(index, Severity::Error, error.to_string());
                }
            },
            Content::IssuanceRules => {
                if let Err(error) = self.text.parse::<IssuancePolicy>() {
                    self.add_at_start(Severity::Error, error.to_string());
                }
            }
            Content::Revocations => {
                if let Err(error) = Revocation::read_all(self.text) {
                    self.add_at_start(Severity::Error, error.to_string());
                }
            }
            Content::TrustedIssuers => {
                if let Err(error) = self.text.parse::<TrustedIssuers>() {
                    let index = match &error {
                        TrustedIssuersError::SameIssuer { second, .. } => second.checked_sub(1),
                        _ => None,
                    };
                    self.add_found(index, Severity::Error, error.to_string());
                }
            }
        }
    }

    fn route(&self, index: usize) -> Option<String> {
        let rule: Value = serde_json::from_str(self.elements.get(index)?.text).ok()?;
        rule.get("route")?.as_str().map(str::to_owned)
    }

    /// The last rule with one of these routes.
    fn rule_at(&self, routes: &[&str]) -> Option<usize> {
        (0..self.elements.len())
            .rev()
            .find(|index| self.route(*index).is_some_and(|route| routes.contains(&&*route)))
    }

    fn add_found(&mut self, index: Option<usize>, severity: Severity, problem: String) {
        match index {
            Some(index) => self.add_at(index, severity, problem),
            None => self.add_at_start(severity, problem),
        }
    }

    fn add_at(&mut self, index: usize, severity: Severity, problem: String) {
        let Some(element) = self.elements.get(index) else {
            return self.add_at_start(severity, problem);
        };
        self.problems.push(Located::in_element(self.text, *element, 0, severity, problem));
    }

    fn add_at_start(&mut self, severity: Severity, problem: String) {
        let offset = self.text.find('[').unwrap_or_default();
        self.problems.push(Located::at(self.text, offset, severity, problem));
    }
}

/// The problem of an element, independent of the others, and its place in the element.
fn element_problem(content: Content, element: Element<'_>) -> Option<(usize, String)> {
    let list = list_of(&element);
    match json::objects(list.as_bytes()) {
        Ok(_) => {}
        Err(JsonError::NotStrict { line, column }) => {
            let offset = offset_of(&list, line, column).saturating_sub(1);
            let problem = format!(
                ": a member name is repeated, a string or number is invalid, or there are more than {MAX_DEPTH} levels"
            );
            return Some((offset, problem));
        }
        Err(_) => return Some((0, ": must be a JSON object".into())),
    }
    let (prefix, problem) = match content {
        Content::AccessRules => ("rule 1", list.parse::<AccessRules>().err()?.to_string()),
        Content::IssuanceRules => ("rule 1", list.parse::<IssuancePolicy>().err()?.to_string()),
        Content::Revocations => ("revocation 1", Revocation::read_all(&list).err()?.to_string()),
        Content::TrustedIssuers => {
            ("trusted issuer 1", list.parse::<TrustedIssuers>().err()?.to_string())
        }
    };
    // The problem of a list with one element names the element or, rarely, the list.
    let problem =
        problem.strip_prefix(prefix).map_or_else(|| format!(": {problem}"), str::to_owned);
    Some((0, problem))
}

/// A list with this element alone.
fn list_of(element: &Element<'_>) -> String {
    format!("[{}]", element.text)
}

/// The value to suggest for a file without a value.
const fn smallest_list(content: Content) -> &'static str {
    match content {
        Content::AccessRules => {
            "`[{\"route\": \"* /*\", \"any\": true}]` to open every route to every valid token"
        }
        Content::IssuanceRules => "`[]` for a policy under which no caller gets a token",
        Content::Revocations => "`[]` for a list without revocations",
        Content::TrustedIssuers => "`[]` if no issuer is trusted",
    }
}

/// More rules than this are too many for an IAM policy anyway, so they are not compared with each other.
const MAX_COMPARED: usize = 256;

#[cfg(test)]
mod tests;
