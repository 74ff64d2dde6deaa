//! A rotation that is killed after each of its calls of KMS, in each of its steps, and run again:
//! the ring ends as if nothing had been, and there is a key that signs at every moment.

use std::{
    collections::BTreeMap,
    process::Stdio,
    time::{Duration, SystemTime},
};

use local::{
    kms::Kms,
    lambda::{Bootstrap, Configuration, Function, Invocation, Journal},
};
use serde_json::{Value, json};
use testing::InjectFaults;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    task::JoinHandle,
};

use crate::{
    BINARY,
    harness::{Arguments, Verdict, judge, table, together},
    world::{kill, processes},
};

/// Each step, with the keys under the three aliases before it, after it, and after what the next run may
/// do at once: `b` was made after `a`, and `c` after `b`.
const STEPS: [Step; 4] = [
    ("complete", ["a", "-", "-"], ["a", "a", "a"], ["a", "b", "a"]),
    ("prepare", ["a", "a", "a"], ["a", "b", "a"], ["a", "b", "a"]),
    // The publication was long ago, and so will be the retirement.
    ("promote", ["a", "b", "a"], ["b", "b", "a"], ["b", "b", "a"]),
    ("retire", ["b", "b", "a"], ["b", "b", "b"], ["b", "c", "b"]),
];

type Step = (&'static str, [&'static str; 3], [&'static str; 3], [&'static str; 3]);

/// Who rotates.
#[derive(Debug, Clone, Copy)]
enum Who {
    CommandLine,
    Rotator,
}

fn name(who: Who, step: &str) -> String {
    let who = match who {
        Who::CommandLine => "key rotate",
        Who::Rotator => ROTATOR,
    };
    format!("killed::{who}::{step}")
}

fn trials() -> impl Iterator<Item = (String, Who, Step)> {
    let all = |who| STEPS.into_iter().map(move |step| (name(who, step.0), who, step));
    [Who::CommandLine, Who::Rotator].into_iter().flat_map(all)
}

pub(crate) fn names() -> Vec<String> {
    trials().map(|(name, ..)| name).collect()
}

pub(crate) async fn run(arguments: &Arguments) -> Vec<Verdict> {
    let trials = trials().filter(|(name, ..)| arguments.wants(name));
    let trials = trials.map(|(name, who, step)| async move {
        let (verdict, kills) = judge(&name, killed(who, step)).await;
        let said = kills.map_or("WRONG".into(), |kills| format!("{kills} times, and gone on with"));
        (verdict, vec![name, said])
    });
    let (verdicts, rows): (Vec<_>, Vec<_>) =
        together(STEPS.len(), trials).await.into_iter().unzip();
    if !rows.is_empty() {
        table("Rotations that are killed (SIGKILL) after each call of KMS", &rows);
    }
    verdicts
}

/// Kills the step after its first call, its second and so on, until it ends by itself.
async fn killed(who: Who, (step, before, after, further): Step) -> u64 {
    for calls in 0.. {
        let account = Account::with(before).await;
        let held = account.kms.block_after(calls);
        let mut run = account.rotate(who);
        let case = format!("{step}, killed after {} calls", calls + 1);
        tokio::select! {
            _ = held => run.kill(&account.kms).await,
            end = run.end() => {
                assert_eq!((end, account.standing()), (Some(0), after.map(str::to_owned)), "{step}");
                return calls;
            }
        }
        let current = account.kms.perform("DescribeKey", &json!({"KeyId": ALIAS})).unwrap();
        assert_eq!(current["KeyMetadata"]["KeyState"], "Enabled", "{case}");
        // Killed after its last deed, the step was done: then another run does what comes next, or
        // finds that it is too early for that.
        let end = account.rotate(who).end().await;
        assert!(matches!(end, Some(0 | 1)), "{case}: {end:?}");
        let standing = account.standing();
        assert!(standing == after || standing == further, "{case}: {standing:?}");
    }
    0
}

/// A rotation under way.
enum Run {
    Command(Child),
    Function(JoinHandle<Invocation>),
}

impl Run {
    /// The exit code, or what would be one.
    async fn end(&mut self) -> Option<i32> {
        match self {
            Self::Command(child) => child.wait().await.unwrap().code(),
            Self::Function(invocation) => invocation.await.unwrap().result.ok().map(|_| 0),
        }
    }

    async fn kill(&mut self, kms: &Kms) {
        match self {
            // SIGKILL.
            Self::Command(child) => child.kill().await.unwrap(),
            Self::Function(invocation) => {
                kill(&processes(kms.address(), ROTATOR));
                assert!(invocation.await.unwrap().result.is_err());
            }
        }
    }
}

/// A KMS with a ring of which every step is due that can be.
struct Account {
    kms: Kms,
    /// The keys that were there at first.
    keys: BTreeMap<String, &'static str>,
}

impl Account {
    async fn with(ring: [&str; 3]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kms = Kms::start(listener, "us-east-1", None).unwrap();
        kms.set_time(SystemTime::now() - LONG_AGO);
        let mut keys = BTreeMap::new();
        for name in ["a", "b"].into_iter().filter(|name| ring.contains(name)) {
            let input = json!({
                "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY",
                "Tags": [{"TagKey": "countersign:ring", "TagValue": ALIAS}],
            });
            let key = kms.perform("CreateKey", &input).unwrap();
            let id = key["KeyMetadata"]["KeyId"].as_str().unwrap();
            keys.insert(id.to_owned(), name);
            let places = ALIASES.iter().zip(ring).filter(|(_, key)| *key == name);
            for (alias, _) in places {
                let target = json!({"AliasName": alias, "TargetKeyId": id});
                kms.perform("CreateAlias", &target).unwrap();
            }
        }
        kms.set_time(SystemTime::now());
        Self { kms, keys }
    }

    fn rotate(&self, who: Who) -> Run {
        let environment = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL_KMS", &format!("http://{}", self.kms.address())),
            ("KEY_ALIAS", ALIAS),
            ("ROTATION_DAYS", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        if let Who::CommandLine = who {
            let mut command = Command::new(BINARY);
            command.args(["key", "rotate", ALIAS, "--yes"]).env_clear().envs(environment);
            let child = command.stdout(Stdio::null()).kill_on_drop(true).spawn();
            return Run::Command(child.unwrap());
        }
        let configuration = Configuration {
            name: ROTATOR.into(),
            binary: ROTATOR.into(),
            region: "us-east-1".into(),
            environment: environment.into(),
            memory: 128,
            timeout: Duration::from_mins(1),
        };
        let bootstrap = Bootstrap { program: BINARY.into(), arguments: vec!["function".into()] };
        let function = Function::new(configuration, bootstrap, Journal::default());
        Run::Function(tokio::spawn(async move { function.invoke(&json!({})).await }))
    }

    /// The keys under the three aliases. No more were made than one, and one that a killed run has left.
    fn standing(&self) -> [String; 3] {
        let list = |operation: &str| self.kms.perform(operation, &json!({})).unwrap();
        let aliases = list("ListAliases");
        let all = list("ListKeys")["Keys"].as_array().unwrap().len();
        assert!(all <= self.keys.len() + 2, "{all} keys");
        let next = if self.keys.len() == 1 { "b" } else { "c" };
        ALIASES.map(|alias| {
            let mut aliases = aliases["Aliases"].as_array().unwrap().iter();
            let found = aliases.find(|found| found["AliasName"] == alias);
            let key = found.map_or(&Value::Null, |found| &found["TargetKeyId"]);
            let known = key.as_str().map(|key| self.keys.get(key).copied().unwrap_or(next));
            known.unwrap_or("-").to_owned()
        })
    }
}

const ALIAS: &str = "alias/ring";
const ALIASES: [&str; 3] = [ALIAS, "alias/ring-next", "alias/ring-previous"];
const ROTATOR: &str = "rotator";
/// Longer than any step waits for another, and than a key is to sign.
const LONG_AGO: Duration = Duration::from_hours(48);
