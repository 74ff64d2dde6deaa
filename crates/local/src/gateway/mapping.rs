use serde_json::Value;

use crate::template::{TemplateError, text};

/// A mapping template (VTL) of the kind that needs no program: text with references to members of
/// `$context.authorizer`, as they are or made safe for JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Reference { path: Vec<String>, escaped: bool },
}

impl Mapping {
    /// Refuses what it would render otherwise than API Gateway.
    pub(super) fn parse(template: &str) -> Result<Self, TemplateError> {
        let unknown = |at: &str| {
            let line: String = at.lines().next().unwrap_or_default().chars().take(60).collect();
            TemplateError(format!(
                "a mapping template has {line:?}, which is not known on this machine"
            ))
        };
        if let Some((_, directive)) = template.split_once('#') {
            return Err(unknown(&format!("#{directive}")));
        }
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some(at) = rest.find('$') {
            let (before, reference) = rest.split_at(at);
            parts.push(Part::Text(before.to_owned()));
            let (path, escaped, after) = read(reference).ok_or_else(|| unknown(reference))?;
            parts.push(Part::Reference { path, escaped });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// A reference to something that is not there renders as nothing.
    pub(super) fn render(&self, context: &Value) -> String {
        let render = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Reference { path, escaped } => {
                let start = Some(context);
                let value = path.iter().fold(start, |value, name| value?.get(name));
                let value = value.map(text).unwrap_or_default();
                if *escaped { escape(&value) } else { value }
            }
        };
        self.0.iter().map(render).collect()
    }
}

/// Reads one reference at the start of `text`: its path, whether it is escaped, what comes after.
fn read(text: &str) -> Option<(Vec<String>, bool, &str)> {
    if let Some(argument) = text.strip_prefix("$util.escapeJavaScript(") {
        let (path, false, after) = read(argument)? else { return None };
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

/// What `escapeJavaScript` gives once its apostrophes, which JSON does not know escaped, are as
/// they were.
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
    fn references() {
        let context =
            json!({"authorizer": {"sub": "O'Neil \"x\" \\ é 🦀\n", "exp": 7, "ok": true}});
        let sub = r#""$util.escapeJavaScript($context.authorizer.sub).replaceAll("\\'", "'")""#;
        let rows = [
            ("text", "{}", "{}"),
            ("a number", "$context.authorizer.exp,", "7,"),
            ("a truth", "$context.authorizer.ok", "true"),
            ("nothing", "[$context.authorizer.scope]", "[]"),
            ("a full stop after it", "$context.authorizer.exp.", "7."),
            ("escaped", sub, r#""O'Neil \"x\" \\ \u00E9 \uD83E\uDD80\n""#),
        ];
        for (name, template, expected) in rows {
            assert_eq!(Mapping::parse(template).unwrap().render(&context), expected, "{name}");
        }
        let rendered = Mapping::parse(sub).unwrap().render(&context);
        assert_eq!(serde_json::from_str::<Value>(&rendered).unwrap(), context["authorizer"]["sub"]);
    }

    #[test]
    fn what_is_not_known_is_refused() {
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
            assert!(Mapping::parse(template).is_err(), "{template}");
        }
    }
}
