//! Everything that [`decide`] decides, in a form to print.

use crate::{
    disposition::{CONSTRAINTS, Disposition, HANDSHAKES, INPUTS, Known, Operation, Operation as On, decide},
    error::ErrorClass,
};

/// One line of the catalogue: this failure of these operations means this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// The failure; a `Reason` or name that stands for all the others is empty.
    pub class: ErrorClass,
    /// Operations that can fail so, in order of declaration.
    pub operations: Vec<Operation>,
    /// What it means there.
    pub disposition: Disposition,
}

/// Every class and every known `Reason`, on the operations that can fail so, with what [`decide`] says.
pub fn catalogue() -> Vec<CatalogueEntry> {
    let mut entries: Vec<CatalogueEntry> = Vec::new();
    for (class, operations) in representatives() {
        let first = entries.len();
        for &operation in operations {
            let disposition = decide(operation, &class);
            let same = |entry: &&mut CatalogueEntry| entry.disposition == disposition;
            if let Some(entry) = entries[first..].iter_mut().find(same) {
                entry.operations.push(operation);
            } else {
                entries.push(CatalogueEntry {
                    class: class.clone(),
                    operations: vec![operation],
                    disposition,
                });
            }
        }
    }
    entries
}

/// Operations that change AWS; fenced by the leadership term.
const MUTATIONS: &[On] = &[
    On::CreateAccount,
    On::CreateOrganizationalUnit,
    On::MoveAccount,
    On::TagResource,
    On::UntagResource,
    On::CreatePolicy,
    On::UpdatePolicy,
    On::DeletePolicy,
    On::AttachPolicy,
    On::DetachPolicy,
    On::EnablePolicyType,
    On::CloseAccount,
    On::InviteAccountToOrganization,
    On::CancelHandshake,
];

/// One value of each class and for each known `Reason`, with the operations that model it (AWS Organizations API, the
/// errors of each operation). The test `every_class_is_in_the_catalogue` notices one that is missing.
fn representatives() -> Vec<(ErrorClass, &'static [Operation])> {
    let mut all: Vec<(ErrorClass, &'static [Operation])> = vec![
        (ErrorClass::Throttled, On::ALL),
        (ErrorClass::Service, On::ALL),
        (ErrorClass::Timeout, On::ALL),
        (ErrorClass::AnswerLost, On::ALL),
        (ErrorClass::Unreachable, On::ALL),
        (ErrorClass::TermOver, MUTATIONS),
        (ErrorClass::ConcurrentModification, MUTATIONS),
        (
            ErrorClass::FinalizingOrganization,
            &[On::CreateAccount, On::InviteAccountToOrganization],
        ),
        (
            ErrorClass::PolicyChangesInProgress,
            &[
                On::Read,
                On::UpdatePolicy,
                On::AttachPolicy,
                On::DetachPolicy,
                On::EnablePolicyType,
            ],
        ),
        (ErrorClass::AccessDenied, On::ALL),
        (ErrorClass::OrganizationsNotInUse, On::ALL),
        (
            ErrorClass::AccountNotFound,
            &[On::Read, On::MoveAccount, On::CloseAccount],
        ),
        (ErrorClass::CreateAccountStatusNotFound, &[On::Read]),
        (
            ErrorClass::TargetNotFound,
            &[
                On::Read,
                On::CreateOrganizationalUnit,
                On::MoveAccount,
                On::TagResource,
                On::UntagResource,
                On::AttachPolicy,
                On::DetachPolicy,
                On::EnablePolicyType,
            ],
        ),
        (ErrorClass::SourceParentNotFound, &[On::MoveAccount]),
        (
            ErrorClass::DuplicateAccount,
            &[On::MoveAccount, On::InviteAccountToOrganization],
        ),
        (
            ErrorClass::DuplicateOrganizationalUnit,
            &[On::CreateOrganizationalUnit],
        ),
        (
            ErrorClass::PolicyNotFound,
            &[
                On::Read,
                On::UpdatePolicy,
                On::DeletePolicy,
                On::AttachPolicy,
                On::DetachPolicy,
            ],
        ),
        (ErrorClass::DuplicatePolicy, &[On::CreatePolicy, On::UpdatePolicy]),
        (ErrorClass::DuplicatePolicyAttachment, &[On::AttachPolicy]),
        (ErrorClass::PolicyNotAttached, &[On::DetachPolicy]),
        (ErrorClass::PolicyInUse, &[On::DeletePolicy]),
        (ErrorClass::EffectivePolicyNotFound, &[On::Read]),
        (ErrorClass::PolicyTypeNotEnabled, &[On::AttachPolicy]),
        (ErrorClass::PolicyTypeAlreadyEnabled, &[On::EnablePolicyType]),
        (
            ErrorClass::PolicyTypeNotAvailable,
            &[On::CreatePolicy, On::EnablePolicyType],
        ),
        (
            ErrorClass::MalformedPolicyDocument,
            &[On::CreatePolicy, On::UpdatePolicy],
        ),
        (ErrorClass::AccountAlreadyClosed, &[On::CloseAccount]),
        (ErrorClass::Conflict, &[On::CloseAccount]),
        (ErrorClass::DuplicateHandshake, &[On::InviteAccountToOrganization]),
        (ErrorClass::HandshakeNotFound, &[On::Read, On::CancelHandshake]),
        (ErrorClass::HandshakeAlreadyInState, &[On::CancelHandshake]),
        (ErrorClass::InvalidHandshakeTransition, &[On::CancelHandshake]),
        (
            ErrorClass::AccountOwnerNotVerified,
            &[On::InviteAccountToOrganization],
        ),
    ];
    type Reasons = (fn(String) -> ErrorClass, &'static [Known], &'static [Operation]);
    let reasons: [Reasons; 4] = [
        (ErrorClass::ConstraintViolation, CONSTRAINTS, MUTATIONS),
        (
            ErrorClass::HandshakeConstraintViolation,
            HANDSHAKES,
            &[On::InviteAccountToOrganization],
        ),
        (ErrorClass::InvalidInput, INPUTS, On::ALL),
        (ErrorClass::Unclassified, &[], On::ALL),
    ];
    for (class, known, others) in reasons {
        all.extend(
            known
                .iter()
                .map(|(reason, operations, _)| (class((*reason).to_owned()), *operations)),
        );
        all.push((class(String::new()), others));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disposition::Disposition::{AlreadyDone, Retry};
    use jiff::SignedDuration;
    use std::collections::BTreeSet;

    #[test]
    fn every_class_is_in_the_catalogue() {
        let catalogue = catalogue();
        let kinds: BTreeSet<&str> = catalogue.iter().map(|entry| entry.class.kind()).collect();
        assert_eq!(kinds, ErrorClass::KINDS.iter().copied().collect::<BTreeSet<_>>());
        let on: BTreeSet<Operation> = catalogue
            .iter()
            .flat_map(|entry| entry.operations.clone())
            .collect();
        assert_eq!(on, Operation::ALL.iter().copied().collect::<BTreeSet<_>>());
        for (n, entry) in catalogue.iter().enumerate() {
            let again = catalogue[..n].iter().find(|earlier| {
                earlier.class == entry.class
                    && (earlier.disposition == entry.disposition
                        || earlier.operations.iter().any(|it| entry.operations.contains(it)))
            });
            assert_eq!(again, None, "told twice");
        }
    }

    /// What is Stalled, or waits, is looked at again by itself some day; and what may have had its effect is never taken
    /// for done or for refused.
    #[test]
    fn nothing_is_given_up_and_nothing_unknown_is_taken_for_known() {
        for entry in catalogue() {
            let done = entry.disposition == AlreadyDone;
            assert_eq!(done, entry.disposition.rest(1).is_zero(), "{entry:?}");
            assert_eq!(done, entry.disposition.reason().is_none(), "{entry:?}");
            assert!(
                entry.disposition.rest(u32::MAX) <= SignedDuration::from_hours(24),
                "{entry:?}"
            );
            assert!(
                entry.disposition.rest(1) <= entry.disposition.rest(9),
                "{entry:?}"
            );
            if entry.class.effect_unknown() {
                assert!(matches!(entry.disposition, Retry(_)), "{entry:?}");
            }
        }
    }
}
