//! `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7), in DER and in PEM.

use super::{
    curve::Curve,
    error::KeyError,
    ml_dsa::MlDsa,
    public_key::{PublicKey, UNCOMPRESSED_POINT},
};
use crate::encoding::{
    der::{self, Reader},
    pem::{self, PemError},
};

impl PublicKey {
    /// Reads a DER-encoded `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7), such as KMS
    /// `GetPublicKey` returns.
    ///
    /// # Errors
    /// [`KeyError::SubjectPublicKeyInfo`] if the input is not canonical DER of this structure,
    /// [`KeyError::UnknownKeyType`] or [`KeyError::UnknownCurve`] if the key is of another kind,
    /// and the errors about values, such as [`KeyError::PointNotOnCurve`], if the key is not valid.
    pub fn from_spki(spki: &[u8]) -> Result<Self, KeyError> {
        let info = PublicKeyInfo::read(spki).ok_or(KeyError::SubjectPublicKeyInfo)?;
        info.to_key()?.checked()
    }

    /// Encodes the key as a `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn to_spki(&self) -> Vec<u8> {
        let oid = |oid: &[u8]| der::write(der::OBJECT_IDENTIFIER, oid);
        let algorithm = match self {
            Self::Rsa { .. } => [oid(RSA), der::write(der::NULL, &[])].concat(),
            Self::Ec { curve, .. } => [oid(EC), oid(curve.oid())].concat(),
            Self::Ed25519(_) => oid(ED25519),
            Self::MlDsa(set, _) => oid(set.oid()),
        };
        let algorithm = der::write(der::SEQUENCE, &algorithm);
        let key = der::write_bit_string(&self.subject_public_key());
        der::write(der::SEQUENCE, &[algorithm, key].concat())
    }

    /// Reads the PEM form of a `SubjectPublicKeyInfo` (RFC 7468 section 13).
    ///
    /// White space may surround the PEM. Other text may not.
    ///
    /// # Errors
    /// [`KeyError::Pem`] or [`KeyError::PemBase64`] if the text is not PEM of exactly one public
    /// key, and the errors of [`from_spki`](Self::from_spki).
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let der = pem::decode(pem).map_err(|error| match error {
            PemError::Boundaries => KeyError::Pem,
            PemError::Base64(error) => KeyError::PemBase64(error),
        })?;
        Self::from_spki(&der)
    }

    /// Reads the decoded content of a PEM block: a `SubjectPublicKeyInfo` or a certificate (RFC 7468 sections 5 and
    /// 13). `None`: the label is that of neither.
    ///
    /// # Errors
    /// The errors of [`from_spki`](Self::from_spki) or of [`from_certificate`](Self::from_certificate).
    ///
    /// ```
    /// use countersign_jwt::{KeyError, PublicKey};
    ///
    /// let malformed = PublicKey::from_pem_block("PUBLIC KEY", b"");
    /// assert_eq!(malformed, Some(Err(KeyError::SubjectPublicKeyInfo)));
    /// assert_eq!(PublicKey::from_pem_block("EC PARAMETERS", b""), None);
    /// ```
    #[must_use]
    pub fn from_pem_block(label: &str, der: &[u8]) -> Option<Result<Self, KeyError>> {
        match label {
            "PUBLIC KEY" => Some(Self::from_spki(der)),
            "CERTIFICATE" | "X509 CERTIFICATE" => Some(Self::from_certificate(der)),
            _ => None,
        }
    }

    /// The usual labels of PEM blocks that [`from_pem_block`](Self::from_pem_block) reads, for error messages.
    pub const PEM_LABELS: &str = "PUBLIC KEY or CERTIFICATE";

    /// Encodes the key as a `SubjectPublicKeyInfo` in PEM, with a line break at the end.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode(&self.to_spki())
    }
}

/// The parts of a `SubjectPublicKeyInfo`.
struct PublicKeyInfo<'a> {
    algorithm: &'a [u8],
    parameters: Reader<'a>,
    subject_public_key: &'a [u8],
}

impl<'a> PublicKeyInfo<'a> {
    fn read(spki: &'a [u8]) -> Option<Self> {
        let mut outer = Reader::new(spki);
        let mut info = outer.sequence()?;
        outer.end()?;
        let mut parameters = info.sequence()?;
        let subject_public_key = info.bit_string()?;
        info.end()?;
        let algorithm = parameters.read(der::OBJECT_IDENTIFIER)?;
        Some(Self { algorithm, parameters, subject_public_key })
    }

    fn to_key(&self) -> Result<PublicKey, KeyError> {
        if self.algorithm == RSA {
            return self.to_rsa().ok_or(KeyError::SubjectPublicKeyInfo);
        }
        if self.algorithm == EC {
            return self.to_ec();
        }
        let key = self.subject_public_key.to_vec();
        let key = if self.algorithm == ED25519 {
            PublicKey::Ed25519(key)
        } else {
            let set = MlDsa::ALL.into_iter().find(|set| set.oid() == self.algorithm);
            PublicKey::MlDsa(set.ok_or(KeyError::UnknownKeyType)?, key)
        };
        // RFC 8410 section 3 and RFC 9881 section 2: no parameters.
        self.parameters.end().ok_or(KeyError::SubjectPublicKeyInfo)?;
        Ok(key)
    }

    /// RFC 3279 section 2.3.1: the parameters are NULL.
    fn to_rsa(&self) -> Option<PublicKey> {
        let mut parameters = self.parameters;
        parameters.read(der::NULL).filter(|null| null.is_empty())?;
        parameters.end()?;
        let mut outer = Reader::new(self.subject_public_key);
        let mut numbers = outer.sequence()?;
        outer.end()?;
        let (n, e) = (numbers.unsigned()?.to_vec(), numbers.unsigned()?.to_vec());
        numbers.end()?;
        Some(PublicKey::Rsa { n, e })
    }

    /// RFC 5480 section 2: the parameters name the curve.
    fn to_ec(&self) -> Result<PublicKey, KeyError> {
        let mut parameters = self.parameters;
        let oid = parameters.read(der::OBJECT_IDENTIFIER).filter(|_| parameters.end().is_some());
        let oid = oid.ok_or(KeyError::SubjectPublicKeyInfo)?;
        let curve = Curve::ALL.into_iter().find(|curve| curve.oid() == oid);
        let curve = curve.ok_or(KeyError::UnknownCurve)?;
        let [UNCOMPRESSED_POINT, point @ ..] = self.subject_public_key else {
            return Err(KeyError::PointForm);
        };
        let (x, y) = point.split_at_checked(curve.bytes()).unwrap_or((point, &[]));
        Ok(PublicKey::Ec { curve, x: x.to_vec(), y: y.to_vec() })
    }
}

/// `rsaEncryption` (RFC 3279 section 2.3.1).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// `id-ecPublicKey` (RFC 5480 section 2.1.1).
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// `id-Ed25519` (RFC 8410 section 3).
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Algorithm,
        encoding::{Base64Error, hex},
    };

    /// RFC 8037 appendix A.2.
    const ED25519_KEY: [u8; 32] =
        hex::decode(b"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
        -----END PUBLIC KEY-----\n";

    fn sequence(parts: &[&[u8]]) -> Vec<u8> {
        der::write(der::SEQUENCE, &parts.concat())
    }

    fn oid(oid: &[u8]) -> Vec<u8> {
        der::write(der::OBJECT_IDENTIFIER, oid)
    }

    fn null() -> Vec<u8> {
        der::write(der::NULL, &[])
    }

    /// A `SubjectPublicKeyInfo` whose algorithm has these parts.
    fn info(algorithm: &[&[u8]], key: &[u8]) -> Vec<u8> {
        sequence(&[&sequence(algorithm), &der::write_bit_string(key)])
    }

    fn rsa(n: &[u8], e: &[u8]) -> Vec<u8> {
        sequence(&[&der::write_unsigned(n), &der::write_unsigned(e)])
    }

    fn modulus(first: u8) -> Vec<u8> {
        [&[first][..], &[0xff; 255]].concat()
    }

    #[test]
    fn valid_key_is_read_and_written() {
        let n = modulus(0x80);
        let spki = info(&[&oid(RSA), &null()], &rsa(&n, &[3]));
        let key = PublicKey::Rsa { n, e: vec![3] };
        assert_eq!(key.to_spki(), spki);
        assert_eq!(PublicKey::from_spki(&spki), Ok(key));
        let spki = info(&[&oid(ED25519)], &ED25519_KEY);
        let key = PublicKey::Ed25519(ED25519_KEY.to_vec());
        assert_eq!(key.to_spki(), spki);
        assert_eq!(PublicKey::from_spki(&spki), Ok(key));
    }

    #[test]
    fn malformed_structure_is_refused() {
        let key = rsa(&modulus(0x80), &[3]);
        let valid = info(&[&oid(RSA), &null()], &key);
        let bits = der::write_bit_string(&key);
        let algorithm = sequence(&[&oid(RSA), &null()]);
        let number = |n: u8| der::write_unsigned(&[n]);
        let three = sequence(&[&der::write_unsigned(&modulus(0x80)), &number(3), &number(3)]);
        let point = [&[UNCOMPRESSED_POINT][..], &[1; 64]].concat();
        let rows = [
            ("empty input", vec![]),
            ("data after the structure", [&*valid, &[0]].concat()),
            ("data after the bit string", sequence(&[&algorithm, &bits, &null()])),
            ("RSA without parameters", info(&[&oid(RSA)], &key)),
            ("RSA with an identifier as parameters", info(&[&oid(RSA), &oid(RSA)], &key)),
            (
                "RSA with a NULL that has contents",
                info(&[&oid(RSA), &der::write(der::NULL, &[0])], &key),
            ),
            ("RSA with two NULLs", info(&[&oid(RSA), &null(), &null()], &key)),
            ("data after the RSA numbers", info(&[&oid(RSA), &null()], &[&*key, &[0]].concat())),
            ("third RSA number", info(&[&oid(RSA), &null()], &three)),
            ("Ed25519 with parameters", info(&[&oid(ED25519), &null()], &ED25519_KEY)),
            ("EC without a curve", info(&[&oid(EC)], &point)),
            (
                "EC with data after the curve",
                info(&[&oid(EC), &oid(Curve::P256.oid()), &null()], &point),
            ),
        ];
        for (name, spki) in rows {
            let expected = KeyError::SubjectPublicKeyInfo;
            assert_eq!(PublicKey::from_spki(&spki), Err(expected), "{name}");
        }
    }

    #[test]
    fn unknown_or_invalid_key_is_refused() {
        let rsa_key = |n: &[u8], e: &[u8]| info(&[&oid(RSA), &null()], &rsa(n, e));
        let p256 = |point: &[u8]| info(&[&oid(EC), &oid(Curve::P256.oid())], point);
        let length =
            |algorithm, expected, bytes| KeyError::KeyLength { algorithm, expected, bytes };
        let coordinate = |coordinate, bytes| {
            let curve = Curve::P256;
            KeyError::CoordinateLength { curve, coordinate, bytes }
        };
        let rows = [
            (
                "RSA of 2047 bits",
                rsa_key(&modulus(0x7f), &[3]),
                KeyError::ModulusTooShort { bits: 2047 },
            ),
            ("even RSA exponent", rsa_key(&modulus(0x80), &[4]), KeyError::EvenExponent),
            ("unknown algorithm", info(&[&oid(&[1, 2])], &ED25519_KEY), KeyError::UnknownKeyType),
            (
                "Ed25519 of 31 bytes",
                info(&[&oid(ED25519)], &[1; 31]),
                length(Algorithm::Ed25519, 32, 31),
            ),
            (
                "ML-DSA-44 of 1311 bytes",
                info(&[&oid(MlDsa::MlDsa44.oid())], &[1; 1311]),
                length(Algorithm::MlDsa44, 1312, 1311),
            ),
            ("compressed point", p256(&[&[2][..], &[1; 32]].concat()), KeyError::PointForm),
            ("point without coordinates", p256(&[4]), coordinate("x", 0)),
            ("point that is too long", p256(&[&[4][..], &[1; 66]].concat()), coordinate("y", 34)),
            (
                "point that is not on the curve",
                p256(&[&[4][..], &[1; 64]].concat()),
                KeyError::PointNotOnCurve { curve: Curve::P256 },
            ),
            (
                "unknown curve",
                info(&[&oid(EC), &oid(RSA)], &[&[4][..], &[1; 64]].concat()),
                KeyError::UnknownCurve,
            ),
        ];
        for (name, spki, expected) in rows {
            assert_eq!(PublicKey::from_spki(&spki), Err(expected), "{name}");
        }
    }

    #[test]
    fn pem_that_is_not_exactly_one_key_is_refused() {
        let key = PublicKey::from_pem(PEM).unwrap();
        assert_eq!(key.to_pem(), PEM);
        assert_eq!(PublicKey::from_pem(&format!("\r\n{}", PEM.replace('\n', "\r\n"))), Ok(key));
        let base64 = KeyError::PemBase64;
        let rows = [
            ("empty text", String::new(), KeyError::Pem),
            ("other label", PEM.replace("PUBLIC", "PRIVATE"), KeyError::Pem),
            ("no first boundary", PEM.replace("BEGIN", "START"), KeyError::Pem),
            ("no last boundary", PEM.replace("END", "STOP"), KeyError::Pem),
            ("text before the key", format!("key:\n{PEM}"), KeyError::Pem),
            ("two keys", format!("{PEM}{PEM}"), base64(Base64Error::Character { offset: 59 })),
            ("base64url", PEM.replace('/', "_"), base64(Base64Error::Character { offset: 29 })),
            ("no padding", PEM.replace('=', ""), base64(Base64Error::Padding)),
            ("malformed DER", PEM.replace("MCow", "MCox"), KeyError::SubjectPublicKeyInfo),
        ];
        for (name, pem, expected) in rows {
            assert_eq!(PublicKey::from_pem(&pem), Err(expected), "{name}");
        }
    }
}
