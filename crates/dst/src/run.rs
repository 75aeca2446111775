//! Plays a scenario to its end.

use crate::{
    expect,
    judge::Verdict,
    scenario::Scenario,
    stage::{Stage, StageError},
};
use std::time::Duration;

/// When the faults have stopped, everything converges within this time.
pub const LIMIT: Duration = Duration::from_hours(2);
/// How often it is looked whether everything has converged.
const LOOK: Duration = Duration::from_secs(10);
/// What is still on its way then is written within this time: longer than the longest rest after a failed write, and than
/// one full read of the organization is apart from the next, by which it is seen what others have done.
const SETTLE: Duration = Duration::from_mins(7);
/// How long nothing may be written after everything has converged; longer than one full read is apart from the
/// next.
const QUIET: Duration = Duration::from_mins(7);

/// Plays a scenario in virtual time, on this thread.
pub fn run(scenario: &Scenario) -> Result<Verdict, StageError> {
    in_virtual_time(async {
        let stage = play(scenario).await?;
        let mut verdict = stage.judge.verdict();
        verdict.happened.extend(stage.happened());
        Ok(verdict)
    })
}

pub(crate) fn in_virtual_time<T>(play: impl Future<Output = Result<T, StageError>>) -> Result<T, StageError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.map_err(StageError::Runtime)?;
    runtime.block_on(play)
}

pub(crate) async fn play(scenario: &Scenario) -> Result<Stage, StageError> {
    let mut stage = Stage::new(scenario).await?;
    stage.start_replicas(0);
    let mut events = scenario.events.iter().cloned().peekable();
    let mut calm = false;
    loop {
        while let Some((_, event)) = events.next_if(|(at, _)| *at <= stage.now()) {
            stage.happen(event).await?;
        }
        if !calm && stage.now() >= scenario.calm {
            stage.calm()?;
            calm = true;
        }
        stage.sync().await;
        stage.approve().await;
        stage.look_after().await;
        let over = calm && events.peek().is_none();
        if over || stage.judge.failed() {
            break;
        }
        let next = events.peek().map_or(scenario.calm, |(at, _)| *at);
        let next = if calm { next } else { next.min(scenario.calm) };
        let now = stage.now();
        stage
            .pass_until(next.min(stage.next_sync()).max(now + Duration::from_millis(1)))
            .await;
    }
    converge(&mut stage).await;
    Ok(stage)
}

/// The faults are over: everything becomes as it should be, and then nothing is written.
async fn converge(stage: &mut Stage) {
    let end = stage.now() + LIMIT;
    while !stage.judge.failed() {
        stage.sync().await;
        stage.approve().await;
        stage.look_after().await;
        let missing = expect::missing(stage);
        if missing.is_empty() {
            break;
        }
        if stage.now() >= end {
            let detail = missing.join("; ");
            stage
                .judge
                .violation("everything converges within two hours after the faults", &detail);
            expect::final_rules(stage);
            return;
        }
        let now = stage.now();
        stage.pass_until(now + LOOK).await;
    }
    if stage.judge.failed() {
        return;
    }
    stage.converged();
    let now = stage.now();
    stage.pass_until(now + SETTLE).await;
    let (before, mutations) = (stage.written(), stage.judge.mutations());
    let now = stage.now();
    stage.pass_until(now + QUIET).await;
    for write in stage.written().difference(&before) {
        stage.judge.violation("no write when nothing changed", write);
    }
    if stage.judge.mutations() > mutations {
        let detail = format!("{} calls", stage.judge.mutations() - mutations);
        stage
            .judge
            .violation("no change of AWS when nothing changed", &detail);
    }
    for missing in expect::missing(stage) {
        stage.judge.violation("what has converged stays so", &missing);
    }
    expect::final_rules(stage);
}
