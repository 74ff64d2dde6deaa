//! The emulator of AWS.

use std::{
    cell::Cell,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use crate::{aws::Aws, error::Error, process::Running, workspace::Workspace};

/// The account and the Region of all stacks.
pub(super) const ACCOUNT: &str = "123456789012";
pub(super) const REGION: &str = "us-east-1";

/// Starts `MiniStack`, with what the template needs and the emulator lacks.
const PROGRAM: &str = ".ci/deploy_engine.py";

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) access_key: String,
    pub(super) secret_key: String,
}

impl Credentials {
    /// The root user of the account, whom no policy restricts.
    pub(super) fn root() -> Self {
        Self { access_key: "test".into(), secret_key: "test".into() }
    }
}

/// A running emulator. Dropping it ends it, with the functions.
pub(super) struct Engine {
    running: Running,
    folder: PathBuf,
    url: String,
    /// How much older aliases are than the emulator has recorded.
    advanced: Cell<Duration>,
}

impl Engine {
    /// Starts the emulator on a free port of the loopback interface, with its files in this folder.
    pub(super) fn start(workspace: &Workspace, folder: &Path) -> Result<Self, Error> {
        let data = folder.join("engine");
        if data.exists() {
            fs::remove_dir_all(&data).map_err(Error::file(&data))?;
        }
        fs::create_dir_all(&data).map_err(Error::file(&data))?;
        write_clock(folder, Duration::ZERO)?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| Error::Check(format!("no port is free: {error}")))?.port();
        let url = format!("http://127.0.0.1:{port}");
        let python = workspace.program("ministack")?.with_file_name("python");
        let program = workspace.path(PROGRAM);
        let mut command = workspace.command_at(&python).args([program]).into_command();
        command.envs([
            // Policies of IAM and of keys are evaluated.
            ("AUTH", "true"),
            ("BIND_HOST", "127.0.0.1"),
            ("IOT_MTLS_ENABLED", "0"),
            ("SFTP_ENABLED", "0"),
            ("GATEWAY_PORT", &port.to_string()),
            ("AWS_ENDPOINT_URL", &url),
            ("MINISTACK_ACCOUNT_ID", ACCOUNT),
            ("MINISTACK_REGION", REGION),
        ]);
        // The functions inherit it, so that they can verify the certificate of the provider.
        command.env("SSL_CERT_FILE", authority(folder)).env_remove("SSL_CERT_DIR");
        command.env("TMPDIR", &data).env("DEPLOY_TEST_CLOCK", clock(folder));
        let running = Running::start("MiniStack", command)?;
        running.wait_for(|line| line.contains("Running on http").then_some(()))?;
        Ok(Self { running, folder: folder.to_owned(), url, advanced: Cell::default() })
    }

    /// The URL of every service.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The folder of its files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The variables by which the AWS CLI and the SAM CLI reach the emulator, and no other account.
    pub(super) fn variables(&self, credentials: &Credentials) -> Vec<(&'static str, String)> {
        let text = str::to_owned;
        vec![
            ("AWS_ENDPOINT_URL", self.url.clone()),
            ("AWS_ACCESS_KEY_ID", credentials.access_key.clone()),
            ("AWS_SECRET_ACCESS_KEY", credentials.secret_key.clone()),
            ("AWS_DEFAULT_REGION", text(REGION)),
            ("AWS_CONFIG_FILE", text("/dev/null")),
            ("AWS_SHARED_CREDENTIALS_FILE", text("/dev/null")),
            ("AWS_PAGER", String::new()),
            ("SAM_CLI_TELEMETRY", text("0")),
        ]
    }

    /// The AWS CLI with these credentials.
    pub(super) fn aws(
        &self,
        workspace: &Workspace,
        credentials: &Credentials,
    ) -> Result<Aws, Error> {
        let variables = self.variables(credentials);
        let (program, path) = (workspace.program("aws")?, workspace.search_path("aws"));
        Ok(Aws::new(move || {
            let mut command = Command::new(&program);
            command.env("PATH", &path).envs(variables.clone());
            command.env_remove("AWS_SESSION_TOKEN").env_remove("AWS_PROFILE");
            command
        }))
    }

    /// Makes all aliases older, so that the waits of a rotation end.
    pub(super) fn advance(&self, time: Duration) -> Result<(), Error> {
        self.advanced.set(self.advanced.get() + time);
        write_clock(&self.folder, self.advanced.get())
    }

    /// Ends the emulator, and keeps what it and the functions have written.
    pub(super) fn stop(self) -> Result<(), Error> {
        let log = self.folder.join("engine.log");
        let written = self.running.stop(Signal::TERM)?;
        fs::write(&log, written).map_err(Error::file(&log))
    }
}

/// The root certificates that the functions trust for servers outside of AWS.
pub(super) fn authority(folder: &Path) -> PathBuf {
    folder.join("authority.pem")
}

fn clock(folder: &Path) -> PathBuf {
    folder.join("clock")
}

fn write_clock(folder: &Path, time: Duration) -> Result<(), Error> {
    let file = clock(folder);
    fs::write(&file, time.as_secs().to_string()).map_err(Error::file(&file))
}

#[cfg(test)]
mod tests {
    use regex_lite::Regex;

    /// The numbers that a pattern finds at the start of lines.
    fn numbers(text: &str, pattern: &str) -> Vec<usize> {
        let pattern = Regex::new(&format!("(?m)^{pattern}")).unwrap();
        pattern.captures_iter(text).map(|found| found[1].parse().unwrap()).collect()
    }

    #[test]
    fn documentation_lists_every_change_of_the_emulator() {
        let program = include_str!("../../../.ci/deploy_engine.py");
        let changes = numbers(program, r"# --- (\d+)\. ");
        assert_eq!(changes, (1..=changes.len()).collect::<Vec<_>>());
        assert!(!changes.is_empty());
        assert_eq!(numbers(program, r"(\d+)\. "), changes, "the list at the head of the program");
        let page = include_str!("../../../docs/src/development/testing.md");
        assert_eq!(numbers(page, r"\| (\d+) \| "), changes, "the table of the page");
    }
}
