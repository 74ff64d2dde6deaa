//! Deploys the packages to an emulator of AWS, and checks what is deployed.

mod callers;
mod conditions;
mod custom_domain;
mod deletion;
mod demo;
mod deployment;
mod engine;
mod http;
mod layer;
mod observability;
mod packages;
mod page;
mod provider;
mod released_package;
mod requests;
mod ring;
mod scenario;
mod stack;
mod steps;
mod table;
mod token;
mod token_endpoint;
mod upgrade;
mod users;

use std::fs;

use self::{
    deployment::Context,
    engine::{Credentials, Engine},
    packages::Packages,
    scenario::Scenario,
    table::Table,
    upgrade::Upgrade,
};
use crate::{error::Error, workspace::Workspace};

/// Deploy the packages of `sam build` to an emulator of AWS
///
/// Runs `sam deploy` against `MiniStack`, which `.ci/tools deploy` installs, sends requests to the API, rotates
/// the keys, and prints a table of what was expected and found. Needs the packages of `sam build`.
#[derive(Default, clap::Args)]
pub(crate) struct Arguments {
    /// Deploy this revision first, and lead its stacks over to this tree as CHANGELOG.md says
    #[arg(long, value_name = "REVISION")]
    from: Option<String>,
    /// Write the table to docs/src/development/deployments.md, instead of comparing it
    #[arg(long, conflicts_with = "from")]
    write: bool,
}

/// The folder of the emulator, of its log and of work trees, below the root.
const FOLDER: &str = "target/deploy-test";

/// Deploys the packages, and fails if something is not as expected.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let folder = workspace.path(FOLDER);
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    let new = Packages::of_this_tree(workspace)?;
    let old = arguments.from.as_deref();
    let old =
        old.map(|revision| Packages::of_revision(workspace, &folder, revision)).transpose()?;

    let engine = Engine::start(workspace, &folder)?;
    let mut table = Table::default();
    let checked = engine.aws(workspace, &Credentials::root()).and_then(|aws| {
        let context = Context { workspace, engine: &engine, aws };
        match &old {
            Some(old) => Upgrade { context: &context, old, new: &new }.run(&mut table),
            None => Scenario { context: &context, packages: &new }.run(&mut table),
        }
    });
    engine.stop()?;
    checked?;
    table.finish()?;
    match (old, arguments.write) {
        (Some(_), _) => Ok(()),
        (None, true) => page::write(workspace, &table),
        (None, false) => page::compare(workspace, &table),
    }
}
