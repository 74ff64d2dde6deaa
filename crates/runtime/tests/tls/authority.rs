//! A certificate authority and the certificates of its servers.

use std::{
    fs,
    sync::{Arc, LazyLock},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_RSA_SHA256,
    PKCS_RSA_SHA384, RsaKeySize, SignatureAlgorithm,
};
use rustls::{
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SigningKey},
};

/// A root and an intermediate certificate authority with keys of one algorithm.
pub(crate) struct Authority {
    pub(crate) algorithm: &'static SignatureAlgorithm,
    intermediate: CertifiedIssuer<'static, KeyPair>,
    /// The path of a file with the root certificate.
    pub(crate) bundle: String,
}

/// A change of a certificate.
pub(crate) type Change = fn(&mut CertificateParams);

impl Authority {
    pub(crate) fn new(file: &str, algorithm: &'static SignatureAlgorithm, change: Change) -> Self {
        let issuer = |name: &str, length| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
            params
        };
        let root = CertifiedIssuer::self_signed(issuer("Root", 1), key(algorithm)).unwrap();
        let mut params = issuer("M01", 0);
        change(&mut params);
        let intermediate = CertifiedIssuer::signed_by(params, key(algorithm), &root).unwrap();
        let bundle = format!("{}/{file}.pem", env!("CARGO_TARGET_TMPDIR"));
        let text = STANDARD.encode(root.der());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        fs::write(&bundle, pem).unwrap();
        Self { algorithm, intermediate, bundle }
    }

    /// A certificate chain and key for `localhost`. `change` changes the certificate.
    pub(crate) fn leaf(&self, change: Change) -> CertifiedKey {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = key(self.algorithm);
        let leaf = params.signed_by(&key, &self.intermediate).unwrap();
        let chain = vec![leaf.der().clone(), self.intermediate.der().clone()];
        CertifiedKey::new(chain, signing(&key))
    }
}

pub(crate) fn unchanged(_: &mut CertificateParams) {}

/// A new key. All RSA certificates share one key, because it takes long to generate.
pub(crate) fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    static RSA: LazyLock<KeyPair> =
        LazyLock::new(|| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap());
    if [&PKCS_RSA_SHA256, &PKCS_RSA_SHA384].contains(&algorithm) {
        let der = PrivatePkcs8KeyDer::from(RSA.serialized_der());
        return KeyPair::from_pkcs8_der_and_sign_algo(&der, algorithm).unwrap();
    }
    KeyPair::generate_for(algorithm).unwrap()
}

pub(crate) fn signing(key: &KeyPair) -> Arc<dyn SigningKey> {
    any_supported_type(&PrivateKeyDer::try_from(key.serialize_der()).unwrap()).unwrap()
}
