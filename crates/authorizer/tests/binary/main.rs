//! The authorizer's real binary over a strict KMS: what came, what API Gateway is answered, why in the
//! log, and how often KMS was asked.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test fails by panicking, in its helpers too, and a table is as long as it is"
)]

mod answers;
mod attacks;
mod concurrency;
mod faults;
mod host;
mod lifecycle;
mod stack;
