//! What happens in some seeds only, and what whoever looks for defects is most curious about.

use super::{Event, OBJECTS, OtherTool, Scenario, teams::baseline};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{ops::Range, time::Duration};

/// Longer than the operator needs to see a tag that another tool wrote: before a key becomes its own it reads the account, and
/// what it reads can be behind.
const SEEN: Range<u64> = 45..480;

/// A stream of its own: what else happens in a seed does not depend on it.
pub(super) fn stream(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed ^ 0x0dd5_0fa1_1000_7a3e)
}

impl Scenario {
    pub(super) fn rarities(&mut self, random: &mut StdRng) {
        if random.random_bool(0.15) {
            self.slots_taken(random);
        }
        if self.disaster.is_some() {
            return;
        }
        if random.random_bool(0.2) {
            self.revision_lost(random);
        }
        if random.random_bool(0.25) {
            self.tag_becomes_ours(random);
        }
    }

    /// Another tool takes every place for policies on an account, for a while.
    fn slots_taken(&mut self, random: &mut StdRng) {
        let pick = random.random_range(0..OBJECTS);
        let at = self.moment(random) / 2;
        self.events.push((at, Event::OtherTool(OtherTool::Fill { pick })));
        self.events.push((self.calm, Event::OtherTool(OtherTool::Clear)));
    }

    /// A BaselineRevision is deleted, and imported again.
    fn revision_lost(&mut self, random: &mut StdRng) {
        let at = self.moment(random);
        let pick = random.random_range(0..OBJECTS);
        self.events.push((at, Event::LoseRevision { pick }));
        let again = at + Duration::from_secs(random.random_range(1..180));
        self.events.push((again, Event::ImportRevision));
    }

    /// A team's own tag is on an account when the Baseline begins to ask for one of that key; a person decides.
    fn tag_becomes_ours(&mut self, random: &mut StdRng) {
        let asks = |(_, event): &(Duration, Event)| matches!(event, Event::Commit(object) if object.to_string().contains("\"crew\""));
        // Where only promotions bring what the Baseline asks for, nothing would come of it.
        if self.promotes || self.events.iter().any(asks) {
            return;
        }
        let (pick, value) = (random.random_range(0..OBJECTS), "of-their-own".to_owned());
        let at = self.moment(random).max(self.calm / 3);
        let tag = OtherTool::Tag {
            pick,
            key: "crew",
            value,
        };
        self.events.push((at, Event::OtherTool(tag)));
        let at = at + Duration::from_secs(random.random_range(SEEN));
        self.events.push((at, Event::Commit(baseline(true))));
        let thinks = Duration::from_secs(random.random_range(0..600));
        self.events.push((at + thinks, Event::Approve));
    }
}
