use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The paths of a stage of API Gateway, in front of the local gateway, which serves its stage at the root.
pub(super) struct StageProxy(JoinHandle<()>);

impl StageProxy {
    /// Forwards requests below `stage`, such as `/v1`. Others get 403, as for a stage that does not exist.
    pub(super) fn start(listener: TcpListener, stage: &'static str, gateway: SocketAddr) -> Self {
        Self(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, stage, gateway));
            }
        }))
    }
}

impl Drop for StageProxy {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Forwards one request. The gateway closes the connection after its response.
async fn forward(mut client: TcpStream, stage: &str, gateway: SocketAddr) -> Option<()> {
    let mut received = Vec::new();
    let end = loop {
        if client.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
        if let Some(at) = received.windows(4).position(|end| end == b"\r\n\r\n") {
            break at;
        }
    };
    let (head, rest) = received.split_at_checked(end)?;
    let mut lines = str::from_utf8(head).ok()?.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let Some(target) = target.strip_prefix(stage).filter(|target| target.starts_with('/')) else {
        let refusal = b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        return client.write_all(refusal).await.ok();
    };
    let mut request = format!("{method} {target}\r\nconnection: close");
    for line in lines.filter(|line| !line.to_ascii_lowercase().starts_with("connection:")) {
        request.push_str("\r\n");
        request.push_str(line);
    }
    let mut gateway = TcpStream::connect(gateway).await.ok()?;
    gateway.write_all(request.as_bytes()).await.ok()?;
    gateway.write_all(rest).await.ok()?;
    copy_bidirectional(&mut client, &mut gateway).await.ok()?;
    Some(())
}
