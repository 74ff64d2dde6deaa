//! Problems that the audit of a ring's keys can find.

use crate::Step;

/// Why a key of the ring may have signed, or may sign, tokens that the issuer did not issue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A grant allows an operation other than `Verify`, `GetPublicKey` and `DescribeKey`.
    #[error(
        "a grant on {key} under {alias} allows {operations} to {grantee}: find out who created it, then run \
         `aws kms revoke-grant --key-id {key} --grant-id {grant}`"
    )]
    ForeignGrant {
        /// The alias that points at the key.
        alias: String,
        /// The key id.
        key: String,
        /// The grant id.
        grant: String,
        /// The grantee principal.
        grantee: String,
        /// The allowed operations, separated by commas.
        operations: String,
    },
    /// The key was not created for this ring.
    #[error(
        "{alias} points at {key}, which does not look like a key of this ring ({reason}): if the key belongs \
         to the ring, correct this, otherwise find out who moved the alias and move it back"
    )]
    ForeignKey {
        /// The alias that points at the key.
        alias: String,
        /// The key id.
        key: String,
        /// The difference from a key of the ring.
        reason: &'static str,
    },
    /// The grants of a key cannot be read.
    #[error(
        "the grants of {key} under {alias} cannot be read: the role that rotates needs kms:ListGrants for \
         {arn}, and if the key policy does not leave that to IAM, add the statement {{\"Effect\": \"Allow\", \
         \"Principal\": {{\"AWS\": \"{account}\"}}, \"Action\": \"kms:ListGrants\", \"Resource\": \"*\"}} to it"
    )]
    UnreadableGrants {
        /// The alias that points at the key.
        alias: String,
        /// The key id.
        key: String,
        /// The key ARN.
        arn: String,
        /// The id of the key's account.
        account: String,
    },
}

impl Finding {
    /// Whether the finding blocks this step. A key with a finding must not be promoted. A foreign key must not be
    /// disabled, because it may be in use elsewhere.
    #[must_use]
    pub fn blocks(&self, step: &Step) -> bool {
        match (step, self) {
            (Step::Promote(_), _) => true,
            (Step::Retire(retired), Self::ForeignKey { key, .. }) => retired.id == *key,
            _ => false,
        }
    }

    /// The stable `Cause` in logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ForeignGrant { .. } => "ForeignGrant",
            Self::ForeignKey { .. } => "ForeignKey",
            Self::UnreadableGrants { .. } => "UnreadableGrants",
        }
    }
}
