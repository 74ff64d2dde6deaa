//! A stack whose API has a policy for callers of other accounts.

use serde_json::json;

use super::{
    conditions::{api_policy, sids, statement, texts},
    deployment::{Context, Deployment},
    engine::Credentials,
    http::Request,
    packages::Packages,
    stack::Stack,
    steps::outcome,
    table::Table,
    users::User,
};
use crate::error::Error;

const ACCOUNTS: [&str; 2] = ["111122223333", "444455556666"];
const ORGANIZATION: &str = "o-a1b2c3d4e5";

/// Deploys the stack with each of both settings, and with none.
pub(super) fn check(
    context: &Context<'_>,
    packages: &Packages,
    table: &mut Table,
) -> Result<(), Error> {
    table.part("Callers of other accounts");
    let with = |settings: &str| Deployment::new("callers").with("Settings", settings);
    let accounts = with(&format!("CallerAccounts={}", ACCOUNTS.join("+")));
    let deployed = accounts.run(context, packages)?;
    table.check("sam deploy with CallerAccounts", "done", outcome(&deployed));
    let Ok(outputs) = deployed else { return Ok(()) };
    let stack = Stack::new(context, &accounts, outputs);
    let api = stack.output("ApiId")?;
    let policy = api_policy(context, api)?;
    table.check(
        "NamesCallerAccounts: policy of the API",
        "OtherRoutes CallersOfAccounts",
        sids(&policy),
    );
    let principals = statement(&policy, "CallersOfAccounts");
    table.check("its accounts", ACCOUNTS.join(" "), texts(principals.pointer("/Principal/AWS")));
    requests(context, table, &stack)?;

    let organization = with(&format!("CallerOrganization={ORGANIZATION}"));
    let deployed = organization.run(context, packages)?;
    table.check("sam deploy with CallerOrganization", "done", outcome(&deployed));
    let policy = api_policy(context, api)?;
    table.check(
        "NamesCallerOrganization: policy of the API",
        "OtherRoutes CallersOfOrganization",
        sids(&policy),
    );
    let condition = statement(&policy, "CallersOfOrganization");
    let condition = condition.pointer("/Condition/StringEquals/aws:PrincipalOrgID");
    table.check("its organization", ORGANIZATION, texts(condition));

    let deployed = with("none").run(context, packages)?;
    table.check("sam deploy with neither", "done", outcome(&deployed));
    table.check("HasOtherCallers: policy of the API", "", sids(&api_policy(context, api)?));
    Ok(())
}

/// With a policy, the principals of the stack's own account need the same permissions as without.
fn requests(context: &Context<'_>, table: &mut Table, stack: &Stack<'_>) -> Result<(), Error> {
    let invoke = stack.output("TokenInvokeArn")?;
    let caller = User::create(context, "own-caller", &["execute-api:Invoke"], invoke)?;
    let stranger = User::create(context, "own-stranger", &[], "*")?;
    let claims = json!({"claims": {"sub": "test-user"}});
    let status = |credentials: Option<&Credentials>| {
        Ok::<_, Error>(stack.request_token(credentials, &claims)?.status)
    };
    table.check("POST /token, not signed", 403, status(None)?);
    table.check(
        "POST /token, signed without execute-api:Invoke",
        403,
        status(Some(&stranger.credentials))?,
    );
    table.check(
        "POST /token, signed with execute-api:Invoke",
        200,
        status(Some(&caller.credentials))?,
    );
    let keys = stack.send("/.well-known/jwks.json", Request::default())?.status;
    table.check("GET /.well-known/jwks.json", 200, keys);
    Ok(())
}
