//! The table of all settings: name, functions, values, default, parameter of the template and help text. The functions
//! read their settings through it, and the suggestions for misspelled names and the test of the template use it.

/// A setting: an environment variable of one or more functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The name of the environment variable.
    pub name: &'static str,
    /// The functions that read it.
    pub functions: &'static [Function],
    /// The valid values.
    pub values: Values,
    /// The value if it is not set or empty. `None`: the setting is required, or the help text describes the default.
    pub default: Option<&'static str>,
    /// Whether a function does not start without it.
    pub is_required: bool,
    /// The parameter of the template that sets it, if there is one.
    pub parameter: Option<Parameter>,
    /// The help text, in Markdown.
    pub help: &'static str,
}

/// The functions that have settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Issues tokens.
    Issuer,
    /// Authorizes requests.
    Authorizer,
    /// Rotates the keys of the ring.
    Rotator,
}

/// The way in which a deployment passes the value of a setting to the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// A parameter with this name.
    Own(&'static str),
    /// A member of the parameter `Settings`: `NAME=VALUE`. For settings that few deployments change.
    InSettings {
        /// The name of the member.
        name: &'static str,
        /// The values that the template allows, if they are fewer than those of the setting.
        values: Option<Values>,
    },
}

/// The valid values of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Text, which the help text describes.
    Text,
    /// Text that a member of `Settings` gives. The template refuses other text; a function parses the text itself.
    Matching {
        /// A regular expression for all of the text, in the syntax of Java without backslashes, double quotes and commas.
        pattern: &'static str,
        /// What the text is, in Markdown.
        description: &'static str,
    },
    /// Names, separated by commas.
    Names,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A JSON list of rules, or the file that has it.
    Rules,
    /// A JSON list of revocations, or the file that has it.
    Revocations,
    /// A JSON list of trusted issuers, or the file that has it.
    Issuers,
    /// A JOSE signature algorithm.
    Algorithm,
    /// A whole number of seconds.
    Seconds {
        /// The minimum.
        min: u64,
        /// The maximum.
        max: u64,
    },
    /// A whole number.
    Number {
        /// The minimum.
        min: u64,
        /// The maximum.
        max: u64,
    },
    /// A whole number of days.
    Days {
        /// The minimum.
        min: u64,
        /// The maximum.
        max: u64,
    },
}

impl Function {
    /// The name in the documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Authorizer => "authorizer",
            Self::Rotator => "rotator",
        }
    }
}

impl Parameter {
    /// The name in the documentation, in Markdown.
    #[must_use]
    pub fn description(self) -> String {
        match self {
            Self::Own(name) => format!("`{name}`"),
            Self::InSettings { name, .. } => format!("`{name}` in `Settings`"),
        }
    }
}

impl Values {
    /// Whether the value may be `file:PATH`.
    #[must_use]
    pub const fn may_be_in_a_file(self) -> bool {
        matches!(self, Self::Rules | Self::Revocations | Self::Issuers)
    }

    /// The values in the documentation, in Markdown.
    #[must_use]
    pub fn description(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Matching { description, .. } => description.into(),
            Self::Names => "names, separated by commas".into(),
            Self::Rules => {
                "a JSON list of rules, or [the file](../configuration.md#values-in-files) that has it".into()
            }
            Self::Revocations => {
                "a JSON list of revocations, or [the file](../configuration.md#values-in-files) that has it".into()
            }
            Self::Issuers => {
                "a JSON list of trusted issuers, or [the file](../configuration.md#values-in-files) that has it".into()
            }
            Self::Algorithm => "a JOSE algorithm, see [below](#algorithms)".into(),
            Self::Seconds { min, max } => format!("{min} to {max} seconds"),
            Self::Number { min, max } => format!("{min} to {max}"),
            Self::Days { min, max } => format!("{min} to {max} days"),
            Self::OneOf(values) => {
                let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
                values.join(", ")
            }
        }
    }
}

const ISSUER_AND_AUTHORIZER: &[Function] = &[Function::Issuer, Function::Authorizer];
const ALL: &[Function] = &[Function::Issuer, Function::Authorizer, Function::Rotator];
const YEAR_SECONDS: u64 = 365 * 24 * 60 * 60;

/// `ACCESS_RULES`.
pub const ACCESS_RULES: Setting = Setting {
    name: "ACCESS_RULES",
    functions: &[Function::Authorizer],
    values: Values::Rules,
    default: None,
    is_required: false,
    parameter: None,
    help: "The routes that each token may call. Without rules, every valid token may call every route.",
};

/// `ALLOWED_LOG_INTERVAL`.
pub const ALLOWED_LOG_INTERVAL: Setting = Setting {
    name: "ALLOWED_LOG_INTERVAL",
    functions: &[Function::Authorizer],
    values: Values::Number { min: 1, max: 10_000 },
    default: Some("1"),
    is_required: false,
    parameter: Some(Parameter::InSettings { name: "AllowedLogInterval", values: None }),
    help: "Each environment of the authorizer writes the log line of its first allowed request, and then one line for \
           this many allowed requests. The metric `Allowed` also counts those without a line, except the last ones before an environment ends. \
           Other lines are always written.",
};

/// `CLOCK_LEEWAY_SECONDS`.
pub const CLOCK_LEEWAY_SECONDS: Setting = Setting {
    name: "CLOCK_LEEWAY_SECONDS",
    functions: &[Function::Authorizer, Function::Rotator],
    values: Values::Seconds { min: 0, max: 300 },
    default: Some("0"),
    is_required: false,
    parameter: Some(Parameter::InSettings { name: "ClockLeewaySeconds", values: None }),
    help: "The tolerated clock skew between issuer and authorizer, applied to `exp`, `nbf` and `iat`. The rotator adds it \
           to its wait before a retirement.",
};

/// `HTTP_API_RESPONSE`.
pub const HTTP_API_RESPONSE: Setting = Setting {
    name: "HTTP_API_RESPONSE",
    functions: &[Function::Authorizer],
    values: Values::OneOf(&["iam", "simple"]),
    default: Some("iam"),
    is_required: false,
    parameter: Some(Parameter::InSettings { name: "HttpApiResponse", values: None }),
    help: "The response to events of payload format 2.0: an IAM policy, or a simple response. It must match \
           `EnableSimpleResponses` of the HTTP API's authorizer.",
};

/// `ISSUANCE_POLICY`.
pub const ISSUANCE_POLICY: Setting = Setting {
    name: "ISSUANCE_POLICY",
    functions: &[Function::Issuer],
    values: Values::Rules,
    default: None,
    is_required: false,
    parameter: None,
    help: "The tokens that each caller may request. Without a policy, every caller that IAM allows may request \
           any claims.",
};

/// `ISSUER_ROUTES`.
pub const ISSUER_ROUTES: Setting = Setting {
    name: "ISSUER_ROUTES",
    functions: &[Function::Issuer],
    values: Values::OneOf(&["iam", "oauth2"]),
    default: Some("iam"),
    is_required: false,
    parameter: None,
    help: "The routes that the function serves. `iam`: `/token`, which IAM protects, direct invocations, and the public \
           documents. `oauth2`: only `/oauth2/token` and `/oauth2/authorize`, which need no IAM. The template sets it.",
};

/// `KEY_ALIAS`.
pub const KEY_ALIAS: Setting = Setting {
    name: "KEY_ALIAS",
    functions: ALL,
    values: Values::Text,
    default: None,
    is_required: true,
    parameter: Some(Parameter::Own("KeyAlias")),
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
    parameter: Some(Parameter::InSettings {
        name: "KeyRefreshSeconds",
        values: Some(Values::Seconds { min: 10, max: 3600 }),
    }),
    help: "How long a function uses the loaded key ring before it loads the ring again. The rotator calculates its waits \
           from it, so all functions must have the same value.",
};

/// `PUBLICATION_WAIT_SECONDS`.
pub const PUBLICATION_WAIT_SECONDS: Setting = Setting {
    name: "PUBLICATION_WAIT_SECONDS",
    functions: &[Function::Rotator],
    values: Values::Seconds { min: 0, max: YEAR_SECONDS },
    // API Gateway's own JWT authorizers cache public keys for two hours.
    default: Some("9000"),
    is_required: false,
    parameter: Some(Parameter::InSettings {
        name: "PublicationWaitSeconds",
        values: Some(Values::Seconds { min: 1260, max: YEAR_SECONDS }),
    }),
    help: "How long the next key is published before it signs: at least 660 seconds, plus `KEY_REFRESH_SECONDS`, plus the \
           time for which verifiers cache the key set. See [Rotate keys](../rotation.md#how-long-it-takes).",
};

/// `RETAINED_KEY_ID`.
pub const RETAINED_KEY_ID: Setting = Setting {
    name: "RETAINED_KEY_ID",
    functions: &[Function::Rotator],
    values: Values::Text,
    default: None,
    is_required: false,
    parameter: None,
    help: "The id or ARN of the key that the stack owns. When it is retired, it is disabled but not deleted. New keys get \
           its key policy. The template sets it.",
};

/// `REVOCATIONS`.
pub const REVOCATIONS: Setting = Setting {
    name: "REVOCATIONS",
    functions: &[Function::Authorizer, Function::Issuer],
    values: Values::Revocations,
    default: None,
    is_required: false,
    parameter: None,
    help: "The tokens that are refused although they have not expired: see [Revoke tokens](../authorizing.md#revoke-tokens).",
};

/// `ROTATION_DAYS`.
pub const ROTATION_DAYS: Setting = Setting {
    name: "ROTATION_DAYS",
    functions: &[Function::Rotator],
    values: Values::Days { min: 1, max: 3650 },
    default: None,
    is_required: true,
    parameter: Some(Parameter::Own("RotationDays")),
    help: "The age at which the current key is replaced. If the template's parameter is 0, its default, there is no \
           rotator.",
};

/// `SIGNATURE_CACHE_SECONDS`.
pub const SIGNATURE_CACHE_SECONDS: Setting = Setting {
    name: "SIGNATURE_CACHE_SECONDS",
    functions: &[Function::Authorizer],
    values: Values::Seconds { min: 0, max: 300 },
    default: Some("0"),
    is_required: false,
    parameter: Some(Parameter::InSettings { name: "SignatureCacheSeconds", values: None }),
    help: "How long an environment of the authorizer accepts a signature that it has found valid without verifying it \
           again. An environment that has seen a token notices a disabled key at most this much later. 0 verifies the \
           signature of each request.",
};

/// `SIGNING_ALGORITHM`.
pub const SIGNING_ALGORITHM: Setting = Setting {
    name: "SIGNING_ALGORITHM",
    functions: ALL,
    values: Values::Algorithm,
    default: None,
    is_required: false,
    parameter: Some(Parameter::Own("SigningAlgorithm")),
    help: "The `alg` of tokens. Without it, the first algorithm of the key's `KeySpec`. Issuer and authorizer do not \
           start if the current key does not support the algorithm; the rotator does not rotate to such a key.",
};

/// `STACK_NAME`.
pub const STACK_NAME: Setting = Setting {
    name: "STACK_NAME",
    functions: ALL,
    values: Values::Text,
    default: None,
    is_required: false,
    parameter: None,
    help: "The value of the dimension `Stack` of all metrics. Without it, metrics have no such dimension, and stacks of one \
           account and Region share them. The template sets it.",
};

/// `TOKEN_AUDIENCE`.
pub const TOKEN_AUDIENCE: Setting = Setting {
    name: "TOKEN_AUDIENCE",
    functions: ISSUER_AND_AUTHORIZER,
    values: Values::Names,
    default: None,
    is_required: false,
    parameter: Some(Parameter::Own("TokenAudience")),
    help: "The accepted values of `aud`. The issuer sets the first one if the request has no `aud`. Without the setting, \
           the authorizer accepts only tokens without `aud`.",
};

/// `TOKEN_ISSUER`.
pub const TOKEN_ISSUER: Setting = Setting {
    name: "TOKEN_ISSUER",
    functions: ISSUER_AND_AUTHORIZER,
    values: Values::Text,
    default: None,
    is_required: true,
    parameter: Some(Parameter::Own("TokenIssuer")),
    help: "The `iss` of every token, set by the issuer and required by the authorizer. If it is the https URL of the \
           issuer's API, clients can discover the public keys from it (OpenID Connect Discovery).",
};

/// `TOKEN_LIFETIME_MAX_SECONDS`.
pub const TOKEN_LIFETIME_MAX_SECONDS: Setting = Setting {
    name: "TOKEN_LIFETIME_MAX_SECONDS",
    functions: &[Function::Issuer, Function::Rotator],
    values: Values::Seconds { min: 1, max: YEAR_SECONDS },
    default: Some("3600"),
    is_required: false,
    parameter: Some(Parameter::InSettings { name: "TokenLifetimeMaxSeconds", values: None }),
    help: "The longest lifetime that a request may ask for with `expires_in`. The rotator retires a key only after tokens \
           of this lifetime have expired.",
};

/// `TOKEN_LIFETIME_SECONDS`.
pub const TOKEN_LIFETIME_SECONDS: Setting = Setting {
    name: "TOKEN_LIFETIME_SECONDS",
    functions: &[Function::Issuer],
    values: Values::Seconds { min: 1, max: YEAR_SECONDS },
    default: Some("3600"),
    is_required: false,
    parameter: Some(Parameter::InSettings { name: "TokenLifetimeSeconds", values: None }),
    help: "The lifetime of a token if a JSON request has no `expires_in`. For forms, it is at most 900 seconds.",
};

/// `TOKEN_TYPE`.
pub const TOKEN_TYPE: Setting = Setting {
    name: "TOKEN_TYPE",
    functions: ISSUER_AND_AUTHORIZER,
    values: Values::Text,
    default: Some("JWT"),
    is_required: false,
    parameter: Some(Parameter::InSettings {
        name: "TokenType",
        values: Some(Values::OneOf(&["JWT", "at+jwt"])),
    }),
    help: "The `typ` of tokens, compared without regard to case and to the prefix `application/` (RFC 7515 section \
           4.1.9). A token without `typ` counts as `JWT`. Set `at+jwt` for access tokens by RFC 9068.",
};

/// `TRUSTED_ISSUERS`.
pub const TRUSTED_ISSUERS: Setting = Setting {
    name: "TRUSTED_ISSUERS",
    functions: &[Function::Issuer],
    values: Values::Issuers,
    default: None,
    is_required: false,
    parameter: None,
    help: "The issuers and clients whose assertions get a token at `/oauth2/token`: see [Tokens without \
           secrets](../tokens-without-secrets.md). Without it, there is no such endpoint.",
};

/// `VERIFICATION`.
pub const VERIFICATION: Setting = Setting {
    name: "VERIFICATION",
    functions: &[Function::Authorizer],
    values: Values::OneOf(&["kms", "local"]),
    default: Some("kms"),
    is_required: false,
    parameter: Some(Parameter::Own("Verification")),
    help: "`kms` calls KMS Verify for each token. `local` verifies with the ring's public keys and notices a disabled \
           key only at the next refresh.",
};

/// `WEBSOCKET_TOKEN_PROTOCOL`.
pub const WEBSOCKET_TOKEN_PROTOCOL: Setting = Setting {
    name: "WEBSOCKET_TOKEN_PROTOCOL",
    functions: &[Function::Authorizer],
    values: Values::Matching {
        pattern: "[!#$%&'*+.^_`|~0-9A-Za-z-]+",
        description: "the name of a subprotocol",
    },
    default: None,
    is_required: false,
    parameter: Some(Parameter::InSettings { name: "WebSocketTokenProtocol", values: None }),
    help: "The subprotocol that precedes the token in `Sec-WebSocket-Protocol`, for browsers, which cannot set other \
           headers. Without it, the authorizer ignores tokens in that header.",
};

/// All settings.
pub const SETTINGS: [Setting; 23] = [
    ACCESS_RULES,
    ALLOWED_LOG_INTERVAL,
    CLOCK_LEEWAY_SECONDS,
    HTTP_API_RESPONSE,
    ISSUANCE_POLICY,
    ISSUER_ROUTES,
    KEY_ALIAS,
    KEY_REFRESH_SECONDS,
    PUBLICATION_WAIT_SECONDS,
    RETAINED_KEY_ID,
    REVOCATIONS,
    ROTATION_DAYS,
    SIGNATURE_CACHE_SECONDS,
    SIGNING_ALGORITHM,
    STACK_NAME,
    TOKEN_AUDIENCE,
    TOKEN_ISSUER,
    TOKEN_LIFETIME_MAX_SECONDS,
    TOKEN_LIFETIME_SECONDS,
    TOKEN_TYPE,
    TRUSTED_ISSUERS,
    VERIFICATION,
    WEBSOCKET_TOKEN_PROTOCOL,
];
