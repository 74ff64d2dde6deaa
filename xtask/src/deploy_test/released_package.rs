//! The package of a release, unpacked where nothing else of the workspace is.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Output},
};

use regex_lite::Regex;

use super::{
    demo,
    deployment::{Context, Deployment, sam},
    packages::Packages,
    stack::Stack,
    steps::{accepted, issued, outcome},
    table::Table,
    token::Token,
};
use crate::{build::Architecture, error::Error, package, workspace::Workspace};

/// The bucket for `sam package`.
const BUCKET: &str = "releases";

/// Makes the package, unpacks it and runs the commands of its README and of the documentation.
pub(super) fn check(context: &Context<'_>, table: &mut Table) -> Result<(), Error> {
    table.part("The package of a release, without the source code");
    let unpacked = Unpacked::new(context.workspace)?;
    let packages = &unpacked.packages;
    // The stack name of its samconfig.toml.
    let deployment = Deployment::new("countersign");
    let deployed = deployment.run(context, packages)?;
    table.check("sam deploy", "done", outcome(&deployed));
    let Ok(outputs) = deployed else { return Ok(()) };
    let mut stack = Stack::new(context, &deployment, outputs);
    let invoke = ["remote", "invoke", "Issuer", "--event-file", "events/issue-invoke.json"];
    let output = sam(context, packages, &invoke)?;
    let token = Token::from_response(String::from_utf8_lossy(&output.stdout).trim());
    let found = token.map_or_else(|| last_line(&output), |_| "a token".into());
    table.check(format!("sam {}", invoke.join(" ")), "a token", found);
    demo::deploy(context, packages, table, &mut stack)?;
    let token = issued(table, &stack, "the key that signs", 'A')?;
    accepted(table, &stack, "its token", &token, 200)?;
    upload(context, packages, table)
}

/// `sam package`, by which the package gets into a bucket for the Serverless Application Repository.
fn upload(context: &Context<'_>, packages: &Packages, table: &mut Table) -> Result<(), Error> {
    context.aws.call(&["s3api", "create-bucket", "--bucket", BUCKET])?;
    let template = "packaged.yaml";
    let options = ["package", "--s3-bucket", BUCKET, "--output-template-file", template];
    let output = sam(context, packages, &options)?;
    let found = if output.status.success() { "done".into() } else { last_line(&output) };
    table.check("sam package", "done", found);
    if !output.status.success() {
        return Ok(());
    }
    let file = packages.folder.join(template);
    let text = fs::read_to_string(&file).map_err(Error::file(&file))?;
    table.check("files that its template names", "", package::paths(&text)?.join(" "));
    for (member, name) in [("LicenseUrl", "LICENSE"), ("ReadmeUrl", "README.md")] {
        let found = object(context, &text, member, &packages.folder)?;
        let packed = packages.folder.join(name);
        let packed = fs::read(&packed).map_err(Error::file(&packed))?;
        let found = if found == Some(packed) { name } else { "another object" };
        table.check(member, name, found);
    }
    Ok(())
}

/// The object in the bucket that a member of the template names.
fn object(
    context: &Context<'_>,
    template: &str,
    member: &str,
    folder: &Path,
) -> Result<Option<Vec<u8>>, Error> {
    let pattern = Regex::new(&format!(r"\n +{member}: s3://{BUCKET}/(\S+)\n"));
    let pattern = pattern.map_err(|error| Error::Check(error.to_string()))?;
    let Some(key) = pattern.captures(template).and_then(|found| found.get(1)) else {
        return Ok(None);
    };
    let file = folder.join("object");
    let target = file.display().to_string();
    let get = ["s3api", "get-object", "--bucket", BUCKET, "--key", key.as_str(), &target];
    context.aws.call(&get)?;
    fs::read(&file).map(Some).map_err(Error::file(&file))
}

fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    last.map_or_else(|| output.status.to_string(), str::to_owned)
}

/// The unpacked package. Dropping it removes the folder.
struct Unpacked {
    packages: Packages,
    folder: PathBuf,
}

impl Unpacked {
    /// Makes the package of what `sam build` has built for this machine, and unpacks it.
    fn new(workspace: &Workspace) -> Result<Self, Error> {
        let architecture = Architecture::of_this_machine();
        let zip = package::pack(workspace, architecture, ".aws-sam/build")?;
        let folder = env::temp_dir().join(format!("countersign-package-{}", process::id()));
        fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let packages = Packages { folder: folder.join(package::name(architecture)) };
        let unpacked = Self { packages, folder };
        let unzip = workspace.command("unzip")?.in_folder(&unpacked.folder);
        unzip.args(["-q"]).args([zip]).run_quietly()?;
        Ok(unpacked)
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // What is left is in a folder for temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
