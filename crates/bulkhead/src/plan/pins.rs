//! Pins of accounts (`spec.baselinePin`), judged as the operator judges them.

use super::snapshot::Objects;
use desired::{Decoded, Given, Pinning, Promoted};
use jiff::Timestamp;
use model::{AccountKey, AssignedBy, Revision, RevisionHash, RevisionName};
use serde::Serialize;
use std::collections::BTreeMap;

/// A pin that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pinned {
    pub(crate) revision: String,
    pub(crate) reason: String,
    pub(crate) expires_at: Timestamp,
    /// Nothing is known of the cluster, so neither is whether the account may have this revision.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unjudged: bool,
}

/// What is known when pins are judged.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) objects: &'a Objects,
    pub(super) default_baseline: Option<&'a str>,
    /// `None`: nobody knows, and every pin holds.
    pub(super) now: Option<Timestamp>,
    /// Nothing is known of a cluster.
    pub(super) blind: bool,
}

/// Judges every pin: those that hold give their account its revision, those that cannot be say why. Gives those that hold.
pub(super) fn judge(known: &Known<'_>, promoted: &mut Promoted) -> BTreeMap<AccountKey, Pinned> {
    let pinning = Pinning {
        baselines: &known.objects.baselines,
        promotions: &known.objects.promotions,
        at_hand: &|name| at_hand(known.objects, name),
        default_baseline: known.default_baseline,
        now: known.now,
    };
    let mut held = BTreeMap::new();
    for (key, account) in &known.objects.accounts {
        let Decoded::Good(object) = account else { continue };
        let (Some(pin), Some(judged)) = (&object.spec.baseline_pin, pinning.judge(object)) else {
            continue;
        };
        let pinned = Pinned {
            revision: pin.revision.clone(),
            reason: pin.reason.clone(),
            expires_at: pin.expires_at,
            unjudged: false,
        };
        match judged {
            Ok(revision) => {
                let by = AssignedBy::Pin;
                promoted.given.insert(key.clone(), Given { revision, by });
                held.insert(key.clone(), pinned);
            }
            Err(_) if known.blind => {
                let unjudged = true;
                held.insert(key.clone(), Pinned { unjudged, ..pinned });
            }
            Err(why) => drop(promoted.refused_pins.insert(key.clone(), why)),
        }
    }
    held
}

fn at_hand(objects: &Objects, name: &RevisionName) -> Option<Revision> {
    let stored = objects.revisions.get(name.as_str())?.good()?;
    Some(Revision {
        name: name.clone(),
        hash: RevisionHash::parse(&stored.spec.hash).ok()?,
    })
}
