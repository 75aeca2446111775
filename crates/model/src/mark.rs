//! The installation mark: which cluster governs this organization.
//!
//! The organization's root carries `bulkhead.dev/installation = <installation>:<kube-system UID>`. A tag has no
//! compare-and-swap, so whoever writes it waits two re-read periods and reads it back twice before the first mutation,
//! and everybody re-reads it each period: after a change of the mark nobody mutates for longer than one period plus
//! AWS's read lag.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// What this process knows of the mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// The value that names this cluster.
    pub own: String,
    /// The value whose holder a person named to be replaced (`--take-over`).
    pub take_over: Option<String>,
    /// How often the mark is read again.
    pub reread: SignedDuration,
    /// Last value read (`None`: the root carries no mark) and when that read began.
    pub last_read: Option<(Option<String>, Timestamp)>,
    /// When this process wrote the mark, and how many reads begun a period apart have confirmed it since.
    pub written: Option<(Timestamp, u8)>,
    /// The mark is known to have settled once, in this term or, by the Organization's status, in an earlier one. Without
    /// that, a mark that is found has to settle as if it had just been written: an earlier term may have ended right
    /// after writing it, and another cluster's licence may still run.
    pub settled: bool,
}

/// May this cluster change the organization?
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum MarkVerdict {
    /// Yes.
    Ours,
    /// Not known (never read, or the last read is too old).
    Unknown,
    /// The mark is free, or a person named its value: write it.
    Write,
    /// Written; wait and read back.
    Settling,
    /// Another installation holds the organization.
    Claimed {
        /// The value on the root.
        by: String,
    },
}

impl Mark {
    /// Nothing known yet.
    pub fn new(own: String, take_over: Option<String>, reread: SignedDuration, settled: bool) -> Self {
        Self {
            own,
            take_over,
            reread,
            last_read: None,
            written: None,
            settled,
        }
    }

    /// A read of the root's tags that began at `began` found `value`.
    pub fn on_read(&mut self, value: Option<String>, began: Timestamp) {
        if value.as_deref() == Some(self.own.as_str()) {
            if self.written.is_none() && !self.settled {
                self.written = Some((began, 0));
            }
            if let Some((written, confirmed)) = &mut self.written
                && began.duration_since(*written) >= self.reread * i32::from(*confirmed + 1)
            {
                *confirmed = (*confirmed + 1).min(2);
                self.settled |= *confirmed == 2;
            }
        } else {
            if self
                .last_read
                .as_ref()
                .is_some_and(|(last, _)| last.as_deref() == Some(self.own.as_str()))
            {
                // Lost after it had been ours: the right to take over was for one use, a person must name it again.
                self.written = None;
                self.take_over = None;
            }
            self.settled = false;
        }
        self.last_read = Some((value, began));
    }

    /// The mark was written at `at`, or may have been: an unknown outcome counts as written.
    pub fn on_written(&mut self, at: Timestamp) {
        self.written = Some((at, 0));
    }

    /// The verdict at `now`.
    pub fn verdict(&self, now: Timestamp) -> MarkVerdict {
        let Some((value, began)) = &self.last_read else {
            return MarkVerdict::Unknown;
        };
        let wrote_after_read = self
            .written
            .is_some_and(|(written, confirmed)| written >= *began && confirmed == 0 && !self.settled);
        match value.as_deref() {
            _ if wrote_after_read => MarkVerdict::Settling,
            Some(value) if value == self.own => match self.written {
                Some((_, confirmed)) if confirmed < 2 => MarkVerdict::Settling,
                _ if now.duration_since(*began) > self.reread => MarkVerdict::Unknown,
                _ => MarkVerdict::Ours,
            },
            Some(value) if self.take_over.as_deref() != Some(value) => {
                MarkVerdict::Claimed { by: value.to_owned() }
            }
            // A read that is not fresh is no ground for writing over somebody.
            _ if now.duration_since(*began) > self.reread => MarkVerdict::Unknown,
            // Written before, and the read does not show it yet: AWS's read lag, or somebody was faster. Wait a period.
            _ if self
                .written
                .is_some_and(|(written, _)| now.duration_since(written) < self.reread) =>
            {
                MarkVerdict::Settling
            }
            _ => MarkVerdict::Write,
        }
    }

    /// When the mark has to be read next: a little before the last read gets too old, and at the moments that settle it.
    pub fn next_read(&self, now: Timestamp) -> Timestamp {
        let Some((_, began)) = &self.last_read else {
            return now;
        };
        let regular = *began + self.reread * 4 / 5;
        match self.written {
            Some((written, confirmed)) if confirmed < 2 => {
                let settles = written + self.reread * i32::from(confirmed + 1);
                if settles > *began { settles } else { regular }
            }
            _ => regular,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).unwrap()
    }
    fn mark(take_over: Option<&str>) -> Mark {
        Mark::new(
            "acme:uid-1".into(),
            take_over.map(str::to_owned),
            SignedDuration::from_secs(30),
            false,
        )
    }

    #[test]
    fn a_free_mark_is_written_and_settles_after_two_periods_and_two_reads() {
        let mut m = mark(None);
        assert_eq!(m.verdict(at(0)), MarkVerdict::Unknown);
        m.on_read(None, at(0));
        assert_eq!(m.verdict(at(0)), MarkVerdict::Write);
        m.on_written(at(1));
        assert_eq!(m.verdict(at(1)), MarkVerdict::Settling);
        m.on_read(Some("acme:uid-1".into()), at(10));
        assert_eq!(
            m.verdict(at(10)),
            MarkVerdict::Settling,
            "an early read confirms nothing"
        );
        assert_eq!(m.next_read(at(10)), at(31));
        m.on_read(Some("acme:uid-1".into()), at(31));
        assert_eq!(m.verdict(at(31)), MarkVerdict::Settling);
        assert_eq!(m.next_read(at(31)), at(61));
        m.on_read(Some("acme:uid-1".into()), at(61));
        assert_eq!(m.verdict(at(61)), MarkVerdict::Ours);
        assert_eq!(
            m.verdict(at(92)),
            MarkVerdict::Unknown,
            "an old read is no licence"
        );
    }

    #[test]
    fn a_restart_after_the_mark_had_settled_needs_no_settling() {
        let mut m = mark(None);
        m.settled = true;
        m.on_read(Some("acme:uid-1".into()), at(0));
        assert_eq!(m.verdict(at(0)), MarkVerdict::Ours);
    }

    #[test]
    fn a_crash_while_settling_does_not_shorten_it() {
        let mut m = mark(None);
        m.on_read(Some("acme:uid-1".into()), at(0));
        assert_eq!(
            m.verdict(at(0)),
            MarkVerdict::Settling,
            "the term before may have written it a moment ago"
        );
        m.on_read(Some("acme:uid-1".into()), at(30));
        m.on_read(Some("acme:uid-1".into()), at(60));
        assert_eq!(m.verdict(at(60)), MarkVerdict::Ours);
        assert!(m.settled);
    }

    #[test]
    fn another_cluster_is_refused_until_its_value_is_named_exactly() {
        let mut m = mark(None);
        m.on_read(Some("acme:uid-0".into()), at(0));
        assert_eq!(
            m.verdict(at(0)),
            MarkVerdict::Claimed {
                by: "acme:uid-0".into()
            }
        );
        let mut wrong = mark(Some("acme:uid-9"));
        wrong.on_read(Some("acme:uid-0".into()), at(0));
        assert_eq!(
            wrong.verdict(at(0)),
            MarkVerdict::Claimed {
                by: "acme:uid-0".into()
            }
        );
        let mut named = mark(Some("acme:uid-0"));
        named.on_read(Some("acme:uid-0".into()), at(0));
        assert_eq!(named.verdict(at(0)), MarkVerdict::Write);
    }

    #[test]
    fn losing_the_race_while_settling_means_claimed_and_the_take_over_is_spent() {
        let mut m = mark(Some("acme:uid-0"));
        m.on_read(Some("acme:uid-0".into()), at(0));
        m.on_written(at(0));
        m.on_read(Some("acme:uid-1".into()), at(30));
        m.on_read(Some("acme:uid-2".into()), at(60));
        assert_eq!(
            m.verdict(at(60)),
            MarkVerdict::Claimed {
                by: "acme:uid-2".into()
            }
        );
        m.on_read(Some("acme:uid-0".into()), at(90));
        assert_eq!(
            m.verdict(at(90)),
            MarkVerdict::Claimed {
                by: "acme:uid-0".into()
            }
        );
    }
}
