//! The order of the sources of credentials: that of the AWS CLI.

use std::{fmt, fs, io::Write};

use aws_config::{
    SdkConfig, credential_process::CredentialProcessProvider, profile::Profile,
    provider_config::ProviderConfig,
};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_runtime::env_config::file::EnvConfigFileKind;
use aws_sdk_sts::Client;

use super::{
    config::AwsConfig,
    config_file::decode,
    metadata,
    profiles::Selected,
    providers::{AssumeRole, AssumeRoleWithWebIdentity, SendableProvider},
    sso::{SsoRole, SsoSettings},
};
use crate::{exit::UsageError, terminal};

/// The source of the credentials.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Environment,
    Profile(Selected),
    WebIdentity,
    Container,
    Instance,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str(ACCESS_KEY_ID),
            Self::Profile(selected) => write!(f, "profile {:?}", selected.name),
            Self::WebIdentity => f.write_str(TOKEN_FILE),
            Self::Container => f.write_str("metadata service of the container"),
            Self::Instance => f.write_str("metadata service of the instance"),
        }
    }
}

/// The sources of credentials in the environment and in the profiles.
pub(super) struct Sources<'a> {
    pub(super) config: &'a AwsConfig,
    /// For the providers of `aws-config`.
    pub(super) sdk: &'a SdkConfig,
    /// For STS.
    pub(super) sts: &'a SdkConfig,
}

impl Sources<'_> {
    /// The first source that has credentials. With `--profile`, the profile is the only one.
    pub(super) fn select(&self) -> Result<(Source, SharedCredentialsProvider), UsageError> {
        let selected = self.config.profiles.selected();
        let uses_environment = !selected.is_option();
        if uses_environment && let Some(keys) = self.environment_keys()? {
            self.note_precedence(ACCESS_KEY_ID);
            return Ok((Source::Environment, keys));
        }
        let source = Source::Profile(selected.clone());
        let profile = self.config.profiles.get(&selected.name);
        if let Some(profile) = profile
            && assumes_role(profile)
        {
            let provider = self.role(&selected.name, profile, &mut Vec::new())?;
            return Ok((source, provider));
        }
        let token_file = uses_environment && self.config.environment.get(TOKEN_FILE).is_some();
        if token_file {
            self.note_precedence(TOKEN_FILE);
        }
        match self.chain(&selected.name, uses_environment)? {
            Some(provider) if token_file => return Ok((Source::WebIdentity, provider)),
            Some(provider) => return Ok((source, provider)),
            None if selected.source.is_some() => {
                return Err(UsageError(format!("{source} has no credentials")));
            }
            None => {}
        }
        if let Some(provider) = metadata::container(self.config)? {
            return Ok((Source::Container, provider));
        }
        Ok((Source::Instance, self.instance()?))
    }

    /// Warns that the environment has credentials that differ from those of the profile that a variable names.
    fn note_precedence(&self, variable: &str) {
        if let Some(name) = self.config.profiles.selected().source {
            let _ = writeln!(
                terminal::stderr(),
                "note: {variable} comes before the credentials of the profile in {name}, as in the AWS CLI; use \
                 --profile to select the profile"
            );
        }
    }

    fn environment_keys(&self) -> Result<Option<SharedCredentialsProvider>, UsageError> {
        let get = |name| self.config.environment.get(name);
        match (get(ACCESS_KEY_ID), get(SECRET_ACCESS_KEY)) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(partial(ACCESS_KEY_ID, SECRET_ACCESS_KEY)),
            (None, Some(_)) => Err(partial(SECRET_ACCESS_KEY, ACCESS_KEY_ID)),
            (Some(id), Some(secret)) => {
                let token = get("AWS_SECURITY_TOKEN").or_else(|| get("AWS_SESSION_TOKEN"));
                Ok(Some(keys(id, secret, token)))
            }
        }
    }

    /// The credentials of a profile that are not those of an assumed role. A web identity of the environment comes before
    /// that of the profile.
    fn chain(
        &self,
        name: &str,
        uses_environment: bool,
    ) -> Result<Option<SharedCredentialsProvider>, UsageError> {
        let profile = self.config.profiles.get(name);
        let property = |property| profile.and_then(|profile| get(profile, property));
        if let Some(provider) = self.web_identity(name, profile, uses_environment)? {
            return Ok(Some(provider));
        }
        if property("sso_account_id").is_some() || property("sso_role_name").is_some() {
            return self.sso(name, property).map(Some);
        }
        if let Some(keys) = self.keys_in(EnvConfigFileKind::Credentials, name)? {
            return Ok(Some(keys));
        }
        if property("login_session").is_some() {
            return Err(UsageError(format!(
                "profile {name:?}: login_session (aws login) is not supported: use the variables that `aws configure \
                 export-credentials --profile {name:?} --format env` prints"
            )));
        }
        if let Some(command) = property("credential_process") {
            let provider = CredentialProcessProvider::new(command.to_owned());
            return Ok(Some(SharedCredentialsProvider::new(provider)));
        }
        self.keys_in(EnvConfigFileKind::Config, name)
    }

    /// The access keys that a file has for a profile.
    fn keys_in(
        &self,
        file: EnvConfigFileKind,
        name: &str,
    ) -> Result<Option<SharedCredentialsProvider>, UsageError> {
        let Some(profile) = self.config.profiles.get_in(file, name) else { return Ok(None) };
        let property = |name| get(profile, name);
        let (id, secret) = ("aws_access_key_id", "aws_secret_access_key");
        let partial = |has, lacks| {
            UsageError(format!("profile {name:?} has {has}, but not {lacks} in the same file"))
        };
        match (property(id), property(secret)) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(partial(id, secret)),
            (None, Some(_)) => Err(partial(secret, id)),
            (Some(id), Some(secret)) => {
                let token =
                    property("aws_security_token").or_else(|| property("aws_session_token"));
                Ok(Some(keys(id, secret, token)))
            }
        }
    }

    /// The role of a profile. `visited` are the profiles that led to it.
    fn role(
        &self,
        name: &str,
        profile: &Profile,
        visited: &mut Vec<String>,
    ) -> Result<SharedCredentialsProvider, UsageError> {
        visited.push(name.to_owned());
        let property = |name| get(profile, name);
        let problem = |problem: String| UsageError(format!("profile {name:?}: {problem}"));
        let source = match (property("source_profile"), property("credential_source")) {
            (Some(_), Some(_)) => {
                return Err(problem("source_profile and credential_source cannot be used together".into()));
            }
            (None, None) => {
                let text = "role_arn needs source_profile or credential_source";
                return Err(problem(text.into()));
            }
            (Some(source), None) => {
                self.source_profile(name, &decode(source), visited)?
            }
            (None, Some(source)) => match source.to_ascii_lowercase().as_str() {
                "environment" => self.environment_keys()?.ok_or_else(|| {
                    problem(format!(
                        "credential_source is Environment, but {ACCESS_KEY_ID} is not set"
                    ))
                })?,
                "ec2instancemetadata" => self.instance()?,
                "ecscontainer" => metadata::container(self.config)?.ok_or_else(|| {
                    let [relative, full] = metadata::CONTAINER_VARIABLES;
                    problem(format!(
                        "credential_source is EcsContainer, but neither {relative} nor {full} is set"
                    ))
                })?,
                _ => {
                    let names = "Environment, Ec2InstanceMetadata or EcsContainer";
                    return Err(problem(format!("credential_source must be {names}")));
                }
            },
        };
        let duration = match property("duration_seconds") {
            None => None,
            Some(text) => match text.parse() {
                Ok(seconds @ 900..=43_200) => Some(seconds),
                _ => return Err(problem("duration_seconds must be from 900 to 43200".into())),
            },
        };
        let source = SharedCredentialsProvider::new(SendableProvider { provider: source });
        let sts = self.sts.to_builder().credentials_provider(source).build();
        Ok(SharedCredentialsProvider::new(AssumeRole {
            client: Client::new(&sts),
            arn: property("role_arn").unwrap_or_default().to_owned(),
            session_name: property("role_session_name").map(str::to_owned),
            external_id: property("external_id").map(str::to_owned),
            mfa_serial: property("mfa_serial").map(str::to_owned),
            duration,
        }))
    }

    /// The credentials of the profile that `source_profile` of another profile names.
    fn source_profile(
        &self,
        name: &str,
        source: &str,
        visited: &mut Vec<String>,
    ) -> Result<SharedCredentialsProvider, UsageError> {
        let problem = |problem: String| UsageError(format!("profile {name:?}: {problem}"));
        let Some(profile) = self.config.profiles.get(source) else {
            return Err(problem(format!("there is no source_profile {source:?}")));
        };
        let keys = ["aws_access_key_id", "aws_secret_access_key"];
        let has_keys = keys.into_iter().any(|key| get(profile, key).is_some());
        if source == name && !has_keys {
            return Err(problem(
                "source_profile names the profile itself, which has no access keys".into(),
            ));
        }
        if source != name && visited.iter().any(|visited| visited == source) {
            return Err(problem(format!("source_profile {source:?} forms a loop")));
        }
        // The role of a profile that has keys too is not assumed.
        if assumes_role(profile) && !has_keys {
            return self.role(source, profile, visited);
        }
        let provider = self.chain(source, false)?;
        provider.ok_or_else(|| problem(format!("source_profile {source:?} has no credentials")))
    }

    /// The role for a token of a workload, such as in Kubernetes.
    fn web_identity(
        &self,
        name: &str,
        profile: Option<&Profile>,
        uses_environment: bool,
    ) -> Result<Option<SharedCredentialsProvider>, UsageError> {
        let setting = |variable: &str, property: &str| {
            let of_environment = self.config.environment.get(variable).filter(|_| uses_environment);
            let of_environment = of_environment.map(|value| (variable.to_owned(), value));
            of_environment.or_else(|| {
                let value = get(profile?, property)?;
                Some((format!("profile {name:?}: {property}"), value))
            })
        };
        let Some((source, file)) = setting(TOKEN_FILE, "web_identity_token_file") else {
            return Ok(None);
        };
        let Some((_, role_arn)) = setting(ROLE_ARN, "role_arn") else {
            let role_arn = if source == TOKEN_FILE { ROLE_ARN } else { "role_arn" };
            return Err(partial(&source, role_arn));
        };
        // Before the first request, to name the file.
        fs::read(file).map_err(|error| UsageError(format!("{source} ({file}): {error}")))?;
        let session_name = setting("AWS_ROLE_SESSION_NAME", "role_session_name");
        Ok(Some(SharedCredentialsProvider::new(AssumeRoleWithWebIdentity {
            client: Client::new(self.sts),
            token_file: file.into(),
            arn: role_arn.to_owned(),
            session_name: session_name.map(|(_, name)| name.to_owned()),
        })))
    }

    /// The role of IAM Identity Center, for a login of `aws sso login`.
    fn sso<'p>(
        &self,
        name: &str,
        property: impl Fn(&'static str) -> Option<&'p str>,
    ) -> Result<SharedCredentialsProvider, UsageError> {
        let problem = |problem: String| UsageError(format!("profile {name:?}: {problem}"));
        let name_of_session = property("sso_session").map(decode);
        let session = match &name_of_session {
            None => None,
            Some(name) => {
                let session = self.config.profiles.sso_session(name);
                Some(session.ok_or_else(|| problem(format!("there is no sso-session {name:?}")))?)
            }
        };
        let required = |member: &'static str| {
            let of_session = session.and_then(|session| session.get(member));
            match (property(member), of_session) {
                (Some(own), Some(other)) if own != other => {
                    Err(problem(format!("{member} differs from that of the sso-session")))
                }
                (Some(value), _) | (None, Some(value)) => Ok(value.to_owned()),
                (None, None) => Err(problem(format!("{member} is missing"))),
            }
        };
        let settings = SsoSettings {
            profile: name.to_owned(),
            account_id: required("sso_account_id")?,
            role_name: required("sso_role_name")?,
            start_url: required("sso_start_url")?,
            region: required("sso_region")?,
            session: name_of_session,
        };
        let endpoints =
            [self.config.endpoint("sso", None)?, self.config.endpoint("sso_oidc", None)?];
        for endpoint in &endpoints {
            self.config.endpoint_variants(endpoint.as_ref())?;
        }
        Ok(SharedCredentialsProvider::new(SsoRole::new(settings, self.sdk, endpoints)))
    }

    fn instance(&self) -> Result<SharedCredentialsProvider, UsageError> {
        metadata::instance(self.config, self.provider_config())
    }

    fn provider_config(&self) -> ProviderConfig {
        let mut config = ProviderConfig::without_region()
            .with_behavior_version(self.sdk.behavior_version())
            .with_region(self.sdk.region().cloned())
            .with_use_fips(self.sdk.use_fips())
            .with_use_dual_stack(self.sdk.use_dual_stack());
        if let Some(client) = self.sdk.http_client() {
            config = config.with_http_client(client);
        }
        if let Some(retries) = self.sdk.retry_config() {
            config = config.with_retry_config(retries.clone());
        }
        if let Some(timeouts) = self.sdk.timeout_config() {
            config = config.with_timeout_config(timeouts.clone());
        }
        config
    }
}

/// Whether the credentials of a profile are those of a role that another source may assume.
fn assumes_role(profile: &Profile) -> bool {
    get(profile, "role_arn").is_some() && get(profile, "web_identity_token_file").is_none()
}

/// A property of a profile. An empty one is not set.
fn get<'a>(profile: &'a Profile, property: &str) -> Option<&'a str> {
    profile.get(property).filter(|value| !value.is_empty())
}

fn keys(id: &str, secret: &str, token: Option<&str>) -> SharedCredentialsProvider {
    let token = token.map(str::to_owned);
    SharedCredentialsProvider::new(Credentials::new(id, secret, token, None, "access keys"))
}

fn partial(has: &str, lacks: &str) -> UsageError {
    UsageError(format!("{has} is set, but not {lacks}"))
}

const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
const ROLE_ARN: &str = "AWS_ROLE_ARN";
