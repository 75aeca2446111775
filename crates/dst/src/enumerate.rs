//! Crash points, enumerated: one vend, killed at every poll and at every call, before and after its effect.

use crate::{
    judge::Verdict,
    process::Trigger,
    run::{in_virtual_time, play},
    scenario::Scenario,
    stage::StageError,
};
use std::time::Duration;

/// How many points one undisturbed vend has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoints {
    /// Polls of the operator's future.
    pub polls: u64,
    /// AWS calls.
    pub aws: u64,
    /// Requests to the API server.
    pub kubernetes: u64,
}

impl CrashPoints {
    /// Every point.
    pub fn all(self) -> impl Iterator<Item = Trigger> {
        let polls = (1..=self.polls).map(Trigger::Poll);
        let aws = (1..=self.aws).flat_map(|n| [Trigger::BeforeAws(n), Trigger::AfterAws(n)]);
        let kubernetes =
            (1..=self.kubernetes).flat_map(|n| [Trigger::BeforeKubernetes(n), Trigger::AfterKubernetes(n)]);
        aws.chain(kubernetes).chain(polls)
    }
}

/// Counts the points of one vend, from the start of the operator until the account is Ready.
pub fn crash_points(seed: u64) -> Result<(CrashPoints, Verdict), StageError> {
    in_virtual_time(async {
        let stage = play(&Scenario::one_vend(seed)).await?;
        let counts = stage.at_convergence;
        let points = CrashPoints {
            polls: counts.polls,
            aws: counts.aws,
            kubernetes: counts.kubernetes,
        };
        Ok((points, stage.judge.verdict()))
    })
}

impl Scenario {
    /// The same, with a crash at `trigger`.
    #[must_use]
    pub fn with_crash(mut self, trigger: Trigger) -> Self {
        self.crashes = vec![(trigger, Duration::from_secs(1))];
        // Crashes end with the calm: it comes after the vend.
        self.calm = Duration::from_mins(20);
        self
    }
}
