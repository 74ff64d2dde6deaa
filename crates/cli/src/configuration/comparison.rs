//! The issuance policy, compared with other configuration.

use oidc::TrustedIssuers;
use policy::issuance::{IssuancePolicy, IssuancePolicyError, IssuancePolicyWarning};

use super::{Position, Severity, elements::elements, list::Located};

/// The problems of a policy with the trusted issuers, and the warnings about it if it has none. `text` is a valid issuance
/// policy.
pub(super) fn issuer_problems(text: &str, trusted: &TrustedIssuers) -> Vec<Located> {
    let Ok(policy) = text.parse::<IssuancePolicy>() else { return Vec::new() };
    let problems = policy.issuer_problems(&issuer::known_issuers(trusted));
    if problems.is_empty() {
        return warnings(text, &policy.issuer_warnings());
    }
    let problem = |(rule, problem): (_, IssuancePolicyError)| {
        (position(text, rule), Severity::Error, problem.to_string())
    };
    problems.into_iter().map(problem).collect()
}

/// The warnings about a policy whose tokens an authorizer with these audiences gets. `text` is a valid issuance policy.
pub(super) fn audience_warnings(text: &str, accepted: &[String]) -> Vec<Located> {
    let Ok(policy) = text.parse::<IssuancePolicy>() else { return Vec::new() };
    warnings(text, &policy.audience_warnings(accepted))
}

fn warnings(text: &str, warnings: &[IssuancePolicyWarning]) -> Vec<Located> {
    let located = |warning: &IssuancePolicyWarning| {
        (position(text, warning.rule()), Severity::Warning, warning.to_string())
    };
    warnings.iter().map(located).collect()
}

/// Where a rule begins. Its number is from 1.
fn position(text: &str, rule: usize) -> Position {
    let rules = elements(text).unwrap_or_default();
    let offset = rules.get(rule.saturating_sub(1)).map_or(0, |element| element.offset);
    Position::of_offset(text, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: &str = "https://api.example";

    #[test]
    fn audience_that_the_authorizer_refuses_gives_a_warning() {
        let rule = |audience: &str| format!("[\n  {{\"caller\": \"*\"{audience}}}\n]");
        let named = rule(&format!(", \"audience\": \"{API}\""));
        let several = rule(&format!(", \"audience\": [\"a\", \"{API}\", \"b\", \"c-*\"]"));
        let second = format!(
            "[{{\"caller\": \"*\"}},\n {{\"caller\": {{\"issuer\": \"partner-1\"}}, \"audience\": \"{API}\"}}]"
        );
        let rows: [(&str, &str, &[&str], &[&str]); 11] = [
            ("accepted", &named, &[API], &[]),
            ("one of the accepted", &named, &["orders", API], &[]),
            (
                "none accepted",
                &named,
                &[],
                &["2:3: rule 1: `https://api.example` is not in the parameter `TokenAudience`: "],
            ),
            (
                "another one accepted",
                &named,
                &["orders"],
                &["2:3: rule 1: `https://api.example` is not in the parameter `TokenAudience`: "],
            ),
            ("another spelling accepted", &named, &["https://api.example/"], &["2:3: rule 1: "]),
            (
                "some of several accepted",
                &several,
                &[API],
                &["2:3: rule 1: `a` and `b` are not in the parameter `TokenAudience`: "],
            ),
            ("a later rule, for a trusted issuer", &second, &["orders"], &["2:2: rule 2: "]),
            ("any audience", &rule(", \"audience\": \"*\""), &[], &[]),
            ("a pattern", &rule(", \"audience\": \"https://api.example/*\""), &[API], &[]),
            ("no audience", &rule(""), &[], &[]),
            ("not a policy", "[{}]", &[], &[]),
        ];
        let mut wrong = Vec::new();
        for (name, text, accepted, expected) in rows {
            let accepted: Vec<_> = accepted.iter().map(|&name| name.to_owned()).collect();
            let found: Vec<_> = audience_warnings(text, &accepted)
                .into_iter()
                .map(|(Position { line, column }, severity, text)| {
                    assert_eq!(severity, Severity::Warning, "{name}");
                    format!("{line}:{column}: {text}")
                })
                .collect();
            let fits = found.iter().zip(expected).all(|(found, start)| found.starts_with(start));
            if !fits || found.len() != expected.len() {
                wrong.push(format!("{name}: {found:?}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
