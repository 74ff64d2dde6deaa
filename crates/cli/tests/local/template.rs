//! The template agrees with the tables of settings and algorithms.

use std::{collections::BTreeSet, time::Duration};

use jwt::Algorithm;
use local::template::Template;
use rotation::RotationTiming;
use runtime::{Function, Parameter, SETTINGS, Setting, Values, table};
use serde_json::{Value, json};

fn template() -> Template {
    Template::parse(include_str!("../../../../template.yaml")).unwrap()
}

fn parameter<'a>(template: &'a Template, name: &str) -> &'a Value {
    let parameters = template.section("Parameters").collect::<Vec<_>>();
    parameters.into_iter().find(|(own, _)| *own == name).unwrap().1
}

#[test]
fn parameters_have_the_defaults_and_bounds_of_the_settings() {
    let template = template();
    for Setting { name, values, default, is_required, parameter: own, .. } in SETTINGS {
        let Some(Parameter::Own(own)) = own else { continue };
        let parameter = parameter(&template, own);
        let found = match &parameter["Default"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        // The algorithm of a key is optional as a setting. The template needs it for the policies of the
        // roles.
        if !is_required && values != Values::Algorithm {
            assert_eq!(found, default.unwrap_or_default(), "{name}");
        }
        match values {
            Values::Seconds { min, max }
            | Values::Number { min, max }
            | Values::Days { min, max } => {
                let least = parameter["MinValue"].as_u64().unwrap();
                let most = parameter["MaxValue"].as_u64().unwrap();
                // 0 days stands for a stack without a rotator.
                let is_in_range = least >= min || (own == "RotationDays" && least == 0);
                assert!(is_in_range && most <= max, "{name}: {least} to {most}");
            }
            Values::OneOf(allowed) => {
                assert_eq!(parameter["AllowedValues"], json!(allowed), "{name}");
            }
            Values::Text
            | Values::Matching { .. }
            | Values::Names
            | Values::Rules
            | Values::Revocations
            | Values::Issuers
            | Values::Algorithm => {}
        }
    }
}

/// A stack with a shorter wait would be deployed, and its rotator would not start.
#[test]
fn shortest_publication_wait_is_that_of_the_rotator() {
    let refresh = table::KEY_REFRESH_SECONDS.default.unwrap().parse().unwrap();
    let shortest = RotationTiming::shortest_publication(Duration::from_secs(refresh)).as_secs();
    let resolver = |wait: u64| {
        let settings = format!("PublicationWaitSeconds={wait}");
        template().resolver("us-east-1", &[("Settings".to_owned(), settings)].into())
    };
    assert!(resolver(shortest).is_ok());
    assert!(resolver(shortest - 1).is_err());
}

#[test]
fn each_function_gets_its_settings_and_no_others() {
    let template = template();
    let names = |environment: &Value| -> BTreeSet<String> {
        let names = environment["Variables"].as_object().into_iter().flat_map(|it| it.keys());
        names.filter(|name| !name.starts_with("AWS_")).cloned().collect()
    };
    let shared = names(template.function_default("Environment").unwrap());
    for (id, resource) in template.resources("AWS::Serverless::Function") {
        let function = match id {
            "Issuer" | "OAuthIssuer" => Function::Issuer,
            "Authorizer" => Function::Authorizer,
            "Rotator" => Function::Rotator,
            other => panic!("{other} is not known here"),
        };
        let own = names(&resource["Properties"]["Environment"]);
        let read = SETTINGS.iter().filter(|setting| setting.functions.contains(&function));
        let read: BTreeSet<_> = read.map(|setting| setting.name.to_owned()).collect();
        assert!(own.is_subset(&read), "{id}: {own:?}");
        // Without a parameter, a setting keeps its default here.
        let set = |setting: &&Setting| {
            setting.functions.contains(&function) && setting.parameter.is_some()
        };
        for Setting { name, .. } in SETTINGS.iter().filter(set) {
            assert!(own.contains(*name) || shared.contains(*name), "{id}: {name}");
        }
        // The template itself reads this one.
        assert_eq!(own.contains("RETAINED_KEY_ID"), id == "Rotator", "{id}");
    }
    let all: BTreeSet<_> = SETTINGS.iter().map(|setting| setting.name.to_owned()).collect();
    assert!(shared.is_subset(&all), "{shared:?}");
}

#[test]
fn algorithms_are_those_of_the_table() {
    let template = template();
    let names: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
    assert_eq!(parameter(&template, "SigningAlgorithm")["AllowedValues"], json!(names));
    let next: Vec<_> = ["same"].into_iter().chain(names.iter().copied()).collect();
    assert_eq!(parameter(&template, "NextSigningAlgorithm")["AllowedValues"], json!(next));

    let mut specs: Vec<_> = Algorithm::ALL.iter().flat_map(|it| it.key_specs()).collect();
    specs.dedup();
    let specs: BTreeSet<_> = specs.into_iter().collect();
    let allowed = parameter(&template, "KeySpec")["AllowedValues"].as_array().unwrap();
    let allowed: Vec<_> = allowed.iter().map(|spec| spec.as_str().unwrap()).collect();
    assert_eq!(allowed.iter().collect::<BTreeSet<_>>(), specs);

    let mappings = template.section("Mappings").collect::<Vec<_>>();
    let (_, rows) = mappings.into_iter().find(|(name, _)| *name == "Algorithms").unwrap();
    for algorithm in Algorithm::ALL {
        let row = &rows[algorithm.name()];
        assert_eq!(row["Kms"], algorithm.kms_name(), "{algorithm}");
        let pattern = row["KeySpec"].as_str().unwrap().trim_end_matches('*');
        assert!(algorithm.key_specs().iter().all(|spec| spec.starts_with(pattern)), "{algorithm}");
    }
}
