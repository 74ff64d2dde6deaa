//! The order of the sources of credentials, and the endpoints and proxies of the sources. Each row has the requests of
//! the AWS CLI for the same files and variables.

use std::{env, fs, process::Command};

use crate::{
    BINARY,
    aws_server::AwsServer,
    interop::{folder, is_installed},
    profiles::{Home, Variables},
    run, to_text,
};

const CONFIG: &str = r#"
[profile keys]
aws_access_key_id = KEYS
aws_secret_access_key = s

[profile of-web-identity]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = web-identity-and-keys

[profile web-identity-and-keys]
aws_access_key_id = UNUSED
aws_secret_access_key = s
web_identity_token_file = HOME/token
role_arn = arn:aws:iam::111122223333:role/web

[profile of-process]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = process-and-keys

[profile process-and-keys]
aws_access_key_id = UNUSED
aws_secret_access_key = s
credential_process = echo '{"Version": 1, "AccessKeyId": "PROCESS", "SecretAccessKey": "s"}'

[profile of-keys]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = role-and-keys

[profile role-and-keys]
role_arn = arn:aws:iam::111122223333:role/other
source_profile = keys
aws_access_key_id = OWN
aws_secret_access_key = s

[profile of-sso]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = sso-and-keys

[profile sso-and-keys]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = admin
aws_access_key_id = UNUSED
aws_secret_access_key = s

[sso-session "corp"]
sso_start_url = https://sso.example/start
sso_region = us-east-1

[profile sso-with-blanks]
sso_session = a b
sso_account_id = 111122223333
sso_role_name = admin

[sso-session "a b"]
sso_start_url = https://sso.example/start
sso_region = us-east-1

[profile session-of-tokens]
sso_session = corp
aws_access_key_id = SESSION
aws_secret_access_key = s

[profile services]
services = my services
role_arn = arn:aws:iam::111122223333:role/web
web_identity_token_file = HOME/token

[services "my services"]
kms =
  endpoint_url = URL/kms
sts =
  endpoint_url = URL/sts
sso =
  endpoint_url = URL/sso

[profile services-of-sso]
services = my services
sso_session = corp
sso_account_id = 111122223333
sso_role_name = admin

[profile sso-without-login]
sso_start_url = https://sso.example/other
sso_region = us-east-1
sso_account_id = 111122223333
sso_role_name = admin
"#;

const ROLE: &str = "arn:aws:iam::111122223333:role/web";

/// The requests of a command, as `METHOD target`, and the access key that KMS sees.
fn requests(home: &Home, server: &AwsServer, profile: &str, variables: Variables<'_>) -> String {
    let url = server.url();
    let mut settings = vec![
        ("HOME", home.path()),
        ("AWS_ENDPOINT_URL", &*url),
        ("AWS_REGION", "us-east-1"),
        ("PATH", "/usr/bin:/bin"),
        ("AWS_MAX_ATTEMPTS", "1"),
    ];
    settings.extend(variables);
    let option: &[&str] = if profile.is_empty() { &[] } else { &["--profile", profile] };
    let output = run(&[&["key", "show", "alias/a"], option].concat(), &settings);
    let error = to_text(&output.stderr);
    assert!(error.contains("there is no alias/a"), "{profile} {variables:?}: {error}");
    let requests = server.take();
    let texts = requests.iter().map(|request| match &*request.operation {
        "" => request.line.split('?').next().unwrap().to_owned(),
        operation => format!("{operation} {}", request.line.trim_start_matches("POST ")),
    });
    let texts: Vec<_> = texts.collect();
    format!("{} {}", texts.join(", "), requests.last().unwrap().access_key)
}

fn home(server: &AwsServer) -> Home {
    let home = Home::new("", "");
    let config = CONFIG.replace("HOME", home.path()).replace("URL", &server.url());
    fs::write(format!("{}/.aws/config", home.path()), config).unwrap();
    fs::write(format!("{}/token", home.path()), "a.b.c").unwrap();
    let cache = format!("{}/.aws/sso/cache", home.path());
    fs::create_dir_all(&cache).unwrap();
    // The SHA-1 digests of `corp` and `a b`.
    for name in
        ["ee0bfd2552fbd840c02cc48b6e823320543c450f", "7dbde93504122a707f849f2c12bdd9de71b41929"]
    {
        let token = r#"{"startUrl":"https://sso.example/start","region":"us-east-1","accessToken":"t","expiresAt":"2099-01-01T00:00:00Z"}"#;
        fs::write(format!("{cache}/{name}.json"), token).unwrap();
    }
    home
}

#[test]
fn sources_have_the_order_of_the_aws_cli() {
    let server = AwsServer::start();
    let home = home(&server);
    let file = format!("{}/token", home.path());
    let web_identity = [("AWS_WEB_IDENTITY_TOKEN_FILE", &*file), ("AWS_ROLE_ARN", ROLE)];
    let kms = "TrentService.ListAliases /";
    let web = "AssumeRoleWithWebIdentity /";
    let with_profile = [("AWS_PROFILE", "keys"), web_identity[0], web_identity[1]];
    let rows: [(&str, Variables<'_>, String); 10] = [
        ("of-web-identity", &[], format!("{web}, AssumeRole /, {kms} ROLEOFROLEOFTOKEN")),
        ("of-process", &[], format!("AssumeRole /, {kms} ROLEOFPROCESS")),
        ("of-keys", &[], format!("AssumeRole /, {kms} ROLEOFOWN")),
        ("role-and-keys", &[], format!("AssumeRole /, {kms} ROLEOFKEYS")),
        ("of-sso", &[], format!("GET /federation/credentials, AssumeRole /, {kms} ROLEOFSSO")),
        ("sso-with-blanks", &[], format!("GET /federation/credentials, {kms} SSO")),
        ("session-of-tokens", &[], format!("{kms} SESSION")),
        ("", &web_identity, format!("{web}, {kms} ROLEOFTOKEN")),
        ("", &with_profile, format!("{web}, {kms} ROLEOFTOKEN")),
        ("keys", &web_identity, format!("{kms} KEYS")),
    ];
    for (profile, variables, expected) in rows {
        let requests = requests(&home, &server, profile, variables);
        assert_eq!(requests, expected, "{profile} {variables:?}");
    }
}

#[test]
fn endpoints_of_services_count_for_web_identities_and_sso() {
    let server = AwsServer::start();
    let (home, url) = (home(&server), server.url());
    let sts = format!("{url}/own");
    let rows: [(&str, Variables<'_>, &str); 4] = [
        (
            "services-of-sso",
            &[("AWS_ENDPOINT_URL", ""), ("AWS_ENDPOINT_URL_SSO", "")],
            "GET /sso/federation/credentials, TrentService.ListAliases /kms/ SSO",
        ),
        (
            "services-of-sso",
            &[("AWS_ENDPOINT_URL_SSO", &sts)],
            "GET /own/federation/credentials, TrentService.ListAliases / SSO",
        ),
        (
            "services",
            &[("AWS_ENDPOINT_URL", "")],
            "AssumeRoleWithWebIdentity /sts/, TrentService.ListAliases /kms/ ROLEOFTOKEN",
        ),
        (
            "services",
            &[("AWS_ENDPOINT_URL_STS", &sts)],
            "AssumeRoleWithWebIdentity /own/, TrentService.ListAliases / ROLEOFTOKEN",
        ),
    ];
    for (profile, variables, expected) in rows {
        assert_eq!(requests(&home, &server, profile, variables), expected, "{variables:?}");
    }
}

#[test]
fn endpoint_of_kms_is_not_used_for_roles() {
    let (proxy, kms) = (AwsServer::start(), AwsServer::start());
    let (home, url) = (home(&kms), kms.url());
    for profile in ["of-keys", "web-identity-and-keys"] {
        let proxy_url = proxy.url();
        let settings = [
            ("HOME", home.path()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_MAX_ATTEMPTS", "1"),
            ("HTTPS_PROXY", &*proxy_url),
        ];
        let arguments = ["key", "show", "alias/a", "--profile", profile, "--endpoint-url", &url];
        let output = run(&arguments, &settings);
        assert_eq!(output.status.code(), Some(3), "{}", to_text(&output.stderr));
        assert_eq!(proxy.take()[0].line, "CONNECT sts.us-east-1.amazonaws.com:443", "{profile}");
        assert!(kms.take().is_empty(), "{profile}");
    }
}

/// A proxy would get the credentials of the proxy's machine.
#[test]
fn metadata_services_are_asked_without_proxies_and_empty_variables_are_not_set() {
    let server = AwsServer::start();
    let (home, url) = (home(&server), server.url());
    let container = format!("{url}/container");
    // Nothing listens at the proxy.
    let proxy = [("HTTP_PROXY", "http://127.0.0.1:1"), ("AWS_ENDPOINT_URL_KMS", &*url)];
    let container = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*container),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ""),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", ""),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", ""),
    ];
    let instance = [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*url),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", ""),
        ("AWS_EC2_METADATA_DISABLED", ""),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ""),
    ];
    let role = "/latest/meta-data/iam/security-credentials/";
    let metadata = format!("PUT /latest/api/token, GET {role}, GET {role}role");
    for (variables, requested, key) in
        [(&container, "GET /container", "CONTAINER"), (&instance, &*metadata, "INSTANCE")]
    {
        let kms = format!("{requested}, TrentService.ListAliases / {key}");
        assert_eq!(requests(&home, &server, "", variables), kms);

        let mut settings = vec![("HOME", home.path()), ("AWS_REGION", "us-east-1")];
        settings.extend(variables.iter().chain(&proxy));
        settings.push(("AWS_MAX_ATTEMPTS", "1"));
        let output = run(&["key", "show", "alias/a"], &settings);
        assert_eq!(output.status.code(), Some(3), "{}", to_text(&output.stderr));
        let lines: Vec<_> = server.take().into_iter().map(|request| request.line).collect();
        assert_eq!(lines.join(", "), requested, "{}", to_text(&output.stderr));
    }
}

#[test]
fn authorization_of_the_container_is_that_of_its_file() {
    let server = AwsServer::start();
    let (home, url) = (home(&server), server.url());
    let (uri, file) = (format!("{url}/container"), format!("{}/token", home.path()));
    let both = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*uri),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &*file),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "value"),
    ];
    for (variables, expected) in [(&both[..], "a.b.c"), (&[both[0], both[2]], "value")] {
        let settings = [("HOME", home.path()), ("AWS_REGION", "us-east-1")];
        let settings = [&settings, variables, &[("AWS_ENDPOINT_URL", &*url)]].concat();
        run(&["key", "show", "alias/a"], &settings);
        let request = &server.take()[0];
        assert_eq!(request.line, "GET /container");
        let header = format!("authorization: {expected}\r\n");
        assert!(request.headers.contains(&header), "{}", request.headers);
    }
}

/// A request to the endpoint of AWS would be one to another account.
#[test]
fn missing_services_section_is_named_unless_a_variable_has_the_endpoint() {
    let server = AwsServer::start();
    let config = "[default]\nservices = a b\naws_access_key_id = A\naws_secret_access_key = s\n";
    let home = Home::new(config, "");
    let settings = [("HOME", home.path()), ("AWS_REGION", "us-east-1")];
    let output = run(&["key", "show", "alias/a"], &settings);
    let error = to_text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("profile \"default\": there is no services section \"a b\""), "{error}");
    assert_eq!(requests(&home, &server, "", &[]), "TrentService.ListAliases / A");
}

/// For random configuration files and variables.
#[test]
fn credentials_have_the_source_that_botocore_selects() {
    if !is_installed("python3", &["-c", "import botocore"]) {
        return;
    }
    let mut script = Command::new("python3");
    script.arg(folder().join("credential_sources.py")).arg(BINARY);
    script.env_clear().env("PATH", env::var("PATH").unwrap());
    script.envs(local::recording::recorder().environment());
    let output = testing::run_recorded(&mut script, b"").unwrap();
    let text = to_text(&output.stdout) + &to_text(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("100 comparisons, 0 differences"), "{text}");
}

/// The AWS CLI reads one file in both ways.
#[test]
fn both_variables_can_name_one_file() {
    let server = AwsServer::start();
    let home = home(&server);
    let file = format!("{}/.aws/config", home.path());
    let both = [("AWS_CONFIG_FILE", &*file), ("AWS_SHARED_CREDENTIALS_FILE", &*file)];
    let requests = requests(&home, &server, "keys", &both);
    assert_eq!(requests, "TrentService.ListAliases / KEYS");
}

#[test]
fn missing_login_is_named_with_the_command_that_logs_in() {
    let server = AwsServer::start();
    let (home, url) = (home(&server), server.url());
    let settings =
        [("HOME", home.path()), ("AWS_REGION", "us-east-1"), ("AWS_ENDPOINT_URL", &*url)];
    let output = run(&["key", "show", "alias/a", "--profile", "sso-without-login"], &settings);
    let error = to_text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("(run `aws sso login --profile \"sso-without-login\"`)"), "{error}");
    assert_eq!((error.lines().count(), server.take().len()), (1, 0), "{error}");
}

/// The AWS CLI takes the keys of one file only.
#[test]
fn keys_of_two_files_are_not_mixed() {
    let rows = [
        (
            "aws_access_key_id = A",
            "aws_secret_access_key = s",
            "has aws_secret_access_key, but not",
        ),
        ("aws_secret_access_key = s", "aws_access_key_id = A", "has aws_access_key_id, but not"),
    ];
    for (config, credentials, problem) in rows {
        let home = Home::new(&format!("[default]\n{config}"), &format!("[default]\n{credentials}"));
        let output = run(
            &["key", "show", "alias/a"],
            &[
                ("HOME", home.path()),
                ("AWS_REGION", "us-east-1"),
                ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ],
        );
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(problem) && error.contains("in the same file"), "{error}");
    }
}
