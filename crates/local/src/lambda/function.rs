//! A function and its pool of execution environments.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use hyper::body::Bytes;
use serde_json::Value;
use tokio::{process::Command, sync::Semaphore};
use uuid::Uuid;

use super::{
    config::{Bootstrap, FileState, FunctionConfig},
    error::FunctionError,
    execution_environment::{ExecutionEnvironment, Initialization},
    function_logs::FunctionLogs,
};

/// A function with as many execution environments as it has concurrent invocations.
#[derive(Debug)]
pub struct HostedFunction {
    config: FunctionConfig,
    program: Program,
    logs: FunctionLogs,
    idle: Mutex<Vec<IdleEnvironment>>,
    concurrency: Semaphore,
}

/// An execution environment without an invocation.
#[derive(Debug)]
struct IdleEnvironment {
    environment: ExecutionEnvironment,
    /// The state of the configuration files when it started.
    files: FileState,
}

/// The program of an execution environment.
#[derive(Debug)]
enum Program {
    Binary(Bootstrap),
    Executable(PathBuf),
}

/// The result of an invocation.
#[derive(Debug)]
pub struct InvocationResult {
    /// The request id, which the log of the function contains.
    pub id: Uuid,
    /// The response of the function.
    pub result: Result<Value, FunctionError>,
}

impl HostedFunction {
    /// A function without execution environments. It writes its log to `logs`.
    #[must_use]
    pub fn new(config: FunctionConfig, bootstrap: Bootstrap, logs: FunctionLogs) -> Self {
        Self::with_program(config, Program::Binary(bootstrap), logs)
    }

    /// The same with an executable that is not of this project in place of the binary. It gets the environment of this
    /// process too, except for what belongs to AWS.
    #[must_use]
    pub fn with_executable(
        config: FunctionConfig,
        executable: PathBuf,
        logs: FunctionLogs,
    ) -> Self {
        Self::with_program(config, Program::Executable(executable), logs)
    }

    fn with_program(config: FunctionConfig, program: Program, logs: FunctionLogs) -> Self {
        let concurrency = Semaphore::new(MAX_ENVIRONMENTS);
        Self { config, program, logs, idle: Mutex::default(), concurrency }
    }

    /// The logical id of the function.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Starts an execution environment before the first invocation.
    ///
    /// # Errors
    /// If the process ends or does not request an event in time.
    pub async fn warm(&self) -> Result<(), FunctionError> {
        let started = self.start(Initialization::ProvisionedConcurrency).await?;
        self.put_back(started);
        Ok(())
    }

    /// Stops all idle execution environments, as Lambda does after some time. The next invocation starts a new
    /// one.
    pub fn stop_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Invokes the function in an idle execution environment or in a new one. At most 16 invocations run at the
    /// same time; others wait.
    pub async fn invoke(&self, event: &Value) -> InvocationResult {
        let id = Uuid::new_v4();
        let Ok(_permit) = self.concurrency.acquire().await else {
            return InvocationResult { id, result: Err(FunctionError::environment_ended()) };
        };
        let result = self.run(id, event.to_string().into()).await;
        InvocationResult { id, result }
    }

    async fn run(&self, id: Uuid, event: Bytes) -> Result<Value, FunctionError> {
        let ready = match self.take_idle() {
            Some(IdleEnvironment { environment, files }) => {
                environment.ready().await.map(|environment| IdleEnvironment { environment, files })
            }
            None => None,
        };
        let mut started = match ready {
            Some(started) => started,
            None => self.start(Initialization::OnDemand).await?,
        };
        let result = started.environment.invoke(id, event, self.config.timeout).await;
        // After a crash or a timeout, the environment is dropped.
        if result.as_ref().err().is_none_or(|error| error.is_recoverable) {
            self.put_back(started);
        }
        result
    }

    async fn start(
        &self,
        initialization: Initialization,
    ) -> Result<IdleEnvironment, FunctionError> {
        let command = match &self.program {
            Program::Binary(bootstrap) => bootstrap.command(&self.config.binary),
            Program::Executable(executable) => own_command(executable),
        };
        let files = self.config.file_state();
        let environment =
            ExecutionEnvironment::start(command, &self.config, initialization, &self.logs).await?;
        Ok(IdleEnvironment { environment, files })
    }

    /// An idle execution environment that has read the present configuration files. The others are stopped.
    fn take_idle(&self) -> Option<IdleEnvironment> {
        let files = self.config.file_state();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|environment| environment.files == files);
        idle.pop()
    }

    fn put_back(&self, environment: IdleEnvironment) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(environment);
    }
}

/// The command of an executable that is not of this project. It can need other variables, but never the
/// credentials of the user.
fn own_command(executable: &Path) -> Command {
    let mut command = Command::new(executable);
    command.env_clear();
    let is_own = |name: &OsStr| !name.as_encoded_bytes().starts_with(b"AWS_");
    command.envs(env::vars_os().filter(|(name, _)| is_own(name)));
    command
}

/// The maximum number of concurrent invocations.
const MAX_ENVIRONMENTS: usize = 16;
