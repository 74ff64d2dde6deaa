//! Each fault of KMS for each function, cold and warm: the response and its time, the log line and the
//! metrics. A fault is never a 401 or a 403.

use std::time::Duration;

use local::kms::Kms;
use serde_json::{Value, json};
use testing::{InjectFaults, InjectedFault};

use crate::{
    deployment::{ALIAS, Deployment, Function, Response},
    harness::{Arguments, Outcome, run_concurrently, run_trial, table},
};

/// A fault of KMS, or a state of the key.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Injected(InjectedFault),
    Disabled,
    PendingDeletion,
}

/// The name of a fault, the fault, its `Cause` in log and metrics, and whether it is retried.
type Row = (&'static str, Fault, &'static str, Retry);

/// Whether the SDK retries, and whether the issuer tells the client to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retry {
    Yes,
    No,
}

const fn error(code: &'static str) -> Fault {
    Fault::Injected(InjectedFault::Error(code))
}

const fn response(status: u16, body: &'static str) -> Fault {
    Fault::Injected(InjectedFault::Response(status, body))
}

/// A Verify response for a valid signature, with a key that is not in the ring.
const OTHER_KEY_VALID: &str = concat!(
    r#"{"KeyId":"arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555","#,
    r#""SignatureValid":true,"SigningAlgorithm":"RSASSA_PKCS1_V1_5_SHA_256"}"#,
);

const INTERNAL_FAILURE: &str = r#"{"__type":"InternalFailure"}"#;
const SERVICE_UNAVAILABLE: &str = r#"{"__type":"ServiceUnavailableException"}"#;
const UNKNOWN: &str = r#"{"__type":"UnknownException"}"#;

/// The slow faults come first, because the rows run concurrently.
const ROWS: [Row; 27] = [
    ("black hole", Fault::Injected(InjectedFault::Silence), "KmsUnreachable", Retry::Yes),
    ("1 byte a second", Fault::Injected(InjectedFault::Trickle), "KmsUnreachable", Retry::Yes),
    ("3 s latency", Fault::Injected(InjectedFault::Late(LATENCY)), "KmsUnreachable", Retry::Yes),
    ("reset unread", Fault::Injected(InjectedFault::ResetUnread), "KmsUnreachable", Retry::Yes),
    (
        "reset unanswered",
        Fault::Injected(InjectedFault::ResetUnanswered),
        "KmsUnreachable",
        Retry::Yes,
    ),
    ("truncated body", Fault::Injected(InjectedFault::Truncated), "KmsUnreachable", Retry::Yes),
    ("503 with HTML", Fault::Injected(InjectedFault::Page), "KmsUnreachable", Retry::Yes),
    ("empty 200", response(200, ""), "KmsInvalidResponse", Retry::Yes),
    ("200 with {}", response(200, "{}"), "KmsInvalidResponse", Retry::Yes),
    ("204", response(204, ""), "KmsInvalidResponse", Retry::Yes),
    ("valid, by another key", response(200, OTHER_KEY_VALID), "KmsInvalidResponse", Retry::Yes),
    ("ThrottlingException", error("ThrottlingException"), "KmsThrottled", Retry::Yes),
    ("KMSInternalException", error("KMSInternalException"), "KmsUnavailable", Retry::Yes),
    ("KeyUnavailable", error("KeyUnavailableException"), "KmsUnavailable", Retry::Yes),
    ("DependencyTimeout", error("DependencyTimeoutException"), "KmsUnavailable", Retry::Yes),
    ("InternalFailure", response(500, INTERNAL_FAILURE), "KmsUnavailable", Retry::Yes),
    ("ServiceUnavailable", response(503, SERVICE_UNAVAILABLE), "KmsUnavailable", Retry::Yes),
    ("500 with an unknown code", response(500, UNKNOWN), "KmsUnavailable", Retry::Yes),
    ("408 with an unknown code", response(408, UNKNOWN), "KmsUnavailable", Retry::Yes),
    ("429 with an unknown code", response(429, UNKNOWN), "KmsThrottled", Retry::Yes),
    ("429 with HTML", response(429, "<html>"), "KmsThrottled", Retry::Yes),
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

/// A column of the table: its name, the function, how it verifies, and whether it is cold.
type Column = (&'static str, Function, Verification, bool);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verification {
    Kms,
    Local,
    /// With KMS and a signature cache, which has the token if the function is warm.
    Cached,
}

impl Verification {
    const ALL: [Self; 3] = [Self::Kms, Self::Local, Self::Cached];

    const fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Kms => &[],
            Self::Local => &[("VERIFICATION", "local")],
            Self::Cached => &[("SIGNATURE_CACHE_SECONDS", "300")],
        }
    }
}

const COLUMNS: [Column; 8] = [
    ("issuer::cold", Function::Issuer, Verification::Kms, true),
    ("issuer::warm", Function::Issuer, Verification::Kms, false),
    ("kms::cold", Function::Authorizer, Verification::Kms, true),
    ("kms::warm", Function::Authorizer, Verification::Kms, false),
    ("local::cold", Function::Authorizer, Verification::Local, true),
    ("local::warm", Function::Authorizer, Verification::Local, false),
    ("cached::cold", Function::Authorizer, Verification::Cached, true),
    ("cached::warm", Function::Authorizer, Verification::Cached, false),
];

fn name(row: &Row, column: &Column) -> String {
    format!("faults::{}::{}", row.0, column.0)
}

pub(crate) fn names() -> Vec<String> {
    ROWS.iter().flat_map(|row| COLUMNS.iter().map(|column| name(row, column))).collect()
}

pub(crate) async fn run(arguments: &Arguments) -> Vec<Outcome> {
    let mut deployments = Vec::new();
    for row in &ROWS {
        for verification in Verification::ALL {
            let columns = COLUMNS.iter().filter(|column| column.2 == verification);
            let columns: Vec<_> =
                columns.filter(|column| arguments.selects(&name(row, column))).collect();
            if !columns.is_empty() {
                deployments.push(async move {
                    let title = format!("faults::{}::{verification:?}", row.0);
                    let (failure, cells) = run_trial(&title, cells(row, columns.clone())).await;
                    cells
                        .unwrap_or_else(|| {
                            let problem = failure.problem.unwrap_or_default();
                            columns
                                .iter()
                                .map(|_| Cell { text: "?".into(), problem: problem.clone() })
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
    if deployments.is_empty() {
        return Vec::new();
    }
    let cells: Vec<_> =
        run_concurrently(AT_ONCE, deployments).await.into_iter().flatten().collect();
    print(&cells);
    let outcome = |(row, column, cell): (&Row, &Column, Cell)| Outcome {
        name: name(row, column),
        problem: Some(cell.problem).filter(|problem| !problem.is_empty()),
    };
    cells.into_iter().map(outcome).collect()
}

/// The result of one request, and what is wrong with it.
struct Cell {
    text: String,
    problem: String,
}

/// The cells of one row with the same verification. Each function meets the fault in its first request
/// after it.
async fn cells(row: &'static Row, columns: Vec<&'static Column>) -> Vec<Cell> {
    let verification = columns.first().unwrap().2;
    let deployment = Deployment::start(verification.settings()).await;
    let kms = &deployment.stack.kms;
    let (issued, _) = deployment.request_with_log(Function::Issuer, "").await;
    let token = issued.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(deployment.request_with_log(Function::Authorizer, &token).await.0.status, 200);
    let mut cells = Vec::new();
    for column in columns {
        let (_, function, _, cold) = column;
        row.1.begin(kms);
        if *cold {
            deployment.stack.functions[function.name()].stop_idle();
        }
        let calls = kms.calls();
        let (response, line) = deployment.request_with_log(*function, &token).await;
        let calls = kms.calls() - calls;
        row.1.end(kms);
        let mut problems = problems(row, column, &response, &line, calls);
        if !deployment.recovers(*function, &token).await {
            problems.push("it does not recover".to_owned());
        }
        let text = format!("{} {:>4.2} s", response.status, response.took.as_secs_f64());
        cells.push(Cell { text, problem: problems.join("; ") });
    }
    cells
}

/// The problems with a response, its log line and the number of KMS calls.
fn problems(
    row: &Row,
    column: &Column,
    response: &Response,
    line: &Value,
    calls: u64,
) -> Vec<String> {
    let (_, _, cause, retry) = row;
    let (_, function, verification, cold) = column;
    let is_unaffected = *verification != Verification::Kms && !cold;
    let (status, limit) = match (function, retry) {
        (Function::Issuer, Retry::Yes) => (503, ISSUER),
        (Function::Issuer, Retry::No) => (500, ISSUER),
        (Function::Authorizer, _) if is_unaffected => (200, AUTHORIZER),
        (Function::Authorizer, _) => (500, AUTHORIZER),
    };
    // A cold function also loads the three keys of the ring, with retries.
    let max_calls = match retry {
        _ if is_unaffected => 0,
        Retry::Yes => ATTEMPTS * (1 + 3 * u64::from(*cold)),
        Retry::No => 1 + 3 * u64::from(*cold),
    };
    let directive = json!({
        "Namespace": "Countersign",
        "Metrics": [{"Name": "Faults", "Unit": "Count"}],
        "Dimensions": [["Stack"], ["Stack", "Cause"], ["Stack", "Function"]],
    });
    let metrics = line["_aws"]["CloudWatchMetrics"].as_array();
    let is_counted = metrics.is_some_and(|metrics| metrics.contains(&directive));
    let is_logged = if status == 200 {
        line["outcome"] == "Allowed" && line["Faults"].is_null() && !is_counted
    } else {
        line["outcome"] == "Fault"
            && line["level"] == "ERROR"
            && line["Cause"] == *cause
            && line["Faults"] == 1
            && is_counted
    };
    let retry_after = (status == 503).then_some("1");
    let rows = [
        (response.status != status, format!("the status is {}", response.status)),
        (response.took >= limit, format!("it took {:?}", response.took)),
        (
            response.retry_after.as_deref() != retry_after,
            format!("Retry-After is {:?}", response.retry_after),
        ),
        (!is_logged || line["coldStart"] != *cold, format!("the log line is {line}")),
        (calls > max_calls, format!("{calls} calls of KMS")),
    ];
    rows.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, problem)| problem).collect()
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
        let mut texts = vec![row.0.to_owned(), row.2.to_owned()];
        for column in &COLUMNS {
            let Some(Cell { text, problem }) = own(column) else { continue };
            texts.push(format!("{text}{}", if problem.is_empty() { "" } else { " WRONG" }));
        }
        if texts.len() > 2 {
            rows.push(texts);
        }
    }
    table("Each fault of KMS: the status that the client receives, and the time", &rows);
}

const LATENCY: Duration = Duration::from_secs(3);
/// The attempts of the SDK for one call.
const ATTEMPTS: u64 = 3;
const AUTHORIZER: Duration = Duration::from_secs(5);
const ISSUER: Duration = Duration::from_secs(8);
/// Most of them wait for a timeout.
const AT_ONCE: usize = 10;
