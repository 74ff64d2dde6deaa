//! Roles of IAM Identity Center, for a login of `aws sso login`.

use std::time::SystemTime;

use aws_config::{Region, SdkConfig, sso::SsoTokenProvider};
use aws_credential_types::{
    Credentials,
    provider::{
        self, ProvideCredentials, error::CredentialsError, future::ProvideCredentials as Future,
        token::ProvideToken,
    },
};
use aws_sdk_sso::Client;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_types::date_time::DateTime;

use super::{
    config::EndpointUrl,
    sdk_error::{describe, root_cause},
};

/// The settings of a profile.
#[derive(Debug)]
pub(super) struct SsoSettings {
    pub(super) profile: String,
    pub(super) account_id: String,
    pub(super) role_name: String,
    pub(super) start_url: String,
    pub(super) region: String,
    /// `None`: the token is stored by the start URL.
    pub(super) session: Option<String>,
}

/// A role of a profile. The provider of `aws-config` reads endpoints from the environment alone, and panics if one is
/// empty.
#[derive(Debug)]
pub(super) struct SsoRole {
    settings: SsoSettings,
    client: Client,
    /// For the service that renews tokens.
    oidc: SdkConfig,
}

impl SsoRole {
    /// `endpoints` are those of the services SSO and SSO OIDC, if they are not those of AWS.
    pub(super) fn new(
        settings: SsoSettings,
        sdk: &SdkConfig,
        endpoints: [Option<EndpointUrl>; 2],
    ) -> Self {
        let [sso, oidc] = endpoints.map(|endpoint| {
            let mut builder = sdk.to_builder().region(Region::new(settings.region.clone()));
            builder.set_endpoint_url(endpoint.map(|endpoint| endpoint.url));
            builder.time_source(SystemTimeSource::new()).build()
        });
        Self { settings, client: Client::new(&sso), oidc }
    }

    async fn credentials(&self) -> provider::Result {
        let SsoSettings { profile, account_id, role_name, start_url, region, session } =
            &self.settings;
        let tokens = SsoTokenProvider::builder()
            .configure(&self.oidc)
            .region(Region::new(region.clone()))
            .session_name(session.as_ref().unwrap_or(start_url))
            .start_url(start_url);
        let token = tokens.build().await.provide_token().await.map_err(|error| {
            let (cause, hint) = (root_cause(&error), "run `aws sso login --profile");
            CredentialsError::provider_error(format!("{cause} ({hint} {profile:?}`)"))
        })?;
        let request = self
            .client
            .get_role_credentials()
            .account_id(account_id)
            .role_name(role_name)
            .access_token(token.token());
        let unavailable =
            |cause| CredentialsError::provider_error(format!("GetRoleCredentials: {cause}"));
        let output = request.send().await.map_err(|error| unavailable(describe(&error)))?;
        let role = output.role_credentials;
        let keys = role.and_then(|role| {
            let expiry = SystemTime::try_from(DateTime::from_millis(role.expiration)).ok()?;
            let (id, secret) = (role.access_key_id?, role.secret_access_key?);
            Some(Credentials::new(id, secret, role.session_token, Some(expiry), "SSO"))
        });
        keys.ok_or_else(|| unavailable("the response has no credentials".into()))
    }
}

impl ProvideCredentials for SsoRole {
    fn provide_credentials<'a>(&'a self) -> Future<'a>
    where
        Self: 'a,
    {
        Future::new(self.credentials())
    }
}
