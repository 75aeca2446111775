//! Pins (`spec.baselinePin`): which revision an owner keeps for a time, if it may.

use crate::{Decoded, lines::revision};
use api::{AwsAccount, Baseline, EnvironmentPromotion};
use jiff::{SignedDuration, Timestamp};
use model::{Revision, RevisionName};
use std::collections::BTreeMap;

/// How long a pin may last where the Baseline does not say: 720 hours.
const LONGEST: SignedDuration = SignedDuration::from_hours(720);

/// What pins are judged by.
#[derive(Clone, Copy)]
pub struct Pinning<'a> {
    /// Every Baseline by name.
    pub baselines: &'a BTreeMap<String, Decoded<Baseline>>,
    /// Every EnvironmentPromotion by name.
    pub promotions: &'a BTreeMap<String, Decoded<EnvironmentPromotion>>,
    /// The revision of this name, if it is stored and holds what its name says.
    pub at_hand: &'a dyn Fn(&RevisionName) -> Option<Revision>,
    /// The Baseline of objects that name none.
    pub default_baseline: Option<&'a str>,
    /// Now; `None`: not known, and no pin has ended.
    pub now: Option<Timestamp>,
}

impl Pinning<'_> {
    /// The revision that the pin of this object gives it, or which rule the pin breaks; `None`: it has none, or one that has
    /// ended, which says nothing any more.
    pub fn judge(&self, object: &AwsAccount) -> Option<Result<Revision, String>> {
        let pin = object.spec.baseline_pin.as_ref()?;
        if self.now.is_some_and(|now| pin.expires_at <= now) {
            return None;
        }
        let baseline = object.spec.baseline_or(self.default_baseline).unwrap_or_default();
        let environment = object.spec.environment.as_str();
        let name = RevisionName::parse(&pin.revision).ok();
        let Some(revision) = name.and_then(|name| (self.at_hand)(&name)) else {
            return Some(Err(format!(
                "spec.baselinePin.revision: there is no BaselineRevision {:?}",
                pin.revision
            )));
        };
        if !has(object, &pin.revision) && !self.succeeded(baseline, environment, &pin.revision) {
            return Some(Err(format!(
                "spec.baselinePin.revision: {:?} is not one that the account has, nor one that succeeded in environment \
                 {environment:?} of Baseline {baseline:?}",
                pin.revision
            )));
        }
        let longest = self.longest(baseline);
        let lasts = self.now.map(|now| pin.expires_at.duration_since(now));
        if lasts.is_some_and(|lasts| lasts > longest) {
            return Some(Err(format!(
                "spec.baselinePin.expiresAt: must be within {longest:#} (maxPinDuration of Baseline {baseline:?}); got {}",
                pin.expires_at
            )));
        }
        Some(Ok(revision))
    }

    fn baseline(&self, name: &str) -> Option<&Baseline> {
        match self.baselines.get(name)? {
            Decoded::Good(object) => Some(object),
            Decoded::Poison(_) => None,
        }
    }

    fn longest(&self, baseline: &str) -> SignedDuration {
        let longest = self
            .baseline(baseline)
            .and_then(|object| object.spec.max_pin_duration.as_deref());
        longest.and_then(|text| text.parse().ok()).unwrap_or(LONGEST)
    }

    /// Has this revision succeeded in this environment, as far as is remembered?
    fn succeeded(&self, baseline: &str, environment: &str, revision: &str) -> bool {
        let object = self.baseline(baseline);
        let current = object.and_then(|object| current(object, environment));
        let promotions = self.promotions.values().filter_map(|promotion| match promotion {
            Decoded::Good(object) => Some(object),
            Decoded::Poison(_) => None,
        });
        let mut stages = promotions
            .filter(|promotion| promotion.spec.baseline_ref.name == baseline)
            .flat_map(|promotion| promotion.status.iter().flat_map(|status| &status.stages))
            .filter(|stage| stage.environment == environment);
        current.is_some_and(|current| current.name.as_str() == revision)
            || stages.any(|stage| {
                let current = stage.current_revision.as_ref();
                let current = current.map(|current| current.name.as_str());
                [current, stage.previous_revision.as_deref()].contains(&Some(revision))
            })
    }
}

/// What new accounts of this environment get, as the status of its Baseline says.
pub fn current(baseline: &Baseline, environment: &str) -> Option<Revision> {
    let mut known = baseline.status.as_ref()?.environments.iter();
    revision(known.find(|known| known.name == environment)?.revision.as_ref()?)
}

fn has(object: &AwsAccount, revision: &str) -> bool {
    let status = object.status.as_ref().and_then(|status| status.baseline.as_ref());
    status.is_some_and(|status| {
        let applied = status.applied.as_ref().map(|applied| applied.revision.as_str());
        let assigned = status.assigned.as_ref();
        let assigned = assigned.map(|assigned| assigned.revision.as_str());
        [applied, assigned].contains(&Some(revision))
    })
}
