//! The rules of a template, which relate parameters to each other ("Rules" in the CloudFormation user guide).

use serde_json::Value;

use super::{Template, error::TemplateError, resolver::Resolver};

impl Template {
    /// Checks the assertions of all rules.
    ///
    /// # Errors
    /// If an assertion is false, with its `AssertDescription`, or if a rule is malformed.
    pub fn check_rules(&self, resolver: &Resolver) -> Result<(), TemplateError> {
        for (name, rule) in self.section("Rules") {
            let malformed = || TemplateError(format!("rule {name} is malformed"));
            if let Some(condition) = rule.get("RuleCondition")
                && !resolver.is_true(condition)?
            {
                continue;
            }
            let assertions = rule.get("Assertions").and_then(Value::as_array);
            for assertion in assertions.ok_or_else(malformed)? {
                if !resolver.is_true(assertion.get("Assert").ok_or_else(malformed)?)? {
                    let description = assertion.get("AssertDescription").and_then(Value::as_str);
                    let description = description.unwrap_or("an assertion is false");
                    return Err(TemplateError(format!("rule {name}: {description}")));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn check(rules: &str, parameters: &[(&str, &str)]) -> Result<(), TemplateError> {
        let text = format!(
            "
Parameters:
  Kind: {{Type: String, Default: a}}
  Many: {{Type: CommaDelimitedList, Default: 'x,y'}}
Rules: {rules}
Resources: {{}}
"
        );
        let template = Template::parse(&text).unwrap();
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let parameters: BTreeMap<_, _> = parameters.iter().map(own).collect();
        template.check_rules(&template.resolver("us-east-1", &parameters).unwrap())
    }

    #[test]
    fn assertions_must_be_true() {
        let contains = "
  R:
    Assertions:
      - {Assert: !Contains [[a, b], !Ref Kind], AssertDescription: a or b}
      - {Assert: !Not [!Equals [!Ref Kind, b]], AssertDescription: not b}
";
        let conditional = "
  R:
    RuleCondition: !Equals [!Ref Kind, b]
    Assertions: [{Assert: !Equals [x, y]}]
";
        let equals = "{R: {Assertions: [{Assert: !EachMemberEquals [!Ref Many, x]}]}}";
        let each_in = "{R: {Assertions: [{Assert: !EachMemberIn [!Ref Many, [x, y, z]]}]}}";
        let rows = [
            ("true", contains, "Kind", "a", Ok(())),
            ("the first is false", contains, "Kind", "c", Err("rule R: a or b")),
            ("the second is false", contains, "Kind", "b", Err("rule R: not b")),
            ("a false condition", conditional, "Kind", "a", Ok(())),
            ("a true condition", conditional, "Kind", "b", Err("rule R: an assertion is false")),
            ("each is equal", equals, "Many", "x,x", Ok(())),
            ("one differs", equals, "Many", "x,y", Err("rule R: an assertion is false")),
            ("each is in the list", each_in, "Many", "z,x", Ok(())),
            ("one is not", each_in, "Many", "x,w", Err("rule R: an assertion is false")),
            ("no assertion", "{R: {}}", "Kind", "a", Err("rule R is malformed")),
            ("no Assert", "{R: {Assertions: [{}]}}", "Kind", "a", Err("rule R is malformed")),
            (
                "a function of no rule",
                "{R: {Assertions: [{Assert: !ValueOf [Kind, Name]}]}}",
                "Kind",
                "a",
                Err("a condition is malformed"),
            ),
        ];
        for (name, rules, parameter, value, expected) in rows {
            let expected = expected.map_err(|message| TemplateError(message.to_owned()));
            assert_eq!(check(rules, &[(parameter, value)]), expected, "{name}");
        }
    }
}
