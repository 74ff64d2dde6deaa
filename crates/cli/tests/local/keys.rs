//! `countersign key …`, and what else the command line does with keys in KMS.

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

use crate::{ALIAS, BINARY, TEMPLATE, fed, logged, options, said};

/// A KMS, and the environment that leads to it.
struct Cloud {
    kms: Kms,
    settings: Vec<(&'static str, String)>,
}

/// Aliases with their keys, and the keys' states.
type Told = (Vec<(String, String)>, Vec<String>);

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
        let output = fed(&arguments, &settings, input.as_bytes());
        (output.status.code(), said(&output.stdout), said(&output.stderr))
    }

    /// What a run that goes well says.
    fn good(&self, line: &str, input: &str) -> String {
        let (code, out, error) = self.run(line, input);
        assert_eq!(code, Some(0), "{line}: {out}{error}");
        out
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.good(&format!("{line} --json"), "")).unwrap()
    }

    /// From now on it is this long ago in KMS.
    fn ago(&self, hours: u64) {
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

    /// The ring's aliases and the states of its keys, told by the AWS CLI if it is there.
    fn told_by_aws(&self) -> Option<Told> {
        let aws = |arguments: &[&str]| {
            let output = Command::new("aws")
                .args(["kms", "--output", "json", "--region", "us-east-1"])
                .args(["--endpoint-url", &format!("http://{}", self.kms.address())])
                .args(arguments)
                .envs(self.settings.iter().map(|(name, value)| (name, value)))
                .output();
            let Ok(output) = output else {
                assert!(env::var_os("CI").is_none(), "the AWS CLI must be there");
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

    /// What retires the key of a stack says that it is not deleted.
    fn expect_retained(&self, key: &str) {
        let arn = format!("arn:aws:kms:us-east-1:000000000000:key/{key}");
        for id in [key, &*arn] {
            let flags = format!("{ALIAS} --retained-key {id}");
            let (shown, would) =
                (format!("key show {flags}"), format!("key rotate {flags} --dry-run"));
            for command in [shown, would] {
                let words = self.good(&command, "");
                let disables = words.contains(&format!("disable {key}, which the stack owns"));
                assert!(disables && !words.contains("deleted"), "{command}: {words}");
            }
            let asked = self.run(&format!("key rotate {flags}"), "").2;
            assert!(asked.contains("retire disables") && !asked.contains("deleted"), "{asked}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_by_the_command_line_is_what_the_aws_cli_sees() {
    let cloud = Cloud::start().await;
    let rotate = format!("key rotate {ALIAS}");
    cloud.ago(100);
    cloud.good(&format!("key create {ALIAS}"), "");
    let old = cloud.json(&format!("key show {ALIAS}"))["current"]["id"].clone();
    let mut next = Value::Null;
    let suffixes = [("", "current"), ("-next", "next"), ("-previous", "previous")];
    let steps = [
        ("prepare", "promote", ["old", "new", "old"]),
        ("promote", "retire", ["new", "new", "old"]),
        ("retire", "prepare", ["new", "new", "new"]),
    ];
    for (number, (step, after, standing)) in (0_u64..).zip(steps) {
        cloud.ago(99 - number);
        let before = cloud.json(&format!("key show {ALIAS}"));
        assert_eq!(before["step"]["name"], step);
        let dry = cloud.json(&format!("{rotate} --dry-run"));
        assert_eq!(dry["would"]["name"], step);
        assert_eq!(cloud.json(&format!("key show {ALIAS}"))["current"], before["current"]);
        if step == "retire" {
            let (code, out, error) = cloud.run(&rotate, "y\n");
            assert_eq!((code, &*out), (Some(2), ""), "nobody can be asked: {error}");
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
        if let Some((aliases, states)) = cloud.told_by_aws() {
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
    let words = cloud.good(&format!("key list {ALIAS}"), "");
    assert!(words.contains("PendingDeletion") && words.contains("is deleted"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_rotated_is_said() {
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
    let before = cloud.told_by_aws();
    let rows = [
        ("key rotate alias/nobody", 3, "there is no alias/nobody"),
        ("key rotate alias/symmetric", 3, "KeySpec SYMMETRIC_DEFAULT that signs no tokens"),
        ("key rotate alias/disabled", 3, "which is Disabled: enable it"),
        ("key rotate alias/both", 3, "-next and -previous both point at"),
        ("key rotate alias/good --signing-algorithm RS256", 3, "does not sign with RS256"),
        ("key rotate alias/good --spec RSA_2048 --signing-algorithm ES256", 3, "KeySpec RSA_2048"),
        ("key rotate alias/good --publication-wait 1259", 2, "at least 1260 seconds"),
        ("key rotate alias/good --token-lifetime-max 1h", 2, "TOKEN_LIFETIME_MAX_SECONDS must be"),
        ("key rotate alias/good --spec HMAC_256", 2, "must be a KeySpec that signs tokens"),
        ("key rotate alias/good-next", 2, "must not end in -next or -previous"),
        ("key rotate good", 2, "must be alias/"),
        ("key create alias/good", 1, "alias/good exists already"),
        ("key rollback alias/good", 3, "was not promoted"),
        ("key create alias/new --administrator admin", 2, "must be the ARN of an IAM user or role"),
        ("key create alias/good --dry-run", 1, "alias/good exists already"),
        ("key show alias/nobody", 3, "there is no alias/nobody"),
        ("key show alias/disabled", 3, "Something is in the way"),
        ("key list alias/nobody", 1, ""),
        ("jwks alias/nobody", 3, "no such key"),
        ("pem alias/symmetric", 3, "the key cannot do this"),
        ("sign --key alias/disabled -", 3, "the key is not enabled"),
        ("sign --key alias/good --algorithm HS256 -", 2, "HS256"),
        ("verify --key alias/good --jwks keys.json -", 2, "cannot be used with"),
        ("verify --local --issuer us -", 2, "--key"),
        ("verify -", 2, "--issuer"),
        ("event nothing.json", 3, "nothing.json"),
    ];
    for (line, code, words) in rows {
        let (exit, out, error) = cloud.run(line, r#"{"exp":1911744000}"#);
        assert_eq!(exit, Some(code), "{line}: {out}{error}");
        assert!(format!("{out}{error}").contains(words), "{line}: {out}{error}");
    }
    assert_eq!(cloud.told_by_aws(), before, "nothing has changed");
    let (code, out, _) = cloud.run("key show alias/nobody --json", "");
    let out: Value = serde_json::from_str(&out).unwrap();
    assert!(code == Some(3) && out["error"].as_str().unwrap().contains("alias/nobody"), "{out}");
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl";
    for line in ["verify --key=TOKEN -", "sign --key alias/good TOKEN", "event TOKEN", "jwks TOKEN"]
    {
        let (code, out, error) = cloud.run(&line.replace("TOKEN", token), "");
        assert!(matches!(code, Some(2 | 3)), "{line}: {code:?}");
        assert!(!format!("{out}{error}").contains(token), "{line}: {out}{error}");
    }
    let odd = OsStr::from_bytes(b"\xff");
    for arguments in [[OsStr::new("inspect"), odd], [OsStr::new("jwks"), odd]] {
        let mut command = Command::new(BINARY);
        let output = testing::run(command.args(arguments).env("ODD", odd), b"").unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(cloud.json("key list").as_array().unwrap().len(), 7);
    let dry = cloud.good("key rotate alias/good --dry-run", "");
    assert!(dry.contains("would create a key of KeySpec ECC_NIST_P256"), "{dry}");
    assert_eq!(cloud.told_by_aws(), before, "nor has it now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_is_signed_as_it_stands_and_verified_in_every_way() {
    let cloud = Cloud::start().await;
    cloud.good(&format!("key create {ALIAS} --spec ECC_NIST_P256"), "");
    let payload = "{ \"sub\": \"test-user\",\n\"iss\":\"us\", \"exp\": 1911744000 }\n";
    let token = cloud.good(&format!("sign --key {ALIAS} -"), payload);
    let part = token.split('.').nth(1).unwrap();
    assert_eq!(part, base64::Engine::encode(&crate::URL_SAFE_NO_PAD, payload));

    let folder = env::temp_dir().join(format!("countersign-keys-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("jwks.json");
    fs::write(&file, cloud.good(&format!("jwks {ALIAS}"), "")).unwrap();
    let ways = [
        format!("verify --key {ALIAS} --issuer us -"),
        format!("verify --key {ALIAS} --local --issuer us -"),
        format!("verify --jwks {} --issuer us -", file.display()),
    ];
    let input = token.rsplit_once('.').unwrap().0;
    let forged = format!("{input}.{}", "A".repeat(86));
    for way in &ways {
        let claims: Value = serde_json::from_str(&cloud.good(way, &token)).unwrap();
        assert_eq!(claims["sub"], "test-user", "{way}");
        let (code, out, _) = cloud.run(way, &forged);
        assert_eq!((code, out.starts_with("refused: ")), (Some(1), true), "{way}: {out}");
        let (code, out, _) = cloud.run(&way.replace(" us ", " them "), &token);
        assert_eq!((code, &*out), (Some(1), "refused: unexpected issuer\n"), "{way}");
    }
    fs::remove_dir_all(folder).unwrap();

    let shown = cloud.good("inspect -", &forged);
    assert!(shown.starts_with("NOTHING OF THIS WAS VERIFIED"), "{shown}");
    assert!(shown.contains("exp: good until 2030-07-31 16:00:00 UTC"), "{shown}");
    let (code, out, _) = cloud.run("inspect --json -", "no token");
    assert_eq!(code, Some(1), "{out}");
    let without = cloud.run(&format!("sign --key {ALIAS} -"), "{}");
    assert!(without.2.contains("no exp"), "{}", without.2);
    for payload in ["[]", "{", r#"{"a":1,"a":2}"#, ""] {
        let (code, out, error) = cloud.run(&format!("sign --key {ALIAS} -"), payload);
        assert_eq!((code, &*out), (Some(2), ""), "{payload}: {error}");
    }
    let pem = cloud.good(&format!("pem {ALIAS}"), "");
    assert!(pem.contains(" ES256\n-----BEGIN PUBLIC KEY-----\n"), "{pem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_shown_as_they_were_signed() {
    let cloud = Cloud::start().await;
    cloud.good(&format!("key create {ALIAS} --spec ECC_NIST_P256"), "");
    let numbers = r#""id":12345678901234567890123,"x":[0.12345678901234567890,1.50,1E2,-0]"#;
    let payload = format!(r#"{{"exp":1911744000,{numbers}}}"#);
    let token = cloud.good(&format!("sign --key {ALIAS} -"), &payload);
    let verify = format!("verify --key {ALIAS}");
    for command in [&*format!("{verify} -"), &format!("{verify} --json -"), "inspect --json -"] {
        let shown = cloud.good(command, &token);
        assert!(shown.contains(&payload), "{command}: {shown}");
        assert!(serde_json::from_str::<Value>(&shown).unwrap().is_object(), "{command}: {shown}");
        assert_eq!(shown.lines().count(), 1, "{command}: {shown}");
    }
    let shown: String = cloud.good("inspect -", &token).split_whitespace().collect();
    assert!(shown.contains(numbers), "{shown}");
    let signature_only = cloud.good(&format!("{verify} --signature-only --json -"), &token);
    assert_eq!(signature_only, "{\"claims\":null,\"good\":true,\"unchecked\":[\"claims\"]}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn typ_is_compared_as_a_media_type() {
    let cloud = Cloud::start().await;
    cloud.good(&format!("key create {ALIAS} --spec ECC_NIST_P256"), "");
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
        let token = cloud.good(&sign, r#"{"exp":1911744000}"#);
        let verify = format!("verify --key {ALIAS} --token-type {expected} -");
        let (exit, out, error) = cloud.run(&verify, &token);
        assert_eq!(exit, Some(code), "{signed} as {expected}: {out}{error}");
    }
}

/// A token that a third party gets to know of by nothing but its issuer's name.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_carries_a_fresh_token_and_an_issuer_is_found_by_its_name() {
    let stack = Stack::start(&fs::read_to_string(TEMPLATE).unwrap(), &options(&[])).await.unwrap();
    let issuer = format!("http://{}", stack.gateway.address());
    let endpoint = format!("http://{}", stack.kms.address());
    let run = |arguments: &[&str], input: &str| {
        let settings = [
            ("TOKEN_ISSUER", &*issuer),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
        ];
        let output = fed(arguments, &settings, input.as_bytes());
        assert!(output.status.success(), "{arguments:?}: {}", said(&output.stderr));
        said(&output.stdout)
    };
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/authorize-expired.json");
    // As the AWS CLI has these.
    let flags = ["--endpoint-url", &endpoint, "--region", "us-east-1"];
    let claims = r#"{"sub":"somebody","scope":"read"}"#;
    let event = run(&[&["event", file, "--claims", claims], &flags[..]].concat(), "");
    let event: Value = serde_json::from_str(&event).unwrap();
    let answer = stack.functions["Authorizer"].invoke(&event).await.result.unwrap();
    assert_eq!(answer["principalId"], "somebody");
    let token = event["headers"]["Authorization"].as_str().unwrap().replace("Bearer ", "");
    let claims = run(&["verify", "--issuer", &issuer, "-"], &token);
    assert!(claims.contains("somebody"), "{claims}");
    let keys = format!("{issuer}/.well-known/jwks.json");
    assert!(run(&["verify", "--jwks", &keys, "-"], &token).contains("somebody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rotator_does_one_step_a_run_and_says_so() {
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let without = Stack::start(&template, &options(&[])).await.unwrap();
    assert!(!without.functions.contains_key("Rotator"), "nobody asked for it");
    let stack = Stack::start(&template, &options(&[("ROTATION_DAYS", "2")])).await.unwrap();
    let start = SystemTime::now();
    let alias = json!({"KeyId": ALIAS});
    let current =
        || stack.kms.perform("DescribeKey", &alias).unwrap()["KeyMetadata"]["KeyId"].clone();
    let old = current();
    // Whoever looks at the clock sees it move on; KMS sees the days before it, backwards.
    let mut said = Vec::new();
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
        said.push((answer["done"].clone(), answer["next"].clone()));
    }
    // The second rotation finds the key of the stack retired.
    let steps = ["prepare", "promote", "retire", "prepare"];
    let expected = steps.into_iter().zip(["promote", "retire", "prepare", "promote"]);
    assert_eq!(said, expected.map(|(done, next)| (json!(done), json!(next))).collect::<Vec<_>>());
    assert_ne!(current(), old);
    let state = |key: &Value| {
        let key = stack.kms.perform("DescribeKey", &json!({"KeyId": key})).unwrap();
        key["KeyMetadata"]["KeyState"].clone()
    };
    assert_eq!(state(&old), "Disabled", "the key of the stack is not deleted");
    let lines = logged(&stack, "Rotator", 4).await;
    assert_eq!(lines.len(), 4, "one line a run");
    // Fifty days after its key's sixty.
    let overdue = lines[0]["RotationOverdue"].as_u64().unwrap();
    assert!((57 * 86_400..59 * 86_400).contains(&overdue), "{overdue}");
    assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Ring"]]));
    // Nothing is due now; then something is in the way.
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

/// Plants a key as a principal with the managed policy `AWSKeyManagementServicePowerUser` can.
fn plant(kms: &Kms, mallory: &str) -> String {
    let described = kms.perform("DescribeKey", &json!({"KeyId": ALIAS})).unwrap();
    let own = kms.perform("GetKeyPolicy", &json!({"KeyId": described["KeyMetadata"]["KeyId"]}));
    let planted = json!({
        "KeySpec": described["KeyMetadata"]["KeySpec"], "KeyUsage": "SIGN_VERIFY",
        "Policy": own.unwrap()["Policy"],
        "Tags": [{"TagKey": "countersign:ring", "TagValue": ALIAS}],
    });
    let planted = kms.perform("CreateKey", &planted).unwrap();
    let planted = planted["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
    let grant = json!({"KeyId": planted, "GranteePrincipal": mallory, "Operations": ["Sign"]});
    kms.perform("CreateGrant", &grant).unwrap();
    planted
}

const MALLORY: &str = "arn:aws:iam::000000000000:role/mallory";

#[tokio::test(flavor = "multi_thread")]
async fn planted_key_is_reported_and_never_named_by_the_rotator() {
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
    let planted = plant(&stack.kms, MALLORY);
    stack.kms.set_time(SystemTime::now() - Duration::from_hours(24));
    let answer = stack.functions["Rotator"].invoke(&json!({})).await.result.unwrap();
    assert_eq!(answer["done"], "prepare");
    let leftovers = answer["leftovers"].to_string();
    assert!(leftovers.contains(&planted) && leftovers.contains("disable-key"));
    let next = key(&format!("{ALIAS}-next"));
    assert!(next != planted && next != current);

    // A grant on the next key blocks its promotion, and the alarm tells.
    let grant =
        json!({"KeyId": next, "GranteePrincipal": MALLORY, "Operations": ["Verify", "Sign"]});
    let grant = stack.kms.perform("CreateGrant", &grant).unwrap();
    stack.kms.set_time(SystemTime::now());
    let error = stack.functions["Rotator"].invoke(&json!({})).await.result.unwrap_err();
    assert_eq!(error.error_type, "ForeignGrant");
    assert!(error.message.contains(MALLORY), "{}", error.message);
    assert_eq!(key(ALIAS), current);
    let revoke = json!({"KeyId": next, "GrantId": grant["GrantId"]});
    stack.kms.perform("RevokeGrant", &revoke).unwrap();
    // A grant that lets verify is no danger.
    let verify = json!({"KeyId": next, "GranteePrincipal": MALLORY, "Operations": ["Verify"]});
    stack.kms.perform("CreateGrant", &verify).unwrap();
    let answer = stack.functions["Rotator"].invoke(&json!({})).await.result.unwrap();
    assert_eq!((&answer["done"], key(ALIAS)), (&json!("promote"), next));
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_key_is_reported_and_never_named_by_the_command_line() {
    let cloud = Cloud::start().await;
    cloud.ago(100);
    cloud.good(&format!("key create {ALIAS} --spec ECC_NIST_P256"), "");
    let planted = plant(&cloud.kms, MALLORY);
    let (code, _, error) = cloud.run(&format!("key rotate {ALIAS}"), "");
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains(&format!("{planted} has the ring's tag and no alias")), "{error}");
    let next = cloud.json(&format!("key show {ALIAS}"))["next"]["id"].clone();
    assert_ne!(next, *planted);
    let sign = json!({"KeyId": next, "GranteePrincipal": MALLORY, "Operations": ["Sign"]});
    cloud.kms.perform("CreateGrant", &sign).unwrap();
    cloud.ago(90);
    let (code, out, error) = cloud.run(&format!("key rotate {ALIAS}"), "");
    assert_eq!((code, &*out), (Some(3), ""), "{error}");
    assert!(error.contains("allows Sign to") && error.contains("revoke-grant"), "{error}");
}

/// Alias dates are optional in KMS: without them every wait would seem to be over.
#[tokio::test(flavor = "multi_thread")]
async fn aliases_without_dates_stop_a_rotation() {
    let cloud = Cloud::start().await;
    cloud.ago(100);
    cloud.good(&format!("key create {ALIAS} --spec ECC_NIST_P256"), "");
    cloud.kms.omit_alias_dates(true);
    let (code, out, error) = cloud.run(&format!("key rotate {ALIAS}"), "");
    assert_eq!((code, &*out), (Some(3), ""), "{error}");
    assert!(error.contains("ListAliases failed"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ring_that_cannot_be_created_leaves_no_key_unmentioned() {
    let cloud = Cloud::start().await;
    let before = cloud.kms.perform("ListKeys", &json!({})).unwrap();
    let key = cloud.create_key(&json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}));
    cloud.alias("alias/new-next", &key);
    let (code, out, _) = cloud.run("key create alias/new", "");
    assert_eq!((code, out.contains("alias/new-next exists already")), (Some(1), true), "{out}");
    let after = cloud.kms.perform("ListKeys", &json!({})).unwrap();
    let count = |keys: &Value| keys["Keys"].as_array().unwrap().len();
    assert_eq!(count(&after), count(&before) + 1, "no key but the one of this test");
}

/// What stands on standard output is the answer, and nothing of how it came about.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_said_on_standard_error_alone() {
    let cloud = Cloud::start().await;
    cloud.good(&format!("key create {ALIAS}"), "");
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
    cloud.good(&format!("key create {ALIAS}"), "");
    let whole = ["jwks", "pem"].map(|line| cloud.good(&format!("{line} {ALIAS}"), ""));
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
    for (alias, code, expected, words) in rows {
        cloud.kms.inject(Some(InjectedFault::ErrorFor(alias, code)));
        for (line, whole) in ["jwks", "pem"].iter().zip(&whole) {
            let (exit, out, error) = cloud.run(&format!("{line} {ALIAS}"), "");
            assert_eq!(exit, Some(expected), "{line} {alias} {code}: {error}");
            assert_eq!(out == *whole, expected == 0, "{line} {alias} {code}: {out}");
            assert_eq!(error.is_empty(), words.is_empty(), "{line} {alias} {code}: {error}");
            assert!(error.contains(words), "{line} {alias} {code}: {error}");
        }
    }
}

/// Where a function refuses a token of an unknown key, the command line says that it does not know.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_key_is_a_fault_while_an_alias_is_unreadable() {
    let cloud = Cloud::start().await;
    cloud.good(&format!("key create {ALIAS}"), "");
    cloud.good("key create alias/other", "");
    let claims = json!({"iss": "us", "exp": 4_102_444_800_u32}).to_string();
    let token = cloud.good("sign --key alias/other -", &claims);
    let verify = format!("verify --key {ALIAS} -");
    let (code, out, _) = cloud.run(&verify, &token);
    assert_eq!(code, Some(1), "{out}");
    let previous = "alias/countersign-previous";
    cloud.kms.inject(Some(InjectedFault::ErrorFor(previous, "AccessDeniedException")));
    let (code, out, error) = cloud.run(&verify, &token);
    assert_eq!((code, &*out), (Some(3), ""), "{error}");
    assert!(error.contains("access denied"), "{error}");
}

/// As the AWS CLI has it: what is said here, then KMS's own place, then that of all services.
#[tokio::test(flavor = "multi_thread")]
async fn the_nearest_word_on_where_kms_is_counts() {
    let mut cloud = Cloud::start().await;
    cloud.good(&format!("key create {ALIAS}"), "");
    let (own, nowhere) = (format!("http://{}", cloud.kms.address()), "http://127.0.0.1:1");
    let rows = [
        (Some(&*own), Some(nowhere), Some(nowhere), 0),
        (None, Some(&own), Some(nowhere), 0),
        (None, None, Some(&own), 0),
        (None, Some(nowhere), Some(&own), 3),
        (Some(nowhere), Some(&own), Some(&own), 3),
    ];
    for row @ (here, kms, all, expected) in rows {
        cloud.settings.retain(|(name, _)| !name.starts_with("AWS_ENDPOINT_URL"));
        let places = [("AWS_ENDPOINT_URL_KMS", kms), ("AWS_ENDPOINT_URL", all)];
        let places = places.into_iter().filter_map(|(name, url)| Some((name, url?.to_owned())));
        cloud.settings.extend(places);
        let here = here.map_or(String::new(), |url| format!(" --endpoint-url {url}"));
        for line in ["jwks", "key show"] {
            let (code, ..) = cloud.run(&format!("{line} {ALIAS}{here}"), "");
            assert_eq!(code, Some(expected), "{line}: {row:?}");
        }
    }
}

/// What stands in the place of KMS answers with this, and hangs up or does not.
fn stand_in(answer: &'static str, hangs_up: bool) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 8192]);
            let _ = stream.write_all(answer.as_bytes());
            open.extend((!hangs_up).then_some(stream));
        }
    });
    endpoint
}

#[test]
fn an_answer_that_is_none_is_a_fault() {
    let missing = "HTTP/1.1 400 x\r\ncontent-length: 30\r\n\r\n{\"__type\":\"NotFoundException\"}";
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"KeyId\":";
    let rows = [
        ("breaks off", half, true, ("AWS_RETRY_MODE", "standard"), "KMS is out of reach"),
        ("does not end", half, false, ("AWS_MAX_ATTEMPTS", "1"), "KMS is out of reach"),
        ("an error", missing, true, ("AWS_RETRY_MODE", "adaptive"), "no such key"),
    ];
    let trials = rows.map(|(name, answer, hangs_up, setting, expected)| {
        std::thread::spawn(move || {
            let endpoint = stand_in(answer, hangs_up);
            let settings = [
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "local"),
                ("AWS_SECRET_ACCESS_KEY", "local"),
                ("AWS_ENDPOINT_URL_KMS", &endpoint),
                setting,
            ];
            let output = fed(&["jwks", ALIAS], &settings, b"");
            let said = said(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{name}: {said}");
            assert!(said.contains(expected), "{name}: {said}");
        })
    });
    for trial in trials {
        trial.join().unwrap();
    }
}
