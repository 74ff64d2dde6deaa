//! The authorizer's bootstrap.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    authorizer::run().await
}
