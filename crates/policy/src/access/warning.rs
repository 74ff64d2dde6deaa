use std::fmt;

/// What an operator may not expect of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A rule with `*` at its end leaves the path above it to another rule.
    OpenParent {
        /// The route of the rule.
        rule: String,
        /// The route of the rule that decides on the path above it.
        decided_by: String,
    },
    /// Policies have no room for other spellings of closed paths.
    NoRoomForSpellings,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenParent { rule, decided_by } => {
                let parent = rule.rsplit_once('/').map_or("", |(parent, _)| parent);
                write!(f, "{rule} does not match {parent} itself, on which {decided_by} decides: add a rule for it")
            }
            Self::NoRoomForSpellings => f.write_str(
                "the rules leave no room in a policy to deny other spellings of closed paths: do not let API \
                 Gateway cache policies, or have fewer rules",
            ),
        }
    }
}
