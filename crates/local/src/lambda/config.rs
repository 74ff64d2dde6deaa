//! How a function is configured and started.

use std::{path::PathBuf, time::Duration};

use tokio::process::Command;

/// The configuration of a function.
#[derive(Debug, Clone)]
pub struct FunctionConfig {
    /// The logical id of the function, which is also its name on this machine.
    pub name: String,
    /// The name of its binary.
    pub binary: String,
    /// The Region in its ARN.
    pub region: String,
    /// The environment variables, in addition to those that Lambda sets for every function.
    pub environment: Vec<(String, String)>,
    /// The memory size in megabytes that the function is told. It is not enforced.
    pub memory: u64,
    /// The timeout of an invocation.
    pub timeout: Duration,
}

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
