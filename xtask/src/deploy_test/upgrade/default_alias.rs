//! A stack with the alias that was the default of the old template.

use super::Upgrade;
use crate::{
    deploy_test::{
        deployment::Deployment,
        packages::architecture,
        steps::{accepted, issued, outcome},
        table::Table,
    },
    error::Error,
};

impl Upgrade<'_> {
    /// CHANGELOG: `sam deploy` keeps the alias, and is refused until `Settings` has the values of the old parameters.
    pub(super) fn default_alias(&self, table: &mut Table) -> Result<(), Error> {
        table.part("A stack with the alias that was the default");
        let deployment = Deployment::new("default-alias")
            .with("Architecture", architecture())
            .with("TokenLifetimeSeconds", "1800")
            .with("RequestBurst", "50");
        let Some(mut stack) = self.first(table, &deployment)? else { return Ok(()) };
        let alias = stack.output("KeyAlias")?.to_owned();
        let old_token = issued(table, &stack, "old functions: a new token", 'A')?;

        let refused = deployment.run(self.context, self.new)?;
        let found = match &refused {
            Err(reason) if reason.contains("Before you deploy") => "see Before you deploy",
            other => outcome(other),
        };
        table.check("sam deploy without Settings", "see Before you deploy", found);
        accepted(table, &stack, "the token from before", &old_token, 200)?;

        let moved = deployment.with("Settings", "TokenLifetimeSeconds=1800,RequestBurst=50");
        if !self.update(table, &mut stack, &moved)? {
            return Ok(());
        }
        table.check("the alias stays", alias, stack.output("KeyAlias")?);
        issued(table, &stack, "the same key signs", 'A')?;
        accepted(table, &stack, "the token from before", &old_token, 200)
    }
}
