//! What Bulkhead will not do alone: digests that name it, and what people have said to them.

use crate::Input;
use model::{
    AccountId, AccountKey, ApprovalAction, ApprovalPolicy, Claim, Decision, Revision, TagKey, TagValue,
    digest_of,
};

/// To go on with an account that carries a higher sequence than its object's status knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StateRestore<'a> {
    pub(crate) uid: &'a str,
    pub(crate) claim: &'a Claim,
    pub(crate) account: &'a AccountId,
    /// The sequence that status knows, and the one the account carries. They are what makes the digest good for one use:
    /// once it is used, status is ahead of both for good.
    pub(crate) known: i64,
    pub(crate) carried: i64,
    /// What the account would be given.
    pub(crate) revision: &'a Revision,
}

impl StateRestore<'_> {
    /// Names this decision and no other: `sha256:` and 64 hexadecimal digits.
    pub(crate) fn digest(&self) -> String {
        let Self {
            uid,
            claim,
            account,
            known,
            carried,
            revision: Revision { name, hash },
        } = self;
        let parts = [
            "StateRestore",
            uid,
            claim.as_str(),
            account.as_str(),
            &known.to_string(),
            &carried.to_string(),
            name.as_str(),
            hash.as_str(),
        ];
        digest_of(parts)
    }
}

/// To write other values under keys of which a person decides.
#[derive(Clone, Debug)]
pub(crate) struct TagChange<'a> {
    pub(crate) uid: &'a str,
    pub(crate) claim: &'a Claim,
    pub(crate) account: &'a AccountId,
    /// The sequence that the account carries. It makes the digest good for one use: the account carries a higher one with
    /// the new values.
    pub(crate) carried: i64,
    /// All of them, by key.
    pub(crate) edits: Vec<TagEdit<'a>>,
}

/// Another value under one key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TagEdit<'a> {
    pub(crate) key: &'a TagKey,
    pub(crate) old: &'a TagValue,
    pub(crate) new: &'a TagValue,
    /// The old value was written by somebody else.
    pub(crate) foreign: bool,
}

impl TagChange<'_> {
    /// Is this key among them?
    pub(crate) fn has(&self, key: &TagKey) -> bool {
        self.edits.iter().any(|edit| edit.key == key)
    }

    /// Names this decision and no other.
    pub(crate) fn digest(&self) -> String {
        let carried = self.carried.to_string();
        let about = [
            "TagChange",
            self.uid,
            self.claim.as_str(),
            self.account.as_str(),
            &carried,
        ];
        let edits = self.edits.iter();
        let edits = edits.flat_map(|edit| [edit.key.as_str(), edit.old.as_str(), edit.new.as_str()]);
        digest_of(about.into_iter().chain(edits))
    }

    /// What would be written, in one line. What somebody else wrote is not shown to everybody who may read the object.
    pub(crate) fn summary(&self) -> String {
        let edit = |edit: &TagEdit<'_>| {
            let (key, new) = (edit.key.as_str(), edit.new.as_str());
            if edit.foreign {
                format!("{key} (a value that Bulkhead did not write) -> {new:?}")
            } else {
                format!("{key} {:?} -> {new:?}", edit.old.as_str())
            }
        };
        self.edits.iter().map(edit).collect::<Vec<_>>().join(", ")
    }
}

/// What people have said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// Go on.
    Approved,
    /// Do not, and who said so.
    Rejected(String),
    /// Somebody has approved, but no Approval counts, and why.
    PolicyMissing(String),
    /// Nothing that counts; what is to be told of what does not count.
    Open(Option<String>),
}

/// What counts of the decisions on one digest. Rejections first: who changes their mind deletes theirs.
pub(crate) fn ruling(input: &Input<'_>, key: &AccountKey, action: ApprovalAction, digest: &str) -> Ruling {
    let decisions = input.approvals.accounts.get(key).map_or(&[][..], Vec::as_slice);
    let (about_this, others): (Vec<&Decision>, Vec<&Decision>) = decisions
        .iter()
        .filter(|decision| decision.action == action)
        .partition(|decision| decision.digest == digest);
    if about_this.is_empty() {
        let note = |other: &&Decision| format!("Approval {} is void: it names another digest", other.name);
        let note = others.last().map(note);
        return Ruling::Open(note.or_else(|| match &input.approvals.policy {
            ApprovalPolicy::Missing(why) => Some(format!("no Approval counts before that: {why}")),
            ApprovalPolicy::Unknown | ApprovalPolicy::InForce { .. } => None,
        }));
    }
    let since = match &input.approvals.policy {
        ApprovalPolicy::Unknown => return Ruling::Open(None),
        ApprovalPolicy::Missing(why) => return Ruling::PolicyMissing(why.clone()),
        ApprovalPolicy::InForce { since } => *since,
    };
    let void = |decision: &Decision| {
        if decision.created < since {
            return Some("was made before the admission policy was in force".to_owned());
        }
        if decision.requested_by.as_ref() == Some(&decision.approver) {
            return Some(format!("{} has approved an own request", decision.approver));
        }
        let expired = decision.expires_at.filter(|at| *at <= input.now)?;
        Some(format!("expired at {expired}"))
    };
    let counts: Vec<&&Decision> = about_this
        .iter()
        .filter(|decision| void(decision).is_none())
        .collect();
    if let Some(rejection) = counts.iter().find(|decision| !decision.approves) {
        let Decision { name, approver, .. } = rejection;
        return Ruling::Rejected(format!(
            "{approver} has rejected it (Approval {name}); it can be decided anew once that Approval is deleted"
        ));
    }
    if counts.iter().any(|decision| decision.approves) {
        return Ruling::Approved;
    }
    let last = about_this.last();
    Ruling::Open(last.and_then(|decision| {
        Some(format!(
            "Approval {} is void: it {}",
            decision.name,
            void(decision)?
        ))
    }))
}
