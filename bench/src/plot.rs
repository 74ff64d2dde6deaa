//! Plots as SVG, for light and dark pages.

use std::fmt::Write;

use crate::{growth::GrowthCurve, programs::ProgramKind};

/// A bar chart with a logarithmic scale.
pub fn bars(title: &str, unit: &str, rows: &[(&str, ProgramKind, f64)]) -> String {
    let least = rows.iter().map(|row| row.2).fold(f64::INFINITY, f64::min).log10().floor();
    let most = rows.iter().map(|row| row.2).fold(0.0, f64::max).log10().ceil();
    let x = |value: f64| LEFT + (value.log10() - least) / (most - least) * (WIDTH - LEFT - 110.0);
    let height = 60.0 + 22.0 * rows.len() as f64;
    let mut svg = head(title, height);
    let mut decade = least;
    while decade <= most {
        let (at, value) = (x(10f64.powf(decade)), 10f64.powf(decade));
        let _ =
            writeln!(svg, r#"<line x1="{at:.0}" y1="34" x2="{at:.0}" y2="{:.0}"/>"#, height - 20.0);
        let _ = writeln!(
            svg,
            r#"<text class="axis" x="{at:.0}" y="{:.0}">{value}</text>"#,
            height - 6.0
        );
        decade += 1.0;
    }
    for (n, (name, kind, value)) in rows.iter().enumerate() {
        let (y, end) = (40.0 + 22.0 * n as f64, x(*value));
        let class = match kind {
            ProgramKind::Floor => "floor",
            ProgramKind::Ours => "ours",
            ProgramKind::Before => "before",
            ProgramKind::Peer => "peer",
        };
        let _ = writeln!(
            svg,
            r#"<text class="name" x="{:.0}" y="{:.0}">{name}</text>"#,
            LEFT - 8.0,
            y + 12.0
        );
        let _ = writeln!(
            svg,
            r#"<rect class="{class}" x="{LEFT:.0}" y="{y:.0}" width="{:.1}" height="16"/>"#,
            end - LEFT
        );
        let _ = writeln!(
            svg,
            r#"<text x="{:.0}" y="{:.0}">{} {unit}</text>"#,
            end + 6.0,
            y + 12.0,
            short(*value)
        );
    }
    svg + "</svg>\n"
}

/// A line chart.
pub fn lines(curve: &GrowthCurve) -> String {
    let points = || curve.lines.iter().flat_map(|(_, points)| points);
    let widest = points().map(|point| point.0).max().unwrap_or(1) as f64;
    let highest = points().map(|point| point.1).fold(0.0, f64::max) * 1.1;
    let (left, right, top, bottom) = (60.0, WIDTH - 220.0, 44.0, 280.0);
    let x = |value: usize| left + value as f64 / widest * (right - left);
    let y = |value: f64| bottom - value / highest * (bottom - top);
    let mut svg = head(curve.title, 330.0);
    for n in 0..=4 {
        let value = highest * f64::from(n) / 4.0;
        let at = y(value);
        let _ =
            writeln!(svg, r#"<line x1="{left:.0}" y1="{at:.1}" x2="{right:.0}" y2="{at:.1}"/>"#);
        let _ = writeln!(
            svg,
            r#"<text class="name" x="{:.0}" y="{:.1}">{value:.0} {}</text>"#,
            left - 6.0,
            at + 4.0,
            curve.value_unit
        );
    }
    for (n, (name, points)) in curve.lines.iter().enumerate() {
        let class = if n == 0 { "ours" } else { "peer" };
        let path: Vec<_> =
            points.iter().map(|(a, b)| format!("{:.1},{:.1}", x(*a), y(*b))).collect();
        let _ = writeln!(svg, r#"<polyline class="{class}" points="{}"/>"#, path.join(" "));
        for (a, b) in points {
            let _ = writeln!(
                svg,
                r#"<circle class="{class}" cx="{:.1}" cy="{:.1}" r="3"/>"#,
                x(*a),
                y(*b)
            );
        }
        if let Some((a, b)) = points.last() {
            let _ = writeln!(
                svg,
                r#"<text x="{:.1}" y="{:.1}">{name}</text>"#,
                x(*a) + 8.0,
                y(*b) + 4.0
            );
        }
    }
    let ticks = curve.lines.iter().max_by_key(|line| line.1.len()).map(|line| &line.1);
    let mut last = f64::NEG_INFINITY;
    for (value, _) in ticks.into_iter().flatten() {
        let at = x(*value);
        if at - last > 30.0 {
            let _ = writeln!(svg, r#"<text class="axis" x="{at:.1}" y="300">{value}</text>"#);
            last = at;
        }
    }
    let middle = f64::midpoint(left, right);
    let _ = writeln!(svg, r#"<text class="axis" x="{middle:.0}" y="320">{}</text>"#, curve.unit);
    svg + "</svg>\n"
}

fn head(title: &str, height: f64) -> String {
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0} {height:.0}" role="img">
<title>{title}</title>
<style>
text {{ font: 12px sans-serif; fill: #57606a; }}
.title {{ font-size: 14px; font-weight: bold; }}
.name {{ text-anchor: end; }}
.axis {{ text-anchor: middle; }}
line {{ stroke: #8c959f; stroke-opacity: 0.3; }}
polyline {{ fill: none !important; stroke-width: 2; }}
.ours {{ fill: #1a7f37; stroke: #1a7f37; }}
.before {{ fill: #9a6700; stroke: #9a6700; }}
.peer {{ fill: #0969da; stroke: #0969da; }}
.floor {{ fill: #8c959f; stroke: #8c959f; }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #9198a1; }} }}
</style>
<text class="title" x="8" y="20">{title}</text>
"#
    )
}

/// A value with three significant digits or less.
fn short(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

const WIDTH: f64 = 950.0;
const LEFT: f64 = 380.0;
