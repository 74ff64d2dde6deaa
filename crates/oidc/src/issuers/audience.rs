//! Audiences that other services accept too.

/// Whether other services accept tokens with this audience too: the operator of such a service, or an attacker who
/// steals a token from it, could use the token here.
pub(super) fn is_shared(audience: &str, issuer: &str) -> bool {
    let (audience, issuer) = (normalized(audience), normalized(issuer));
    // Kubernetes and GitLab name themselves, if a workload asks for no audience.
    audience == issuer
        || KNOWN.contains(&&*audience)
        || KNOWN_PREFIXES.iter().any(|prefix| audience.starts_with(prefix))
}

/// The name in lower case and without slashes at the end, because people and clients vary both.
pub(super) fn normalized(name: &str) -> String {
    name.trim_end_matches('/').to_lowercase()
}

/// Audiences that the documentation of a service names, in the form of [`normalized`].
const KNOWN: [&str; 30] = [
    // AWS: AssumeRoleWithWebIdentity of GitHub Actions, GitLab and EKS.
    "sts.amazonaws.com",
    "sts.amazonaws.com.cn",
    "https://sts.amazonaws.com",
    "aws.workload.identity",
    // Microsoft Entra: workload identity federation and its sovereign clouds; Graph and Azure Resource Manager.
    "api://azureadtokenexchange",
    "api://azureadtokenexchangeusgov",
    "api://azureadtokenexchangechina",
    "azure.workload.identity",
    "00000003-0000-0000-c000-000000000000",
    "https://graph.microsoft.com",
    "https://management.azure.com",
    "https://management.core.windows.net",
    // Google Cloud, and the default of `gcloud auth print-identity-token`, which every service on Cloud Run gets.
    "gcp.workload.identity",
    "32555940559.apps.googleusercontent.com",
    // HashiCorp, Kubernetes, Keycloak.
    "hcp.workload.identity",
    "vault.workload.identity",
    "vault",
    "https://kubernetes.default.svc",
    "https://kubernetes.default.svc.cluster.local",
    "kubernetes.default.svc",
    "kubernetes",
    "account",
    // Signing and publishing from CI.
    "sigstore",
    "pypi",
    "testpypi",
    "npm:registry.npmjs.org",
    "crates.io",
    "rubygems.org",
    "https://www.nuget.org",
    "octo-sts.dev",
];

/// The starts of such audiences, in the form of [`normalized`].
const KNOWN_PREFIXES: [&str; 3] = [
    // GitHub Actions, if a workflow asks for no audience: the URL of the owner of the repository.
    "https://github.com/",
    // Google Cloud workload identity federation, if the provider names no audience.
    "https://iam.googleapis.com/",
    "//iam.googleapis.com/",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audiences_of_other_services_are_known_in_every_spelling() {
        let issuer = "https://issuer.example/Tenant";
        let rows = [
            ("sts.amazonaws.com", true),
            ("STS.amazonaws.com", true),
            ("https://sts.amazonaws.com/", true),
            ("api://AzureADTokenExchange", true),
            ("https://github.com/acme", true),
            ("//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p", true),
            ("https://kubernetes.default.svc.cluster.local", true),
            ("https://issuer.example/tenant/", true),
            ("32555940559.apps.googleusercontent.com", true),
            ("vault.workload.identity", true),
            ("https://www.nuget.org/", true),
            ("crates.io", true),
            ("rubygems.org", true),
            ("octo-sts.dev", true),
            ("https://issuer.example", false),
            ("https://api.example", false),
            ("https://github.company.example/acme", false),
            ("sts.amazonaws.com.example", false),
            ("api://orders", false),
        ];
        let wrong: Vec<_> = rows
            .iter()
            .filter(|(audience, shared)| is_shared(audience, issuer) != *shared)
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        for known in KNOWN.iter().chain(&KNOWN_PREFIXES) {
            let normal = normalized(known);
            assert!(normal == *known || format!("{normal}/") == *known, "{known}");
        }
    }
}
