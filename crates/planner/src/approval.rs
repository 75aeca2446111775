//! What Bulkhead will not do alone: digests that name it, and what people have said to them.

use crate::Input;
use model::{AccountId, AccountKey, ApprovalAction, ApprovalPolicy, Claim, Decision, Revision};
use sha2::{Digest, Sha256};
use std::fmt::Write;

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
        let mut digest = Sha256::new();
        for part in parts {
            // The length first: no two lists of parts are the same text.
            digest.update(format!("{}:{part}", part.len()));
        }
        let mut text = "sha256:".to_owned();
        for byte in digest.finalize() {
            let _ = write!(text, "{byte:02x}");
        }
        text
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
