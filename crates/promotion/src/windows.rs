//! When waves may begin.
//!
//! A window opens when its schedule comes in its zone's local time, and stays open for its duration in elapsed time. Where
//! that zone's clock goes forward, a schedule inside the missing time opens at its end; where it goes back, a schedule inside
//! the repeated time opens once, at the first of the two.
//!
//! The schedule is cron with five fields as POSIX has it, with names (`MON-FRI`, `JAN`), `7` for Sunday, and steps (`*/15`).
//! Where day of month and day of week are both other than `*`, a day that fits either opens.

use crate::{
    program::{At, Refusal, list, span},
    spec::{WindowSpec, WindowType},
    state::WindowState,
};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime, Time},
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};
use std::fmt;

/// Windows that a stage has at most.
const WINDOWS: usize = 16;
/// How far is looked ahead: the longest a yearly schedule can let wait, 29 February around 2100.
const HORIZON: SignedDuration = SignedDuration::from_hours(24 * 366 * 9);
/// How many openings are looked at. Only windows of minutes that shut one another out for days need more.
const STEPS: u32 = 5_000;
const DAY: SignedDuration = SignedDuration::from_hours(24);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const FIELDS: [&str; 5] = ["minute", "hour", "day of month", "month", "day of week"];
const NAMES: [&[&str]; 5] = [
    &[],
    &[],
    &[],
    &[
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ],
    &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
];

/// The windows of a stage. Any open Deny closes; where there is an Allow, one must be open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Windows(Vec<Window>);

impl Windows {
    /// How they stand at this moment; `None`: there are none, so waves may always begin.
    ///
    /// Closed: `next_open` is the next moment at which waves may begin, and `next_close` when they may no longer after that.
    /// Open: `next_close` is that moment, and `next_open` is absent. Either is absent where nothing changes within nine
    /// years, or within some thousand openings.
    pub fn state(&self, now: Timestamp) -> Option<WindowState> {
        if self.0.is_empty() {
            return None;
        }
        let Some(reason) = self.closed_by(now) else {
            return Some(WindowState {
                closed: false,
                reason: None,
                next_open: None,
                next_close: self.closes(now, &mut Search::from(now)),
            });
        };
        let next_open = self.opens(now, &mut Search::from(now));
        Some(WindowState {
            closed: true,
            reason: Some(reason),
            next_open,
            next_close: next_open.and_then(|open| self.closes(open, &mut Search::from(open))),
        })
    }

    fn of(&self, kind: WindowType) -> impl Iterator<Item = &Window> {
        self.0.iter().filter(move |window| window.kind == kind)
    }

    /// Why no wave may begin, if none may.
    fn closed_by(&self, now: Timestamp) -> Option<String> {
        if let Some(deny) = self.of(WindowType::Deny).find(|window| window.is_open(now)) {
            return Some(format!("{} is open", deny.shown));
        }
        let mut allows = self.of(WindowType::Allow).peekable();
        let first = allows.peek().map(|window| window.shown.clone())?;
        if allows.any(|window| window.is_open(now)) {
            return None;
        }
        let alone = self.of(WindowType::Allow).count() == 1;
        Some(if alone {
            format!("{first} is not open")
        } else {
            "no Allow is open".to_owned()
        })
    }

    /// The first moment from `now` on at which waves may begin.
    fn opens(&self, now: Timestamp, search: &mut Search) -> Option<Timestamp> {
        let mut at = now;
        while search.goes_on(at) {
            let denied = self
                .of(WindowType::Deny)
                .filter_map(|window| window.open_until(at, search))
                .max();
            if let Some(end) = denied {
                at = end;
            } else if self.of(WindowType::Allow).next().is_some()
                && !self.of(WindowType::Allow).any(|window| window.is_open(at))
            {
                at = self
                    .of(WindowType::Allow)
                    .filter_map(|window| window.next(at))
                    .min()?;
            } else {
                return Some(at);
            }
        }
        None
    }

    /// The first moment after `now`, at which waves may begin, when they may no longer.
    fn closes(&self, now: Timestamp, search: &mut Search) -> Option<Timestamp> {
        let denied = self
            .of(WindowType::Deny)
            .filter_map(|window| window.next(now))
            .min();
        let denied = denied.filter(|at| *at < search.horizon);
        if self.of(WindowType::Allow).next().is_none() {
            return denied;
        }
        let mut at = now;
        while search.goes_on(at) && denied.is_none_or(|denied| at < denied) {
            let allowed = self
                .of(WindowType::Allow)
                .filter_map(|window| window.open_until(at, search))
                .max();
            match allowed {
                Some(end) => at = end,
                None => return Some(at),
            }
        }
        denied
    }

    pub(crate) fn judge(at: &At, specs: &[WindowSpec]) -> Result<Self, Refusal> {
        list(at, specs.len(), 0, WINDOWS)?;
        let zones = TimeZoneDatabase::bundled();
        let judge = |(number, spec)| Window::judge(&at.number(number), spec, &zones);
        Ok(Self(
            specs.iter().enumerate().map(judge).collect::<Result<_, _>>()?,
        ))
    }
}

/// How far a search has come.
struct Search {
    horizon: Timestamp,
    steps: u32,
}

impl Search {
    fn from(now: Timestamp) -> Self {
        Self {
            horizon: now.saturating_add(HORIZON).unwrap_or(Timestamp::MAX),
            steps: STEPS,
        }
    }

    fn goes_on(&mut self, at: Timestamp) -> bool {
        self.steps = self.steps.saturating_sub(1);
        self.steps > 0 && at < self.horizon
    }
}

#[derive(Clone, PartialEq)]
struct Window {
    kind: WindowType,
    /// For people: `Deny "0 0 20 12 *" for 336h (Europe/Berlin)`.
    shown: String,
    cron: Cron,
    zone: TimeZone,
    duration: SignedDuration,
    /// On a day that fits, it is open from the first opening to the last without a break; then this is the last.
    unbroken_to: Option<Time>,
}

impl fmt::Debug for Window {
    /// What people wrote; the library's tables say the same in 5000 numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Window {
    fn judge(at: &At, spec: &WindowSpec, zones: &TimeZoneDatabase) -> Result<Self, Refusal> {
        let duration = span(&at.field("duration"), &spec.duration, MINUTE, 366 * DAY)?;
        let name = spec.time_zone.as_deref().unwrap_or("UTC");
        let zone = zones
            .get(name)
            .ok()
            .filter(|zone| !zone.is_unknown())
            .ok_or_else(|| {
                at.field("timeZone")
                    .broken("is the IANA name of a time zone, such as `Europe/Berlin`", name)
            })?;
        let cron = schedule(&at.field("schedule"), &spec.schedule)?;
        let day = day(&cron).ok_or_else(|| {
            at.field("schedule")
                .broken("comes at least once in a hundred years", &spec.schedule)
        })?;
        let (schedule, given) = (&spec.schedule, &spec.duration.0);
        Ok(Self {
            kind: spec.kind,
            shown: format!("{:?} {schedule:?} for {given} ({name})", spec.kind),
            unbroken_to: unbroken_to(&day, duration),
            cron,
            zone,
            duration,
        })
    }

    fn is_open(&self, now: Timestamp) -> bool {
        self.last(now).is_some_and(|(_, start)| self.end(start) > now)
    }

    /// When it closes, openings that follow without a break included; `None`: it is not open. The end of the search is an
    /// answer too.
    fn open_until(&self, now: Timestamp, search: &mut Search) -> Option<Timestamp> {
        let mut at = now;
        while search.goes_on(at) {
            let Some((local, start)) = self.last(at) else {
                break;
            };
            let end = self.end(start);
            if end <= at {
                break;
            }
            at = self.unbroken_end(local, start).unwrap_or(end);
        }
        (at > now).then_some(at)
    }

    /// The end of the last opening of the day, if there is no break until then.
    fn unbroken_end(&self, local: DateTime, start: Timestamp) -> Option<Timestamp> {
        let last = self.opening(local.date().to_datetime(self.unbroken_to?))?;
        let turn = self.zone.following(start).next();
        turn.is_none_or(|turn| turn.timestamp() > last)
            .then(|| self.end(last))
    }

    fn end(&self, start: Timestamp) -> Timestamp {
        start.saturating_add(self.duration).unwrap_or(Timestamp::MAX)
    }

    /// Its last opening up to `now`, that moment included: by the zone's clock, and when it was.
    fn last(&self, now: Timestamp) -> Option<(DateTime, Timestamp)> {
        let local = self.cron.find_previous_occurrence(&self.passed(now), true).ok()?;
        Some((local, self.opening(local)?))
    }

    /// Its first opening after `now`.
    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let local = self.cron.find_next_occurrence(&self.passed(now), false).ok()?;
        self.opening(local)
    }

    /// When a window opens that opens at this local time.
    fn opening(&self, local: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
            AmbiguousOffset::Gap { before, .. } => self.turn(before.to_timestamp(local).ok()?),
        }
    }

    /// The last minute of local time whose openings are not after `now`. In the second of two repeated hours that is the end
    /// of the hour: everything in it has opened in the first.
    fn passed(&self, now: Timestamp) -> DateTime {
        let offset = self.zone.to_offset(now);
        let local = offset.to_datetime(now);
        let local = match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Fold { before, after } if offset == after => self
                .turn(now)
                .and_then(|turn| {
                    before
                        .to_datetime(turn)
                        .checked_sub(SignedDuration::from_nanos(1))
                        .ok()
                })
                .unwrap_or(local),
            _ => local,
        };
        local.date().at(local.hour(), local.minute(), 0, 0)
    }

    /// When the zone's clock was changed last.
    fn turn(&self, now: Timestamp) -> Option<Timestamp> {
        let just_after = now.checked_add(SignedDuration::from_nanos(1)).ok()?;
        self.zone
            .preceding(just_after)
            .next()
            .map(|turn| turn.timestamp())
    }
}

/// Five fields, each with what cron of old knows; the library knows more words, which would then be ours for ever.
fn schedule(at: &At, text: &str) -> Result<Cron, Refusal> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    if fields.len() != FIELDS.len() || text.len() > 256 {
        return Err(at.broken(format!("has five fields: {}", FIELDS.join(", ")), text));
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    for (number, (field, name)) in fields.iter().zip(FIELDS).enumerate() {
        let mut alone = ["*"; FIELDS.len()];
        alone[number] = field;
        if !words(field, NAMES[number]) || parser.parse(&alone.join(" ")).is_err() {
            let range = [
                "0 to 59",
                "0 to 23",
                "1 to 31",
                "1 to 12 or JAN to DEC",
                "0 to 7 or SUN to SAT",
            ][number];
            let rule = format!("is cron, where the field {name:?} has {range} with `*`, `,`, `-` and `/`");
            return Err(at.refuse(format!("{rule}, not {field:?} in {text:?}")));
        }
    }
    parser
        .parse(&fields.join(" "))
        .map_err(|_| at.broken("is cron with five fields", text))
}

/// The library takes a name in whatever field it stands.
fn words(field: &str, names: &[&str]) -> bool {
    field.split([',', '-', '/']).all(|word| {
        word == "*"
            || (!word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()))
            || names.iter().any(|name| name.eq_ignore_ascii_case(word))
    })
}

/// The openings of a day that fits; `None`: there is none.
fn day(cron: &Cron) -> Option<Vec<Time>> {
    let mut at = cron
        .find_next_occurrence(&Date::constant(2000, 1, 1).at(0, 0, 0, 0), true)
        .ok()?;
    let date = at.date();
    let mut openings = Vec::new();
    while at.date() == date {
        openings.push(at.time());
        at = cron.find_next_occurrence(&at, false).ok()?;
    }
    Some(openings)
}

fn unbroken_to(openings: &[Time], duration: SignedDuration) -> Option<Time> {
    let unbroken = |pair: &[Time]| pair[0].duration_until(pair[1]) <= duration;
    openings
        .windows(2)
        .all(unbroken)
        .then(|| openings.last().copied())
        .flatten()
}
