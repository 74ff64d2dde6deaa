use std::fmt;

use crate::encoding::hex;

/// An elliptic curve for ECDSA that AWS KMS supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// secp256k1.
    Secp256k1,
}

impl Curve {
    pub(crate) const ALL: [Self; 4] = [Self::P256, Self::P384, Self::P521, Self::Secp256k1];

    /// The width in bytes of a coordinate, and of each of the two numbers of a signature.
    ///
    /// ```
    /// assert_eq!(countersign_jwt::Curve::P521.bytes(), 66);
    /// ```
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::P256 | Self::Secp256k1 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The name in the `crv` member of a JWK (RFC 7518 section 6.2.1.1, RFC 8812 section 3.1).
    ///
    /// ```
    /// assert_eq!(countersign_jwt::Curve::P256.name(), "P-256");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Secp256k1 => "secp256k1",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.name() == name)
    }

    /// The contents of the curve's object identifier (RFC 5480 section 2.1.1.1, SEC 2 appendix
    /// A.2).
    pub(crate) const fn oid(self) -> &'static [u8] {
        match self {
            Self::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Self::P384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
            Self::P521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
            Self::Secp256k1 => &[0x2b, 0x81, 0x04, 0x00, 0x0a],
        }
    }

    /// The order of the base point, big-endian (SEC 2 sections 2.4 to 2.6).
    pub(crate) const fn order(self) -> &'static [u8] {
        match self {
            Self::P256 => &P256_ORDER,
            Self::P384 => &P384_ORDER,
            Self::P521 => &P521_ORDER,
            Self::Secp256k1 => &SECP256K1_ORDER,
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const P256_ORDER: [u8; 32] = hex::decode(
    b"\
    ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
);
const P384_ORDER: [u8; 48] = hex::decode(
    b"\
    ffffffffffffffffffffffffffffffffffffffffffffffff\
    c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
);
const P521_ORDER: [u8; 66] = hex::decode(
    b"\
    01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa\
    51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
);
const SECP256K1_ORDER: [u8; 32] = hex::decode(
    b"\
    fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_have_the_values_of_the_standards() {
        let rows = [
            (Curve::P256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
            (
                Curve::P384,
                "ffffffffffffffffffffffffffffffffffffffffffffffff\
                 c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
            ),
            (
                Curve::P521,
                "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa\
                 51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
            ),
            (Curve::Secp256k1, "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"),
        ];
        for (curve, expected) in rows {
            let digits: Vec<_> = curve.order().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digits.concat(), expected, "{curve:?}");
        }
    }
}
