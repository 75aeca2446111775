//! In which order objects and steps have their turn.
//!
//! AWS creates five accounts at a time and is changed by one call at a time: both queues are shared by all namespaces, and
//! no namespace may wait for another's hundreds. So it is one from each namespace in turn, the oldest first; for
//! creations the namespace that has the fewest under way or begun within the last hour goes first, for steps the one
//! whose last turn is longest ago.

use crate::{Input, creation, creation::Standing};
use jiff::{SignedDuration, Timestamp};
use model::{Class, DesiredAccount, JournalEntry, Step};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
};

/// How long a creation counts for its namespace. Not longer: who got nothing for an hour stands first by age, whoever
/// comes after it, so nobody starves.
const MEMORY: SignedDuration = SignedDuration::from_hours(1);

/// One accepted object with what is remembered of it.
pub(crate) type Member<'a> = (&'a DesiredAccount, &'a JournalEntry);

/// The waiting objects of one namespace, oldest first.
struct Line<'a> {
    members: VecDeque<Member<'a>>,
    /// Creations it has under way or had lately, this plan's included.
    served: usize,
}

/// What came of an object's turn.
pub(crate) enum Turn {
    /// It took a place.
    Placed,
    /// It did not need one, or cannot go on.
    Passed,
    /// No place is left, and nothing of the budgets.
    NoneLeft,
}

/// Objects that wait for a place among the creations.
#[derive(Default)]
pub(crate) struct Queue<'a> {
    lines: Vec<Line<'a>>,
    /// Who is next: served least, waits longest.
    next: BinaryHeap<Reverse<(usize, Timestamp, usize)>>,
}

/// Sorts the accepted objects: those that have an account or a place, in the order they are planned in, and those that
/// wait for one.
pub(crate) fn sort<'a>(
    input: &Input<'a>,
    members: impl Iterator<Item = Member<'a>>,
) -> (Vec<Member<'a>>, Queue<'a>) {
    let (mut first, mut rest) = (Vec::new(), Vec::with_capacity(input.desired.accounts.len()));
    let mut queue = Queue::default();
    let mut namespace = "";
    for (desired, entry) in members {
        if entry.account_id.is_some() {
            rest.push((desired, entry));
            continue;
        }
        // Objects come sorted by namespace.
        if queue.lines.is_empty() || namespace != desired.key.namespace {
            namespace = &desired.key.namespace;
            queue.lines.push(Line {
                members: VecDeque::new(),
                served: 0,
            });
        }
        let has_place = match creation::standing(input, entry) {
            Standing::None | Standing::Refused | Standing::Failed { .. } => false,
            Standing::Unknown(grace) => !grace.over,
            Standing::Fresh { .. } | Standing::Sending | Standing::InProgress | Standing::Succeeded(_) => {
                true
            }
        };
        if has_place {
            first.push((desired, entry));
        } else if let Some(line) = queue.lines.last_mut() {
            line.members.push_back((desired, entry));
        }
    }
    // Who has a place keeps it, in the order the places were given.
    first.sort_by_key(|(desired, entry)| {
        let started = entry.creation.as_ref().map(|creation| creation.started_at);
        (started, desired.created)
    });
    first.append(&mut rest);
    queue.open(input);
    (first, queue)
}

impl<'a> Queue<'a> {
    fn open(&mut self, input: &Input<'a>) {
        self.lines.retain(|line| !line.members.is_empty());
        if self.lines.is_empty() {
            return;
        }
        let mut served: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, entry) in input.journal {
            let lately = entry
                .creation
                .as_ref()
                .is_some_and(|creation| input.now.duration_since(creation.started_at) < MEMORY);
            if lately {
                *served.entry(&key.namespace).or_default() += 1;
            }
        }
        for (number, line) in self.lines.iter_mut().enumerate() {
            line.members
                .make_contiguous()
                .sort_by_key(|(desired, _)| desired.created);
            if let Some((desired, _)) = line.members.front() {
                line.served = served
                    .get(desired.key.namespace.as_str())
                    .copied()
                    .unwrap_or_default();
                self.next.push(Reverse((line.served, desired.created, number)));
            }
        }
    }

    /// Gives each object its turn; `plan` says what came of it.
    pub(crate) fn each(mut self, mut plan: impl FnMut(Member<'a>) -> Turn) {
        while let Some(Reverse((_, _, number))) = self.next.pop() {
            let Some(line) = self.lines.get_mut(number) else {
                return;
            };
            let Some(member) = line.members.pop_front() else {
                continue;
            };
            match plan(member) {
                Turn::Placed => line.served += 1,
                Turn::Passed => {}
                // Nothing is left to be fair about: the rest comes as it stands, which is cheaper.
                Turn::NoneLeft => break,
            }
            if let Some((desired, _)) = line.members.front() {
                self.next.push(Reverse((line.served, desired.created, number)));
            }
        }
        for member in self.lines.into_iter().flat_map(|line| line.members) {
            plan(member);
        }
    }
}

/// Puts the steps in their order. `ages`: when the object of each step was made.
pub(crate) fn order(input: &Input<'_>, steps: &mut Vec<Step>, ages: &[Timestamp]) {
    struct Place {
        class: (usize, Class),
        namespace: usize,
        turn: u64,
        age: Timestamp,
        at: usize,
    }
    // Classes that were passed over for too long come before all others.
    let overdue = input.turns.overdue(input.now);
    let urgency = |class: Class| {
        let late = overdue.iter().position(|late| *late == class);
        (late.unwrap_or(overdue.len()), class)
    };
    let mut namespaces: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    let mut last = ("", (0, 0));
    let mut places: Vec<Place> = Vec::with_capacity(steps.len());
    for (at, (step, age)) in steps.iter().zip(ages).enumerate() {
        let name = step.key.as_ref().map_or("", |key| key.namespace.as_str());
        if at == 0 || name != last.0 {
            let number = namespaces.len();
            let namespace = namespaces
                .entry(name)
                .or_insert_with(|| (number, input.turns.last(name)));
            last = (name, *namespace);
        }
        let (namespace, turn) = last.1;
        places.push(Place {
            class: urgency(step.action.class()),
            namespace,
            turn,
            age: *age,
            at,
        });
    }
    // The oldest of each namespace, then the second of each, and so on.
    places.sort_unstable_by_key(|place| (place.class, place.namespace, place.age, place.at));
    let mut ranked = Vec::with_capacity(places.len());
    let (mut before, mut rank) = (None, 0_usize);
    for place in &places {
        let line = Some((place.class, place.namespace));
        rank = if line == before { rank + 1 } else { 0 };
        before = line;
        ranked.push((place.class, rank, place.turn, place.age, place.at));
    }
    ranked.sort_unstable();
    let mut unsorted: Vec<Option<Step>> = std::mem::take(steps).into_iter().map(Some).collect();
    steps.extend(
        ranked
            .into_iter()
            .filter_map(|(_, _, _, _, at)| unsorted.get_mut(at)?.take()),
    );
}
