//! The executable of the authorizer's Lambda function.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    authorizer::run().await
}
