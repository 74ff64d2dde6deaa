//! Rotation of a ring's key without losing a token.
//!
//! The ring is three aliases that are always there: `NAME` is the key that signs, `-next` the key that is
//! published and will sign, `-previous` the key that has signed and whose tokens may still be valid. At rest
//! all three point at one key. [`plan`] says which step comes next and when, from nothing but the state of
//! the aliases. [`Rotation`] reads that state and performs one step; [`run`] does all of it once. Steps can be
//! repeated, and interrupted between any two calls:
//!
//! | step | what it does | not before |
//! |---|---|---|
//! | complete | creates a missing `-next` or `-previous` at the current key | |
//! | prepare | creates a key, points `-next` at it | the current key is old enough, or an operator asks |
//! | promote | points `NAME` at the next key | the next key was published for long enough |
//! | retire | disables the previous key, has it deleted, points `-previous` at the current key | its last token has expired |
//!
//! Only a key that the same run has created is ever pointed at by `-next`. [`Rotation::audit`] checks at
//! every run that the keys are the ring's own and that no grant gives a stranger the right to sign with them.

mod account;
mod administrators;
mod audit;
mod error;
mod execute;
mod inventory;
mod leftover;
mod plan;
mod run;
mod state;
mod timing;

pub use audit::Finding;
pub use error::RotationError;
pub use execute::{Rotation, Snapshot};
pub use inventory::{KeyRole, RingKey, list};
pub use leftover::Leftover;
pub use plan::{Obstacle, Plan, RotationConfig, Step, plan};
pub use run::{RotationRun, run};
pub use state::{AliasTarget, KeyMetadata, KeyState, RingName, RingNameError, RingState};
pub use timing::{RotationTiming, TimingError};
