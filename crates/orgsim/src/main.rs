//! `orgsim`: the simulated organization on TCP.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use jiff::Timestamp;
use orgsim::{
    FaultPlan, FaultPlanError, Limits, Orgsim, Settings, StateFile, StateFileError, real_clock, serve,
};
use tokio::signal::unix::{SignalKind, signal};

/// Simulated AWS Organizations, STS and Resource Groups Tagging API on one port.
///
/// Prints one JSON line with its addresses when it is ready. Ends on Ctrl-C or SIGTERM.
#[derive(Debug, Parser)]
#[command(name = "orgsim", version)]
struct Arguments {
    /// Where the three services listen; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Where GET /state, GET /calls and POST /mutate listen; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    debug_listen: SocketAddr,

    /// Request rates and creations in flight.
    #[arg(long, value_enum, default_value_t = LimitsArgument::Published)]
    limits: LimitsArgument,

    /// How many times faster than real time passes; rates refill as much faster.
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = parse_speed)]
    speed: f64,

    /// What ids, durations, lags and empty pages follow from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// A fault plan, YAML or JSON; its times count from the start.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,

    /// Where the organization is kept: read when it is there, written after each change. What it says of ids, time and
    /// seed counts.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// Why the program ends early.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("--faults {}: cannot be read: {source}", path.display())]
    FaultsUnreadable { path: PathBuf, source: std::io::Error },
    #[error("--faults {}: {source}", path.display())]
    Faults { path: PathBuf, source: FaultPlanError },
    #[error("--state {0}")]
    State(#[from] StateFileError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Error {
    /// 2 for what the caller gave, as clap ends for a bad flag; 1 for the rest.
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::FaultsUnreadable { .. } | Self::Faults { .. } | Self::State(_) => ExitCode::from(2),
            Self::Io(_) => ExitCode::FAILURE,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LimitsArgument {
    /// As AWS publishes them.
    Published,
    /// 50 times as much.
    Relaxed,
    /// None.
    Off,
}

fn parse_speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    if speed.is_finite() && speed > 0.0 {
        Ok(speed)
    } else {
        Err("must be greater than 0".to_owned())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orgsim: {error}");
            error.exit_code()
        }
    }
}

fn read_faults(path: &Path) -> Result<FaultPlan, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::FaultsUnreadable {
        path: path.to_owned(),
        source,
    })?;
    FaultPlan::parse(&text).map_err(|source| Error::Faults {
        path: path.to_owned(),
        source,
    })
}

async fn run(arguments: Arguments) -> Result<(), Error> {
    let faults = arguments.faults.as_deref().map(read_faults).transpose()?;
    // The signals must be caught before anybody is told that the server is ready.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the edge: the served organization begins now"
    )]
    let start = Timestamp::now();
    let settings = Settings {
        limits: match arguments.limits {
            LimitsArgument::Published => Limits::Published,
            LimitsArgument::Relaxed => Limits::Relaxed,
            LimitsArgument::Off => Limits::Off,
        },
        seed: arguments.seed,
        start,
        // The network is real.
        latency: (Duration::ZERO, Duration::ZERO),
        ..Settings::default()
    };
    let orgsim = match arguments.state {
        None => Orgsim::new(settings, real_clock(start, arguments.speed)),
        Some(path) => {
            let file = StateFile::open(path, settings)?;
            let clock = real_clock(file.now(), arguments.speed);
            Orgsim::with_state(file, clock)
        }
    };
    if let Some(plan) = faults {
        orgsim.set_faults(plan).map_err(|source| Error::Faults {
            path: arguments.faults.unwrap_or_default(),
            source,
        })?;
    }
    let running = serve(orgsim, arguments.listen, arguments.debug_listen).await?;
    let (endpoint, debug) = (running.address, running.debug_address);
    let ready = serde_json::json!({
        "endpoint": format!("http://{endpoint}"),
        "debug": format!("http://{debug}"),
    });
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{ready}")?;
    stdout.flush()?;
    tokio::select! {
        biased;
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    running.shutdown().await;
    Ok(())
}
