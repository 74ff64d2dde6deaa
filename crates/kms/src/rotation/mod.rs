//! Keys come and go, and no token is lost.
//!
//! [`plan`] says which step of a ring's rotation comes next and when, from nothing but what KMS's
//! aliases show. [`Rotation`] looks at KMS and performs one step. Both can be repeated at will, and
//! interrupted between any two calls:
//!
//! | step | what it does | not before |
//! |---|---|---|
//! | prepare | creates a key, points `-next` at it | the current key is old enough, or somebody asks |
//! | keep | points `-previous` at the key that signs | the next key was published for long enough |
//! | promote | points the alias itself at the next key | `-previous` is seen everywhere |
//! | clear | takes `-next` away | the alias is seen everywhere |
//! | retire | disables the old key, has it deleted, takes `-previous` away | its last token is dead |
//!
//! Keep, promote and clear are one move in three parts, as KMS shows an alias some minutes after it
//! has moved, and no two aliases at the same moment: in between, everybody must find both keys.

mod account;
mod book;
mod perform;
mod plan;
mod seen;
mod waits;

pub use aws_sdk_kms::types::KeySpec;

pub use crate::message::algorithms;

pub use book::{Entry, Role, list};
pub use perform::{Look, Rotation, RotationError};
pub use plan::{Obstacle, Plan, Policy, Step, plan};
pub use seen::{KeyFacts, KeyState, Place, RingName, RingNameError, Seen};
pub use waits::{MAX_AGE, Waits, WaitsError};
