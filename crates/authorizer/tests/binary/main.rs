//! The authorizer's binary with the local KMS: the response to each event, the reason in the log, and the number of
//! KMS calls.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test fails by panicking, in its helpers too, and tables make long functions"
)]

mod attacks;
mod concurrency;
mod faults;
mod host;
mod lifecycle;
mod responses;
mod signature_cache;
mod stack;
