//! Writes the parameters of settings into a template.

use std::ops::Range;

use runtime::{Function, Parameter, Setting, Values};

use crate::template_settings::{Member, members, with_members};

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
    let mut line = String::new();
    // The console shows the text as it is, without Markdown.
    for word in setting.help.replace('`', "").split_whitespace() {
        if line.len() + word.len() > MAX_TEXT_COLUMNS {
            lines.push(format!("     {line}"));
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push(format!("     {line}"));
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

const MAX_TEXT_COLUMNS: usize = 94;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use local::template::Template;
    use runtime::SETTINGS;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        template::TEMPLATE,
        template_settings::{NAMES_END, NAMES_START},
    };

    fn setting(
        name: &'static str,
        functions: &'static [Function],
        values: Values,
        default: Option<&'static str>,
        parameter: Option<Parameter>,
    ) -> Setting {
        let help = "The `name` of what the setting is about: a text that is long enough for a second line in the \
                    template, and has more than one word.";
        Setting { name, functions, values, default, is_required: false, parameter, help }
    }

    /// Whether the line belongs to the pattern of `Settings` or to its list of names.
    fn is_about_a_member(line: &str) -> bool {
        members(&SETTINGS)
            .any(|Member { name, .. }| line.starts_with("      ") && line.contains(name))
            && !line.contains("!Split")
    }

    #[test]
    fn template_has_the_parameters_of_all_settings() {
        assert_eq!(with_parameters(TEMPLATE, &SETTINGS).unwrap(), TEMPLATE);
    }

    #[test]
    fn missing_parameters_are_declared_grouped_and_passed_on() {
        const ALL: &[Function] = &[Function::Issuer, Function::Authorizer, Function::Rotator];
        let seconds = Values::Seconds { min: 1, max: 9 };
        let (one_of, text) = (Values::OneOf(&["a", "b"]), Values::Text);
        let rows = [
            setting("REALM", &[Function::Authorizer], text, None, Some(Parameter::Own("Realm"))),
            setting(
                "PAUSE",
                &[Function::Rotator],
                seconds,
                Some("5"),
                Some(Parameter::Own("Pause")),
            ),
            setting("MODE", ALL, one_of, Some("a"), Some(Parameter::Own("Mode"))),
            setting(
                "RARE",
                &[Function::Issuer],
                seconds,
                Some("7"),
                Some(Parameter::InSettings { name: "Rare", values: None }),
            ),
            setting("HIDDEN", ALL, text, None, None),
        ];
        let written = with_parameters(TEMPLATE, &rows).unwrap();
        let help = rows[0].help.replace('`', "");
        let expected = [
            ("Realm", "Authorization", json!({"Type": "String", "Default": ""})),
            (
                "Pause",
                "Rotation",
                json!({"Type": "Number", "Default": 5, "MinValue": 1, "MaxValue": 9}),
            ),
            (
                "Mode",
                "Tokens",
                json!({"Type": "String", "Default": "a", "AllowedValues": ["a", "b"]}),
            ),
        ];
        let template = Template::parse(&written).unwrap();
        let section = |section: &str, name: &str| -> Value {
            let mut members = template.section(section);
            members.find(|(own, _)| *own == name).map(|(_, value)| value.clone()).unwrap()
        };
        let interface = section("Metadata", "AWS::CloudFormation::Interface");
        for (name, group, mut parameter) in expected {
            parameter["Description"] = help.clone().into();
            assert_eq!(section("Parameters", name), parameter, "{name}");
            let groups = interface["ParameterGroups"].as_array().unwrap();
            let group = groups.iter().find(|it| it["Label"]["default"] == group).unwrap();
            assert!(group["Parameters"].as_array().unwrap().contains(&json!(name)), "{name}");
        }
        for (resource, expected) in [
            ("Issuer", vec!["MODE", "RARE"]),
            ("OAuthIssuer", vec!["MODE", "RARE"]),
            ("Authorizer", vec!["MODE", "REALM"]),
            ("Rotator", vec!["MODE", "PAUSE"]),
        ] {
            let mut functions = template.resources("AWS::Serverless::Function");
            let (_, function) = functions.find(|(own, _)| *own == resource).unwrap();
            let variables = function["Properties"]["Environment"]["Variables"].as_object().unwrap();
            let added: Vec<_> = ["HIDDEN", "MODE", "PAUSE", "RARE", "REALM"]
                .into_iter()
                .filter(|name| variables.contains_key(*name))
                .collect();
            assert_eq!(added, expected, "{resource}");
            assert_eq!(variables["MODE"], json!({"Ref": "Mode"}), "{resource}");
            if let Some(rare) = variables.get("RARE") {
                for (settings, expected) in
                    [("", "7"), ("Rare=3", "3"), ("TokenType=JWT,Rare=9", "9")]
                {
                    let mut resolver = template.resolver("us-east-1", &BTreeMap::new()).unwrap();
                    resolver.define("Settings", settings.into());
                    assert_eq!(resolver.resolve(rare).unwrap(), json!(expected), "{settings}");
                }
            }
        }
        // Everything else stays in its place, and a second run changes nothing.
        let mut lines = written.lines();
        let is_rewritten = |line: &str| {
            line.contains("Parameters: [RotationDays, CopiedTagKeys]") || is_about_a_member(line)
        };
        let lost =
            TEMPLATE.lines().find(|&line| !is_rewritten(line) && !lines.any(|it| it == line));
        assert_eq!(lost, None);
        assert_eq!(with_parameters(&written, &rows).unwrap(), written);
    }

    #[test]
    fn changed_defaults_and_choices_are_written() {
        let mut settings = SETTINGS;
        for setting in &mut settings {
            match setting.name {
                "TOKEN_LIFETIME_SECONDS" => setting.default = Some("900"),
                "VERIFICATION" => {
                    (setting.default, setting.values) = (Some("no"), Values::OneOf(&["kms", "no"]));
                }
                _ => {}
            }
        }
        let written = with_parameters(TEMPLATE, &settings).unwrap();
        let changed: Vec<_> = written
            .lines()
            .zip(TEMPLATE.lines())
            .filter(|(new, old)| new != old)
            .map(|(new, old)| (old.trim(), new.trim()))
            .collect();
        let lifetime = |default: &str| {
            "TOKEN_LIFETIME_SECONDS: ".to_owned() + &member_value("TokenLifetimeSeconds", default)
        };
        let (old_lifetime, new_lifetime) = (lifetime("3600"), lifetime("900"));
        let expected = [
            ("Default: kms", "Default: \"no\""),
            ("AllowedValues: [kms, local]", "AllowedValues: [kms, \"no\"]"),
            // The issuer, and the one of the token endpoint.
            (&*old_lifetime, &*new_lifetime),
            (&*old_lifetime, &*new_lifetime),
        ];
        assert_eq!(changed, expected);
    }

    #[test]
    fn changed_bounds_are_written() {
        let mut settings = SETTINGS;
        for setting in &mut settings {
            match setting.name {
                "ROTATION_DAYS" => setting.values = Values::Days { min: 7, max: 400 },
                "SIGNATURE_CACHE_SECONDS" => setting.values = Values::Seconds { min: 0, max: 60 },
                "HTTP_API_RESPONSE" => setting.values = Values::OneOf(&["iam", "a.b"]),
                _ => {}
            }
        }
        let written = with_parameters(TEMPLATE, &settings).unwrap();
        let template = Template::parse(&written).unwrap();
        let parameter = |name: &str| {
            let mut parameters = template.section("Parameters");
            parameters.find(|(own, _)| *own == name).map(|(_, value)| value.clone()).unwrap()
        };
        let days = parameter("RotationDays");
        // 0 is the template's own: no rotator.
        assert_eq!((&days["MinValue"], &days["MaxValue"]), (&json!(0), &json!(400)));
        let is_allowed = |member: &str| {
            let values = [("Settings".to_owned(), member.to_owned())];
            template.resolver("us-east-1", &values.into()).is_ok()
        };
        let rows = [
            ("SignatureCacheSeconds=60", true),
            ("SignatureCacheSeconds=61", false),
            ("ClockLeewaySeconds=300", true),
            ("HttpApiResponse=a.b", true),
            ("HttpApiResponse=a_b", false),
            ("HttpApiResponse=simple", false),
        ];
        for (member, expected) in rows {
            assert_eq!(is_allowed(member), expected, "{member}");
        }
    }

    #[test]
    fn new_member_of_settings_is_allowed_and_named() {
        let member = Some(Parameter::InSettings { name: "Rare", values: None });
        let seconds = Values::Seconds { min: 2, max: 90 };
        let rare = setting("RARE", &[Function::Authorizer], seconds, Some("7"), member);
        let written = with_parameters(TEMPLATE, &[&SETTINGS[..], &[rare]].concat()).unwrap();
        let template = Template::parse(&written).unwrap();
        for (member, expected) in [("Rare=2", true), ("Rare=91", false), ("Tracing=Active", true)] {
            let values = [("Settings".to_owned(), member.to_owned())];
            assert_eq!(
                template.resolver("us-east-1", &values.into()).is_ok(),
                expected,
                "{member}"
            );
        }
        let names = |text: &str| {
            let start = text.find(NAMES_START).unwrap();
            let end = text[start..].find(NAMES_END).unwrap();
            text[start..start + end].replace("\n     ", "")
        };
        let expected =
            names(TEMPLATE).replace("PublicationWaitSeconds, ", "PublicationWaitSeconds, Rare, ");
        assert_eq!(names(&written), expected);
    }

    #[test]
    fn member_of_settings_without_a_pattern_is_an_error() {
        let member = Some(Parameter::InSettings { name: "Rare", values: None });
        let rows = [setting("RARE", &[Function::Issuer], Values::Text, None, member)];
        let error = with_parameters(TEMPLATE, &rows).unwrap_err();
        assert_eq!(error, "the values of `Rare`, a member of `Settings`, have no pattern");
    }

    #[test]
    fn template_of_another_form_is_an_error() {
        let parameter = Some(Parameter::Own("Realm"));
        let rows = [setting("REALM", &[Function::Authorizer], Values::Text, None, parameter)];
        let error = with_parameters("Resources:\n  Authorizer:\n", &rows).unwrap_err();
        assert_eq!(error, "the template has no line `Parameters:`");
    }
}
