//! The status of one AwsAccount.

use super::{Conditions, Standing, Truth, was_ready, whole_second};
use api::{
    AccessStatus, AppliedStatus, AwsAccount, AwsAccountStatus, BaselineStatusRef, GuardrailStatus,
    OrganizationalUnitStatus, OutputsStatus, TagsStatus, UpdateStatus,
    conditions::{ACCEPTED, ACCESS_VERIFIED, GUARDRAILS_APPLIED, PLACED, TAGGED, UPDATE_AVAILABLE, VENDED},
};
use desired::Rejection;
use jiff::Timestamp;
use model::{
    AccountFacts, AccountView, ApprovalAction, Awaiting, DesiredAccount, ParentId, Reason, Revision, Stage,
    Verdict, tag_keys,
};

/// What the status is computed from.
#[derive(Clone, Copy)]
pub(crate) struct AccountInput<'a> {
    pub(crate) object: &'a AwsAccount,
    pub(crate) default_baseline: Option<&'a str>,
    /// Why it was not accepted.
    pub(crate) rejection: Option<&'a Rejection>,
    /// What it asks for, if it was accepted.
    pub(crate) desired: Option<&'a DesiredAccount>,
    /// A later revision that it does not get by itself.
    pub(crate) update: Option<&'a Revision>,
    /// A revision that its owner may take, and when the account gets it by itself.
    pub(crate) offered: Option<&'a (Revision, Option<Timestamp>)>,
    /// How it stands, if it was accepted.
    pub(crate) view: Option<&'a AccountView>,
    /// The organization has not been read by this process: what stands is not taken back.
    pub(crate) blind: bool,
    /// One thing is said of every account: what is known of the stages is not taken back by it.
    pub(crate) overall: bool,
    pub(crate) now: Timestamp,
}

/// Before the organization has been read, what an earlier term has said stands: all of it while the first read is under
/// way, and Ready also when that read fails.
fn stands(prior: &AwsAccountStatus, input: &AccountInput<'_>) -> bool {
    let generation = input.object.metadata.generation;
    let reading = input
        .view
        .is_some_and(|view| matches!(view.verdict, Verdict::Working(..)));
    was_ready(&prior.conditions, generation)
        || (reading && prior.observed_generation == generation && !prior.conditions.is_empty())
}

/// The status without what the journal writes; `None` to leave it as it is.
pub(crate) fn account(input: AccountInput<'_>) -> Option<AwsAccountStatus> {
    let prior = input.object.status.clone().unwrap_or_default();
    let generation = input.object.metadata.generation;
    if input.object.metadata.deletion_timestamp.is_some()
        || (input.blind && input.rejection.is_none() && stands(&prior, &input))
    {
        return None;
    }
    let mut status = AwsAccountStatus {
        creation: None,
        ..prior.clone()
    };
    status.observed_generation = generation;
    let baseline = input.object.spec.baseline_or(input.default_baseline);
    let before = prior.baseline.as_ref();
    status.baseline = baseline.map(|name| BaselineStatusRef {
        name: Some(name.to_owned()),
        assigned: None,
        observed_sequence: before
            .and_then(|before| before.assigned.as_ref().map(|assigned| assigned.sequence)),
        applied: before.and_then(|before| before.applied.clone()),
        update_available: match (input.offered, input.update) {
            (Some((revision, deadline)), _) => Some(UpdateStatus {
                revision: revision.name.to_string(),
                deadline: *deadline,
            }),
            (None, Some(revision)) => Some(UpdateStatus {
                revision: revision.name.to_string(),
                deadline: None,
            }),
            (None, None) => None,
        },
    });
    let mut conditions = Conditions::new(&prior.conditions, generation, input.now);
    if let Some(rejection) = input.rejection {
        let Rejection {
            reason,
            message,
            waits,
        } = rejection;
        conditions.set(ACCEPTED, Truth::False, *reason, message);
        conditions.keep(&[VENDED, GUARDRAILS_APPLIED, PLACED, TAGGED, ACCESS_VERIFIED]);
        conditions.standing(&if *waits {
            Standing::Waiting(*reason, message.clone())
        } else {
            Standing::Stalled(*reason, message.clone())
        });
        status.next_step = Some(message.clone());
        status.awaiting = Vec::new();
    } else {
        let (view, desired) = (input.view?, input.desired?);
        conditions.set(
            ACCEPTED,
            Truth::True,
            Reason::Accepted,
            "the spec is valid and allowed",
        );
        let known = view.account.as_ref();
        let vended = known.map_or_else(String::new, |facts| format!("account {} exists", facts.id));
        let placed = known.map_or_else(String::new, |facts| format!("the account is in {}", facts.path));
        // An object that never asked AWS for an account has found one that was there.
        let origin = if prior.creation.is_some() {
            Reason::AccountCreated
        } else {
            Reason::AccountReattached
        };
        // While nothing may be done for the account, what is known of it is not taken back.
        let unsettled = view.vended == Stage::Done && view.assigned != Stage::Done;
        if unsettled {
            stage(&mut conditions, VENDED, &view.vended, origin, &vended);
            conditions.keep(&[GUARDRAILS_APPLIED, PLACED, TAGGED, ACCESS_VERIFIED]);
        } else if input.overall && prior.conditions.iter().any(|condition| condition.type_ == VENDED) {
            conditions.keep(&[VENDED, GUARDRAILS_APPLIED, PLACED, TAGGED, ACCESS_VERIFIED]);
        } else {
            stage(&mut conditions, VENDED, &view.vended, origin, &vended);
            let guarded = "the policies of its revision are attached, and none of an earlier one";
            let done = Reason::GuardrailsAttached;
            stage(&mut conditions, GUARDRAILS_APPLIED, &view.guarded, done, guarded);
            stage(
                &mut conditions,
                PLACED,
                &view.placed,
                Reason::AccountMoved,
                &placed,
            );
            let tagged = "the account carries its tags";
            stage(&mut conditions, TAGGED, &view.tagged, Reason::TagsApplied, tagged);
            let proven = "the access role was used from inside the account";
            stage(
                &mut conditions,
                ACCESS_VERIFIED,
                &view.access,
                Reason::AccessVerified,
                proven,
            );
        }
        let standing = standing(&view.verdict);
        conditions.standing(&standing);
        status.next_step = match standing {
            Standing::Ready(_) => None,
            Standing::Working(_, message) | Standing::Waiting(_, message) | Standing::Stalled(_, message) => {
                Some(message)
            }
        };
        status.awaiting = view.awaiting.iter().map(awaiting).collect();
        status.email = Some(known.map_or_else(|| desired.email.to_string(), |facts| facts.email.clone()));
        status.account_name =
            Some(known.map_or_else(|| desired.account_name.to_string(), |facts| facts.name.clone()));
        if let Some(facts) = known {
            tell_facts(&mut status, facts);
            tell_progress(&mut status, view, facts, &prior, input.now);
            tell_guardrails(&mut status, view, facts, desired, input.now);
        }
        status.outputs = (view.verdict == Verdict::Ready)
            .then_some(desired.outputs.as_ref())
            .flatten()
            .map(|outputs| OutputsStatus {
                config_map_name: Some(outputs.config_map.clone()),
            })
            .or(prior.outputs);
        if desired.outputs.is_none() {
            status.outputs = None;
        }
    }
    if let Some((revision, deadline)) = input.offered {
        let message = offer(revision, *deadline, &input.object.spec.environment);
        conditions.set(UPDATE_AVAILABLE, Truth::True, Reason::UpdateAvailable, &message);
    }
    status.conditions = conditions.build();
    Some(status)
}

/// What the owner of an account may take, how, and what happens otherwise.
fn offer(revision: &Revision, deadline: Option<Timestamp>, environment: &str) -> String {
    let otherwise = deadline.map_or_else(String::new, |deadline| {
        format!("; it is given by itself at {}", whole_second(deadline))
    });
    format!(
        "revision {} has succeeded in environment {environment}; the label bulkhead.dev/upgrade=now takes it{otherwise}",
        revision.name
    )
}

fn awaiting(awaiting: &Awaiting) -> api::Awaiting {
    api::Awaiting {
        action: match awaiting.action {
            ApprovalAction::StateRestore => api::ApprovalAction::StateRestore,
            ApprovalAction::TagChange => api::ApprovalAction::TagChange,
            ApprovalAction::Promotion => api::ApprovalAction::Promotion,
        },
        digest: awaiting.digest.clone(),
        summary: awaiting.summary.clone(),
    }
}

fn stage(conditions: &mut Conditions<'_>, type_: &str, stage: &Stage, done: Reason, message: &str) {
    match stage {
        Stage::Done => conditions.set(type_, Truth::True, done, message),
        Stage::Pending(reason, message) | Stage::Blocked(reason, message) => {
            conditions.set(type_, Truth::False, *reason, message);
        }
        Stage::Unknown => conditions.set(
            type_,
            Truth::Unknown,
            Reason::Pending,
            "an earlier stage comes first",
        ),
    }
}

fn standing(verdict: &Verdict) -> Standing {
    match verdict.clone() {
        Verdict::Ready => Standing::Ready("the account is usable".into()),
        Verdict::Working(reason, message) => Standing::Working(reason, message),
        Verdict::Waiting(reason, message) => Standing::Waiting(reason, message),
        Verdict::Refused(reason, message) => Standing::Stalled(reason, message),
    }
}

fn tell_facts(status: &mut AwsAccountStatus, facts: &AccountFacts) {
    status.account_id = Some(facts.id.to_string());
    status.arn = Some(facts.arn.clone());
    status.state = Some(facts.state.as_str().to_owned());
    let id = match &facts.parent {
        ParentId::Ou(id) => id.to_string(),
        ParentId::Root(id) => id.to_string(),
    };
    let path = (!facts.path.is_empty()).then(|| facts.path.clone());
    status.organizational_unit = Some(OrganizationalUnitStatus { id: Some(id), path });
}

/// The value that a key of ours has as it is wanted; what Bulkhead writes for itself is recorded with all others only.
fn settled<'f>(facts: &'f AccountFacts, key: &str) -> Option<&'f str> {
    let value = facts.managed_tags.get(key)?;
    let unsettled = key.starts_with(tag_keys::PREFIX) || facts.unsettled_tags.contains(key);
    (!unsettled).then(|| value.as_str())
}

fn tell_progress(
    status: &mut AwsAccountStatus,
    view: &AccountView,
    facts: &AccountFacts,
    prior: &AwsAccountStatus,
    now: Timestamp,
) {
    // Which keys are ours is recorded when they are all written: a key is ours before it may be removed.
    if view.tagged == Stage::Done {
        let managed = facts
            .managed_tags
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect();
        status.tags = Some(TagsStatus {
            managed,
            foreign_count: i64::try_from(facts.foreign_tags).ok(),
        });
    } else if let Some(known) = &mut status.tags {
        // What was written while something else waits is recorded: what differs from the record was changed in AWS.
        for (key, value) in &mut known.managed {
            if let Some(now) = settled(facts, key) {
                now.clone_into(value);
            }
        }
    }
    let same_role = prior
        .access
        .as_ref()
        .filter(|access| access.role_arn.as_ref() == Some(&facts.role_arn));
    status.access = match (&view.access, same_role) {
        (Stage::Done, None) => Some(AccessStatus {
            role_arn: Some(facts.role_arn.clone()),
            verified_at: Some(whole_second(now)),
        }),
        (Stage::Blocked(..), _) => None,
        (_, same) => same.cloned(),
    };
}

/// Which policies of ours the account has, and which revision it has in full.
fn tell_guardrails(
    status: &mut AwsAccountStatus,
    view: &AccountView,
    facts: &AccountFacts,
    desired: &DesiredAccount,
    now: Timestamp,
) {
    let wanted = |name: &String| desired.policies.iter().find(|policy| policy.name == *name);
    status.guardrails = facts
        .policies
        .iter()
        .map(|name| GuardrailStatus {
            name: name.clone(),
            policy_type: wanted(name).map(|policy| policy.policy_type.to_string()),
        })
        .collect();
    let Some(baseline) = status.baseline.as_mut().filter(|_| view.applied) else {
        return;
    };
    let Revision { name, hash } = &desired.revision;
    let known = baseline.applied.as_ref();
    if known.is_none_or(|applied| applied.revision != name.as_str()) {
        baseline.applied = Some(AppliedStatus {
            revision: name.to_string(),
            hash: hash.to_string(),
            at: whole_second(now),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::conditions::{READY, RECONCILING, STALLED, WAITING};
    use serde_json::json;

    fn object() -> AwsAccount {
        serde_json::from_value(json!({
            "apiVersion": "bulkhead.dev/v1alpha1", "kind": "AwsAccount",
            "metadata": {"name": "heron-prod", "namespace": "wading", "generation": 3},
            "spec": {"workload": "heron", "environment": "prod", "purpose": "p", "owner": {"team": "t", "contact": "t@e.co"}},
        }))
        .unwrap()
    }
    fn input<'a>(object: &'a AwsAccount, rejection: Option<&'a Rejection>) -> AccountInput<'a> {
        AccountInput {
            object,
            default_baseline: Some("standard"),
            rejection,
            desired: None,
            offered: None,
            update: None,
            view: None,
            blind: false,
            overall: false,
            now: Timestamp::from_second(1_767_225_600).unwrap(),
        }
    }
    fn truth<'a>(status: &'a AwsAccountStatus, type_: &str) -> Option<&'a str> {
        status
            .conditions
            .iter()
            .find(|c| c.type_ == type_)
            .map(|c| c.status.as_str())
    }

    #[test]
    fn a_rejection_stalls_and_one_that_may_pass_waits() {
        let object = object();
        let no = |waits| Rejection {
            reason: Reason::BaselineNotFound,
            message: "no Baseline".into(),
            waits,
        };
        let stalled = account(input(&object, Some(&no(false)))).unwrap();
        assert_eq!(
            (truth(&stalled, READY), truth(&stalled, STALLED)),
            (Some("False"), Some("True"))
        );
        assert_eq!(truth(&stalled, RECONCILING), None);
        let waits = account(input(&object, Some(&no(true)))).unwrap();
        assert_eq!(
            (truth(&waits, RECONCILING), truth(&waits, WAITING)),
            (Some("True"), Some("True"))
        );
        assert_eq!(truth(&waits, STALLED), None);
        assert_eq!(waits.observed_generation, Some(3));
    }

    #[test]
    fn it_is_told_which_assigned_revision_the_conditions_are_about() {
        let no = Rejection {
            reason: Reason::BaselineNotFound,
            message: "no Baseline".into(),
            waits: false,
        };
        let mut object = object();
        let seen = |object: &AwsAccount| {
            let status = account(input(object, Some(&no))).unwrap();
            status.baseline.unwrap().observed_sequence
        };
        assert_eq!(seen(&object), None);
        let assigned =
            json!({"revision": "standard-0123456789", "hash": "h", "sequence": 7, "by": "Automatic"});
        object.status =
            serde_json::from_value(json!({"baseline": {"assigned": assigned, "observedSequence": 6}}))
                .unwrap();
        assert_eq!(seen(&object), Some(7));
    }

    fn tags(pairs: &[(&str, &str)]) -> model::Tags {
        let pair = |(key, value): &(&str, &str)| {
            let value = model::TagValue::parse(value).unwrap();
            (model::TagKey::parse(key).unwrap(), value)
        };
        pairs.iter().map(pair).collect()
    }

    /// The account carries these tags, and of these keys not what is wanted.
    fn view(tagged: Stage, carried: &[(&str, &str)], unsettled: &[&str]) -> AccountView {
        let facts = AccountFacts {
            id: model::AccountId::parse("100000000001").unwrap(),
            arn: "arn:aws:organizations::999999999999:account/o-aviaryaviary/100000000001".into(),
            state: model::AccountState::Active,
            email: "heron@example.com".into(),
            name: "heron".into(),
            parent: ParentId::parse("r-f00d").unwrap(),
            path: String::new(),
            managed_tags: tags(carried),
            unsettled_tags: tags(carried)
                .into_keys()
                .filter(|key| unsettled.contains(&key.as_str()))
                .collect(),
            foreign_tags: 0,
            policies: vec![],
            role_arn: "arn:aws:iam::100000000001:role/R".into(),
        };
        AccountView {
            account: Some(facts),
            vended: Stage::Done,
            assigned: Stage::Done,
            guarded: Stage::Done,
            placed: Stage::Done,
            tagged,
            access: Stage::Done,
            verdict: Verdict::Ready,
            applied: false,
            awaiting: vec![],
        }
    }

    #[test]
    fn a_value_is_recorded_when_it_is_as_it_is_wanted_and_a_key_when_all_are() {
        let told = |prior: &AwsAccountStatus, view: &AccountView| {
            let mut status = prior.clone();
            let facts = view.account.as_ref().unwrap();
            tell_progress(&mut status, view, facts, prior, Timestamp::UNIX_EPOCH);
            let managed = status.tags.clone().unwrap_or_default().managed;
            let managed: Vec<String> = managed
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            (status, managed)
        };
        let revision = (tag_keys::REVISION, "standard-1111111111/1");
        let first = [("team", "owls"), ("cost-center", "4711"), revision];
        let waits = || Stage::Pending(Reason::Tagging, "other tags".into());
        assert_eq!(
            told(&AwsAccountStatus::default(), &view(waits(), &first, &[])).1,
            [] as [&str; 0]
        );
        let (status, managed) = told(&AwsAccountStatus::default(), &view(Stage::Done, &first, &[]));
        let recorded = [
            "bulkhead.dev/revision=standard-1111111111/1",
            "cost-center=4711",
            "team=owls",
        ];
        assert_eq!(managed, recorded);
        // Somebody changes the cost center in AWS; the team has changed at its source and is written; a key is new.
        let revision = (tag_keys::REVISION, "standard-1111111111/2");
        let then = [
            ("team", "herons"),
            ("cost-center", "4799"),
            ("new", "x"),
            revision,
        ];
        let managed = told(&status, &view(waits(), &then, &["cost-center"])).1;
        let recorded = [
            "bulkhead.dev/revision=standard-1111111111/1",
            "cost-center=4711",
            "team=herons",
        ];
        assert_eq!(managed, recorded);
    }

    #[test]
    fn an_offer_is_a_condition_that_goes_with_it() {
        let mut object = object();
        let no = Rejection {
            reason: Reason::BaselineNotFound,
            message: "no Baseline".into(),
            waits: true,
        };
        let revision = Revision {
            name: model::RevisionName::parse("standard-3f9c2ab41d").unwrap(),
            hash: model::RevisionHash::parse(&format!("sha256:3f9c2ab41d{:054}", 0)).unwrap(),
        };
        let offered = (revision, Some("2026-06-01T00:00:00.5Z".parse().unwrap()));
        let told = account(AccountInput {
            offered: Some(&offered),
            ..input(&object, Some(&no))
        })
        .unwrap();
        let condition = told
            .conditions
            .iter()
            .find(|c| c.type_ == UPDATE_AVAILABLE)
            .unwrap();
        for piece in [
            "standard-3f9c2ab41d",
            "environment prod",
            "bulkhead.dev/upgrade=now",
            "at 2026-06-01T00:00:00Z",
        ] {
            assert!(condition.message.contains(piece), "{}", condition.message);
        }
        object.status = Some(told);
        let taken = account(input(&object, Some(&no))).unwrap();
        assert_eq!(truth(&taken, UPDATE_AVAILABLE), None);
    }

    #[test]
    fn an_unchanged_world_gives_an_unchanged_status() {
        let mut object = object();
        let no = Rejection {
            reason: Reason::UnknownEnvironment,
            message: "no".into(),
            waits: false,
        };
        let first = account(input(&object, Some(&no))).unwrap();
        object.status = Some(first.clone());
        let later = AccountInput {
            now: Timestamp::from_second(1_767_229_999).unwrap(),
            ..input(&object, Some(&no))
        };
        assert_eq!(account(later).unwrap(), first);
    }
}
