//! The ports of a stack.

use std::net::IpAddr;

use tokio::net::TcpListener;

use super::error::StackError;

/// Opens a port for a service. The option is for the message if it cannot be opened.
pub(super) async fn listen(
    address: IpAddr,
    port: u16,
    service: &'static str,
    option: &'static str,
) -> Result<TcpListener, StackError> {
    let listener = TcpListener::bind((address, port)).await;
    listener.map_err(|source| StackError::Port { port, service, option, source })
}
