//! Promotions: before anything is resolved, each says which account gets which revision. What it says is stored first.

use super::{Driver, approvals::Decided, resolve::Objects};
use crate::{
    events::Happening,
    promotion::{self as bridge, Baselines, Pins},
};
use ::promotion::{
    Effects, GateSpec, Input, Measure, MeasureKey, Measured, RevisionFact, Step, advance, effects, halt,
};
use api::{BaselineRevision, EnvironmentPromotion};
use desired::{Decoded, Given, Pinning, Promoted};
use executor::{Access, Clock, Organizations};
use futures::{FutureExt, future::LocalBoxFuture};
use gates::Gates;
use jiff::Timestamp;
use kube::ResourceExt;
use model::{AssignedBy, MarkVerdict, PromotedBy, Revision, RevisionName};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
};

/// Makes the measurements that gates ask for.
#[derive(Clone)]
pub struct Measuring {
    measure: Rc<MeasureOne>,
    check: Rc<CheckOne>,
}

type MeasureOne = dyn Fn(Measure, Timestamp) -> LocalBoxFuture<'static, Measured>;
type CheckOne = dyn Fn(&GateSpec) -> Result<(), (String, String)>;

/// As this implementation does it.
pub fn measuring<G: Gates + 'static>(gates: G) -> Measuring {
    let checking = gates.clone();
    Measuring {
        measure: Rc::new(move |measure, now| {
            let gates = gates.clone();
            async move { gates.measure(measure, now).await }.boxed_local()
        }),
        check: Rc::new(move |gate| checking.check(gate)),
    }
}

/// Conditions of gates that are remembered at most; there are a few dozen.
const CONDITIONS: usize = 1000;

/// What was found of conditions in CEL: they are asked for at every turn, and to parse one costs more than the rest of it.
#[derive(Debug, Default)]
pub(super) struct Conditions(RefCell<BTreeMap<String, Result<(), String>>>);

impl Conditions {
    fn judge(&self, text: &str) -> Result<(), String> {
        let mut known = self.0.borrow_mut();
        if let Some(found) = known.get(text) {
            return found.clone();
        }
        if known.len() >= CONDITIONS {
            known.clear();
        }
        let found = gates::check_condition(text);
        known.insert(text.to_owned(), found.clone());
        found
    }
}

/// A measurement that has ended: of which object, which, and what it brought.
pub(super) type MeasureDone = (String, MeasureKey, Measured);

/// What has been measured and is still asked for, by the UID of the promotion.
#[derive(Debug, Default)]
pub(super) struct Measurements {
    under_way: BTreeSet<(String, MeasureKey)>,
    done: BTreeMap<String, BTreeMap<MeasureKey, Measured>>,
}

impl Measurements {
    /// Forgets what nobody asks for any more; says what is to be begun.
    fn asked(&mut self, uid: &str, wanted: &[Measure]) -> Vec<Measure> {
        let keys: BTreeSet<&MeasureKey> = wanted.iter().map(|measure| &measure.key).collect();
        if let Some(done) = self.done.get_mut(uid) {
            done.retain(|key, _| keys.contains(key));
        }
        let known = |key: &MeasureKey| self.done.get(uid).is_some_and(|done| done.contains_key(key));
        let begin: Vec<Measure> = wanted
            .iter()
            .filter(|measure| !known(&measure.key))
            .filter(|measure| !self.under_way.contains(&(uid.to_owned(), measure.key.clone())))
            .cloned()
            .collect();
        self.under_way
            .extend(begin.iter().map(|measure| (uid.to_owned(), measure.key.clone())));
        begin
    }

    pub(super) fn ended(&mut self, (uid, key, measured): MeasureDone) {
        self.under_way.remove(&(uid.clone(), key.clone()));
        self.done.entry(uid).or_default().insert(key, measured);
    }
}

/// What one promotion says, to be published.
pub(crate) struct Said {
    pub(crate) object: Arc<EnvironmentPromotion>,
    /// `None`: another cluster governs the organization, so no step is taken.
    pub(crate) step: Option<Step>,
}

/// What all promotions say.
#[derive(Default)]
pub(crate) struct Spoken {
    pub(crate) promoted: Promoted,
    pub(crate) said: Vec<Said>,
    /// One waits for Approvals, or believes some.
    pub(crate) awaits: bool,
}

/// What this brings, unless it panics: a defect about one object must not end what is done for all.
fn unharmed<T>(about: &str, work: impl FnOnce() -> T) -> Option<T> {
    let brought = catch_unwind(AssertUnwindSafe(work));
    if brought.is_err() {
        tracing::error!(
            about,
            "a step of promotions panicked; accounts keep what they have"
        );
    }
    brought.ok()
}

/// What one promotion does and asks for; where that panics, how it ends; where that panics as well, nothing is said. After a
/// panic nobody knows to which revisions it refers, and which accounts are its own.
fn told(
    name: &str,
    step: impl FnOnce() -> (Step, Effects),
    end: impl FnOnce() -> Step,
    promoted: &mut Promoted,
) -> Option<(Step, Effects)> {
    let told = unharmed(name, step);
    if told.is_some() {
        return told;
    }
    promoted.unjudged = true;
    unharmed(name, end).map(|step| (step, Effects::default()))
}

/// What all promotions say; if that panics, nobody gets another revision and none is removed.
fn spoken(speak: impl FnOnce() -> Spoken) -> Spoken {
    unharmed("all promotions", speak).unwrap_or_else(|| Spoken {
        promoted: Promoted {
            unjudged: true,
            ..Promoted::default()
        },
        ..Spoken::default()
    })
}

impl<A, C> Driver<'_, A, C>
where
    A: Organizations + Access + Clone,
    C: Clock,
{
    /// Every promotion takes its step, and what the stored steps ask for is given on.
    pub(super) fn promote(&mut self, objects: &Objects, decided: &Decided) -> Spoken {
        spoken(|| self.speak(objects, decided))
    }

    fn speak(&mut self, objects: &Objects, decided: &Decided) -> Spoken {
        let now = self.context.clock.now();
        let mut spoken = Spoken::default();
        let good: Vec<&Arc<EnvironmentPromotion>> =
            objects.promotions.values().filter_map(Decoded::good).collect();
        if matches!(self.mark.verdict(now), MarkVerdict::Claimed { .. }) {
            // Nothing moves in an organization that another cluster governs, so no attempt is to run out of time here.
            spoken.promoted.unjudged = true;
            let silent = |object: &Arc<EnvironmentPromotion>| Said {
                object: Arc::clone(object),
                step: None,
            };
            spoken.said.extend(good.into_iter().map(silent));
            return spoken;
        }
        spoken.promoted.unjudged = objects
            .promotions
            .values()
            .any(|promotion| matches!(promotion, Decoded::Poison(_)));
        let baselines = Baselines {
            objects: &objects.baselines,
            at_hand: self.at_hand(&objects.revisions),
        };
        let pinning = Pinning {
            baselines: &objects.baselines,
            promotions: &objects.promotions,
            at_hand: &|name| Some(baselines.at_hand.get(name)?.revision.clone()),
            default_baseline: self.operator.config.default_baseline.as_deref(),
            now: Some(now),
        };
        let pins = bridge::pins(&objects.accounts, &pinning);
        for pin in pins.held.values() {
            self.wake.at(pin.expires_at);
        }
        for object in &good {
            let step = || {
                let conflict = bridge::conflict(object, good.iter().copied());
                self.one(
                    object,
                    objects,
                    &baselines,
                    &pins,
                    conflict.as_deref(),
                    decided,
                    &mut spoken,
                );
            };
            if unharmed(&object.name_any(), step).is_none() {
                spoken.promoted.unjudged = true;
            }
        }
        spoken
            .promoted
            .references
            .extend(pins.given.values().map(|given| given.revision.name.clone()));
        spoken.promoted.given.extend(pins.given);
        spoken.promoted.refused_pins = pins.refused;
        spoken
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "facts of one turn, each made once for all promotions"
    )]
    fn one(
        &mut self,
        object: &Arc<EnvironmentPromotion>,
        objects: &Objects,
        baselines: &Baselines<'_>,
        pins: &Pins,
        conflict: Option<&str>,
        decided: &Decided,
        spoken: &mut Spoken,
    ) {
        let (name, uid) = (object.name_any(), object.uid().unwrap_or_default());
        let written = match bridge::state(object) {
            Ok(written) => written,
            Err(error) => {
                // Written by a later version, or by somebody else: what was given stays given.
                tracing::error!(
                    promotion = name,
                    error,
                    "a promotion cannot be understood; nothing is done for it"
                );
                spoken.promoted.unjudged = true;
                return;
            }
        };
        let facts = baselines.facts(&written.spec.baseline);
        let config = &self.operator.config;
        let targets = bridge::targets(
            &objects.accounts,
            &written.spec.baseline,
            config.default_baseline.as_deref(),
            pins,
        );
        let requests = bridge::requests(object);
        let describe = |environment: &str, from: Option<&Revision>, to: &Revision| {
            let spec = |revision: &Revision| match objects.revisions.get(revision.name.as_str()) {
                Some(Decoded::Good(object)) => Some(&object.spec),
                _ => None,
            };
            desired::describe(environment, from.and_then(spec), spec(to))
        };
        let none = BTreeMap::new();
        let condition = |text: &str| self.conditions.judge(text);
        let decisions = decided.promotions.get(&name).map_or(&[][..], Vec::as_slice);
        let input = Input {
            name: &name,
            uid: &uid,
            generation: object.metadata.generation.unwrap_or_default(),
            spec: &written.spec,
            requests: &requests,
            state: &written.state,
            revisions: &facts.revisions,
            latest: facts.latest.as_ref(),
            environments: facts.environments.as_ref(),
            targets: &targets,
            allowed_hosts: &config.gates.allowed_hosts,
            condition: &condition,
            gate: &*self.operator.gates.check,
            measured: self.measurements.done.get(&uid).unwrap_or(&none),
            approval_policy: &decided.approvals.policy,
            author_policy: &decided.authors,
            decisions,
            describe: &describe,
            conflict,
            now: self.context.clock.now(),
        };
        let step = || (advance(&input), effects(&input));
        let end = || halt(&input, "a defect of Bulkhead; please report it");
        let Some((step, follows)) = told(&name, step, end, &mut spoken.promoted) else {
            return;
        };
        let wanted = self.measurements.asked(&uid, &follows.measure);
        for measure in wanted {
            let key = measure.key.clone();
            let measured = (self.operator.gates.measure)(measure, self.context.clock.now());
            let uid = uid.clone();
            self.measuring
                .push(async move { (uid, key, measured.await) }.boxed_local());
        }
        if let Some(at) = step.wake {
            self.wake.at(at);
        }
        spoken.awaits |= !step.state.awaiting.is_empty() || step.looks_at_policies;
        take_in(
            &name,
            &written.spec.baseline,
            follows,
            conflict,
            &mut spoken.promoted,
        );
        spoken.said.push(Said {
            object: Arc::clone(object),
            step: Some(step),
        });
    }

    /// Revisions that are stored and hold what their names say.
    fn at_hand(
        &mut self,
        revisions: &BTreeMap<String, Decoded<BaselineRevision>>,
    ) -> BTreeMap<RevisionName, RevisionFact> {
        revisions
            .iter()
            .filter_map(|(name, revision)| self.judged.holds(name, revision.good()?))
            .map(|(revision, environments)| {
                (
                    revision.name.clone(),
                    RevisionFact {
                        revision,
                        environments,
                    },
                )
            })
            .collect()
    }
}

/// What one promotion asks for joins what all of them do.
fn take_in(name: &str, baseline: &str, follows: Effects, conflict: Option<&str>, promoted: &mut Promoted) {
    promoted
        .references
        .extend(follows.references.into_iter().map(|revision| revision.name));
    if conflict.is_some() {
        return;
    }
    promoted
        .governed
        .entry(baseline.to_owned())
        .or_default()
        .extend(follows.current);
    promoted.offered.extend(follows.offered);
    for (key, assignment) in follows.assign {
        let by = Box::new(PromotedBy {
            name: name.to_owned(),
            uid: assignment.by.promotion_uid,
            attempt: assignment.by.attempt,
            stage: assignment.by.stage,
            wave: assignment.by.wave,
            at: assignment.by.at,
        });
        let by = if assignment.rollback {
            AssignedBy::Rollback(by)
        } else {
            AssignedBy::Promotion(by)
        };
        promoted.given.insert(
            key,
            Given {
                revision: assignment.revision,
                by,
            },
        );
    }
}

/// Events of a promotion's step.
pub(super) fn happenings(step: &Step) -> Vec<Happening> {
    step.happenings
        .iter()
        .map(|happening| Happening {
            warning: happening.warning,
            reason: happening.reason.to_owned(),
            note: happening.note.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::promotion::{Phase, Standing, Why};

    #[test]
    fn a_condition_is_judged_once_and_not_forgotten_before_there_are_too_many() {
        let conditions = Conditions::default();
        assert_eq!(conditions.judge("result == 1"), Ok(()));
        let wrong = conditions.judge("result ==").unwrap_err();
        assert_eq!(conditions.judge("result =="), Err(wrong));
        assert_eq!(conditions.0.borrow().len(), 2);
        for number in 0..=CONDITIONS {
            assert_eq!(conditions.judge(&format!("result == {number}")), Ok(()));
        }
        assert!(conditions.0.borrow().len() <= CONDITIONS);
    }

    fn step() -> Step {
        Step {
            state: ::promotion::State::default(),
            looks_at_policies: false,
            phase: Phase::Pending,
            message: "m".into(),
            standing: Standing::Working(Why::Queued),
            conditions: vec![],
            happenings: vec![],
            wake: None,
        }
    }

    fn defect<T>() -> T {
        panic!("a defect")
    }

    #[test]
    fn a_panic_ends_one_attempt_or_silences_one_promotion_and_takes_no_reference_back() {
        let good = || (step(), Effects::default());
        let mut promoted = Promoted::default();
        assert_eq!(told("a", good, defect, &mut promoted), Some(good()));
        assert!(!promoted.unjudged);
        assert_eq!(told("a", defect, step, &mut promoted), Some(good()));
        assert!(promoted.unjudged, "what it referred to is not known");
        promoted.unjudged = false;
        assert_eq!(told("a", defect, defect, &mut promoted), None);
        assert!(promoted.unjudged);
        let silent = spoken(defect);
        assert!(silent.promoted.unjudged && silent.said.is_empty());
        let awaits = spoken(|| Spoken {
            awaits: true,
            ..Spoken::default()
        });
        assert!(awaits.awaits && !awaits.promoted.unjudged);
    }
}
