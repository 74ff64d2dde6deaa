//! AWS Lambda's side of a function: environments, each a process of its own that asks the Runtime
//! API for work, one request at a time.

mod environment;
mod journal;
mod runtime_api;

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hyper::body::Bytes;
use serde_json::Value;
use tokio::{process::Command, sync::Semaphore};
use uuid::Uuid;

use self::environment::Environment;
pub use self::journal::{Journal, Line};

/// What a function is, as its template says.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// Its logical id, which is its name here.
    pub name: String,
    /// The name of its binary.
    pub binary: String,
    /// The Region that it says it is in.
    pub region: String,
    /// Its own settings and what Lambda adds to them.
    pub environment: Vec<(String, String)>,
    /// In megabytes: told to the function, not enforced.
    pub memory: u64,
    /// How long an invocation may take.
    pub timeout: Duration,
}

/// How a function's binary is started: this program with these arguments and the binary's name.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// The program.
    pub program: PathBuf,
    /// What comes before the binary's name.
    pub arguments: Vec<String>,
}

impl Bootstrap {
    fn command(&self, binary: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(binary);
        command
    }
}

/// A function, with as many environments as it has had requests at once.
#[derive(Debug)]
pub struct Function {
    configuration: Configuration,
    bootstrap: Bootstrap,
    journal: Journal,
    idle: Mutex<Vec<Environment>>,
    places: Semaphore,
}

impl Function {
    /// A function without an environment.
    #[must_use]
    pub fn new(configuration: Configuration, bootstrap: Bootstrap, journal: Journal) -> Self {
        let places = Semaphore::new(MAX_ENVIRONMENTS);
        Self { configuration, bootstrap, journal, idle: Mutex::default(), places }
    }

    /// Its logical id.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.configuration.name
    }

    /// Starts an environment before it is needed.
    ///
    /// # Errors
    /// When it does not come to ask for work.
    pub async fn warm(&self) -> Result<(), FunctionError> {
        let environment = self.start().await?;
        self.put_back(environment);
        Ok(())
    }

    /// Ends every environment that is free, as Lambda does with those that wait for long: the next
    /// request is answered by a new one.
    pub fn cool(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Invokes the function, in an environment that is free or in a new one.
    pub async fn invoke(&self, event: &Value) -> Invocation {
        let id = Uuid::new_v4();
        let Ok(_place) = self.places.acquire().await else {
            return Invocation { id, result: Err(FunctionError::gone()) };
        };
        let result = self.run(id, event.to_string().into()).await;
        Invocation { id, result }
    }

    async fn run(&self, id: Uuid, event: Bytes) -> Result<Value, FunctionError> {
        let free = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let free = match free {
            Some(environment) => environment.ready().await,
            None => None,
        };
        let mut environment = match free {
            Some(environment) => environment,
            None => self.start().await?,
        };
        let result = environment.invoke(id, event, self.configuration.timeout).await;
        // After a crash or a time-out the environment is dropped, and the next request gets a new
        // one.
        if result.as_ref().err().is_none_or(|error| error.environment_lives) {
            self.put_back(environment);
        }
        result
    }

    async fn start(&self) -> Result<Environment, FunctionError> {
        let command = self.bootstrap.command(&self.configuration.binary);
        Environment::start(command, &self.configuration, &self.journal).await
    }

    fn put_back(&self, environment: Environment) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(environment);
    }
}

/// An invocation that is over.
#[derive(Debug)]
pub struct Invocation {
    /// The request id, as the function's log has it.
    pub id: Uuid,
    /// What the function answered.
    pub result: Result<Value, FunctionError>,
}

/// A function's own error, or the end of its environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_type}: {message}")]
pub struct FunctionError {
    /// As the function or Lambda names it.
    pub error_type: String,
    /// As the function or Lambda words it.
    pub message: String,
    environment_lives: bool,
}

impl FunctionError {
    fn fatal(error_type: &str, message: impl Into<String>) -> Self {
        Self { error_type: error_type.into(), message: message.into(), environment_lives: false }
    }

    fn gone() -> Self {
        Self::fatal("Runtime.ExitError", "the function's environment is gone")
    }
}

/// More requests at once than this wait for a free environment.
const MAX_ENVIRONMENTS: usize = 16;
