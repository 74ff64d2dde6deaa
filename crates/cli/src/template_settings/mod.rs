//! The members of the parameter `Settings` of the template.

mod pattern;

use std::collections::BTreeMap;

use runtime::{Parameter, Setting, Values};

/// A member of `Settings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    /// The values that the template allows.
    pub(crate) values: Values,
    pub(crate) default: &'static str,
    /// The description, in Markdown.
    pub(crate) help: String,
}

/// All members, by name: those that are settings of the functions, and those that only the template reads.
pub(crate) fn members(settings: &[Setting]) -> impl Iterator<Item = Member> {
    let own = TEMPLATE_MEMBERS.into_iter().map(|(name, values, default, help)| {
        let help = help.to_owned();
        Member { name, values, default, help }
    });
    let settings = settings.iter().filter_map(|setting| {
        let Some(Parameter::InSettings { name, values }) = setting.parameter else { return None };
        // The help text is on a separate page.
        let help = format!("[`{}`](settings.md#{})", setting.name, setting.name.to_lowercase());
        let values = values.unwrap_or(setting.values);
        Some(Member { name, values, default: setting.default.unwrap_or_default(), help })
    });
    let members: BTreeMap<_, _> = own.chain(settings).map(|member| (member.name, member)).collect();
    members.into_values()
}

/// The template with the pattern of `Settings`, and with the names of all members in its description.
///
/// # Errors
/// A member whose values have no pattern, or the line that the template lacks.
pub(crate) fn with_members(template: &str, settings: &[Setting]) -> Result<String, String> {
    let mut names_of_pattern: Vec<(String, Vec<&str>)> = Vec::new();
    for Member { name, values, .. } in members(settings) {
        let pattern = pattern::pattern(values).ok_or_else(|| {
            format!("the values of `{name}`, a member of `Settings`, have no pattern")
        })?;
        match names_of_pattern.iter_mut().find(|(known, _)| *known == pattern) {
            Some((_, names)) => names.push(name),
            None => names_of_pattern.push((pattern, vec![name])),
        }
    }
    let alternatives = names_of_pattern.iter().enumerate().map(|(index, (pattern, names))| {
        let separator = if index == 0 { "" } else { "|" };
        let names = if let [name] = &**names {
            (*name).to_owned()
        } else {
            format!("({})", names.join("|"))
        };
        format!("      {separator}{names}={pattern}\\")
    });
    let template = replace_lines(template, PATTERN_START, PATTERN_END, alternatives)?;
    let names: Vec<_> = members(settings).map(|member| member.name).collect();
    let (last, others) = names.split_last().ok_or("`Settings` has no member")?;
    let names = format!("{} and {last}.", others.join(", "));
    replace_lines(&template, NAMES_START, NAMES_END, wrapped(&names, MAX_COLUMNS))
}

/// The line before the pattern's alternatives. Its groups refuse a name that is given twice.
const PATTERN_START: &str = r"      ^(none)?$|^(?!,|(.*,)?([A-Za-z]+)=[^,]*,(.*,)?\\3=)((^|,)(\";

/// The line after the pattern's alternatives.
const PATTERN_END: &str = r#"      ))+$""#;

/// The line of the description before the names.
pub(crate) const NAMES_START: &str = "      The names are";

/// The line of the description after the names.
pub(crate) const NAMES_END: &str =
    "      Empty or none - the defaults. A stack that sets KeyAlias needs a list or none.";

/// Puts other lines between the first line `start` and the next line `end`.
fn replace_lines(
    text: &str,
    start: &str,
    end: &str,
    lines: impl Iterator<Item = String>,
) -> Result<String, String> {
    let missing = |line: &str| format!("the template has no line `{}`", line.trim());
    let marks = (format!("\n{start}\n"), format!("\n{end}\n"));
    let (before, rest) = text.split_once(&marks.0).ok_or_else(|| missing(start))?;
    let after = rest.find(&marks.1).and_then(|at| rest.get(at..)).ok_or_else(|| missing(end))?;
    let lines: Vec<_> = lines.collect();
    Ok(format!("{before}{}{}{after}", marks.0, lines.join("\n")))
}

/// Words in indented lines of at most this width.
pub(crate) fn wrapped(words: &str, max_columns: usize) -> impl Iterator<Item = String> {
    let mut lines = vec![String::from("     ")];
    for word in words.split_whitespace() {
        if lines.last().is_some_and(|line| line.len() + 1 + word.len() > max_columns) {
            lines.push(String::from("     "));
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.into_iter()
}

const MAX_COLUMNS: usize = 116;

/// A row of [`TEMPLATE_MEMBERS`]: name, values, default and description.
type TemplateMember = (&'static str, Values, &'static str, &'static str);

/// The members that no function reads, or that are no settings of ours.
const TEMPLATE_MEMBERS: [TemplateMember; 10] = [
    (
        "AllowedOrigin",
        Values::Matching {
            pattern: "([*]|https?://[!#-&(-+.-~-]+)",
            description: "`*`, or one origin such as `https://app.example`",
        },
        "*",
        "The origin whose pages may call the API of the stack from a browser (CORS). The API ignores cookies.",
    ),
    (
        "CallerAccounts",
        Values::Matching {
            pattern: "[0-9]{12}([+][0-9]{12})*",
            description: "account ids, separated by `+`",
        },
        "",
        "Other accounts whose principals may request tokens, if their IAM policies allow it too: see [Callers of other \
         accounts](../deploy.md#callers-of-other-accounts).",
    ),
    (
        "CallerOrganization",
        Values::Matching {
            pattern: "o-[a-z0-9]{10,32}",
            description: "the id of an organization, such as `o-a1b2c3d4e5`",
        },
        "",
        "The same for all accounts of an organization of AWS Organizations.",
    ),
    (
        "KmsEndpoint",
        Values::Matching {
            pattern: "(https://[!-+.-~-]+|http://(127[.]0[.]0[.]1|host[.]docker[.]internal)(:[0-9]+)?)",
            description: "an https URL, or an http URL of the local machine",
        },
        "",
        "Another KMS endpoint, such as a VPC endpoint or the FIPS endpoint. http is only for `sam local` with the KMS of \
         `countersign local`.",
    ),
    (
        "LogRetentionDays",
        Values::Matching {
            pattern: "(1|3|5|7|14|30|60|90|120|150|180|365|400|545|731|1096|1827|2192|2557|2922|3288|3653)",
            description: "a retention of CloudWatch Logs, 1 to 3653 days",
        },
        "90",
        "How many days CloudWatch keeps the logs. The log of the issuer records which caller got which token.",
    ),
    (
        "PermissionsBoundary",
        Values::Matching {
            pattern: "arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/[!-+.-~-]+",
            description: "the ARN of an IAM policy",
        },
        "",
        "The permissions boundary of all roles of the stack: see [Permissions](../permissions.md#permissions-boundary).",
    ),
    (
        "PolicyCacheSeconds",
        Values::Seconds { min: 0, max: 3600 },
        "0",
        "How long API Gateway caches the decision on a token, for routes that you add to the API of the stack. A token can be \
         accepted for up to this time after its `exp`. 0: no caching. Other APIs, such as that of `deploy/demo.yaml`, have \
         settings of their own. See [Caching](../caching.md#policy-cache).",
    ),
    (
        "RequestBurst",
        Values::Number { min: 1, max: 5000 },
        "1000",
        "The number of requests that the API accepts at once for each method (burst limit).",
    ),
    (
        "RequestsPerSecond",
        Values::Number { min: 1, max: 10_000 },
        "500",
        "The average number of requests a second that the API accepts for each method. More get 429.",
    ),
    (
        "Tracing",
        Values::OneOf(&["Active", "PassThrough"]),
        "Active",
        "`Active`: X-Ray samples requests. `PassThrough`: X-Ray records only requests that the caller traces.",
    ),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::LazyLock};

    use local::template::Template;
    use runtime::SETTINGS;
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
            let member = members(&SETTINGS).find(|member| member.name == name);
            assert_eq!(member.map(|member| member.default), Some(default), "{line}");
        }
        assert_eq!(used, members(&SETTINGS).map(|member| member.name).collect());
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
        assert_eq!(tested, members(&SETTINGS).map(|member| member.name).collect());
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
