//! The second part of the demo: jobs of a CI system exchange their identity tokens for API tokens.

use super::{
    ci_system::{self, Repository},
    scenario::{Error, Scenario, decode_part, decode_text, member, print_detail, string},
};

pub(super) async fn run(scenario: &mut Scenario) -> Result<(), Error> {
    let job = &ci_system::DEPLOYED;
    let assertion = scenario.ci_system.job_token(job)?;
    let step = scenario.begin("POST /oauth2/token: a CI job's token becomes an API token");
    let (status, body, reason) = scenario.grant(&assertion).await?;
    let token = string(&body, "access_token");
    let claims = decode_part(&token, 1);
    let is_expected = status == 200
        && reason == "Issued"
        && string(&claims, "sub") == format!("ci:{}", job.id)
        && string(&claims, "scope") == "orders:read"
        // The metadata and the keys.
        && scenario.ci_system.fetches() == 2;
    scenario.end(step, 1, is_expected)?;
    print_job(&assertion, job)?;
    print_detail(format_args!("claims  {}", decode_text(&token, 1)))?;

    let step = scenario.begin("GET /whoami with the API token");
    let (status, body, reason) = scenario.whoami(Some(&token)).await?;
    let has_same_claims =
        ["sub", "scope", "jti"].iter().all(|name| member(&body, name) == member(&claims, name));
    scenario.end(step, 1, status == 200 && has_same_claims && reason == "Allowed")?;
    print_detail(format_args!("{status}  {body}  log: {reason}"))?;

    let job = &ci_system::OTHER;
    let assertion = scenario.ci_system.job_token(job)?;
    let step = scenario.begin("POST /oauth2/token with a job's token of another repository");
    let (status, body, reason) = scenario.grant(&assertion).await?;
    let is_expected = status == 400
        && string(&body, "error") == "unauthorized_client"
        && reason == "the issuance policy does not grant the claims of the assertion";
    scenario.end(step, 0, is_expected)?;
    print_job(&assertion, job)?;
    print_detail(format_args!("{status}  {}  log: {reason}", string(&body, "error")))
}

/// Prints what the issuance policy reads of the token of a job.
fn print_job(assertion: &str, repository: &Repository) -> Result<(), Error> {
    let claims = decode_part(assertion, 1);
    let [id, environment] = ["repository_id", "environment"].map(|name| string(&claims, name));
    let name = repository.name;
    print_detail(format_args!("job     {name}, repository_id {id}, environment {environment}"))
}
