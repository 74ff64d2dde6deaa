//! What tests share: faults of KMS and of the network, recorded processes, the audit of their logs.
//!
//! No deployed function and no released program depends on this crate.

mod fault_injection;
pub mod log_audit;
mod recorded;

pub use fault_injection::{InjectFaults, InjectedFault};
pub use recorded::{Recorded, run};
