//! An `OpenID` Connect provider over HTTPS, whose keys the functions fetch.

use std::{fs, io, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use local::oidc_provider::{OidcOptions, OidcProvider};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivatePkcs8KeyDer};
use serde_json::Value;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::{self, Runtime},
};
use tokio_rustls::TlsAcceptor;

use super::engine::authority;
use crate::error::Error;

/// A CI system on this machine, with a certificate of the authority that the functions trust.
pub(super) struct Provider {
    ci: OidcProvider,
    /// Dropping it ends the servers.
    _runtime: Runtime,
}

impl Provider {
    /// Starts the provider, and writes the certificate of its authority to the folder of the emulator.
    pub(super) fn start(folder: &Path) -> Result<Self, Error> {
        Self::serve(folder)
            .map_err(|error| Error::Check(format!("the provider did not start: {error}")))
    }

    fn serve(folder: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let (root, config) = certificates()?;
        fs::write(authority(folder), root)?;
        let runtime =
            runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let ci = runtime.block_on(async {
            let tls = TcpListener::bind("127.0.0.1:0").await?;
            let name = format!("https://localhost:{}", tls.local_addr()?.port());
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let options = OidcOptions { name: Some(name), ..OidcOptions::default() };
            let ci = OidcProvider::start_with(listener, &options)?;
            let (acceptor, address) = (TlsAcceptor::from(Arc::new(config)), ci.address());
            tokio::spawn(async move {
                while let Ok((client, _)) = tls.accept().await {
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        let mut client = acceptor.accept(client).await?;
                        let mut server = TcpStream::connect(address).await?;
                        copy_bidirectional(&mut client, &mut server).await
                    });
                }
            });
            Ok::<_, io::Error>(ci)
        })?;
        Ok(Self { ci, _runtime: runtime })
    }

    /// The name of the issuer.
    pub(super) fn issuer(&self) -> &str {
        self.ci.issuer()
    }

    /// The identity token of a job with these claims.
    pub(super) fn job_token(&self, claims: &[(&str, &str)]) -> Result<String, Error> {
        let claims = claims.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        let token = self.ci.token(claims.collect());
        token.map_err(|error| Error::Check(format!("the provider cannot sign: {error}")))
    }
}

/// The certificate of an authority as PEM, and a server with a certificate of it for `localhost`.
fn certificates() -> Result<(String, ServerConfig), Box<dyn std::error::Error>> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(["localhost".to_owned()])?.signed_by(&key, &root)?;
    let private = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions()?.with_no_client_auth();
    let pem = STANDARD.encode(root.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n");
    Ok((pem, config.with_single_cert(vec![leaf.der().clone()], private)?))
}
