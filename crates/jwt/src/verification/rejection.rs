use crate::{Algorithm, UnixTime};

/// Why a token is refused. No reason contains text of the token.
///
/// ```
/// use countersign_jwt::{Rejection, UnverifiedToken};
///
/// let rejection = UnverifiedToken::parse("not a token").err();
/// assert_eq!(rejection.map(Rejection::code), Some("NotCompact"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The token is longer than [`Algorithm::max_token_bytes`], or than 16 KiB for one of
    /// [several issuers](crate::UnverifiedToken::screen_by_issuer), or its header longer than 2048
    /// characters.
    #[error("token too long")]
    TooLong,
    /// The text is not three parts with dots between them, or the header or the signature is empty.
    /// Unsecured tokens (RFC 7519 section 6) and JWE tokens get this reason.
    #[error("not a signed token in compact form")]
    NotCompact,
    /// A part is not canonical base64url without padding (RFC 7515 section 2).
    #[error("malformed base64url")]
    Encoding,
    /// The header is not a strict JSON object, or one of its members has the wrong type.
    #[error("malformed header")]
    Header,
    /// This header parameter would change how the token is read, or where its key is found, such as
    /// `crit` or `jku`.
    #[error("header parameter `{0}` is not accepted")]
    Parameter(&'static str),
    /// `alg` is not the name of an [`Algorithm`], or not one of
    /// [`Validation::algorithms`](crate::Validation::algorithms).
    #[error("unsupported algorithm")]
    UnsupportedAlgorithm,
    /// `typ` is not one of [`Validation::token_types`](crate::Validation::token_types).
    #[error("unexpected token type")]
    Type,
    /// The payload is not a strict JSON object, or a registered claim has the wrong type.
    #[error("malformed claims")]
    Claims,
    /// The [`CONTEXT_CLAIMS`](crate::CONTEXT_CLAIMS) exceed
    /// [`MAX_CONTEXT_CLAIMS_BYTES`](crate::MAX_CONTEXT_CLAIMS_BYTES).
    #[error("claims too long")]
    ClaimsTooLong,
    /// The claim `exp` is missing.
    #[error("missing claim `exp`")]
    NoExpiry,
    /// The token has expired (`exp`).
    #[error("expired at {}", at.seconds())]
    Expired {
        /// The value of `exp`: the first second at which the token is not valid.
        at: UnixTime,
    },
    /// The token is not valid yet (`nbf`).
    #[error("not valid before {}", from.seconds())]
    NotYetValid {
        /// The value of `nbf`: the first second at which the token is valid.
        from: UnixTime,
    },
    /// The token claims to be issued after the current time (`iat`).
    #[error("issued in the future, at {}", at.seconds())]
    IssuedInFuture {
        /// The value of `iat`.
        at: UnixTime,
    },
    /// The claim `iat` is missing, but [`Validation::max_age`](crate::Validation::max_age) requires it.
    #[error("missing claim `iat`")]
    NoIssueTime,
    /// The token was issued longer ago than [`Validation::max_age`](crate::Validation::max_age).
    #[error("too old: issued at {}", at.seconds())]
    TooOld {
        /// The value of `iat`.
        at: UnixTime,
    },
    /// The token expires later than [`Validation::max_remaining`](crate::Validation::max_remaining)
    /// allows.
    #[error("valid for too long: expires at {}", at.seconds())]
    ExpiresTooLate {
        /// The value of `exp`.
        at: UnixTime,
    },
    /// `iss` is missing, or not [`Validation::issuer`](crate::Validation::issuer).
    #[error("unexpected issuer")]
    Issuer,
    /// `aud` has none of [`Validation::audiences`](crate::Validation::audiences), is missing, is
    /// present although the list is empty, or has several values although
    /// [`Validation::single_audience`](crate::Validation::single_audience) allows one.
    #[error("unexpected audience")]
    Audience,
    /// No known key has this `kid`, or the token has no `kid` and there are several keys.
    #[error("unknown key")]
    UnknownKey,
    /// The token's `alg` is not the algorithm of the key.
    #[error("the `alg` of the token is {token}, but its key uses {key}")]
    WrongAlgorithm {
        /// The algorithm of the key, or its default if it has several.
        key: Algorithm,
        /// The algorithm in the token.
        token: Algorithm,
    },
    /// The signature is not one of this key over this header and payload.
    #[error("invalid signature")]
    Signature,
}

impl Rejection {
    /// A stable name of the reason, for logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong => "TokenTooLong",
            Self::NotCompact => "NotCompact",
            Self::Encoding => "MalformedEncoding",
            Self::Header => "MalformedHeader",
            Self::Parameter(_) => "HeaderParameter",
            Self::UnsupportedAlgorithm => "UnsupportedAlgorithm",
            Self::Type => "TokenType",
            Self::Claims => "MalformedClaims",
            Self::ClaimsTooLong => "ClaimsTooLong",
            Self::NoExpiry => "NoExpiry",
            Self::Expired { .. } => "Expired",
            Self::NotYetValid { .. } => "NotYetValid",
            Self::IssuedInFuture { .. } => "IssuedInFuture",
            Self::NoIssueTime => "NoIssueTime",
            Self::TooOld { .. } => "TooOld",
            Self::ExpiresTooLate { .. } => "ExpiresTooLate",
            Self::Issuer => "Issuer",
            Self::Audience => "Audience",
            Self::UnknownKey => "UnknownKey",
            Self::WrongAlgorithm { .. } => "WrongAlgorithm",
            Self::Signature => "InvalidSignature",
        }
    }

    /// The reason as the predicate of a sentence about the token, without any value of the token.
    ///
    /// ```
    /// use countersign_jwt::Rejection;
    ///
    /// let text = format!("the assertion {}", Rejection::NoExpiry.summary());
    /// assert_eq!(text, "the assertion has no expiry (`exp`)");
    /// ```
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::TooLong => "is too long",
            Self::NotCompact => "is not a signed token in compact form",
            Self::Encoding => "has a part that is not base64url",
            Self::Header => "has a malformed header",
            Self::Parameter(_) => "has a header parameter that is not accepted",
            Self::UnsupportedAlgorithm => "has an algorithm (`alg`) that is not accepted",
            Self::Type => "has a type (`typ`) that is not accepted",
            Self::Claims => "has malformed claims",
            Self::ClaimsTooLong => "has claims that are too long",
            Self::NoExpiry => "has no expiry (`exp`)",
            Self::Expired { .. } => "has expired",
            Self::NotYetValid { .. } => "is not valid yet",
            Self::IssuedInFuture { .. } => "was issued in the future",
            Self::NoIssueTime => "has no time of issue (`iat`)",
            Self::TooOld { .. } => "is too old",
            Self::ExpiresTooLate { .. } => "is valid for too long (`exp`)",
            Self::Issuer => "has an issuer that is not trusted",
            Self::Audience => "is not for this recipient alone (`aud`)",
            Self::UnknownKey => "is signed with an unknown key",
            Self::WrongAlgorithm { .. } => "has an algorithm (`alg`) that its key does not have",
            Self::Signature => "has an invalid signature",
        }
    }

    /// The check that the token did not pass.
    #[must_use]
    pub const fn check(self) -> TokenCheck {
        match self {
            Self::TooLong | Self::NotCompact | Self::Encoding => TokenCheck::Form,
            Self::Header | Self::Parameter(_) | Self::UnsupportedAlgorithm | Self::Type => {
                TokenCheck::Header
            }
            Self::Claims | Self::ClaimsTooLong => TokenCheck::Claims,
            Self::NoExpiry
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::IssuedInFuture { .. }
            | Self::NoIssueTime
            | Self::TooOld { .. }
            | Self::ExpiresTooLate { .. } => TokenCheck::Time,
            Self::Issuer => TokenCheck::Issuer,
            Self::Audience => TokenCheck::Audience,
            Self::UnknownKey | Self::WrongAlgorithm { .. } => TokenCheck::Key,
            Self::Signature => TokenCheck::Signature,
        }
    }
}

/// A check of a token. The checks run in the order of the variants, and the first failure ends them.
///
/// ```
/// use countersign_jwt::{Rejection, TokenCheck};
///
/// assert_eq!(Rejection::NoExpiry.check(), TokenCheck::Time);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenCheck {
    /// The token is not too long and has three parts of base64url.
    Form,
    /// The header is a strict JSON object with a known algorithm, the expected type, and no
    /// parameter that would change how the token is read.
    Header,
    /// The payload is a strict JSON object, its registered claims have the right types, and the
    /// [`CONTEXT_CLAIMS`](crate::CONTEXT_CLAIMS) are not too long.
    Claims,
    /// `exp`, `nbf` and `iat` admit the current time.
    Time,
    /// `iss` is the expected issuer.
    Issuer,
    /// `aud` names an accepted audience.
    Audience,
    /// The key is known, and it has the algorithm.
    Key,
    /// The key made the signature.
    Signature,
}

impl TokenCheck {
    /// All checks, in their order.
    pub const ALL: [Self; 8] = [
        Self::Form,
        Self::Header,
        Self::Claims,
        Self::Time,
        Self::Issuer,
        Self::Audience,
        Self::Key,
        Self::Signature,
    ];

    /// A short description of what is checked.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Form => "form of the token",
            Self::Header => "header",
            Self::Claims => "claims",
            Self::Time => "time",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Key => "key and algorithm",
            Self::Signature => "signature",
        }
    }
}
