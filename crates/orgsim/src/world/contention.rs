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
    writes: BTreeMap<u64, String>,
}

impl InFlight {
    /// Registers a write of `target`.
    pub(crate) fn enter(&mut self, target: String) -> u64 {
        self.next += 1;
        self.writes.insert(self.next, target);
        self.next
    }

    pub(crate) fn leave(&mut self, ticket: u64) {
        self.writes.remove(&ticket);
    }

    /// Whether an earlier write of the same target is unanswered. The earliest never is contended, so one always wins.
    pub(crate) fn contended(&self, ticket: u64) -> bool {
        let Some(target) = self.writes.get(&ticket) else {
            return false;
        };
        self.writes.range(..ticket).any(|(_, earlier)| earlier == target)
    }
}

/// What a request writes to; nothing for reads.
pub(crate) fn target(request: &Request) -> Option<String> {
    use OrganizationsRequest as R;
    let Request::Organizations(request) = request else {
        return None;
    };
    match request {
        R::CreateAccount(_) | R::CreateOrganizationalUnit(_) => Some("organization".to_owned()),
        R::CloseAccount(input) => input.account_id.clone(),
        R::MoveAccount(input) => input.account_id.clone(),
        R::DeleteOrganizationalUnit(input) => input.organizational_unit_id.clone(),
        R::UpdateOrganizationalUnit(input) => input.organizational_unit_id.clone(),
        R::TagResource(input) => input.resource_id.clone(),
        R::UntagResource(input) => input.resource_id.clone(),
        R::DescribeAccount(_)
        | R::DescribeCreateAccountStatus(_)
        | R::DescribeOrganization(_)
        | R::DescribeOrganizationalUnit(_)
        | R::ListAccounts(_)
        | R::ListAccountsForParent(_)
        | R::ListChildren(_)
        | R::ListCreateAccountStatus(_)
        | R::ListOrganizationalUnitsForParent(_)
        | R::ListParents(_)
        | R::ListRoots(_)
        | R::ListTagsForResource(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_write_wins() {
        let mut in_flight = InFlight::default();
        let first = in_flight.enter("a".to_owned());
        let second = in_flight.enter("a".to_owned());
        let other = in_flight.enter("b".to_owned());
        assert!(!in_flight.contended(first));
        assert!(in_flight.contended(second));
        assert!(!in_flight.contended(other));
        in_flight.leave(first);
        assert!(!in_flight.contended(second));
    }
}
