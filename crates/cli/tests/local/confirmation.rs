//! The confirmation before keys are changed.

use std::process::Command;

use local::kms::Kms;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    ALIAS, BINARY,
    aws_server::AwsServer,
    profiles::{Home, Variables},
    run, to_text,
};

/// The commands that change keys, with the change of each.
const COMMANDS: [(&str, &str); 3] = [
    ("create alias/new", "create a key of KeySpec RSA_2048"),
    ("rotate alias/rest", "create a key of KeySpec ECC_NIST_P256 and point alias/rest-next at it"),
    ("rollback alias/countersign", "point alias/countersign at"),
];

/// A ring that was promoted and one at rest, so that every command has something to do.
async fn ring() -> Kms {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kms = Kms::start(listener, "us-east-1", None).unwrap();
    let spec = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"});
    let key = || {
        let key = kms.perform("CreateKey", &spec).unwrap();
        key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    };
    let (current, previous) = (key(), key());
    for (ring, previous) in [(ALIAS, &previous), ("alias/rest", &current)] {
        for (suffix, key) in [("", &current), ("-next", &current), ("-previous", previous)] {
            let input = json!({"AliasName": format!("{ring}{suffix}"), "TargetKeyId": key});
            kms.perform("CreateAlias", &input).unwrap();
        }
    }
    kms
}

fn state(kms: &Kms) -> (serde_json::Value, serde_json::Value) {
    let list = |operation| kms.perform(operation, &json!({})).unwrap();
    (list("ListAliases"), list("ListKeys"))
}

#[tokio::test(flavor = "multi_thread")]
async fn command_names_its_account_and_changes_nothing_without_a_confirmation() {
    let kms = ring().await;
    let before = state(&kms);
    let url = format!("http://{}", kms.address());
    let settings = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL_KMS", &*url),
    ];
    for (command, change) in COMMANDS {
        let line = format!("key {command}");
        let arguments: Vec<_> = line.split(' ').collect();
        let output = run(&arguments, &settings);
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {error}");
        // The local KMS has no STS.
        let acting = "acting for account 000000000000, Region us-east-1, principal unknown";
        assert!(error.contains(acting), "{line}: {error}");
        let question = format!("cannot ask whether to {change}");
        assert!(error.contains(&question) && error.contains("use --yes"), "{line}: {error}");
        assert_eq!(state(&kms), before, "{line}");

        let declined = in_terminal(&arguments, &settings, "n\n");
        assert!(
            declined.contains("[y/N]") && declined.contains("confirmation declined"),
            "{line}: {declined}"
        );
        assert_eq!(state(&kms), before, "{line}");
    }
    let confirmed = in_terminal(&["key", "rollback", ALIAS], &settings, "y\n");
    assert!(confirmed.contains("which signs from now on"), "{confirmed}");
    assert_ne!(state(&kms).0, before.0);
}

/// Before it waits for hours, and before any request.
#[test]
fn waiting_without_a_terminal_needs_the_confirmation_first() {
    let server = AwsServer::start();
    let url = server.url();
    let settings = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "ME"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_ENDPOINT_URL", &*url),
    ];
    let output = run(&["key", "rotate", "alias/a", "--wait"], &settings);
    let error = to_text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("without a terminal: use --yes"), "{error}");
    assert!(server.take().is_empty());
    let output = run(&["key", "rotate", "alias/a", "--wait", "--yes"], &settings);
    assert_eq!(output.status.code(), Some(3), "{}", to_text(&output.stderr));
    assert!(!server.take().is_empty());
}

#[test]
fn principal_is_the_one_that_sts_names() {
    let server = AwsServer::start();
    let (url, other) = (server.url(), AwsServer::start());
    let other_url = other.url();
    let base =
        [("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "ME"), ("AWS_SECRET_ACCESS_KEY", "s")];
    let rows: [(&str, Variables<'_>, &AwsServer); 3] = [
        ("one endpoint for all", &[("AWS_ENDPOINT_URL", &url)], &server),
        ("an endpoint of KMS alone", &[("AWS_ENDPOINT_URL_KMS", &url)], &server),
        (
            "an endpoint for each",
            &[("AWS_ENDPOINT_URL_KMS", &url), ("AWS_ENDPOINT_URL_STS", &other_url)],
            &other,
        ),
    ];
    for (case, endpoints, sts) in rows {
        let output = run(&["key", "create", "alias/a"], &[&base, endpoints].concat());
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{case}: {error}");
        let acting = "acting for account 111122223333, Region us-east-1, principal arn:aws:iam::111122223333:user/ME";
        assert!(error.contains(acting), "{case}: {error}");
        let asked = sts.take();
        assert!(asked.iter().any(|it| it.operation == "GetCallerIdentity"), "{case}: {asked:?}");
        server.take();
    }
}

/// A role that needs the code of an MFA device.
const ROLE_WITH_MFA: &str = "[default]\nregion = us-east-1\nrole_arn = arn:aws:iam::111122223333:role/admin\n\
    source_profile = base\nmfa_serial = arn:aws:iam::111122223333:mfa/me\n\n\
    [profile base]\naws_access_key_id = BASE\naws_secret_access_key = s\n";

/// An MFA code is asked for once, although two services get the credentials.
#[test]
fn code_of_an_mfa_device_is_asked_for() {
    let server = AwsServer::start();
    let url = server.url();
    let home = Home::new(ROLE_WITH_MFA, "");
    let settings = [("HOME", home.path()), ("AWS_ENDPOINT_URL", &url)];
    let shown = in_terminal(&["key", "create", "alias/a"], &settings, "123456\nn\n");
    assert!(shown.contains("MFA code of arn:aws:iam::111122223333:mfa/me: "), "{shown}");
    assert!(shown.contains("principal arn:aws:iam::111122223333:user/ROLEOFBASE"), "{shown}");
    assert!(shown.contains("confirmation declined"), "{shown}");
    let requests = server.take();
    let roles: Vec<_> = requests.iter().filter(|it| it.operation == "AssumeRole").collect();
    assert_eq!(roles.len(), 1, "{requests:?}");
    for member in ["TokenCode=123456", "SerialNumber=arn%3Aaws%3Aiam"] {
        assert!(roles[0].body.contains(member), "{member}: {}", roles[0].body);
    }
}

/// As the AWS CLI does: standard input has the claims.
#[test]
fn code_of_an_mfa_device_is_asked_for_on_the_terminal_although_standard_input_is_a_pipe() {
    let server = AwsServer::start();
    let url = server.url();
    let home = Home::new(ROLE_WITH_MFA, "");
    let settings = [("HOME", home.path()), ("AWS_ENDPOINT_URL", &*url)];
    let script = "echo '{}' | \"$0\" sign - --key alias/a";
    let shown = program_in_terminal(&["/bin/sh", "-c", script, BINARY], &settings, "123456\n");
    assert!(shown.contains("MFA code of arn:aws:iam::111122223333:mfa/me: "), "{shown}");
    let requests = server.take();
    assert!(requests[0].body.contains("TokenCode=123456"), "{shown}: {requests:?}");
}

/// The output of the binary on a terminal on which this is typed.
pub(crate) fn in_terminal(arguments: &[&str], settings: &[(&str, &str)], input: &str) -> String {
    program_in_terminal(&[&[BINARY], arguments].concat(), settings, input)
}

fn program_in_terminal(program: &[&str], settings: &[(&str, &str)], input: &str) -> String {
    // Python has pseudo-terminals in its standard library, and every check of this repository needs it.
    let mut command = Command::new("python3");
    command.args(["-c", TERMINAL]).args(program);
    command.env_clear().envs(settings.iter().copied());
    command.envs(local::recording::recorder().environment());
    command.env("PATH", std::env::var("PATH").unwrap());
    let output = testing::run_recorded(&mut command, input.as_bytes()).unwrap();
    to_text(&output.stdout) + &to_text(&output.stderr)
}

const TERMINAL: &str = r#"
import os, pty, sys
typed = sys.stdin.read()
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
shown = b""
for line in typed.splitlines(True):
    while not shown.rstrip().endswith((b":", b"]")):
        try:
            part = os.read(terminal, 1024)
        except OSError:
            part = b""
        if not part:
            break
        shown += part
    sys.stdout.buffer.write(shown)
    shown = b""
    os.write(terminal, line.encode())
while True:
    try:
        part = os.read(terminal, 1024)
    except OSError:
        break
    if not part:
        break
    sys.stdout.buffer.write(part)
sys.stdout.flush()
os.waitpid(pid, 0)
"#;
