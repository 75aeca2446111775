//! What people have decided, and whether it counts.

use crate::{
    admission::Admission,
    approval_policy,
    journal::timed,
    promotion_policy,
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
use promotion::PromotionDecision;
use std::collections::BTreeMap;

/// How often the admission policy is looked at while something waits for an Approval.
const LOOK: SignedDuration = SignedDuration::from_secs(10);
/// How long what was seen is believed.
const BELIEF: SignedDuration = SignedDuration::from_secs(30);

/// What was seen of the admission policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policies {
    /// On Approvals.
    pub(crate) approvals: ApprovalPolicy,
    /// On who asks for a promotion.
    pub(crate) authors: ApprovalPolicy,
}

/// What this process has seen of the admission policies.
#[derive(Debug, Default)]
pub(crate) struct PolicyMemory {
    /// What was seen, by a look that began then.
    seen: Option<(Timestamp, Policies)>,
    asked: Option<Timestamp>,
    under_way: bool,
}

impl PolicyMemory {
    /// What may be believed.
    fn policies(&self, now: Timestamp) -> Policies {
        let fresh = |(began, _): &&(Timestamp, Policies)| now.duration_since(*began) < BELIEF;
        self.seen
            .as_ref()
            .filter(fresh)
            .map(|(_, policies)| policies.clone())
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
    pub(crate) fn looked(&mut self, policies: Option<Policies>) {
        self.under_way = false;
        if let (Some(policies), Some(began)) = (policies, self.asked) {
            self.seen = Some((began, policies));
        }
    }
}

/// Looks at the admission policies and their bindings; `None` if Kubernetes cannot be asked at the moment.
pub(crate) async fn look(client: Client) -> Option<Policies> {
    Some(Policies {
        approvals: in_force(&client, &approval_policy::admission()).await?,
        authors: in_force(&client, &promotion_policy::admission()).await?,
    })
}

async fn in_force(client: &Client, wanted: &Admission) -> Option<ApprovalPolicy> {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    let name = wanted.name;
    let found = async {
        let policy = timed(policies.get_opt(name)).await?;
        let binding = timed(bindings.get_opt(name)).await?;
        Ok::<_, JournalError>((policy, binding))
    };
    match found.await {
        Ok((policy, binding)) => Some(match wanted.in_force(policy.as_ref(), binding.as_ref()) {
            Ok(since) => ApprovalPolicy::InForce { since },
            Err(why) => ApprovalPolicy::Missing(why),
        }),
        Err(JournalError::Refused(why)) => {
            let why = format!("the operator may not read the admission policy {name}: {why}");
            Some(ApprovalPolicy::Missing(why))
        }
        Err(error) => {
            tracing::warn!(%error, name, "an admission policy could not be read");
            None
        }
    }
}

/// What people have decided.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    /// About AwsAccounts, and whether any of it counts.
    pub(crate) approvals: Approvals,
    /// Whether it can be believed who asked for a promotion.
    pub(crate) authors: ApprovalPolicy,
    /// About each EnvironmentPromotion.
    pub(crate) promotions: BTreeMap<String, Vec<PromotionDecision>>,
}

/// Whom a decision is about.
enum About {
    Account(AccountKey),
    Promotion(String),
}

/// Every decision.
pub(crate) fn decided(stores: &SharedStores, memory: &PolicyMemory, now: Timestamp) -> Decided {
    stores.read(|stores| {
        // One that cannot be decoded decides nothing.
        let good = stores.approvals.iter().filter_map(|(_, stored)| match stored {
            Stored::Good(approval) => Some(approval.as_ref()),
            Stored::Poison(_) => None,
        });
        let Policies { approvals, authors } = memory.policies(now);
        Decided {
            authors,
            ..sorted(approvals, good)
        }
    })
}

/// What these Approvals decide on AwsAccounts. `policy`: whether they count.
pub fn decisions<'a>(policy: ApprovalPolicy, approvals: impl IntoIterator<Item = &'a Approval>) -> Approvals {
    sorted(policy, approvals).approvals
}

fn sorted<'a>(policy: ApprovalPolicy, approvals: impl IntoIterator<Item = &'a Approval>) -> Decided {
    let mut decided = Decided {
        approvals: Approvals {
            policy,
            ..Approvals::default()
        },
        ..Decided::default()
    };
    for approval in approvals {
        let Some((about, decision)) = decision(approval) else {
            continue;
        };
        match about {
            About::Account(key) => decided.approvals.accounts.entry(key).or_default().push(decision),
            About::Promotion(name) => {
                let group = approval.spec.group.clone();
                let decisions = decided.promotions.entry(name).or_default();
                decisions.push(PromotionDecision { decision, group });
            }
        }
    }
    decided
}

fn decision(approval: &Approval) -> Option<(About, Decision)> {
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
        api::ApprovalAction::Promotion => ApprovalAction::Promotion,
        api::ApprovalAction::Closure | api::ApprovalAction::MassChange => return None,
    };
    let ApprovalSubject {
        kind,
        namespace,
        name,
    } = subject;
    let about = match (action, kind, namespace) {
        (ApprovalAction::Promotion, SubjectKind::EnvironmentPromotion, None) => {
            About::Promotion(name.clone())
        }
        (
            ApprovalAction::StateRestore | ApprovalAction::TagChange,
            SubjectKind::AwsAccount,
            Some(namespace),
        ) => About::Account(AccountKey::new(namespace, name)),
        _ => return None,
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
    Some((about, decision))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    #[test]
    fn the_policies_are_looked_at_every_ten_seconds_and_believed_for_thirty() {
        let mut memory = PolicyMemory::default();
        assert_eq!(memory.policies(at(0)), Policies::default());
        assert_eq!(memory.due(at(0)), Ok(()));
        assert!(memory.due(at(3)).is_err(), "a look is under way");
        let seen = Policies {
            approvals: ApprovalPolicy::InForce { since: at(-100) },
            authors: ApprovalPolicy::Missing("there is none".into()),
        };
        memory.looked(Some(seen.clone()));
        assert_eq!(memory.policies(at(4)), seen);
        assert_eq!(memory.due(at(4)), Err(at(10)));
        assert_eq!(memory.due(at(10)), Ok(()));
        memory.looked(None);
        assert_eq!(memory.policies(at(29)), seen, "a look that failed says nothing");
        assert_eq!(memory.policies(at(30)), Policies::default());
    }
}
