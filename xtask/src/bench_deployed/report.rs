//! The table.

use std::{fmt::Write, time::SystemTime};

use serde_json::{Map, Value, json};

use super::{
    client::Responses,
    function_report::{FunctionReport, thousands},
};

/// The measurements.
pub(super) struct Report<'a> {
    pub(super) stack: &'a str,
    pub(super) time: SystemTime,
    pub(super) requests: u32,
    pub(super) concurrency: u32,
    pub(super) tokens: usize,
    pub(super) responses: &'a Responses,
    pub(super) authorizer: FunctionReport<'a>,
    pub(super) issuer: FunctionReport<'a>,
}

impl Report<'_> {
    /// The report as JSON.
    pub(super) fn to_json(&self) -> Value {
        let responses: Map<_, _> = self
            .responses
            .by_status()
            .map(|(status, latency)| {
                let members = json!({"count": latency.count(), "latency_ms": latency.to_json()});
                (status, members)
            })
            .collect();
        json!({
            "stack": self.stack,
            "region": self.authorizer.function.region(),
            "time": humantime::format_rfc3339_seconds(self.time).to_string(),
            "requests": self.requests,
            "concurrency": self.concurrency,
            "tokens": self.tokens,
            "responses": responses,
            "authorizer": self.authorizer.to_json(),
            "issuer": self.issuer.to_json(),
        })
    }

    /// The report as a table in Markdown.
    pub(super) fn to_markdown(&self) -> String {
        let Self { stack, requests, concurrency, tokens, authorizer, .. } = self;
        let region = authorizer.function.region();
        let time = humantime::format_rfc3339_seconds(self.time);
        let (requests, tokens) = (thousands(*requests as usize), thousands(*tokens));
        let mut rows = vec![
            format!(
                "Stack `{stack}` in {region}, {time}: {requests} requests, {concurrency} at a time, {tokens} tokens."
            ),
            "Times are p50 / p90 / p99.".to_owned(),
            String::new(),
            "| | authorizer | issuer |".to_owned(),
            "|---|---|---|".to_owned(),
        ];
        for ((name, authorizer), (_, issuer)) in
            authorizer.cells().into_iter().zip(self.issuer.cells())
        {
            rows.push(row(name, &authorizer, &issuer));
        }
        for (status, latency) in self.responses.by_status() {
            let name = format!("at the client: {status}");
            let cell = format!("{} × {}", thousands(latency.count()), latency.to_text());
            rows.push(row(&name, &cell, ""));
        }
        rows.iter().fold(String::new(), |mut text, row| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{row}");
            text
        })
    }
}

fn row(name: &str, authorizer: &str, issuer: &str) -> String {
    format!("| {name} | {authorizer} | {issuer} |")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{
            client::tests::responses,
            deployment::tests::authorizer,
            function_log::{Invocation, Usage},
        },
        *,
    };

    fn invocation(duration: f64, init_duration: Option<f64>, kms: Option<f64>) -> Invocation {
        Invocation {
            is_cold: init_duration.is_some(),
            kms_latency: kms,
            is_cached: Some(kms.is_none()),
            usage: Usage {
                duration,
                billed_duration: duration.ceil(),
                max_memory: 21.0,
                init_duration,
            },
        }
    }

    fn with_report(check: impl FnOnce(&Report<'_>)) {
        let function = authorizer();
        let found = [
            invocation(11.84, Some(54.17), Some(4.5)),
            invocation(4.52, None, Some(4.25)),
            invocation(0.25, None, None),
            invocation(0.26, None, None),
        ];
        let rows = [
            (Ok(200), vec![30.0, 10.0, 20.0, 1200.5]),
            (Err("connection closed".to_owned()), vec![30000.0]),
        ];
        check(&Report {
            stack: "countersign",
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_000_000),
            requests: 1000,
            concurrency: 2,
            tokens: 0,
            responses: &responses(rows),
            authorizer: FunctionReport::new(&function, &found, 1000),
            issuer: FunctionReport::new(&function, &[], 0),
        });
    }

    #[test]
    fn report_is_written_as_a_table_in_markdown() {
        let expected = "\
Stack `countersign` in eu-west-1, 2026-11-30T00:53:20Z: 1,000 requests, 2 at a time, 0 tokens.
Times are p50 / p90 / p99.

| | authorizer | issuer |
|---|---|---|
| architecture, memory | arm64, 256 MB | arm64, 256 MB |
| settings | `VERIFICATION=kms` | `VERIFICATION=kms` |
| invocations found in the log | 4 of 1,000 | 0 of 0 |
| cold starts | 1 | 0 |
| Init Duration | 54.2 / 54.2 / 54.2 ms |  |
| duration, cold | 11.8 / 11.8 / 11.8 ms |  |
| duration, warm | 0.3 / 4.5 / 4.5 ms |  |
| billed duration | 1.0 / 12.0 / 12.0 ms |  |
| KMS latency | 4.2 / 4.5 / 4.5 ms |  |
| cached signatures | 50.0 % |  |
| max memory used | 21 MB |  |
| at the client: 200 | 4 × 20.0 / 1200.5 / 1200.5 ms |  |
| at the client: no response (connection closed) | 1 × 30000.0 / 30000.0 / 30000.0 ms |  |
";
        with_report(|report| assert_eq!(report.to_markdown(), expected));
    }

    #[test]
    fn report_is_written_as_json() {
        let one = |value: f64| json!({"p50": value, "p90": value, "p99": value});
        let none = json!({"p50": null, "p90": null, "p99": null});
        let common = json!({
            "architecture": "arm64", "memory_mb": 256, "settings": {"VERIFICATION": "kms"},
        });
        let function = |members: Value| {
            let mut all = common.clone();
            all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            all
        };
        let expected = json!({
            "stack": "countersign", "region": "eu-west-1", "time": "2026-11-30T00:53:20Z",
            "requests": 1000, "concurrency": 2, "tokens": 0,
            "responses": {
                "200": {"count": 4, "latency_ms": {"p50": 20.0, "p90": 1200.5, "p99": 1200.5}},
                "no response (connection closed)": {"count": 1, "latency_ms": one(30000.0)},
            },
            "authorizer": function(json!({
                "invocations": {"found": 4, "expected": 1000}, "cold_starts": 1,
                "init_duration_ms": one(54.17), "duration_cold_ms": one(11.84),
                "duration_warm_ms": {"p50": 0.26, "p90": 4.52, "p99": 4.52},
                "billed_duration_ms": {"p50": 1.0, "p90": 12.0, "p99": 12.0},
                "kms_latency_ms": {"p50": 4.25, "p90": 4.5, "p99": 4.5},
                "cached_signatures": 0.5, "max_memory_used_mb": 21.0,
            })),
            "issuer": function(json!({
                "invocations": {"found": 0, "expected": 0}, "cold_starts": 0,
                "init_duration_ms": none, "duration_cold_ms": none, "duration_warm_ms": none,
                "billed_duration_ms": none, "kms_latency_ms": none,
                "cached_signatures": null, "max_memory_used_mb": null,
            })),
        });
        with_report(|report| assert_eq!(report.to_json(), expected));
    }
}
