//! The two forms of an ECDSA signature: KMS speaks DER (RFC 3279), JOSE the two numbers side by
//! side at full width (RFC 7518 section 3.4).

use crate::{
    der::{self, Reader},
    hex::hex,
};

/// A curve with keys in KMS.
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
    /// The width of a coordinate, and of each number of a signature.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::P256 | Self::Secp256k1 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The signature in JOSE's form. `None` when it is not one in DER's only spelling.
    #[must_use]
    pub fn from_der(self, signature: &[u8]) -> Option<Vec<u8>> {
        let mut outer = Reader::new(signature);
        let mut numbers = outer.sequence()?;
        let (r, s) = (numbers.unsigned()?, numbers.unsigned()?);
        numbers.end()?;
        outer.end()?;
        let mut fixed = self.widen(r)?;
        fixed.extend(self.widen(s)?);
        self.numbers(&fixed)?;
        Some(fixed)
    }

    /// The signature in KMS's form. `None` when it is not two numbers that can be one.
    #[must_use]
    pub fn to_der(self, signature: &[u8]) -> Option<Vec<u8>> {
        let (r, s) = self.numbers(signature)?;
        let numbers = [der::write_unsigned(r), der::write_unsigned(s)].concat();
        Some(der::write(der::SEQUENCE, &numbers))
    }

    /// The two numbers, each of which must be at least 1 and less than the curve's order.
    fn numbers(self, signature: &[u8]) -> Option<(&[u8], &[u8])> {
        let (r, s) = signature.split_at_checked(self.bytes())?;
        let fits = |number: &[u8]| {
            number.len() == self.bytes()
                && number.iter().any(|byte| *byte != 0)
                // Of the same width, so the order of bytes is that of numbers.
                && number < self.order()
        };
        (fits(r) && fits(s)).then_some((r, s))
    }

    fn widen(self, number: &[u8]) -> Option<Vec<u8>> {
        let zeros = self.bytes().checked_sub(number.len())?;
        Some([&vec![0; zeros], number].concat())
    }

    /// The order of the base point (SEC 2).
    const fn order(self) -> &'static [u8] {
        match self {
            Self::P256 => &P256_ORDER,
            Self::P384 => &P384_ORDER,
            Self::P521 => &P521_ORDER,
            Self::Secp256k1 => &SECP256K1_ORDER,
        }
    }
}

const P256_ORDER: [u8; 32] = hex(b"\
    ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
const P384_ORDER: [u8; 48] = hex(b"\
    ffffffffffffffffffffffffffffffffffffffffffffffff\
    c7634d81f4372ddf581a0db248b0a77aecec196accc52973");
const P521_ORDER: [u8; 66] = hex(b"\
    01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa\
    51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409");
const SECP256K1_ORDER: [u8; 32] = hex(b"\
    fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");

#[cfg(test)]
mod tests {
    use super::*;

    const CURVES: [Curve; 4] = [Curve::P256, Curve::P384, Curve::P521, Curve::Secp256k1];

    fn minus_one(number: &[u8]) -> Vec<u8> {
        let mut number = number.to_vec();
        *number.last_mut().unwrap() -= 1;
        number
    }

    #[test]
    fn the_numbers_are_in_range() {
        for curve in CURVES {
            let width = curve.bytes();
            assert_eq!(curve.order().len(), width);
            let one = [vec![0; width - 1], vec![1]].concat();
            let most = minus_one(curve.order());
            let (zero, order) = (vec![0; width], curve.order().to_vec());
            let rows = [
                ("the smallest", one.clone(), one.clone(), true),
                ("the largest", most.clone(), most.clone(), true),
                ("r is zero", zero.clone(), one.clone(), false),
                ("s is zero", one.clone(), zero, false),
                ("r is the order", order.clone(), one.clone(), false),
                ("s is the order", one.clone(), order, false),
                ("r is past the order", vec![0xff; width], one.clone(), false),
                ("s is short", one.clone(), vec![1; width - 1], false),
                ("s is long", one, vec![1; width + 1], false),
            ];
            for (name, r, s, expected) in rows {
                let fixed = [r, s].concat();
                let der = curve.to_der(&fixed);
                assert_eq!(der.is_some(), expected, "{curve:?}: {name}");
                if let Some(der) = der {
                    assert_eq!(curve.from_der(&der), Some(fixed), "{curve:?}: {name}");
                }
            }
        }
    }

    #[test]
    fn orders() {
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

    #[test]
    fn only_the_canonical_form_is_read() {
        let integer = |contents: &[u8]| der::write(der::INTEGER, contents);
        let pair =
            |r: &[u8], s: &[u8]| der::write(der::SEQUENCE, &[integer(r), integer(s)].concat());
        let good = pair(&[1], &[2]);
        assert!(Curve::P256.from_der(&good).is_some());
        let rows = [
            ("empty", vec![]),
            ("more behind it", [&*good, &[0]].concat()),
            (
                "more in it",
                der::write(der::SEQUENCE, &[integer(&[1]), integer(&[2]), integer(&[3])].concat()),
            ),
            ("one number", der::write(der::SEQUENCE, &integer(&[1]))),
            ("zero", pair(&[0], &[2])),
            ("negative", pair(&[0x81], &[2])),
            ("a zero too many", pair(&[0, 1], &[2])),
            ("the order", pair(&[&[0], Curve::P256.order()].concat(), &[2])),
            ("wider than the curve", pair(&[1; 33], &[2])),
            ("JOSE's own form", vec![1; 64]),
        ];
        for (name, der) in rows {
            assert_eq!(Curve::P256.from_der(&der), None, "{name}");
        }
    }
}
