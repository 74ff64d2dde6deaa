use super::normalization::is_ambiguous;
use crate::access::RouteError;

/// One segment of a path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// The same text. It is empty between two slashes and after a slash at the end.
    Text(String),
    /// `{name}`: one segment that is not empty.
    Parameter,
    /// `*` or `{name+}`: one or more segments, which may be empty.
    Wildcard,
}

impl Segment {
    /// Reads a segment of the path of a rule.
    pub(crate) fn read(text: &str, is_last: bool) -> Result<Self, RouteError> {
        if text == "*" {
            return Ok(Self::Wildcard);
        }
        if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let greedy = name.strip_suffix('+');
            let name = greedy.unwrap_or(name);
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-.$:".contains(c);
            return match greedy {
                _ if name.is_empty() || !name.chars().all(is_allowed) => Err(RouteError::Segment),
                Some(_) if !is_last => Err(RouteError::Segment),
                Some(_) => Ok(Self::Wildcard),
                None => Ok(Self::Parameter),
            };
        }
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()+,;:=@%".contains(c);
        if text.is_empty() || !text.chars().all(is_allowed) {
            return Err(RouteError::Segment);
        }
        if is_ambiguous(text) {
            Err(RouteError::Rewritten)
        } else {
            Ok(Self::Text(text.to_owned()))
        }
    }

    /// Whether this segment matches every text that the other matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Wildcard, _) | (Self::Parameter, Self::Parameter) => true,
            (Self::Parameter, Self::Text(text)) => !text.is_empty(),
            (Self::Text(text), Self::Text(other)) => text == other,
            _ => false,
        }
    }

    /// The place in the order of specificity. The most specific segment has the lowest rank.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Text(_) => 0,
            Self::Parameter => 1,
            Self::Wildcard => 2,
        }
    }

    /// The segment in the resource of an IAM policy, where `?` is any one character and `*` any run of
    /// characters, slashes included.
    pub(crate) fn iam_glob(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Parameter => "?*",
            Self::Wildcard => "*",
        }
    }
}

/// Replaces each `{name}` next to a `*` by `*`: a policy cannot limit it to one segment there.
pub(crate) fn widen_next_to_wildcard(segments: &mut [Segment]) {
    for forward in [true, false] {
        let mut follows_wildcard = false;
        let mut widen = |segment: &mut Segment| {
            follows_wildcard = matches!(segment, Segment::Wildcard)
                || (follows_wildcard && *segment == Segment::Parameter);
            if follows_wildcard {
                *segment = Segment::Wildcard;
            }
        };
        if forward {
            segments.iter_mut().for_each(&mut widen);
        } else {
            segments.iter_mut().rev().for_each(&mut widen);
        }
    }
}
