use std::{process::ExitCode, time::Duration};

use tokio::task::JoinSet;

/// What is to be run, in the words that `cargo test` has for it.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) list: bool,
    pub(crate) burst: Duration,
    words: Vec<String>,
    without: Vec<String>,
    exact: bool,
}

impl Arguments {
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Self {
        let (words, without) = (Vec::new(), Vec::new());
        let mut read = Self { list: false, burst: BURST, words, without, exact: false };
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
                "--skip" => read.without.extend(arguments.next()),
                "--color" | "--format" | "--logfile" | "--test-threads" | "-Z" => {
                    arguments.next();
                }
                // Of the others none changes what is run.
                other if other.starts_with('-') => {}
                _ => read.words.push(argument),
            }
        }
        read
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        let fits = |word: &String| if self.exact { name == word } else { name.contains(&**word) };
        (self.words.is_empty() || self.words.iter().any(fits)) && !self.without.iter().any(fits)
    }
}

/// How a trial ended, and what is wrong if something is.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) name: String,
    pub(crate) wrong: Option<String>,
}

/// Runs a trial that fails by panicking, as tests do.
pub(crate) async fn judge<T: Send + 'static>(
    name: &str,
    trial: impl Future<Output = T> + Send + 'static,
) -> (Verdict, Option<T>) {
    let (wrong, value) = match tokio::spawn(trial).await {
        Ok(value) => (None, Some(value)),
        Err(_) => (Some("it panicked, as is said above".to_owned()), None),
    };
    (Verdict { name: name.to_owned(), wrong }, value)
}

/// The results of all of these, in their order, of which so many run at once.
pub(crate) async fn together<T: Send + 'static>(
    at_once: usize,
    futures: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut futures = futures.into_iter().enumerate();
    let (mut running, mut done) = (JoinSet::new(), Vec::new());
    loop {
        while running.len() < at_once
            && let Some((place, future)) = futures.next()
        {
            running.spawn(async move { (place, future.await) });
        }
        match running.join_next().await {
            Some(result) => done.push(result.unwrap()),
            None => break,
        }
    }
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, value)| value).collect()
}

/// Prints rows in columns, the first of which are titles.
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

/// The last words, as every test has them.
pub(crate) fn conclude(verdicts: &[Verdict], filtered: usize, took: Duration) -> ExitCode {
    let failed =
        verdicts.iter().filter_map(|verdict| Some((&verdict.name, verdict.wrong.as_ref()?)));
    let failed: Vec<_> = failed.collect();
    if !failed.is_empty() {
        println!("\nfailures:");
        for (name, wrong) in &failed {
            println!("    {name}: {wrong}");
        }
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {filtered} filtered out; \
         finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        verdicts.len() - failed.len(),
        failed.len(),
        took.as_secs_f64(),
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// As long as it is when nothing is said.
const BURST: Duration = Duration::from_secs(10);
