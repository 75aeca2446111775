//! Windows: by example, and against a clock that is read minute by minute.

use super::{full, one, with};
use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::DateTime,
    tz::{TimeZone, TimeZoneDatabase},
};
use promotion::{WindowState, Windows};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn windows(given: &Value) -> Windows {
    one(&with(full(), "/windows", given.clone())).windows
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn state(given: &Value, now: &str) -> WindowState {
    windows(given).state(at(now)).unwrap()
}

fn closed(reason: &str, next_open: Option<&str>, next_close: Option<&str>) -> WindowState {
    let (next_open, next_close) = (next_open.map(at), next_close.map(at));
    WindowState {
        closed: true,
        reason: Some(reason.to_owned()),
        next_open,
        next_close,
    }
}

fn open(next_close: Option<&str>) -> WindowState {
    WindowState {
        closed: false,
        reason: None,
        next_open: None,
        next_close: next_close.map(at),
    }
}

fn window(kind: &str, schedule: &str, duration: &str, zone: &str) -> Value {
    json!({"type": kind, "schedule": schedule, "duration": duration, "timeZone": zone})
}

#[test]
fn without_windows_there_is_nothing_to_say() {
    assert_eq!(Windows::default().state(at("2026-01-01T00:00:00Z")), None);
    assert_eq!(windows(&json!([])).state(at("2026-01-01T00:00:00Z")), None);
}

#[test]
fn the_year_ends_while_a_deny_is_open() {
    let given = json!([window("Deny", "0 0 20 12 *", "336h", "Europe/Berlin")]);
    let reason = "Deny \"0 0 20 12 *\" for 336h (Europe/Berlin) is open";
    assert_eq!(
        state(&given, "2026-12-19T22:59:59Z"),
        open(Some("2026-12-19T23:00:00Z"))
    );
    let shut = closed(reason, Some("2027-01-02T23:00:00Z"), Some("2027-12-19T23:00:00Z"));
    assert_eq!(state(&given, "2026-12-19T23:00:00Z"), shut);
    assert_eq!(state(&given, "2027-01-02T22:59:59.999Z"), shut);
    assert_eq!(
        state(&given, "2027-01-02T23:00:00Z"),
        open(Some("2027-12-19T23:00:00Z"))
    );
}

#[test]
fn a_deny_cuts_an_allow_in_two() {
    let given = json!([
        window("Allow", "0 9 * * MON-FRI", "8h", "Europe/Berlin"),
        window("Deny", "0 12 * * *", "1h", "Europe/Berlin"),
    ]);
    // 2026-11-06 is a Friday.
    assert_eq!(
        state(&given, "2026-11-06T08:00:00Z"),
        open(Some("2026-11-06T11:00:00Z"))
    );
    let deny = "Deny \"0 12 * * *\" for 1h (Europe/Berlin) is open";
    let shut = closed(deny, Some("2026-11-06T12:00:00Z"), Some("2026-11-06T16:00:00Z"));
    assert_eq!(state(&given, "2026-11-06T11:30:00Z"), shut);
    let allow = "Allow \"0 9 * * MON-FRI\" for 8h (Europe/Berlin) is not open";
    let shut = closed(allow, Some("2026-11-09T08:00:00Z"), Some("2026-11-09T11:00:00Z"));
    assert_eq!(state(&given, "2026-11-06T16:00:00Z"), shut);
    assert_eq!(state(&given, "2026-11-09T07:59:59Z"), shut);
}

#[test]
fn allows_that_overlap_are_one() {
    let given = json!([
        {"type": "Allow", "schedule": "0 8 * * *", "duration": "4h"},
        {"type": "Allow", "schedule": "0 10 * * *", "duration": "4h"},
        {"type": "Allow", "schedule": "0 14 * * 7", "duration": "1h"},
    ]);
    assert_eq!(
        state(&given, "2026-11-06T09:00:00Z"),
        open(Some("2026-11-06T14:00:00Z"))
    );
    assert_eq!(
        state(&given, "2026-11-08T09:00:00Z"),
        open(Some("2026-11-08T15:00:00Z"))
    );
    let (next_open, next_close) = (Some("2026-11-07T08:00:00Z"), Some("2026-11-07T14:00:00Z"));
    assert_eq!(
        state(&given, "2026-11-06T20:00:00Z"),
        closed("no Allow is open", next_open, next_close)
    );
}

#[test]
fn a_schedule_in_the_missing_hour_opens_at_its_end() {
    for schedule in ["30 2 * * *", "0 2 * * *", "0 3 * * *"] {
        let given = json!([window("Allow", schedule, "1h", "Europe/Berlin")]);
        let shut = state(&given, "2026-03-29T00:59:59Z");
        assert_eq!(shut.next_open, Some(at("2026-03-29T01:00:00Z")), "{schedule}");
        assert_eq!(shut.next_close, Some(at("2026-03-29T02:00:00Z")), "{schedule}");
    }
}

#[test]
fn a_schedule_in_the_repeated_hour_opens_once() {
    let given = json!([window("Allow", "30 2 * * *", "20m", "Europe/Berlin")]);
    let now = state(&given, "2026-10-24T12:00:00Z");
    assert_eq!(now.next_open, Some(at("2026-10-25T00:30:00Z")));
    assert_eq!(now.next_close, Some(at("2026-10-25T00:50:00Z")));
    for later in [
        "2026-10-25T00:50:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T01:40:00Z",
    ] {
        let now = state(&given, later);
        assert_eq!(now.next_open, Some(at("2026-10-26T01:30:00Z")), "{later}");
    }
}

#[test]
fn a_duration_is_elapsed_time() {
    let given = json!([window("Allow", "0 0 * * *", "12h", "America/New_York")]);
    assert_eq!(
        state(&given, "2026-03-08T05:00:00Z"),
        open(Some("2026-03-08T17:00:00Z"))
    );
    assert_eq!(
        state(&given, "2026-11-01T04:00:00Z"),
        open(Some("2026-11-01T16:00:00Z"))
    );
}

#[test]
fn day_of_month_and_day_of_week_are_either() {
    // 2026-11-13 is a Friday.
    let next = |schedule: &str, now: &str| {
        let given = json!([window("Allow", schedule, "1h", "UTC")]);
        state(&given, now).next_open.unwrap().to_string()
    };
    assert_eq!(
        next("0 0 15 * FRI", "2026-11-12T12:00:00Z"),
        "2026-11-13T00:00:00Z"
    );
    assert_eq!(
        next("0 0 15 * fri", "2026-11-13T12:00:00Z"),
        "2026-11-15T00:00:00Z"
    );
    assert_eq!(next("0 0 15 * *", "2026-11-12T12:00:00Z"), "2026-11-15T00:00:00Z");
    assert_eq!(next("0 0 * * 7", "2026-11-12T12:00:00Z"), "2026-11-15T00:00:00Z");
    assert_eq!(next("0 0 * * 0", "2026-11-12T12:00:00Z"), "2026-11-15T00:00:00Z");
    assert_eq!(
        next("0 0 * FEB-apr 5-7", "2026-11-12T12:00:00Z"),
        "2027-02-05T00:00:00Z"
    );
    assert_eq!(
        next("  5,50-59/4  */6 1 1 *  ", "2026-11-12T12:00:00Z"),
        "2027-01-01T00:05:00Z"
    );
    assert_eq!(next("0 0 29 2 *", "2026-11-12T12:00:00Z"), "2028-02-29T00:00:00Z");
}

#[test]
fn a_window_without_a_break_is_no_change() {
    let always = |kind: &str, minutes: &str| window(kind, "* * * * *", minutes, "Europe/Berlin");
    // Shorter than the repeated hour: in it nothing opens.
    let shut = closed(
        "Deny \"* * * * *\" for 1m (Europe/Berlin) is open",
        Some("2026-10-25T01:00:00Z"),
        Some("2026-10-25T02:00:00Z"),
    );
    assert_eq!(
        state(&json!([always("Deny", "1m")]), "2026-01-01T00:00:00Z"),
        shut
    );
    let shut = closed("Deny \"* * * * *\" for 61m (Europe/Berlin) is open", None, None);
    assert_eq!(
        state(&json!([always("Deny", "61m")]), "2026-01-01T00:00:00Z"),
        shut
    );
    assert_eq!(
        state(&json!([always("Allow", "61m")]), "2026-01-01T00:00:00Z"),
        open(None)
    );
    let given = json!([
        window("Deny", "0 0 * * *", "8784h", "UTC"),
        always("Allow", "61m")
    ]);
    assert_eq!(state(&given, "2026-01-01T00:00:00Z").next_open, None);
}

#[test]
fn windows_that_shut_each_other_out_are_given_up_on() {
    let given = json!([
        window("Allow", "1-59/2 * * * *", "1m", "UTC"),
        window("Deny", "1-59/2 * * * *", "1m", "UTC")
    ]);
    let now = state(&given, "2026-01-01T00:00:00Z");
    assert_eq!((now.closed, now.next_open, now.next_close), (true, None, None));
}

#[test]
fn the_far_ends_of_time_are_answered() {
    let given = json!([
        window("Allow", "0 0 * * *", "1h", "Europe/Berlin"),
        window("Deny", "5 0 1 * *", "1h", "UTC")
    ]);
    for now in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
        assert!(windows(&given).state(now).is_some(), "{now}");
    }
}

/// A day that was left out, and one that came twice.
#[test]
fn a_day_may_be_missing() {
    let given = json!([window("Allow", "0 9 30 12 *", "2h", "Pacific/Apia")]);
    let now = state(&given, "2011-12-30T00:00:00Z");
    assert_eq!(now.next_open, Some(at("2011-12-30T10:00:00Z")));
    assert_eq!(now.next_close, Some(at("2011-12-30T12:00:00Z")));
}

/// A field of cron: as written, and what it means.
type Field = (String, BTreeSet<i8>);

fn field(least: i8, most: i8) -> impl Strategy<Value = Field> {
    let value = least..=most;
    prop_oneof![
        3 => Just(("*".to_owned(), value.clone().collect())),
        2 => (1..=most).prop_map(move |step| {
            (format!("*/{step}"), (least..=most).step_by(usize::from(step.unsigned_abs())).collect())
        }),
        2 => (value.clone(), value.clone()).prop_map(|(a, b)| (format!("{a},{b}"), BTreeSet::from([a, b]))),
        2 => (value.clone(), value).prop_map(|(a, b)| {
            let (from, to) = (a.min(b), a.max(b));
            (format!("{from}-{to}"), (from..=to).collect())
        }),
    ]
}

#[derive(Clone, Debug)]
struct Drawn {
    allow: bool,
    minute: Field,
    hour: Field,
    day: Field,
    weekday: Field,
    minutes: i64,
}

impl Drawn {
    fn written(&self, zone: &str) -> Value {
        let (minute, hour, day, weekday) = (&self.minute.0, &self.hour.0, &self.day.0, &self.weekday.0);
        let schedule = format!("{minute} {hour} {day} * {weekday}");
        window(
            if self.allow { "Allow" } else { "Deny" },
            &schedule,
            &format!("{}m", self.minutes),
            zone,
        )
    }

    fn fits(&self, local: DateTime) -> bool {
        let day = self.day.1.contains(&local.day());
        let number = local.weekday().to_sunday_zero_offset();
        let weekday = self.weekday.1.contains(&number) || (number == 0 && self.weekday.1.contains(&7));
        let fits = match (self.day.0 == "*", self.weekday.0 == "*") {
            (false, false) => day || weekday,
            _ => day && weekday,
        };
        fits && self.hour.1.contains(&local.hour()) && self.minute.1.contains(&local.minute())
    }
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let minutes = prop_oneof![1..10_i64, 10..120_i64, 120..3000_i64];
    let days = (
        prop_oneof![2 => Just(None), 1 => field(1, 31).prop_map(Some)],
        field(0, 7),
    );
    (any::<bool>(), field(0, 59), field(0, 23), days, minutes).prop_map(
        |(allow, minute, hour, days, minutes)| {
            let day = days.0.unwrap_or_else(|| ("*".to_owned(), (1..=31).collect()));
            Drawn {
                allow,
                minute,
                hour,
                day,
                weekday: days.1,
                minutes,
            }
        },
    )
}

/// Zones, and a moment at which their clocks change.
const TURNS: [(&str, &str); 8] = [
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("UTC", "2026-12-31T00:00:00Z"),
];

/// Minutes before and after the turn that are looked at, and minutes before those in which a window may have opened.
const SPAN: i64 = 2 * 24 * 60;
const LEAD: i64 = 2 * 24 * 60 + 120;

/// Reads the zone's clock minute by minute: a window opens when the clock first shows its time, or first shows a later one.
/// Says for each minute whether waves may begin.
fn read(drawn: &[Drawn], zone: &TimeZone, turn: Timestamp) -> Vec<bool> {
    let first = turn - (SPAN + LEAD).minutes();
    let mut shown = zone.to_datetime(first) - 1.minutes();
    let mut until = vec![Timestamp::MIN; drawn.len()];
    let mut may = Vec::new();
    for minute in 0..LEAD + 2 * SPAN {
        let now = first + minute.minutes();
        let local = zone.to_datetime(now);
        while shown < local {
            shown += 1.minutes();
            for (window, until) in drawn.iter().zip(&mut until) {
                if window.fits(shown) {
                    *until = now + SignedDuration::from_mins(window.minutes);
                }
            }
        }
        let open = |allow: bool| {
            drawn
                .iter()
                .zip(&until)
                .any(|(window, until)| window.allow == allow && *until > now)
        };
        let allows = drawn.iter().any(|window| window.allow);
        may.push(!open(false) && (!allows || open(true)));
    }
    may.split_off(usize::try_from(LEAD).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn it_agrees_with_the_clock(drawn in prop::collection::vec(drawn(), 1..4), turn in 0..TURNS.len()) {
        let (name, turn) = TURNS[turn];
        let (zone, turn) = (TimeZoneDatabase::bundled().get(name).unwrap(), at(turn));
        let may = read(&drawn, &zone, turn);
        let written: Vec<Value> = drawn.iter().map(|window| window.written(name)).collect();
        let windows = windows(&Value::Array(written));
        let first = turn - SPAN.minutes();
        let end = first + (2 * SPAN).minutes();
        let time = |minute: usize| first + i64::try_from(minute).unwrap().minutes();
        // The first minute from each on that says so; beyond the last: nothing is known but that it is later.
        let next = |from: usize, wanted: bool| may[from..].iter().position(|may| *may == wanted).map(|n| time(from + n));
        let changes = |minute: &usize| *minute > 0 && may[*minute] != may[minute - 1];
        let near = |minute: &usize| time(*minute).duration_since(turn).as_mins().abs() < 150 && minute.is_multiple_of(7);
        for minute in (0..may.len()).filter(|minute| minute.is_multiple_of(397) || near(minute) || changes(minute) || changes(&(minute + 1).min(may.len() - 1))) {
            let now = time(minute);
            let state = windows.state(now).unwrap();
            prop_assert_eq!(state.closed, !may[minute], "at {}", now);
            prop_assert_eq!(state.reason.is_some(), state.closed);
            let known = |said: Option<Timestamp>, read: Option<Timestamp>| match read {
                Some(_) => said == read,
                None => said.is_none_or(|said| said >= end),
            };
            if state.closed {
                let open = next(minute, true);
                prop_assert!(known(state.next_open, open), "at {now}: opens {:?}, read {open:?}", state.next_open);
                if let Some(open) = open {
                    let from = usize::try_from(open.duration_since(first).as_mins()).unwrap();
                    let close = next(from, false);
                    prop_assert!(known(state.next_close, close), "at {now}: closes {:?}, read {close:?}", state.next_close);
                }
            } else {
                prop_assert_eq!(state.next_open, None);
                let close = next(minute, false);
                prop_assert!(known(state.next_close, close), "at {now}: closes {:?}, read {close:?}", state.next_close);
            }
            // Within a minute nothing changes.
            let later = windows.state(now + SignedDuration::from_millis(59_999)).unwrap();
            prop_assert_eq!(later, state, "at {} and within the minute", now);
        }
    }
}
