//! What people have decided, and whether it counts.

use crate::{
    approval_policy::{self, NAME},
    journal::timed,
    store::{SharedStores, Stored},
};
use api::{Approval, ApprovalDecision, ApprovalSpec, ApprovalSubject, SubjectKind};
use executor::JournalError;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::{Api, Client};
use model::{AccountKey, ApprovalAction, ApprovalPolicy, Approvals, Decision};

/// How often the admission policy is looked at while something waits for an Approval.
const LOOK: SignedDuration = SignedDuration::from_secs(10);
/// How long what was seen is believed.
const BELIEF: SignedDuration = SignedDuration::from_secs(30);

/// What this process has seen of the admission policy.
#[derive(Debug, Default)]
pub(crate) struct PolicyMemory {
    /// What was seen, by a look that began then.
    seen: Option<(Timestamp, ApprovalPolicy)>,
    asked: Option<Timestamp>,
    under_way: bool,
}

impl PolicyMemory {
    /// What may be believed.
    fn policy(&self, now: Timestamp) -> ApprovalPolicy {
        let fresh = |(began, _): &&(Timestamp, ApprovalPolicy)| now.duration_since(*began) < BELIEF;
        self.seen
            .as_ref()
            .filter(fresh)
            .map(|(_, policy)| policy.clone())
            .unwrap_or_default()
    }

    /// Something waits for an Approval: says when to look, if not now.
    pub(crate) fn due(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        let next = self
            .asked
            .map_or(now, |asked| asked.checked_add(LOOK).unwrap_or(Timestamp::MAX));
        if self.under_way || next > now {
            return Err(next.max(now.checked_add(SignedDuration::from_secs(1)).unwrap_or(next)));
        }
        self.asked = Some(now);
        self.under_way = true;
        Ok(())
    }

    /// A look has ended; `None`: it could not be done.
    pub(crate) fn looked(&mut self, policy: Option<ApprovalPolicy>) {
        self.under_way = false;
        if let (Some(policy), Some(began)) = (policy, self.asked) {
            self.seen = Some((began, policy));
        }
    }
}

/// Looks at the admission policy and its binding; `None` if Kubernetes cannot be asked at the moment.
pub(crate) async fn look(client: Client) -> Option<ApprovalPolicy> {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client);
    let found = async {
        let policy = timed(policies.get_opt(NAME)).await?;
        let binding = timed(bindings.get_opt(NAME)).await?;
        Ok::<_, JournalError>((policy, binding))
    };
    match found.await {
        Ok((policy, binding)) => Some(
            match approval_policy::in_force(policy.as_ref(), binding.as_ref()) {
                Ok(since) => ApprovalPolicy::InForce { since },
                Err(why) => ApprovalPolicy::Missing(why),
            },
        ),
        Err(JournalError::Refused(why)) => {
            let why = format!("the operator may not read the admission policy {NAME}: {why}");
            Some(ApprovalPolicy::Missing(why))
        }
        Err(error) => {
            tracing::warn!(%error, "the admission policy on Approvals could not be read");
            None
        }
    }
}

/// Every decision on an AwsAccount.
pub(crate) fn decided(stores: &SharedStores, memory: &PolicyMemory, now: Timestamp) -> Approvals {
    let mut approvals = Approvals {
        policy: memory.policy(now),
        ..Approvals::default()
    };
    stores.read(|stores| {
        for (_, stored) in stores.approvals.iter() {
            // One that cannot be decoded decides nothing.
            let Stored::Good(approval) = stored else { continue };
            if let Some((key, decision)) = decision(approval) {
                approvals.accounts.entry(key).or_default().push(decision);
            }
        }
    });
    approvals
}

fn decision(approval: &Approval) -> Option<(AccountKey, Decision)> {
    let ApprovalSpec {
        action,
        subject,
        digest,
        decision,
        approver,
        group: _,
        requested_by,
        comment: _,
        expires_at,
    } = &approval.spec;
    let action = match action {
        api::ApprovalAction::StateRestore => ApprovalAction::StateRestore,
        api::ApprovalAction::TagChange => ApprovalAction::TagChange,
        api::ApprovalAction::Promotion | api::ApprovalAction::Closure | api::ApprovalAction::MassChange => {
            return None;
        }
    };
    let ApprovalSubject {
        kind: SubjectKind::AwsAccount,
        namespace: Some(namespace),
        name,
    } = subject
    else {
        return None;
    };
    let created = approval.metadata.creation_timestamp.as_ref();
    let decision = Decision {
        name: approval.metadata.name.clone().unwrap_or_default(),
        created: created.map_or(Timestamp::MIN, |time| time.0),
        action,
        digest: digest.clone(),
        approves: *decision == ApprovalDecision::Approve,
        approver: approver.clone(),
        requested_by: requested_by.clone(),
        expires_at: *expires_at,
    };
    Some((AccountKey::new(namespace, name), decision))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    #[test]
    fn the_policy_is_looked_at_every_ten_seconds_and_believed_for_thirty() {
        let mut memory = PolicyMemory::default();
        assert_eq!(memory.policy(at(0)), ApprovalPolicy::Unknown);
        assert_eq!(memory.due(at(0)), Ok(()));
        assert!(memory.due(at(3)).is_err(), "a look is under way");
        let seen = ApprovalPolicy::InForce { since: at(-100) };
        memory.looked(Some(seen.clone()));
        assert_eq!(memory.policy(at(4)), seen);
        assert_eq!(memory.due(at(4)), Err(at(10)));
        assert_eq!(memory.due(at(10)), Ok(()));
        memory.looked(None);
        assert_eq!(memory.policy(at(29)), seen, "a look that failed says nothing");
        assert_eq!(memory.policy(at(30)), ApprovalPolicy::Unknown);
    }
}
