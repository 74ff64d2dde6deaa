//! Queries of Logs Insights.

use std::{
    collections::BTreeSet,
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Map, Value, json};

use super::{
    deployment::Function,
    function_log::{Invocation, join},
};
use crate::{aws::Aws, error::Error};

/// Reads the logs of functions.
pub(super) struct LogReader<'a> {
    pub(super) aws: &'a Aws,
    /// When the first token was requested.
    pub(super) since: SystemTime,
    /// The claims of the tokens.
    pub(super) claims: &'a Map<String, Value>,
    /// The `jti` of the tokens.
    pub(super) ids: BTreeSet<&'a str>,
    /// When to stop waiting for lines.
    pub(super) deadline: Instant,
}

impl LogReader<'_> {
    /// The invocations of a function for these tokens. Queries are repeated until all are found or the deadline has
    /// passed: Logs Insights finds a line some time after it was written.
    pub(super) fn invocations(
        &self,
        function: &Function,
        expected: usize,
    ) -> Result<Vec<Invocation>, Error> {
        let subject = self.claims.get("sub").unwrap_or(&Value::Null);
        let [records, reports] = [format!("sub = {subject}"), r#"@type = "REPORT""#.to_owned()];
        loop {
            let records = self.messages(&function.log_group, &records)?;
            let reports = self.messages(&function.log_group, &reports)?;
            let found = join(&records, &reports, &self.ids);
            if found.len() >= expected || Instant::now() >= self.deadline {
                return Ok(found);
            }
            sleep(REPEAT_DELAY);
        }
    }

    /// The lines that match a filter.
    fn messages(&self, log_group: &str, filter: &str) -> Result<Vec<String>, Error> {
        let since = self.since.checked_sub(CLOCK_DIFFERENCE).unwrap_or(self.since);
        let input = json!({
            "logGroupName": log_group,
            "startTime": seconds(since),
            "endTime": seconds(SystemTime::now() + CLOCK_DIFFERENCE),
            "queryString": format!("fields @message | filter {filter} | limit {MAX_ROWS}"),
        });
        let started =
            self.aws.call(&["logs", "start-query", "--cli-input-json", &input.to_string()])?;
        let id = started.get("queryId").and_then(Value::as_str).unwrap_or_default();
        let deadline = Instant::now() + QUERY_TIMEOUT;
        loop {
            let results = self.aws.call(&["logs", "get-query-results", "--query-id", id])?;
            match read_results(&results) {
                QueryState::Complete(messages) => return Ok(messages),
                QueryState::Running if Instant::now() < deadline => sleep(POLL_DELAY),
                QueryState::Running => return Err(failed(log_group, "still running")),
                QueryState::Failed(status) => return Err(failed(log_group, &status)),
            }
        }
    }
}

/// The time in seconds since 1970, as queries have it.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn failed(log_group: &str, status: &str) -> Error {
    Error::Check(format!("the status of a query of the log group {log_group} is {status}"))
}

/// The response of `GetQueryResults`.
#[derive(Debug, PartialEq, Eq)]
enum QueryState {
    Running,
    Complete(Vec<String>),
    /// With the status.
    Failed(String),
}

fn read_results(results: &Value) -> QueryState {
    match results.get("status").and_then(Value::as_str) {
        Some("Complete") => {}
        Some("Scheduled" | "Running") => return QueryState::Running,
        status => return QueryState::Failed(status.unwrap_or("missing").to_owned()),
    }
    let rows = results.get("results").and_then(Value::as_array);
    let message = |row: &Value| {
        let fields = row.as_array()?;
        let field = fields.iter().find(|field| field["field"] == "@message")?;
        field.get("value")?.as_str().map(str::to_owned)
    };
    QueryState::Complete(rows.into_iter().flatten().filter_map(message).collect())
}

/// The maximum number of rows in a response of `GetQueryResults`.
const MAX_ROWS: usize = 10_000;
/// How far the clock of this machine may be from that of Lambda.
const CLOCK_DIFFERENCE: Duration = Duration::from_mins(1);
/// Between the same query and the next.
const REPEAT_DELAY: Duration = Duration::from_secs(10);
/// Between two requests for the results of a query.
const POLL_DELAY: Duration = Duration::from_secs(1);
const QUERY_TIMEOUT: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use super::{super::deployment::tests::authorizer, *};
    use crate::aws::tests::Script;

    #[test]
    fn response_of_get_query_results_is_read() {
        let report = "REPORT RequestId: a\tDuration: 1.00 ms\t\n";
        let rows = json!([
            [{"field": "@message", "value": report}, {"field": "@ptr", "value": "CmEKJgoi"}],
            [{"field": "@ptr", "value": "CmEKJgoj"}],
        ]);
        let statistics =
            json!({"recordsMatched": 2.0, "recordsScanned": 8.0, "bytesScanned": 1024.0});
        let cases = [
            ("Scheduled", json!([]), QueryState::Running),
            ("Running", rows.clone(), QueryState::Running),
            ("Complete", rows, QueryState::Complete(vec![report.to_owned()])),
            ("Complete", json!([]), QueryState::Complete(Vec::new())),
            ("Failed", json!([]), QueryState::Failed("Failed".into())),
            ("Timeout", json!([]), QueryState::Failed("Timeout".into())),
        ];
        for (status, rows, expected) in cases {
            let response = json!({
                "queryLanguage": "CWLI", "results": rows, "statistics": statistics, "status": status,
            });
            assert_eq!(read_results(&response), expected, "{status}");
        }
        assert_eq!(read_results(&json!({})), QueryState::Failed("missing".into()));
    }

    /// The AWS CLI, which keeps each query in a file. `run` is what it does for `get-query-results`.
    fn insights(name: &str, run: &str) -> Script {
        let text = format!(
            r#"folder=$(dirname "$0")
            case $2 in
            start-query) printf '%s\n' "$4" >> "$folder/queries"; echo '{{"queryId": "q"}}';;
            get-query-results) {run};;
            esac"#
        );
        Script::new(name, &text)
    }

    fn reader<'a>(script: &'a Script, claims: &'a Map<String, Value>) -> LogReader<'a> {
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let ids = BTreeSet::from(["mine"]);
        LogReader { aws: &script.aws, since, claims, ids, deadline: Instant::now() }
    }

    #[test]
    fn lines_of_function_and_lambda_are_queried() {
        let rows = json!([
            [{"field": "@message", "value": r#"{"requestId":"r","jti":"mine","coldStart":true}"#}],
            [{"field": "@message", "value": "REPORT RequestId: r\tDuration: 1 ms\tBilled Duration: 1 ms\t\
                Max Memory Used: 21 MB\t"}],
        ]);
        let response = json!({"status": "Complete", "results": rows});
        let script = insights("queries", &format!("cat <<'END'\n{response}\nEND\n"));
        let claims = Map::from_iter([("sub".to_owned(), json!("a \"b\""))]);
        let found = reader(&script, &claims).invocations(&authorizer(), 1).unwrap();
        assert_eq!(found.len(), 1);
        let queries = std::fs::read_to_string(script.folder().join("queries")).unwrap();
        let queries: Vec<Value> =
            queries.lines().map(|query| serde_json::from_str(query).unwrap()).collect();
        let strings: Vec<_> = queries.iter().map(|query| query["queryString"].clone()).collect();
        let expected = [
            r#"fields @message | filter sub = "a \"b\"" | limit 10000"#,
            r#"fields @message | filter @type = "REPORT" | limit 10000"#,
        ];
        assert_eq!(strings, expected);
        for query in queries {
            assert_eq!(query["logGroupName"], "/aws/lambda/countersign-authorizer");
            assert_eq!(query["startTime"], 940);
        }
    }

    #[test]
    fn wait_for_lines_ends_at_the_deadline() {
        let script = insights("late", r#"echo '{"status": "Complete", "results": []}'"#);
        let claims = Map::new();
        assert_eq!(reader(&script, &claims).invocations(&authorizer(), 1).unwrap(), []);
    }

    #[test]
    fn failed_query_is_an_error() {
        let script = insights("failed", r#"echo '{"status": "Failed", "results": []}'"#);
        let claims = Map::new();
        let error = reader(&script, &claims).invocations(&authorizer(), 1).unwrap_err();
        let expected =
            "the status of a query of the log group /aws/lambda/countersign-authorizer is Failed";
        assert_eq!(error.to_string(), expected);
    }
}
