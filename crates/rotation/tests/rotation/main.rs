//! Rotations of a ring in a local KMS whose `ListAliases` is eventually consistent, by runs that are killed, slow and
//! concurrent.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod simulation;
mod steps;
mod world;
