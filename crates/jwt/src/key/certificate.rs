//! The public key of an X.509 certificate (RFC 5280 section 4.1).

use super::{error::KeyError, public_key::PublicKey};
use crate::encoding::der::{self, Reader};

impl PublicKey {
    /// Reads the public key of a DER-encoded X.509 certificate.
    ///
    /// Nothing else of the certificate is checked: neither its signature nor its dates. Use it only for
    /// certificates that you trust already.
    ///
    /// # Errors
    /// [`KeyError::Certificate`] if the input is not a certificate, and the errors of
    /// [`from_spki`](Self::from_spki).
    pub fn from_certificate(certificate: &[u8]) -> Result<Self, KeyError> {
        let info = subject_public_key_info(certificate).ok_or(KeyError::Certificate)?;
        Self::from_spki(&der::write(der::SEQUENCE, info))
    }
}

/// The contents of `subjectPublicKeyInfo`.
fn subject_public_key_info(certificate: &[u8]) -> Option<&[u8]> {
    let mut outer = Reader::new(certificate);
    let mut certificate = outer.sequence()?;
    outer.end()?;
    let mut fields = certificate.sequence()?;
    // `signatureAlgorithm` and `signatureValue`.
    certificate.read(der::SEQUENCE)?;
    certificate.bit_string()?;
    certificate.end()?;
    let mut with_version = fields;
    if with_version.read(VERSION).is_some() {
        fields = with_version;
    }
    // `serialNumber`, which may be longer or negative in certificates of old authorities.
    fields.read(der::INTEGER)?;
    for _field in ["signature", "issuer", "validity", "subject"] {
        fields.read(der::SEQUENCE)?;
    }
    fields.read(der::SEQUENCE)
}

/// `[0] EXPLICIT`.
const VERSION: u8 = 0xa0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_of_a_certificate_is_read() {
        // RFC 8037 appendix A.2.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key = PublicKey::Ed25519(crate::encoding::base64url::decode(x).unwrap());
        let sequence = |parts: &[Vec<u8>]| der::write(der::SEQUENCE, &parts.concat());
        let fields = |version: Option<Vec<u8>>| {
            let mut parts = vec![der::write_unsigned(&[7])];
            parts.extend([sequence(&[]), sequence(&[]), sequence(&[]), sequence(&[])]);
            parts.push(key.to_spki());
            parts.push(der::write(0xa3, &[]));
            sequence(&version.into_iter().chain(parts).collect::<Vec<_>>())
        };
        let signed = |fields| sequence(&[fields, sequence(&[]), der::write_bit_string(&[1])]);
        let version = der::write(VERSION, &der::write_unsigned(&[2]));
        let valid = signed(fields(Some(version.clone())));
        assert_eq!(PublicKey::from_certificate(&valid), Ok(key.clone()), "version 3");
        assert_eq!(
            PublicKey::from_certificate(&signed(fields(None))),
            Ok(key.clone()),
            "version 1"
        );
        let rows = [
            ("empty", vec![]),
            ("a public key", key.to_spki()),
            ("text after the certificate", [&valid[..], &[0]].concat()),
            ("no signature", sequence(&[fields(None)])),
            ("truncated", valid[..valid.len() - 1].to_vec()),
            ("no fields", signed(sequence(&[]))),
        ];
        for (name, der) in rows {
            assert_eq!(PublicKey::from_certificate(&der), Err(KeyError::Certificate), "{name}");
        }
    }
}
