//! Writes the parameters of settings into a template.

use std::ops::Range;

use runtime::{Function, Parameter, Setting, Values};

use crate::template_settings::{Member, members, with_members, wrapped};

/// A template in which every setting with a parameter has that parameter, with its default and its choices, and every
/// function that reads the setting has its variable. Members of `Settings` have their default where they are used, their
/// values in its pattern, and their name in its description. Everything else stays as it is.
///
/// # Errors
/// The line that is missing, if the template does not have the form of ours, or a member of `Settings` whose values have
/// no pattern.
pub(crate) fn with_parameters(template: &str, settings: &[Setting]) -> Result<String, String> {
    let mut lines: Vec<String> = template.lines().map(str::to_owned).collect();
    for setting in settings {
        let Some(parameter) = setting.parameter else { continue };
        let value = match parameter {
            Parameter::Own(parameter) => {
                declare_or_update(&mut lines, parameter, setting)?;
                format!("!Ref {parameter}")
            }
            Parameter::InSettings { name, .. } => {
                member_value(name, setting.default.unwrap_or_default())
            }
        };
        let variable = format!("{}: ", setting.name);
        let has_variable = |lines: &[String], place: Range<usize>| {
            let mut place = lines.get(place).unwrap_or_default().iter();
            place.any(|line| line.trim_start().starts_with(&variable))
        };
        let globals = block(&lines, 0..lines.len(), "Globals:")?;
        if has_variable(&lines, globals) {
            continue;
        }
        for resource in setting.functions.iter().flat_map(|function| resources(*function)) {
            let resource = block(&lines, 0..lines.len(), &format!("  {resource}:"))?;
            let variables = block(&lines, resource, "        Variables:")?;
            if !has_variable(&lines, variables.clone()) {
                let line = format!("          {variable}{value}");
                insert(&mut lines, variables.end, &[line]);
            }
        }
    }
    for Member { name, default, .. } in members(settings) {
        update_member(&mut lines, name, default);
    }
    with_members(&(lines.join("\n") + "\n"), settings)
}

/// Writes the parameter of a setting into the template.
fn declare_or_update(
    lines: &mut Vec<String>,
    parameter: &str,
    setting: &Setting,
) -> Result<(), String> {
    let section = block(lines, 0..lines.len(), "Parameters:")?;
    let declaration = format!("  {parameter}:");
    if lines.get(section.clone()).is_some_and(|lines| lines.contains(&declaration)) {
        let members = block(lines, section, &declaration)?;
        update(lines.get_mut(members).unwrap_or_default(), setting);
        return Ok(());
    }
    insert(lines, section.end, &declare(parameter, setting));
    let groups = block(lines, 0..lines.len(), "    ParameterGroups:")?;
    let label = format!("      - Label: {{default: {}}}", group(setting));
    let group = block(lines, groups, &label)?;
    insert_into_list(lines, &group, parameter);
    Ok(())
}

/// The value of a member of `Settings`. The default follows the list, so the first `NAME=` is that of the list if it has
/// the member.
pub(crate) fn member_value(member: &str, default: &str) -> String {
    let (name, rest) = member_marks(member);
    format!("!Select [0, !Split [\",\", !Select [1, !Split {name}{rest}{default},\"]]]]")
}

/// Sets the default of a member of `Settings` wherever it is used.
fn update_member(lines: &mut [String], member: &str, default: &str) {
    let (name, rest) = member_marks(member);
    let mark = format!("{name}{rest}");
    for line in lines {
        let Some((before, after)) = line.split_once(&mark) else { continue };
        let Some((_, after)) = after.split_once(',') else { continue };
        *line = format!("{before}{mark}{default},{after}");
    }
}

/// The two texts before the default of a member of `Settings`.
fn member_marks(member: &str) -> (String, String) {
    (format!("[\",{member}=\", "), format!("!Sub \",${{Settings}},{member}="))
}

/// The lines below the first line with this text: those that are indented more.
fn block(lines: &[String], within: Range<usize>, header: &str) -> Result<Range<usize>, String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let found = lines.iter().enumerate().take(within.end).skip(within.start);
    let (header_at, _) = found
        .clone()
        .find(|(_, line)| *line == header)
        .ok_or_else(|| format!("the template has no line `{header}`"))?;
    let start = header_at + 1;
    let is_outside = |line: &str| !line.is_empty() && indent(line) <= indent(header);
    let end = found.skip_while(|(at, _)| *at < start).find(|(_, line)| is_outside(line));
    let mut end = end.map_or(within.end, |(at, _)| at);
    while lines.get(end - 1).is_some_and(String::is_empty) {
        end -= 1;
    }
    Ok(start..end)
}

fn insert(lines: &mut Vec<String>, at: usize, inserted: &[String]) {
    lines.splice(at..at, inserted.iter().cloned());
}

/// Adds a name to the list of a group, which has one line or one line for each name.
fn insert_into_list(lines: &mut Vec<String>, group: &Range<usize>, name: &str) {
    match lines.get_mut(group.start) {
        Some(list) if list.ends_with(']') => {
            list.truncate(list.len() - 1);
            list.extend([", ", name, "]"]);
        }
        _ => insert(lines, group.end, &[format!("          - {name}")]),
    }
}

/// Sets the default, the choices and the bounds in a declaration. The description can be the template's own.
fn update(declaration: &mut [String], setting: &Setting) {
    let has_zero = declaration.iter().any(|line| line == "    MinValue: 0");
    let mut set = |member: &str, value: String| {
        let member = format!("    {member}: ");
        if let Some(line) = declaration.iter_mut().find(|line| line.starts_with(&member)) {
            *line = member + &value;
        }
    };
    // A required setting has a default of the template's own, and so has the algorithm, which the roles name.
    if !setting.is_required && setting.values != Values::Algorithm {
        set("Default", scalar(setting.default.unwrap_or_default()));
    }
    match setting.values {
        Values::OneOf(values) => set("AllowedValues", list(values)),
        Values::Seconds { min, max } | Values::Days { min, max } | Values::Number { min, max } => {
            // Where the template allows 0, it has a special meaning there: no function.
            if !has_zero {
                set("MinValue", min.to_string());
            }
            set("MaxValue", max.to_string());
        }
        _ => {}
    }
}

/// A string or number in YAML.
fn scalar(text: &str) -> String {
    // As a plain scalar, YAML 1.1 reads these as something other than a string.
    let is_plain = !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric())
        && !["yes", "no", "on", "off", "true", "false", "null"].contains(&text);
    if is_plain { text.to_owned() } else { format!("\"{text}\"") }
}

fn list(values: &[&str]) -> String {
    let values: Vec<_> = values.iter().map(|value| scalar(value)).collect();
    format!("[{}]", values.join(", "))
}

/// The lines of the declaration.
fn declare(parameter: &str, setting: &Setting) -> Vec<String> {
    let mut lines = vec![format!("  {parameter}:")];
    let mut add = |member: &str, value: String| lines.push(format!("    {member}: {value}"));
    let default = scalar(setting.default.unwrap_or_default());
    match setting.values {
        Values::Seconds { min, max } | Values::Days { min, max } | Values::Number { min, max } => {
            add("Type", "Number".into());
            if setting.default.is_some() {
                add("Default", default);
            }
            add("MinValue", min.to_string());
            add("MaxValue", max.to_string());
        }
        Values::OneOf(values) => {
            add("Type", "String".into());
            add("Default", default);
            add("AllowedValues", list(values));
        }
        Values::Text
        | Values::Matching { .. }
        | Values::Names
        | Values::Rules
        | Values::Revocations
        | Values::Issuers
        | Values::Algorithm => {
            add("Type", "String".into());
            add("Default", default);
        }
    }
    add("Description", ">-".into());
    // The console shows the text as it is, without Markdown.
    lines.extend(wrapped(&setting.help.replace('`', ""), MAX_TEXT_COLUMNS));
    lines
}

/// The group in which the console shows the parameter.
const fn group(setting: &Setting) -> &'static str {
    match setting.functions {
        [Function::Authorizer] => "Authorization",
        [Function::Rotator] => "Rotation",
        _ => "Tokens",
    }
}

/// The names of a function in the template. The token endpoint has a separate issuer.
const fn resources(function: Function) -> &'static [&'static str] {
    match function {
        Function::Issuer => &["Issuer", "OAuthIssuer"],
        Function::Authorizer => &["Authorizer"],
        Function::Rotator => &["Rotator"],
    }
}

const MAX_TEXT_COLUMNS: usize = 100;

#[cfg(test)]
mod tests;
