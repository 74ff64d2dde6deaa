/// The maximum nesting of objects and arrays. The outermost object is the first level.
pub const MAX_DEPTH: u8 = 16;

/// Why a text is refused. Messages contain a position and no part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text is not JSON, repeats a member name, or has too many levels.
    #[error(
        "not JSON with unique member names and at most {MAX_DEPTH} levels (line {line}, column {column})"
    )]
    NotStrict {
        /// The line at which reading stopped, from 1.
        line: usize,
        /// The byte of this line at which reading stopped, from 1.
        column: usize,
    },
    /// The text is strict JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// The text is strict JSON, but not an array, or an element is not an object.
    #[error("not a JSON array of objects")]
    NotObjects,
}
