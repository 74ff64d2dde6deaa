//! Who signs for servers, and what servers show.

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

/// Two issuers with keys of one kind: a root, and one between it and KMS.
pub(crate) struct Authority {
    pub(crate) kind: &'static SignatureAlgorithm,
    middle: CertifiedIssuer<'static, KeyPair>,
    /// A file with the root.
    pub(crate) bundle: String,
}

pub(crate) type Change = fn(&mut CertificateParams);

impl Authority {
    pub(crate) fn new(file: &str, kind: &'static SignatureAlgorithm, change: Change) -> Self {
        let issuer = |name: &str, length| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
            params
        };
        let root = CertifiedIssuer::self_signed(issuer("Root", 1), key(kind)).unwrap();
        let mut params = issuer("M01", 0);
        change(&mut params);
        let middle = CertifiedIssuer::signed_by(params, key(kind), &root).unwrap();
        let bundle = format!("{}/{file}.pem", env!("CARGO_TARGET_TMPDIR"));
        let text = STANDARD.encode(root.der());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        fs::write(&bundle, pem).unwrap();
        Self { kind, middle, bundle }
    }

    /// What a server shows that is KMS, but for this change.
    pub(crate) fn leaf(&self, change: Change) -> CertifiedKey {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = key(self.kind);
        let leaf = params.signed_by(&key, &self.middle).unwrap();
        let chain = vec![leaf.der().clone(), self.middle.der().clone()];
        CertifiedKey::new(chain, signing(&key))
    }
}

pub(crate) fn unchanged(_: &mut CertificateParams) {}

/// One key serves all that is RSA: it takes long to make.
pub(crate) fn key(kind: &'static SignatureAlgorithm) -> KeyPair {
    static RSA: LazyLock<KeyPair> =
        LazyLock::new(|| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap());
    if [&PKCS_RSA_SHA256, &PKCS_RSA_SHA384].contains(&kind) {
        let der = PrivatePkcs8KeyDer::from(RSA.serialized_der());
        return KeyPair::from_pkcs8_der_and_sign_algo(&der, kind).unwrap();
    }
    KeyPair::generate_for(kind).unwrap()
}

pub(crate) fn signing(key: &KeyPair) -> Arc<dyn SigningKey> {
    any_supported_type(&PrivateKeyDer::try_from(key.serialize_der()).unwrap()).unwrap()
}
