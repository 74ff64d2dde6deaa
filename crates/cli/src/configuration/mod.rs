//! The files of the configuration layer, and all problems with them.

mod comparison;
mod elements;
mod folder;
mod list;
mod parameters;
mod problem;

use std::path::PathBuf;

use policy::revocation::Revocation;
use runtime::{Setting, Values, table};

pub(crate) use elements::{Element, Position, elements};
pub(crate) use folder::{Report, check, read};
pub(crate) use list::{ListReport, check_list};
pub(crate) use parameters::{check as check_parameters, of_samconfig};
pub(crate) use problem::{ConfigurationProblem, Located, Severity};

/// A file of the layer.
pub(crate) struct ConfigurationFile {
    pub(crate) name: &'static str,
    pub(crate) setting: Setting,
    pub(crate) content: Content,
    /// Whether functions read it with every template.
    pub(crate) is_required: bool,
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct CheckedFile {
    pub(crate) path: PathBuf,
    pub(crate) content: Content,
    pub(crate) text: String,
    /// The number of the elements of its list.
    pub(crate) elements: usize,
}

/// The elements of the list in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    AccessRules,
    IssuanceRules,
    Revocations,
    TrustedIssuers,
}

/// The files that the template names.
pub(crate) const FILES: [ConfigurationFile; 4] = [
    ConfigurationFile {
        name: "access-rules.json",
        setting: table::ACCESS_RULES,
        content: Content::AccessRules,
        is_required: true,
    },
    ConfigurationFile {
        name: "issuance-policy.json",
        setting: table::ISSUANCE_POLICY,
        content: Content::IssuanceRules,
        is_required: true,
    },
    ConfigurationFile {
        name: "revocations.json",
        setting: table::REVOCATIONS,
        content: Content::Revocations,
        is_required: true,
    },
    // Without a token endpoint, no function reads it.
    ConfigurationFile {
        name: "trusted-issuers.json",
        setting: table::TRUSTED_ISSUERS,
        content: Content::TrustedIssuers,
        is_required: false,
    },
];

impl Content {
    /// The name of an element in messages.
    pub(crate) const fn element(self) -> &'static str {
        match self {
            Self::AccessRules | Self::IssuanceRules => "rule",
            Self::Revocations => "revocation",
            Self::TrustedIssuers => "trusted issuer",
        }
    }
}

/// Whether all tokens of a revocation have expired, for the authorizer with the largest clock leeway.
pub(crate) fn has_expired(revocation: &Revocation, now: jwt::UnixTime) -> bool {
    let Values::Seconds { max: leeway, .. } = table::CLOCK_LEEWAY_SECONDS.values else {
        return false;
    };
    let expires = revocation.expires.map(jwt::UnixTime::seconds);
    expires.is_some_and(|expires| expires.saturating_add(leeway) < now.seconds())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jwt::UnixTime;
    use policy::revocation::RevokedTokens;
    use runtime::SETTINGS;

    use super::*;
    use crate::template::TEMPLATE;

    #[test]
    fn files_are_those_that_the_template_names() {
        let named: BTreeSet<_> = TEMPLATE
            .lines()
            .filter_map(|line| line.trim().split_once(": file:/opt/config/"))
            .collect();
        let files = FILES.iter().map(|file| (file.setting.name, file.name));
        assert_eq!(files.collect::<BTreeSet<_>>(), named);
        let settings = SETTINGS.iter().filter(|setting| setting.values.may_be_in_a_file());
        let settings: Vec<_> = settings.map(|setting| setting.name).collect();
        assert_eq!(FILES.map(|file| file.setting.name).to_vec(), settings);
    }

    #[test]
    fn revocation_expires_after_the_largest_leeway() {
        let revocation = |expires: Option<u64>| Revocation {
            issuer: "us".into(),
            tokens: RevokedTokens::Id("1".into()),
            expires: expires.map(UnixTime::from_seconds),
            reason: None,
        };
        let rows = [(None, false), (Some(699), true), (Some(700), false), (Some(u64::MAX), false)];
        for (expires, expected) in rows {
            let now = UnixTime::from_seconds(1000);
            assert_eq!(has_expired(&revocation(expires), now), expected, "{expires:?}");
        }
    }
}
