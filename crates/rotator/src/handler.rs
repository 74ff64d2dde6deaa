use std::{process::ExitCode, time::SystemTime};

use kms::Fault;
use rotation::Rotation;
use runtime::{
    Settings, connect,
    function::{self, Handler, HandlerOutput, Invocation},
};
use serde_json::Value;
use tokio::time::timeout;

use crate::{RotatorConfig, response::response};

/// Runs the Lambda function. Returns when the Runtime API ends or the function cannot start.
pub async fn run() -> ExitCode {
    function::run_without_ring(Rotator::read).await
}

struct Rotator {
    config: RotatorConfig,
    rotation: Rotation,
}

impl Rotator {
    fn read(settings: &mut Settings) -> Option<Self> {
        let (Some(client), Some(config)) = (connect(settings), RotatorConfig::read(settings))
        else {
            return None;
        };
        let rotation = Rotation::new(client, config.ring.clone());
        let rotation = rotation.with_options(config.options.clone());
        Some(Self { config, rotation })
    }
}

impl Handler for Rotator {
    type Response = Value;

    /// Performs one run of the rotation, whatever the event contains.
    async fn handle(&self, _: &str, invocation: &Invocation) -> HandlerOutput<Value> {
        let now = SystemTime::now().into();
        let run = Box::pin(rotation::run_once(&self.rotation, &self.config.rotation, now));
        // A run may be interrupted between any two KMS calls. The next run resumes.
        let run = timeout(invocation.time_left(), run).await;
        let run = run.unwrap_or_else(|_| Err(Fault::timed_out("the rotation").into()));
        response(self.config.ring.current(), run)
    }
}
