//! The audiences of the issuance policy, compared with those that the authorizer accepts.

use std::collections::BTreeMap;

use policy::issuance::IssuancePolicy;

use super::{Position, Severity, elements::elements, list::Located};

/// A warning for each rule that names an audience in full that is not accepted. `text` is a valid issuance policy.
///
/// The authorizer refuses a token that has no accepted `aud`. This is not an error: a rule may be for tokens that only
/// other services verify.
pub(super) fn unaccepted_audiences(text: &str, accepted: &[String]) -> Vec<Located> {
    let (Ok(policy), Ok(rules)) = (text.parse::<IssuancePolicy>(), elements(text)) else {
        return Vec::new();
    };
    let mut unaccepted: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (rule, audience) in policy.literal_audiences() {
        if !accepted.iter().any(|name| name == audience) {
            unaccepted.entry(rule).or_default().push(format!("`{audience}`"));
        }
    }
    let located = |(rule, names): (usize, Vec<String>)| {
        let offset = rules.get(rule - 1).map_or(0, |element| element.offset);
        let verb = if names.len() == 1 { "is" } else { "are" };
        let warning = format!(
            "rule {rule}: {} {verb} not in the parameter `TokenAudience`: tokens with no other `aud` are refused by the \
             authorizer of this stack; add what is missing, unless the tokens are for other services",
            names.join(" and "),
        );
        (Position::of_offset(text, offset), Severity::Warning, warning)
    };
    unaccepted.into_iter().map(located).collect()
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
            let found: Vec<_> = unaccepted_audiences(text, &accepted)
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
