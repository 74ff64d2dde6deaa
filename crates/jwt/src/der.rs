//! As much of DER (ITU-T X.690) as signatures and public keys are made of, with one spelling for
//! each value.

/// What is left to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// The contents of the next value, which must have this tag and the shortest possible length.
    pub(crate) fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
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
        let shortest = match first {
            0x81 => length >= 0x80,
            0x82 => length > 0xff,
            _ => true,
        };
        let (value, rest) = rest.split_at_checked(length).filter(|_| shortest)?;
        self.0 = rest;
        Some(value)
    }

    /// The contents of the next SEQUENCE.
    pub(crate) fn sequence(&mut self) -> Option<Self> {
        self.value(SEQUENCE).map(Self)
    }

    /// The magnitude of the next INTEGER, which must be positive and in its shortest form.
    pub(crate) fn unsigned(&mut self) -> Option<&'a [u8]> {
        match self.value(INTEGER)? {
            [0, magnitude @ ..] if magnitude.first().is_some_and(|byte| *byte >= 0x80) => {
                Some(magnitude)
            }
            [] | [0 | 0x80..=0xff, ..] => None,
            magnitude => Some(magnitude),
        }
    }

    /// The contents of the next BIT STRING, which must be whole bytes.
    pub(crate) fn bits(&mut self) -> Option<&'a [u8]> {
        match self.value(BIT_STRING)? {
            [0, bits @ ..] => Some(bits),
            _ => None,
        }
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// A value with its tag and length.
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

/// A positive INTEGER of this magnitude, whatever zeros stand before it.
pub(crate) fn write_unsigned(magnitude: &[u8]) -> Vec<u8> {
    let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
    let magnitude = magnitude.get(zeros..).unwrap_or_default();
    match magnitude {
        [] | [0x80..=0xff, ..] => write(INTEGER, &[&[0], magnitude].concat()),
        _ => write(INTEGER, magnitude),
    }
}

/// A BIT STRING of whole bytes.
pub(crate) fn write_bits(bits: &[u8]) -> Vec<u8> {
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
    fn lengths_are_the_shortest() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff] {
            let contents = vec![7; length];
            let der = write(SEQUENCE, &contents);
            let mut reader = Reader::new(&der);
            assert_eq!(reader.value(SEQUENCE), Some(&*contents), "{length}");
            assert_eq!(reader.end(), Some(()), "{length}");
        }
        let rows: [(&str, &[u8]); 9] = [
            ("nothing", &[]),
            ("no length", &[SEQUENCE]),
            ("another tag", &[INTEGER, 0]),
            ("too little", &[SEQUENCE, 2, 1]),
            ("one byte for a short length", &[SEQUENCE, 0x81, 1, 1]),
            ("two bytes for one", &[&[SEQUENCE, 0x82, 0, 0x80][..], &[0; 0x80]].concat()),
            ("two bytes for 255", &[&[SEQUENCE, 0x82, 0, 0xff][..], &[0; 0xff]].concat()),
            ("three bytes", &[SEQUENCE, 0x83, 0, 0, 0]),
            ("indefinite", &[SEQUENCE, 0x80, 0, 0]),
        ];
        for (name, der) in rows {
            assert_eq!(Reader::new(der).value(SEQUENCE), None, "{name}");
        }
    }

    #[test]
    fn integers_are_positive_and_shortest() {
        type Row<'a> = (&'a str, &'a [u8], Option<&'a [u8]>);
        let rows: [Row<'_>; 9] = [
            ("one", &[1], Some(&[1])),
            ("127", &[0x7f], Some(&[0x7f])),
            ("128", &[0, 0x80], Some(&[0x80])),
            ("256", &[1, 0], Some(&[1, 0])),
            ("zero", &[0], None),
            ("empty", &[], None),
            ("negative", &[0x80], None),
            ("a zero too many", &[0, 1], None),
            ("two zeros", &[0, 0, 0x80], None),
        ];
        for (name, contents, expected) in rows {
            let der = write(INTEGER, contents);
            assert_eq!(Reader::new(&der).unsigned(), expected, "{name}");
            if let Some(magnitude) = expected {
                let padded = [&[0, 0], magnitude].concat();
                assert_eq!(
                    (write_unsigned(magnitude), write_unsigned(&padded)),
                    (der.clone(), der)
                );
            }
        }
        assert_eq!(write_unsigned(&[0, 0]), [INTEGER, 1, 0]);
    }

    #[test]
    fn bit_strings_are_whole_bytes() {
        assert_eq!(Reader::new(&write_bits(&[1, 2])).bits(), Some(&[1, 2][..]));
        assert_eq!(Reader::new(&[BIT_STRING, 2, 4, 0x10]).bits(), None);
        assert_eq!(Reader::new(&[BIT_STRING, 0]).bits(), None);
    }
}
