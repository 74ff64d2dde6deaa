/// The claims that only the issuer of the tokens sets: no request and no rule. `cnf` binds a token to a key (RFC 7800
/// section 3); `act` and `may_act` say who acts for whom (RFC 8693 sections 4.1 and 4.4).
pub const RESERVED_CLAIMS: [&str; 8] = ["iss", "iat", "exp", "nbf", "jti", "cnf", "act", "may_act"];

/// The claims for which a rule has a member.
pub(super) const CLAIMS_WITH_MEMBER: [&str; 3] = ["sub", "aud", "scope"];
