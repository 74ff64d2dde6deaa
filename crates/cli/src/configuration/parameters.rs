//! The parameters of a deployment: whether the template accepts them, and whether the functions start with the settings
//! that it makes of them.

use std::{collections::BTreeMap, path::Path};

use authorizer::AuthorizerConfig;
use issuer::IssuerConfig;
use local::template::{Resolver, Template, TemplateError};
use rotator::RotatorConfig;
use runtime::{Function, SETTINGS, Setting, Settings, SettingsError, table};
use serde_json::Value;

use super::{
    CheckedFile, ConfigurationProblem, FILES, Report, Severity, comparison::audience_warnings,
};
use crate::{
    exit::UsageError,
    parameter_overrides::{self, Parameters},
    template::TEMPLATE,
    template_settings::members,
};

/// The `parameter_overrides` of a `samconfig.toml` or `samconfig.yaml` that `sam deploy` uses: those of its own section
/// replace the global ones.
pub(crate) fn of_samconfig(file: &Path, environment: &str) -> Result<Parameters, UsageError> {
    let invalid = |problem: &str| UsageError(format!("{}: {problem}", file.display()));
    let document = parameter_overrides::read_document(file)?;
    let environment = document
        .get(environment)
        .ok_or_else(|| invalid(&format!("has no environment `{environment}`")))?;
    let section = |name: &str| environment.get(name)?.get("parameters")?.get("parameter_overrides");
    let Some(overrides) = section("deploy").or_else(|| section("global")) else {
        return Ok(Parameters::new());
    };
    parameter_overrides::read_value(overrides).map_err(|UsageError(problem)| invalid(&problem))
}

/// Checks parameters, with the configuration files of the report. `source` is where they are from.
pub(crate) fn check(
    parameters: &Parameters,
    source: &Path,
    report: &mut Report,
) -> Result<(), TemplateError> {
    let template = Template::parse(TEMPLATE)?;
    let TemplateCheck { problems, audiences } = check_template(&template, parameters, report)?;
    if let Some(policy) = valid_file(&table::ISSUANCE_POLICY, report)
        && let Some(audiences) = audiences
    {
        let file = policy.path.clone();
        let warnings = audience_warnings(&policy.text, &audiences).into_iter();
        let warnings = warnings.map(|it| ConfigurationProblem::new(file.clone(), it));
        report.problems.extend(warnings);
    }
    let problem = |text| ConfigurationProblem::of_file(source.to_owned(), Severity::Error, text);
    report.problems.extend(problems.into_iter().map(problem));
    Ok(())
}

/// The result of a check of parameters.
struct TemplateCheck {
    problems: Vec<String>,
    /// The values of `aud` that the authorizer accepts, if it starts.
    audiences: Option<Vec<String>>,
}

fn check_template(
    template: &Template,
    parameters: &Parameters,
    report: &Report,
) -> Result<TemplateCheck, TemplateError> {
    let mut problems = Vec::new();
    let mut known = Parameters::new();
    for (name, value) in parameters {
        if template.section("Parameters").any(|(own, _)| own == name) {
            known.insert(name.clone(), value.clone());
        } else {
            problems.push(unknown(name, value));
        }
    }
    let mut valid = Parameters::new();
    for (name, value) in known {
        let one = Parameters::from([(name.clone(), value.clone())]);
        match template.resolver(REGION, &one) {
            Ok(_) => drop(valid.insert(name, value)),
            Err(_) if name == "Settings" => problems.extend(invalid_members(template, &value)),
            Err(error) => problems.push(error.to_string()),
        }
    }
    if !problems.is_empty() {
        return Ok(TemplateCheck { problems, audiences: None });
    }
    let mut resolver = template.resolver(REGION, &valid)?;
    if let Err(error) = template.check_rules(&resolver) {
        problems.push(error.to_string());
    }
    // Their values are known only after the deployment.
    for (id, _) in template.section("Resources") {
        resolver.define(id, id.into());
    }
    let mut audiences = None;
    for (id, resource) in template.active_resources("AWS::Serverless::Function", &resolver)? {
        let variables = variables(template, &resolver, resource, report)?;
        match start(id, variables) {
            Ok(accepted) => audiences = audiences.or(accepted),
            Err(SettingsError(all)) => problems.extend(
                all.iter()
                    .map(|problem| format!("the {} does not start: {problem}", id.to_lowercase())),
            ),
        }
    }
    Ok(TemplateCheck { problems, audiences })
}

/// The message for a parameter that the template does not have.
fn unknown(name: &str, value: &str) -> String {
    let is_member = members(&SETTINGS).any(|member| member.name == name);
    let advice =
        if is_member { format!("write Settings={name}={value}") } else { "remove it".to_owned() };
    format!("the template has no parameter `{name}`, and sam deploy ignores it: {advice}")
}

/// A message for each member of `Settings` that its pattern does not allow.
fn invalid_members(template: &Template, settings: &str) -> Vec<String> {
    let is_allowed = |settings: &str| {
        let one = Parameters::from([("Settings".to_owned(), settings.to_owned())]);
        template.resolver(REGION, &one).is_ok()
    };
    let mut problems = Vec::new();
    for member in settings.split(',').filter(|member| !is_allowed(member) || member.is_empty()) {
        let name = member.split('=').next().unwrap_or_default();
        let known = members(&SETTINGS).find(|known| known.name == name);
        problems.push(match known {
            Some(known) => {
                format!(
                    "`{member}` of Settings is not allowed: {}",
                    known.values.description().replace('`', "")
                )
            }
            None => format!("Settings has no member `{name}`"),
        });
    }
    if problems.is_empty() {
        problems.push("Settings has a member twice".to_owned());
    }
    problems
}

/// The variables of a function.
fn variables(
    template: &Template,
    resolver: &Resolver,
    resource: &Value,
    report: &Report,
) -> Result<BTreeMap<String, String>, TemplateError> {
    let own = resource.pointer("/Properties/Environment");
    let mut variables = BTreeMap::new();
    for environment in [template.function_default("Environment"), own].into_iter().flatten() {
        let resolved = resolver.resolve(&environment["Variables"])?;
        for (name, value) in resolved.as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            variables.insert(name.clone(), value);
        }
    }
    for file in &FILES {
        // Without a token endpoint, the variable is empty.
        if variables.remove(file.setting.name).is_none_or(|value| value.is_empty()) {
            continue;
        }
        if let Some(valid) = valid_file(&file.setting, report) {
            variables.insert(file.setting.name.to_owned(), valid.text.clone());
        }
    }
    Ok(variables)
}

/// The file of a setting. `None` for a file with a problem, which is already reported.
fn valid_file<'a>(setting: &Setting, report: &'a Report) -> Option<&'a CheckedFile> {
    let content = FILES.iter().find(|file| file.setting.name == setting.name)?.content;
    let file = report.files.iter().find(|file| file.content == content)?;
    let mut errors = report.problems.iter().filter(|it| it.severity == Severity::Error);
    errors.all(|problem| problem.file != file.path).then_some(file)
}

/// Reads the settings as the function with this id does at its start. Returns the values of `aud` that it accepts, if it
/// is the authorizer.
fn start(
    id: &str,
    variables: BTreeMap<String, String>,
) -> Result<Option<Vec<String>>, SettingsError> {
    let mut settings: Settings = variables.into_iter().collect();
    let function = [Function::Issuer, Function::Authorizer, Function::Rotator];
    let function = match id {
        "OAuthIssuer" => Some(Function::Issuer),
        _ => function.into_iter().find(|it| it.name() == id.to_lowercase()),
    };
    let config = match function {
        Some(Function::Issuer) => IssuerConfig::read(&mut settings).map(|_| None),
        Some(Function::Authorizer) => {
            AuthorizerConfig::read(&mut settings).map(|config| config.token.audiences)
        }
        Some(Function::Rotator) => RotatorConfig::read(&mut settings).map(|_| None),
        None => Some(None),
    };
    settings.finish(config)
}

/// No check depends on the Region.
const REGION: &str = "us-east-1";

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::configuration::read;

    fn check_all(parameters: &[(&str, &str)]) -> Vec<String> {
        let template = Template::parse(TEMPLATE).unwrap();
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let parameters = parameters.iter().map(own).collect();
        check_template(&template, &parameters, &Report::default()).unwrap().problems
    }

    #[test]
    fn token_endpoint_without_trusted_issuers_is_a_problem() {
        let template = Template::parse(TEMPLATE).unwrap();
        let files = FILES.iter().map(|file| {
            let path = format!("{}/../../layer/config/{}", env!("CARGO_MANIFEST_DIR"), file.name);
            let (path, content) = (PathBuf::from(path), file.content);
            let text = read(&path).unwrap();
            CheckedFile { path, content, text, elements: 0 }
        });
        let report = Report { problems: Vec::new(), files: files.collect() };
        let check = |token_endpoint: &str| {
            let parameters =
                Parameters::from([("TokenEndpoint".to_owned(), token_endpoint.to_owned())]);
            check_template(&template, &parameters, &report).unwrap().problems
        };
        assert_eq!(check("no"), Vec::<String>::new());
        let expected = ["issuer", "oauthissuer"].map(|function| {
            format!("the {function} does not start: TRUSTED_ISSUERS must have at least one issuer")
        });
        assert_eq!(check("yes"), expected);
    }

    #[test]
    fn parameters_with_which_the_stack_starts_have_no_problem() {
        let rows: &[&[(&str, &str)]] = &[
            &[],
            &[
                ("RotationDays", "90"),
                ("Settings", "TokenLifetimeSeconds=900,TokenLifetimeMaxSeconds=900"),
            ],
            &[("KeyAlias", "alias/a"), ("Settings", "none"), ("TokenAudience", "orders,billing")],
            &[("KeySpec", "ECC_NIST_P256"), ("SigningAlgorithm", "ES256")],
        ];
        for parameters in rows {
            assert_eq!(check_all(parameters), Vec::<String>::new(), "{parameters:?}");
        }
    }

    #[test]
    fn parameters_that_fail_are_named() {
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
        let rows: &[Row<'_>] = &[
            (
                &[("Settings", "TokenLifetimeSeconds=7200")],
                &[
                    "the issuer does not start: TOKEN_LIFETIME_SECONDS must not exceed TOKEN_LIFETIME_MAX_SECONDS",
                ],
            ),
            (
                &[
                    ("RotationDays", "90"),
                    ("Settings", "PublicationWaitSeconds=1260,KeyRefreshSeconds=3600"),
                ],
                &["the rotator does not start: PUBLICATION_WAIT_SECONDS must be"],
            ),
            (&[("Settings", "PublicationWaitSeconds=1260,KeyRefreshSeconds=3600")], &[]),
            (&[("TokenAudience", "a b")], &["the issuer does not start: TOKEN_AUDIENCE"]),
            (
                &[("HttpApiResponse", "simple"), ("Architecture", "x86_64")],
                &[
                    "the template has no parameter `Architecture`, and sam deploy ignores it: remove it",
                    "the template has no parameter `HttpApiResponse`, and sam deploy ignores it: write \
                     Settings=HttpApiResponse=simple",
                ],
            ),
            (
                &[("Settings", "TokenLifetimeSecond=900,Tracing=active")],
                &[
                    "Settings has no member `TokenLifetimeSecond`",
                    "`Tracing=active` of Settings is not allowed: Active, PassThrough",
                ],
            ),
            (&[("Settings", "Tracing=Active,Tracing=Active")], &["Settings has a member twice"]),
            (
                &[("Verification", "KMS")],
                &["template: parameter Verification does not allow the value KMS"],
            ),
            (
                &[("KeySpec", "ECC_NIST_P256")],
                &[
                    "template: rule AlgorithmIsTheKeys: A key of this KeySpec does not support SigningAlgorithm",
                ],
            ),
            (
                &[("KeyAlias", "alias/a")],
                &["template: rule SettingsOfEarlierVersions: With KeyAlias"],
            ),
        ];
        for (parameters, expected) in rows {
            let found = check_all(parameters);
            let fits = found.iter().zip(*expected).all(|(found, start)| found.starts_with(start));
            assert!(fits && found.len() == expected.len(), "{parameters:?}: {found:#?}");
        }
    }
}
