//! Domains for the API of a stack.

use serde_json::Value;

use super::{
    conditions::texts,
    deployment::{Context, Deployment},
    packages::Packages,
    stack::Stack,
    steps::outcome,
    table::Table,
};
use crate::error::Error;

const CERTIFICATE: &str =
    "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000";

/// Deploys a domain with a base path, and one without.
pub(super) fn check(
    context: &Context<'_>,
    packages: &Packages,
    table: &mut Table,
    stack: &Stack<'_>,
) -> Result<(), Error> {
    for (name, domain, path) in
        [("domain-path", "issuer.example", "auth/v1"), ("domain-root", "root.example", "")]
    {
        let mut deployment = Deployment::of_template(name, "deploy/custom-domain.yaml")
            .with("ApiId", stack.output("ApiId")?)
            .with("DomainName", domain)
            .with("CertificateArn", CERTIFICATE);
        let mut issuer = format!("https://{domain}");
        if !path.is_empty() {
            deployment = deployment.with("BasePath", path);
            issuer = format!("{issuer}/{path}");
        }
        let deployed = deployment.run(context, packages)?;
        table.check("sam deploy of custom-domain.yaml", "done", outcome(&deployed));
        let Ok(outputs) = deployed else { continue };
        table.check(
            "HasBasePath: its TokenIssuer",
            issuer,
            outputs.get("TokenIssuer").map_or("", String::as_str),
        );
        let get = ["apigatewayv2", "get-api-mappings", "--domain-name", domain];
        let mappings = context.aws.call(&get)?;
        let mappings = mappings.get("Items").and_then(Value::as_array).cloned().unwrap_or_default();
        let paths: Vec<_> = mappings.iter().map(|it| texts(it.get("ApiMappingKey"))).collect();
        let stages: Vec<_> = mappings.iter().map(|it| texts(it.get("Stage"))).collect();
        table.check("the stage at the domain", "v1", stages.join(" "));
        table.check("HasBasePath: its path", path, paths.join(" "));
    }
    Ok(())
}
