//! The stack of `deploy/demo.yaml`, whose API uses the authorizer of another stack.

use super::{
    deployment::{Context, Deployment, delete},
    http::Request,
    packages::Packages,
    stack::Stack,
    steps::outcome,
    table::Table,
};
use crate::error::Error;

/// Deploys the demo of a stack as the documentation says. From then on, the stack gets its requests with tokens there.
pub(super) fn deploy(
    context: &Context<'_>,
    packages: &Packages,
    table: &mut Table,
    stack: &mut Stack<'_>,
) -> Result<(), Error> {
    let deployment = Deployment::of_template(&demo_of(stack.name()), "deploy/demo.yaml");
    let deployment = deployment.with("CountersignStack", stack.name());
    let deployed = deployment.run(context, packages)?;
    table.check("sam deploy of demo.yaml", "done", outcome(&deployed));
    if let Ok(mut outputs) = deployed {
        stack.set_whoami_url(outputs.remove("WhoamiUrl"));
    }
    Ok(())
}

/// Deletes the demo of a stack.
pub(super) fn remove(
    context: &Context<'_>,
    packages: &Packages,
    table: &mut Table,
    stack: &Stack<'_>,
) -> Result<(), Error> {
    let deleted = delete(context, packages, &demo_of(stack.name()))?;
    table.check("sam delete of the demo", "done", outcome(&deleted));
    let gone = stack.whoami(Request::default())?.status;
    table.check("the API of the demo is deleted: GET /whoami", 404, gone);
    Ok(())
}

fn demo_of(stack: &str) -> String {
    format!("{stack}-demo")
}
