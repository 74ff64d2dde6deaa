//! The part of DER (ITU-T X.690) that signatures and public keys use. Each value has exactly one
//! encoding, and readers return `None` for any other.

/// The rest of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Reads a value with this tag, and returns its contents. The length must have its shortest
    /// form.
    pub(crate) fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[found, first], rest) = self.0.split_first_chunk()?;
        if found != tag {
            return None;
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => {
                let (&[length], rest) = rest.split_first_chunk()?;
                (usize::from(length), rest)
            }
            0x82 => {
                let (&length, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(length)), rest)
            }
            _ => return None,
        };
        let is_shortest = match first {
            0x81 => length >= 0x80,
            0x82 => length > 0xff,
            _ => true,
        };
        let (value, rest) = rest.split_at_checked(length).filter(|_| is_shortest)?;
        self.0 = rest;
        Some(value)
    }

    /// Reads a SEQUENCE, and returns a reader of its contents.
    pub(crate) fn sequence(&mut self) -> Option<Self> {
        self.read(SEQUENCE).map(Self)
    }

    /// Reads a positive INTEGER in its shortest form, and returns its big-endian magnitude.
    pub(crate) fn unsigned(&mut self) -> Option<&'a [u8]> {
        match self.read(INTEGER)? {
            [0, magnitude @ ..] if magnitude.first().is_some_and(|byte| *byte >= 0x80) => {
                Some(magnitude)
            }
            [] | [0 | 0x80..=0xff, ..] => None,
            magnitude => Some(magnitude),
        }
    }

    /// Reads a BIT STRING without unused bits.
    pub(crate) fn bit_string(&mut self) -> Option<&'a [u8]> {
        match self.read(BIT_STRING)? {
            [0, bits @ ..] => Some(bits),
            _ => None,
        }
    }

    /// Returns `None` if a part of the input was not read.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Encodes a value of at most 65 535 bytes with its tag and length.
pub(crate) fn write(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    let [.., high, low] = contents.len().to_be_bytes();
    match (high, low) {
        (0, 0..=0x7f) => der.push(low),
        (0, _) => der.extend([0x81, low]),
        _ => der.extend([0x82, high, low]),
    }
    der.extend(contents);
    der
}

/// Encodes a positive INTEGER. Leading zeros of the big-endian magnitude are ignored.
pub(crate) fn write_unsigned(magnitude: &[u8]) -> Vec<u8> {
    let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
    let magnitude = magnitude.get(zeros..).unwrap_or_default();
    match magnitude {
        [] | [0x80..=0xff, ..] => write(INTEGER, &[&[0], magnitude].concat()),
        _ => write(INTEGER, magnitude),
    }
}

/// Encodes a BIT STRING without unused bits.
pub(crate) fn write_bit_string(bits: &[u8]) -> Vec<u8> {
    write(BIT_STRING, &[&[0], bits].concat())
}

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_not_in_shortest_form_is_refused() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff] {
            let contents = vec![7; length];
            let der = write(SEQUENCE, &contents);
            let mut reader = Reader::new(&der);
            assert_eq!(reader.read(SEQUENCE), Some(&*contents), "{length}");
            assert_eq!(reader.end(), Some(()), "{length}");
        }
        let rows: [(&str, &[u8]); 9] = [
            ("empty input", &[]),
            ("missing length", &[SEQUENCE]),
            ("other tag", &[INTEGER, 0]),
            ("truncated contents", &[SEQUENCE, 2, 1]),
            ("long form for a length below 128", &[SEQUENCE, 0x81, 1, 1]),
            ("two length bytes for 128", &[&[SEQUENCE, 0x82, 0, 0x80][..], &[0; 0x80]].concat()),
            ("two length bytes for 255", &[&[SEQUENCE, 0x82, 0, 0xff][..], &[0; 0xff]].concat()),
            ("three length bytes", &[SEQUENCE, 0x83, 0, 0, 0]),
            ("indefinite length", &[SEQUENCE, 0x80, 0, 0]),
        ];
        for (name, der) in rows {
            assert_eq!(Reader::new(der).read(SEQUENCE), None, "{name}");
        }
    }

    #[test]
    fn integer_that_is_not_positive_or_shortest_is_refused() {
        type Row<'a> = (&'a str, &'a [u8], Option<&'a [u8]>);
        let rows: [Row<'_>; 9] = [
            ("one", &[1], Some(&[1])),
            ("127", &[0x7f], Some(&[0x7f])),
            ("128", &[0, 0x80], Some(&[0x80])),
            ("256", &[1, 0], Some(&[1, 0])),
            ("zero", &[0], None),
            ("empty", &[], None),
            ("negative", &[0x80], None),
            ("superfluous zero byte", &[0, 1], None),
            ("two leading zero bytes", &[0, 0, 0x80], None),
        ];
        for (name, contents, expected) in rows {
            let der = write(INTEGER, contents);
            assert_eq!(Reader::new(&der).unsigned(), expected, "{name}");
            if let Some(magnitude) = expected {
                let padded = [&[0, 0], magnitude].concat();
                assert_eq!(write_unsigned(magnitude), der, "{name}");
                assert_eq!(write_unsigned(&padded), der, "{name}");
            }
        }
        assert_eq!(write_unsigned(&[0, 0]), [INTEGER, 1, 0]);
    }

    #[test]
    fn bit_string_with_unused_bits_is_refused() {
        assert_eq!(Reader::new(&write_bit_string(&[1, 2])).bit_string(), Some(&[1, 2][..]));
        assert_eq!(Reader::new(&[BIT_STRING, 2, 4, 0x10]).bit_string(), None);
        assert_eq!(Reader::new(&[BIT_STRING, 0]).bit_string(), None);
    }
}
