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
    members(&SETTINGS).any(|Member { name, .. }| line.starts_with("      ") && line.contains(name))
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
        setting("PAUSE", &[Function::Rotator], seconds, Some("5"), Some(Parameter::Own("Pause"))),
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
        ("Mode", "Tokens", json!({"Type": "String", "Default": "a", "AllowedValues": ["a", "b"]})),
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
            for (settings, expected) in [("", "7"), ("Rare=3", "3"), ("TokenType=JWT,Rare=9", "9")]
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
    let lost = TEMPLATE.lines().find(|&line| !is_rewritten(line) && !lines.any(|it| it == line));
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
        assert_eq!(template.resolver("us-east-1", &values.into()).is_ok(), expected, "{member}");
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
