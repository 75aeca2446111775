//! The two clocks an organization usually runs on.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A clock that shows `start` now and follows tokio's clock: virtual when that is paused. Call it inside the runtime.
///
/// Shows the last representable moment once time runs past it.
pub fn tokio_clock(start: Timestamp) -> impl Fn() -> Timestamp + Send + Sync + 'static {
    let origin = tokio::time::Instant::now();
    move || after(start, origin.elapsed())
}

/// A clock that shows `start` now and runs `speed` times as fast as the machine's.
///
/// A speed that is not a positive number stands still.
pub fn real_clock(start: Timestamp, speed: f64) -> impl Fn() -> Timestamp + Send + Sync + 'static {
    let origin = Instant::now();
    move || {
        let seconds = origin.elapsed().as_secs_f64() * speed;
        after(start, Duration::try_from_secs_f64(seconds).unwrap_or_default())
    }
}

/// `moment + duration`, held at the last representable moment.
pub(crate) fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    moment.checked_add(duration).unwrap_or(Timestamp::MAX)
}
