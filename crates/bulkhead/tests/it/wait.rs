//! Waiting for something to become true.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// Asks until the answer is `Ok`; gives up after `seconds` with the last answer.
pub(crate) fn eventually<T>(what: &str, seconds: u64, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let begin = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) if begin.elapsed() > Duration::from_secs(seconds) => {
                panic!("{what}: not within {seconds} s; at the end: {why}")
            }
            Err(_) => sleep(Duration::from_millis(50)),
        }
    }
}

/// Waits for a moment that is over within milliseconds, so it asks without a pause worth the name.
pub(crate) fn the_moment(what: &str, seconds: u64, mut come: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !come() {
        assert!(
            begin.elapsed() < Duration::from_secs(seconds),
            "{what}: not within {seconds} s"
        );
        sleep(Duration::from_millis(1));
    }
}

/// Looks for `duration` and panics with the first answer that is not `Ok`.
pub(crate) fn always(what: &str, duration: Duration, mut ask: impl FnMut() -> Result<(), String>) {
    let begin = Instant::now();
    while begin.elapsed() < duration {
        if let Err(why) = ask() {
            panic!("{what}: not any more after {:?}: {why}", begin.elapsed());
        }
        sleep(Duration::from_millis(100));
    }
}

/// `Ok` when the two are equal, else both.
pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(found: &T, wanted: &T) -> Result<(), String> {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("found {found:?}, wanted {wanted:?}"))
    }
}
