//! How a function is configured and started.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::process::Command;

/// The configuration of a function.
#[derive(Debug, Clone)]
pub struct FunctionConfig {
    /// The logical id of the function, which is also its name on this machine.
    pub name: String,
    /// The name that Lambda tells the function (`AWS_LAMBDA_FUNCTION_NAME`).
    pub function_name: String,
    /// The name of its binary.
    pub binary: String,
    /// The Region in its ARN.
    pub region: String,
    /// The environment variables, in addition to those that Lambda sets for every function.
    pub environment: Vec<(String, String)>,
    /// The files that the function reads when it starts. When one has changed, the next invocation gets a new execution
    /// environment.
    pub files: Vec<PathBuf>,
    /// The memory size in megabytes that the function is told. It is not enforced.
    pub memory: u64,
    /// The timeout of an invocation.
    pub timeout: Duration,
}

impl FunctionConfig {
    /// With a folder that takes the place of `/opt`, where Lambda unpacks layers.
    #[must_use]
    pub fn with_layer(mut self, folder: Option<&Path>) -> Self {
        let Some(folder) = folder else { return self };
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        for (_, value) in &mut self.environment {
            if let Some(name) = value.strip_prefix("file:/opt/") {
                let file = folder.join(name);
                *value = format!("file:{}", file.display());
                self.files.push(file);
            }
        }
        // Functions read files below /opt and below this folder only.
        self.environment.push(("LAMBDA_TASK_ROOT".into(), folder.display().to_string()));
        self
    }

    /// The state of the files: when each was modified, and its length.
    pub(super) fn file_state(&self) -> FileState {
        let state = |file: &PathBuf| {
            let metadata = file.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        self.files.iter().map(state).collect()
    }
}

/// The state of files, which changes when one of them does.
pub(super) type FileState = Vec<Option<(SystemTime, u64)>>;

/// The command that starts the binary of a function: a program with arguments, followed by the name of the
/// binary.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// The program.
    pub program: PathBuf,
    /// The arguments before the name of the binary.
    pub arguments: Vec<String>,
}

impl Bootstrap {
    pub(super) fn command(&self, binary: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(binary).env_clear();
        command
    }
}
