//! Settings that stop the start of a function: all are reported at once, before any call of KMS.

use std::{collections::BTreeMap, time::Duration};

use local::{
    kms::Kms,
    lambda::{Bootstrap, FunctionConfig, FunctionLogs, HostedFunction},
};
use runtime::SETTINGS;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{ALIAS, BINARY, run, to_text};

const FUNCTIONS: [&str; 3] = ["issuer", "authorizer", "rotator"];

/// Starts a function with these settings in addition to the required ones. If it does not start, the error
/// has the problems that it reports.
async fn start(function: &str, kms: &Kms, settings: &[(&str, &str)]) -> Result<(), Vec<String>> {
    let endpoint = format!("http://{}", kms.address());
    let mut environment = BTreeMap::from([
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL_KMS", &endpoint),
        ("KEY_ALIAS", ALIAS),
        ("TOKEN_ISSUER", "https://issuer.example"),
        ("ROTATION_DAYS", "90"),
    ]);
    environment.extend(settings.iter().copied());
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let config = FunctionConfig {
        name: function.into(),
        function_name: function.into(),
        binary: function.into(),
        region: "us-east-1".into(),
        environment: environment.into_iter().map(own).collect(),
        files: Vec::new(),
        memory: 128,
        timeout: Duration::from_secs(10),
    };
    let bootstrap = Bootstrap { program: BINARY.into(), arguments: vec!["function".into()] };
    let logs = FunctionLogs::default();
    let function = HostedFunction::new(config, bootstrap, logs.clone());
    let answer = function.invoke(&json!({})).await.result;
    let lines = logs.recent();
    match answer {
        Err(error) if error.error_type == "Runtime.Settings" => {
            assert_eq!(lines.len(), 1, "{lines:?}");
            let line: Value = serde_json::from_str(&lines[0].text).unwrap();
            assert_eq!((&line["Cause"], &line["Faults"]), (&json!("Settings"), &json!(1)));
            let problems = line["problems"].as_str().unwrap();
            // The error that Lambda receives has the same text as the log line.
            assert_eq!(error.message, format!("invalid settings: {problems}"));
            Err(problems.split("; ").map(str::to_owned).collect())
        }
        _ => Ok(()),
    }
}

#[tokio::test]
async fn invalid_settings_stop_the_start_of_every_function() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kms = Kms::start(listener, "us-east-1", None).unwrap();
    let (insecure, trace) = (
        "must be https unless it is on this machine",
        "must not be TRACE: events are never logged",
    );
    let leeway = "must be from 0 to 300 seconds";
    // Name, value, problem, and the functions that report it.
    let rows = [
        ("AWS_LAMBDA_LOG_LEVEL", "TRACE", trace, &FUNCTIONS[..]),
        ("AWS_LAMBDA_LOG_LEVEL", "trace", trace, &FUNCTIONS),
        ("RUST_LOG", "trace", trace, &FUNCTIONS),
        ("RUST_LOG", "info,hyper=trace", trace, &FUNCTIONS),
        ("KEYALIAS", ALIAS, "did you mean `KEY_ALIAS`?", &FUNCTIONS),
        ("TOKEN_AUDIANCE", "us", "did you mean `TOKEN_AUDIENCE`?", &FUNCTIONS),
        ("VERIFICATON", "local", "did you mean `VERIFICATION`?", &FUNCTIONS),
        ("issuance_policy", "", "did you mean `ISSUANCE_POLICY`?", &FUNCTIONS),
        ("AWS_ENDPOINT_URL", "http://10.0.0.1:4566", insecure, &FUNCTIONS),
        ("AWS_ENDPOINT_URL_KMS", "http://kms.example", insecure, &FUNCTIONS),
        ("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1.example:80", insecure, &FUNCTIONS),
        ("CLOCK_LEEWAY_SECONDS", "301", leeway, &FUNCTIONS[1..]),
    ];
    for function in FUNCTIONS {
        for (name, value, problem, reported_by) in rows {
            let problems_of_start = start(function, &kms, &[(name, value)]).await;
            let expected = if reported_by.contains(&function) {
                Err(vec![problem_with(name, problem)])
            } else {
                Ok(())
            };
            assert_eq!(problems_of_start, expected, "{function} {name}={value}");
        }
        let (settings, problems): (BTreeMap<_, _>, BTreeMap<_, _>) = rows
            .iter()
            .filter(|(.., reported_by)| reported_by.contains(&function))
            .map(|(name, value, problem, _)| ((*name, *value), (*name, *problem)))
            .unzip();
        let settings: Vec<_> = settings.into_iter().collect();
        let mut problems_of_start = start(function, &kms, &settings).await.unwrap_err();
        problems_of_start.sort();
        let mut expected: Vec<_> =
            problems.iter().map(|(name, problem)| problem_with(name, problem)).collect();
        expected.sort();
        assert_eq!(problems_of_start, expected, "{function}: all problems at once");
    }
    // The issuer does not read the leeway: that is the only start, and it loads the key.
    assert_eq!(kms.calls(), 1, "calls of KMS by functions that did not start");
}

/// The message about this setting.
fn problem_with(name: &str, problem: &str) -> String {
    if problem.starts_with("did you mean") {
        return format!("unknown setting `{name}`, {problem}");
    }
    format!("{name} {problem}")
}

/// Settings of the other functions, and variables of Lambda, its extensions and other programs.
#[tokio::test]
async fn settings_of_other_programs_do_not_stop_the_start() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kms = Kms::start(listener, "us-east-1", None).unwrap();
    // All other settings have their default, or a text.
    let examples = BTreeMap::from([
        ("ACCESS_RULES", r#"[{"route": "GET /a", "any": true}]"#),
        ("CLOCK_LEEWAY_SECONDS", "300"),
        ("HTTP_API_RESPONSE", "simple"),
        ("ISSUANCE_POLICY", r#"[{"caller": "*"}]"#),
        ("KEY_ALIAS", ALIAS),
        ("REVOCATIONS", "[]"),
        ("RETAINED_KEY_ID", "1234abcd-12ab-34cd-56ef-1234567890ab"),
        ("ROTATION_DAYS", "90"),
        ("SIGNATURE_CACHE_SECONDS", "300"),
        ("SIGNING_ALGORITHM", "RS256"),
        ("TOKEN_ISSUER", "https://issuer.example"),
        ("TOKEN_LIFETIME_SECONDS", "60"),
        ("TOKEN_TYPE", "at+jwt"),
        ("TRUSTED_ISSUERS", r#"[{"issuer": "https://ci.example"}]"#),
        ("VERIFICATION", "local"),
    ]);
    let values = SETTINGS.map(|setting| {
        let example = examples.get(setting.name).copied().or(setting.default);
        (setting.name, example.unwrap_or("example"))
    });
    let is_setting = |name: &&str| values.iter().any(|(own, _)| own == name);
    assert!(examples.keys().all(is_setting), "{examples:?}");
    let others = [
        ("AWS_LAMBDA_LOG_LEVEL", "DEBUG"),
        ("RUST_LOG", "debug"),
        ("PATH", "/usr/bin"),
        ("LANG", "en_US.UTF-8"),
        ("OTEL_SERVICE_NAME", "orders"),
        ("KMS_ALIAS", "alias/another"),
        ("TOKEN_TABLE", "tokens"),
    ];
    for function in FUNCTIONS {
        let all = [&values[..], &others].concat();
        assert_eq!(start(function, &kms, &all).await, Ok(()), "{function}");
    }
}

/// `local` and `explain` refuse the names that the functions would refuse.
#[test]
fn misspelled_setting_stops_the_command_line_too() {
    for arguments in
        [&["local", "--port", "0", "--kms-port", "0"][..], &["explain", "--event", "-"]]
    {
        let output = run(arguments, &[("TOKEN_ISSUERS", "us")]);
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(
            error.contains("unknown setting `TOKEN_ISSUERS`, did you mean `TOKEN_ISSUER`?"),
            "{error}"
        );
    }
}

#[test]
fn all_invalid_settings_are_reported_at_once() {
    let settings = [
        ("KEY_ALIAS", "countersign alias"),
        ("TOKEN_ISSUER", ""),
        ("KEY_REFRESH_SECONDS", "never"),
        ("CLOCK_LEEWAY_SECONDS", "301"),
        ("TOKEN_LIFETIME_SECONDS", "0"),
    ];
    let output = run(&["local", "--port", "0", "--kms-port", "0"], &settings);
    let message = to_text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    // The first three are settings of both functions.
    for ((name, _), times) in settings.into_iter().zip([2, 2, 2, 1, 1]) {
        assert_eq!(message.matches(name).count(), times, "{name}: {message}");
    }
}

#[test]
fn function_without_settings_reports_each_missing_one() {
    let output = run(&["function", "authorizer"], &[]);
    let message = to_text(&output.stdout);
    assert!(!output.status.success());
    for name in ["KEY_ALIAS", "TOKEN_ISSUER", "AWS_REGION", "AWS_LAMBDA_RUNTIME_API"] {
        assert!(message.contains(name), "{name}: {message}");
    }
    // The alarm counts the failed start as a fault.
    let line: Value = serde_json::from_str(&message).unwrap();
    assert_eq!((&line["Faults"], &line["Cause"]), (&json!(1), &json!("Settings")));
    let metrics = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(metrics["Dimensions"], json!([[], ["Cause"]]));
}
