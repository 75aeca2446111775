//! The installation mark: which cluster governs this organization.
//!
//! The organization's root carries `bulkhead.dev/installation = <installation>:<kube-system UID>`. A tag has no
//! compare-and-swap, so whoever writes it waits two re-read periods and reads it back twice before the first mutation,
//! and everybody re-reads it each period: after a change of the mark nobody mutates for longer than one period plus
//! AWS's read lag.
//!
//! A take-over adds a number, one above that of the value it replaces: `<installation>:<UID>:<number>`. The number says
//! nothing of whose the mark is; but no value ever comes again, so that a `--take-over` left standing, which names a value
//! exactly, works once.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// What stands before the number, and the number: 0 for a value that was never taken over.
fn parts(value: &str) -> (&str, u64) {
    value
        .rsplit_once(':')
        .filter(|(name, number)| name.contains(':') && !number.starts_with(['0', '+']))
        .and_then(|(name, number)| Some((name, number.parse().ok()?)))
        .unwrap_or((value, 0))
}

/// What this process knows of the mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// The value that names this cluster: the one the root carries, or the one to write.
    pub own: String,
    /// The value whose holder a person named to be replaced (`--take-over`), exactly.
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
    /// Nothing known yet. `own` is `<installation>:<UID>`, or the value with a number that is known to have settled.
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

    /// The cluster, without the number of the take-over: `<installation>:<kube-system UID>`.
    pub fn cluster(&self) -> &str {
        parts(&self.own).0
    }

    /// Does this value of the mark name the same cluster, under whatever number?
    pub fn names_us(&self, value: &str) -> bool {
        parts(value).0 == parts(&self.own).0
    }

    /// Takes the number that the next value of ours would have after this one.
    fn succeed(&mut self, replaced: &str) {
        let number = parts(replaced).1.saturating_add(1);
        self.own = format!("{}:{number}", parts(&self.own).0);
    }

    /// Did the last read find a value of ours?
    fn was_ours(&self) -> bool {
        let last = self.last_read.as_ref().and_then(|(last, _)| last.as_deref());
        last.is_some_and(|last| self.names_us(last))
    }

    /// A read of the root's tags that began at `began` found `value`.
    pub fn on_read(&mut self, value: Option<String>, began: Timestamp) {
        if let Some(found) = value.as_ref().filter(|found| self.names_us(found)) {
            if *found != self.own {
                // Ours, and not the one we know: another process of this cluster has taken the organization back, and
                // what settled before says nothing of it.
                self.own.clone_from(found);
                self.written = None;
                self.settled = false;
            }
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
            if self.was_ours() {
                // Lost after it had been ours: the right to take over was for one use, a person must name it again.
                self.written = None;
                self.take_over = None;
            }
            self.settled = false;
            // A value that is replaced, or that went away before our eyes, is never followed by a lower number.
            let gone = self.last_read.as_ref().and_then(|(last, _)| last.clone());
            let replaced = match &value {
                Some(value) => Some(value.clone()).filter(|value| self.take_over.as_ref() == Some(value)),
                None => gone.filter(|gone| !self.names_us(gone)),
            };
            if let Some(replaced) = replaced {
                self.succeed(&replaced);
            }
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
            Some(value) if self.names_us(value) => match self.written {
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

    const US: &str = "acme:uid-1";
    const THEM: &str = "acme:uid-0";

    /// A process of cluster `us`, started with this flag, that reads this value.
    fn started(us: &str, take_over: Option<&str>, reads: &str) -> Mark {
        let mut mark = mark(take_over);
        mark.own = us.to_owned();
        mark.on_read(Some(reads.to_owned()), at(0));
        mark
    }

    #[test]
    fn a_flag_left_standing_does_not_fire_when_the_other_side_takes_the_organization_back() {
        let new = started(US, Some(THEM), THEM);
        assert_eq!(new.verdict(at(0)), MarkVerdict::Write);
        assert_eq!(new.own, "acme:uid-1:1", "what is written");
        let old = started(THEM, Some(&new.own), &new.own);
        assert_eq!(old.verdict(at(0)), MarkVerdict::Write);
        assert_eq!(old.own, "acme:uid-0:2");
        let again = started(US, Some(THEM), &old.own);
        let claimed = |by: &Mark| MarkVerdict::Claimed { by: by.own.clone() };
        assert_eq!(again.verdict(at(0)), claimed(&old), "the whole value is told");
        let heir = started(US, Some(&old.own), &old.own);
        assert_eq!(heir.own, "acme:uid-1:3");
        let standing = started(THEM, Some("acme:uid-1:1"), &heir.own);
        assert_eq!(standing.verdict(at(0)), claimed(&heir));
    }

    #[test]
    fn a_number_does_not_make_a_mark_anothers() {
        let mut m = started(US, Some(THEM), THEM);
        m.on_written(at(1));
        for read in [31, 61] {
            m.on_read(Some("acme:uid-1:1".into()), at(read));
        }
        assert_eq!(m.verdict(at(61)), MarkVerdict::Ours);
        let mut next = started(US, Some(THEM), "acme:uid-1:1");
        assert_eq!(next.verdict(at(0)), MarkVerdict::Settling, "as after any restart");
        next.on_read(Some("acme:uid-1:1".into()), at(30));
        next.on_read(Some("acme:uid-1:1".into()), at(60));
        assert_eq!(next.verdict(at(60)), MarkVerdict::Ours);
        for other in [
            "acme:uid-10",
            "acme:uid-10:1",
            "acme:uid-1:x",
            "acme:uid-1:01",
            "acme:uid-1:+1",
            "acme:uid-1:",
        ] {
            let refused = MarkVerdict::Claimed { by: other.into() };
            assert_eq!(started(US, None, other).verdict(at(0)), refused, "{other}");
        }
    }

    #[test]
    fn what_settled_under_one_number_says_nothing_of_another() {
        let settled = |own: &str, reads: &str| {
            let mut mark = Mark::new(own.into(), None, SignedDuration::from_secs(30), true);
            mark.on_read(Some(reads.into()), at(0));
            mark.verdict(at(0))
        };
        assert_eq!(settled("acme:uid-1:2", "acme:uid-1:2"), MarkVerdict::Ours);
        assert_eq!(
            settled("acme:uid-1", "acme:uid-1:2"),
            MarkVerdict::Settling,
            "in between another cluster had it, and its licence may still run"
        );
    }

    #[test]
    fn a_mark_that_went_away_is_followed_by_a_higher_number_and_a_first_one_has_none() {
        let mut first = mark(None);
        first.on_read(None, at(0));
        assert_eq!(
            (first.verdict(at(0)), first.own.as_str()),
            (MarkVerdict::Write, US)
        );
        let mut after = started(US, None, "acme:uid-0:4");
        after.on_read(None, at(20));
        after.on_read(None, at(25));
        assert_eq!(
            (after.verdict(at(25)), after.own.as_str()),
            (MarkVerdict::Write, "acme:uid-1:5")
        );
    }
}
