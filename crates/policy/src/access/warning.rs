use std::fmt;

/// Something about valid rules that an operator should check before they are deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A rule that ends with `*` does not match the path above it, and a less specific rule decides on that path.
    OpenParent {
        /// The route of the rule.
        rule: String,
        /// The route of the rule that decides on the path above it.
        decided_by: String,
    },
    /// A policy has no room to deny other spellings of closed paths.
    NoRoomForSpellings,
}

impl Warning {
    /// The route of the rule to look at, if it is about one rule.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        match self {
            Self::OpenParent { rule, .. } => Some(rule),
            Self::NoRoomForSpellings => None,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenParent { rule, decided_by } => {
                let parent = rule.rsplit_once('/').map_or("", |(parent, _)| parent);
                write!(
                    f,
                    "{rule} does not match {parent} itself: the rule {decided_by} decides on that path, so add a rule \
                     for {parent}"
                )
            }
            Self::NoRoomForSpellings => f.write_str(
                "the policy has no room to deny other spellings of closed paths: turn off the policy cache of \
                 API Gateway, or use fewer rules",
            ),
        }
    }
}
