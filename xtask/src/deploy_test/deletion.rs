//! A stack that is deleted and deployed again with its ring.

use serde_json::Value;

use super::{
    conditions::Conditions,
    demo,
    deployment::{Deployment, delete},
    http::Request,
    scenario::{DEFAULTS, Scenario},
    stack::Stack,
    steps::{Issued, accepted, issued, keys, outcome},
    table::Table,
};
use crate::error::Error;

impl Scenario<'_> {
    /// The stack with the defaults, deleted and deployed again as the documentation says.
    pub(super) fn again(
        &self,
        table: &mut Table,
        mut stack: Stack<'_>,
        deployment: &Deployment,
    ) -> Result<(), Error> {
        table.part("Delete, and deploy again");
        let old = issued(table, &stack, "the key that signs", 'A')?;
        demo::remove(self.context, self.packages, table, &stack)?;
        let deleted = delete(self.context, self.packages, "defaults")?;
        table.check("sam delete", "done", outcome(&deleted));
        table.check("the ring is kept", "A A A", stack.ring()?);
        keys(table, &stack, &[('A', "Enabled")])?;
        let gone = stack.send("/.well-known/jwks.json", Request::default())?.status;
        table.check("the API is deleted: its key set", 404, gone);

        let refused = deployment.run(self.context, self.packages)?;
        let found = match &refused {
            Err(reason) if reason.contains("already exists") => "an alias already exists",
            other => outcome(other),
        };
        table.check("sam deploy with CreateKey=yes", "an alias already exists", found);
        table.check("the ring after the refused deployment", "A A A", stack.ring()?);
        let deleted = delete(self.context, self.packages, "defaults")?;
        table.check("sam delete of the failed stack", "done", outcome(&deleted));
        table.check("the ring after sam delete", "A A A", stack.ring()?);

        let existing = deployment.clone().with("CreateKey", "no");
        self.update(table, &mut stack, &existing)?;
        demo::deploy(self.context, self.packages, table, &mut stack)?;
        let conditions = Conditions { key_policy: None, ..DEFAULTS };
        conditions.check(self.context, table, "defaults", &stack)?;
        table.check("the ring", "A A A", stack.ring()?);
        let new = issued(table, &stack, "the same key signs", 'A')?;
        accepted(table, &stack, "a new token", &new, 200)?;
        accepted(
            table,
            &stack,
            "a token of the deleted stack, whose issuer was another URL",
            &old,
            401,
        )?;
        self.permissions(table, &stack, &new)
    }

    /// The authorizer without the permissions by which API Gateway invokes it.
    fn permissions(
        &self,
        table: &mut Table,
        stack: &Stack<'_>,
        token: &Issued,
    ) -> Result<(), Error> {
        let function = ["--function-name", "defaults-authorizer"];
        let policy = self.context.aws.call(&[&["lambda", "get-policy"][..], &function].concat())?;
        let policy = policy.get("Policy").and_then(Value::as_str).unwrap_or_default();
        let policy: Value = serde_json::from_str(policy).unwrap_or_default();
        let statements = policy.get("Statement").and_then(Value::as_array);
        let ids = statements.into_iter().flatten().filter_map(|it| it.get("Sid")?.as_str());
        let ids: Vec<_> = ids.collect();
        table.check("permissions: for the API of the stack and for the demo", 2, ids.len());
        for id in ids {
            let remove = ["lambda", "remove-permission", "--statement-id", id];
            self.context.aws.call(&[&remove[..], &function].concat())?;
        }
        let (_, Some(token)) = token else { return Ok(()) };
        table.check_unless(
            "GET /whoami without them",
            500,
            stack.status(token)?,
            ("200", "API Gateway invokes every function"),
        );
        Ok(())
    }
}
