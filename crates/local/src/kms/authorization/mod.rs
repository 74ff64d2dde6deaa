//! Authorization of requests by IAM policies, key policies and grants.

mod access_control;
mod condition_keys;
mod grants;
mod permissions;

pub(crate) use self::access_control::{AccessControl, check_unrestricted};
pub use self::access_control::{AccessDecision, Role};
