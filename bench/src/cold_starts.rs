//! Cold starts as Lambda runs them: with a whole CPU until the function asks for its first event, then with a share
//! of one.

use std::{error::Error, path::Path, time::Duration};

use crate::{
    comparison::{Repetitions, Shuffler, copy_programs},
    lambda_host::FunctionProcess,
    programs::{self, ProgramKind},
    testbed::Testbed,
    timing::Timing,
};

/// The cold starts of one program, in microseconds.
pub struct ColdStart {
    pub name: String,
    pub kind: ProgramKind,
    /// From the start of the process to the request for the first event.
    pub init: Timing,
    /// From the start to the first response, with a whole CPU and with a share of one.
    pub full: Timing,
    pub limited: Timing,
}

/// Measures all programs that call a KMS of 4 ms, alternating between them.
pub async fn run(
    testbed: &Testbed,
    repetitions: &Repetitions,
    before: Option<&Path>,
) -> Result<Vec<ColdStart>, Box<dyn Error>> {
    let mut all = programs::all(testbed, repetitions.with_peers, before)?;
    all.retain(|measured| measured.name.ends_with("HTTPS, KMS of 4 ms"));
    copy_programs(&mut all)?;
    let events = testbed.events(repetitions.cold_starts)?;
    let mut shuffler = Shuffler::new();
    let mut init = vec![Vec::new(); all.len()];
    let mut full = vec![Vec::new(); all.len()];
    let mut limited = vec![Vec::new(); all.len()];
    for n in 0..repetitions.cold_starts {
        for at in shuffler.order(all.len() * 2) {
            let (at, is_limited) = (at / 2, at % 2 == 0);
            let input = all[at].input(&events, n);
            let (mut process, started, quota) =
                FunctionProcess::start_in_group(&all[at].program).await?;
            let ready = process.ready().await?;
            if is_limited {
                quota.limit(SHARE)?;
            }
            let (took, _) = process.invoke(&[input]).await?;
            // Without the time that it took to set the limit.
            let total = (ready - started) + took;
            init[at].push(ready - started);
            let totals = if is_limited { &mut limited } else { &mut full };
            totals[at].push(total);
            process.stop();
            drop(quota);
        }
    }
    let timing = |samples: &mut Vec<Duration>| Timing::new(samples, 1);
    Ok(all
        .into_iter()
        .enumerate()
        .map(|(at, measured)| ColdStart {
            name: measured.name,
            kind: measured.kind,
            init: timing(&mut init[at]),
            full: timing(&mut full[at]),
            limited: timing(&mut limited[at]),
        })
        .collect())
}

/// The share of a function with 256 MB: Lambda gives a whole CPU to 1,769 MB.
const SHARE: f64 = 256.0 / 1769.0;
