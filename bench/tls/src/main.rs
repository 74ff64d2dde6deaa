//! One request to KMS per event over HTTPS. `AWS_ENDPOINT_URL_KMS` is the URL, `AWS_CA_BUNDLE` the file of trusted
//! certificates.

use std::{env, io, net::TcpStream, sync::Arc};

use floor::{Connection, serve_with_kms};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

fn main() -> io::Result<()> {
    let setting = |name| env::var(name).map_err(io::Error::other);
    let url = setting("AWS_ENDPOINT_URL_KMS")?;
    let host = url.strip_prefix("https://").ok_or(io::ErrorKind::InvalidInput)?;
    let name = host.split(':').next().unwrap_or_default().to_owned();
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let mut roots = RootCertStore::empty();
    let root =
        CertificateDer::from_pem_file(setting("AWS_CA_BUNDLE")?).map_err(io::Error::other)?;
    roots.add(root).map_err(io::Error::other)?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let tcp = TcpStream::connect(host)?;
    tcp.set_nodelay(true)?;
    serve_with_kms(Connection::over(host, StreamOwned::new(tls, tcp)))
}
