//! The ring against the local KMS and against servers with other responses.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod early_verification;
mod neighbors;
mod refresh;
mod responses;
mod signature_cache;
mod signatures;
mod support;
