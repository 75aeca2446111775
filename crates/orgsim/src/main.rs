//! `orgsim`: the simulated organization on TCP.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use jiff::Timestamp;
use orgsim::{Limits, Orgsim, Settings, real_clock, serve};
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
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> std::io::Result<()> {
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
    let orgsim = Orgsim::new(settings, real_clock(start, arguments.speed));
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
