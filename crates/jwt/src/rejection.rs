use crate::{Algorithm, UnixTime};

/// Why a token is refused: a closed list of facts, with nothing of the token's text in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Longer than [`Algorithm::max_token_bytes`].
    #[error("token too long")]
    TooLong,
    /// Not three parts, none of them empty, with dots between. An unsigned token and JWE end here.
    #[error("not a signed token in compact form")]
    NotCompact,
    /// A part is not canonical base64url without padding.
    #[error("malformed base64url")]
    Encoding,
    /// The header is not a strict JSON object, or one of its members has the wrong type.
    #[error("malformed header")]
    Header,
    /// A header parameter that would change how the token is to be read or where its key is found.
    #[error("header parameter {0} is not accepted")]
    Parameter(&'static str),
    /// `alg` is missing from the list of algorithms that KMS keys have.
    #[error("unsupported algorithm")]
    UnsupportedAlgorithm,
    /// `typ` is another than the profile's.
    #[error("unexpected token type")]
    Type,
    /// The payload is not a strict JSON object, or a registered claim has the wrong type.
    #[error("malformed claims")]
    Claims,
    /// The claims that say who and what for are too long to be passed on to anybody.
    #[error("claims too long")]
    ClaimsTooLong,
    /// There is no `exp`.
    #[error("no expiry")]
    NoExpiry,
    /// The token's time is over.
    #[error("expired at {}", at.seconds())]
    Expired {
        /// The first second at which it was no longer valid.
        at: UnixTime,
    },
    /// The token's time has not come (`nbf`).
    #[error("not valid before {}", from.seconds())]
    NotYetValid {
        /// The first second at which it will be valid.
        from: UnixTime,
    },
    /// The token says that it was issued later than now (`iat`).
    #[error("issued in the future, at {}", at.seconds())]
    IssuedInFuture {
        /// When it says that it was issued.
        at: UnixTime,
    },
    /// `iss` is missing or another than the profile's.
    #[error("unexpected issuer")]
    Issuer,
    /// `aud` names none of the profile's audiences, or is missing where the profile has some.
    #[error("unexpected audience")]
    Audience,
    /// No key of the ring has this `kid`.
    #[error("unknown key")]
    UnknownKey,
    /// The key signs with another algorithm than the token says.
    #[error("the key signs with {key}, not with {token}")]
    WrongAlgorithm {
        /// The key's.
        key: Algorithm,
        /// The token's.
        token: Algorithm,
    },
    /// The key did not make this signature over this header and these claims.
    #[error("invalid signature")]
    Signature,
}

impl Rejection {
    /// A name that stays, for logs and metrics.
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
            Self::Issuer => "Issuer",
            Self::Audience => "Audience",
            Self::UnknownKey => "UnknownKey",
            Self::WrongAlgorithm { .. } => "WrongAlgorithm",
            Self::Signature => "InvalidSignature",
        }
    }
}
