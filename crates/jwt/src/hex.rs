/// Reads lower-case hexadecimal when the program is compiled, and fails there if it cannot.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler alone")]
pub(crate) const fn hex<const BYTES: usize, const DIGITS: usize>(
    digits: &[u8; DIGITS],
) -> [u8; BYTES] {
    const fn digit(c: u8) -> u8 {
        match c {
            b'0'..=b'9' => c - b'0',
            _ => c - b'a' + 10,
        }
    }
    assert!(DIGITS == 2 * BYTES);
    let mut bytes = [0; BYTES];
    let mut i = 0;
    while i < BYTES {
        bytes[i] = 16 * digit(digits[2 * i]) + digit(digits[2 * i + 1]);
        i += 1;
    }
    bytes
}
