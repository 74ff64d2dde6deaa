use std::io;

use tokio::runtime;

/// Runs an asynchronous command to its end. It does not wait for a thread that still reads a file, so that a command
/// can end while it reads from a terminal or a pipe.
pub(crate) fn block_on<T, E: From<io::Error>>(
    command: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(command);
    runtime.shutdown_background();
    result
}
