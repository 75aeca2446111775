//! When to plan again though nothing happens.

use jiff::Timestamp;

/// The earliest of several moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wake(Option<Timestamp>);

impl Wake {
    /// At this moment at the latest.
    pub(crate) fn at(&mut self, at: Timestamp) {
        self.0 = Some(self.0.map_or(at, |earlier| earlier.min(at)));
    }

    /// Gives it, and begins anew.
    pub(crate) fn take(&mut self) -> Option<Timestamp> {
        self.0.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_counts_and_is_given_once() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut wake = Wake::default();
        for second in [5, 3, 9] {
            wake.at(at(second));
        }
        assert_eq!((wake.take(), wake.take()), (Some(at(3)), None));
    }
}
