use std::io;

use tokio::runtime;

/// Runs an asynchronous command to its end.
pub(crate) fn block_on<T, E: From<io::Error>>(
    command: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}
