//! Which credentials a command uses: those that the AWS CLI would use.

use std::{fmt, fs, io::Write};

use aws_config::{
    SdkConfig,
    ecs::EcsCredentialsProvider,
    imds::credentials::ImdsCredentialsProvider,
    profile::{Profile, ProfileFileCredentialsProvider},
    provider_config::ProviderConfig,
    web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider},
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError},
};
use aws_sdk_sts::Client;

use super::{
    config::AwsConfig,
    profiles::{Selected, decode, encode},
    providers::{AssumeRole, Checked, INVISIBLE, Prefetched, can_be_headers, session_name},
};
use crate::exit::{UsageError, causes};
use crate::terminal;

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoCredentials {
    #[error(transparent)]
    Invalid(#[from] UsageError),
    /// There are none, or a service does not provide them.
    #[error("{0}")]
    Unavailable(String),
}

/// Finds the source of the credentials, and gets them from it.
///
/// # Errors
/// If the selected profile or the environment has no complete credentials, or the source does not provide them. No other
/// source is tried then: it may be another account.
pub(super) async fn load(
    config: &AwsConfig,
    sdk: &SdkConfig,
    sts: &SdkConfig,
) -> Result<SharedCredentialsProvider, NoCredentials> {
    let resolver = Resolver { config, sdk, sts };
    let (source, provider) = resolver.provider()?;
    let first =
        provider.provide_credentials().await.map_err(|error| unavailable(&source, &error))?;
    if !can_be_headers(&first) {
        return Err(UsageError(format!("{source}: {INVISIBLE}")).into());
    }
    Ok(SharedCredentialsProvider::new(Prefetched { first, provider: Checked { provider } }))
}

fn unavailable(source: &Source, error: &CredentialsError) -> NoCredentials {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(usage) = error.downcast_ref::<UsageError>() {
            return UsageError(usage.0.clone()).into();
        }
        cause = error.source();
    }
    // The instance metadata service is the last resort: it is out of reach on most machines.
    if let (Source::Instance, CredentialsError::CredentialsNotLoaded(_)) = (source, error) {
        return NoCredentials::Unavailable(format!("{NONE}: {HINT}"));
    }
    let cause = causes(error);
    let login = match source {
        Source::Profile(selected) if cause.contains("/sso/cache/") => {
            format!(" (run `aws sso login --profile {:?}`)", selected.name)
        }
        _ => String::new(),
    };
    let problem = format!("{source}: cannot get credentials: {cause}{login}");
    match error {
        CredentialsError::InvalidConfiguration(_) => UsageError(problem).into(),
        _ => NoCredentials::Unavailable(problem),
    }
}

/// Where the credentials come from.
#[derive(Debug, Clone)]
enum Source {
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
            Self::Container => f.write_str("the metadata service of the container"),
            Self::Instance => f.write_str("the metadata service of the instance"),
        }
    }
}

struct Resolver<'a> {
    config: &'a AwsConfig,
    /// For the providers of `aws-config`.
    sdk: &'a SdkConfig,
    /// For STS.
    sts: &'a SdkConfig,
}

impl Resolver<'_> {
    /// The order of the AWS CLI. With `--profile`, the profile is the only source.
    fn provider(&self) -> Result<(Source, SharedCredentialsProvider), UsageError> {
        let selected = self.config.profiles.selected();
        if !selected.is_option()
            && let Some(keys) = self.environment_keys()?
        {
            if let Some(variable) = selected.source {
                let _ = writeln!(
                    terminal::stderr(),
                    "note: {ACCESS_KEY_ID} comes before the credentials of the profile in {variable}, as in the \
                     AWS CLI; use --profile to select the profile"
                );
            }
            return Ok((Source::Environment, keys));
        }
        // As in the AWS CLI, only a role of the default profile comes before a web identity.
        let default = self.config.profiles.get(&selected.name);
        let has_role = default.is_some_and(|profile| get(profile, "role_arn").is_some());
        if selected.source.is_none()
            && !has_role
            && let Some(provider) = self.web_identity()?
        {
            return Ok((Source::WebIdentity, provider));
        }
        let source = Source::Profile(selected.clone());
        match self.profile(&selected.name, &mut Vec::new())? {
            Some(provider) => return Ok((source, provider)),
            None if selected.source.is_some() => {
                return Err(UsageError(format!("{source} has no credentials")));
            }
            None => {}
        }
        if let Some(provider) = self.web_identity()? {
            return Ok((Source::WebIdentity, provider));
        }
        let environment = &self.config.environment;
        let is_container = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", CONTAINER_URI];
        if is_container.into_iter().any(|name| environment.get(name).is_some()) {
            return Ok((Source::Container, self.container()?));
        }
        Ok((Source::Instance, self.instance()))
    }

    fn environment_keys(&self) -> Result<Option<SharedCredentialsProvider>, UsageError> {
        let get = |name| self.config.environment.get(name);
        match (get(ACCESS_KEY_ID), get(SECRET_ACCESS_KEY)) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(partial(ACCESS_KEY_ID, SECRET_ACCESS_KEY)),
            (None, Some(_)) => Err(partial(SECRET_ACCESS_KEY, ACCESS_KEY_ID)),
            (Some(id), Some(secret)) => {
                let token = get("AWS_SESSION_TOKEN").or_else(|| get("AWS_SECURITY_TOKEN"));
                Ok(Some(keys(id, secret, token)))
            }
        }
    }

    /// The credentials of a profile. `None` if it has none. `visited` are the profiles that led to it.
    fn profile(
        &self,
        name: &str,
        visited: &mut Vec<String>,
    ) -> Result<Option<SharedCredentialsProvider>, UsageError> {
        let Some(profile) = self.config.profiles.get(name) else {
            // Only the default profile need not exist.
            let Some(last) = visited.last() else { return Ok(None) };
            return Err(UsageError(format!(
                "profile {last:?}: there is no source_profile {name:?}"
            )));
        };
        let has = |property| get(profile, property).is_some();
        let keys = Self::keys_of_profile(name, profile)?;
        if let (false, Some(keys)) = (visited.is_empty(), &keys) {
            return Ok(Some(keys.clone()));
        }
        visited.push(name.to_owned());
        if has("role_arn") && !has("web_identity_token_file") {
            return self.role(name, profile, keys, visited).map(Some);
        }
        if let Some(file) = get(profile, "web_identity_token_file") {
            expect_file(&format!("profile {name:?}: web_identity_token_file"), file)?;
        }
        // The SDK would take the credentials of the source itself, and assume no role.
        let mixes_sources = has("credential_source") && !has("aws_access_key_id");
        if mixes_sources {
            return Err(UsageError(format!(
                "profile {name:?}: credential_source needs role_arn, and excludes web_identity_token_file"
            )));
        }
        if has("web_identity_token_file")
            || has("sso_account_id")
            || has("sso_session")
            || has("sso_start_url")
        {
            return Ok(Some(self.provider_of_sdk(name)));
        }
        if has("login_session") {
            return Err(UsageError(format!(
                "profile {name:?}: login_session (aws login) is not supported: use the variables that `aws configure \
                 export-credentials --profile {name:?} --format env` prints"
            )));
        }
        let prefers_keys = self.config.profiles.has_keys_in_credentials_file(name);
        if has("credential_process") && !(prefers_keys && keys.is_some()) {
            return Ok(Some(self.provider_of_sdk(name)));
        }
        Ok(keys)
    }

    /// The access keys in a profile.
    fn keys_of_profile(
        name: &str,
        profile: &Profile,
    ) -> Result<Option<SharedCredentialsProvider>, UsageError> {
        let property = |name| get(profile, name);
        let (id, secret) = ("aws_access_key_id", "aws_secret_access_key");
        let partial =
            |has, lacks| UsageError(format!("profile {name:?} has {has}, but not {lacks}"));
        match (property(id), property(secret)) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(partial(id, secret)),
            (None, Some(_)) => Err(partial(secret, id)),
            (Some(id), Some(secret)) => {
                let token =
                    property("aws_session_token").or_else(|| property("aws_security_token"));
                Ok(Some(keys(id, secret, token)))
            }
        }
    }

    fn role(
        &self,
        name: &str,
        profile: &Profile,
        own_keys: Option<SharedCredentialsProvider>,
        visited: &mut Vec<String>,
    ) -> Result<SharedCredentialsProvider, UsageError> {
        let property = |name| get(profile, name);
        let problem = |problem: String| UsageError(format!("profile {name:?}: {problem}"));
        let source = match (property("source_profile"), property("credential_source")) {
            (Some(_), Some(_)) => {
                return Err(problem("source_profile excludes credential_source".into()));
            }
            (None, None) => {
                let text = "role_arn needs source_profile or credential_source";
                return Err(problem(text.into()));
            }
            (Some(source), None) => {
                // The SDK reads encoded names.
                let source = decode(source);
                if source == name {
                    let text = "it is its own source_profile, but has no access keys";
                    own_keys.ok_or_else(|| problem(text.into()))?
                } else if visited.contains(&source) {
                    return Err(problem(format!(
                        "source_profile {source:?} leads back to the profile"
                    )));
                } else {
                    let text = format!("source_profile {source:?} has no credentials");
                    self.profile(&source, visited)?.ok_or_else(|| problem(text))?
                }
            }
            (None, Some(source)) => match source.to_ascii_lowercase().as_str() {
                "environment" => self.environment_keys()?.ok_or_else(|| {
                    problem(format!(
                        "credential_source is Environment, but {ACCESS_KEY_ID} is not set"
                    ))
                })?,
                "ec2instancemetadata" => self.instance(),
                "ecscontainer" => self.container()?,
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
        Ok(SharedCredentialsProvider::new(AssumeRole {
            client: Client::new(
                &self
                    .sts
                    .to_builder()
                    .credentials_provider(SharedCredentialsProvider::new(Checked {
                        provider: source,
                    }))
                    .build(),
            ),
            arn: property("role_arn").unwrap_or_default().to_owned(),
            session_name: property("role_session_name").map(str::to_owned),
            external_id: property("external_id").map(str::to_owned),
            mfa_serial: property("mfa_serial").map(str::to_owned),
            duration,
        }))
    }

    /// The provider of `aws-config` for a profile.
    fn provider_of_sdk(&self, name: &str) -> SharedCredentialsProvider {
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&self.provider_config())
            .profile_files(self.config.profiles.files.clone())
            .profile_name(encode(name));
        SharedCredentialsProvider::new(provider.build())
    }

    /// The role for a token of a workload, such as in Kubernetes.
    fn web_identity(&self) -> Result<Option<SharedCredentialsProvider>, UsageError> {
        let get = |name| self.config.environment.get(name);
        let (file, role_arn) = match (get(TOKEN_FILE), get(ROLE_ARN)) {
            (None, _) => return Ok(None),
            (Some(_), None) => return Err(partial(TOKEN_FILE, ROLE_ARN)),
            (Some(file), Some(role_arn)) => (file, role_arn.to_owned()),
        };
        expect_file(TOKEN_FILE, file)?;
        let session_name = get("AWS_ROLE_SESSION_NAME").map_or_else(session_name, str::to_owned);
        let configuration =
            StaticConfiguration { web_identity_token_file: file.into(), role_arn, session_name };
        let provider = WebIdentityTokenCredentialsProvider::builder()
            .configure(&self.provider_config())
            .static_configuration(configuration);
        Ok(Some(SharedCredentialsProvider::new(provider.build())))
    }

    fn container(&self) -> Result<SharedCredentialsProvider, UsageError> {
        let uri = self.config.environment.get(CONTAINER_URI).unwrap_or("http:");
        // The SDK panics if the URI has no scheme.
        if !uri.starts_with("http:") && !uri.starts_with("https:") {
            return Err(UsageError(format!("{CONTAINER_URI} must be an http or https URL")));
        }
        let provider = EcsCredentialsProvider::builder().configure(&self.provider_config());
        Ok(SharedCredentialsProvider::new(provider.build()))
    }

    fn instance(&self) -> SharedCredentialsProvider {
        let provider = ImdsCredentialsProvider::builder().configure(&self.provider_config());
        SharedCredentialsProvider::new(provider.build())
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

/// Checks that a file can be read. The SDK's error does not name it.
fn expect_file(source: &str, file: &str) -> Result<(), UsageError> {
    fs::read(file).map(drop).map_err(|error| UsageError(format!("{source} ({file}): {error}")))
}

const CONTAINER_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
const ROLE_ARN: &str = "AWS_ROLE_ARN";
const NONE: &str = "no AWS credentials";
const HINT: &str = "set --profile or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
