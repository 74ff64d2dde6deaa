//! The CI system of the demo, which gives each job an identity token, and the configuration files that trust it.

use std::io;

use local::oidc_provider::OidcProvider;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// A CI system with two repositories, of which one may get API tokens.
pub(super) struct CiSystem {
    provider: OidcProvider,
}

impl CiSystem {
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self { provider: OidcProvider::start(listener)? })
    }

    /// The identity token of a job of this repository.
    pub(super) fn job_token(&self, repository: &Repository) -> io::Result<String> {
        let claims = [
            ("aud", AUDIENCE),
            ("repository", repository.name),
            ("repository_id", repository.id),
            ("sub", repository.subject),
        ];
        let claims = claims.map(|(name, value)| (name.to_owned(), value.into()));
        self.provider.token(Map::from_iter(claims))
    }

    /// How often the metadata and the keys of the CI system were requested.
    pub(super) fn fetches(&self) -> u64 {
        self.provider.fetches()
    }

    /// The contents of `trusted-issuers.json`.
    pub(super) fn trusted_issuers(&self) -> Value {
        json!([{"issuer": self.provider.issuer(), "audience": AUDIENCE, "max_age_seconds": 600}])
    }

    /// The rule of `issuance-policy.json` for jobs of [`DEPLOYED`].
    pub(super) fn issuance_rule(&self) -> Value {
        let id = DEPLOYED.id;
        json!({
            "caller": {
                "issuer": self.provider.issuer(),
                "when": format!("claims.repository_id == '{id}' && claims.environment == 'production'"),
            },
            "subject_from": "'ci:' + claims.repository_id",
            "scope": ["orders:read"],
        })
    }
}

/// A repository of the CI system.
pub(super) struct Repository {
    pub(super) name: &'static str,
    pub(super) id: &'static str,
    /// The `sub` of its jobs.
    subject: &'static str,
}

/// The repository whose jobs get tokens.
pub(super) const DEPLOYED: Repository = Repository {
    name: "acme/app",
    id: "7654321",
    subject: "repo:acme@1234567/app@7654321:environment:production",
};

/// A repository of the same owner, for which there is no rule.
pub(super) const OTHER: Repository = Repository {
    name: "acme/other",
    id: "7654322",
    subject: "repo:acme@1234567/other@7654322:environment:production",
};

/// The `aud` of the identity tokens.
const AUDIENCE: &str = "https://api.example";
