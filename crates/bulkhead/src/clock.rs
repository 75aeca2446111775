//! The real clock.

use executor::Clock;
use jiff::Timestamp;

/// The wall clock at the start, and monotonic time from there: a clock that is set back or forth while the operator runs
/// must not stop its timers or make an old read of the installation mark look fresh.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock {
    start: Timestamp,
    origin: tokio::time::Instant,
}

impl WallClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where time is the real one"
    )]
    pub(crate) fn new() -> Self {
        Self {
            start: Timestamp::now(),
            origin: tokio::time::Instant::now(),
        }
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        self.start
            .checked_add(self.origin.elapsed())
            .unwrap_or(Timestamp::MAX)
    }
}
