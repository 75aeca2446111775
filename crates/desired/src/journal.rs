//! What Kubernetes remembers of one object, read back from its metadata and status.

use crate::Rejection;
use api::{AssignedPromotion, AssignedStatus, AwsAccount, CreationStatus, FINALIZER};
use model::{
    AccountId, AccountName, Assigned, AssignedBy, CreateRequestId, Creation, Email, Invalid, JournalEntry,
    OutputsState, PromotedBy, Reason, Revision, RevisionHash, RevisionName, RoleName, TagKey, TagValue,
    Token,
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
    let assigned = status
        .and_then(|s| s.baseline.as_ref()?.assigned.as_ref())
        .map(assigned)
        .transpose();
    let applied = status.and_then(|s| s.baseline.as_ref()?.applied.as_ref());
    let access = status
        .and_then(|s| s.access.as_ref())
        .filter(|access| access.verified_at.is_some());
    let managed = status
        .and_then(|s| s.tags.as_ref())
        .into_iter()
        .flat_map(|tags| &tags.managed);
    let broken = match (&account_id, &creation, &assigned) {
        (Err(error), _, _) => Some(broken("status.accountId", error)),
        (_, Err(error), _) => Some(broken("status.creation", error)),
        (_, _, Err(error)) => Some(broken("status.baseline.assigned", error)),
        _ => None,
    };
    let entry = JournalEntry {
        uid: object.metadata.uid.clone().unwrap_or_default(),
        held: object
            .metadata
            .finalizers
            .iter()
            .flatten()
            .any(|finalizer| finalizer == FINALIZER),
        deleting: object.metadata.deletion_timestamp.is_some(),
        creation: creation.ok().flatten(),
        assigned: assigned.ok().flatten(),
        account_id: account_id.ok().flatten(),
        applied: applied.and_then(|applied| RevisionName::parse(&applied.revision).ok()),
        verified_role: access.and_then(|access| access.role_arn.clone()),
        managed_tags: managed
            .filter_map(|(key, value)| Some((TagKey::parse(key).ok()?, TagValue::parse(value).ok()?)))
            .collect(),
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

fn assigned(status: &AssignedStatus) -> Result<Assigned, Invalid> {
    let AssignedStatus {
        revision,
        hash,
        sequence,
        by,
        promotion,
        tag_keys,
    } = status;
    if *sequence < 1 {
        return Err(Invalid::new("sequence", "at least 1", &sequence.to_string()));
    }
    Ok(Assigned {
        revision: Revision {
            name: RevisionName::parse(revision)?,
            hash: RevisionHash::parse(hash)?,
        },
        sequence: *sequence,
        by: decided(by, promotion.as_ref()),
        tag_keys: tag_keys
            .iter()
            .map(|key| TagKey::parse(key))
            .collect::<Result<_, _>>()?,
    })
}

/// Who decided; what Bulkhead cannot have written was nobody's decision.
fn decided(by: &str, promotion: Option<&AssignedPromotion>) -> AssignedBy {
    let promotion = || {
        promotion.map(|by| {
            Box::new(PromotedBy {
                name: by.name.clone(),
                uid: by.uid.clone(),
                attempt: by.attempt.clone(),
                stage: by.stage.clone(),
                wave: by.wave.clone(),
                at: by.at,
            })
        })
    };
    match by {
        "Promotion" => promotion().map_or(AssignedBy::Automatic, AssignedBy::Promotion),
        "Rollback" => promotion().map_or(AssignedBy::Automatic, AssignedBy::Rollback),
        "Pin" => AssignedBy::Pin,
        _ => AssignedBy::Automatic,
    }
}
