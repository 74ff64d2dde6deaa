//! A local KMS and the commands that use it.

use std::{
    env,
    process::Command,
    time::{Duration, SystemTime},
};

use local::kms::Kms;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{ALIAS, run_with_input, to_text};

/// A local KMS, and the environment that makes the command line use it.
pub(crate) struct Cloud {
    pub(crate) kms: Kms,
    pub(crate) settings: Vec<(&'static str, String)>,
}

/// Aliases with their keys, and the states of the keys.
pub(crate) type AwsCliState = (Vec<(String, String)>, Vec<String>);

impl Cloud {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kms = Kms::start(listener, "us-east-1", None).unwrap();
        let settings = vec![
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_ENDPOINT_URL_KMS", format!("http://{}", kms.address())),
        ];
        Self { kms, settings }
    }

    pub(crate) fn run(&self, line: &str, input: &str) -> (Option<i32>, String, String) {
        let settings: Vec<_> =
            self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let arguments: Vec<_> = line.split(' ').collect();
        let output = run_with_input(&arguments, &settings, input.as_bytes());
        (output.status.code(), to_text(&output.stdout), to_text(&output.stderr))
    }

    /// The output of a command that must succeed.
    pub(crate) fn succeed(&self, line: &str, input: &str) -> String {
        let (code, out, error) = self.run(line, input);
        assert_eq!(code, Some(0), "{line}: {out}{error}");
        out
    }

    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.succeed(&format!("{line} --json"), "")).unwrap()
    }

    /// Sets the clock of KMS to a time so many hours ago.
    pub(crate) fn set_hours_ago(&self, hours: u64) {
        self.kms.set_time(SystemTime::now() - Duration::from_hours(hours));
    }

    pub(crate) fn create_key(&self, input: &Value) -> String {
        let key = self.kms.perform("CreateKey", input).unwrap();
        key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn alias(&self, alias: &str, key: &str) {
        let input = json!({"AliasName": alias, "TargetKeyId": key});
        self.kms.perform("CreateAlias", &input).unwrap();
    }

    /// The aliases and the states of their keys as the AWS CLI lists them, if it is installed.
    pub(crate) fn aws_cli_state(&self) -> Option<AwsCliState> {
        let aws = |arguments: &[&str]| {
            let output = Command::new("aws")
                .args(["kms", "--output", "json", "--region", "us-east-1"])
                .args(["--endpoint-url", &format!("http://{}", self.kms.address())])
                .args(arguments)
                .envs(self.settings.iter().map(|(name, value)| (name, value)))
                .output();
            let Ok(output) = output else {
                assert!(env::var_os("CI").is_none(), "the AWS CLI must be installed");
                return None;
            };
            Some(serde_json::from_slice::<Value>(&output.stdout).unwrap())
        };
        let aliases = aws(&["list-aliases"])?;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let rows = aliases["Aliases"].as_array().unwrap().iter();
        let rows: Vec<_> =
            rows.map(|row| (text(&row["AliasName"]), text(&row["TargetKeyId"]))).collect();
        let states = rows.iter().map(|(alias, _)| {
            let key = aws(&["describe-key", "--key-id", alias]).unwrap();
            text(&key["KeyMetadata"]["KeyState"])
        });
        let states = states.collect();
        Some((rows, states))
    }

    /// Checks that the commands announce a retained key as disabled and not as deleted.
    pub(crate) fn expect_retained(&self, key: &str) {
        let arn = format!("arn:aws:kms:us-east-1:000000000000:key/{key}");
        for id in [key, &*arn] {
            let flags = format!("{ALIAS} --retained-key {id}");
            let (show, dry_run) =
                (format!("key show {flags}"), format!("key rotate {flags} --dry-run"));
            for command in [show, dry_run] {
                let text = self.succeed(&command, "");
                let disables = text.contains(&format!("disable {key}, which the stack owns"));
                assert!(
                    disables && !text.contains("delete") && !text.contains("deletion"),
                    "{command}: {text}"
                );
            }
            let question = self.run(&format!("key rotate {flags}"), "").2;
            assert!(question.contains("cannot ask whether to disable"), "{question}");
            assert!(!question.contains("delete") && !question.contains("deletion"), "{question}");
        }
    }
}
