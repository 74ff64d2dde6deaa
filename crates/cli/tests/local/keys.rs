//! `countersign key`, the other commands that use keys of KMS, and the rotator.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{Read, Write},
    os::unix::ffi::OsStrExt,
    process::Command,
    time::{Duration, SystemTime},
};

use local::{Stack, kms::Kms};
use serde_json::{Value, json};
use testing::{InjectFaults, InjectedFault};
use tokio::net::TcpListener;

use crate::{ALIAS, BINARY, TEMPLATE, log_lines, options, run_with_input, to_text};

/// A local KMS, and the environment that makes the command line use it.
struct Cloud {
    kms: Kms,
    settings: Vec<(&'static str, String)>,
}

/// Aliases with their keys, and the states of the keys.
type AwsCliState = (Vec<(String, String)>, Vec<String>);

impl Cloud {
    async fn start() -> Self {
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

    fn run(&self, line: &str, input: &str) -> (Option<i32>, String, String) {
        let settings: Vec<_> =
            self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let arguments: Vec<_> = line.split(' ').collect();
        let output = run_with_input(&arguments, &settings, input.as_bytes());
        (output.status.code(), to_text(&output.stdout), to_text(&output.stderr))
    }

    /// The output of a command that must succeed.
    fn succeed(&self, line: &str, input: &str) -> String {
        let (code, out, error) = self.run(line, input);
        assert_eq!(code, Some(0), "{line}: {out}{error}");
        out
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.succeed(&format!("{line} --json"), "")).unwrap()
    }

    /// Sets the clock of KMS to a time so many hours ago.
    fn set_hours_ago(&self, hours: u64) {
        self.kms.set_time(SystemTime::now() - Duration::from_hours(hours));
    }

    fn create_key(&self, input: &Value) -> String {
        let key = self.kms.perform("CreateKey", input).unwrap();
        key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }

    fn alias(&self, alias: &str, key: &str) {
        let input = json!({"AliasName": alias, "TargetKeyId": key});
        self.kms.perform("CreateAlias", &input).unwrap();
    }

    /// The aliases and the states of their keys as the AWS CLI lists them, if it is installed.
    fn aws_cli_state(&self) -> Option<AwsCliState> {
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
    fn expect_retained(&self, key: &str) {
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

#[tokio::test(flavor = "multi_thread")]
async fn rotation_by_the_command_line_moves_the_aliases_that_the_aws_cli_lists() {
    let cloud = Cloud::start().await;
    let rotate = format!("key rotate {ALIAS}");
    cloud.set_hours_ago(100);
    cloud.succeed(&format!("key create {ALIAS} --yes"), "");
    let old = cloud.json(&format!("key show {ALIAS}"))["current"]["id"].clone();
    let mut next = Value::Null;
    let suffixes = [("", "current"), ("-next", "next"), ("-previous", "previous")];
    let steps = [
        ("prepare", "promote", ["old", "new", "old"]),
        ("promote", "retire", ["new", "new", "old"]),
        ("retire", "prepare", ["new", "new", "new"]),
    ];
    for (number, (step, after, standing)) in (0_u64..).zip(steps) {
        cloud.set_hours_ago(99 - number);
        let before = cloud.json(&format!("key show {ALIAS}"));
        assert_eq!(before["step"]["name"], step);
        let dry = cloud.json(&format!("{rotate} --dry-run"));
        assert_eq!(dry["would"]["name"], step);
        assert_eq!(cloud.json(&format!("key show {ALIAS}"))["current"], before["current"]);
        if step == "retire" {
            let (code, out, error) = cloud.run(&rotate, "y\n");
            assert_eq!((code, &*out), (Some(2), ""), "no terminal for the confirmation: {error}");
            assert!(error.contains("--yes"), "{error}");
            cloud.expect_retained(old.as_str().unwrap());
        }
        let done = cloud.json(&format!("{rotate} --yes"));
        assert_eq!(done["done"], step);
        let shown = cloud.json(&format!("key show {ALIAS}"));
        if step == "prepare" {
            next = shown["next"]["id"].clone();
        }
        assert_eq!(shown["step"]["name"], after);
        let key = |name: &str| if name == "old" { old.clone() } else { next.clone() };
        for ((_, place), name) in suffixes.into_iter().zip(standing) {
            assert_eq!(shown[place]["id"], key(name), "{step} {place}");
        }
        if let Some((aliases, states)) = cloud.aws_cli_state() {
            let expected: Vec<_> = suffixes
                .into_iter()
                .zip(standing)
                .map(|((suffix, _), name)| {
                    (format!("{ALIAS}{suffix}"), key(name).as_str().unwrap().to_owned())
                })
                .collect();
            assert_eq!(aliases, expected, "{step}");
            assert!(states.iter().all(|state| state == "Enabled"), "{step} {states:?}");
        }
    }
    let listed = cloud.json(&format!("key list {ALIAS}"));
    let roles: Vec<_> = listed.as_array().unwrap().iter().map(|row| &row["role"]).collect();
    assert_eq!(roles, ["current", "next", "previous", "retired"]);
    assert_eq!(listed[3]["key"]["state"], "PendingDeletion");
    let text = cloud.succeed(&format!("key list {ALIAS}"), "");
    assert!(text.contains("PendingDeletion") && text.contains("to be deleted"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_rings_and_arguments_are_reported_and_change_nothing() {
    let cloud = Cloud::start().await;
    let symmetric = cloud.create_key(&json!({}));
    let signing = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"});
    let disabled = cloud.create_key(&signing);
    let good = cloud.create_key(&signing);
    for (alias, key) in [
        ("alias/symmetric", &symmetric),
        ("alias/disabled", &disabled),
        ("alias/good", &good),
        ("alias/good-next", &good),
        ("alias/good-previous", &good),
        ("alias/both", &good),
        ("alias/both-next", &disabled),
        ("alias/both-previous", &disabled),
    ] {
        cloud.alias(alias, key);
    }
    cloud.kms.perform("DisableKey", &json!({"KeyId": disabled})).unwrap();
    let before = cloud.aws_cli_state();
    let rows = [
        ("key rotate alias/nobody", 3, "there is no alias/nobody"),
        ("key rotate alias/symmetric", 3, "KeySpec SYMMETRIC_DEFAULT, which does not sign tokens"),
        ("key rotate alias/disabled", 3, "which is Disabled: enable it"),
        ("key rotate alias/both", 3, "-next and -previous both point at"),
        ("key rotate alias/good --signing-algorithm RS256", 3, "does not sign with RS256"),
        ("key rotate alias/good --spec RSA_2048 --signing-algorithm ES256", 3, "KeySpec RSA_2048"),
        ("key rotate alias/good --publication-wait 1259", 2, "at least 1260 seconds"),
        ("key rotate alias/good --token-lifetime-max 1h", 2, "TOKEN_LIFETIME_MAX_SECONDS must be"),
        ("key rotate alias/good --spec HMAC_256", 2, "must be a KeySpec that signs tokens"),
        ("key rotate alias/good-next", 2, "must not end in -next or -previous"),
        ("key rotate good", 2, "must be alias/"),
        ("key create alias/good", 1, "alias/good already exists"),
        ("key rollback alias/good", 3, "was not promoted"),
        ("key create alias/new --administrator admin", 2, "must be the ARN of an IAM user or role"),
        ("key create alias/good --dry-run", 1, "alias/good already exists"),
        ("key show alias/nobody", 3, "there is no alias/nobody"),
        ("key show alias/disabled", 3, "The next step is blocked"),
        ("key list alias/nobody", 1, ""),
        ("jwks alias/nobody", 3, "no such key"),
        ("pem alias/symmetric", 3, "the key does not support the operation"),
        ("sign --key alias/disabled -", 3, "the key is not enabled"),
        ("sign --key alias/good --algorithm HS256 -", 2, "HS256"),
        ("verify --key alias/good --jwks keys.json -", 2, "cannot be used with"),
        ("verify --local --issuer us -", 2, "--key"),
        ("verify -", 2, "--issuer"),
        ("event nothing.json", 3, "nothing.json"),
    ];
    for (line, code, message) in rows {
        let (exit, out, error) = cloud.run(line, r#"{"exp":1911744000}"#);
        assert_eq!(exit, Some(code), "{line}: {out}{error}");
        assert!(format!("{out}{error}").contains(message), "{line}: {out}{error}");
    }
    assert_eq!(cloud.aws_cli_state(), before, "the commands changed the ring");
    let (code, out, _) = cloud.run("key show alias/missing --json", "");
    let out: Value = serde_json::from_str(&out).unwrap();
    assert!(code == Some(3) && out["error"].as_str().unwrap().contains("alias/missing"), "{out}");
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl";
    for line in ["verify --key=TOKEN -", "sign --key alias/good TOKEN", "event TOKEN", "jwks TOKEN"]
    {
        let (code, out, error) = cloud.run(&line.replace("TOKEN", token), "");
        assert!(matches!(code, Some(2 | 3)), "{line}: {code:?}");
        assert!(!format!("{out}{error}").contains(token), "{line}: {out}{error}");
    }
    let not_utf8 = OsStr::from_bytes(b"\xff");
    for arguments in [[OsStr::new("inspect"), not_utf8], [OsStr::new("jwks"), not_utf8]] {
        let mut command = Command::new(BINARY);
        let output = testing::run(command.args(arguments).env("NOT_UTF8", not_utf8), b"").unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(cloud.json("key list").as_array().unwrap().len(), 7);
    let dry = cloud.succeed("key rotate alias/good --dry-run", "");
    assert!(dry.contains("would create a key of KeySpec ECC_NIST_P256"), "{dry}");
    assert_eq!(cloud.aws_cli_state(), before, "a dry run changed the ring");
}

#[tokio::test(flavor = "multi_thread")]
async fn payload_is_signed_byte_for_byte_and_verified_with_every_source_of_keys() {
    let cloud = Cloud::start().await;
    cloud.succeed(&format!("key create {ALIAS} --spec ECC_NIST_P256 --yes"), "");
    let payload = "{ \"sub\": \"test-user\",\n\"iss\":\"us\", \"exp\": 1911744000 }\n";
    let token = cloud.succeed(&format!("sign --key {ALIAS} -"), payload);
    let part = token.split('.').nth(1).unwrap();
    assert_eq!(part, base64::Engine::encode(&crate::URL_SAFE_NO_PAD, payload));

    let folder = env::temp_dir().join(format!("countersign-keys-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("jwks.json");
    fs::write(&file, cloud.succeed(&format!("jwks {ALIAS}"), "")).unwrap();
    let commands = [
        format!("verify --key {ALIAS} --issuer us -"),
        format!("verify --key {ALIAS} --local --issuer us -"),
        format!("verify --jwks {} --issuer us -", file.display()),
    ];
    let input = token.rsplit_once('.').unwrap().0;
    let forged = format!("{input}.{}", "A".repeat(86));
    for command in &commands {
        let claims: Value = serde_json::from_str(&cloud.succeed(command, &token)).unwrap();
        assert_eq!(claims["sub"], "test-user", "{command}");
        let (code, out, _) = cloud.run(command, &forged);
        assert_eq!((code, out.starts_with("refused: ")), (Some(1), true), "{command}: {out}");
        let (code, out, _) = cloud.run(&command.replace(" us ", " them "), &token);
        assert_eq!(
            (code, &*out),
            (Some(1), "refused: unexpected issuer: `iss` is \"us\", not \"them\"\n"),
            "{command}"
        );
    }
    fs::remove_dir_all(folder).unwrap();

    let shown = cloud.succeed("inspect -", &forged);
    assert!(shown.starts_with("NOT VERIFIED"), "{shown}");
    assert!(shown.contains("exp: valid until 2030-07-31 16:00:00 UTC"), "{shown}");
    let (code, out, _) = cloud.run("inspect --json -", "not a token");
    assert_eq!(code, Some(1), "{out}");
    let without_exp = cloud.run(&format!("sign --key {ALIAS} -"), "{}");
    assert!(without_exp.2.contains("no exp"), "{}", without_exp.2);
    for payload in ["[]", "{", r#"{"a":1,"a":2}"#, ""] {
        let (code, out, error) = cloud.run(&format!("sign --key {ALIAS} -"), payload);
        assert_eq!((code, &*out), (Some(2), ""), "{payload}: {error}");
    }
    let pem = cloud.succeed(&format!("pem {ALIAS}"), "");
    assert!(pem.contains(" ES256\n-----BEGIN PUBLIC KEY-----\n"), "{pem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_printed_as_they_were_signed() {
    let cloud = Cloud::start().await;
    cloud.succeed(&format!("key create {ALIAS} --spec ECC_NIST_P256 --yes"), "");
    let numbers = r#""id":12345678901234567890123,"x":[0.12345678901234567890,1.50,1E2,-0]"#;
    let payload = format!(r#"{{"exp":1911744000,{numbers}}}"#);
    let token = cloud.succeed(&format!("sign --key {ALIAS} -"), &payload);
    let verify = format!("verify --key {ALIAS}");
    for command in [&*format!("{verify} -"), &format!("{verify} --json -"), "inspect --json -"] {
        let shown = cloud.succeed(command, &token);
        assert!(shown.contains(&payload), "{command}: {shown}");
        assert!(serde_json::from_str::<Value>(&shown).unwrap().is_object(), "{command}: {shown}");
        assert_eq!(shown.lines().count(), 1, "{command}: {shown}");
    }
    let shown: String = cloud.succeed("inspect -", &token).split_whitespace().collect();
    assert!(shown.contains(numbers), "{shown}");
    let signature_only = cloud.succeed(&format!("{verify} --signature-only --json -"), &token);
    assert_eq!(signature_only, "{\"claims\":null,\"good\":true,\"unchecked\":[\"claims\"]}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn typ_is_compared_as_a_media_type() {
    let cloud = Cloud::start().await;
    cloud.succeed(&format!("key create {ALIAS} --spec ECC_NIST_P256 --yes"), "");
    let rows = [
        ("application/at+jwt", "at+jwt", 0),
        ("AT+JWT", "at+jwt", 0),
        ("at+jwt", "application/at+jwt", 0),
        ("jwt", "JWT", 0),
        ("at+jwt", "JWT", 1),
        ("text/at+jwt", "at+jwt", 1),
    ];
    for (signed, expected, code) in rows {
        let sign = format!("sign --key {ALIAS} --token-type {signed} -");
        let token = cloud.succeed(&sign, r#"{"exp":1911744000}"#);
        let verify = format!("verify --key {ALIAS} --token-type {expected} -");
        let (exit, out, error) = cloud.run(&verify, &token);
        assert_eq!(exit, Some(code), "{signed} as {expected}: {out}{error}");
    }
}

/// The token of the event is verified with keys that are discovered from the issuer's URL.
#[tokio::test(flavor = "multi_thread")]
async fn event_gets_a_new_token_and_verify_discovers_its_keys() {
    let stack = Stack::start(&fs::read_to_string(TEMPLATE).unwrap(), &options(&[])).await.unwrap();
    let issuer = format!("http://{}", stack.gateway.address());
    let endpoint = format!("http://{}", stack.kms.address());
    let run = |arguments: &[&str], input: &str| {
        let settings = [
            ("TOKEN_ISSUER", &*issuer),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
        ];
        let output = run_with_input(arguments, &settings, input.as_bytes());
        assert!(output.status.success(), "{arguments:?}: {}", to_text(&output.stderr));
        to_text(&output.stdout)
    };
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/authorize-expired.json");
    // The names of these options are those of the AWS CLI.
    let flags = ["--endpoint-url", &endpoint, "--region", "us-east-1"];
    let claims = r#"{"sub":"event-user","scope":"read"}"#;
    let event = run(&[&["event", file, "--claims", claims], &flags[..]].concat(), "");
    let event: Value = serde_json::from_str(&event).unwrap();
    let answer = stack.functions["Authorizer"].invoke(&event).await.result.unwrap();
    assert_eq!(answer["principalId"], "event-user");
    let token = event["headers"]["Authorization"].as_str().unwrap().replace("Bearer ", "");
    let claims = run(&["verify", "--issuer", &issuer, "-"], &token);
    assert!(claims.contains("event-user"), "{claims}");
    let keys = format!("{issuer}/.well-known/jwks.json");
    assert!(run(&["verify", "--jwks", &keys, "-"], &token).contains("event-user"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rotator_does_one_step_per_run_and_reports_it() {
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let without = Stack::start(&template, &options(&[])).await.unwrap();
    assert!(!without.functions.contains_key("Rotator"), "ROTATION_DAYS is not set");
    let stack = Stack::start(&template, &options(&[("ROTATION_DAYS", "2")])).await.unwrap();
    let start = SystemTime::now();
    let alias = json!({"KeyId": ALIAS});
    let current =
        || stack.kms.perform("DescribeKey", &alias).unwrap()["KeyMetadata"]["KeyId"].clone();
    let old = current();
    // The functions use the clock of this machine, so the aliases are moved at earlier times of KMS's clock.
    let mut runs = Vec::new();
    for days in [60, 50, 40, 30, 20] {
        stack.kms.set_time(start - Duration::from_hours(24 * days));
        if days == 60 {
            for alias in [ALIAS.to_owned(), format!("{ALIAS}-next"), format!("{ALIAS}-previous")] {
                let moved = json!({"AliasName": alias, "TargetKeyId": old});
                stack.kms.perform("UpdateAlias", &moved).unwrap();
            }
            continue;
        }
        let invocation = stack.functions["Rotator"].invoke(&json!({})).await;
        let answer = invocation.result.unwrap();
        assert_eq!(answer["Ring"], ALIAS);
        runs.push((answer["done"].clone(), answer["next"].clone()));
    }
    // The last run starts a second rotation, after the key of the stack was retired.
    let steps = ["prepare", "promote", "retire", "prepare"];
    let expected = steps.into_iter().zip(["promote", "retire", "prepare", "promote"]);
    assert_eq!(runs, expected.map(|(done, next)| (json!(done), json!(next))).collect::<Vec<_>>());
    assert_ne!(current(), old);
    let state = |key: &Value| {
        let key = stack.kms.perform("DescribeKey", &json!({"KeyId": key})).unwrap();
        key["KeyMetadata"]["KeyState"].clone()
    };
    assert_eq!(state(&old), "Disabled", "the key of the stack is not deleted");
    let lines = log_lines(&stack, "Rotator", 4).await;
    assert_eq!(lines.len(), 4, "one line per run");
    // The key was 60 days old, with a rotation due after 2.
    let overdue = lines[0]["RotationOverdue"].as_u64().unwrap();
    assert!((57 * 86_400..59 * 86_400).contains(&overdue), "{overdue}");
    assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Ring"]]));
    // No step is due; then a disabled key blocks the next one.
    stack.kms.set_time(start);
    stack
        .kms
        .perform("UpdateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": current()}))
        .unwrap();
    let moved = json!({"AliasName": format!("{ALIAS}-next"), "TargetKeyId": current()});
    stack.kms.perform("UpdateAlias", &moved).unwrap();
    let answer = stack.functions["Rotator"].invoke(&json!({})).await.result.unwrap();
    assert_eq!((&answer["done"], &answer["next"]), (&Value::Null, &json!("prepare")));
    stack.kms.perform("DisableKey", &json!({"KeyId": current()})).unwrap();
    let error = stack.functions["Rotator"].invoke(&json!({})).await.result.unwrap_err();
    assert_eq!(error.error_type, "Obstacle");
}

/// Creates a key with the tag and the policy of the ring, and a grant to sign with it. A principal with the
/// managed policy `AWSKeyManagementServicePowerUser` can do that.
fn plant_key(kms: &Kms, attacker: &str) -> String {
    let described = kms.perform("DescribeKey", &json!({"KeyId": ALIAS})).unwrap();
    let own = kms.perform("GetKeyPolicy", &json!({"KeyId": described["KeyMetadata"]["KeyId"]}));
    let planted = json!({
        "KeySpec": described["KeyMetadata"]["KeySpec"], "KeyUsage": "SIGN_VERIFY",
        "Policy": own.unwrap()["Policy"],
        "Tags": [{"TagKey": "countersign:ring", "TagValue": ALIAS}],
    });
    let planted = kms.perform("CreateKey", &planted).unwrap();
    let planted = planted["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
    let grant = json!({"KeyId": planted, "GranteePrincipal": attacker, "Operations": ["Sign"]});
    kms.perform("CreateGrant", &grant).unwrap();
    planted
}

const ATTACKER: &str = "arn:aws:iam::000000000000:role/attacker";

#[tokio::test(flavor = "multi_thread")]
async fn rotator_reports_a_planted_key_and_points_no_alias_at_it() {
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let stack = Stack::start(&template, &options(&[("ROTATION_DAYS", "2")])).await.unwrap();
    let key = |alias: &str| {
        let key = stack.kms.perform("DescribeKey", &json!({"KeyId": alias})).unwrap();
        key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    };
    let current = key(ALIAS);
    for suffix in ["", "-next", "-previous"] {
        stack.kms.set_time(SystemTime::now() - Duration::from_hours(24 * 3));
        let moved = json!({"AliasName": format!("{ALIAS}{suffix}"), "TargetKeyId": current});
        stack.kms.perform("UpdateAlias", &moved).unwrap();
    }
    let planted = plant_key(&stack.kms, ATTACKER);
    stack.kms.set_time(SystemTime::now() - Duration::from_hours(24));
    let answer = stack.functions["Rotator"].invoke(&json!({})).await.result.unwrap();
    assert_eq!(answer["done"], "prepare");
    let leftovers = answer["leftovers"].to_string();
    assert!(leftovers.contains(&planted) && leftovers.contains("disable-key"));
    let next = key(&format!("{ALIAS}-next"));
    assert!(next != planted && next != current);

    // A grant to sign with the next key blocks its promotion.
    let grant =
        json!({"KeyId": next, "GranteePrincipal": ATTACKER, "Operations": ["Verify", "Sign"]});
    let grant = stack.kms.perform("CreateGrant", &grant).unwrap();
    stack.kms.set_time(SystemTime::now());
    let error = stack.functions["Rotator"].invoke(&json!({})).await.result.unwrap_err();
    assert_eq!(error.error_type, "ForeignGrant");
    assert!(error.message.contains(ATTACKER), "{}", error.message);
    assert_eq!(key(ALIAS), current);
    let revoke = json!({"KeyId": next, "GrantId": grant["GrantId"]});
    stack.kms.perform("RevokeGrant", &revoke).unwrap();
    // A grant to verify does not.
    let verify = json!({"KeyId": next, "GranteePrincipal": ATTACKER, "Operations": ["Verify"]});
    stack.kms.perform("CreateGrant", &verify).unwrap();
    let answer = stack.functions["Rotator"].invoke(&json!({})).await.result.unwrap();
    assert_eq!((&answer["done"], key(ALIAS)), (&json!("promote"), next));
}

#[tokio::test(flavor = "multi_thread")]
async fn command_line_reports_a_planted_key_and_points_no_alias_at_it() {
    let cloud = Cloud::start().await;
    cloud.set_hours_ago(100);
    cloud.succeed(&format!("key create {ALIAS} --spec ECC_NIST_P256 --yes"), "");
    let planted = plant_key(&cloud.kms, ATTACKER);
    let (code, _, error) = cloud.run(&format!("key rotate {ALIAS} --yes"), "");
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains(&format!("{planted} has the ring's tag and no alias")), "{error}");
    let next = cloud.json(&format!("key show {ALIAS}"))["next"]["id"].clone();
    assert_ne!(next, *planted);
    let sign = json!({"KeyId": next, "GranteePrincipal": ATTACKER, "Operations": ["Sign"]});
    cloud.kms.perform("CreateGrant", &sign).unwrap();
    cloud.set_hours_ago(90);
    let (code, out, error) = cloud.run(&format!("key rotate {ALIAS}"), "");
    assert_eq!((code, &*out), (Some(3), ""), "{error}");
    assert!(error.contains("allows Sign to") && error.contains("revoke-grant"), "{error}");
}

/// The dates of aliases are optional in the KMS API. Without them, no wait can be checked.
#[tokio::test(flavor = "multi_thread")]
async fn aliases_without_dates_stop_a_rotation() {
    let cloud = Cloud::start().await;
    cloud.set_hours_ago(100);
    cloud.succeed(&format!("key create {ALIAS} --spec ECC_NIST_P256 --yes"), "");
    cloud.kms.omit_alias_dates(true);
    let shown = cloud.succeed(&format!("key show {ALIAS}"), "");
    assert!(shown.contains("since an unknown time"), "{shown}");
    // The first step has no wait.
    let prepared = cloud.succeed(&format!("key rotate {ALIAS} --yes"), "");
    assert!(prepared.contains("promote, which is never due: KMS does not say"), "{prepared}");
    assert_eq!(cloud.json(&format!("key show {ALIAS}"))["step"]["due"], Value::Null);
    for more in ["--yes", "--wait --yes"] {
        let (code, out, error) = cloud.run(&format!("key rotate {ALIAS} {more}"), "");
        assert_eq!((code, &*out), (Some(3), ""), "{error}");
        assert!(error.contains("promote is never due: KMS does not say"), "{error}");
    }
    cloud.kms.omit_alias_dates(false);
    cloud.set_hours_ago(90);
    cloud.succeed(&format!("key rotate {ALIAS} --yes"), "");
    cloud.kms.omit_alias_dates(true);
    let (code, out, error) = cloud.run(&format!("key rollback {ALIAS} --yes"), "");
    assert_eq!((code, &*out), (Some(3), ""), "{error}");
    assert!(error.contains("ListAliases failed"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_creation_of_a_ring_leaves_no_key() {
    let cloud = Cloud::start().await;
    let before = cloud.kms.perform("ListKeys", &json!({})).unwrap();
    let key = cloud.create_key(&json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}));
    cloud.alias("alias/new-next", &key);
    let (code, out, _) = cloud.run("key create alias/new --yes", "");
    assert_eq!((code, out.contains("alias/new-next already exists")), (Some(1), true), "{out}");
    let after = cloud.kms.perform("ListKeys", &json!({})).unwrap();
    let count = |keys: &Value| keys["Keys"].as_array().unwrap().len();
    assert_eq!(count(&after), count(&before) + 1, "only the key of this test was created");
}

/// Standard output stays empty, so that a redirection does not write an incomplete file.
#[tokio::test(flavor = "multi_thread")]
async fn fault_is_printed_on_standard_error_only() {
    let cloud = Cloud::start().await;
    cloud.succeed(&format!("key create {ALIAS} --yes"), "");
    cloud.kms.inject(Some(InjectedFault::Error("AccessDeniedException")));
    for line in ["jwks", "pem"] {
        let (code, out, error) = cloud.run(&format!("{line} {ALIAS}"), "");
        assert_eq!((code, &*out), (Some(3), ""), "{line}");
        assert!(error.contains("GetPublicKey failed: access denied"), "{line}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn incomplete_key_set_is_not_printed() {
    const NEXT: &str = "alias/countersign-next";
    const PREVIOUS: &str = "alias/countersign-previous";
    let cloud = Cloud::start().await;
    cloud.succeed(&format!("key create {ALIAS} --yes"), "");
    let complete = ["jwks", "pem"].map(|line| cloud.succeed(&format!("{line} {ALIAS}"), ""));
    let rows = [
        (PREVIOUS, "ThrottlingException", 3, "KMS throttles"),
        (PREVIOUS, "AccessDeniedException", 3, "access denied"),
        (PREVIOUS, "NotFoundException", 0, ""),
        (PREVIOUS, "DisabledException", 0, ""),
        (
            NEXT,
            "AccessDeniedException",
            0,
            "warning: the key under alias/countersign-next is missing",
        ),
        (NEXT, "NotFoundException", 0, ""),
    ];
    for (alias, code, expected, message) in rows {
        cloud.kms.inject(Some(InjectedFault::ErrorFor(alias, code)));
        for (line, complete) in ["jwks", "pem"].iter().zip(&complete) {
            let (exit, out, error) = cloud.run(&format!("{line} {ALIAS}"), "");
            assert_eq!(exit, Some(expected), "{line} {alias} {code}: {error}");
            assert_eq!(out == *complete, expected == 0, "{line} {alias} {code}: {out}");
            assert_eq!(error.is_empty(), message.is_empty(), "{line} {alias} {code}: {error}");
            assert!(error.contains(message), "{line} {alias} {code}: {error}");
        }
    }
}

/// The unreadable alias may have the key. The authorizer refuses the token, but the command line must not say
/// that it is invalid.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_key_is_a_fault_while_an_alias_is_unreadable() {
    let cloud = Cloud::start().await;
    cloud.succeed(&format!("key create {ALIAS} --yes"), "");
    cloud.succeed("key create alias/other --yes", "");
    let claims = json!({"iss": "us", "exp": 4_102_444_800_u32}).to_string();
    let token = cloud.succeed("sign --key alias/other -", &claims);
    let verify = format!("verify --key {ALIAS} -");
    let (code, out, _) = cloud.run(&verify, &token);
    assert_eq!(code, Some(1), "{out}");
    let previous = "alias/countersign-previous";
    cloud.kms.inject(Some(InjectedFault::ErrorFor(previous, "AccessDeniedException")));
    let (code, out, error) = cloud.run(&verify, &token);
    assert_eq!((code, &*out), (Some(3), ""), "{error}");
    assert!(error.contains("access denied"), "{error}");
}

/// The order of the AWS CLI: the option, the variable for KMS, the variable for all services.
#[tokio::test(flavor = "multi_thread")]
async fn most_specific_endpoint_url_is_used() {
    let mut cloud = Cloud::start().await;
    cloud.succeed(&format!("key create {ALIAS} --yes"), "");
    let (url, unreachable) = (format!("http://{}", cloud.kms.address()), "http://127.0.0.1:1");
    let rows = [
        (Some(&*url), Some(unreachable), Some(unreachable), 0),
        (None, Some(&url), Some(unreachable), 0),
        (None, None, Some(&url), 0),
        (None, Some(unreachable), Some(&url), 3),
        (Some(unreachable), Some(&url), Some(&url), 3),
    ];
    for row @ (option, kms, all, expected) in rows {
        cloud.settings.retain(|(name, _)| !name.starts_with("AWS_ENDPOINT_URL"));
        let variables = [("AWS_ENDPOINT_URL_KMS", kms), ("AWS_ENDPOINT_URL", all)];
        let variables =
            variables.into_iter().filter_map(|(name, url)| Some((name, url?.to_owned())));
        cloud.settings.extend(variables);
        let option = option.map_or(String::new(), |url| format!(" --endpoint-url {url}"));
        for line in ["jwks", "key show"] {
            let (code, ..) = cloud.run(&format!("{line} {ALIAS}{option}"), "");
            assert_eq!(code, Some(expected), "{line}: {row:?}");
        }
    }
}

/// The URL of a server that answers every connection with this text, and closes it or keeps it open.
fn serve(response: &'static str, closes: bool) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 8192]);
            let _ = stream.write_all(response.as_bytes());
            open.extend((!closes).then_some(stream));
        }
    });
    endpoint
}

#[test]
fn incomplete_or_failed_response_of_kms_is_a_fault() {
    let missing = "HTTP/1.1 400 x\r\ncontent-length: 30\r\n\r\n{\"__type\":\"NotFoundException\"}";
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"KeyId\":";
    let rows = [
        (
            "body cut off by a closed connection",
            half,
            true,
            ("AWS_RETRY_MODE", "standard"),
            "KMS is out of reach",
        ),
        ("body that does not end", half, false, ("AWS_MAX_ATTEMPTS", "1"), "KMS is out of reach"),
        ("error response", missing, true, ("AWS_RETRY_MODE", "adaptive"), "no such key"),
    ];
    let threads = rows.map(|(name, response, closes, setting, expected)| {
        std::thread::spawn(move || {
            let endpoint = serve(response, closes);
            let settings = [
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "local"),
                ("AWS_SECRET_ACCESS_KEY", "local"),
                ("AWS_ENDPOINT_URL_KMS", &endpoint),
                setting,
            ];
            let output = run_with_input(&["jwks", ALIAS], &settings, b"");
            let error = to_text(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{name}: {error}");
            assert!(error.contains(expected), "{name}: {error}");
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
}
