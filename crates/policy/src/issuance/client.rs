use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    Caller, DeniedField, IssuanceDefaults,
    rule::{IssuanceRule, RuleCaller},
};
use crate::{cel::EvaluationContext, glob::Patterns};

/// A request of an OAuth client: it names scopes and audiences, and the rule chooses the claims.
#[derive(Debug, Clone, Copy)]
pub struct ClientRequest<'a> {
    /// The scopes, separated by spaces.
    pub scope: Option<&'a str>,
    /// The audiences: the parameters `resource` (RFC 8707) and `audience`.
    pub audiences: &'a [String],
    /// The requested lifetime, if the request has one.
    pub lifetime: Option<Duration>,
}

/// The grant of a rule to an OAuth client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientGrant {
    /// The number of the rule, from 1.
    pub rule: usize,
    /// The claims of the token: `sub`, and if present `aud`, `scope` and those of `claims_from`.
    pub claims: Map<String, Value>,
    /// The lifetime of the token.
    pub lifetime: Duration,
}

impl IssuanceRule {
    /// Grants a request of an OAuth client that the rule applies to. `claims` are those of its assertion. Returns the
    /// claims and the lifetime of the token.
    pub(super) fn grant_to_client(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller,
        claims: &EvaluationContext<'_>,
        defaults: &IssuanceDefaults<'_>,
    ) -> Result<(Map<String, Value>, Duration), DeniedField> {
        let mut token = Map::new();
        token.insert("sub".into(), self.client_subject(caller, claims)?.into());
        if let Some(audience) = self.client_audience(request.audiences, defaults.audience)? {
            token.insert("aud".into(), audience);
        }
        if let Some(scope) = self.client_scope(request.scope)? {
            token.insert("scope".into(), scope.into());
        }
        if let RuleCaller::Asserted(rule) = &self.caller {
            rule.add_claims(&mut token, claims)?;
        }
        let lifetime = self.check_limits(&token, request.lifetime, defaults)?;
        Ok((token, lifetime))
    }

    fn client_subject(
        &self,
        caller: &Caller,
        claims: &EvaluationContext<'_>,
    ) -> Result<String, DeniedField> {
        let (subject, is_granted_without_pattern) = match (&self.caller, caller) {
            (RuleCaller::Asserted(rule), Caller::Assertion(identity)) => {
                (rule.subject(identity, claims)?, true)
            }
            _ => (caller.subject().ok_or(DeniedField::Subject)?, false),
        };
        let is_granted = match self.subject.as_slice() {
            [] => is_granted_without_pattern,
            _ => self.subject.match_text(&subject),
        };
        let may_give = match &self.caller {
            RuleCaller::Asserted(rule) => rule.may_give(&subject, &self.subject),
            RuleCaller::Aws(_) => true,
        };
        if is_granted && may_give { Ok(subject) } else { Err(DeniedField::Subject) }
    }

    /// The `aud` of the token. `None`: it has none.
    fn client_audience(
        &self,
        requested: &[String],
        default: Option<&str>,
    ) -> Result<Option<Value>, DeniedField> {
        if requested.is_empty() {
            return match (default, self.audience.as_slice()) {
                (Some(default), _) => Ok(Some(default.into())),
                (None, []) => Ok(None),
                (None, [one]) if !one.contains('*') => Ok(Some(one.as_str().into())),
                (None, _) => Err(DeniedField::Audience),
            };
        }
        let mut granted: Vec<&str> = Vec::with_capacity(requested.len());
        for audience in requested {
            let audience =
                granted_audience(audience, &self.audience, default).ok_or(DeniedField::Audience)?;
            if !granted.contains(&audience) {
                granted.push(audience);
            }
        }
        Ok(match granted.as_slice() {
            [one] => Some((*one).into()),
            several => Some(several.into()),
        })
    }

    /// The `scope` of the token: the requested scopes, or else those that the rule names in full. `None`: it has none.
    fn client_scope(&self, requested: Option<&str>) -> Result<Option<String>, DeniedField> {
        let patterns = self.scope.as_slice();
        if let Some(scope) = requested {
            let is_granted = scope.split(' ').all(|one| self.scope.match_text(one));
            return if is_granted { Ok(Some(scope.to_owned())) } else { Err(DeniedField::Scope) };
        }
        let literal: Vec<&str> =
            patterns.iter().map(String::as_str).filter(|scope| !scope.contains('*')).collect();
        match (literal.is_empty(), patterns.is_empty()) {
            (true, true) => Ok(None),
            (true, false) => Err(DeniedField::Scope),
            (false, _) => Ok(Some(literal.join(" "))),
        }
    }
}

/// The audience as the token has it, if it is granted. A client may have read the name of a resource as a URL, which adds
/// a slash to one without a path (`https://api.example/`), so this slash may be missing in the rule or the default.
fn granted_audience<'a>(
    requested: &'a str,
    patterns: &Patterns,
    default: Option<&str>,
) -> Option<&'a str> {
    let without_slash = requested.strip_suffix('/').filter(|url| {
        url.split_once("://").is_some_and(|(_, host)| !host.is_empty() && !host.contains('/'))
    });
    let spellings = [Some(requested), without_slash].into_iter().flatten();
    // A literal name determines the spelling of the resource; a wildcard does not.
    let is_literal = |name: &&str| {
        default == Some(*name) || patterns.as_slice().iter().any(|pattern| pattern == name)
    };
    spellings
        .clone()
        .find(is_literal)
        .or_else(|| spellings.clone().find(|name| patterns.match_text(name)))
}

#[cfg(test)]
mod tests;
