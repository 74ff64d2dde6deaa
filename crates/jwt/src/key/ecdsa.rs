//! The two forms of an ECDSA signature. KMS uses DER (RFC 3279 section 2.2.3). JOSE uses the two
//! numbers `r` and `s`, one after the other at the full width of the curve (RFC 7518 section 3.4).

use super::curve::Curve;
use crate::encoding::der::{self, Reader};

impl Curve {
    /// Converts a signature from DER to the JOSE form, which has twice [`bytes`](Self::bytes)
    /// bytes.
    ///
    /// Returns `None` if the signature is not canonical DER, or if a number is zero or not less
    /// than the order of the curve.
    ///
    /// ```
    /// use countersign_jwt::Curve;
    ///
    /// let der = [0x30, 6, 0x02, 1, 7, 0x02, 1, 9];
    /// let jose = Curve::P256.from_der(&der).ok_or("not a signature")?;
    /// assert_eq!((jose.len(), jose[31], jose[63]), (64, 7, 9));
    /// assert_eq!(Curve::P256.to_der(&jose).as_deref(), Some(&der[..]));
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn from_der(self, signature: &[u8]) -> Option<Vec<u8>> {
        let mut outer = Reader::new(signature);
        let mut numbers = outer.sequence()?;
        let (r, s) = (numbers.unsigned()?, numbers.unsigned()?);
        numbers.end()?;
        outer.end()?;
        let mut fixed = self.widen(r)?;
        fixed.extend(self.widen(s)?);
        self.split(&fixed)?;
        Some(fixed)
    }

    /// Converts a signature from the JOSE form to DER.
    ///
    /// Returns `None` if the signature has another length than twice [`bytes`](Self::bytes), or if
    /// a number is zero or not less than the order of the curve.
    #[must_use]
    pub fn to_der(self, signature: &[u8]) -> Option<Vec<u8>> {
        let (r, s) = self.split(signature)?;
        let numbers = [der::write_unsigned(r), der::write_unsigned(s)].concat();
        Some(der::write(der::SEQUENCE, &numbers))
    }

    /// Splits the JOSE form into `r` and `s`. Each must be at least 1 and less than the order (FIPS
    /// 186-5 section 6.4.2).
    fn split(self, signature: &[u8]) -> Option<(&[u8], &[u8])> {
        let (r, s) = signature.split_at_checked(self.bytes())?;
        let is_in_range = |number: &[u8]| {
            number.len() == self.bytes()
                && number.iter().any(|byte| *byte != 0)
                // Both have the same width, so comparing bytes compares numbers.
                && number < self.order()
        };
        (is_in_range(r) && is_in_range(s)).then_some((r, s))
    }

    /// Adds leading zeros up to the width of the curve.
    fn widen(self, number: &[u8]) -> Option<Vec<u8>> {
        let zeros = self.bytes().checked_sub(number.len())?;
        Some([&vec![0; zeros], number].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minus_one(number: &[u8]) -> Vec<u8> {
        let mut number = number.to_vec();
        *number.last_mut().unwrap() -= 1;
        number
    }

    #[test]
    fn number_out_of_range_is_refused() {
        for curve in Curve::ALL {
            let width = curve.bytes();
            assert_eq!(curve.order().len(), width);
            let one = [vec![0; width - 1], vec![1]].concat();
            let most = minus_one(curve.order());
            let (zero, order) = (vec![0; width], curve.order().to_vec());
            let rows = [
                ("smallest numbers", one.clone(), one.clone(), true),
                ("largest numbers", most.clone(), most.clone(), true),
                ("r is zero", zero.clone(), one.clone(), false),
                ("s is zero", one.clone(), zero, false),
                ("r is the order", order.clone(), one.clone(), false),
                ("s is the order", one.clone(), order, false),
                ("r is greater than the order", vec![0xff; width], one.clone(), false),
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
    fn der_that_is_not_canonical_is_refused() {
        let integer = |contents: &[u8]| der::write(der::INTEGER, contents);
        let pair =
            |r: &[u8], s: &[u8]| der::write(der::SEQUENCE, &[integer(r), integer(s)].concat());
        let good = pair(&[1], &[2]);
        assert!(Curve::P256.from_der(&good).is_some());
        let rows = [
            ("empty input", vec![]),
            ("data after the sequence", [&*good, &[0]].concat()),
            (
                "third number",
                der::write(der::SEQUENCE, &[integer(&[1]), integer(&[2]), integer(&[3])].concat()),
            ),
            ("only one number", der::write(der::SEQUENCE, &integer(&[1]))),
            ("r is zero", pair(&[0], &[2])),
            ("r is negative", pair(&[0x81], &[2])),
            ("superfluous zero byte", pair(&[0, 1], &[2])),
            ("r is the order", pair(&[&[0], Curve::P256.order()].concat(), &[2])),
            ("r is wider than the curve", pair(&[1; 33], &[2])),
            ("JOSE form", vec![1; 64]),
        ];
        for (name, der) in rows {
            assert_eq!(Curve::P256.from_der(&der), None, "{name}");
        }
    }
}
