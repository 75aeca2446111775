//! `dst`: plays seeds and says which fail.

use clap::Parser;
use dst::{Scenario, Trigger, Verdict, crash_points, run};
use std::{
    collections::BTreeMap,
    fs,
    io::{IsTerminal as _, Write as _},
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Lines of a transcript that are shown for a failing seed.
const SHOWN: usize = 40;
/// After this many failing seeds the rest is not played.
const ENOUGH: usize = 5;

/// Deterministic simulation: random worlds, faults and crashes from a seed, judged at every step.
#[derive(Parser)]
#[command(name = "dst", bin_name = "cargo xtask dst", version)]
struct Args {
    /// Seeds to play: from the first up to, not including, the last (`0..1000`)
    #[arg(long, value_name = "A..B", allow_hyphen_values = true, value_parser = range, required_unless_present_any = ["replay", "crash_points"])]
    seeds: Option<Range<u64>>,
    /// Play one seed and print its whole transcript
    #[arg(long, value_name = "SEED", conflicts_with = "seeds")]
    replay: Option<u64>,
    /// Kill the operator at each poll and each call of one vend, before and after its effect
    #[arg(long, conflicts_with_all = ["seeds", "replay"])]
    crash_points: bool,
    /// Seeds played at the same time
    #[arg(long, value_name = "N", default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    jobs: usize,
    /// Write each seed's transcript to DIR/SEED.txt
    #[arg(long, value_name = "DIR")]
    transcripts: Option<PathBuf>,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let rule = "must be two whole numbers A..B from 0 to 18446744073709551615, the first below the second";
    let (from, to) = text.split_once("..").ok_or(rule)?;
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|error| format!("{rule}; {text:?}: {error}"))
    };
    let range = number(from)?..number(to)?;
    if range.is_empty() {
        Err(rule.to_owned())
    } else {
        Ok(range)
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    // A panic of the operator is a finding of its seed, told with it.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(directory) = &args.transcripts
        && let Err(error) = fs::create_dir_all(directory)
    {
        eprintln!("error: --transcripts {}: {error}", directory.display());
        return ExitCode::from(2);
    }
    if let Some(seed) = args.replay {
        return replay(seed, args.transcripts.as_deref());
    }
    let games = match args.seeds {
        Some(seeds) => Games::Seeds(seeds),
        None => match points() {
            Ok(points) => Games::CrashPoints(points),
            Err(why) => {
                eprintln!("error: the vend without a crash fails: {why}");
                return ExitCode::FAILURE;
            }
        },
    };
    play_all(&games, args.jobs.max(1), args.transcripts.as_deref())
}

/// The seed of the vend whose crash points are enumerated.
const VEND: u64 = 1;

fn points() -> Result<Vec<Trigger>, String> {
    let (points, verdict) = crash_points(VEND).map_err(|error| error.to_string())?;
    match verdict.violations.first() {
        Some(violation) => Err(violation.clone()),
        None => Ok(points.all().collect()),
    }
}

/// What is played.
enum Games {
    Seeds(Range<u64>),
    CrashPoints(Vec<Trigger>),
}

impl Games {
    fn count(&self) -> u64 {
        match self {
            Self::Seeds(seeds) => seeds.end - seeds.start,
            Self::CrashPoints(points) => u64::try_from(points.len()).unwrap_or(u64::MAX),
        }
    }

    /// The n-th: its name, its scenario, and how to see it again.
    fn game(&self, n: u64) -> Option<(String, Scenario, String)> {
        match self {
            Self::Seeds(seeds) => {
                let seed = seeds.start.checked_add(n).filter(|seed| *seed < seeds.end)?;
                Some((
                    format!("seed {seed}"),
                    Scenario::of(seed),
                    format!("cargo xtask dst --replay {seed}"),
                ))
            }
            Self::CrashPoints(points) => {
                let trigger = points.get(usize::try_from(n).ok()?)?;
                let scenario = Scenario::one_vend(VEND).with_crash(*trigger);
                Some((
                    format!("crash {trigger}"),
                    scenario,
                    "cargo xtask dst --crash-points".to_owned(),
                ))
            }
        }
    }
}

impl Games {
    /// A crash point that no process reached proves nothing.
    fn checked(&self, mut verdict: Verdict) -> Verdict {
        if matches!(self, Self::CrashPoints(_)) && verdict.processes < 2 {
            verdict
                .violations
                .push("the crash point was not reached".to_owned());
        }
        verdict
    }
}

fn judged(scenario: &Scenario) -> Verdict {
    let verdict = catch_unwind(AssertUnwindSafe(|| run(scenario)));
    match verdict {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(error)) => failed(format!("the scenario cannot be played: {error}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            failed(format!("panic: {}", text.unwrap_or_default()))
        }
    }
}

fn failed(why: String) -> Verdict {
    Verdict {
        violations: vec![why],
        ..Verdict::default()
    }
}

fn replay(seed: u64, transcripts: Option<&Path>) -> ExitCode {
    let scenario = Scenario::of(seed);
    let verdict = judged(&scenario);
    println!(
        "seed {seed}: {:?}, {} replicas, {}",
        scenario.disaster, scenario.replicas, scenario.config
    );
    for line in &verdict.transcript {
        println!("{line}");
    }
    for violation in &verdict.violations {
        println!("VIOLATED {violation}");
    }
    if let Err(code) = save(transcripts, &format!("{seed}"), &verdict) {
        return code;
    }
    summary(&verdict);
    if verdict.violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn summary(verdict: &Verdict) {
    let minutes = verdict.lasted.as_secs_f64() / 60.0;
    println!(
        "{} violations; {minutes:.1} virtual minutes, {} AWS calls, {} Kubernetes requests, {} operator processes",
        verdict.violations.len(),
        verdict.aws_calls,
        verdict.kubernetes_requests,
        verdict.processes
    );
}

fn save(directory: Option<&Path>, name: &str, verdict: &Verdict) -> Result<(), ExitCode> {
    let Some(directory) = directory else { return Ok(()) };
    let file = directory.join(format!("{name}.txt"));
    let text = verdict.transcript.join("\n") + "\n";
    fs::write(&file, text).map_err(|error| {
        eprintln!("error: --transcripts {}: {error}", file.display());
        ExitCode::from(2)
    })
}

/// What all games together came to.
#[derive(Default)]
struct Totals {
    games: u64,
    aws_calls: u64,
    virtual_time: Duration,
    slowest: Option<(Duration, String)>,
    happened: BTreeMap<String, u64>,
    failures: BTreeMap<u64, (String, String, Verdict)>,
}

fn play_all(games: &Games, jobs: usize, transcripts: Option<&Path>) -> ExitCode {
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let totals = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some((name, scenario, again)) = games.game(n) else {
                        return;
                    };
                    let start = Instant::now();
                    let verdict = games.checked(judged(&scenario));
                    let took = start.elapsed();
                    if save(transcripts, &name.replace(' ', "-"), &verdict).is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
                    totals.take(n, (name, again), took, verdict);
                    if totals.failures.len() >= ENOUGH {
                        stop.store(true, Ordering::Relaxed);
                    }
                    progress(&totals, games.count());
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (name, again, verdict) in totals.failures.values() {
        println!("{name} FAILS");
        let from = verdict.transcript.len().saturating_sub(SHOWN);
        for line in &verdict.transcript[from..] {
            println!("  {line}");
        }
        for violation in &verdict.violations {
            println!("  {violation}");
        }
        println!("  again: {again}");
    }
    let seconds = began.elapsed().as_secs_f64();
    let hours = totals.virtual_time.as_secs_f64() / 3600.0;
    println!(
        "{} games, {} failed; {hours:.0} virtual hours and {} AWS calls in {seconds:.0} s",
        totals.games,
        totals.failures.len(),
        totals.aws_calls
    );
    let happened: Vec<String> = totals
        .happened
        .iter()
        .map(|(what, count)| format!("{what} {count}"))
        .collect();
    println!("what happened: {}", happened.join(", "));
    if let Some((took, name)) = &totals.slowest {
        println!("slowest: {name}, {:.1} s", took.as_secs_f64());
    }
    if totals.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Totals {
    fn take(&mut self, n: u64, (name, again): (String, String), took: Duration, verdict: Verdict) {
        self.games += 1;
        self.aws_calls += verdict.aws_calls;
        self.virtual_time += verdict.lasted;
        for (what, count) in &verdict.happened {
            *self.happened.entry(what.clone()).or_default() += count;
        }
        if self.slowest.as_ref().is_none_or(|(slowest, _)| took > *slowest) {
            self.slowest = Some((took, name.clone()));
        }
        if !verdict.violations.is_empty() {
            self.failures.insert(n, (name, again, verdict));
        }
    }
}

fn progress(totals: &Totals, count: u64) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let _ = write!(
            out,
            "\r{} of {count}, {} failed",
            totals.games,
            totals.failures.len()
        );
        if totals.games == count {
            let _ = writeln!(out);
        }
    }
}
