//! What a Baseline gives its accounts, in one form only, and its hash: the revision.
//!
//! Only what changes an account is in it. Who may use the Baseline, how emails are made and which tags tenants may add are
//! limits, and changing them is no new revision. Whatever is equal has equal text: defaults are spelled out, and lists
//! whose order means nothing are sorted. The fields are written in the order of the alphabet (RFC 8785), and a part that
//! is empty is left out, so that parts that come later do not change the revision of a Baseline that does not use them.

use crate::{
    Rejection,
    baseline::{Place, invalid},
};
use api::{BaselineSpec, TagField};
use model::{Reason, Revision, RevisionHash};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// What accounts get.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Effect<'a> {
    /// By name.
    environments: BTreeMap<&'a str, Environment<'a>>,
    /// By key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    mandatory_tags: BTreeMap<&'a str, TagRule<'a>>,
}

/// What accounts of one environment get. Compiled guardrails and policies belong here, as canonical texts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Environment<'a> {
    access_role_name: &'a str,
    organizational_unit: String,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    readiness_gates: BTreeSet<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TagRule<'a> {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    allowed_values: BTreeSet<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_field: Option<TagField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_tag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<&'a str>,
}

/// The revision that a Baseline is now.
pub(crate) fn revision(
    name: &str,
    spec: &BaselineSpec,
    environments: &BTreeMap<&str, Place<'_>>,
) -> Result<Revision, Rejection> {
    let effect = Effect {
        environments: environments
            .iter()
            .map(|(name, place)| (*name, environment(place)))
            .collect(),
        mandatory_tags: spec
            .mandatory_tags
            .iter()
            .map(|tag| {
                let rule = TagRule {
                    allowed_values: tag.allowed_values.iter().map(String::as_str).collect(),
                    from_field: tag.value_from.field,
                    from_tag: tag.value_from.tag.as_deref(),
                    pattern: tag.pattern.as_deref(),
                };
                (tag.key.as_str(), rule)
            })
            .collect(),
    };
    let defect = |error: &dyn std::fmt::Display| {
        Rejection::new(
            Reason::InternalError,
            format!("the revision of Baseline {name:?} cannot be computed: {error}"),
        )
    };
    let text = serde_json::to_string(&effect).map_err(|error| defect(&error))?;
    let mut hash = "sha256:".to_owned();
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(hash, "{byte:02x}");
    }
    let hash = RevisionHash::parse(&hash).map_err(|error| defect(&error))?;
    Revision::new(name, hash).map_err(|error| invalid("metadata.name", error))
}

fn environment<'p>(place: &'p Place<'_>) -> Environment<'p> {
    Environment {
        access_role_name: place.role.as_str(),
        organizational_unit: place.path.to_string(),
        readiness_gates: place.gates.iter().copied().collect(),
    }
}
