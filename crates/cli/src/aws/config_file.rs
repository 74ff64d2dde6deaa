//! A configuration file of the AWS CLI, read as the AWS CLI reads it.
//!
//! The parser of the SDK differs: it ignores names of profiles, `services` and `sso-session` sections that have other
//! characters than those of an identifier, merges repeated sections, and accepts neither indented sections nor colons
//! after the names of properties. So each file is rewritten into the form that the SDK reads, line by line: a line
//! keeps its number.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs, io,
    path::Path,
};

use aws_runtime::env_config::file::EnvConfigFileKind;

use crate::exit::UsageError;

/// A configuration file in the form that the SDK reads, with encoded names.
pub(super) struct ConfigFile {
    pub(super) kind: EnvConfigFileKind,
    pub(super) path: String,
    pub(super) text: String,
    /// The headings in that form, such as `[services local]`.
    pub(super) headings: BTreeSet<String>,
}

impl ConfigFile {
    /// A file that does not exist is empty, as in the AWS CLI.
    pub(super) fn read(path: &Path, kind: EnvConfigFileKind) -> Result<Self, UsageError> {
        let path = path.display().to_string();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // A user without a home directory may have /dev/null as the home directory.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                String::new()
            }
            Err(error) => return Err(UsageError(format!("{path}: {error}"))),
        };
        let rewritten = rewrite(&text, kind).map_err(|(line, problem)| {
            UsageError(format!("error parsing {path} on line {line}: {problem}"))
        })?;
        let (text, headings) = (rewritten.lines.join("\n"), rewritten.sections);
        Ok(Self { kind, path, text, headings: headings.into_keys().collect() })
    }
}

struct Rewriter {
    kind: EnvConfigFileKind,
    lines: Vec<String>,
    /// The headings so far, as they are written.
    headings: BTreeSet<String>,
    /// The first line of each section with a name, by its heading in the form of the SDK.
    sections: BTreeMap<String, usize>,
    /// The properties of the section so far.
    properties: BTreeSet<String>,
    /// The indentation of the last heading or property.
    indentation: usize,
}

impl Rewriter {
    const fn new(kind: EnvConfigFileKind) -> Self {
        Self {
            kind,
            lines: Vec::new(),
            headings: BTreeSet::new(),
            sections: BTreeMap::new(),
            properties: BTreeSet::new(),
            indentation: 0,
        }
    }

    fn line(&mut self, line: &str) -> Result<String, String> {
        let text = line.trim();
        if text.is_empty() || text.starts_with(['#', ';']) {
            return Ok(String::new());
        }
        let indentation = line.len() - line.trim_start().len();
        // A line that is indented more than the property before it continues its value.
        if !self.properties.is_empty() && indentation > self.indentation {
            return Ok(format!(" {text}"));
        }
        self.indentation = indentation;
        match text.strip_prefix('[').and_then(|text| text.rsplit_once(']')) {
            Some((heading, _)) if !heading.is_empty() => self.heading(heading),
            _ => self.property(text),
        }
    }

    fn heading(&mut self, heading: &str) -> Result<String, String> {
        self.properties.clear();
        if heading == "DEFAULT" {
            return Err("[DEFAULT] is not supported: use [default]".into());
        }
        if !self.headings.insert(heading.to_owned()) {
            return Err(format!("the section [{heading}] is repeated"));
        }
        let rewritten = match self.kind {
            EnvConfigFileKind::Credentials => format!("[{}]", encode(heading)),
            EnvConfigFileKind::Config => heading_of_config(heading)?,
        };
        // Of two spellings of one name, the AWS CLI takes the last section.
        let start = self.lines.len();
        if let Some(earlier) = self.sections.insert(rewritten.clone(), start) {
            let is_heading = |line: &String| line.starts_with('[');
            let lines = self.lines.iter_mut().skip(earlier);
            lines
                .enumerate()
                .take_while(|(index, line)| *index == 0 || !is_heading(line))
                .for_each(|(_, line)| line.clear());
        }
        Ok(rewritten)
    }

    fn property(&mut self, text: &str) -> Result<String, String> {
        let (name, value) =
            text.split_once(['=', ':']).ok_or("a line of a section must be NAME = VALUE")?;
        let (name, mut value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if name.is_empty() {
            // The SDK names the problem.
            return Ok(text.to_owned());
        }
        if !self.properties.insert(name.clone()) {
            return Err(format!("{name} is repeated"));
        }
        // The names that headings have.
        if matches!(&*name, "source_profile" | "services" | "sso_session") {
            let comment = [" #", " ;", "\t#", "\t;"];
            let end = comment.into_iter().filter_map(|start| value.find(start)).min();
            value.truncate(end.unwrap_or(value.len()));
            value = encode(value.trim());
        }
        Ok(format!("{name} = {value}"))
    }
}

/// An identifier of the SDK for a name: `%` and two digits for each byte of other characters.
pub(super) fn encode(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"_-/.@:+".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The inverse of [`encode`].
pub(super) fn decode(identifier: &str) -> String {
    let mut bytes = Vec::new();
    let mut parts = identifier.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        bytes.extend(u8::from_str_radix(digits, 16));
        bytes.extend(rest.bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The lines in the form that the SDK reads. The error is the number of a line and its problem.
fn rewrite(text: &str, kind: EnvConfigFileKind) -> Result<Rewriter, (usize, String)> {
    let mut rewriter = Rewriter::new(kind);
    for (index, line) in text.lines().enumerate() {
        let line = rewriter.line(line).map_err(|problem| (index + 1, problem))?;
        rewriter.lines.push(line);
    }
    Ok(rewriter)
}

/// A heading of the config file in the form of the SDK.
fn heading_of_config(heading: &str) -> Result<String, String> {
    let mut kinds = ["profile", "services", "sso-session"].into_iter();
    if let Some(kind) = kinds.find(|kind| heading.starts_with(kind)) {
        let words = shlex::split(heading);
        let words = words.ok_or("a quotation mark in the heading is not closed")?;
        match &words[..] {
            [_, name] if kind == "profile" && name == "default" => return Ok("[default]".into()),
            [_, name] => return Ok(format!("[{kind} {}]", encode(name))),
            _ => {}
        }
    }
    // The SDK ignores a section with any other single word, as the AWS CLI does.
    Ok(if heading == "default" { "[default]".into() } else { format!("[{}]", encode(heading)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    use EnvConfigFileKind::{Config, Credentials};

    #[test]
    fn lines_are_rewritten_into_the_form_of_the_sdk() {
        let rows = [
            ("[profile prod]", Config, "[profile prod]"),
            ("[profile \"my prod\"]", Config, "[profile my%20prod]"),
            ("[profile 'my prod' ]", Config, "[profile my%20prod]"),
            ("[ profile prod]", Config, "[%20profile%20prod]"),
            ("[it's ours]", Config, "[it%27s%20ours]"),
            ("[ prod ]", Credentials, "[%20prod%20]"),
            ("[profile my\\ prod]", Config, "[profile my%20prod]"),
            ("[profile my prod]", Config, "[profile%20my%20prod]"),
            ("[default]", Config, "[default]"),
            ("[profile default]", Config, "[default]"),
            ("[sso-session \"a b\"]", Config, "[sso-session a%20b]"),
            ("[services \"a\"]", Config, "[services a]"),
            ("[my prod]", Credentials, "[my%20prod]"),
            ("[100%]", Credentials, "[100%25]"),
            ("[\"a]", Credentials, "[%22a]"),
            ("[default] # ours", Credentials, "[default]"),
            ("Source_Profile=my prod # x", Config, "source_profile = my%20prod"),
            ("source_profile = dev", Config, "source_profile = dev"),
            ("sso_session: a b", Config, "sso_session = a%20b"),
            ("role_arn: arn:aws:iam", Config, "role_arn = arn:aws:iam"),
            ("a = b: c", Config, "a = b: c"),
            (
                "[a]\n  b = c\n  d = e\n    f = g\n\nh = i",
                Config,
                "[a]\nb = c\nd = e\n f = g\n\nh = i",
            ),
            (
                "[profile a]\nx = 1\n[profile b]\ny = 1\n[profile \"a\"]\ny = 2",
                Config,
                "\n\n[profile b]\ny = 1\n[profile a]\ny = 2",
            ),
            ("[default]\nx = 1\n[profile default]\ny = 1", Config, "\n\n[default]\ny = 1"),
        ];
        for (text, kind, expected) in rows {
            let rewritten = rewrite(text, kind).map(|rewriter| rewriter.lines.join("\n"));
            assert_eq!(rewritten.as_deref(), Ok(expected), "{text}");
        }
        for name in ["prod", "my prod", "100%", "%41", "über"] {
            assert_eq!(decode(&encode(name)), name);
        }
    }

    #[test]
    fn lines_that_the_aws_cli_refuses_are_named() {
        let rows = [
            ("[profile \"prod]", Config, 1, "a quotation mark in the heading is not closed"),
            ("\n[profile prod']", Config, 2, "a quotation mark in the heading is not closed"),
            ("[a]\n[b]\n[a]", Credentials, 3, "the section [a] is repeated"),
            ("[a]\nb = 1\nB = 2", Credentials, 3, "b is repeated"),
            ("[a]\nb", Credentials, 2, "a line of a section must be NAME = VALUE"),
            ("[a", Credentials, 1, "a line of a section must be NAME = VALUE"),
            ("[DEFAULT]", Config, 1, "[DEFAULT] is not supported: use [default]"),
        ];
        for (text, kind, line, problem) in rows {
            let refused = rewrite(text, kind).map(|rewriter| rewriter.lines);
            assert_eq!(refused, Err((line, problem.to_owned())), "{text}");
        }
    }
}
