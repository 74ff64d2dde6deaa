//! Whose certificates KMS may show.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms,
        aws_lc_rs::{
            cipher_suite::{
                TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                TLS13_AES_128_GCM_SHA256,
            },
            kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768},
        },
    },
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    sign::SigningKey,
};
use webpki::aws_lc_rs as known;

/// Where the roots come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Amazon's own, which sign for every public endpoint; for any other certificate, what the
    /// system trusts. Reading that takes longer than the rest of a start, so it is read when it is
    /// needed: for a partition or a network with an authority of its own.
    Amazon,
    /// What the system trusts, or what `SSL_CERT_FILE` and `SSL_CERT_DIR` put in its place.
    System,
    /// Those in this file alone.
    File(String),
}

/// A client's side of TLS that trusts these roots.
pub(crate) fn client(roots: &Roots) -> Result<ClientConfig, String> {
    let provider = Arc::new(provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = match roots {
        Roots::Amazon => {
            let verifier = AmazonFirst::new(provider).map_err(|error| error.to_string())?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        Roots::System => builder.with_root_certificates(system()),
        Roots::File(path) => builder.with_root_certificates(file(path)?),
    }
    .with_no_client_auth();
    // One server, and a few connections to it.
    config.resumption = Resumption::in_memory_sessions(4);
    Ok(config)
}

/// What is spoken: no more than KMS needs, as all of it has to be loaded.
fn provider() -> CryptoProvider {
    CryptoProvider {
        // Of TLS 1.3 the suite that everybody has (RFC 8446, section 9.1): a CPU has instructions for
        // SHA-256. With SHA-384, which some servers would rather have, the first call takes a tenth
        // longer.
        cipher_suites: vec![
            TLS13_AES_128_GCM_SHA256,
            TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ],
        kx_groups: vec![X25519, SECP256R1, SECP384R1, X25519MLKEM768],
        signature_verification_algorithms: SIGNATURES,
        secure_random: &AwsLc,
        key_provider: &AwsLc,
    }
}

#[derive(Debug)]
struct AwsLc;

impl SecureRandom for AwsLc {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        aws_lc_rs::rand::fill(bytes).map_err(|_| GetRandomFailed)
    }
}

/// A client without a certificate of its own has no key to load.
impl KeyProvider for AwsLc {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("no keys are loaded".to_owned()))
    }
}

fn file(path: &str) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        store.add(certificate).map_err(|error| error.to_string())?;
    }
    if store.is_empty() { Err("has no certificate".to_owned()) } else { Ok(store) }
}

/// What cannot be read or is no root is left out, as everywhere on a system.
fn system() -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store
}

fn amazon() -> RootCertStore {
    let names = [&b"Amazon Root CA"[..], b"Starfield Services Root"];
    let is_amazon = |subject: &[u8]| {
        names.iter().any(|name| subject.windows(name.len()).any(|part| part == *name))
    };
    let all = webpki_roots::TLS_SERVER_ROOTS.iter();
    RootCertStore { roots: all.filter(|root| is_amazon(&root.subject)).cloned().collect() }
}

/// Asks Amazon's roots, and the system's about a certificate that none of them has signed.
struct AmazonFirst {
    provider: Arc<CryptoProvider>,
    amazon: Arc<WebPkiServerVerifier>,
    system: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
}

impl AmazonFirst {
    fn new(provider: Arc<CryptoProvider>) -> Result<Self, impl std::error::Error> {
        let roots = Arc::new(amazon());
        WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map(|amazon| Self { provider, amazon, system: OnceLock::new() })
    }

    fn system(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        let load = || {
            let (roots, provider) = (Arc::new(system()), Arc::clone(&self.provider));
            WebPkiServerVerifier::builder_with_provider(roots, provider).build().ok()
        };
        self.system.get_or_init(load).as_ref()
    }
}

impl ServerCertVerifier for AmazonFirst {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        match self.amazon.verify_server_cert(leaf, chain, name, ocsp, now) {
            Err(error) if error == unknown => match self.system() {
                Some(system) => system.verify_server_cert(leaf, chain, name, ocsp, now),
                None => Err(unknown),
            },
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.amazon.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.amazon.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.amazon.supported_verify_schemes()
    }
}

impl fmt::Debug for AmazonFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmazonFirst").finish_non_exhaustive()
    }
}

/// By which certificates are signed, in public and in authorities of one's own.
const SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        known::RSA_PKCS1_2048_8192_SHA256,
        known::RSA_PKCS1_2048_8192_SHA384,
        known::RSA_PKCS1_2048_8192_SHA512,
        known::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        known::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        known::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        known::ECDSA_P256_SHA256,
        known::ECDSA_P256_SHA384,
        known::ECDSA_P384_SHA256,
        known::ECDSA_P384_SHA384,
        known::ECDSA_P521_SHA512,
        known::ED25519,
    ],
    // With TLS 1.2, an ECDSA scheme says nothing of the curve.
    mapping: &[
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            &[known::ECDSA_P256_SHA256, known::ECDSA_P384_SHA256],
        ),
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            &[known::ECDSA_P384_SHA384, known::ECDSA_P256_SHA384],
        ),
        (SignatureScheme::ECDSA_NISTP521_SHA512, &[known::ECDSA_P521_SHA512]),
        (SignatureScheme::ED25519, &[known::ED25519]),
        (SignatureScheme::RSA_PSS_SHA256, &[known::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[known::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA512, &[known::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[known::RSA_PKCS1_2048_8192_SHA256]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[known::RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[known::RSA_PKCS1_2048_8192_SHA512]),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazon_s_roots_are_all_there() {
        // https://www.amazontrust.com/repository/: four roots, and the one that signed them before.
        assert_eq!(amazon().roots.len(), 5);
    }

    #[test]
    fn what_is_no_bundle_is_refused() {
        for path in ["/nowhere", "/dev/null", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
            assert!(client(&Roots::File(path.to_owned())).is_err(), "{path}");
        }
    }
}
