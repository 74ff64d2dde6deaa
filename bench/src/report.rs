//! Reports of measurements: tables in Markdown, JSON and plots.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::{
    cold_starts::ColdStart,
    comparison::Measurement,
    growth::GrowthCurve,
    plot,
    programs::{self, ProgramKind},
    signature_cache::CacheUse,
    timing::Timing,
};

const NAN: f64 = f64::NAN;

/// All measurements as a table in Markdown.
pub fn table(results: &[Measurement]) -> String {
    let mut text = String::from(
        "| | first response | × `echo` | warm | × floor | CPU | × floor | memory | package |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for result in results {
        let (cold, warm, cpu) = ratios(result, results);
        let package =
            result.package.map_or(String::new(), |bytes| format!("{:.1} MB", megabytes(bytes)));
        let name = match result.kind {
            ProgramKind::Floor => format!("`{}`", result.name),
            ProgramKind::Ours => format!("**{}**", result.name),
            ProgramKind::Before | ProgramKind::Peer => result.name.clone(),
        };
        let _ = writeln!(
            text,
            "| {name} | {:.2} ms | {cold:.1} | {:.0} µs | {warm:.2} | {:.0} µs | {cpu:.1} | {:.1} MB | {package} |",
            result.cold.median / 1000.0,
            result.warm.median,
            result.cpu,
            megabytes(result.peak),
        );
    }
    text
}

/// The ratios of this build to another build, as a table in Markdown.
pub fn comparison(results: &[Measurement]) -> String {
    let mut text = String::from(
        "| × before | first response | warm | CPU | memory | package |\n|---|---|---|---|---|---|\n",
    );
    for now in results.iter().filter(|result| result.kind == ProgramKind::Ours) {
        let name = programs::before(&now.name);
        let Some(before) = results.iter().find(|result| result.name == name) else { continue };
        let package = |result: &Measurement| result.package.map_or(NAN, megabytes);
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            now.name,
            now.cold.median / before.cold.median,
            now.warm.median / before.warm.median,
            now.cpu / before.cpu,
            megabytes(now.peak) / megabytes(before.peak),
            package(now) / package(before),
        );
    }
    text
}

/// The contents of `compare.json`.
pub fn json(results: &[Measurement], machine: &str) -> Value {
    let rows = results.iter().map(|result| {
        let (cold, warm, cpu) = ratios(result, results);
        json!({
            "name": result.name,
            "kind": format!("{:?}", result.kind).to_lowercase(),
            "floor": result.floor,
            "first_answer_us": result.cold.median.round(),
            "first_answer_us_p5": result.cold.p5.round(),
            "first_answer_us_p95": result.cold.p95.round(),
            "warm_us": tenths(result.warm.median),
            "warm_us_p5": tenths(result.warm.p5),
            "warm_us_p95": tenths(result.warm.p95),
            "cpu_us": tenths(result.cpu),
            "peak_bytes": result.peak,
            "package_bytes": result.package,
            "first_answer_ratio": hundredths(cold),
            "warm_ratio": hundredths(warm),
            "cpu_ratio": hundredths(cpu),
        })
    });
    json!({"measured": machine, "results": rows.collect::<Vec<_>>()})
}

/// The plots by file name.
pub fn plots(results: &[Measurement]) -> Vec<(&'static str, String)> {
    let rows = |value: fn(&Measurement) -> f64| -> Vec<_> {
        results.iter().map(|result| (result.name.as_str(), result.kind, value(result))).collect()
    };
    vec![
        (
            "first-answer.svg",
            plot::bars(
                "Time from start to first response",
                "ms",
                &rows(|it| it.cold.median / 1000.0),
            ),
        ),
        ("warm.svg", plot::bars("Warm response", "µs", &rows(|it| it.warm.median))),
        ("memory.svg", plot::bars("Maximum memory", "MB", &rows(|it| megabytes(it.peak)))),
    ]
}

/// Cold starts as a table in Markdown.
pub fn cold_start_table(starts: &[ColdStart]) -> String {
    let mut text = String::from(
        "| | init | first response, a whole CPU | first response, 1/7 CPU after the init |\n|---|---|---|---|\n",
    );
    for ColdStart { name, init, full, limited, .. } in starts {
        let [init, full, limited] = [init, full, limited].map(|timing| timing.median / 1000.0);
        let _ = writeln!(text, "| {name} | {init:.1} ms | {full:.1} ms | {limited:.1} ms |");
    }
    text
}

/// The contents of `cold-starts.json`.
pub fn cold_starts_json(starts: &[ColdStart], machine: &str) -> Value {
    let rows = starts.iter().map(|start| {
        let percentiles = |timing: &Timing| {
            json!({"median": timing.median.round(), "p5": timing.p5.round(), "p95": timing.p95.round()})
        };
        json!({
            "name": start.name,
            "kind": format!("{:?}", start.kind).to_lowercase(),
            "init_us": percentiles(&start.init),
            "first_response_us": percentiles(&start.full),
            "first_response_limited_us": percentiles(&start.limited),
        })
    });
    json!({"measured": machine, "results": rows.collect::<Vec<_>>()})
}

/// The use of the signature cache as a table in Markdown.
pub fn cache_table(uses: &[CacheUse]) -> String {
    let mut text = String::from(
        "| tokens | requests | calls of KMS | per 1,000 requests | cached | memory | without cache |\n|---|---|---|---|---|---|---|\n",
    );
    for cache in uses {
        let CacheUse { tokens, requests, calls, peak, peak_without } = cache;
        let _ = writeln!(
            text,
            "| {tokens} | {requests} | {calls} | {:.0} | {:.1} % | {:.2} MB | {:.2} MB |",
            *calls as f64 * 1000.0 / *requests as f64,
            cache.hit_rate() * 100.0,
            megabytes(*peak),
            megabytes(*peak_without),
        );
    }
    text
}

/// The contents of `signature-cache.json`.
pub fn cache_json(uses: &[CacheUse], machine: &str) -> Value {
    let rows = uses.iter().map(|cache| {
        json!({
            "tokens": cache.tokens,
            "requests": cache.requests,
            "kms_calls": cache.calls,
            "hit_rate": hundredths(cache.hit_rate()),
            "peak_bytes": cache.peak,
            "peak_bytes_without": cache.peak_without,
        })
    });
    json!({"measured": machine, "results": rows.collect::<Vec<_>>()})
}

/// The hit rate and the memory by the number of tokens, as curves.
pub fn cache_curves(uses: &[CacheUse]) -> [GrowthCurve; 2] {
    let points = |value: fn(&CacheUse) -> f64| -> Vec<_> {
        uses.iter().map(|cache| (cache.tokens, value(cache))).collect()
    };
    let unit = "tokens, each sent 10 times";
    let memory = vec![
        ("with the cache", points(|cache| megabytes(cache.peak))),
        ("without", points(|cache| megabytes(cache.peak_without))),
    ];
    [
        GrowthCurve {
            name: "hits",
            title: "Requests whose signature was cached",
            unit,
            value_unit: "%",
            lines: vec![("one environment", points(|cache| cache.hit_rate() * 100.0))],
        },
        GrowthCurve {
            name: "memory",
            title: "Maximum memory",
            unit,
            value_unit: "MB",
            lines: memory,
        },
    ]
}

/// A curve as a table in Markdown.
pub fn curve_table(curve: &GrowthCurve) -> String {
    let mut text = format!("| {} ({}) | |\n|---|---|\n", curve.title, curve.unit);
    for (name, points) in &curve.lines {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x}: {y:.1} µs")).collect();
        let _ = writeln!(text, "| {name} | {} |", points.join(", "));
    }
    text
}

/// The contents of `growth.json`.
pub fn curves_json(curves: &[GrowthCurve], machine: &str) -> Value {
    let curves = curves.iter().map(|curve| {
        let lines = curve.lines.iter().map(|(name, points)| {
            let points = points.iter().map(|(x, y)| json!([x, tenths(*y)]));
            json!({"name": name, "points": points.collect::<Vec<_>>()})
        });
        let lines = lines.collect::<Vec<_>>();
        json!({"name": curve.name, "by": curve.unit, "unit": "us", "lines": lines})
    });
    json!({"measured": machine, "curves": curves.collect::<Vec<_>>()})
}

fn floor<'a>(results: &'a [Measurement], name: &str) -> Option<&'a Measurement> {
    results.iter().find(|other| other.kind == ProgramKind::Floor && other.name == name)
}

/// The ratios to the floor: first response, warm response and CPU time.
fn ratios(result: &Measurement, results: &[Measurement]) -> (f64, f64, f64) {
    let cold = floor(results, "echo").map_or(NAN, |echo| result.cold.median / echo.cold.median);
    let own = floor(results, result.floor);
    let warm = own.map_or(NAN, |own| result.warm.median / own.warm.median);
    let cpu = own.map_or(NAN, |own| result.cpu / own.cpu);
    (cold, warm, cpu)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
