//! Promotions that ask for something else than they did: by their spec, or by an annotation that the operator reads. Pure.

use super::{promotions::Travel, revisions::Change};
use api::EnvironmentPromotion;
use desired::Decoded;
use operator::promotion::spec;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How the annotations begin by which people ask for something.
const ASKS: &str = "bulkhead.dev/";

/// One promotion.
#[derive(Debug, Serialize)]
pub(crate) struct PromotionChange {
    pub(crate) promotion: String,
    pub(crate) change: Change,
    /// What a changed one said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Value>,
    /// What it says now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Value>,
    /// How the revision that it asks for travels to accounts that have another one. Absent where the change of its Baseline
    /// says so, and where no account has another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) travels: Option<Travel>,
}

/// Promotions by name.
pub(super) type Promotions = BTreeMap<String, Decoded<EnvironmentPromotion>>;

/// Everything that is asked for now and was not, or the other way round. `travels`: how what a promotion asks for travels.
pub(super) fn changes(
    before: &Promotions,
    after: &Promotions,
    travels: impl Fn(&EnvironmentPromotion) -> Option<Travel>,
) -> Vec<PromotionChange> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let one = |name: &String| {
        let (old, new) = (before.get(name), after.get(name));
        let (change, shown) = match (old, new) {
            (Some(old), Some(new)) if same(old, new) => return None,
            (Some(old), Some(new)) => (Change::Changed, asks(old).zip(asks(new))),
            (None, _) => (Change::Added, None),
            (_, None) => (Change::Removed, None),
        };
        let (before, after) = shown.unzip();
        Some(PromotionChange {
            promotion: name.clone(),
            change,
            before,
            after,
            travels: new.and_then(Decoded::good).and_then(|object| travels(object)),
        })
    };
    names.into_iter().filter_map(one).collect()
}

/// Does the operator read the same? What is left out is what its default says.
fn same(old: &Decoded<EnvironmentPromotion>, new: &Decoded<EnvironmentPromotion>) -> bool {
    match (old.good(), new.good()) {
        (Some(old), Some(new)) => spec(old) == spec(new) && annotations(old) == annotations(new),
        (None, None) => true,
        _ => false,
    }
}

fn annotations(object: &EnvironmentPromotion) -> BTreeMap<&String, &String> {
    let all = object.metadata.annotations.iter().flatten();
    all.filter(|(key, _)| key.starts_with(ASKS)).collect()
}

/// What is compared, as it is shown.
fn asks(promotion: &Decoded<EnvironmentPromotion>) -> Option<Value> {
    let object = promotion.good()?;
    let annotations = annotations(object);
    let spec = serde_json::to_value(&object.spec).ok()?;
    Some(if annotations.is_empty() {
        json!({"spec": spec})
    } else {
        json!({"metadata": {"annotations": annotations}, "spec": spec})
    })
}
