//! Which writes get in each other's way.
//!
//! AWS answers ConcurrentModificationException when "the target of the operation is currently being modified by a
//! different request"; reports show it on CreateAccount and CreateOrganizationalUnit for any overlap in the organization.

use std::collections::BTreeMap;

use crate::wire::Request;
use crate::wire::organizations::Request as OrganizationsRequest;

/// Writes that were sent and not yet answered, by ticket; the lower ticket came first.
#[derive(Default)]
pub(crate) struct InFlight {
    next: u64,
    writes: BTreeMap<u64, Vec<String>>,
}

impl InFlight {
    /// Registers a write of all these.
    pub(crate) fn enter(&mut self, targets: Vec<String>) -> u64 {
        self.next += 1;
        self.writes.insert(self.next, targets);
        self.next
    }

    pub(crate) fn leave(&mut self, ticket: u64) {
        self.writes.remove(&ticket);
    }

    /// Whether an earlier write of the same target is unanswered. The earliest never is contended, so one always wins.
    pub(crate) fn contended(&self, ticket: u64) -> bool {
        let Some(targets) = self.writes.get(&ticket) else {
            return false;
        };
        let mut earlier = self.writes.range(..ticket).flat_map(|(_, earlier)| earlier);
        earlier.any(|target| targets.contains(target))
    }
}

/// What a request writes to; nothing for reads.
pub(crate) fn targets(request: &Request) -> Vec<String> {
    use OrganizationsRequest as R;
    let Request::Organizations(request) = request else {
        return Vec::new();
    };
    let of = |ids: &[&Option<String>]| ids.iter().copied().flatten().cloned().collect();
    match request {
        R::CreateAccount(_) | R::CreateOrganizationalUnit(_) | R::InviteAccountToOrganization(_) => {
            vec!["organization".to_owned()]
        }
        R::CreatePolicy(_) => vec!["policies".to_owned()],
        R::CloseAccount(input) | R::RemoveAccountFromOrganization(input) => of(&[&input.account_id]),
        R::MoveAccount(input) => of(&[&input.account_id]),
        R::DeleteOrganizationalUnit(input) => of(&[&input.organizational_unit_id]),
        R::UpdateOrganizationalUnit(input) => of(&[&input.organizational_unit_id]),
        R::TagResource(input) => of(&[&input.resource_id]),
        R::UntagResource(input) => of(&[&input.resource_id]),
        R::AttachPolicy(input) | R::DetachPolicy(input) => of(&[&input.policy_id, &input.target_id]),
        R::DeletePolicy(input) => of(&[&input.policy_id]),
        R::UpdatePolicy(input) => of(&[&input.policy_id]),
        R::EnablePolicyType(input) | R::DisablePolicyType(input) => of(&[&input.root_id]),
        R::CancelHandshake(input) => of(&[&input.handshake_id]),
        R::RegisterDelegatedAdministrator(input) | R::DeregisterDelegatedAdministrator(input) => {
            of(&[&input.account_id])
        }
        R::EnableAWSServiceAccess(input) | R::DisableAWSServiceAccess(input) => {
            of(&[&input.service_principal])
        }
        R::DescribeAccount(_)
        | R::DescribeCreateAccountStatus(_)
        | R::DescribeEffectivePolicy(_)
        | R::DescribeHandshake(_)
        | R::DescribeOrganization(_)
        | R::DescribeOrganizationalUnit(_)
        | R::DescribePolicy(_)
        // The caller names nothing; its account is the target.
        | R::LeaveOrganization(_)
        | R::ListAWSServiceAccessForOrganization(_)
        | R::ListAccounts(_)
        | R::ListAccountsForParent(_)
        | R::ListChildren(_)
        | R::ListCreateAccountStatus(_)
        | R::ListDelegatedAdministrators(_)
        | R::ListDelegatedServicesForAccount(_)
        | R::ListHandshakesForOrganization(_)
        | R::ListOrganizationalUnitsForParent(_)
        | R::ListParents(_)
        | R::ListPolicies(_)
        | R::ListPoliciesForTarget(_)
        | R::ListRoots(_)
        | R::ListTagsForResource(_)
        | R::ListTargetsForPolicy(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_write_wins() {
        let mut in_flight = InFlight::default();
        let first = in_flight.enter(vec!["a".to_owned()]);
        let second = in_flight.enter(vec!["a".to_owned()]);
        let other = in_flight.enter(vec!["b".to_owned(), "c".to_owned()]);
        let third = in_flight.enter(vec!["c".to_owned()]);
        assert!(!in_flight.contended(first));
        assert!(in_flight.contended(second));
        assert!(!in_flight.contended(other));
        assert!(in_flight.contended(third));
        in_flight.leave(first);
        assert!(!in_flight.contended(second));
    }
}
