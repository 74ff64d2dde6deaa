//! The certificate authorities for KMS.

use std::fs;

use aws_smithy_http_client::tls::TrustStore;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// The root certificates to trust for KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// The five roots of Amazon Trust Services, which issues the certificates of public AWS endpoints. They are compiled
    /// in, because reading the system's roots takes a large part of a cold start.
    Amazon,
    /// The roots of the system, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    System,
    /// Only the certificates in this PEM file.
    File(String),
    /// The roots of the system, and those in this PEM file.
    SystemAndFile(String),
}

impl Roots {
    /// The roots for the AWS endpoint of a Region. China, the European Sovereign Cloud and the isolated partitions may
    /// have other certificate authorities.
    pub(crate) fn for_region(region: &str) -> Self {
        let may_have_other_authority =
            region.starts_with("cn-") || region.starts_with("eusc-") || region.contains("-iso");
        if may_have_other_authority { Self::System } else { Self::Amazon }
    }

    /// Loads the roots for the HTTP client.
    ///
    /// # Errors
    /// If the file cannot be read, has no certificate, or has an invalid one. With such a file, the HTTP client would
    /// panic or trust no certificate.
    pub(crate) fn load(&self) -> Result<TrustStore, String> {
        match self {
            Self::Amazon => Ok(TrustStore::empty().with_pem_certificate(AMAZON)),
            Self::System => Ok(TrustStore::default()),
            Self::File(path) => Ok(TrustStore::empty().with_pem_certificate(read(path)?)),
            Self::SystemAndFile(path) => {
                Ok(TrustStore::default().with_pem_certificate(read(path)?))
            }
        }
    }
}

/// Reads a PEM file in which every certificate is valid.
fn read(path: &str) -> Result<Vec<u8>, String> {
    let pem = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    parse(&pem)?;
    Ok(pem)
}

/// Loads the certificates of a PEM file, as the only ones to trust.
///
/// # Errors
/// If the file cannot be read, has no certificate, or has an invalid one.
pub fn trust_store_from_file(path: &str) -> Result<TrustStore, String> {
    Roots::File(path.to_owned()).load()
}

fn parse(pem: &[u8]) -> Result<RootCertStore, String> {
    let invalid = |error| format!("has an invalid certificate: {error}");
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(invalid)?;
        store.add(certificate).map_err(|error| format!("has an invalid certificate: {error}"))?;
    }
    if store.is_empty() {
        Err("must name a file with a PEM certificate".to_owned())
    } else {
        Ok(store)
    }
}

/// <https://www.amazontrust.com/repository/>: Amazon Root CA 1 to 4 and Starfield Services Root
/// Certificate Authority - G2.
const AMAZON: &[u8] = include_bytes!("roots/amazon.pem");

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, env, process};

    use super::*;

    /// The public keys of the roots, which identify them.
    fn public_keys(store: &RootCertStore) -> BTreeSet<Vec<u8>> {
        store.roots.iter().map(|root| root.subject_public_key_info.to_vec()).collect()
    }

    #[test]
    fn amazon_roots_are_those_in_mozilla_s_root_store() {
        let names = [&b"Amazon Root CA"[..], b"Starfield Services Root"];
        let is_amazon = |subject: &[u8]| {
            names.iter().any(|name| subject.windows(name.len()).any(|part| part == *name))
        };
        let all = webpki_roots::TLS_SERVER_ROOTS.iter();
        let roots = all.filter(|root| is_amazon(&root.subject)).cloned().collect();
        let expected = public_keys(&RootCertStore { roots });
        assert_eq!(expected.len(), 5);
        assert_eq!(public_keys(&parse(AMAZON).unwrap()), expected);
    }

    #[test]
    fn regions_that_may_have_other_authorities_use_the_system_roots() {
        let rows = [
            ("us-east-1", Roots::Amazon),
            ("eu-central-2", Roots::Amazon),
            ("us-gov-west-1", Roots::Amazon),
            ("cn-north-1", Roots::System),
            ("eusc-de-east-1", Roots::System),
            ("us-iso-east-1", Roots::System),
            ("us-isob-east-1", Roots::System),
            ("eu-isoe-west-1", Roots::System),
        ];
        for (region, expected) in rows {
            assert_eq!(Roots::for_region(region), expected, "{region}");
        }
    }

    #[test]
    fn file_without_a_valid_certificate_is_an_error() {
        let invalid = env::temp_dir().join(format!("countersign-{}.pem", process::id()));
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        fs::write(&invalid, pem).unwrap();
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for path in ["/nowhere", "/dev/null", manifest, invalid.to_str().unwrap()] {
            assert!(Roots::File(path.to_owned()).load().is_err(), "{path}");
        }
        fs::remove_file(invalid).unwrap();
    }
}
