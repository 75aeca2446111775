//! Carries out one step.

use crate::{
    disposition::{Disposition, Operation, disposition},
    error::{AwsError, ErrorClass},
    pacer::{Family, SharedPacer},
    port::{Access, Clock, CreateAccountRequest, Journal, JournalError, Organizations},
};
use jiff::Timestamp;
use model::{Action, Effect, Reason, RootId, Step, TagKey, TagValue, Tags, tag_keys};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long a mutation may take: it must be over before the leadership term can be.
pub(crate) const MUTATION_TIMEOUT: Duration = Duration::from_secs(4);

/// AWS's limit of a policy's description, in characters (AWS Organizations API, `PolicyDescription`).
const DESCRIPTION: usize = 512;

/// The leadership term as the executor sees it: no mutation is sent outside of one.
///
/// It is asked twice. Before a call is built, and by the implementation of
/// [`Organizations`] when the first byte is about to leave: credentials, a connection and a TLS handshake may lie
/// between the two, and a process that is stopped there (SIGSTOP, a frozen VM) goes on when its term is long over.
#[derive(Clone, Debug, Default)]
pub struct Fence(Arc<Mutex<Option<Instant>>>);

tokio::task_local! {
    /// The fence of the call that is being polled.
    static AROUND: Fence;
}

impl Fence {
    /// A term is valid until this instant.
    pub fn open_until(&self, until: Instant) {
        self.set(Some(until));
    }
    /// The term is over.
    pub fn close(&self) {
        self.set(None);
    }
    /// Is there enough of the term left for one mutation?
    pub fn permits(&self) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() + MUTATION_TIMEOUT <= until)
    }

    /// Polls `call` with this fence around it: what changes AWS in there is sent only while the fence permits.
    pub async fn around<F: Future>(&self, call: F) -> F::Output {
        AROUND.scope(self.clone(), call).await
    }
    /// The fence around the call that is being polled. None for a call that no leadership stands behind.
    ///
    /// To be asked when a mutation is built, in the same task; the fence itself may be taken to another one, and has to
    /// be asked in the poll that hands the request to the operating system. When it refuses, the call ends with
    /// [`ErrorClass::TermOver`].
    pub fn of_this_call() -> Option<Self> {
        AROUND.try_with(Clone::clone).ok()
    }

    fn set(&self, until: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// What carrying out steps and reads needs.
#[derive(Clone, Debug)]
pub struct Context<A, J, C> {
    /// AWS.
    pub aws: A,
    /// What Kubernetes remembers.
    pub journal: J,
    /// The clock.
    pub clock: C,
    /// The pacer.
    pub pacer: SharedPacer,
    /// The leadership term.
    pub fence: Fence,
    /// This installation: the value of the tag that marks its organizational units and policies.
    pub installation: String,
}

/// Why a step did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepFailure {
    /// AWS refused or failed.
    #[error("{error}")]
    Aws {
        /// How.
        error: AwsError,
        /// What it means.
        disposition: Disposition,
    },
    /// Kubernetes refused or failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No leadership term, or too little of it left: nothing was sent.
    #[error("the leadership term is over")]
    Fenced,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The step.
    pub step: Step,
    /// What it changed, or why it did not.
    pub result: Result<Option<Effect>, StepFailure>,
}

/// The bucket a step draws from before it is started; `None`: it does not call AWS.
pub(crate) const fn family(action: &Action) -> Option<Family> {
    match Operation::of(action) {
        Operation::CreateAccount => Some(Family::CreateAccount),
        Operation::CreateOrganizationalUnit => Some(Family::CreateOrganizationalUnit),
        Operation::MoveAccount => Some(Family::MoveAccount),
        Operation::TagResource | Operation::UntagResource => Some(Family::TagResource),
        Operation::CreatePolicy
        | Operation::DeletePolicy
        | Operation::AttachPolicy
        | Operation::DetachPolicy => Some(Family::Policies),
        Operation::UpdatePolicy => Some(Family::UpdatePolicy),
        Operation::EnablePolicyType => Some(Family::PolicyTypes),
        Operation::CloseAccount => Some(Family::CloseAccount),
        Operation::VerifyAccess => Some(Family::Sts),
        // What does not call AWS; and no action invites anybody yet.
        Operation::Read | Operation::InviteAccountToOrganization | Operation::CancelHandshake => None,
    }
}

impl<A: Organizations + Access, J: Journal, C: Clock> Context<A, J, C> {
    /// May this step be started now? If not, when there will be a token for it.
    pub fn admit(&self, action: &Action) -> Result<(), Timestamp> {
        family(action).map_or(Ok(()), |family| {
            self.pacer.take(family, action.class(), self.clock.now())
        })
    }

    /// Is there a token for this step? Takes none.
    pub fn ready(&self, action: &Action) -> bool {
        family(action).is_none_or(|family| self.pacer.ready(family, action.class(), self.clock.now()))
    }
}

/// Carries out a step that was admitted.
pub async fn execute<A, J, C>(context: Context<A, J, C>, step: Step, root: Option<RootId>) -> Outcome
where
    A: Organizations + Access,
    J: Journal,
    C: Clock,
{
    let began = context.clock.now();
    let result = match stands(&context, &step).await {
        Ok(()) if step.action.mutates_aws() => mutate(&context, &step.action, root).await,
        Ok(()) => remember(&context, &step).await,
        Err(failure) => Err(failure),
    };
    if let Err(StepFailure::Aws { error, disposition }) = &result {
        tracing::warn!(
            step = %step.id, operation = error.operation, class = %error.class, aws_message = error.message,
            request_id = error.request_id, ?disposition, "step failed"
        );
        slow_down(&context, &step.action, error, *disposition, began);
    }
    Outcome { step, result }
}

/// What a refusal says of all calls like it. `began`: when the step was admitted.
fn slow_down<A, J, C: Clock>(
    context: &Context<A, J, C>,
    action: &Action,
    error: &AwsError,
    disposition: Disposition,
    began: Timestamp,
) {
    let (Some(family), now) = (family(action), context.clock.now()) else {
        return;
    };
    if error.class == ErrorClass::Throttled {
        context.pacer.throttled(family, began, now);
    }
    // More than five creations in flight, ours or another tool's: a fact about the organization, not about the object.
    if let Disposition::Wait(Reason::AccountCreationRateLimitExceeded, rest) = disposition {
        context
            .pacer
            .pause(family, now.checked_add(rest).unwrap_or(Timestamp::MAX));
    }
}

/// A creation intent must still stand at the API server when the call goes out, and what a budget counts is counted
/// there before: who crashes in between has spent too much, never too little.
async fn stands<A, J: Journal, C>(context: &Context<A, J, C>, step: &Step) -> Result<(), StepFailure> {
    if let (Action::CreateAccount { token, .. }, Some(key)) = (&step.action, &step.key) {
        context.journal.confirm(key, token).await?;
    }
    if let Some(change) = &step.spends {
        if !context.fence.permits() {
            return Err(StepFailure::Fenced);
        }
        context.journal.spend(change).await?;
    }
    Ok(())
}

/// One call that changes AWS, inside the term and inside its time.
async fn mutate<A, J, C>(
    context: &Context<A, J, C>,
    action: &Action,
    root: Option<RootId>,
) -> Result<Option<Effect>, StepFailure>
where
    A: Organizations,
    C: Clock,
{
    if !context.fence.permits() {
        return Err(StepFailure::Fenced);
    }
    let call = context.fence.around(call(context, action, root));
    let result = tokio::time::timeout(MUTATION_TIMEOUT, call)
        .await
        .unwrap_or_else(|_| {
            Err(AwsError {
                operation: action.kind(),
                class: ErrorClass::Timeout,
                message: format!("no answer within {MUTATION_TIMEOUT:?}"),
                request_id: None,
            })
        });
    result.or_else(|error| match disposition(Some(action), &error.class) {
        _ if error.class == ErrorClass::TermOver => Err(StepFailure::Fenced),
        Disposition::AlreadyDone => Ok(achieved(action)),
        disposition => Err(StepFailure::Aws { error, disposition }),
    })
}

/// What is so once the call has succeeded, or AWS says that it already was; `None`: nothing, or only the answer tells it.
fn achieved(action: &Action) -> Option<Effect> {
    match action.clone() {
        Action::MoveAccount { account, to, .. } => Some(Effect::AccountMoved { account, to }),
        Action::TagAccount { account, tags } => Some(Effect::Tagged { account, tags }),
        Action::UntagAccount { account, keys } => Some(Effect::Untagged { account, keys }),
        Action::EnablePolicyType { policy_type } => Some(Effect::PolicyTypeEnabled(policy_type)),
        Action::UpdatePolicy { id, policy } => Some(Effect::PolicyUpdated {
            id,
            content: policy.content,
        }),
        Action::DeletePolicy { id, policy_type, .. } => Some(Effect::PolicyDeleted { id, policy_type }),
        Action::AttachPolicy {
            policy,
            policy_type,
            account,
        } => Some(Effect::PolicyAttached {
            policy,
            policy_type,
            account,
        }),
        Action::DetachPolicy {
            policy,
            policy_type,
            account,
        } => Some(Effect::PolicyDetached {
            policy,
            policy_type,
            account,
        }),
        _ => None,
    }
}

async fn call<A: Organizations, J, C>(
    context: &Context<A, J, C>,
    action: &Action,
    root: Option<RootId>,
) -> Result<Option<Effect>, AwsError> {
    let aws = &context.aws;
    match action {
        Action::WriteMark { value } => {
            let Some(root) = root else { return Ok(None) };
            let tags = BTreeMap::from([(tag_keys::INSTALLATION.to_owned(), value.clone())]);
            aws.tag_resource(root.as_str(), &tags).await?;
        }
        Action::CreateAccount {
            email,
            account_name,
            role_name,
            tags,
            ..
        } => {
            let request = CreateAccountRequest {
                email: email.clone(),
                account_name: account_name.clone(),
                role_name: role_name.clone(),
                tags: tags.clone(),
            };
            let record = aws.create_account(&request).await?;
            return Ok(Some(Effect::CreationAccepted(record)));
        }
        Action::CreateOrganizationalUnit { parent, name, .. } => {
            let tags = BTreeMap::from([(tag_keys::MANAGED.to_owned(), context.installation.clone())]);
            let unit = aws.create_organizational_unit(parent, name, &tags).await?;
            return Ok(Some(Effect::UnitCreated(unit)));
        }
        Action::CreatePolicy { policy } => {
            let description = description(&context.installation, &policy.parts);
            let made = aws
                .create_policy(policy, &description, &managed(&context.installation))
                .await?;
            return Ok(Some(Effect::PolicyCreated(made)));
        }
        Action::MoveAccount { account, from, to } => aws.move_account(account, from, to).await?,
        Action::TagAccount { account, tags } => aws.tag_resource(account.as_str(), &strings(tags)).await?,
        Action::UntagAccount { account, keys } => aws.untag_resource(account.as_str(), keys).await?,
        Action::EnablePolicyType { policy_type } => {
            let Some(root) = root else { return Ok(None) };
            aws.enable_policy_type(&root, policy_type).await?;
        }
        Action::UpdatePolicy { id, policy } => aws.update_policy(id, &policy.content).await?,
        Action::DeletePolicy { id, .. } => aws.delete_policy(id).await?,
        Action::AttachPolicy { policy, account, .. } => aws.attach_policy(policy, account).await?,
        Action::DetachPolicy { policy, account, .. } => aws.detach_policy(policy, account).await?,
        Action::Hold
        | Action::Release
        | Action::Intend(..)
        | Action::Assign { .. }
        | Action::Reread
        | Action::Withdraw { .. }
        | Action::RecordRequest { .. }
        | Action::VerifyAccess { .. }
        | Action::ApplyOutputs { .. } => {}
    }
    Ok(achieved(action))
}

/// The tag of what this installation makes. Its name is a DNS label, which every tag value may be.
fn managed(installation: &str) -> Tags {
    let tag = (TagKey::parse(tag_keys::MANAGED), TagValue::parse(installation));
    if let (Ok(key), Ok(value)) = tag {
        Tags::from([(key, value)])
    } else {
        Tags::new()
    }
}

/// Who made a policy and what is in it, for people who find it in AWS.
fn description(installation: &str, parts: &[String]) -> String {
    let whole = format!("Bulkhead {installation}: {}", parts.join(", "));
    if whole.chars().count() <= DESCRIPTION {
        return whole;
    }
    whole.chars().take(DESCRIPTION - 3).chain("...".chars()).collect()
}

fn strings(tags: &Tags) -> BTreeMap<String, String> {
    tags.iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

/// Steps that do not change AWS: what Kubernetes remembers, and the probe.
async fn remember<A, J, C>(context: &Context<A, J, C>, step: &Step) -> Result<Option<Effect>, StepFailure>
where
    A: Access,
    J: Journal,
    C: Clock,
{
    if let Action::VerifyAccess { account, role_arn } = &step.action {
        return match context.aws.verify(account, role_arn).await {
            Ok(()) => {
                let at = context.clock.now();
                Ok(Some(Effect::AccessVerified {
                    account: account.clone(),
                    role_arn: role_arn.clone(),
                    at,
                }))
            }
            Err(error) => {
                let disposition = disposition(Some(&step.action), &error.class);
                Err(StepFailure::Aws { error, disposition })
            }
        };
    }
    let Some(key) = &step.key else { return Ok(None) };
    match &step.action {
        Action::Hold => context.journal.hold(key).await?,
        Action::Release => context.journal.release(key).await?,
        Action::Intend(creation, assigned) => context.journal.intend(key, creation, assigned).await?,
        Action::Assign { assigned, .. } => context.journal.assign(key, assigned).await?,
        Action::Reread => context.journal.reread(key).await?,
        Action::Withdraw { token } => context.journal.withdraw(key, token).await?,
        Action::RecordRequest { token, request_id } => {
            context.journal.record_request(key, token, request_id).await?;
        }
        Action::ApplyOutputs { config_map, data } => {
            context.journal.apply_outputs(key, config_map, data).await?;
        }
        Action::WriteMark { .. }
        | Action::CreateAccount { .. }
        | Action::CreateOrganizationalUnit { .. }
        | Action::MoveAccount { .. }
        | Action::TagAccount { .. }
        | Action::UntagAccount { .. }
        | Action::EnablePolicyType { .. }
        | Action::CreatePolicy { .. }
        | Action::UpdatePolicy { .. }
        | Action::DeletePolicy { .. }
        | Action::AttachPolicy { .. }
        | Action::DetachPolicy { .. }
        | Action::VerifyAccess { .. } => {}
    }
    Ok(None)
}
