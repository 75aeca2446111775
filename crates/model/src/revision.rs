//! Which revision of its Baseline an account has, and which cluster knows the latest.
//!
//! Every revision an account is given has a number, its sequence. Kubernetes learns it first (`status.baseline.assigned`),
//! then the account carries it as a tag, then anything else is changed for it. So an account that carries a higher number
//! than its object's status knows was changed by a cluster that knew more than this one: etcd was restored to an older
//! state.

use crate::{
    TagKey,
    text::{Invalid, RevisionHash, RevisionName},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Digits of the highest sequence that is believed: what somebody else wrote there must not make ours overflow.
const DIGITS: usize = 15;

/// One content of a Baseline: the same content always is the same revision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision {
    /// Its name.
    pub name: RevisionName,
    /// Its whole hash.
    pub hash: RevisionHash,
}

impl Revision {
    /// The revision of this Baseline whose content has this hash.
    pub fn new(baseline: &str, hash: RevisionHash) -> Result<Self, Invalid> {
        let name = RevisionName::parse(&format!("{baseline}-{}", hash.prefix()))?;
        Ok(Self { name, hash })
    }
}

/// Who decided which revision an account is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum AssignedBy {
    /// Nobody was asked: the account follows its Baseline.
    Automatic,
    /// A promotion brought it.
    Promotion(Box<PromotedBy>),
    /// A promotion took the account back to it.
    Rollback(Box<PromotedBy>),
    /// `spec.baselinePin` of the object.
    Pin,
}

/// Which part of which promotion decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PromotedBy {
    /// Name of the EnvironmentPromotion.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The attempt.
    pub attempt: String,
    /// The stage.
    pub stage: String,
    /// The wave; `None`: a rollback, or an account that came late.
    pub wave: Option<String>,
    /// When, by the operator's clock.
    pub at: Timestamp,
}

impl AssignedBy {
    /// The word in `status.baseline.assigned.by`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Automatic => "Automatic",
            Self::Promotion(_) => "Promotion",
            Self::Rollback(_) => "Rollback",
            Self::Pin => "Pin",
        }
    }
    /// The promotion that decided it.
    pub fn promotion(&self) -> Option<&PromotedBy> {
        match self {
            Self::Promotion(by) | Self::Rollback(by) => Some(by),
            Self::Automatic | Self::Pin => None,
        }
    }
}

/// The revision an account is to have: `status.baseline.assigned`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Assigned {
    /// Which.
    pub revision: Revision,
    /// Counts the revisions of the account, from 1.
    pub sequence: i64,
    /// Who decided it.
    pub by: AssignedBy,
    /// Keys of the tags that Bulkhead writes on the account, stored before the first of them is written: whatever crashes
    /// in between, it is known which keys are ours and may be removed once nobody wants them.
    pub tag_keys: BTreeSet<TagKey>,
}

impl Assigned {
    /// Value of the tag `bulkhead.dev/revision` that says so.
    pub fn tag(&self) -> String {
        format!("{}/{}", self.revision.name, self.sequence)
    }
}

/// What the tag `bulkhead.dev/revision` of an account says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// The revision; `None`: the account carries none, or something that Bulkhead did not write.
    pub revision: Option<RevisionName>,
    /// Its sequence; 0 without a revision.
    pub sequence: i64,
}

impl Carried {
    /// Reads `<revision>/<sequence>`. Anything else is no revision at sequence 0, and is repaired.
    pub fn parse(tag: &str) -> Self {
        let parse = || {
            let (revision, digits) = tag.split_once('/')?;
            let plain = (1..=DIGITS).contains(&digits.len())
                && !digits.starts_with('0')
                && digits.bytes().all(|b| b.is_ascii_digit());
            let sequence = digits.parse().ok().filter(|_| plain)?;
            let revision = RevisionName::parse(revision).ok();
            revision.map(|revision| Self {
                revision: Some(revision),
                sequence,
            })
        };
        parse().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash() -> RevisionHash {
        RevisionHash::parse(&format!("sha256:{}", "0123456789abcdef".repeat(4))).unwrap()
    }

    #[test]
    fn a_name_is_the_baseline_and_the_beginning_of_the_hash() {
        let revision = Revision::new("standard.v2", hash()).unwrap();
        assert_eq!(revision.name.as_str(), "standard.v2-0123456789");
        assert!(Revision::new("Standard", hash()).is_err());
        assert!(Revision::new(&"b".repeat(53), hash()).is_err());
        assert!(RevisionHash::parse("sha256:0123").is_err());
        assert!(RevisionHash::parse(&format!("sha256:{}", "X".repeat(64))).is_err());
    }

    #[test]
    fn a_tag_says_what_was_assigned_and_nothing_else_says_anything() {
        let assigned = Assigned {
            revision: Revision::new("standard", hash()).unwrap(),
            sequence: 12,
            by: AssignedBy::Automatic,
            tag_keys: BTreeSet::new(),
        };
        let carried = Carried::parse(&assigned.tag());
        assert_eq!(
            (carried.revision, carried.sequence),
            (Some(assigned.revision.name), 12)
        );
        for other in [
            "",
            "standard-0123456789",
            "standard-0123456789/",
            "standard-0123456789/0",
            "standard-0123456789/-1",
            "standard-0123456789/+1",
            "standard-0123456789/01",
            "standard-0123456789/1/2",
            "standard-0123456789/1000000000000000",
            "standard-01234/1",
            "/1",
        ] {
            assert_eq!(Carried::parse(other), Carried::default(), "{other}");
        }
    }
}
