//! The account and principal of the commands: those of the AWS CLI.

use std::{
    env, fs,
    path::PathBuf,
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{BINARY, aws_server::AwsServer, run, run_with_input, to_text};

const CONFIG: &str = r#"
[default]
region = eu-west-1

[profile prod]
region = us-west-2
aws_access_key_id = PROD
aws_secret_access_key = s

[profile "my prod"]
aws_access_key_id = BLANKS
aws_secret_access_key = s

[profile 'quoted']
aws_access_key_id = QUOTED
aws_secret_access_key = s

[profile role]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = my prod
role_session_name = me
external_id = 42
duration_seconds = 1800

[profile chained]
role_arn = arn:aws:iam::111122223333:role/next
source_profile = role

[profile own-source]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = own-source
aws_access_key_id = OWN
aws_secret_access_key = s

[profile static-source]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = own-source

[profile environment-source]
role_arn = arn:aws:iam::111122223333:role/admin
credential_source = Environment

[profile process]
credential_process = echo '{"Version": 1, "AccessKeyId": "PROCESS", "SecretAccessKey": "s"}'

[profile process-and-keys]
credential_process = echo '{"Version": 1, "AccessKeyId": "PROCESS", "SecretAccessKey": "s"}'

[profile config-only]
region = us-west-2

[profile partial]
aws_access_key_id = PARTIAL

[profile partial-secret]
aws_secret_access_key = s

[profile no-source]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = nowhere

[profile empty-source]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = config-only

[profile neither]
role_arn = arn:aws:iam::111122223333:role/admin

[profile both]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = prod
credential_source = Environment

[profile loop]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = loop-2

[profile loop-2]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = loop

[profile short]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = prod
duration_seconds = 60

[profile mfa]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = prod
mfa_serial = arn:aws:iam::111122223333:mfa/me

[profile other-source]
role_arn = arn:aws:iam::111122223333:role/admin
credential_source = Elsewhere

[profile login]
login_session = arn:aws:iam::111122223333:user/me

[profile sso]
sso_start_url = https://sso.example/start
sso_region = us-east-1
sso_account_id = 111122223333
sso_role_name = admin

[profile sso-without-session]
sso_session = gone
sso_account_id = 111122223333
sso_role_name = admin

[profile token-file]
role_arn = arn:aws:iam::111122223333:role/admin
web_identity_token_file = /nowhere

[profile broken-process]
credential_process = false

[profile process-of-environment]
credential_source = Environment
credential_process = echo '{"Version": 1, "AccessKeyId": "PROCESS", "SecretAccessKey": "s"}'

[profile container]
role_arn = arn:aws:iam::111122223333:role/admin
credential_source = EcsContainer

[profile newline-process]
credential_process = echo '{"Version": 1, "AccessKeyId": "A\\nB", "SecretAccessKey": "s"}'
"#;

const CREDENTIALS: &str = "
[in credentials]
aws_access_key_id = CREDENTIALS
aws_secret_access_key = s

[process-and-keys]
aws_access_key_id = KEYS
aws_secret_access_key = s
";

/// Environment variables with their values.
pub(crate) type Variables<'a> = &'a [(&'a str, &'a str)];

/// A folder with the configuration files of the AWS CLI.
pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn new(config: &str, credentials: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let home = env::temp_dir().join(format!("countersign-home-{}-{number}", process::id()));
        fs::create_dir_all(home.join(".aws")).unwrap();
        fs::write(home.join(".aws/config"), config).unwrap();
        fs::write(home.join(".aws/credentials"), credentials).unwrap();
        Self(home)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SHOW: [&str; 3] = ["key", "show", "alias/a"];
const ENVIRONMENT: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s")];

#[test]
fn credentials_are_those_of_the_aws_cli() {
    let (home, server) = (Home::new(CONFIG, CREDENTIALS), AwsServer::start());
    // Case, profile of the option, variables, access key that KMS sees.
    let rows: [(&str, &str, Variables<'_>, &str); 20] = [
        ("--profile comes before the environment", "prod", &ENVIRONMENT, "PROD"),
        ("a name with blanks", "my prod", &ENVIRONMENT, "BLANKS"),
        ("a name in quotation marks", "quoted", &[], "QUOTED"),
        ("a name with blanks in the credentials file", "in credentials", &[], "CREDENTIALS"),
        ("a role", "role", &ENVIRONMENT, "ROLEOFBLANKS"),
        ("a role of a role", "chained", &[], "ROLEOFROLEOFBLANKS"),
        ("a role from keys of the same profile", "own-source", &[], "ROLEOFOWN"),
        ("a source with keys and a role", "static-source", &[], "ROLEOFOWN"),
        ("a role from the environment", "environment-source", &ENVIRONMENT, "ROLEOFENV"),
        ("a process", "process", &ENVIRONMENT, "PROCESS"),
        ("keys in the credentials file and a process", "process-and-keys", &[], "KEYS"),
        ("a process and a credential_source", "process-of-environment", &ENVIRONMENT, "PROCESS"),
        ("the environment", "", &ENVIRONMENT, "ENV"),
        ("AWS_PROFILE", "", &[("AWS_PROFILE", "prod")], "PROD"),
        ("AWS_DEFAULT_PROFILE", "", &[("AWS_DEFAULT_PROFILE", "prod")], "PROD"),
        (
            "both variables for the profile",
            "",
            &[("AWS_DEFAULT_PROFILE", "prod"), ("AWS_PROFILE", "my prod")],
            "PROD",
        ),
        ("AWS_PROFILE with blanks", "", &[("AWS_PROFILE", "my prod")], "BLANKS"),
        (
            "the environment comes before AWS_PROFILE",
            "",
            &[ENVIRONMENT[0], ENVIRONMENT[1], ("AWS_PROFILE", "prod")],
            "ENV",
        ),
        ("--profile comes before AWS_PROFILE", "my prod", &[("AWS_PROFILE", "missing")], "BLANKS"),
        (
            "empty variables are not set",
            "",
            &[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), ("AWS_PROFILE", "prod")],
            "PROD",
        ),
    ];
    for (case, profile, variables, expected) in rows {
        let url = server.url();
        let mut settings =
            vec![("HOME", home.path()), ("AWS_ENDPOINT_URL", &*url), ("AWS_REGION", "us-east-1")];
        settings.extend(variables);
        let option: &[&str] = if profile.is_empty() { &[] } else { &["--profile", profile] };
        let output = run(&[&SHOW[..], option].concat(), &settings);
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{case}: {error}");
        assert!(error.contains("there is no alias/a"), "{case}: {error}");
        let note = error.contains("AWS_ACCESS_KEY_ID comes before");
        assert_eq!(note, case == "the environment comes before AWS_PROFILE", "{case}: {error}");
        let requests = server.take();
        let of_kms: Vec<_> =
            requests.iter().filter(|it| it.operation.starts_with("TrentService.")).collect();
        assert!(!of_kms.is_empty(), "{case}");
        for request in of_kms {
            assert_eq!(request.access_key, expected, "{case}");
        }
        if profile == "role" {
            let body = &requests[0].body;
            for member in
                ["DurationSeconds=1800", "ExternalId=42", "RoleSessionName=me", "role%2Fadmin"]
            {
                assert!(body.contains(member), "{member}: {body}");
            }
        }
    }
}

/// A profile of the option, variables, the exit code and a part of the message.
type Refused<'a> = (&'a str, Variables<'a>, i32, &'a str);

fn assert_refused(rows: &[Refused<'_>]) {
    let (home, server) = (Home::new(CONFIG, CREDENTIALS), AwsServer::start());
    for (profile, variables, code, message) in rows.iter().copied() {
        let url = server.url();
        let mut settings =
            vec![("HOME", home.path()), ("AWS_ENDPOINT_URL", &*url), ("AWS_REGION", "us-east-1")];
        settings.extend(variables);
        settings.push(("PATH", "/usr/bin:/bin"));
        let option: &[&str] = if profile.is_empty() { &[] } else { &["--profile", profile] };
        let output = run(&[&SHOW[..], option].concat(), &settings);
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{profile} {variables:?}: {error}");
        assert!(error.contains(message), "{profile} {variables:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{profile} {variables:?}: {error}");
        assert!(!error.contains("out of reach"), "{profile} {variables:?}: {error}");
        let requests = server.take();
        assert!(requests.is_empty(), "{profile} {variables:?}: {requests:?}");
    }
}

#[test]
fn execution_environment_that_cannot_be_sent_is_refused() {
    let variables = [ENVIRONMENT[0], ENVIRONMENT[1], ("AWS_EXECUTION_ENV", "a\nb")];
    let message = "countersign: AWS_EXECUTION_ENV must have no control characters";
    assert_refused(&[("", &variables, 2, message)]);
}

/// The SDK would panic.
#[test]
fn credentials_and_urls_that_cannot_be_sent_are_refused() {
    assert_refused(&[
        (
            "environment-source",
            &[("AWS_ACCESS_KEY_ID", "A\nB"), ENVIRONMENT[1]],
            3,
            "must consist of visible ASCII characters",
        ),
        (
            "container",
            &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "localhost:51678")],
            2,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI must be an http or https URL",
        ),
        (
            "",
            &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:99999/")],
            2,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI must be an http or https URL",
        ),
        (
            "",
            &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/")],
            2,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI must be an https URL, or an http URL of this machine",
        ),
        (
            "",
            &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@192.0.2.1/")],
            2,
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must be a path",
        ),
        (
            "",
            &[
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/"),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\nb"),
            ],
            2,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN has characters that a header cannot have",
        ),
        (
            "",
            &[
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/"),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nowhere"),
            ],
            2,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE (/nowhere): No such file",
        ),
        ("container", &[], 2, "credential_source is EcsContainer, but neither AWS_CONTAINER_"),
        (
            "",
            &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "imds")],
            2,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT must be an http or https URL",
        ),
        (
            "",
            &[("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "v6")],
            2,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE must be IPv4 or IPv6",
        ),
    ]);
}

#[test]
fn invalid_profiles_and_credentials_are_named_and_nothing_is_sent() {
    let secret_only = [("AWS_SECRET_ACCESS_KEY", "s")];
    let rows: [Refused<'_>; 29] = [
        ("missing", &ENVIRONMENT, 2, "--profile: there is no profile \"missing\""),
        ("default x", &ENVIRONMENT, 2, "there is no profile \"default x\""),
        (
            "",
            &[ENVIRONMENT[0], ENVIRONMENT[1], ("AWS_PROFILE", "gone")],
            2,
            "AWS_PROFILE: there is no profile \"gone\"",
        ),
        (
            "",
            &[("AWS_DEFAULT_PROFILE", "gone")],
            2,
            "AWS_DEFAULT_PROFILE: there is no profile \"gone\"",
        ),
        ("config-only", &ENVIRONMENT, 2, "profile \"config-only\" has no credentials"),
        ("", &[("AWS_PROFILE", "config-only")], 2, "profile \"config-only\" has no credentials"),
        (
            "partial",
            &ENVIRONMENT,
            2,
            "profile \"partial\" has aws_access_key_id, but not aws_secret_access_key",
        ),
        ("partial-secret", &ENVIRONMENT, 2, "has aws_secret_access_key, but not aws_access_key_id"),
        (
            "no-source",
            &ENVIRONMENT,
            2,
            "profile \"no-source\": there is no source_profile \"nowhere\"",
        ),
        ("empty-source", &ENVIRONMENT, 2, "source_profile \"config-only\" has no credentials"),
        ("neither", &ENVIRONMENT, 2, "role_arn needs source_profile or credential_source"),
        ("both", &ENVIRONMENT, 2, "source_profile and credential_source cannot be"),
        ("loop", &ENVIRONMENT, 2, "forms a loop"),
        ("short", &ENVIRONMENT, 2, "duration_seconds must be from 900 to 43200"),
        (
            "mfa",
            &ENVIRONMENT,
            2,
            "mfa_serial arn:aws:iam::111122223333:mfa/me: cannot ask for the MFA code",
        ),
        ("other-source", &ENVIRONMENT, 2, "credential_source must be"),
        (
            "environment-source",
            &[],
            2,
            "credential_source is Environment, but AWS_ACCESS_KEY_ID is not set",
        ),
        ("login", &ENVIRONMENT, 2, "login_session (aws login) is not supported"),
        ("sso", &ENVIRONMENT, 3, "(run `aws sso login --profile \"sso\"`)"),
        (
            "sso-without-session",
            &ENVIRONMENT,
            2,
            "profile \"sso-without-session\": there is no sso-session \"gone\"",
        ),
        ("token-file", &ENVIRONMENT, 2, "web_identity_token_file (/nowhere): No such file"),
        (
            "",
            &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"), ("AWS_ROLE_ARN", "r")],
            2,
            "AWS_WEB_IDENTITY_TOKEN_FILE (/nowhere): No such file",
        ),
        ("broken-process", &ENVIRONMENT, 3, "profile \"broken-process\": cannot get credentials"),
        ("newline-process", &ENVIRONMENT, 2, "must consist of visible ASCII characters"),
        ("", &ENVIRONMENT[..1], 2, "AWS_ACCESS_KEY_ID is set, but not AWS_SECRET_ACCESS_KEY"),
        ("", &secret_only, 2, "AWS_SECRET_ACCESS_KEY is set, but not AWS_ACCESS_KEY_ID"),
        (
            "",
            &[("AWS_ACCESS_KEY_ID", "A\nB"), ENVIRONMENT[1]],
            2,
            "AWS_ACCESS_KEY_ID: the access key id",
        ),
        (
            "",
            &[("AWS_WEB_IDENTITY_TOKEN_FILE", "t")],
            2,
            "AWS_WEB_IDENTITY_TOKEN_FILE is set, but not AWS_ROLE_ARN",
        ),
        ("", &[("AWS_EC2_METADATA_DISABLED", "true")], 3, "no AWS credentials: set --profile or"),
    ];
    assert_refused(&rows);
    let output = run(&[&SHOW[..], &["--profile", ""]].concat(), &ENVIRONMENT);
    assert_eq!(output.status.code(), Some(2), "{}", to_text(&output.stderr));
}

#[test]
fn invalid_settings_are_usage_errors_for_key_sets_at_a_url_too() {
    let home = Home::new(CONFIG, CREDENTIALS);
    let rows: [(&[&str], Variables<'_>, &str); 3] = [
        (&["--jwks", "http://127.0.0.1:1/k", "--profile", "gone"], &[], "there is no profile"),
        (&["--issuer", "http://127.0.0.1:1", "--profile", "gone"], &[], "there is no profile"),
        (&["--jwks", "http://127.0.0.1:1/k"], &[("AWS_CA_BUNDLE", "/nowhere")], "AWS_CA_BUNDLE"),
    ];
    for (options, variables, message) in rows {
        let mut settings = vec![("HOME", home.path()), ("AWS_REGION", "us-east-1")];
        settings.extend(variables);
        let output = run_with_input(&[&["verify", "-"], options].concat(), &settings, b"a.b.c");
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {error}");
        assert!(error.contains(message), "{options:?}: {error}");
    }
}

/// A checkout of another person can contain configuration files that run commands.
#[test]
fn configuration_files_of_the_current_directory_are_not_read() {
    let (folder, server) =
        (Home::new(&CONFIG.replace("[profile prod]", "[profile here]"), ""), AwsServer::start());
    for home in [None, Some(""), Some(".")] {
        let mut command = Command::new(BINARY);
        command.args(SHOW).args(["--profile", "here"]).env_clear().current_dir(folder.path());
        command.env("AWS_ENDPOINT_URL", server.url()).env("AWS_REGION", "us-east-1");
        command.envs(home.map(|home| ("HOME", home)));
        let output = testing::run_recorded(&mut command, b"").unwrap();
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{home:?}: {error}");
        assert!(error.contains("there is no profile \"here\""), "{home:?}: {error}");
        assert!(server.take().is_empty(), "{home:?}");
    }
}

/// As for a user without a home directory.
#[test]
fn home_that_is_not_a_directory_has_no_files() {
    let server = AwsServer::start();
    let url = server.url();
    let settings = [
        ("HOME", "/dev/null"),
        ("AWS_ENDPOINT_URL", &*url),
        ("AWS_REGION", "us-east-1"),
        ENVIRONMENT[0],
        ENVIRONMENT[1],
    ];
    let output = run(&SHOW, &settings);
    assert_eq!(output.status.code(), Some(3), "{}", to_text(&output.stderr));
    assert_eq!(server.take()[0].access_key, "ENV");
}

#[test]
fn web_identity_comes_before_the_keys_of_the_default_profile() {
    let config = "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s\n";
    let (home, server) = (Home::new(config, ""), AwsServer::start());
    let url = server.url();
    let settings = [
        ("HOME", home.path()),
        ("AWS_ENDPOINT_URL", &*url),
        ("AWS_REGION", "us-east-1"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/admin"),
    ];
    let output = run(&SHOW, &settings);
    let error = to_text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("AWS_WEB_IDENTITY_TOKEN_FILE (/nowhere)"), "{error}");
    assert!(server.take().is_empty());
}

/// An invalid file names the line, and no other source is tried.
#[test]
fn invalid_configuration_file_is_named_with_its_line() {
    let server = AwsServer::start();
    for (config, credentials, place) in [
        ("[default]\nregion\n", "", "/.aws/config on line 2"),
        ("", "[default]\n\naws_access_key_id\n", "/.aws/credentials on line 3"),
        (
            "[profile \"prod]\n",
            "",
            "/.aws/config on line 1: a quotation mark in the heading is not",
        ),
        ("", "[prod]\n[prod]\n", "/.aws/credentials on line 2: the section [prod] is repeated"),
        ("[default]\nregion = a\nregion = b\n", "", "/.aws/config on line 3: region is repeated"),
    ] {
        let (home, url) = (Home::new(config, credentials), server.url());
        let settings = [
            ("HOME", home.path()),
            ("AWS_ENDPOINT_URL", &url),
            ("AWS_REGION", "us-east-1"),
            ENVIRONMENT[0],
            ENVIRONMENT[1],
        ];
        let output = run(&SHOW, &settings);
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(place) && error.lines().count() == 1, "{error}");
        assert!(server.take().is_empty());
    }
}

/// The SDK panics on some of these values.
#[test]
fn invalid_settings_of_aws_are_usage_errors_with_their_names() {
    let server = AwsServer::start();
    let rows = [
        ("AWS_RETRY_MODE", "fast", "AWS_RETRY_MODE must be standard, adaptive or legacy"),
        ("AWS_MAX_ATTEMPTS", "0", "AWS_MAX_ATTEMPTS must be a number from 1"),
        ("AWS_MAX_ATTEMPTS", "many", "AWS_MAX_ATTEMPTS must be a number from 1"),
        ("AWS_MAX_ATTEMPTS", "-1", "AWS_MAX_ATTEMPTS must be a number from 1"),
        ("AWS_ENDPOINT_URL_KMS", "kms", "AWS_ENDPOINT_URL_KMS must be an http or https URL"),
        ("AWS_ENDPOINT_URL_KMS", "http://", "AWS_ENDPOINT_URL_KMS must be an http or https URL"),
        ("AWS_ENDPOINT_URL_KMS", "http://a b", "AWS_ENDPOINT_URL_KMS must be an http or https URL"),
        ("AWS_ENDPOINT_URL_STS", "sts", "AWS_ENDPOINT_URL_STS must be an http or https URL"),
        ("AWS_ENDPOINT_URL", "ftp://127.0.0.1", "AWS_ENDPOINT_URL must be an http or https URL"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:99999", "AWS_ENDPOINT_URL must be an http or https"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:", "AWS_ENDPOINT_URL must be an http or https URL"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:0", "AWS_ENDPOINT_URL must be an http or https URL"),
        ("AWS_ENDPOINT_URL", "http://a@127.0.0.1", "AWS_ENDPOINT_URL must be an http or https URL"),
        ("AWS_REGION", "-", "AWS_REGION must be a Region"),
        ("AWS_REGION", "us-east-1-", "AWS_REGION must be a Region"),
        ("AWS_REGION", "us east", "AWS_REGION must be a Region"),
        ("AWS_REGION", "us-east-1\n", "AWS_REGION must be a Region"),
        ("AWS_REGION", "kms.example/", "AWS_REGION must be a Region"),
        ("AWS_USE_FIPS_ENDPOINT", "yes", "AWS_USE_FIPS_ENDPOINT must be true or false"),
        (
            "AWS_USE_FIPS_ENDPOINT",
            "true",
            "AWS_USE_FIPS_ENDPOINT cannot be used with AWS_ENDPOINT_URL",
        ),
        ("AWS_USE_DUALSTACK_ENDPOINT", "TRUE", "AWS_USE_DUALSTACK_ENDPOINT cannot be used with"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "1", "AWS_USE_DUALSTACK_ENDPOINT must be true or false"),
        (
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
            "on",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS must be",
        ),
        ("AWS_CA_BUNDLE", "/nowhere", "AWS_CA_BUNDLE (/nowhere) cannot be read"),
        ("AWS_CA_BUNDLE", "/dev/null", "AWS_CA_BUNDLE (/dev/null) must name a file"),
        (
            "HTTPS_PROXY",
            "socks5://127.0.0.1",
            "HTTPS_PROXY must be the URL of an http or https proxy",
        ),
        ("HTTP_PROXY", "http://127.0.0.1:99999", "HTTP_PROXY must be the URL of an http or https"),
        ("http_proxy", "http://a b", "http_proxy must be the URL of an http or https proxy"),
        (
            "AWS_SESSION_TOKEN",
            "a\r\nb: c",
            "AWS_ACCESS_KEY_ID: the access key id and the session token",
        ),
    ];
    for (name, value, message) in rows {
        let url = server.url();
        let mut settings: std::collections::BTreeMap<_, _> = [
            ("AWS_ENDPOINT_URL", &*url),
            ("AWS_REGION", "us-east-1"),
            ENVIRONMENT[0],
            ENVIRONMENT[1],
        ]
        .into();
        settings.insert(name, value);
        let settings: Vec<_> = settings.into_iter().collect();
        let output = run(&SHOW, &settings);
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {error}");
        assert!(error.contains(message), "{name}={value}: {error}");
        assert_eq!(error.lines().count(), 1, "{name}={value}: {error}");
        assert!(server.take().is_empty(), "{name}={value}");
    }
    // The same as properties of the profile.
    let properties = [
        ("retry_mode", "fast"),
        ("max_attempts", "0"),
        ("endpoint_url", "kms"),
        ("region", "us east"),
        ("use_fips_endpoint", "yes"),
        ("ca_bundle", "/nowhere"),
    ];
    for (name, value) in properties {
        let home = Home::new(&format!("[default]\n{name} = {value}\n"), "");
        let mut settings = vec![("HOME", home.path()), ENVIRONMENT[0], ENVIRONMENT[1]];
        let url = server.url();
        if name != "region" {
            settings.push(("AWS_REGION", "us-east-1"));
        }
        if name != "endpoint_url" {
            settings.push(("AWS_ENDPOINT_URL_KMS", &url));
        }
        let output = run(&SHOW, &settings);
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {error}");
        let source = format!("{name} of the profile \"default\"");
        assert!(error.contains(&source), "{name}={value}: {error}");
        assert!(server.take().is_empty(), "{name}={value}");
    }
}

#[test]
fn empty_variables_are_not_set_and_valid_values_are_used() {
    let server = AwsServer::start();
    let url = server.url();
    let config = format!(
        "[default]\nregion = us-west-2\nretry_mode = legacy\nservices = s\n\n[services s]\nkms =\n  endpoint_url = {url}\n"
    );
    let home = Home::new(&config, "");
    let empty = [
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_KMS",
        "AWS_ENDPOINT_URL_STS",
        "AWS_MAX_ATTEMPTS",
        "AWS_RETRY_MODE",
        "AWS_CA_BUNDLE",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_SESSION_TOKEN",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
    ];
    let mut settings: Vec<_> = empty.into_iter().map(|name| (name, "")).collect();
    settings.extend([("HOME", home.path()), ENVIRONMENT[0], ENVIRONMENT[1]]);
    for mode in ["", "legacy", "standard", "adaptive"] {
        settings.push(("AWS_RETRY_MODE", mode));
        let output = run(&SHOW, &settings);
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{mode}: {error}");
        let requests = server.take();
        assert!(requests[0].headers.contains("/us-west-2/kms/"), "{mode}: {requests:?}");
    }
    let output = run(&[&SHOW[..], &["--region", ""]].concat(), &settings);
    assert_eq!(output.status.code(), Some(2), "{}", to_text(&output.stderr));
    assert!(to_text(&output.stderr).contains("--region must be a Region"));
}

/// Variables that options read count as not set too, as in the functions.
#[test]
fn empty_variables_of_options_are_not_set() {
    let server = AwsServer::start();
    let url = server.url();
    let empty = ["SIGNING_ALGORITHM", "KEY_ALIAS", "RETAINED_KEY_ID", "AWS_REGION"];
    let mut settings: Vec<_> = empty.into_iter().map(|name| (name, "")).collect();
    settings.extend([("AWS_ENDPOINT_URL", &*url), ("AWS_DEFAULT_REGION", "us-east-1")]);
    settings.extend(ENVIRONMENT);
    let output = run(&["sign", "-"], &settings);
    let error = to_text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("--key <ALIAS|ID>") && error.contains("required"), "{error}");
    for line in ["key show alias/a", "jwks alias/a", "key rotate alias/a"] {
        let arguments: Vec<_> = line.split(' ').collect();
        let output = run(&arguments, &settings);
        assert_eq!(output.status.code(), Some(3), "{line}: {}", to_text(&output.stderr));
        assert!(!server.take().is_empty(), "{line}");
    }
}
