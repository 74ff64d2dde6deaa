//! Builds the functions, the minimal programs and the peers, and measures them.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    error::Error,
    workspace::{CommandStep, Workspace},
};

/// Measure the cost of the functions
///
/// The options are those of the program in bench/; `cargo xtask bench --help` prints them.
#[derive(Default, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// Passed on
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
    pub(crate) options: Vec<String>,
}

/// The packages with cargo-lambda, installed where it is missing.
const CARGO_LAMBDA: &str = ".ci/requirements-lambda.txt";

/// The programs to build for a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Only the program that measures.
    Help,
    /// The functions.
    Functions,
    /// The minimal programs too.
    Alone,
    /// The peers too.
    Compare,
}

impl Scope {
    fn of(options: &[String]) -> Self {
        let has = |word: &str| options.iter().any(|option| option == word);
        let compares = has("compare") || has("cold-starts");
        if has("--help") || has("-h") {
            Self::Help
        } else if !compares && has("token-endpoint") {
            Self::Alone
        } else if !compares && ["growth", "instructions", "signature-cache"].into_iter().any(has) {
            Self::Functions
        } else if has("--alone") {
            Self::Alone
        } else {
            Self::Compare
        }
    }
}

/// Builds what the options ask for, and runs the program in bench/ with them.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let options = &arguments.options;
    let bench = Bench { folder: workspace.path("bench"), workspace };
    let scope = Scope::of(options);
    if scope != Scope::Help {
        let named = env::var_os("FUNCTIONS").filter(|folder| !folder.is_empty());
        let needs_packages = named.is_none() || scope == Scope::Compare;
        let lambda = if needs_packages { Some(bench.with_cargo_lambda()?) } else { None };
        let bench = Bench { workspace: lambda.as_ref().unwrap_or(workspace), ..bench.clone() };
        if named.is_none() {
            for function in ["issuer", "authorizer"] {
                let folder = workspace.path("crates").join(function);
                bench
                    .package(&folder, &workspace.path("target"), &["--bin", function])?
                    .run_quietly()?;
            }
        }
        if matches!(scope, Scope::Alone | Scope::Compare) {
            let build = ["build", "--quiet", "--release", "--locked", "--workspace"];
            bench.cargo()?.args(build).args(["--exclude", "peers"]).run_quietly()?;
        }
        if scope == Scope::Compare {
            bench.build_peers()?;
        }
    }
    bench.measure(scope, options)
}

#[derive(Clone)]
struct Bench<'a> {
    folder: PathBuf,
    workspace: &'a Workspace,
}

impl Bench<'_> {
    /// A command that builds in the target folder of its workspace, and nothing twice.
    fn step(&self, program: &'static str) -> Result<CommandStep, Error> {
        let step = self.workspace.command(program)?.in_folder(&self.folder);
        Ok(step.env_remove("CARGO_TARGET_DIR").env("CARGO_INCREMENTAL", "0"))
    }

    fn cargo(&self) -> Result<CommandStep, Error> {
        self.step("cargo")
    }

    /// A workspace in which cargo-lambda is found, installed if need be: what is measured is what is
    /// deployed, and `sam build` packages the functions with it.
    fn with_cargo_lambda(&self) -> Result<Workspace, Error> {
        if self.workspace.program("cargo-lambda").is_ok() {
            return Ok(self.workspace.clone());
        }
        let folder = self.folder.join("target/cargo-lambda");
        let requirements = self.workspace.path(CARGO_LAMBDA);
        self.install(&folder, &["-r", &requirements.to_string_lossy()])?;
        Ok(self.workspace.with_folder(&folder.join("bin")))
    }

    /// Installs packages into a virtual environment.
    fn install(&self, folder: &Path, packages: &[&str]) -> Result<(), Error> {
        if !folder.join("bin/pip").is_file() {
            let venv = self.step("python3")?.args(["-m", "venv"]).args([folder]);
            venv.run_quietly()?;
        }
        let pip = self.program_at(&folder.join("bin/python3"));
        let pip = pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip.args(packages).run_quietly()
    }

    fn program_at(&self, file: &Path) -> CommandStep {
        self.workspace.command_at(file).in_folder(&self.folder)
    }

    /// The command of the `rust-cargolambda` builder of SAM, for this machine's processor.
    fn package(
        &self,
        folder: &Path,
        target: &Path,
        options: &[&str],
    ) -> Result<CommandStep, Error> {
        let build = ["build", "--quiet", "--locked", "--release"];
        let architecture = (env::consts::ARCH == "aarch64").then_some("--arm64");
        let step = self.step("cargo-lambda")?.in_folder(folder).env("CARGO_TARGET_DIR", target);
        Ok(step.args(build).args(architecture).args(options))
    }

    /// The peers are packaged alike. AWS-LC as it comes gathers entropy from CPU jitter at each start;
    /// the peers that use TLS are measured without it too.
    fn build_peers(&self) -> Result<(), Error> {
        let rust = self.folder.join("peers/rust");
        let builds: [(&str, &str, &[&str]); 2] = [
            ("0", "target/peers", &["--bins"]),
            ("1", "target/peers-without-jitter", &["--bin", "sdk", "--bin", "jwks"]),
        ];
        for (no_jitter, target, options) in builds {
            let step = self.package(&rust, &self.folder.join(target), options)?;
            step.env("AWS_LC_SYS_NO_JITTER_ENTROPY", no_jitter).run_quietly()?;
        }
        if self.workspace.program("python3").is_ok() {
            let requirements = ["-r", "peers/python/requirements.txt"];
            self.install(&self.folder.join("target/python"), &requirements)?;
        }
        if self.workspace.program("npm").is_ok() {
            let target = self.folder.join("target/node");
            copy_files(&self.folder.join("peers/node"), &target)?;
            let quiet = ["--no-audit", "--no-fund", "--silent"];
            let install = self.step("npm")?.args(["ci", "--prefix"]).args([&target]).args(quiet);
            install.run_quietly()?;
        }
        Ok(())
    }

    /// Runs the program that measures. It takes folders from where it was called.
    fn measure(&self, scope: Scope, options: &[String]) -> Result<(), Error> {
        let step = if matches!(scope, Scope::Help | Scope::Functions) {
            let run = ["run", "--quiet", "--locked", "--profile", "quick", "--"];
            self.cargo()?.args(run)
        } else {
            self.program_at(&self.folder.join("target/release/bench"))
        };
        let called_from = env::current_dir().map_err(Error::file(Path::new(".")))?;
        step.args(options).env("CALLED_FROM", called_from).run_quietly()
    }
}

fn copy_files(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::file(to))?;
    for entry in fs::read_dir(from).map_err(Error::file(from))? {
        let file = entry.map_err(Error::file(from))?.path();
        if file.is_file() {
            fs::copy(&file, to.join(file.file_name().unwrap_or(OsStr::new(""))))
                .map_err(Error::file(&file))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_measured_is_built() {
        let rows = [
            ("", Scope::Compare),
            ("compare", Scope::Compare),
            ("compare growth", Scope::Compare),
            ("--quick", Scope::Compare),
            ("compare --alone", Scope::Alone),
            ("--alone", Scope::Alone),
            ("growth --alone", Scope::Functions),
            ("signature-cache", Scope::Functions),
            ("token-endpoint --write", Scope::Alone),
            ("token-endpoint growth", Scope::Alone),
            ("token-endpoint compare", Scope::Compare),
            ("cold-starts growth", Scope::Compare),
            ("instructions --write", Scope::Functions),
            ("compare --help", Scope::Help),
            ("-h", Scope::Help),
        ];
        let scope = |options: &str| {
            Scope::of(&options.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        let failed = rows.iter().filter(|(options, expected)| scope(options) != *expected);
        assert_eq!(failed.collect::<Vec<_>>(), Vec::<&(_, _)>::new());
    }
}
