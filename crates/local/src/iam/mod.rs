//! Evaluation of IAM policies: identity-based policies, key policies and the policies that authorizers return.
//!
//! ```
//! use countersign_local::iam::{IamDecision, PolicyDocument};
//!
//! let policy: PolicyDocument = serde_json::from_str(
//!     r#"{
//!         "Version": "2012-10-17",
//!         "Statement": {"Effect": "Allow", "Action": "kms:Sign", "Resource": "*"}
//!     }"#,
//! )?;
//! let key = "arn:aws:kms:us-east-1:000000000000:key/a";
//! assert_eq!(policy.evaluate("kms:Sign", key), IamDecision::Allowed);
//! assert_eq!(policy.evaluate("kms:Verify", key), IamDecision::DeniedImplicitly);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod condition;
mod pattern;
mod policy_document;

pub use self::{
    condition::ConditionContext,
    policy_document::{IamDecision, PolicyDocument, Principal},
};
