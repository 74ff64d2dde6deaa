//! The lines that Lambda and a function write about an invocation.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// An invocation that a token of this run has caused.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Invocation {
    /// Whether it was the first one of its environment.
    pub(super) is_cold: bool,
    /// The time of the calls to KMS in milliseconds, if there were any.
    pub(super) kms_latency: Option<f64>,
    /// Whether the signature was cached, if the function has asked a cache.
    pub(super) is_cached: Option<bool>,
    pub(super) usage: Usage,
}

/// The report of Lambda about an invocation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    /// Milliseconds.
    pub(super) duration: f64,
    /// Milliseconds.
    pub(super) billed_duration: f64,
    /// Megabytes.
    pub(super) max_memory: f64,
    /// Milliseconds, of the first invocation of an environment.
    pub(super) init_duration: Option<f64>,
}

/// The invocations of which both lines are there: that of the function, with the `jti` of one of the tokens, and
/// Lambda's REPORT line with the same request id.
pub(super) fn join(
    records: &[String],
    reports: &[String],
    ids: &BTreeSet<&str>,
) -> Vec<Invocation> {
    let reports = reports.iter().filter_map(|line| read_report(line));
    let usage: BTreeMap<&str, Usage> = reports.collect();
    // By request id: a line may be in the log twice.
    let invocations: BTreeMap<String, Invocation> = records
        .iter()
        .filter_map(|line| {
            let record: Value = serde_json::from_str(line).ok()?;
            record.get("jti")?.as_str().filter(|id| ids.contains(id))?;
            let request = record.get("requestId")?.as_str()?;
            let invocation = Invocation {
                is_cold: record.get("coldStart")?.as_bool()?,
                kms_latency: record.get("KmsLatency").and_then(Value::as_f64),
                is_cached: record.get("SignatureCached").and_then(Value::as_u64).map(|n| n == 1),
                usage: *usage.get(request)?,
            };
            Some((request.to_owned(), invocation))
        })
        .collect();
    invocations.into_values().collect()
}

/// The request id and the members of a REPORT line ("Log and event data" of a function in Lambda's developer guide).
fn read_report(line: &str) -> Option<(&str, Usage)> {
    let members = line.strip_prefix("REPORT ")?.split(['\t', '\n']);
    let members: BTreeMap<&str, &str> =
        members.filter_map(|member| member.trim().split_once(": ")).collect();
    let number = |name, unit| members.get(name)?.strip_suffix(unit)?.trim().parse::<f64>().ok();
    let usage = Usage {
        duration: number("Duration", "ms")?,
        billed_duration: number("Billed Duration", "ms")?,
        max_memory: number("Max Memory Used", "MB")?,
        init_duration: number("Init Duration", "ms"),
    };
    Some((members.get("RequestId")?, usage))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARM: Usage =
        Usage { duration: 4.52, billed_duration: 5.0, max_memory: 21.0, init_duration: None };

    #[test]
    fn report_line_of_lambda_is_read() {
        let cold =
            Usage { duration: 12.3, billed_duration: 67.0, init_duration: Some(54.17), ..WARM };
        let rows = [
            (
                "warm",
                "REPORT RequestId: a-1\tDuration: 4.52 ms\tBilled Duration: 5 ms\tMemory Size: 256 MB\t\
                    Max Memory Used: 21 MB\t\n",
                Some(("a-1", WARM)),
            ),
            (
                "cold",
                "REPORT RequestId: a-2\tDuration: 12.30 ms\tBilled Duration: 67 ms\tMemory Size: 256 MB\t\
                    Max Memory Used: 21 MB\tInit Duration: 54.17 ms\t\n",
                Some(("a-2", cold)),
            ),
            (
                "with X-Ray",
                "REPORT RequestId: a-2\tDuration: 12.30 ms\tBilled Duration: 67 ms\tMemory Size: 256 MB\t\
                    Max Memory Used: 21 MB\tInit Duration: 54.17 ms\t\nXRAY TraceId: 1-2-3\t\
                    SegmentId: 4\tSampled: true\t\n",
                Some(("a-2", cold)),
            ),
            (
                "without the tab at the end",
                "REPORT RequestId: a-1\tDuration: 4.52 ms\tBilled Duration: 5 ms\tMemory Size: 256 MB\t\
                    Max Memory Used: 21 MB",
                Some(("a-1", WARM)),
            ),
            ("start of an invocation", "START RequestId: a-1 Version: $LATEST\n", None),
            ("without a duration", "REPORT RequestId: a-1\tMax Memory Used: 21 MB\t\n", None),
            (
                "another unit",
                "REPORT RequestId: a-1\tDuration: 4.52 s\tBilled Duration: 5 ms\t\
                    Max Memory Used: 21 MB\t\n",
                None,
            ),
        ];
        let failed = rows.iter().filter(|(_, line, expected)| read_report(line) != *expected);
        assert_eq!(failed.collect::<Vec<_>>(), Vec::<&(_, _, _)>::new());
    }

    #[test]
    fn invocations_of_these_tokens_are_joined_with_their_reports() {
        let record = |request: &str, id: &str, rest: &str| {
            format!(r#"{{"requestId":"{request}","jti":"{id}","coldStart":false{rest}}}"#)
        };
        let report = |request: &str| {
            format!(
                "REPORT RequestId: {request}\tDuration: 4.52 ms\tBilled Duration: 5 ms\t\
                    Memory Size: 256 MB\tMax Memory Used: 21 MB\t\n"
            )
        };
        let records = [
            record("r1", "mine", r#","KmsLatency":4.25,"SignatureCached":0"#),
            record("r2", "mine", r#","SignatureCached":1"#),
            record("r2", "mine", r#","SignatureCached":1"#),
            record("r3", "of another client", ""),
            record("without a report", "mine", ""),
            r#"{"requestId":"r4","coldStart":false,"outcome":"Fault"}"#.to_owned(),
            "not JSON".to_owned(),
        ];
        let reports = ["r1", "r2", "r3", "r4"].map(report);
        let first = Invocation {
            is_cold: false,
            kms_latency: Some(4.25),
            is_cached: Some(false),
            usage: WARM,
        };
        let second = Invocation { kms_latency: None, is_cached: Some(true), ..first.clone() };
        assert_eq!(join(&records, &reports, &BTreeSet::from(["mine"])), [first, second]);
    }
}
