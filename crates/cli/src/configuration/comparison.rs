//! Comparisons of the configuration files with each other, and with the parameters of a deployment.

use oidc::TrustedIssuers;
use policy::issuance::{IssuancePolicy, IssuancePolicyError, IssuancePolicyWarning};

use super::{CheckedFile, Content, Located, Severity, elements::elements};

/// The problems and warnings that follow from several of these files, for each the file that it is about.
pub(super) fn compare(files: &[CheckedFile]) -> Vec<(&CheckedFile, Located)> {
    let file = |content| files.iter().find(|file| file.content == content);
    let mut problems = Vec::new();
    if let (Some(policy), Some(trusted)) =
        (file(Content::IssuanceRules), file(Content::TrustedIssuers))
    {
        let found = issuer_problems(&policy.text, &trusted.text).into_iter();
        problems.extend(found.map(|problem| (policy, problem)));
    }
    problems
}

/// The problems of a policy with the trusted issuers, if there are some, and the warnings about it if it has none. Both
/// texts may be invalid: then there is nothing to compare.
fn issuer_problems(policy_text: &str, trusted: &str) -> Vec<Located> {
    let Ok(policy) = policy_text.parse::<IssuancePolicy>() else { return Vec::new() };
    let Ok(trusted) = trusted.parse::<TrustedIssuers>() else { return Vec::new() };
    if trusted.is_empty() {
        return Vec::new();
    }
    let problems = policy.issuer_problems(&issuer::known_issuers(&trusted));
    if problems.is_empty() {
        return warnings(policy_text, &policy.issuer_warnings());
    }
    let problem = |(rule, problem): (_, IssuancePolicyError)| {
        located(policy_text, rule, Severity::Error, problem.to_string())
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
        located(text, warning.rule(), Severity::Warning, warning.to_string())
    };
    warnings.iter().map(located).collect()
}

/// A problem of a rule. Its number is from 1.
fn located(text: &str, rule: usize, severity: Severity, problem: String) -> Located {
    let rules = elements(text).unwrap_or_default();
    match rules.get(rule.saturating_sub(1)) {
        Some(rule) => Located::in_element(text, *rule, 0, severity, problem),
        None => Located::at(text, 0, severity, problem),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Position, *};

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
                .map(|Located { position: Position { line, column }, severity, text }| {
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
