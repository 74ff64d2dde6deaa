//! Measures the programs: first and warm responses, CPU time, memory and package size.

use std::{
    collections::{HashMap, hash_map::Entry},
    error::Error,
    fs, io,
    path::Path,
    time::Duration,
};

use flate2::{Compression, write::DeflateEncoder};

use crate::{
    lambda_host::FunctionProcess,
    programs::{self, MeasuredProgram, ProgramKind},
    testbed::Testbed,
    timing::Timing,
};

/// How often to measure.
pub struct Repetitions {
    pub cold_starts: usize,
    pub rounds: usize,
    /// Whether to measure the peers too.
    pub with_peers: bool,
}

impl Repetitions {
    pub fn new(quick: bool, with_peers: bool) -> Self {
        let (cold_starts, rounds) = if quick { (4, 10) } else { (40, 100) };
        Self { cold_starts, rounds, with_peers }
    }

    /// The number of events with which no warm program is invoked twice.
    pub fn events(&self) -> usize {
        self.cold_starts.max(self.rounds * BURST + BURST)
    }
}

/// The measurements of one program: times in microseconds, sizes in bytes.
pub struct Measurement {
    pub name: String,
    pub kind: ProgramKind,
    pub floor: &'static str,
    pub cold: Timing,
    pub warm: Timing,
    /// The CPU time of a warm response.
    pub cpu: f64,
    /// The maximum of resident memory.
    pub peak: u64,
    /// The size of the compressed program. Scripts have none.
    pub package: Option<u64>,
}

/// Measures all programs. `before` is the directory of another build of the functions.
pub async fn run(
    testbed: &Testbed,
    repetitions: &Repetitions,
    before: Option<&Path>,
) -> Result<Vec<Measurement>, Box<dyn Error>> {
    let all = programs::all(testbed, repetitions.with_peers, before)?;
    measure(all, &testbed.events(repetitions.events())?, repetitions).await
}

/// Measures these programs, alternating between them. `events` have the tokens of requests.
pub async fn measure(
    mut all: Vec<MeasuredProgram>,
    events: &[Vec<u8>],
    repetitions: &Repetitions,
) -> Result<Vec<Measurement>, Box<dyn Error>> {
    copy_programs(&mut all)?;
    let mut shuffler = Shuffler::new();
    let mut cold = vec![Vec::new(); all.len()];
    for n in 0..repetitions.cold_starts {
        for at in shuffler.order(all.len()) {
            let (mut process, started) = FunctionProcess::start(&all[at].program).await?;
            let (_, last, _) = process.exchange(&[all[at].input(events, n)]).await?;
            cold[at].push(last - started);
        }
    }
    let mut processes = Vec::new();
    for measured in &all {
        processes.push(FunctionProcess::start(&measured.program).await?.0);
    }
    let mut warm = vec![Vec::new(); all.len()];
    let mut cpu = vec![Duration::ZERO; all.len()];
    // In each round, each program responds several times in a row, as under load.
    for round in 0..=repetitions.rounds {
        for at in shuffler.order(all.len()) {
            for n in 0..if round == 0 { all[at].warm_up } else { BURST } {
                let input = all[at].input(events, round * BURST + n);
                warm[at].push(processes[at].invoke(&[input]).await?.0);
            }
            if round == 0 {
                warm[at].clear();
                cpu[at] = processes[at].cpu()?;
            }
        }
    }
    let times = u32::try_from(repetitions.rounds * BURST)?;
    all.iter()
        .enumerate()
        .map(|(at, measured)| {
            let &MeasuredProgram { ref name, kind, floor, ref program, .. } = measured;
            let spent = (processes[at].cpu()? - cpu[at]) / times;
            Ok(Measurement {
                name: name.clone(),
                kind,
                floor,
                cold: Timing::new(&mut cold[at], 1),
                warm: Timing::new(&mut warm[at], BURST),
                cpu: spent.as_secs_f64() * 1e6,
                peak: processes[at].peak()?,
                package: program
                    .arguments
                    .is_empty()
                    .then(|| compressed_size(&program.path))
                    .transpose()?,
            })
        })
        .collect()
}

/// Copies each program before it is started. A file that was read from disk is in the page cache in smaller pages and
/// starts more slowly than one that was just written.
pub fn copy_programs(all: &mut [MeasuredProgram]) -> io::Result<()> {
    let directory = Path::new("target/unpacked");
    fs::create_dir_all(directory)?;
    let mut copies = HashMap::new();
    for MeasuredProgram { program, .. } in
        all.iter_mut().filter(|it| it.program.arguments.is_empty())
    {
        // Many programs are named `bootstrap`, and many rows use the same program.
        let next = directory.join(format!("program-{}", copies.len()));
        if let Entry::Vacant(entry) = copies.entry(program.path.clone()) {
            let bytes = fs::read(&program.path)?;
            // A copy that is still running from an earlier run cannot be overwritten.
            let _ = fs::remove_file(&next);
            fs::write(&next, bytes)?;
            fs::set_permissions(&next, fs::metadata(&program.path)?.permissions())?;
            entry.insert(next);
        }
        program.path.clone_from(&copies[&program.path]);
    }
    Ok(())
}

/// Shuffles the order of the programs in each round, so that it does not affect the results. A linear congruential
/// generator, so that runs are repeatable.
pub struct Shuffler(u64);

impl Shuffler {
    pub fn new() -> Self {
        Self(1)
    }

    pub fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            order.swap(last, (self.0 >> 33) as usize % (last + 1));
        }
        order
    }
}

/// The size of the program in a zip file.
fn compressed_size(path: &Path) -> io::Result<u64> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    io::copy(&mut fs::File::open(path)?, &mut encoder)?;
    Ok(encoder.finish()?.len() as u64)
}

/// The number of consecutive responses in a round.
const BURST: usize = 10;
