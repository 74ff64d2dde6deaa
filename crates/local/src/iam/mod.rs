//! IAM's evaluation of policies: of those that authorizers return, of roles' and of keys'.

mod condition;
mod pattern;
mod policy;

pub use self::{
    condition::Facts,
    policy::{Caller, IamDecision, PolicyDocument},
};
