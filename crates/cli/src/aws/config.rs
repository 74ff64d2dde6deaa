//! The settings of the AWS CLI: options, environment variables and properties of the profile.

use std::{fmt, str::FromStr};

use aws_config::retry::RetryConfig;
use aws_smithy_http_client::tls::TrustStore;
use http::Uri;
use oidc::has_valid_authority;

use super::{environment::EnvironmentVariables, profiles::Profiles};
use crate::exit::UsageError;

/// The settings in the environment and in the selected profile.
#[derive(Debug)]
pub(super) struct AwsConfig {
    pub(super) environment: EnvironmentVariables,
    pub(super) profiles: Profiles,
}

/// A setting, with the name of its source for error messages.
pub(super) struct SourcedValue {
    source: String,
    pub(super) value: String,
}

impl SourcedValue {
    fn problem(&self, problem: impl fmt::Display) -> UsageError {
        UsageError(format!("{} {problem}", self.source))
    }

    fn parse<T: FromStr>(&self, expected: &str) -> Result<T, UsageError> {
        self.value.parse().map_err(|_| self.problem(expected))
    }
}

impl AwsConfig {
    /// A setting: the variable if it is set, or else the property of the profile.
    fn setting(&self, variables: &[&str], property: &str) -> Option<SourcedValue> {
        let variable = variables.iter().find_map(|name| {
            let value = self.environment.get(name)?.to_owned();
            Some(SourcedValue { source: (*name).to_owned(), value })
        });
        variable.or_else(|| {
            let value = self.profiles.property(property)?.to_owned();
            Some(SourcedValue { source: self.property_source(property), value })
        })
    }

    fn property_source(&self, property: &str) -> String {
        format!("{property} of the profile {:?}", self.profiles.selected().name)
    }

    fn flag(&self, variable: &str, property: &str) -> Result<Option<SourcedValue>, UsageError> {
        let Some(setting) = self.setting(&[variable], property) else { return Ok(None) };
        match setting.value.to_ascii_lowercase().as_str() {
            "true" => Ok(Some(setting)),
            "false" => Ok(None),
            _ => Err(setting.problem("must be true or false")),
        }
    }

    /// The AWS Region.
    pub(super) fn region(&self, option: Option<&str>) -> Result<SourcedValue, UsageError> {
        let setting = match option {
            Some(region) => SourcedValue { source: "--region".into(), value: region.to_owned() },
            None => self
                .setting(&["AWS_REGION", "AWS_DEFAULT_REGION"], "region")
                .ok_or(UsageError("no AWS Region: set --region or AWS_REGION".into()))?,
        };
        // The Region is a part of a host name.
        let is_label =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let region = &*setting.value;
        let is_valid = (1..=63).contains(&region.len())
            && region.bytes().all(is_label)
            && !region.starts_with('-')
            && !region.ends_with('-');
        if is_valid {
            Ok(setting)
        } else {
            Err(setting.problem("must be a Region such as us-east-1"))
        }
    }

    /// The endpoint of a service, if it is not the one of AWS. The order is that of the AWS CLI.
    pub(super) fn endpoint(
        &self,
        service: &str,
        option: Option<&str>,
    ) -> Result<Option<EndpointUrl>, UsageError> {
        if let Some(url) = option {
            return EndpointUrl::parse("--endpoint-url", url).map(Some);
        }
        let (ignore_variable, ignore_property) =
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls");
        if self.flag(ignore_variable, ignore_property)?.is_some() {
            return Ok(None);
        }
        let own = format!("AWS_ENDPOINT_URL_{}", service.to_ascii_uppercase());
        for variable in [&*own, "AWS_ENDPOINT_URL"] {
            if let Some(url) = self.environment.get(variable) {
                return EndpointUrl::parse(variable, url).map(Some);
            }
        }
        let url = self.profiles.endpoint_url(service)?;
        url.map(|url| EndpointUrl::parse(&self.property_source("endpoint_url"), &url)).transpose()
    }

    /// The URL of the metadata service of an instance.
    pub(super) fn instance_metadata_url(&self) -> Result<String, UsageError> {
        let (variable, property) =
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
        if let Some(setting) = self.setting(&[variable], property) {
            return Ok(EndpointUrl::parse(&setting.source, &setting.value)?.url);
        }
        let mode = self.setting(
            &["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"],
            "ec2_metadata_service_endpoint_mode",
        );
        let Some(mode) = mode else { return Ok(INSTANCE_METADATA.into()) };
        match mode.value.to_ascii_lowercase().as_str() {
            "ipv4" => Ok(INSTANCE_METADATA.into()),
            "ipv6" => Ok(INSTANCE_METADATA_V6.into()),
            _ => Err(mode.problem("must be IPv4 or IPv6")),
        }
    }

    /// Whether to use FIPS endpoints, and whether to use dual-stack endpoints.
    pub(super) fn endpoint_variants(
        &self,
        endpoint: Option<&EndpointUrl>,
    ) -> Result<(bool, bool), UsageError> {
        let fips = self.flag("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint")?;
        let dual_stack = self.flag("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")?;
        if let (Some(setting), Some(endpoint)) = (fips.as_ref().or(dual_stack.as_ref()), endpoint) {
            let problem = format!("cannot be used with {}: unset one of them", endpoint.source);
            return Err(setting.problem(problem));
        }
        Ok((fips.is_some(), dual_stack.is_some()))
    }

    /// How often a request is attempted.
    pub(super) fn retry_config(&self) -> Result<RetryConfig, UsageError> {
        let mode = self.setting(&["AWS_RETRY_MODE"], "retry_mode");
        let config = match mode {
            None => RetryConfig::standard(),
            Some(mode) => match mode.value.to_ascii_lowercase().as_str() {
                // The SDK has no legacy mode. The standard one retries the same errors.
                "standard" | "legacy" => RetryConfig::standard(),
                "adaptive" => RetryConfig::adaptive(),
                _ => return Err(mode.problem("must be standard, adaptive or legacy")),
            },
        };
        let Some(attempts) = self.setting(&["AWS_MAX_ATTEMPTS"], "max_attempts") else {
            return Ok(config);
        };
        match attempts.parse(MAX_ATTEMPTS)? {
            0 => Err(attempts.problem(MAX_ATTEMPTS)),
            count => Ok(config.with_max_attempts(count)),
        }
    }

    /// The certificate authorities to trust.
    pub(super) fn trust_store(&self) -> Result<TrustStore, UsageError> {
        // The AWS CLI reads the variable of Python's HTTP client last.
        let requests = "REQUESTS_CA_BUNDLE";
        let last = self.environment.get(requests);
        let last =
            last.map(|file| SourcedValue { source: requests.into(), value: file.to_owned() });
        let Some(bundle) = self.setting(&["AWS_CA_BUNDLE"], "ca_bundle").or(last) else {
            return Ok(TrustStore::default());
        };
        runtime::trust_store_from_file(&bundle.value)
            .map_err(|problem| bundle.problem(format_args!("({}) {problem}", bundle.value)))
    }

    /// Checks the variables for proxies. The HTTP client ignores an invalid one, and connects directly.
    pub(super) fn check_proxies(&self) -> Result<(), UsageError> {
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            for variable in [name.to_owned(), name.to_ascii_lowercase()] {
                let Some(proxy) = self.environment.get(&variable) else { continue };
                let (scheme, rest) = proxy.split_once("://").unwrap_or(("http", proxy));
                let is_supported = matches!(scheme, "http" | "https");
                let uri = format!("{scheme}://{rest}").parse::<Uri>();
                if !is_supported || !uri.is_ok_and(|uri| has_valid_authority(&uri)) {
                    // Not the value: it may have a password.
                    return Err(UsageError(format!(
                        "{variable} must be the URL of an http or https proxy"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Checks the variable that the SDK writes to the header `User-Agent`. The error of the SDK does not name it.
    pub(super) fn check_user_agent(&self) -> Result<(), UsageError> {
        let name = "AWS_EXECUTION_ENV";
        let value = self.environment.get(name).unwrap_or_default();
        if value.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(UsageError(format!("{name} must have no control characters")));
        }
        Ok(())
    }
}

/// The URL of a service, in place of the one of AWS.
#[derive(Debug, Clone)]
pub(super) struct EndpointUrl {
    pub(super) url: String,
    /// The option, variable or property that has it.
    source: String,
}

impl EndpointUrl {
    fn parse(source: &str, url: &str) -> Result<Self, UsageError> {
        let uri = url.parse::<Uri>().ok();
        let is_valid = uri.is_some_and(|uri| {
            let authority = uri.authority().map_or("", http::uri::Authority::as_str);
            let has_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
            has_scheme
                && has_valid_authority(&uri)
                && !authority.contains('@')
                && uri.query().is_none()
        });
        if !is_valid {
            return Err(UsageError(format!(
                "{source} must be an http or https URL without a user name and a query"
            )));
        }
        Ok(Self { url: url.to_owned(), source: source.to_owned() })
    }

    /// Whether AWS operates the endpoint, such as one of a VPC.
    pub(super) fn is_aws(&self) -> bool {
        let host = self.url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        let suffixes = [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"];
        host.is_some_and(|host| suffixes.iter().any(|suffix| host.ends_with(suffix)))
    }
}

const INSTANCE_METADATA: &str = "http://169.254.169.254";
const INSTANCE_METADATA_V6: &str = "http://[fd00:ec2::254]";
const MAX_ATTEMPTS: &str = "must be a number from 1";
