//! What a finished step or read means for the next plan: effects, attempts, rests.

use super::{Driver, ReadDone};
use crate::store::Stored;
use executor::{
    Access, AwsError, Clock, Disposition, ErrorClass, JournalError, Organizations, Outcome, ReadResult,
    StepFailure, disposition,
};
use jiff::{SignedDuration, Timestamp};
use model::{AccountKey, Action, Attempt, Hold, HoldKind, Observation, Read, Reason, Step, StepId};
use rand::RngExt;

/// How what rests by a disposition is told.
fn kind(disposition: Disposition) -> HoldKind {
    match disposition {
        Disposition::AlreadyDone | Disposition::Reobserve | Disposition::Retry(_) => HoldKind::Retry,
        Disposition::Wait(..) => HoldKind::Wait,
        Disposition::Stalled(_) => HoldKind::Stalled,
    }
}

/// How long a read, or a step that Kubernetes refuses, rests after its n-th failure in a row, before jitter. For what AWS
/// answers to a step, see [`Disposition::rest`].
fn back_off(first: SignedDuration, ceiling: SignedDuration, failures: u32) -> SignedDuration {
    (first * 2_i32.pow(failures.saturating_sub(1).min(12))).min(ceiling)
}

/// What is told of a failed call: stable words, no ids, so that status does not change with each try.
fn words(error: &AwsError, reason: Reason) -> String {
    match reason {
        Reason::AccessDenied => format!(
            "AWS refuses the operator {} ({}); check its credentials and the policies of its role",
            error.operation, error.class
        ),
        Reason::OrganizationsNotInUse => {
            "the operator's AWS account is not the management account of an organization".to_owned()
        }
        Reason::OrganizationalUnitLimitExceeded | Reason::AccountLimitExceeded | Reason::TagLimitExceeded => {
            format!("a limit of AWS is reached: {error}")
        }
        _ => error.to_string(),
    }
}

impl<A, C> Driver<'_, A, C>
where
    A: Organizations + Access + Clone,
    C: Clock,
{
    /// Stage 6 has an outcome.
    pub(crate) fn finished(&mut self, outcome: Outcome) {
        let Outcome { step, result } = outcome;
        let now = self.context.clock.now();
        self.in_flight.remove(&step.id);
        self.mutating &= !step.action.mutates_aws();
        self.note_attempt(&step, &result, now);
        match result {
            Ok(effect) => {
                self.operator.metrics.step(step.action.kind(), "OK");
                self.held.remove(&step.id);
                if let Some(effect) = effect {
                    self.observed.effect(effect, now);
                }
                if step.reason == Reason::RepairingPolicies {
                    self.tell_of_repair(&step);
                } else if let Some(key) = &step.key {
                    self.tell_of(key, &step);
                }
            }
            Err(failure) => {
                let outcome = match &failure {
                    StepFailure::Aws { .. } => "AwsError",
                    StepFailure::Journal(_) => "KubernetesError",
                    StepFailure::Fenced => "Fenced",
                };
                self.operator.metrics.step(step.action.kind(), outcome);
                self.rest(&step, failure, now);
            }
        }
    }

    /// What a step that has succeeded means for its object.
    fn tell_of(&mut self, key: &AccountKey, step: &Step) {
        match &step.action {
            // Another try at what stalled is told by what comes of it.
            Action::RecordRequest { .. } if self.published.is_another_try(key) => {}
            Action::RecordRequest { .. } => {
                let note = "AWS has accepted the request for the account";
                self.tell(key, false, Reason::CreationRequested, note);
            }
            // The same revision once more stores tag keys only.
            Action::Assign { assigned, .. } if step.reason == Reason::AssigningRevision => {
                let note = format!(
                    "the account is to have revision {} as number {}",
                    assigned.revision.name, assigned.sequence
                );
                self.tell(key, false, Reason::RevisionAssigned, &note);
            }
            Action::Reread => drop(self.reread.insert(key.clone())),
            _ => {}
        }
    }

    /// Somebody had changed what is ours. A policy may belong to many accounts: each of them is told.
    fn tell_of_repair(&mut self, step: &Step) {
        self.operator.metrics.repaired(step.action.kind());
        let (what, policy) = match &step.action {
            Action::CreatePolicy { policy } => (
                format!("policy {} was deleted and is made again", policy.name),
                &policy.name,
            ),
            Action::UpdatePolicy { policy, .. } => (
                format!("policy {} was edited; its content is written back", policy.name),
                &policy.name,
            ),
            Action::AttachPolicy { policy, account, .. } => {
                if let Some(key) = &step.key {
                    let what =
                        format!("policy {policy} was detached from account {account}; it is attached again");
                    self.tell(key, true, Reason::GuardrailsRepaired, &what);
                }
                return;
            }
            _ => return,
        };
        for key in self.having(policy) {
            self.tell(&key, true, Reason::GuardrailsRepaired, &what);
        }
    }

    /// The objects whose status names this policy.
    fn having(&self, policy: &str) -> Vec<AccountKey> {
        self.stores.read(|stores| {
            let accounts = stores.accounts.iter();
            let having = accounts.filter_map(|((namespace, name), stored)| {
                let Stored::Good(object) = stored else { return None };
                let mut guardrails = object.status.as_ref()?.guardrails.iter();
                guardrails.any(|one| one.name == policy).then(|| AccountKey {
                    namespace: namespace.clone(),
                    name: name.clone(),
                })
            });
            having.collect()
        })
    }

    /// What the outcome says of a creation attempt, and of the mark.
    fn note_attempt(
        &mut self,
        step: &Step,
        result: &Result<Option<model::Effect>, StepFailure>,
        now: Timestamp,
    ) {
        let unknown = |failure: &StepFailure| matches!(failure, StepFailure::Aws { error, .. } if error.class.effect_unknown());
        match &step.action {
            Action::CreateAccount { token, .. } => {
                let attempt = match result {
                    Ok(Some(model::Effect::CreationAccepted(record))) => Attempt::Accepted(record.id.clone()),
                    Ok(_) => Attempt::Unknown,
                    Err(failure) if unknown(failure) => Attempt::Unknown,
                    Err(_) => Attempt::Refused,
                };
                self.attempts.ended(token, attempt);
            }
            Action::WriteMark { .. } => match result {
                Ok(_) => self.mark.on_written(now),
                Err(failure) if unknown(failure) => self.mark.on_written(now),
                Err(_) => {}
            },
            _ => {}
        }
    }

    /// A failed step rests, as its disposition says.
    fn rest(&mut self, step: &Step, failure: StepFailure, now: Timestamp) {
        let failures = self.held.get(&step.id).map_or(0, |hold| hold.failures) + 1;
        let second = SignedDuration::from_secs(1);
        let (kind, reason, message, rest) = match failure {
            StepFailure::Fenced => return,
            StepFailure::Journal(error) => {
                let message = error.to_string();
                match error {
                    // The watch, or the answer we lay over it, brings the newer object; then the plan is another.
                    JournalError::Conflict | JournalError::Gone => (
                        HoldKind::Retry,
                        Reason::Reobserving,
                        message,
                        back_off(SignedDuration::from_millis(200), second * 5, failures),
                    ),
                    JournalError::Foreign(_) => {
                        (HoldKind::Stalled, Reason::OutputsConflict, message, second * 60)
                    }
                    JournalError::Refused(_) => (
                        HoldKind::Stalled,
                        Reason::KubernetesRefused,
                        message,
                        back_off(second * 30, second * 600, failures),
                    ),
                    JournalError::Unavailable(_) => {
                        let message = "Kubernetes could not be reached or failed".to_owned();
                        (
                            HoldKind::Retry,
                            Reason::Reobserving,
                            message,
                            back_off(second, second * 30, failures),
                        )
                    }
                }
            }
            StepFailure::Aws { error, disposition } => {
                if error.class.effect_unknown() || disposition == Disposition::Reobserve {
                    self.look_at(&step.action, &error.class);
                }
                // Without a reason there is nothing to rest from: the world is as wanted.
                let Some(reason) = disposition.reason() else {
                    return;
                };
                let message = if disposition == Disposition::Reobserve {
                    format!("{error}; looking again")
                } else {
                    words(&error, reason)
                };
                (kind(disposition), reason, message, disposition.rest(failures))
            }
        };
        self.hold(step.id.clone(), kind, reason, message, rest, failures, now);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one Hold")]
    fn hold(
        &mut self,
        id: StepId,
        kind: HoldKind,
        reason: Reason,
        message: String,
        rest: SignedDuration,
        failures: u32,
        now: Timestamp,
    ) {
        let millis = i64::try_from(rest.as_millis()).unwrap_or(i64::MAX / 2).max(1);
        let jitter = SignedDuration::from_millis(self.random.random_range(0..=millis / 10));
        let until = now.checked_add(rest + jitter).unwrap_or(Timestamp::MAX);
        self.held.insert(
            id,
            Hold {
                kind,
                reason,
                message,
                until,
                failures,
            },
        );
        // Rests of wishes that are no longer there.
        let long_ago = now
            .checked_sub(SignedDuration::from_hours(1))
            .unwrap_or(Timestamp::MIN);
        self.held.retain(|_, hold| hold.until > long_ago);
    }

    /// The world may differ from what the plan was made for: read what the step was about.
    fn look_at(&mut self, action: &Action, class: &ErrorClass) {
        let read = match action {
            // The unit to move to is not there (any more): the tree has to be read again.
            Action::MoveAccount { .. } if *class == ErrorClass::TargetNotFound => Read::Full,
            Action::MoveAccount { account, .. }
            | Action::TagAccount { account, .. }
            | Action::UntagAccount { account, .. } => Read::Account(account.clone()),
            Action::CreateOrganizationalUnit { .. } => Read::Full,
            Action::WriteMark { .. } => Read::Mark,
            Action::EnablePolicyType { .. } => Read::PolicyTypes,
            Action::CreatePolicy { policy } | Action::UpdatePolicy { policy, .. } => {
                Read::Policies(policy.policy_type.clone())
            }
            // Only a full read shows what it is attached to.
            Action::DeletePolicy { .. } if *class == ErrorClass::PolicyInUse => Read::Full,
            Action::DeletePolicy { policy_type, .. } => Read::Policies(policy_type.clone()),
            Action::AttachPolicy { account, .. } | Action::DetachPolicy { account, .. }
                if *class == ErrorClass::TargetNotFound =>
            {
                Read::Account(account.clone())
            }
            // Somebody deleted the policy.
            Action::AttachPolicy { policy_type, .. } | Action::DetachPolicy { policy_type, .. }
                if *class == ErrorClass::PolicyNotFound =>
            {
                Read::Policies(policy_type.clone())
            }
            Action::AttachPolicy { policy_type, .. } if *class == ErrorClass::PolicyTypeNotEnabled => {
                self.reobserve.insert(Read::Policies(policy_type.clone()));
                Read::PolicyTypes
            }
            Action::AttachPolicy {
                policy_type, account, ..
            }
            | Action::DetachPolicy {
                policy_type, account, ..
            } => Read::Attachments(account.clone(), policy_type.clone()),
            _ => return,
        };
        self.reobserve.insert(read);
    }

    /// Stage 3 has a result.
    pub(crate) fn has_read(&mut self, (name, result): ReadDone) {
        let now = self.context.clock.now();
        self.reading.remove(&name);
        match result {
            Ok(ReadResult::Mark { value, began, root }) => {
                self.held.remove(&name);
                self.observed.root.get_or_insert(root);
                self.mark.on_read(value, began);
            }
            Ok(ReadResult::Organization(observation)) => {
                let misses = self.held.remove(&name).map_or(0, |hold| hold.failures) + 1;
                if let Observation::Full { began, .. } = &observation {
                    self.operator.metrics.observed(*began);
                }
                // A created account that AWS does not show yet is asked for again soon, not at once.
                let invisible = matches!(
                    &observation,
                    Observation::Account { account: None, .. }
                        | Observation::Attachments { attached: None, .. }
                );
                self.observed.observe(observation, now);
                if invisible {
                    let rest = back_off(
                        SignedDuration::from_secs(5),
                        SignedDuration::from_mins(10),
                        misses,
                    );
                    let message = "AWS does not show the account".to_owned();
                    self.hold(
                        name,
                        HoldKind::Wait,
                        Reason::AccountNotVisible,
                        message,
                        rest,
                        misses,
                        now,
                    );
                }
            }
            Err(error) => {
                let failures = self.held.get(&name).map_or(0, |hold| hold.failures) + 1;
                tracing::warn!(
                    read = %name, operation = error.operation, class = %error.class, aws_message = error.message,
                    request_id = error.request_id, failures, "read failed"
                );
                let disposition = disposition(None, &error.class);
                let reason = disposition.reason().unwrap_or(Reason::Reobserving);
                let kind = kind(disposition);
                // A read changes nothing: it is repeated sooner than a step.
                let ceiling = match kind {
                    HoldKind::Stalled => 60,
                    HoldKind::Retry => 30,
                    HoldKind::Wait => 300,
                };
                let rest = back_off(
                    SignedDuration::from_secs(1),
                    SignedDuration::from_secs(ceiling),
                    failures,
                );
                // The mark must be read in time: its licence ends a period after the last read.
                let rest = if name.0 == "read/mark" {
                    rest.min(SignedDuration::from_secs(5))
                } else {
                    rest
                };
                let message = words(&error, reason);
                self.hold(name, kind, reason, message, rest, failures, now);
            }
        }
    }
}
