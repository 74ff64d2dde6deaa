//! Each step of a rotation is killed after each of its KMS calls, and run again: the ring reaches the state
//! of an uninterrupted rotation, and the current key is enabled at all times.

use std::{
    collections::BTreeMap,
    process::Stdio,
    time::{Duration, SystemTime},
};

use local::{
    kms::Kms,
    lambda::{Bootstrap, FunctionConfig, FunctionLogs, HostedFunction, InvocationResult},
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
    deployment::{kill, processes},
    harness::{Arguments, Outcome, run_concurrently, run_trial, table},
};

/// Each step, with the keys under the three aliases before it, after it, and after the step that the next run
/// may do immediately. `b` was created after `a`, and `c` after `b`.
const STEPS: [Step; 4] = [
    ("complete", ["a", "-", "-"], ["a", "a", "a"], ["a", "b", "a"]),
    ("prepare", ["a", "a", "a"], ["a", "b", "a"], ["a", "b", "a"]),
    // The publication wait is over.
    ("promote", ["a", "b", "a"], ["b", "b", "a"], ["b", "b", "a"]),
    ("retire", ["b", "b", "a"], ["b", "b", "b"], ["b", "c", "b"]),
];

type Step = (&'static str, [&'static str; 3], [&'static str; 3], [&'static str; 3]);

/// The program that runs the rotation.
#[derive(Debug, Clone, Copy)]
enum Runner {
    CommandLine,
    Rotator,
}

fn name(runner: Runner, step: &str) -> String {
    let runner = match runner {
        Runner::CommandLine => "key rotate",
        Runner::Rotator => ROTATOR,
    };
    format!("killed::{runner}::{step}")
}

fn trials() -> impl Iterator<Item = (String, Runner, Step)> {
    let all = |runner| STEPS.into_iter().map(move |step| (name(runner, step.0), runner, step));
    [Runner::CommandLine, Runner::Rotator].into_iter().flat_map(all)
}

pub(crate) fn names() -> Vec<String> {
    trials().map(|(name, ..)| name).collect()
}

pub(crate) async fn run(arguments: &Arguments) -> Vec<Outcome> {
    let trials = trials().filter(|(name, ..)| arguments.selects(name));
    let trials = trials.map(|(name, runner, step)| async move {
        let (outcome, kills) = run_trial(&name, killed(runner, step)).await;
        let text = kills
            .map_or("WRONG".into(), |kills| format!("killed {kills} times, each time resumed"));
        (outcome, vec![name, text])
    });
    let (outcomes, rows): (Vec<_>, Vec<_>) =
        run_concurrently(STEPS.len(), trials).await.into_iter().unzip();
    if !rows.is_empty() {
        table("Rotations that are killed (SIGKILL) after each call of KMS", &rows);
    }
    outcomes
}

/// Kills the step after its first call, after its second and so on, until it completes. Returns the number of
/// kills.
async fn killed(runner: Runner, (step, before, after, after_next): Step) -> u64 {
    for calls in 0.. {
        let account = Account::with(before).await;
        let blocked = account.kms.block_after(calls);
        let mut run = account.rotate(runner);
        let case = format!("{step}, killed after {} calls", calls + 1);
        tokio::select! {
            _ = blocked => run.kill(&account.kms).await,
            end = run.end() => {
                assert_eq!((end, account.aliased_keys()), (Some(0), after.map(str::to_owned)), "{step}");
                return calls;
            }
        }
        let current = account.kms.perform("DescribeKey", &json!({"KeyId": ALIAS})).unwrap();
        assert_eq!(current["KeyMetadata"]["KeyState"], "Enabled", "{case}");
        // If the step was complete when it was killed, the next run does the next step or finds that it is
        // not due.
        let end = account.rotate(runner).end().await;
        assert!(matches!(end, Some(0 | 1)), "{case}: {end:?}");
        let aliased_keys = account.aliased_keys();
        assert!(aliased_keys == after || aliased_keys == after_next, "{case}: {aliased_keys:?}");
    }
    0
}

/// A rotation that is running.
enum Run {
    Command(Child),
    Function(JoinHandle<InvocationResult>),
}

impl Run {
    /// The exit code; for the rotator, 0 if the invocation succeeded.
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

/// A local KMS with a ring whose next step is due.
struct Account {
    kms: Kms,
    /// The keys at the start, by id.
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
            let aliases = ALIASES.iter().zip(ring).filter(|(_, key)| *key == name);
            for (alias, _) in aliases {
                let target = json!({"AliasName": alias, "TargetKeyId": id});
                kms.perform("CreateAlias", &target).unwrap();
            }
        }
        kms.set_time(SystemTime::now());
        Self { kms, keys }
    }

    fn rotate(&self, runner: Runner) -> Run {
        let environment = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL_KMS", &format!("http://{}", self.kms.address())),
            ("KEY_ALIAS", ALIAS),
            ("ROTATION_DAYS", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        if let Runner::CommandLine = runner {
            let mut command = Command::new(BINARY);
            command.args(["key", "rotate", ALIAS, "--yes"]).env_clear().envs(environment);
            let child = command.stdout(Stdio::null()).kill_on_drop(true).spawn();
            return Run::Command(child.unwrap());
        }
        let config = FunctionConfig {
            name: ROTATOR.into(),
            function_name: ROTATOR.into(),
            binary: ROTATOR.into(),
            region: "us-east-1".into(),
            environment: environment.into(),
            files: Vec::new(),
            memory: 128,
            timeout: Duration::from_mins(1),
        };
        let bootstrap = Bootstrap { program: BINARY.into(), arguments: vec!["function".into()] };
        let function = HostedFunction::new(config, bootstrap, FunctionLogs::default());
        Run::Function(tokio::spawn(async move { function.invoke(&json!({})).await }))
    }

    /// The keys under the three aliases. Checks that at most two keys were created: one by a killed run and
    /// one by the run after it.
    fn aliased_keys(&self) -> [String; 3] {
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
/// Longer than the wait before every step, and than `ROTATION_DAYS`.
const LONG_AGO: Duration = Duration::from_hours(48);
