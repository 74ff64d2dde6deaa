//! Each fault of KMS, met by each function, just started or warm: what the client sees and when,
//! and what the log and the metrics say. A fault is never a 401 or a 403.

use std::time::Duration;

use local::kms::Kms;
use serde_json::{Value, json};
use testing::{InjectFaults, InjectedFault};

use crate::{
    harness::{Arguments, Verdict, judge, table, together},
    world::{ALIAS, Door, RingState, World},
};

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Injected(InjectedFault),
    Disabled,
    PendingDeletion,
}

/// A fault with its name, the cause that it is in log and metrics, and whether trying again helps.
type Row = (&'static str, Fault, &'static str, Retry);

/// Whether the SDK tries again, and whether the issuer tells its caller to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retry {
    Yes,
    No,
}

const fn error(code: &'static str) -> Fault {
    Fault::Injected(InjectedFault::Error(code))
}

const fn answer(status: u16, body: &'static str) -> Fault {
    Fault::Injected(InjectedFault::Response(status, body))
}

/// As KMS responds to Verify about a good signature, with a key that is not of the ring.
const YES: &str = concat!(
    r#"{"KeyId":"arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555","#,
    r#""SignatureValid":true,"SigningAlgorithm":"RSASSA_PKCS1_V1_5_SHA_256"}"#,
);

const INTERNAL_FAILURE: &str = r#"{"__type":"InternalFailure"}"#;
const SERVICE_UNAVAILABLE: &str = r#"{"__type":"ServiceUnavailableException"}"#;
const UNKNOWN: &str = r#"{"__type":"UnknownException"}"#;

/// Those that take long come first: the others run beside them.
const ROWS: [Row; 26] = [
    ("black hole", Fault::Injected(InjectedFault::Silence), "KmsUnreachable", Retry::Yes),
    ("1 byte a second", Fault::Injected(InjectedFault::Trickle), "KmsUnreachable", Retry::Yes),
    ("3 s latency", Fault::Injected(InjectedFault::Late(LATE)), "KmsUnreachable", Retry::Yes),
    ("reset unread", Fault::Injected(InjectedFault::ResetUnread), "KmsUnreachable", Retry::Yes),
    (
        "reset unanswered",
        Fault::Injected(InjectedFault::ResetUnanswered),
        "KmsUnreachable",
        Retry::Yes,
    ),
    ("truncated body", Fault::Injected(InjectedFault::Truncated), "KmsUnreachable", Retry::Yes),
    ("503 with HTML", Fault::Injected(InjectedFault::Page), "KmsUnreachable", Retry::Yes),
    ("empty 200", answer(200, ""), "KmsInvalidResponse", Retry::Yes),
    ("200 with {}", answer(200, "{}"), "KmsInvalidResponse", Retry::Yes),
    ("yes about another key", answer(200, YES), "KmsInvalidResponse", Retry::Yes),
    ("ThrottlingException", error("ThrottlingException"), "KmsThrottled", Retry::Yes),
    ("KMSInternalException", error("KMSInternalException"), "KmsUnavailable", Retry::Yes),
    ("KeyUnavailable", error("KeyUnavailableException"), "KmsUnavailable", Retry::Yes),
    ("DependencyTimeout", error("DependencyTimeoutException"), "KmsUnavailable", Retry::Yes),
    ("InternalFailure", answer(500, INTERNAL_FAILURE), "KmsUnavailable", Retry::Yes),
    ("ServiceUnavailable", answer(503, SERVICE_UNAVAILABLE), "KmsUnavailable", Retry::Yes),
    ("500 with an unknown code", answer(500, UNKNOWN), "KmsUnavailable", Retry::Yes),
    ("408 with an unknown code", answer(408, UNKNOWN), "KmsUnavailable", Retry::Yes),
    ("429 with an unknown code", answer(429, UNKNOWN), "KmsThrottled", Retry::Yes),
    ("429 with HTML", answer(429, "<html>"), "KmsThrottled", Retry::Yes),
    ("Disabled", Fault::Disabled, "KeyState", Retry::No),
    ("PendingDeletion", Fault::PendingDeletion, "KeyState", Retry::No),
    ("NotFound", error("NotFoundException"), "KeyNotFound", Retry::No),
    ("AccessDenied", error("AccessDeniedException"), "AccessDenied", Retry::No),
    (
        "wrong-Region endpoint",
        Fault::Injected(InjectedFault::Region("eu-west-1")),
        "KmsRefused",
        Retry::No,
    ),
    ("expired credentials", error("ExpiredTokenException"), "CredentialsExpired", Retry::No),
];

/// A column of the table: who is asked, how it verifies, and whether it has just been started.
type Column = (&'static str, Door, &'static str, bool);

const COLUMNS: [Column; 6] = [
    ("issuer::cold", Door::Issuer, "kms", true),
    ("issuer::warm", Door::Issuer, "kms", false),
    ("kms::cold", Door::Authorizer, "kms", true),
    ("kms::warm", Door::Authorizer, "kms", false),
    ("local::cold", Door::Authorizer, "local", true),
    ("local::warm", Door::Authorizer, "local", false),
];

fn name(row: &Row, column: &Column) -> String {
    format!("faults::{}::{}", row.0, column.0)
}

pub(crate) fn names() -> Vec<String> {
    ROWS.iter().flat_map(|row| COLUMNS.iter().map(|column| name(row, column))).collect()
}

pub(crate) async fn run(arguments: &Arguments) -> Vec<Verdict> {
    let mut worlds = Vec::new();
    for row in &ROWS {
        for verification in ["kms", "local"] {
            let columns = COLUMNS.iter().filter(|column| column.2 == verification);
            let columns: Vec<_> =
                columns.filter(|column| arguments.wants(&name(row, column))).collect();
            if !columns.is_empty() {
                worlds.push(async move {
                    let title = format!("faults::{}::{verification}", row.0);
                    let (crash, cells) = judge(&title, cells(row, columns.clone())).await;
                    cells
                        .unwrap_or_else(|| {
                            let wrong = crash.wrong.unwrap_or_default();
                            columns
                                .iter()
                                .map(|_| Cell { said: "?".into(), wrong: wrong.clone() })
                                .collect()
                        })
                        .into_iter()
                        .zip(columns)
                        .map(|(cell, column)| (row, column, cell))
                        .collect::<Vec<_>>()
                });
            }
        }
    }
    if worlds.is_empty() {
        return Vec::new();
    }
    let cells: Vec<_> = together(AT_ONCE, worlds).await.into_iter().flatten().collect();
    print(&cells);
    let verdict = |(row, column, cell): (&Row, &Column, Cell)| Verdict {
        name: name(row, column),
        wrong: Some(cell.wrong).filter(|wrong| !wrong.is_empty()),
    };
    cells.into_iter().map(verdict).collect()
}

/// What became of one request, and what is wrong with that.
struct Cell {
    said: String,
    wrong: String,
}

/// The cells of one row that are about one way to verify. The functions meet the fault at once.
async fn cells(row: &'static Row, columns: Vec<&'static Column>) -> Vec<Cell> {
    let verification = columns.first().unwrap().2;
    let world = World::start(&[("VERIFICATION", verification)]).await;
    let kms = &world.stack.kms;
    let (issued, _) = world.ask_and_read(Door::Issuer, "").await;
    let token = issued.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(world.ask_and_read(Door::Authorizer, &token).await.0.status, 200);
    let mut cells = Vec::new();
    for column in columns {
        let (_, door, _, cold) = column;
        row.1.begin(kms);
        if *cold {
            world.stack.functions[door.function()].cool();
        }
        let calls = kms.calls();
        let (seen, line) = world.ask_and_read(*door, &token).await;
        let calls = kms.calls() - calls;
        row.1.end(kms);
        let mut wrong = wrong(row, column, &seen, &line, calls);
        if !world.recovers(*door, &token).await {
            wrong.push("it does not recover".to_owned());
        }
        let said = format!("{} {:>4.2} s", seen.status, seen.took.as_secs_f64());
        cells.push(Cell { said, wrong: wrong.join("; ") });
    }
    cells
}

fn wrong(row: &Row, column: &Column, seen: &RingState, line: &Value, calls: u64) -> Vec<String> {
    let (_, _, cause, retry) = row;
    let (_, door, verification, cold) = column;
    let untouched = *verification == "local" && !cold;
    let (status, limit) = match (door, retry) {
        (Door::Issuer, Retry::Yes) => (503, ISSUER),
        (Door::Issuer, Retry::No) => (500, ISSUER),
        (Door::Authorizer, _) if untouched => (200, AUTHORIZER),
        (Door::Authorizer, _) => (500, AUTHORIZER),
    };
    // A cold function asks for the key, and for the ring once more if the first request is patient.
    let most = match retry {
        _ if untouched => 0,
        Retry::Yes => ATTEMPTS * (1 + 3 * u64::from(*cold)),
        Retry::No => 1 + 3 * u64::from(*cold),
    };
    let divided = json!({
        "Namespace": "Countersign",
        "Metrics": [{"Name": "Faults", "Unit": "Count"}],
        "Dimensions": [[], ["Cause"]],
    });
    let metrics = line["_aws"]["CloudWatchMetrics"].as_array();
    let counted = metrics.is_some_and(|metrics| metrics.contains(&divided));
    let told = if status == 200 {
        line["outcome"] == "Allowed" && line["Faults"].is_null() && !counted
    } else {
        line["outcome"] == "Fault"
            && line["level"] == "ERROR"
            && line["Cause"] == *cause
            && line["Faults"] == 1
            && counted
    };
    let retry_after = (status == 503).then_some("1");
    let rows = [
        (seen.status != status, format!("the status is {}", seen.status)),
        (seen.took >= limit, format!("it took {:?}", seen.took)),
        (seen.retry_after.as_deref() != retry_after, "Retry-After".to_owned()),
        (!told || line["coldStart"] != *cold, format!("the log says {line}")),
        (calls > most, format!("{calls} calls of KMS")),
    ];
    rows.into_iter().filter(|(wrong, _)| *wrong).map(|(_, words)| words).collect()
}

impl Fault {
    fn begin(self, kms: &Kms) {
        match self {
            Self::Injected(fault) => kms.inject(Some(fault)),
            Self::Disabled => change(kms, "DisableKey"),
            Self::PendingDeletion => change(kms, "ScheduleKeyDeletion"),
        }
    }

    fn end(self, kms: &Kms) {
        match self {
            Self::Injected(_) => kms.inject(None),
            Self::Disabled => change(kms, "EnableKey"),
            Self::PendingDeletion => {
                change(kms, "CancelKeyDeletion");
                change(kms, "EnableKey");
            }
        }
    }
}

fn change(kms: &Kms, operation: &str) {
    let key = kms.perform("DescribeKey", &json!({"KeyId": ALIAS})).unwrap();
    let key = &key["KeyMetadata"]["KeyId"];
    kms.perform(operation, &json!({"KeyId": key})).unwrap();
}

fn print(cells: &[(&Row, &Column, Cell)]) {
    let titles = COLUMNS.iter().map(|column| column.0.replace("::", " "));
    let mut rows = vec![["fault", "Cause"].map(str::to_owned).into_iter().chain(titles).collect()];
    for row in &ROWS {
        let own = |column: &Column| {
            let mut cells = cells.iter();
            cells.find(|(of, at, _)| of.0 == row.0 && at.0 == column.0).map(|(_, _, cell)| cell)
        };
        let mut words = vec![row.0.to_owned(), row.2.to_owned()];
        for column in &COLUMNS {
            let Some(Cell { said, wrong }) = own(column) else { continue };
            words.push(format!("{said}{}", if wrong.is_empty() { "" } else { " WRONG" }));
        }
        if words.len() > 2 {
            rows.push(words);
        }
    }
    table("Each fault of KMS: what the client of the gateway sees, and after how long", &rows);
}

const LATE: Duration = Duration::from_secs(3);
/// Of the SDK, for one call.
const ATTEMPTS: u64 = 3;
const AUTHORIZER: Duration = Duration::from_secs(5);
const ISSUER: Duration = Duration::from_secs(8);
/// Most of them wait for a time-out.
const AT_ONCE: usize = 10;
