use std::{process::ExitCode, time::Duration};

use tokio::task::JoinSet;

/// The arguments of the test binary, those of `cargo test` among them.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) list: bool,
    pub(crate) burst: Duration,
    filters: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
}

impl Arguments {
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Self {
        let (filters, skipped) = (Vec::new(), Vec::new());
        let mut read = Self { list: false, burst: BURST, filters, skipped, exact: false };
        let mut arguments = arguments.flat_map(|argument| match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => vec![name.into(), value.into()],
            _ => vec![argument],
        });
        while let Some(argument) = arguments.next() {
            match &*argument {
                "--list" => read.list = true,
                "--exact" => read.exact = true,
                "--burst" => {
                    let seconds = arguments.next().and_then(|seconds| seconds.parse().ok());
                    read.burst =
                        Duration::from_secs(seconds.unwrap_or_else(|| panic!("--burst SECONDS")));
                }
                "--skip" => read.skipped.extend(arguments.next()),
                "--color" | "--format" | "--logfile" | "--test-threads" | "-Z" => {
                    arguments.next();
                }
                // The other options do not change which trials run.
                other if other.starts_with('-') => {}
                _ => read.filters.push(argument),
            }
        }
        read
    }

    pub(crate) fn selects(&self, name: &str) -> bool {
        let matches =
            |filter: &String| if self.exact { name == filter } else { name.contains(&**filter) };
        (self.filters.is_empty() || self.filters.iter().any(matches))
            && !self.skipped.iter().any(matches)
    }
}

/// How a trial ended, with the problem if it failed.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) problem: Option<String>,
}

/// Runs a trial, which fails by panicking.
pub(crate) async fn run_trial<T: Send + 'static>(
    name: &str,
    trial: impl Future<Output = T> + Send + 'static,
) -> (Outcome, Option<T>) {
    let (problem, value) = match tokio::spawn(trial).await {
        Ok(value) => (None, Some(value)),
        Err(_) => (Some("panicked, see the message above".to_owned()), None),
    };
    (Outcome { name: name.to_owned(), problem }, value)
}

/// The results of all futures, in their order. At most `at_once` of them run at the same time.
pub(crate) async fn run_concurrently<T: Send + 'static>(
    at_once: usize,
    futures: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut futures = futures.into_iter().enumerate();
    let (mut running, mut done) = (JoinSet::new(), Vec::new());
    loop {
        while running.len() < at_once
            && let Some((position, future)) = futures.next()
        {
            running.spawn(async move { (position, future.await) });
        }
        match running.join_next().await {
            Some(result) => done.push(result.unwrap()),
            None => break,
        }
    }
    done.sort_by_key(|(position, _)| *position);
    done.into_iter().map(|(_, value)| value).collect()
}

/// Prints a title and rows with aligned columns.
pub(crate) fn table(title: &str, rows: &[Vec<String>]) {
    println!("\n{title}\n");
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max();
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        println!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// Prints the summary that `cargo test` prints.
pub(crate) fn print_summary(outcomes: &[Outcome], filtered: usize, took: Duration) -> ExitCode {
    let failed =
        outcomes.iter().filter_map(|outcome| Some((&outcome.name, outcome.problem.as_ref()?)));
    let failed: Vec<_> = failed.collect();
    if !failed.is_empty() {
        println!("\nfailures:");
        for (name, problem) in &failed {
            println!("    {name}: {problem}");
        }
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {filtered} filtered out; \
         finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        outcomes.len() - failed.len(),
        failed.len(),
        took.as_secs_f64(),
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The duration of the burst without `--burst`.
const BURST: Duration = Duration::from_secs(10);
