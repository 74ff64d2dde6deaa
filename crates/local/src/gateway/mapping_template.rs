//! Mapping templates of mock integrations.

use serde_json::Value;

use crate::template::{TemplateError, text};

/// A mapping template (VTL) without directives: text with references to members of `$context.authorizer`, plain
/// or escaped for JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MappingTemplate(Vec<Fragment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fragment {
    Text(String),
    Reference { path: Vec<String>, is_escaped: bool },
}

impl MappingTemplate {
    /// Parses a template.
    ///
    /// # Errors
    /// If it contains anything that [`Self::render`] does not support.
    pub(super) fn parse(template: &str) -> Result<Self, TemplateError> {
        let unsupported = |at: &str| {
            let line: String = at.lines().next().unwrap_or_default().chars().take(60).collect();
            TemplateError(format!(
                "a mapping template contains {line:?}, which is not supported on this machine"
            ))
        };
        if let Some((_, directive)) = template.split_once('#') {
            return Err(unsupported(&format!("#{directive}")));
        }
        let mut fragments = Vec::new();
        let mut rest = template;
        while let Some(at) = rest.find('$') {
            let (before, reference) = rest.split_at(at);
            fragments.push(Fragment::Text(before.to_owned()));
            let (path, is_escaped, after) =
                read_reference(reference).ok_or_else(|| unsupported(reference))?;
            fragments.push(Fragment::Reference { path, is_escaped });
            rest = after;
        }
        fragments.push(Fragment::Text(rest.to_owned()));
        Ok(Self(fragments))
    }

    /// Renders the template. A reference to an absent member renders as an empty string.
    pub(super) fn render(&self, context: &Value) -> String {
        let render = |fragment: &Fragment| match fragment {
            Fragment::Text(text) => text.clone(),
            Fragment::Reference { path, is_escaped } => {
                let start = Some(context);
                let value = path.iter().fold(start, |value, name| value?.get(name));
                let value = value.map(text).unwrap_or_default();
                if *is_escaped { escape(&value) } else { value }
            }
        };
        self.0.iter().map(render).collect()
    }
}

/// Reads the reference at the start of `text`: its path, whether it is escaped, and the rest of the text.
fn read_reference(text: &str) -> Option<(Vec<String>, bool, &str)> {
    if let Some(argument) = text.strip_prefix("$util.escapeJavaScript(") {
        let (path, false, after) = read_reference(argument)? else { return None };
        let after = after.strip_prefix(')')?.strip_prefix(UNESCAPE_APOSTROPHES)?;
        return Some((path, true, after));
    }
    let name = |text: &str| {
        text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
    };
    let mut rest = text.strip_prefix("$context")?;
    let mut path = Vec::new();
    while let Some(after) = rest.strip_prefix('.') {
        let (member, after) = after.split_at(name(after));
        if member.is_empty() {
            break;
        }
        path.push(member.to_owned());
        rest = after;
    }
    (path.first()? == "authorizer" && path.len() == 2).then_some((path, false, rest))
}

/// Escapes like `$util.escapeJavaScript`, except for apostrophes, which JSON does not escape.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    let mut units = [0; 2];
    for c in text.chars() {
        match c {
            '"' | '\\' | '/' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            ' '..='~' => escaped.push(c),
            _ => {
                for unit in c.encode_utf16(&mut units) {
                    escaped.extend(["\\u", &format!("{unit:04X}")]);
                }
            }
        }
    }
    escaped
}

const UNESCAPE_APOSTROPHES: &str = r#".replaceAll("\\'", "'")"#;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_are_rendered() {
        let context =
            json!({"authorizer": {"sub": "O'Neil \"x\" \\ é 🦀\n", "exp": 7, "ok": true}});
        let sub = r#""$util.escapeJavaScript($context.authorizer.sub).replaceAll("\\'", "'")""#;
        let rows = [
            ("text", "{}", "{}"),
            ("a number", "$context.authorizer.exp,", "7,"),
            ("a boolean", "$context.authorizer.ok", "true"),
            ("an absent member", "[$context.authorizer.scope]", "[]"),
            ("a following full stop", "$context.authorizer.exp.", "7."),
            ("escaped", sub, r#""O'Neil \"x\" \\ \u00E9 \uD83E\uDD80\n""#),
        ];
        for (name, template, expected) in rows {
            assert_eq!(
                MappingTemplate::parse(template).unwrap().render(&context),
                expected,
                "{name}"
            );
        }
        let rendered = MappingTemplate::parse(sub).unwrap().render(&context);
        assert_eq!(serde_json::from_str::<Value>(&rendered).unwrap(), context["authorizer"]["sub"]);
    }

    #[test]
    fn unsupported_templates_are_rejected() {
        let rows = [
            "#set($a = 1)",
            "$input.body",
            "$util.urlEncode($context.a)",
            "$context",
            "$context.requestId",
            "$context.authorizer",
            "$util.escapeJavaScript($context.a)",
        ];
        for template in rows {
            assert!(MappingTemplate::parse(template).is_err(), "{template}");
        }
    }
}
