//! `countersign check`: the configuration files before a deployment.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use serde_json::{Value, json};

use crate::{ROOT, configuration_files::Folder, run, to_text};

#[test]
fn shipped_files_have_no_problem() {
    let output = run(&["check", &format!("{ROOT}/layer/config")], &[]);
    let text = to_text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let expected = "no problem found: access-rules.json has 1 rule, issuance-policy.json has 2 rules, \
                    revocations.json has 0 revocations, trusted-issuers.json has 0 trusted issuers";
    assert_eq!(text.lines().last(), Some(expected));
}

#[test]
fn each_problem_is_a_line_with_its_place() {
    let folder = Folder::new("check");
    let config = folder.config();
    // Whatever the umask is.
    fs::set_permissions(&config, Permissions::from_mode(0o755)).unwrap();
    for file in fs::read_dir(&config).unwrap() {
        fs::set_permissions(file.unwrap().path(), Permissions::from_mode(0o644)).unwrap();
    }
    let check = |arguments: &[&str]| {
        let output = run(&[&["check", &config], arguments].concat(), &[]);
        (output.status.code(), to_text(&output.stdout))
    };
    folder.write("revocations.json", "[\n  {\"iss\": \"us\", \"jti\": \"1\", \"exp\": 1}\n]\n");
    let (code, text) = check(&[]);
    assert_eq!(code, Some(0), "{text}");
    let warning =
        format!("{config}/revocations.json:2:3: warning: the tokens of revocation 1 have");
    assert!(text.contains(&warning), "{text}");
    assert!(text.contains("\nno problem found: access-rules.json has 1 rule, "), "{text}");

    folder.write("access-rules.json", "[\n  {\"any\": true},\n  {\"route\": \"\\u001b\"}\n]\n");
    fs::remove_file(format!("{config}/issuance-policy.json")).unwrap();
    let (code, text) = check(&[]);
    assert_eq!(code, Some(1), "{text}");
    let lines: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix(&format!("{config}/"))).collect();
    let expected = [
        "access-rules.json:2:3: rule 1: missing field `route`",
        "access-rules.json:3:3: rule 2: `route` must be a method and a path",
        "issuance-policy.json: is missing: the template reads",
        "revocations.json:2:3: warning: ",
    ];
    let fits = lines.iter().zip(expected).all(|(line, expected)| line.starts_with(expected));
    assert!(fits && lines.len() == expected.len(), "{text}");
    assert!(!text.contains("no problem found"), "{text}");

    let (code, text) = check(&["--json"]);
    assert_eq!(code, Some(1), "{text}");
    let findings: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        findings[0],
        json!({
            "file": format!("{config}/access-rules.json"),
            "line": 2,
            "column": 3,
            "severity": "error",
            "problem": "rule 1: missing field `route`",
        })
    );
    assert_eq!((&findings[2]["line"], &findings[2]["column"]), (&json!(null), &json!(null)));
    assert_eq!(findings[3]["severity"], "warning");
    assert_eq!(findings.as_array().unwrap().len(), 4);
}

#[test]
fn scope_that_no_token_can_have_is_a_problem() {
    let folder = Folder::new("check-scope");
    let rules = "[\n  {\"caller\": \"invoke\"},\n  {\"caller\": \"*\", \"scope\": \"a b\"}\n]\n";
    folder.write("issuance-policy.json", rules);
    let output = run(&["check", &folder.config()], &[]);
    let text = to_text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let problem = "/issuance-policy.json:3:3: rule 2: `scope` must not have the value \"a b\": ";
    assert!(text.contains(problem), "{text}");
}

#[test]
fn parameters_are_checked_with_the_files() {
    let config = format!("{ROOT}/layer/config");
    let folder = Folder::new("check-parameters");
    let samconfig = format!("{}/samconfig.toml", folder.config());
    let check = |text: &str, more: &[&str]| {
        fs::write(&samconfig, text).unwrap();
        let arguments = [&["check", &config, "--samconfig", &samconfig], more].concat();
        let output = run(&arguments, &[]);
        (output.status.code(), to_text(&output.stdout) + &to_text(&output.stderr))
    };
    let wrong = "[default.global.parameters]\nparameter_overrides = \"Verification=local\"\n\
                 [default.deploy.parameters]\n\
                 parameter_overrides = [\"RotationDays=90\", \"Settings=TokenLifetimeSeconds=7200\"]\n\
                 [test.global.parameters]\nparameter_overrides = \"Verification=KMS\"\n";
    let problem = "the issuer does not start: TOKEN_LIFETIME_SECONDS must not exceed TOKEN_LIFETIME_MAX_SECONDS";
    assert_eq!(check(wrong, &[]), (Some(1), format!("{samconfig}: {problem}\n")));
    let (code, text) = check(wrong, &["--config-env", "test"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("parameter Verification does not allow the value KMS"), "{text}");
    let (code, text) = check(wrong, &["--config-env", "none"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("has no environment `none`"), "{text}");
    let (code, text) = check("[default.deploy.parameters]\nparameter_overrides = 7\n", &[]);
    assert_eq!(code, Some(2), "{text}");
    let (code, text) = check("[default", &[]);
    assert_eq!(code, Some(2), "{text}");
    let shipped = fs::read_to_string(format!("{ROOT}/samconfig.toml")).unwrap();
    let (code, text) = check(&shipped, &[]);
    assert_eq!(code, Some(0), "{text}");

    let output = run(&["check", &config, "--parameter-overrides", "Settings=TokenType=jwt"], &[]);
    let expected =
        "--parameter-overrides: `TokenType=jwt` of Settings is not allowed: JWT, at+jwt\n";
    assert_eq!((output.status.code(), to_text(&output.stdout)), (Some(1), expected.to_owned()));
}

#[test]
fn audience_that_the_authorizer_refuses_is_a_warning_if_the_parameters_are_known() {
    let folder = Folder::new("check-audience");
    let config = folder.config();
    let rules = "[\n  {\"caller\": \"invoke\", \"audience\": \"*\"},\n  \
                 {\"caller\": \"*\", \"audience\": \"https://api.example\"}\n]\n";
    folder.write("issuance-policy.json", rules);
    let warning = format!(
        "{config}/issuance-policy.json:3:3: warning: rule 2: `https://api.example` is not in the parameter `TokenAudience`: "
    );
    let has_warning = |arguments: &[&str]| {
        let output = run(&[&["check", &config], arguments].concat(), &[]);
        let text = to_text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {text}");
        text.contains(&warning)
    };
    let overrides = |parameter: &str| has_warning(&["--parameter-overrides", parameter]);
    assert!(!has_warning(&[]), "the parameters are unknown");
    assert!(overrides("RotationDays=90"), "the default accepts no audience");
    assert!(overrides("TokenAudience=orders"));
    assert!(!overrides("TokenAudience=https://api.example"));
    assert!(!overrides("TokenAudience=orders,https://api.example"));

    let samconfig = format!("{}/samconfig.toml", folder.path().display());
    let of_samconfig = |text: &str| {
        fs::write(&samconfig, text).unwrap();
        has_warning(&["--samconfig", &samconfig])
    };
    let with = |audience: &str| {
        of_samconfig(&format!(
            "[default.deploy.parameters]\nparameter_overrides = \"TokenAudience={audience}\"\n"
        ))
    };
    assert!(of_samconfig("[default.global.parameters]\n"), "the default accepts no audience");
    assert!(with("orders"));
    assert!(!with("https://api.example"));
}

#[test]
fn folder_that_does_not_exist_is_an_invalid_argument() {
    let folder = Folder::new("check-none");
    for path in
        [format!("{}/none", folder.config()), format!("{}/revocations.json", folder.config())]
    {
        let output = run(&["check", &path], &[]);
        assert_eq!(output.status.code(), Some(2), "{path}");
        assert!(to_text(&output.stderr).contains(&path), "{path}");
    }
}
