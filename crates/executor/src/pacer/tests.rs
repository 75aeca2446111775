use super::*;
use jiff::SignedDuration;

const CREATION: Class = Class::Creations;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_767_225_600_000 + millis).unwrap()
}

fn pacer(share: f64) -> Pacer {
    let rates = Rates {
        multiplier: 1.0,
        share,
    };
    Pacer::new(rates, at(0))
}

/// Random numbers from a seed (SplitMix64), below 1.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap()) / f64::from(u32::MAX)
    }
    /// How long a request is on its way: milliseconds.
    fn latency(&mut self) -> i64 {
        20 + millis(self.roll() * 0.23)
    }
}

fn millis(seconds: f64) -> i64 {
    i64::try_from(SignedDuration::from_secs_f64(seconds).as_millis()).unwrap()
}

/// AWS's bucket, to the millisecond: a call that arrives takes a token or is refused.
struct Aws {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: i64,
}

impl Aws {
    fn takes(&mut self, now: i64) -> bool {
        let seconds = SignedDuration::from_millis(now - self.at).as_secs_f64();
        self.tokens = (self.tokens + seconds * self.rate).min(self.burst);
        self.at = now;
        let full = self.tokens >= 1.0 - 1e-9;
        if full {
            self.tokens -= 1.0;
        }
        full
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// We ask the pacer.
    Ask,
    /// Our request that was sent then arrives.
    Arrives(i64),
    /// We hear that the request that was sent then was refused.
    Refused(i64),
    /// Another tool's request arrives.
    Other,
}

struct Outcome {
    calls: u32,
    refused: u32,
    seconds: f64,
}

impl Outcome {
    fn refused_share(&self) -> f64 {
        f64::from(self.refused) / f64::from(self.calls)
    }
    fn accepted_per_second(&self) -> f64 {
        f64::from(self.calls - self.refused) / self.seconds
    }
}

/// Sends calls as fast as the pacer lets us, while another tool takes its part of AWS's rate from `from` seconds to
/// `until` seconds.
fn run(family: Family, calls: u32, (share, others): (f64, f64), seed: u64) -> Outcome {
    let (rate, burst) = family.published();
    let mut aws = Aws {
        rate,
        burst,
        tokens: burst,
        at: 0,
    };
    let mut dice = Dice(seed);
    let mut pacer = pacer(share);
    let mut events = std::collections::BTreeSet::from([(0, 0, Event::Ask)]);
    if others > 0.0 {
        events.insert((0, 1, Event::Other));
    }
    let (mut serial, mut sent, mut refused, mut last) = (2, 0, 0, 0);
    let mut others_sent = 0;
    while let Some((now, _, event)) = events.pop_first() {
        serial += 1;
        match event {
            Event::Ask if sent == calls => {}
            Event::Ask => match pacer.take(family, CREATION, at(now)) {
                Ok(()) => {
                    sent += 1;
                    last = now;
                    events.insert((now + dice.latency(), serial, Event::Arrives(now)));
                    events.insert((now, serial + 1, Event::Ask));
                    serial += 1;
                }
                Err(until) => {
                    let wait = until.duration_since(at(now)).as_secs_f64();
                    events.insert((now + millis(wait).max(0) + 1, serial, Event::Ask));
                }
            },
            Event::Arrives(began) => {
                if !aws.takes(now) {
                    refused += 1;
                    events.insert((now + dice.latency(), serial, Event::Refused(began)));
                }
            }
            Event::Refused(began) => pacer.throttled(family, at(began), at(now)),
            Event::Other => {
                aws.takes(now);
                if sent < calls {
                    others_sent += 1;
                    let next = millis(f64::from(others_sent) / (rate * others));
                    events.insert((next.max(now) + dice.latency() - 20, serial, Event::Other));
                }
            }
        }
    }
    Outcome {
        calls: sent,
        refused,
        seconds: SignedDuration::from_millis(last).as_secs_f64(),
    }
}

#[test]
fn alone_the_ceiling_is_reached_and_nothing_is_refused() {
    for family in Family::ALL {
        let outcome = run(*family, 10_000, (1.0, 0.0), 7);
        let (rate, burst) = family.published();
        let part = outcome.accepted_per_second() / rate;
        assert!(
            outcome.refused_share() < 0.02,
            "{family:?}: {} refused",
            outcome.refused
        );
        // A bucket of one request leaves no room for the allowance: its part of the rate is the price.
        let least = if burst > 1.0 + rate / 4.0 { 0.98 } else { 0.79 };
        assert!(part >= least, "{family:?} reaches {part} of AWS's rate");
    }
}

/// Families whose bucket holds more than one request. In a bucket of one (policy types, closures) a call finds what the
/// other tool leaves at that moment, whatever its pace.
fn roomy() -> impl Iterator<Item = Family> {
    Family::ALL
        .iter()
        .copied()
        .filter(|family| family.published().1 > 1.0)
}

#[test]
fn while_another_tool_takes_four_fifths_we_are_seldom_refused_and_go_on() {
    for (share, family) in [1.0, 0.8]
        .into_iter()
        .flat_map(|share| roomy().map(move |f| (share, f)))
    {
        let outcome = run(family, 10_000, (share, 0.8), 11);
        let part = outcome.accepted_per_second() / (0.2 * family.published().0);
        let refused = outcome.refused_share();
        assert!(refused < 0.05, "{family:?} with share {share}: {refused} refused");
        assert!(
            part > 0.7,
            "{family:?} with share {share} makes {part} of what is left"
        );
    }
}

#[test]
fn a_refusal_halves_once_per_episode_and_is_forgotten() {
    let mut pacer = pacer(1.0);
    let rate = |pacer: &Pacer| pacer.buckets[&Family::MoveAccount].rate;
    let now = at(60_000);
    pacer.throttled(Family::MoveAccount, at(59_000), now);
    assert_eq!(
        pacer.take(Family::MoveAccount, Class::Moves, now),
        Err(at(61_000)),
        "no token is left"
    );
    // Two more that were sent before we knew.
    pacer.throttled(Family::MoveAccount, at(59_500), at(60_100));
    pacer.throttled(Family::MoveAccount, now, at(60_200));
    assert!((rate(&pacer) - 1.0).abs() < 1e-9);
    for _ in 0..20 {
        pacer.throttled(Family::MoveAccount, at(61_000), at(61_000));
        pacer.throttled(Family::MoveAccount, at(62_000), at(62_000));
    }
    let floor = rate(&pacer);
    assert!(floor >= 2.0 / 16.0, "{floor}");
    assert!(rate(&pacer) <= 0.5);
    assert!(pacer.ready(Family::MoveAccount, Class::Moves, at(62_000 + 3_600_000)));
    assert!((rate(&pacer) - 2.0).abs() < 1e-9, "an hour without a refusal");
}

#[test]
fn a_term_begins_with_one_token_where_aws_is_changed() {
    let mut pacer = pacer(1.0);
    for family in Family::ALL {
        assert!(pacer.take(*family, CREATION, at(0)).is_ok());
        let again = pacer.take(*family, CREATION, at(0)).is_ok();
        assert_eq!(
            again,
            !family.mutates() && family.published().1 >= 2.5,
            "{family:?}"
        );
    }
    pacer.restart(at(600_000));
    assert!(pacer.take(Family::CreateAccount, CREATION, at(600_000)).is_ok());
    assert_eq!(
        pacer.take(Family::CreateAccount, CREATION, at(600_000)),
        Err(at(610_000))
    );
}

#[test]
fn creations_keep_the_published_rate_after_the_burst() {
    let mut pacer = pacer(1.0);
    // While the mark settles the bucket fills.
    let now = 60_000;
    for _ in 0..2 {
        assert_eq!(pacer.take(Family::CreateAccount, CREATION, at(now)), Ok(()));
    }
    assert_eq!(
        pacer.take(Family::CreateAccount, CREATION, at(now)),
        Err(at(now + 250)),
        "the allowance for jitter"
    );
    assert_eq!(pacer.take(Family::CreateAccount, CREATION, at(now + 250)), Ok(()));
    let next = at(now + 10_250);
    assert_eq!(
        pacer.take(Family::CreateAccount, CREATION, at(now + 250)),
        Err(next)
    );
    assert_eq!(pacer.take(Family::CreateAccount, CREATION, next), Ok(()));
    assert!(pacer.take(Family::CreateAccount, CREATION, next).is_err());
}

#[test]
fn a_share_is_a_share_and_a_clock_that_steps_back_gives_nothing() {
    let mut pacer = pacer(0.5);
    assert!(pacer.take(Family::CreateAccount, CREATION, at(0)).is_ok());
    assert_eq!(
        pacer.take(Family::CreateAccount, CREATION, at(0)),
        Err(at(20_000))
    );
    assert!(pacer.take(Family::CreateAccount, CREATION, at(-60_000)).is_err());
}

#[test]
fn a_pause_is_a_pause() {
    let mut pacer = pacer(1.0);
    pacer.pause(Family::CreateAccount, at(90_000));
    pacer.pause(Family::CreateAccount, at(80_000));
    assert_eq!(
        pacer.take(Family::CreateAccount, CREATION, at(89_999)),
        Err(at(90_000))
    );
    assert!(!pacer.ready(Family::CreateAccount, CREATION, at(89_999)));
    assert!(pacer.take(Family::CreateAccount, CREATION, at(90_000)).is_ok());
    assert!(pacer.ready(Family::MoveAccount, Class::Moves, at(0)));
}

#[test]
fn the_last_token_is_kept_for_the_more_urgent() {
    let mut pacer = pacer(1.0);
    let family = Family::CreateOrganizationalUnit;
    assert!(pacer.take(family, Class::Refreshes, at(0)).is_ok());
    assert_eq!(pacer.take(family, Class::Moves, at(0)), Err(at(1000)));
    assert!(pacer.take(family, Class::Refreshes, at(1000)).is_err());
    assert!(!pacer.ready(family, Class::Refreshes, at(1001)) && pacer.ready(family, Class::Moves, at(1001)));
    assert!(pacer.take(family, Class::Moves, at(1001)).is_ok());
    assert!(
        pacer.take(family, Class::Refreshes, at(2001)).is_ok(),
        "nobody else is on record"
    );

    // Who does not come back has nothing to do any more.
    assert!(pacer.take(family, Class::Moves, at(2001)).is_err());
    assert!(
        pacer.take(family, Class::Refreshes, at(8001)).is_ok(),
        "two tokens by now"
    );
    assert!(pacer.take(family, Class::Refreshes, at(9001)).is_ok());
}

#[test]
fn who_waits_for_half_a_minute_goes_before_all() {
    let mut pacer = pacer(1.0);
    let family = Family::CreateOrganizationalUnit;
    let mut refreshed = None;
    // Moves ask for every token there is; a refresh asks beside them.
    for second in 0..60 {
        let now = at(second * 1000 + 1);
        let refresh = pacer.take(family, Class::Refreshes, now).is_ok();
        if second > 0 && refresh {
            refreshed.get_or_insert(second);
        }
        let _ = pacer.take(family, Class::Moves, now);
        let _ = pacer.take(family, Class::Moves, now);
    }
    assert!(
        refreshed.is_some_and(|second| (29..34).contains(&second)),
        "{refreshed:?}"
    );
}
