//! Hexadecimal constants.

/// Decodes lower-case hexadecimal in constants. Any other text fails the compilation.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
pub(crate) const fn decode<const BYTES: usize, const DIGITS: usize>(
    digits: &[u8; DIGITS],
) -> [u8; BYTES] {
    const fn value(digit: u8) -> u8 {
        assert!(matches!(digit, b'0'..=b'9' | b'a'..=b'f'), "not a hexadecimal digit");
        if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 }
    }
    assert!(DIGITS == 2 * BYTES, "two digits for each byte");
    let mut bytes = [0; BYTES];
    let mut i = 0;
    while i < BYTES {
        bytes[i] = 16 * value(digits[2 * i]) + value(digits[2 * i + 1]);
        i += 1;
    }
    bytes
}
