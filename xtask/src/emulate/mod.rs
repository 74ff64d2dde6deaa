//! The packages of `sam build` under the Lambda Runtime Interface Emulator, and the authorizer under
//! `cargo lambda watch`.

mod cases;
mod client;

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{self, Path, PathBuf},
    process::Command,
};

use regex_lite::Regex;
use rustix::process::Signal;
use serde_json::Value;

use self::cases::{AUTHORIZER, Case, EVENTS};
use crate::{audit_logs, error::Error, process::Running, workspace::Workspace};

/// Run the packages of `sam build` under the Lambda Runtime Interface Emulator
///
/// Every file in events/ is sent to its function, and every event for the authorizer once more with a
/// good token, which `cargo lambda watch` and `cargo lambda invoke` get too. KMS is that of
/// `countersign local`, which holds the functions to the roles of the template. Needs the packages
/// and target/debug/countersign.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The emulator; by default the one that the SAM CLI contains
    emulator: Option<PathBuf>,
    /// The folder in which the output of the processes and the tokens are kept
    #[arg(long, env = audit_logs::VARIABLE, value_name = "FOLDER")]
    recordings: Option<PathBuf>,
}

/// Runs the functions with the arguments' emulator.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let Arguments { emulator, recordings } = arguments;
    emulate(workspace, emulator.as_deref(), recordings.as_deref())
}

const PACKAGES: &str = ".aws-sam/build";
const COUNTERSIGN: &str = "target/debug/countersign";
const EMULATOR_PORT: u16 = 9180;
const RUNTIME_API: &str = "127.0.0.1:9101";
const WATCH_PORT: u16 = 9190;

/// Sends every event to its function, and fails if an answer is not the expected one.
pub(crate) fn emulate(
    workspace: &Workspace,
    emulator: Option<&Path>,
    recordings: Option<&Path>,
) -> Result<(), Error> {
    let events = workspace.path("events");
    let unmatched = cases::unmatched(&file_names(&events)?);
    if !unmatched.is_empty() {
        let unmatched = unmatched.join(", ");
        return Err(Error::Check(format!(
            "events/ and the cases in xtask/src/emulate/cases.rs differ: {unmatched}"
        )));
    }
    let emulator = match emulator {
        Some(emulator) => fs::canonicalize(emulator).map_err(Error::file(emulator))?,
        None => emulator_of_sam(workspace)?,
    };
    // The processes do not run in this folder.
    let recordings = recordings.map(|folder| path::absolute(folder).map_err(Error::file(folder)));
    let recordings = Recordings { folder: recordings.transpose()? };
    let mut local = workspace.command_at(&workspace.path(COUNTERSIGN));
    local = local.args(["local", "--port", "0", "--kms-port", "0"]);
    local = local.args(["--parameter-overrides", "RotationDays=90"]);
    let mut local = local.into_command();
    local.envs(recordings.variable());
    let local = Running::start("countersign local", local)?;
    let result = local.wait_for(kms_url).and_then(|url| {
        let settings = settings(&url, &workspace.path("layer"));
        let run = Run { workspace, emulator, recordings: &recordings, settings };
        run.all()
    });
    recordings.keep("local.log", &local.stop(Signal::TERM)?)?;
    match result? {
        0 => Ok(()),
        1 => Err(Error::Check("1 answer is wrong".into())),
        wrong => Err(Error::Check(format!("{wrong} answers are wrong"))),
    }
}

/// The functions' environment variables.
type Variables = Vec<(&'static str, String)>;

/// `layer` takes the place of `/opt`: functions read files below `LAMBDA_TASK_ROOT` too, which is the layer here.
fn settings(kms_url: &str, layer: &Path) -> Variables {
    let file = |name: &str| format!("file:{}/config/{name}.json", layer.display());
    vec![
        ("LAMBDA_TASK_ROOT", layer.display().to_string()),
        ("ACCESS_RULES", file("access-rules")),
        ("ISSUANCE_POLICY", file("issuance-policy")),
        ("REVOCATIONS", file("revocations")),
        ("KEY_ALIAS", "alias/countersign".into()),
        ("TOKEN_ISSUER", "https://issuer.example".into()),
        ("ROTATION_DAYS", "90".into()),
        ("AWS_REGION", "us-east-1".into()),
        ("AWS_ENDPOINT_URL_KMS", kms_url.into()),
    ]
}

/// The credentials by which the local KMS identifies a function and its role.
fn credentials(name: &str) -> Variables {
    vec![("AWS_ACCESS_KEY_ID", name.into()), ("AWS_SECRET_ACCESS_KEY", "local".into())]
}

struct Run<'a> {
    workspace: &'a Workspace,
    emulator: PathBuf,
    recordings: &'a Recordings,
    settings: Variables,
}

impl Run<'_> {
    /// The number of wrong answers.
    fn all(&self) -> Result<usize, Error> {
        let cases = self.cases()?;
        let functions: BTreeSet<_> = cases.iter().map(|case| case.function).collect();
        let mut wrong = 0;
        for function in functions {
            let own: Vec<_> = cases.iter().filter(|case| case.function == function).collect();
            let answers = self.under_emulator(function, &own)?;
            wrong += count_wrong(function, &own, &answers);
        }
        let mut own: Vec<_> = cases.iter().filter(|case| case.function == AUTHORIZER).collect();
        let answers = self.under_watch(&own)?;
        let last = own.last().map(|case| case.event.clone()).unwrap_or_default();
        let invoked = Case::with_token("cargo lambda invoke".into(), last);
        own.push(&invoked);
        Ok(wrong + count_wrong("cargo lambda watch", &own, &answers))
    }

    /// Each file, and each event for the authorizer with a good token.
    fn cases(&self) -> Result<Vec<Case>, Error> {
        let mut cases = Vec::new();
        for file in &EVENTS {
            let path = self.workspace.path("events").join(file.name);
            let event = fs::read_to_string(&path).map_err(Error::file(&path))?;
            cases.push(Case::of_file(file, event));
        }
        for file in cases::with_token() {
            let command = self.workspace.command_at(&self.workspace.path(COUNTERSIGN));
            let mut command = command.args(["event", &format!("events/{}", file.name)]);
            for (name, value) in self.settings.iter().cloned().chain(credentials("local")) {
                command = command.env(name, value);
            }
            let event = String::from_utf8_lossy(&command.stdout()?).into_owned();
            self.recordings.keep("tokens.secrets", tokens(&event).as_bytes())?;
            cases.push(Case::with_token(format!("{} with a good token", file.name), event));
        }
        Ok(cases)
    }

    fn under_emulator(&self, function: &'static str, own: &[&Case]) -> Result<Vec<Value>, Error> {
        let mut command = Command::new(&self.emulator);
        let address = format!("127.0.0.1:{EMULATOR_PORT}");
        command
            .args(["--runtime-interface-emulator-address", &address])
            .args(["--runtime-api-address", RUNTIME_API, "./bootstrap"])
            .current_dir(self.workspace.path(PACKAGES).join(function))
            .env_clear()
            .envs(self.settings.iter().cloned())
            .envs(credentials(function));
        let running = Running::start(function, command)?;
        let answers = client::invoke(EMULATOR_PORT, "function", events(own));
        self.recordings.keep(&format!("{function}.log"), &running.stop(Signal::KILL)?)?;
        answers
    }

    /// The answers under `cargo lambda watch`, and after these that of `cargo lambda invoke` to the
    /// last event.
    fn under_watch(&self, own: &[&Case]) -> Result<Vec<Value>, Error> {
        let port = WATCH_PORT.to_string();
        let address = ["--invoke-address", "127.0.0.1", "--invoke-port", &port];
        let watch = self.workspace.command("cargo-lambda")?;
        let mut watch = watch.args(["watch", "--ignore-changes"]).args(address).into_command();
        watch.envs(self.settings.iter().cloned()).envs(credentials(AUTHORIZER));
        watch.envs(self.recordings.variable());
        let running = Running::start("cargo lambda watch", watch)?;
        let answers = client::invoke(WATCH_PORT, "authorizer", events(own)).and_then(|answers| {
            let last = events(own).last().unwrap_or_default();
            let invoke = self.workspace.command("cargo-lambda")?.args(["invoke"]).args(address);
            let invoke = invoke.args(["authorizer", "--data-ascii", last]);
            let answer = serde_json::from_slice(&invoke.stdout()?)
                .map_err(|source| Error::Json { command: "cargo lambda invoke".into(), source })?;
            Ok([answers, vec![answer]].concat())
        });
        self.recordings.keep("watch.log", &running.stop(Signal::KILL)?)?;
        answers
    }
}

fn events<'a>(cases: &'a [&Case]) -> impl Iterator<Item = &'a str> {
    cases.iter().map(|case| case.event.as_str())
}

fn count_wrong(place: &str, cases: &[&Case], answers: &[Value]) -> usize {
    let wrong = cases.iter().zip(answers).filter(|(case, answer)| !case.check(place, answer));
    // A case without an answer is wrong, too.
    wrong.count() + cases.len().abs_diff(answers.len())
}

/// The folder for the audit of the logs.
struct Recordings {
    folder: Option<PathBuf>,
}

impl Recordings {
    fn keep(&self, name: &str, text: &[u8]) -> Result<(), Error> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let file = folder.join(format!("emulated-{name}"));
        let opened = OpenOptions::new().append(true).create(true).open(&file);
        opened.and_then(|mut opened| opened.write_all(text)).map_err(Error::file(&file))
    }

    /// The variable that makes a process of this workspace keep its own signatures and tokens.
    fn variable(&self) -> Option<(&'static str, &Path)> {
        self.folder.as_deref().map(|folder| (audit_logs::VARIABLE, folder))
    }
}

/// The URL in the line of `countersign local` that names its KMS.
fn kms_url(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    (words.next() == Some("KMS")).then(|| words.next()).flatten().map(str::to_owned)
}

/// The tokens in a text, one a line.
fn tokens(text: &str) -> String {
    let pattern = Regex::new(r"eyJ[\w-]+\.[\w-]+\.[\w-]+");
    let found = pattern.iter().flat_map(|pattern| pattern.find_iter(text));
    found.flat_map(|token| [token.as_str(), "\n"]).collect()
}

fn file_names(folder: &Path) -> Result<BTreeSet<String>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::file(folder))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect::<Result<_, _>>().map_err(Error::file(folder))
}

/// The emulator that the SAM CLI contains. It is not executable as it is installed.
fn emulator_of_sam(workspace: &Workspace) -> Result<PathBuf, Error> {
    let sam = workspace.program("sam")?;
    let python = sam.with_file_name("python");
    let find = "import samcli; print(samcli.__path__[0], end='')";
    let package = workspace.command_at(&python).args(["-c", find]).stdout()?;
    let architecture = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "x86_64" };
    let emulator = Path::new(&*String::from_utf8_lossy(&package))
        .join(format!("local/rapid/aws-lambda-rie-{architecture}"));
    let executable = Permissions::from_mode(0o755);
    fs::set_permissions(&emulator, executable).map_err(Error::file(&emulator))?;
    Ok(emulator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kms_url_is_read_from_its_line() {
        let rows = [
            ("KMS  http://127.0.0.1:4000  (us-east-1)\n", Some("http://127.0.0.1:4000")),
            ("API  http://127.0.0.1:3000\n", None),
            ("     POST /token\n", None),
            ("\n", None),
        ];
        let failed = rows.iter().filter(|(line, url)| kms_url(line).as_deref() != *url);
        assert_eq!(failed.collect::<Vec<_>>(), Vec::<&(_, _)>::new());
    }

    #[test]
    fn tokens_are_listed_one_a_line() {
        let text = r#"{"a": "Bearer eyJh.eyJi.c-_2", "b": "eyJx", "c": "eyJd.e.f"}"#;
        assert_eq!(tokens(text), "eyJh.eyJi.c-_2\neyJd.e.f\n");
    }
}
