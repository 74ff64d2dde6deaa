//! Measures the contestants: first and warm answers, CPU time, memory and size.

use std::{
    collections::{HashMap, hash_map::Entry},
    error::Error,
    fs, io,
    path::Path,
    time::Duration,
};

use flate2::{Compression, write::DeflateEncoder};

use crate::{
    contestants::{self, Contestant, Kind},
    host::Environment,
    timing::Timing,
    world::World,
};

/// How often something is measured.
pub struct Effort {
    pub colds: usize,
    pub rounds: usize,
    /// Whether the peers are measured too.
    pub peers: bool,
}

impl Effort {
    pub fn new(quick: bool, peers: bool) -> Self {
        let (colds, rounds) = if quick { (4, 10) } else { (40, 100) };
        Self { colds, rounds, peers }
    }
}

/// Times in microseconds, sizes in bytes.
pub struct Measured {
    pub name: String,
    pub kind: Kind,
    pub floor: &'static str,
    pub cold: Timing,
    pub warm: Timing,
    pub cpu: f64,
    pub peak: u64,
    /// The program, compressed as in a package; nothing for scripts.
    pub package: Option<u64>,
}

/// Measures all contestants in turn, and with them another build of the functions, if there is one.
pub async fn run(
    world: &World,
    effort: &Effort,
    before: Option<&Path>,
) -> Result<Vec<Measured>, Box<dyn Error>> {
    let mut all = contestants::all(world, effort.peers, before)?;
    unpack(&mut all)?;
    let events = world.events(effort.colds.max(effort.rounds * BURST + BURST))?;
    let mut dice = Dice(1);
    let mut cold = vec![Vec::new(); all.len()];
    for n in 0..effort.colds {
        for at in dice.order(all.len()) {
            let (mut environment, started) = Environment::start(&all[at].program).await?;
            let (_, last, _) = environment.exchange(&[all[at].input(&events, n)]).await?;
            cold[at].push(last - started);
        }
    }
    let mut environments = Vec::new();
    for contestant in &all {
        environments.push(Environment::start(&contestant.program).await?.0);
    }
    let mut warm = vec![Vec::new(); all.len()];
    let mut cpu = vec![Duration::ZERO; all.len()];
    // In each round each answers several times in a row, as it does under load.
    for round in 0..=effort.rounds {
        for at in dice.order(all.len()) {
            for n in 0..BURST {
                let input = all[at].input(&events, round * BURST + n);
                warm[at].push(environments[at].invoke(&[input]).await?.0);
            }
            if round == 0 {
                warm[at].clear();
                cpu[at] = environments[at].cpu()?;
            }
        }
    }
    let times = u32::try_from(effort.rounds * BURST)?;
    all.iter()
        .enumerate()
        .map(|(at, contestant)| {
            let &Contestant { ref name, kind, floor, ref program, .. } = contestant;
            let spent = (environments[at].cpu()? - cpu[at]) / times;
            Ok(Measured {
                name: name.clone(),
                kind,
                floor,
                cold: Timing::new(&mut cold[at], 1),
                warm: Timing::new(&mut warm[at], BURST),
                cpu: spent.as_secs_f64() * 1e6,
                peak: environments[at].peak()?,
                package: program.arguments.is_empty().then(|| packed(&program.path)).transpose()?,
            })
        })
        .collect()
}

/// Starts each program from a file that has just been written: a file read back from disk lies in
/// the page cache in smaller pages, and starts more slowly.
fn unpack(all: &mut [Contestant]) -> io::Result<()> {
    let directory = Path::new("target/unpacked");
    fs::create_dir_all(directory)?;
    let mut copies = HashMap::new();
    for Contestant { program, .. } in all.iter_mut().filter(|it| it.program.arguments.is_empty()) {
        // Many programs share the name `bootstrap`, and many rows share a program.
        let next = directory.join(format!("program-{}", copies.len()));
        if let Entry::Vacant(entry) = copies.entry(program.path.clone()) {
            let bytes = fs::read(&program.path)?;
            // A copy that still runs, left by an earlier run, cannot be overwritten.
            let _ = fs::remove_file(&next);
            fs::write(&next, bytes)?;
            fs::set_permissions(&next, fs::metadata(&program.path)?.permissions())?;
            entry.insert(next);
        }
        program.path.clone_from(&copies[&program.path]);
    }
    Ok(())
}

/// How long the program is when it is deflated, as in a zip.
fn packed(path: &Path) -> io::Result<u64> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
    io::copy(&mut fs::File::open(path)?, &mut packer)?;
    Ok(packer.finish()?.len() as u64)
}

/// Turns in another order in each round: who comes after whom must not matter.
struct Dice(u64);

impl Dice {
    fn order(&mut self, n: usize) -> Vec<usize> {
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

const BURST: usize = 10;
