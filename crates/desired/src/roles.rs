//! The operator's role in each account is what its creation asked for, and AWS neither tells nor changes it. Guardrails exempt
//! and protect one role by its name, so that name must stay as long as there are accounts that were made with it.

use crate::content::Content;
use crate::{Rejection, content::Place, lines::Shelf};
use model::{Reason, RoleName};
use std::sync::Arc;

/// An environment keeps its `accessRoleName` while a revision of it is at hand, because accounts may have that role.
pub(crate) fn kept(stored: &Shelf, baseline: &str, head: Arc<Content>) -> Result<Arc<Content>, Rejection> {
    for (revision, content) in stored {
        if revision.baseline() != baseline || content.revision == head.revision {
            continue;
        }
        for (name, place) in &head.environments {
            let Some(before) = content.environments.get(name) else {
                continue;
            };
            if before.role != place.role {
                return Err(Rejection::new(
                    Reason::LockOut,
                    format!(
                        "spec.environments[{name}].accessRoleName: is {:?}, and revision {:?} of this environment has {:?}; \
                         accounts keep the role they were made with, and what exempts another one would lock the operator \
                         out of them: set it back, or add an environment under another name",
                        place.role.as_str(),
                        revision.as_str(),
                        before.role.as_str()
                    ),
                ));
            }
        }
    }
    Ok(head)
}

/// An account that was made with another role, under another Baseline or environment, cannot have these policies.
pub(crate) fn exempted(environment: &str, place: &Place, role: &RoleName) -> Result<(), Rejection> {
    if *role == place.role || place.policies.is_empty() {
        return Ok(());
    }
    Err(Rejection::new(
        Reason::LockOut,
        format!(
            "spec.environment: {environment:?} has the accessRoleName {:?}, and this account was made with the role {:?}, which \
             its policies do not exempt: they would lock the operator out; name an environment whose accessRoleName is {:?}",
            place.role.as_str(),
            role.as_str(),
            role.as_str()
        ),
    ))
}
