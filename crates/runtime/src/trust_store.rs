use std::fs;

use aws_smithy_http_client::tls::TrustStore;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// The certificate authorities that may vouch for KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// The five roots of Amazon Trust Services, which sign for the public endpoints of AWS. They are
    /// compiled in: reading the roots of the system is a large part of a cold start.
    Amazon,
    /// The roots of the system, or what `SSL_CERT_FILE` and `SSL_CERT_DIR` put in their place.
    System,
    /// The certificates in this PEM file alone.
    File(String),
}

impl Roots {
    /// The roots for the endpoint that AWS has in a Region. China, the European Sovereign Cloud and
    /// the isolated partitions may have other authorities.
    pub(crate) fn of_region(region: &str) -> Self {
        let has_own_authority =
            region.starts_with("cn-") || region.starts_with("eusc-") || region.contains("-iso");
        if has_own_authority { Self::System } else { Self::Amazon }
    }

    /// # Errors
    /// When the file cannot be read, has no certificate, or has one that is not valid: the HTTP
    /// client would panic or trust nothing.
    pub(crate) fn load(&self) -> Result<TrustStore, String> {
        match self {
            Self::Amazon => Ok(TrustStore::empty().with_pem_certificate(AMAZON)),
            Self::System => Ok(TrustStore::default()),
            Self::File(path) => {
                let pem = fs::read(path).map_err(|error| error.to_string())?;
                parse(&pem)?;
                Ok(TrustStore::empty().with_pem_certificate(pem))
            }
        }
    }
}

fn parse(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        store.add(certificate).map_err(|error| error.to_string())?;
    }
    if store.is_empty() { Err("has no certificate".to_owned()) } else { Ok(store) }
}

/// <https://www.amazontrust.com/repository/>: Amazon Root CA 1 to 4 and Starfield Services Root
/// Certificate Authority - G2.
const AMAZON: &[u8] = include_bytes!("roots/amazon.pem");

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, env, process};

    use super::*;

    /// The public keys of trust anchors, which identify them.
    fn keys(store: &RootCertStore) -> BTreeSet<Vec<u8>> {
        store.roots.iter().map(|root| root.subject_public_key_info.to_vec()).collect()
    }

    #[test]
    fn amazon_roots_are_those_that_mozilla_trusts() {
        let names = [&b"Amazon Root CA"[..], b"Starfield Services Root"];
        let is_amazon = |subject: &[u8]| {
            names.iter().any(|name| subject.windows(name.len()).any(|part| part == *name))
        };
        let all = webpki_roots::TLS_SERVER_ROOTS.iter();
        let roots = all.filter(|root| is_amazon(&root.subject)).cloned().collect();
        let expected = keys(&RootCertStore { roots });
        assert_eq!(expected.len(), 5);
        assert_eq!(keys(&parse(AMAZON).unwrap()), expected);
    }

    #[test]
    fn regions_with_an_authority_of_their_own_use_the_system_roots() {
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
            assert_eq!(Roots::of_region(region), expected, "{region}");
        }
    }

    #[test]
    fn file_that_is_not_a_bundle_is_refused() {
        let broken = env::temp_dir().join(format!("countersign-{}.pem", process::id()));
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        fs::write(&broken, pem).unwrap();
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for path in ["/nowhere", "/dev/null", manifest, broken.to_str().unwrap()] {
            assert!(Roots::File(path.to_owned()).load().is_err(), "{path}");
        }
        fs::remove_file(broken).unwrap();
    }
}
