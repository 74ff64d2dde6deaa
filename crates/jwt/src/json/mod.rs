//! Strict JSON: unique member names at every level, limited nesting, and nothing after the value.
//!
//! RFC 8259 section 4 leaves open what a reader does with a repeated member name, and RFC 7515
//! section 4 allows readers to use the last one. Two readers that choose differently see two
//! different tokens under one signature, so these functions refuse repeated names.
//!
//! ```
//! use countersign_jwt::json;
//!
//! assert!(json::object(br#"{"sub": "alice"}"#).is_ok());
//! assert!(json::object(br#"{"sub": "alice", "sub": "bob"}"#).is_err());
//! ```

mod error;
mod length;
mod numbers;
mod parser;
mod surrogates;
mod tokens;

pub use error::{JsonError, MAX_DEPTH};
pub use length::{bytes, object_bytes, text_bytes};
pub use numbers::has_exact_numbers;
pub use parser::{object, objects};
pub use surrogates::replace_lone_surrogates;
pub use tokens::tokens;
