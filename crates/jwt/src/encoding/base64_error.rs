use base64::DecodeError;

/// Why a text is not canonical base64 or base64url (RFC 4648). Offsets are bytes from the start of
/// the text, white space in PEM excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Base64Error {
    /// A character is not in the alphabet. Padding where none is allowed is such a character.
    #[error("the character at offset {offset} is not in the base64 alphabet")]
    Character {
        /// Where the character is.
        offset: usize,
    },
    /// No bytes have an encoding of this length.
    #[error("{characters} is not a possible length of base64 text: check for a cut value")]
    Length {
        /// The number of characters without padding.
        characters: usize,
    },
    /// The last character has bits that belong to no byte (RFC 4648 section 3.5).
    #[error(
        "the last character (offset {offset}) is not canonical base64: its unused bits are not zero"
    )]
    TrailingBits {
        /// Where the character is.
        offset: usize,
    },
    /// Padding is missing, or is present where none is allowed.
    #[error("the padding is missing or not allowed")]
    Padding,
}

impl Base64Error {
    // Not `From`, which would make the decoder a part of the public interface.
    pub(super) fn new(error: &DecodeError) -> Self {
        match *error {
            DecodeError::InvalidByte(offset, _) => Self::Character { offset },
            DecodeError::InvalidLength(characters) => Self::Length { characters },
            DecodeError::InvalidLastSymbol(offset, _) => Self::TrailingBits { offset },
            DecodeError::InvalidPadding => Self::Padding,
        }
    }
}
