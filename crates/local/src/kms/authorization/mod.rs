//! Authorization of requests by IAM policies, key policies and grants.

mod access_control;
mod condition_keys;
mod grants;
mod permissions;

pub use self::access_control::Role;
pub(crate) use self::access_control::{AccessControl, check_unrestricted};
