//! Faults from a seed: which request goes wrong, and how.

mod plan;

pub use plan::{Fault, FaultPlan, FaultPlanError, FaultRule, Verb};

use crate::random::Random;
use jiff::Timestamp;
use std::time::Duration;

/// A request, or a line of a watch, that a fault has hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultHit {
    /// When the fault was decided, by the injected clock.
    pub at: Timestamp,
    /// What goes wrong.
    pub fault: Fault,
    /// The index of the rule in its plan.
    pub rule: usize,
    /// What the client does.
    pub verb: Verb,
    /// Plural and group, with `/status` if that was asked for: `widgets.example.dev/status`.
    pub resource: String,
    /// Empty for cluster-scoped objects and for requests to all namespaces.
    pub namespace: String,
    /// Empty where the request names no object.
    pub name: String,
    /// Which client, see [`Kubesim::service_named`](crate::Kubesim::service_named).
    pub client: String,
}

/// What a rule is asked about.
#[derive(Clone, Debug)]
pub(crate) struct Occasion {
    pub(crate) verb: Verb,
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) client: String,
    pub(crate) moment: Moment,
}

/// The moments at which something can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A request comes; `continues` a list, perhaps.
    Request { continues: bool },
    /// A running watch has an event to send.
    Event,
    /// A running watch has a bookmark to send.
    Bookmark,
}

impl Moment {
    fn fits(self, fault: Fault, verb: Verb) -> bool {
        match (fault, self) {
            (Fault::WatchStale, moment) => moment == Self::Event,
            (Fault::WatchBroken, moment) => moment != Self::REQUEST && moment != Self::CONTINUED,
            (Fault::Gone, Self::Request { continues }) => continues || verb == Verb::Watch,
            (Fault::Gone, Self::Event | Self::Bookmark) => true,
            (_, moment) => matches!(moment, Self::Request { .. }),
        }
    }

    const REQUEST: Self = Self::Request { continues: false };
    const CONTINUED: Self = Self::Request { continues: true };
}

/// What happens to a request or a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) fault: Fault,
    pub(crate) delay: Duration,
}

/// A plan at work.
pub(crate) struct Faults {
    rules: Vec<Live>,
    since: Timestamp,
}

struct Live {
    rule: FaultRule,
    random: Random,
    matched: u64,
    hits: u64,
}

impl Faults {
    pub(crate) fn new(plan: FaultPlan, since: Timestamp) -> Self {
        // One stream of chance for each rule: what one draws does not depend on what another matches.
        let mut seeds = Random::new(plan.seed);
        let live = |rule| Live {
            rule,
            random: Random::new(seeds.next()),
            matched: 0,
            hits: 0,
        };
        Self {
            rules: plan.rules.into_iter().map(live).collect(),
            since,
        }
    }

    /// The rule that hits, by its index, and what it does.
    pub(crate) fn decide(&mut self, occasion: &Occasion, now: Timestamp) -> Option<(usize, Hit)> {
        let age = Duration::try_from(now.duration_since(self.since)).unwrap_or_default();
        let mut decided = None;
        for (i, live) in self.rules.iter_mut().enumerate() {
            let hits = live.draws(occasion, age);
            if hits && decided.is_none() {
                live.hits += 1;
                let fault = live.rule.fault;
                let delay = live.rule.delay.or(fault.default_delay()).unwrap_or_default();
                decided = Some((i, Hit { fault, delay }));
            }
        }
        decided
    }
}

impl Live {
    /// Counts a matching occasion and says whether the rule hits it.
    fn draws(&mut self, occasion: &Occasion, age: Duration) -> bool {
        let rule = &self.rule;
        let named = |list: &[String]| list.is_empty() || list.contains(&occasion.resource);
        let matches = rule.fault.fits(occasion.verb)
            && occasion.moment.fits(rule.fault, occasion.verb)
            && (rule.verbs.is_empty() || rule.verbs.contains(&occasion.verb))
            && named(&rule.resources)
            && rule.from.is_none_or(|from| age >= from)
            && rule.until.is_none_or(|until| age < until);
        if !matches {
            return false;
        }
        self.matched += 1;
        let drawn = self.random.next() % 100;
        let lucky = match (rule.every, rule.percent) {
            (Some(every), _) => every > 0 && self.matched.is_multiple_of(every),
            (None, percent) => drawn < u64::from(percent.unwrap_or(100)),
        };
        lucky && rule.times.is_none_or(|times| self.hits < times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occasion(verb: Verb, resource: &str) -> Occasion {
        Occasion {
            verb,
            resource: resource.to_owned(),
            namespace: String::new(),
            name: String::new(),
            client: String::new(),
            moment: Moment::REQUEST,
        }
    }

    fn faults(seed: u64, rules: Vec<FaultRule>) -> Faults {
        let plan = FaultPlan {
            version: 1,
            seed,
            rules,
        };
        plan.check().unwrap();
        Faults::new(plan, Timestamp::UNIX_EPOCH)
    }

    /// The requests that are hit, of 200 patches one second apart.
    fn hit(seed: u64, rules: Vec<FaultRule>) -> Vec<(i64, usize)> {
        let mut faults = faults(seed, rules);
        (0..200)
            .filter_map(|second| {
                let now = Timestamp::from_second(second).unwrap();
                let (rule, _) = faults.decide(&occasion(Verb::Patch, "xs.x"), now)?;
                Some((second, rule))
            })
            .collect()
    }

    #[test]
    fn chance_follows_the_seed_and_nothing_else() {
        let percent = |percent| {
            let mut rule = FaultRule::new(Fault::Conflict);
            rule.percent = Some(percent);
            rule
        };
        let some = hit(1, vec![percent(20)]);
        assert!((20..60).contains(&some.len()), "{some:?}");
        assert_eq!(some, hit(1, vec![percent(20)]));
        assert_ne!(some, hit(2, vec![percent(20)]));
        assert_eq!(hit(1, vec![percent(0)]).len(), 0);
        assert_eq!(hit(1, vec![percent(100)]).len(), 200);
        // A second rule does not change the luck of the first.
        let both = hit(1, vec![percent(20), percent(50)]);
        let first: Vec<_> = both.iter().copied().filter(|(_, rule)| *rule == 0).collect();
        assert_eq!(first, some);
        assert!(both.len() > 80, "{both:?}");
    }

    #[test]
    fn windows_counts_and_names_narrow_a_rule() {
        let base = FaultRule::new(Fault::Hang);
        let seconds =
            |rule: FaultRule| -> Vec<i64> { hit(1, vec![rule]).into_iter().map(|(s, _)| s).collect() };
        let every = FaultRule {
            every: Some(70),
            ..base.clone()
        };
        assert_eq!(seconds(every), [69, 139]);
        let window = FaultRule {
            from: Some(Duration::from_secs(5)),
            until: Some(Duration::from_secs(8)),
            ..base.clone()
        };
        assert_eq!(seconds(window), [5, 6, 7]);
        let twice = FaultRule {
            times: Some(2),
            ..base.clone()
        };
        assert_eq!(seconds(twice), [0, 1]);
        for (verbs, resources, hits) in [
            (vec![Verb::Get, Verb::Patch], vec!["xs.x".to_owned()], 200),
            (vec![Verb::Get], vec![], 0),
            (vec![], vec!["xs.x/status".to_owned()], 0),
            (vec![], vec!["ys".to_owned(), "xs.x".to_owned()], 200),
        ] {
            let rule = FaultRule {
                verbs,
                resources,
                ..base.clone()
            };
            assert_eq!(seconds(rule).len(), hits);
        }
    }

    #[test]
    fn each_fault_has_its_moments() {
        let moments = [
            Moment::REQUEST,
            Moment::CONTINUED,
            Moment::Event,
            Moment::Bookmark,
        ];
        for fault in Fault::ALL {
            let hits = |verb| {
                moments.map(|moment| {
                    let occasion = Occasion {
                        moment,
                        ..occasion(verb, "xs.x")
                    };
                    faults(1, vec![FaultRule::new(fault)])
                        .decide(&occasion, Timestamp::UNIX_EPOCH)
                        .is_some()
                })
            };
            let (watch, list, patch) = match fault {
                Fault::WatchBroken => ([false, false, true, true], [false; 4], [false; 4]),
                Fault::WatchStale => ([false, false, true, false], [false; 4], [false; 4]),
                Fault::Gone => ([true; 4], [false, true, true, true], [false; 4]),
                _ if fault.fits(Verb::List) => {
                    let requests = [true, true, false, false];
                    (requests, requests, requests)
                }
                _ => ([false; 4], [false; 4], [true, true, false, false]),
            };
            assert_eq!(
                (hits(Verb::Watch), hits(Verb::List), hits(Verb::Patch)),
                (watch, list, patch),
                "{fault:?}"
            );
        }
    }
}
