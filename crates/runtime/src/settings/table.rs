//! Every setting of the functions: name, functions, values, default and help text. The functions, the
//! suggestions for misspelled names, the reference in the documentation and the test of the template's
//! parameters all read this table.

/// A setting: an environment variable of one or more functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The name of the environment variable.
    pub name: &'static str,
    /// The functions that read it.
    pub functions: &'static [Function],
    /// The values that it can have.
    pub values: Values,
    /// The value where it is not set or empty. `None`: see [`Self::is_required`] and the help text.
    pub default: Option<&'static str>,
    /// Whether a function without it does not start.
    pub is_required: bool,
    /// The parameter of the template that sets it.
    pub parameter: Option<&'static str>,
    /// What it is for.
    pub help: &'static str,
}

/// The functions that have settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Signs tokens.
    Issuer,
    /// Decides on requests.
    Authorizer,
    /// Rotates the signing key.
    Rotator,
}

/// The values that a setting can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Text, described in the setting's help.
    Text,
    /// Names, separated by commas.
    Names,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A JSON list of rules.
    Rules,
    /// A JOSE signature algorithm.
    Algorithm,
    /// A whole number of seconds.
    Seconds {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A whole number of days.
    Days {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
}

const SIGNERS: &[Function] = &[Function::Issuer, Function::Authorizer];
const ALL: &[Function] = &[Function::Issuer, Function::Authorizer, Function::Rotator];
const YEAR: u64 = 365 * 24 * 60 * 60;

/// `ACCESS_RULES`.
pub const ACCESS_RULES: Setting = Setting {
    name: "ACCESS_RULES",
    functions: &[Function::Authorizer],
    values: Values::Rules,
    default: None,
    is_required: false,
    parameter: Some("AccessRules"),
    help: "The routes that a token opens. Without rules, every valid token opens every route.",
};

/// `CLOCK_LEEWAY_SECONDS`.
pub const CLOCK_LEEWAY_SECONDS: Setting = Setting {
    name: "CLOCK_LEEWAY_SECONDS",
    functions: &[Function::Authorizer, Function::Rotator],
    values: Values::Seconds { min: 0, max: 300 },
    default: Some("0"),
    is_required: false,
    parameter: Some("ClockLeewaySeconds"),
    help: "The allowed difference between the clocks of issuer and authorizer, for `exp`, `nbf` and `iat`.",
};

/// `HTTP_API_RESPONSE`.
pub const HTTP_API_RESPONSE: Setting = Setting {
    name: "HTTP_API_RESPONSE",
    functions: &[Function::Authorizer],
    values: Values::OneOf(&["iam", "simple"]),
    default: Some("iam"),
    is_required: false,
    parameter: Some("HttpApiResponse"),
    help: "The response to events of format 2.0: an IAM policy, or a simple response. Set it as the HTTP API \
           is configured (`EnableSimpleResponses`).",
};

/// `ISSUANCE_POLICY`.
pub const ISSUANCE_POLICY: Setting = Setting {
    name: "ISSUANCE_POLICY",
    functions: &[Function::Issuer],
    values: Values::Rules,
    default: None,
    is_required: false,
    parameter: Some("IssuancePolicy"),
    help: "The tokens that each caller may request. Without a policy, every caller that IAM allows may request \
           any claims.",
};

/// `KEY_ALIAS`.
pub const KEY_ALIAS: Setting = Setting {
    name: "KEY_ALIAS",
    functions: ALL,
    values: Values::Text,
    default: None,
    is_required: true,
    parameter: Some("KeyAlias"),
    help: "The key ring: `alias/NAME`. Issuer and authorizer also accept a key id, or the ARN of an alias or \
           key.",
};

/// `KEY_REFRESH_SECONDS`.
pub const KEY_REFRESH_SECONDS: Setting = Setting {
    name: "KEY_REFRESH_SECONDS",
    functions: ALL,
    values: Values::Seconds { min: 1, max: 86_400 },
    default: Some("300"),
    is_required: false,
    parameter: Some("KeyRefreshSeconds"),
    help: "How long a function uses a key ring before it loads it again.",
};

/// `PUBLICATION_WAIT_SECONDS`.
pub const PUBLICATION_WAIT_SECONDS: Setting = Setting {
    name: "PUBLICATION_WAIT_SECONDS",
    functions: &[Function::Rotator],
    values: Values::Seconds { min: 0, max: YEAR },
    // API Gateway's own JWT authorizers cache public keys for two hours.
    default: Some("9000"),
    is_required: false,
    parameter: Some("PublicationWaitSeconds"),
    help: "How long the next key is published before it signs. The minimum depends on `KEY_REFRESH_SECONDS`: \
           1260 seconds with its default.",
};

/// `RETAINED_KEY_ID`.
pub const RETAINED_KEY_ID: Setting = Setting {
    name: "RETAINED_KEY_ID",
    functions: &[Function::Rotator],
    values: Values::Text,
    default: None,
    is_required: false,
    parameter: None,
    help: "The id or ARN of the stack's own key. When it retires it is disabled and not deleted, and the next \
           key gets its policy. The template sets it.",
};

/// `ROTATION_DAYS`.
pub const ROTATION_DAYS: Setting = Setting {
    name: "ROTATION_DAYS",
    functions: &[Function::Rotator],
    values: Values::Days { min: 1, max: 3650 },
    default: None,
    is_required: true,
    parameter: Some("RotationDays"),
    help: "The age at which the signing key is replaced. With the parameter's default, 0, there is no rotator.",
};

/// `SIGNING_ALGORITHM`.
pub const SIGNING_ALGORITHM: Setting = Setting {
    name: "SIGNING_ALGORITHM",
    functions: ALL,
    values: Values::Algorithm,
    default: None,
    is_required: false,
    parameter: Some("SigningAlgorithm"),
    help: "The `alg` of tokens. By default the first algorithm of the key's `KeySpec`. A function whose key \
           does not have the algorithm does not start.",
};

/// `TOKEN_AUDIENCE`.
pub const TOKEN_AUDIENCE: Setting = Setting {
    name: "TOKEN_AUDIENCE",
    functions: SIGNERS,
    values: Values::Names,
    default: None,
    is_required: false,
    parameter: Some("TokenAudience"),
    help: "The accepted values of `aud`. The issuer sets the first one where a request has none. Without it, \
           the authorizer accepts only tokens without `aud`.",
};

/// `TOKEN_ISSUER`.
pub const TOKEN_ISSUER: Setting = Setting {
    name: "TOKEN_ISSUER",
    functions: SIGNERS,
    values: Values::Text,
    default: None,
    is_required: true,
    parameter: Some("TokenIssuer"),
    help: "The `iss` of every token, set by the issuer and required by the authorizer. With an https URL, \
           clients find the public keys below it.",
};

/// `TOKEN_LIFETIME_MAX_SECONDS`.
pub const TOKEN_LIFETIME_MAX_SECONDS: Setting = Setting {
    name: "TOKEN_LIFETIME_MAX_SECONDS",
    functions: &[Function::Issuer, Function::Rotator],
    values: Values::Seconds { min: 1, max: YEAR },
    default: Some("3600"),
    is_required: false,
    parameter: Some("TokenLifetimeMaxSeconds"),
    help: "The longest lifetime that a request may ask for. The rotator retires a key when tokens of this \
           lifetime have expired.",
};

/// `TOKEN_LIFETIME_SECONDS`.
pub const TOKEN_LIFETIME_SECONDS: Setting = Setting {
    name: "TOKEN_LIFETIME_SECONDS",
    functions: &[Function::Issuer],
    values: Values::Seconds { min: 1, max: YEAR },
    default: Some("3600"),
    is_required: false,
    parameter: Some("TokenLifetimeSeconds"),
    help: "The lifetime of a token where the request has no `expires_in`.",
};

/// `TOKEN_TYPE`.
pub const TOKEN_TYPE: Setting = Setting {
    name: "TOKEN_TYPE",
    functions: SIGNERS,
    values: Values::Text,
    default: Some("JWT"),
    is_required: false,
    parameter: Some("TokenType"),
    help: "The `typ` of tokens, compared without regard to case and to the prefix `application/` (RFC 7515 \
           section 4.1.9). A token without `typ` is a `JWT`. `at+jwt` issues access tokens (RFC 9068).",
};

/// `VERIFICATION`.
pub const VERIFICATION: Setting = Setting {
    name: "VERIFICATION",
    functions: &[Function::Authorizer],
    values: Values::OneOf(&["kms", "local"]),
    default: Some("kms"),
    is_required: false,
    parameter: Some("Verification"),
    help: "`kms`: call KMS Verify for each token. `local`: verify with the ring's public keys; a disabled key \
           is noticed at the next refresh.",
};

/// `WEBSOCKET_TOKEN_PROTOCOL`.
pub const WEBSOCKET_TOKEN_PROTOCOL: Setting = Setting {
    name: "WEBSOCKET_TOKEN_PROTOCOL",
    functions: &[Function::Authorizer],
    values: Values::Text,
    default: None,
    is_required: false,
    parameter: Some("WebSocketTokenProtocol"),
    help: "The WebSocket subprotocol after which a browser sends its token. Without it, the authorizer does not \
           look for tokens among the subprotocols.",
};

/// All settings.
pub const SETTINGS: [Setting; 17] = [
    ACCESS_RULES,
    CLOCK_LEEWAY_SECONDS,
    HTTP_API_RESPONSE,
    ISSUANCE_POLICY,
    KEY_ALIAS,
    KEY_REFRESH_SECONDS,
    PUBLICATION_WAIT_SECONDS,
    RETAINED_KEY_ID,
    ROTATION_DAYS,
    SIGNING_ALGORITHM,
    TOKEN_AUDIENCE,
    TOKEN_ISSUER,
    TOKEN_LIFETIME_MAX_SECONDS,
    TOKEN_LIFETIME_SECONDS,
    TOKEN_TYPE,
    VERIFICATION,
    WEBSOCKET_TOKEN_PROTOCOL,
];
