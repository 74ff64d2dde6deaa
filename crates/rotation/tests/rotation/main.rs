//! Rotations of a ring in a KMS that shows its aliases late, by operators who are killed, slow, and
//! not alone.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod simulation;
mod steps;
mod world;
