//! What Kubernetes remembers of one object, read back from its metadata and status.

use crate::Rejection;
use api::{AwsAccount, CreationStatus, FINALIZER};
use model::{
    AccountId, AccountName, CreateRequestId, Creation, Email, Invalid, JournalEntry, OutputsState, Reason,
    RoleName, TagKey, Token,
};

/// The entry, and a rejection when the status holds something the operator cannot have written: then the object is left
/// alone, because acting without its memory could create a second account.
pub(crate) fn entry(object: &AwsAccount, outputs: OutputsState) -> (JournalEntry, Option<Rejection>) {
    let status = object.status.as_ref();
    let account_id = status
        .and_then(|s| s.account_id.as_deref())
        .map(AccountId::parse)
        .transpose();
    let creation = status.and_then(|s| s.creation.as_ref()).map(creation).transpose();
    let access = status
        .and_then(|s| s.access.as_ref())
        .filter(|access| access.verified_at.is_some());
    let managed = status
        .and_then(|s| s.tags.as_ref())
        .into_iter()
        .flat_map(|tags| tags.managed.keys());
    let broken = match (&account_id, &creation) {
        (Err(error), _) => Some(broken("status.accountId", error)),
        (_, Err(error)) => Some(broken("status.creation", error)),
        _ => None,
    };
    let entry = JournalEntry {
        held: object
            .metadata
            .finalizers
            .iter()
            .flatten()
            .any(|finalizer| finalizer == FINALIZER),
        deleting: object.metadata.deletion_timestamp.is_some(),
        creation: creation.ok().flatten(),
        account_id: account_id.ok().flatten(),
        verified_role: access.and_then(|access| access.role_arn.clone()),
        managed_tags: managed.filter_map(|key| TagKey::parse(key).ok()).collect(),
        outputs,
    };
    (entry, broken)
}

fn broken(field: &str, error: &Invalid) -> Rejection {
    Rejection::new(
        Reason::Undecodable,
        format!(
            "{field} was not written by Bulkhead: {error}; nothing is done for this object until it is corrected"
        ),
    )
}

fn creation(status: &CreationStatus) -> Result<Creation, Invalid> {
    let CreationStatus {
        token,
        attempt,
        started_at,
        epoch,
        email,
        account_name,
        role_name,
        request_id,
    } = status;
    Ok(Creation {
        token: Token::parse(token)?,
        attempt: *attempt,
        started_at: *started_at,
        epoch: *epoch,
        email: Email::parse(email)?,
        account_name: AccountName::parse(account_name)?,
        role_name: RoleName::parse(role_name)?,
        request_id: request_id.as_deref().map(CreateRequestId::parse).transpose()?,
    })
}
