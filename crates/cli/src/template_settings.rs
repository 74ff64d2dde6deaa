//! The members of the parameter `Settings` of the template.

use std::collections::BTreeMap;

use runtime::{Parameter, SETTINGS};

/// A member of `Settings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    /// The values, in Markdown.
    pub(crate) values: String,
    pub(crate) default: &'static str,
    /// The description, in Markdown.
    pub(crate) help: String,
}

/// All members, by name: those that are settings of the functions, and those that only the template reads.
pub(crate) fn members() -> impl Iterator<Item = Member> {
    let own = TEMPLATE_MEMBERS.into_iter().map(|(name, values, default, help)| {
        let (values, help) = (values.to_owned(), help.to_owned());
        Member { name, values, default, help }
    });
    let settings = SETTINGS.into_iter().filter_map(|setting| {
        let Some(Parameter::InSettings(name)) = setting.parameter else { return None };
        // A page of its own has the help text.
        let help = format!("[`{}`](settings.md#{})", setting.name, setting.name.to_lowercase());
        let values = bounds(name).map_or_else(|| setting.values.description(), str::to_owned);
        Some(Member { name, values, default: setting.default.unwrap_or_default(), help })
    });
    let members: BTreeMap<_, _> = own.chain(settings).map(|member| (member.name, member)).collect();
    members.into_values()
}

/// The values that the template allows, where it allows fewer than the functions.
fn bounds(name: &str) -> Option<&'static str> {
    Some(match name {
        "KeyRefreshSeconds" => "10 to 3600 seconds",
        "PublicationWaitSeconds" => "1260 to 31536000 seconds",
        "TokenType" => "`JWT`, `at+jwt`",
        "WebSocketTokenProtocol" => "the name of a subprotocol",
        _ => return None,
    })
}

/// The members that no function reads, or that are no settings of ours: name, values, default and description.
const TEMPLATE_MEMBERS: [(&str, &str, &str, &str); 10] = [
    (
        "AllowedOrigin",
        "`*`, or one origin such as `https://app.example`",
        "*",
        "The origin whose pages may call the API from a browser (CORS). The API ignores cookies.",
    ),
    (
        "CallerAccounts",
        "account ids, separated by `+`",
        "",
        "Other accounts whose principals may request tokens, if their IAM policies allow it too: see [Callers of other \
         accounts](../deploy.md#callers-of-other-accounts).",
    ),
    (
        "CallerOrganization",
        "the id of an organization, such as `o-a1b2c3d4e5`",
        "",
        "The same for all accounts of an organization of AWS Organizations.",
    ),
    (
        "KmsEndpoint",
        "an https URL, or an http URL of the local machine",
        "",
        "Another KMS endpoint, such as a VPC endpoint or the FIPS endpoint. http is only for `sam local` with the KMS of \
         `countersign local`.",
    ),
    (
        "LogRetentionDays",
        "a retention of CloudWatch Logs, 1 to 3653 days",
        "90",
        "How many days CloudWatch keeps the logs. The log of the issuer records which caller got which token.",
    ),
    (
        "PermissionsBoundary",
        "the ARN of an IAM policy",
        "",
        "The permissions boundary of all roles of the stack: see [Permissions](../permissions.md#permissions-boundary).",
    ),
    (
        "PolicyCacheSeconds",
        "0 to 3600 seconds",
        "0",
        "How long API Gateway caches the decision on a token, for routes that you add to the API of the stack. A token can be \
         accepted for up to this time after its `exp`. 0: no caching. Other APIs, such as that of `deploy/demo.yaml`, have \
         settings of their own. See [Caching](../caching.md#policy-cache).",
    ),
    (
        "RequestBurst",
        "1 to 5000",
        "1000",
        "The number of requests that the API accepts at once for each method (burst limit).",
    ),
    (
        "RequestsPerSecond",
        "1 to 10000",
        "500",
        "The average number of requests a second that the API accepts for each method. More get 429.",
    ),
    (
        "Tracing",
        "`Active`, `PassThrough`",
        "Active",
        "`Active`: X-Ray samples requests. `PassThrough`: X-Ray records only requests that the caller traces.",
    ),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::LazyLock};

    use local::template::Template;
    use serde_json::Value;

    use super::*;
    use crate::{template::TEMPLATE, template_parameters::member_value};

    #[test]
    fn guided_deployment_asks_for_at_most_15_parameters() {
        let template = Template::parse(TEMPLATE).unwrap();
        assert!((1..=15).contains(&template.section("Parameters").count()));
    }

    fn is_allowed(settings: &str) -> bool {
        static PARSED: LazyLock<Template> = LazyLock::new(|| Template::parse(TEMPLATE).unwrap());
        let values = [("Settings".to_owned(), settings.to_owned())];
        PARSED.resolver("us-east-1", &values.into()).is_ok()
    }

    #[test]
    fn defaults_are_those_where_the_template_uses_the_member() {
        let mut used = BTreeSet::new();
        for line in TEMPLATE.lines() {
            let Some((_, after)) = line.split_once("!Sub \",${Settings},") else { continue };
            let (name, after) = after.split_once('=').unwrap();
            let (default, _) = after.split_once(',').unwrap();
            used.insert(name);
            assert!(line.contains(&member_value(name, default)), "{line}");
            let member = members().find(|member| member.name == name);
            assert_eq!(member.map(|member| member.default), Some(default), "{line}");
        }
        assert_eq!(used, members().map(|member| member.name).collect());
    }

    #[test]
    fn description_names_each_member() {
        let template = Template::parse(TEMPLATE).unwrap();
        let (_, parameter) =
            template.section("Parameters").find(|(it, _)| *it == "Settings").unwrap();
        let description = parameter["Description"].as_str().unwrap();
        let names: BTreeSet<_> = description.split(|c: char| !c.is_ascii_alphabetic()).collect();
        let missing: Vec<_> = members().filter(|member| !names.contains(member.name)).collect();
        assert_eq!(missing, []);
    }

    #[test]
    fn values_within_their_bounds_are_allowed() {
        let rows: &[(&str, &[&str], &[&str])] = &[
            ("AllowedLogInterval", &["1", "100", "10000"], &["0", "10001", "01", "1.5", ""]),
            (
                "AllowedOrigin",
                &["*", "https://app.example", "http://localhost:8080"],
                &["app.example", "https://a'b", "https://a b", "**", ""],
            ),
            (
                "CallerAccounts",
                &["111122223333", "111122223333+444455556666"],
                &["1111", "111122223333+", "111122223333;444455556666", "*"],
            ),
            ("CallerOrganization", &["o-a1b2c3d4e5"], &["a1b2c3d4e5", "o-a1b2", "o-*", "*"]),
            ("ClockLeewaySeconds", &["0", "5", "60", "300"], &["301", "-1", "05", "999"]),
            ("HttpApiResponse", &["iam", "simple"], &["IAM", "simples", ""]),
            ("KeyRefreshSeconds", &["10", "300", "3600"], &["9", "3601", "9999", "010"]),
            (
                "KmsEndpoint",
                &[
                    "https://kms-fips.us-east-1.amazonaws.com",
                    "http://127.0.0.1:4566",
                    "http://host.docker.internal:4566",
                ],
                &["http://kms.example", "http://127.0.0.1.example", "https://", ""],
            ),
            ("LogRetentionDays", &["1", "90", "3653"], &["0", "2", "91", "36530"]),
            (
                "PermissionsBoundary",
                &[
                    "arn:aws:iam::111122223333:policy/teams/boundary",
                    "arn:aws-cn:iam::aws:policy/ReadOnlyAccess",
                ],
                &["boundary", "arn:aws:iam::111122223333:role/boundary"],
            ),
            (
                "PublicationWaitSeconds",
                &["1260", "1300", "2000", "9000", "86400", "31536000"],
                &["1259", "999", "31536001", "99999999"],
            ),
            (
                "PolicyCacheSeconds",
                &["0", "9", "10", "999", "2999", "3600"],
                &["3601", "4000", "01"],
            ),
            ("RequestBurst", &["1", "999", "1000", "5000"], &["0", "5001", "50000"]),
            ("RequestsPerSecond", &["1", "9999", "10000"], &["0", "10001"]),
            ("SignatureCacheSeconds", &["0", "99", "300"], &["301", ""]),
            (
                "TokenLifetimeMaxSeconds",
                &[
                    "1", "900", "9999999", "10000000", "30999999", "31499999", "31529999",
                    "31535999", "31536000",
                ],
                &["0", "31536001", "31540000", "31600000", "32000000", "100000000"],
            ),
            ("TokenLifetimeSeconds", &["1", "31536000"], &["0", "31536001"]),
            ("TokenType", &["JWT", "at+jwt"], &["jwt", "at jwt", ""]),
            ("Tracing", &["Active", "PassThrough"], &["active", ""]),
            ("WebSocketTokenProtocol", &["bearer", "a.b~c"], &["a b", "a/b", "a=b", ""]),
        ];
        let tested: BTreeSet<_> = rows.iter().map(|(name, ..)| *name).collect();
        assert_eq!(tested, members().map(|member| member.name).collect());
        for (name, allowed, refused) in rows {
            for (value, expected) in
                allowed.iter().map(|it| (it, true)).chain(refused.iter().map(|it| (it, false)))
            {
                let lists = [format!("{name}={value}"), format!("{name}={value},Tracing=Active")];
                for list in lists.iter().take(if *name == "Tracing" { 1 } else { 2 }) {
                    assert_eq!(is_allowed(list), expected, "{list}");
                }
            }
        }
    }

    /// The bounds of the functions, which the pattern repeats.
    #[test]
    fn bounds_of_the_functions_are_those_of_the_pattern() {
        use runtime::Values::{Number, OneOf, Seconds};
        for setting in SETTINGS {
            let Some(Parameter::InSettings(name)) = setting.parameter else { continue };
            let allows = |value: &str| is_allowed(&format!("{name}={value}"));
            match setting.values {
                Seconds { min, max } | Number { min, max } if bounds(name).is_none() => {
                    assert!(allows(&min.to_string()) && allows(&max.to_string()), "{name}");
                    assert!(!allows(&(max + 1).to_string()), "{name}");
                    assert!(min == 0 || !allows(&(min - 1).to_string()), "{name}");
                }
                OneOf(values) => assert!(values.iter().all(|value| allows(value)), "{name}"),
                _ => {}
            }
        }
    }

    #[test]
    fn lists_are_read() {
        let rows = [
            ("", true),
            ("none", true),
            ("Tracing=Active,TokenType=JWT,HttpApiResponse=simple", true),
            ("none,Tracing=Active", false),
            ("Tracing=Active,", false),
            (",Tracing=Active", false),
            ("Tracing=Active,,TokenType=JWT", false),
            ("Tracing=Active, TokenType=JWT", false),
            ("Tracing=Active TokenType=JWT", false),
            ("Tracing=Active,Tracing=Active", false),
            ("Tracing=Active,TokenType=JWT,Tracing=PassThrough", false),
            ("TokenType=JWT,Tracing=Active,Tracing=PassThrough", false),
            ("TokenLifetimeSecond=1", false),
            ("AudienceTracing=Active", false),
            ("tracing=Active", false),
            ("Tracing", false),
        ];
        let failed = rows.iter().filter(|(list, expected)| is_allowed(list) != *expected);
        assert_eq!(failed.collect::<Vec<_>>(), Vec::<&(_, _)>::new());
    }

    #[test]
    fn members_are_used_and_others_have_their_defaults() {
        let template = Template::parse(TEMPLATE).unwrap();
        let values = [("Settings".to_owned(), "TokenType=at+jwt,KeyRefreshSeconds=60".to_owned())];
        let resolver = template.resolver("us-east-1", &values.into()).unwrap();
        let variables = template.function_default("Environment").unwrap();
        let value = |name: &str| resolver.resolve(&variables["Variables"][name]).unwrap();
        assert_eq!(value("TOKEN_TYPE"), Value::from("at+jwt"));
        assert_eq!(value("KEY_REFRESH_SECONDS"), Value::from("60"));
        assert_eq!(value("AWS_ENDPOINT_URL_KMS"), Value::from(""));
    }
}
