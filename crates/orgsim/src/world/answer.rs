//! One request: who asks, what happens, what is answered, and what the debug address remembers of it.

use std::time::Duration;

use jiff::Timestamp;

use super::buckets::Empty;
use super::callers::Caller;
use super::policy_types::policy_changes_in_progress;
use super::{Event, World, sts};
use crate::debug::Call;
use crate::faults::{Fault, Hit};
use crate::wire::organizations::Request as OrganizationsRequest;
use crate::wire::{Answer, ApiError, Exchange, RawRequest, Request, Service, is_read};
use crate::wire::{sts as wire_sts, tagging as wire_tagging};

/// [`Call::outcome`] of a request that had no effect and got no answer.
const NOT_PROCESSED: &str = "NOT_PROCESSED";

/// What the network makes of a request that has just been sent.
pub(crate) struct Arrival {
    pub(crate) request_id: String,
    pub(crate) latency: Duration,
    pub(crate) hit: Option<Hit>,
}

impl World {
    /// A request has been sent: its id, how long it will be on its way, and the fault that hits it.
    pub(crate) fn arrive(&mut self, exchange: &Exchange, now: Timestamp) -> Arrival {
        let latency = self.random.latencies.duration(self.settings.latency);
        let hit = self.faults.draw(&exchange.operation, self.now.max(now));
        Arrival {
            request_id: self.random.request_ids.uuid(),
            latency,
            hit,
        }
    }

    /// Answers one request at `now`. `contended` says that an earlier write of the same target is still unanswered.
    pub(crate) fn apply(
        &mut self,
        exchange: &Exchange,
        contended: bool,
        hit: Option<Hit>,
        now: Timestamp,
    ) -> Result<Answer, ApiError> {
        self.settle(now);
        let caller = self.authenticate(exchange);
        let account = caller.as_ref().ok().map(|caller| caller.account.clone());
        let fault = hit.map(|hit| hit.fault);
        let result = match fault {
            Some(Fault::Throttle) => Err(throttled(exchange.service, None)),
            Some(Fault::ServiceException) => Err(service_exception(exchange.service)),
            Some(Fault::ConcurrentModification) => Err(concurrent_modification()),
            _ => caller.and_then(|caller| self.answer(exchange, contended, hit, &caller)),
        };
        if !is_read(&exchange.operation) {
            self.changed();
        }
        let (outcome, reason) = match &result {
            Ok(_) => ("OK".to_owned(), None),
            Err(error) => (error.code.clone().into_owned(), error.reason.clone()),
        };
        self.record(exchange, outcome, reason.map(Into::into), account, fault);
        match fault {
            Some(Fault::ServiceExceptionAfterEffect) => Err(service_exception(exchange.service)),
            _ => result,
        }
    }

    /// A request that never arrives, for the list of calls.
    pub(crate) fn miss(&mut self, exchange: &Exchange, fault: Fault, now: Timestamp) {
        self.settle(now);
        let caller = self.authenticate(exchange).ok().map(|caller| caller.account);
        self.record(exchange, NOT_PROCESSED.to_owned(), None, caller, Some(fault));
    }

    /// The request takes effect later, whether anybody waits for it or not.
    pub(crate) fn take_effect_after(&mut self, delay: Duration, request: RawRequest, now: Timestamp) {
        self.settle(now);
        self.schedule(delay, Event::LateEffect(request));
        self.changed();
    }

    pub(crate) fn take_late_effect(&mut self, request: &RawRequest) {
        let hit = Hit {
            fault: Fault::TimeoutAfterEffect,
            delay: Duration::ZERO,
        };
        let now = self.now;
        // Nobody hears the answer.
        let _ = self.apply(&request.decode(), false, Some(hit), now);
    }

    /// In AWS's order: the rate, the permission, then the request itself.
    fn answer(
        &mut self,
        exchange: &Exchange,
        contended: bool,
        fault: Option<Hit>,
        caller: &Caller,
    ) -> Result<Answer, ApiError> {
        let request = exchange.request.as_ref().map_err(Clone::clone)?;
        let operation = exchange.operation.as_str();
        self.throttle(exchange.service, operation, caller)?;
        if let Some(error) = self.planned_failure(operation) {
            return Err(error);
        }
        self.authorize(exchange, request, caller)?;
        if contended {
            return Err(contention_error(operation));
        }
        match fault {
            Some(Hit {
                fault: Fault::StaleRead,
                delay,
            }) => self.in_the_past(delay, |world| world.perform(exchange, request, caller)),
            Some(Hit {
                fault: Fault::EmptyPage,
                ..
            }) => {
                self.pager.force = true;
                let result = self.perform(exchange, request, caller);
                self.pager.force = false;
                result
            }
            _ => self.perform(exchange, request, caller),
        }
    }

    fn perform(
        &mut self,
        exchange: &Exchange,
        request: &Request,
        caller: &Caller,
    ) -> Result<Answer, ApiError> {
        match request {
            Request::Organizations(request) => self.organizations(request, caller).map(Answer::Json),
            Request::Tagging(wire_tagging::Request::GetResources(input)) => {
                let region = exchange.credentials.as_ref().map_or("", |c| c.region.as_str());
                self.get_resources(input, region, caller).map(Answer::Json)
            }
            Request::Sts(wire_sts::Request::AssumeRole(input)) => {
                self.assume_role(input, caller).map(Answer::Sts)
            }
            Request::Sts(wire_sts::Request::GetCallerIdentity) => Ok(Answer::Sts(sts::identity(caller))),
        }
    }

    fn organizations(
        &mut self,
        request: &OrganizationsRequest,
        caller: &Caller,
    ) -> Result<serde_json::Value, ApiError> {
        use OrganizationsRequest as R;
        match request {
            R::AttachPolicy(input) => self.attach_policy(input),
            R::CancelHandshake(input) => self.cancel_handshake(input),
            R::CloseAccount(input) => self.close_account(input),
            R::CreateAccount(input) => self.create_account(input),
            R::CreateOrganizationalUnit(input) => self.create_organizational_unit(input),
            R::CreatePolicy(input) => self.create_policy(input),
            R::DeleteOrganizationalUnit(input) => self.delete_organizational_unit(input),
            R::DeletePolicy(input) => self.delete_policy(input),
            R::DeregisterDelegatedAdministrator(input) => self.deregister_delegated_administrator(input),
            R::DescribeAccount(input) => self.describe_account(input),
            R::DescribeCreateAccountStatus(input) => self.describe_create_account_status(input),
            R::DescribeEffectivePolicy(input) => self.describe_effective_policy(input, caller),
            R::DescribeHandshake(input) => self.describe_handshake(input),
            R::DescribeOrganization(_) => Ok(self.describe_organization()),
            R::DescribeOrganizationalUnit(input) => self.describe_organizational_unit(input),
            R::DescribePolicy(input) => self.describe_policy(input),
            R::DetachPolicy(input) => self.detach_policy(input),
            R::DisableAWSServiceAccess(input) => self.disable_service_access(input),
            R::DisablePolicyType(input) => self.disable_policy_type(input),
            R::EnableAWSServiceAccess(input) => self.enable_service_access(input),
            R::EnablePolicyType(input) => self.enable_policy_type(input),
            R::InviteAccountToOrganization(input) => self.invite_account(input),
            R::LeaveOrganization(_) => self.leave_organization(caller),
            R::ListAWSServiceAccessForOrganization(input) => self.list_service_access(input),
            R::ListAccounts(input) => self.list_accounts(input),
            R::ListAccountsForParent(input) => self.list_accounts_for_parent(input),
            R::ListChildren(input) => self.list_children(input),
            R::ListCreateAccountStatus(input) => self.list_create_account_status(input),
            R::ListDelegatedAdministrators(input) => self.list_delegated_administrators(input),
            R::ListDelegatedServicesForAccount(input) => self.list_delegated_services(input),
            R::ListHandshakesForOrganization(input) => self.list_handshakes(input),
            R::ListOrganizationalUnitsForParent(input) => self.list_organizational_units_for_parent(input),
            R::ListParents(input) => self.list_parents(input),
            R::ListPolicies(input) => self.list_policies(input),
            R::ListPoliciesForTarget(input) => self.list_policies_for_target(input),
            R::ListRoots(input) => self.list_roots(input),
            R::ListTagsForResource(input) => self.list_tags_for_resource(input),
            R::ListTargetsForPolicy(input) => self.list_targets_for_policy(input),
            R::MoveAccount(input) => self.move_account(input),
            R::RegisterDelegatedAdministrator(input) => self.register_delegated_administrator(input),
            R::RemoveAccountFromOrganization(input) => self.remove_account(input),
            R::TagResource(input) => self.tag_resource(input),
            R::UntagResource(input) => self.untag_resource(input),
            R::UpdateOrganizationalUnit(input) => self.update_organizational_unit(input),
            R::UpdatePolicy(input) => self.update_policy(input),
        }
    }

    fn throttle(&mut self, service: Service, operation: &str, caller: &Caller) -> Result<(), ApiError> {
        let taken = self.buckets.take((service, operation), &caller.account, self.now);
        taken.map_err(|empty| throttled(service, Some(empty)))
    }

    fn planned_failure(&mut self, operation: &str) -> Option<ApiError> {
        let waiting = self.failing_calls.get_mut(operation)?;
        waiting.pop_front()
    }

    fn record(
        &mut self,
        exchange: &Exchange,
        outcome: String,
        reason: Option<String>,
        caller: Option<String>,
        fault: Option<Fault>,
    ) {
        let service = exchange.service.name();
        let operation = &exchange.operation;
        tracing::debug!(
            service,
            operation,
            outcome,
            reason,
            caller,
            fault = fault.map(Fault::name),
            "call"
        );
        self.calls.push_back(Call {
            at: self.now,
            service: service.to_owned(),
            operation: operation.clone(),
            outcome,
            reason,
            caller,
            fault,
        });
        while self.calls.len() > self.settings.calls_kept {
            self.calls.pop_front();
        }
    }
}

/// Overlapping changes of what policies come to have their own exception, where the operation models it.
fn contention_error(operation: &str) -> ApiError {
    const POLICY_CHANGES: [&str; 5] = [
        "AttachPolicy",
        "DetachPolicy",
        "UpdatePolicy",
        "EnablePolicyType",
        "DisablePolicyType",
    ];
    if POLICY_CHANGES.contains(&operation) {
        policy_changes_in_progress()
    } else {
        concurrent_modification()
    }
}

fn concurrent_modification() -> ApiError {
    let message = "The target of the operation is currently being modified by a different request";
    ApiError::new("ConcurrentModificationException", message)
}

fn service_exception(service: Service) -> ApiError {
    let code = match service {
        Service::Organizations => "ServiceException",
        Service::Tagging => "InternalServiceException",
        Service::Sts => "InternalFailure",
    };
    let message = "The service can't complete your request because of an internal service error";
    ApiError::new(code, message).with_status(500)
}

/// `empty` says which bucket was; an injected throttle counts as the account's.
fn throttled(service: Service, empty: Option<Empty>) -> ApiError {
    let message = "You have sent too many requests in too short a period of time";
    match service {
        Service::Organizations => {
            // HTTP 400, where most services answer 429.
            let mut error = ApiError::new("TooManyRequestsException", message);
            // The values of `Type` are not documented; these say which bucket was empty.
            let bucket = match empty {
                None | Some(Empty::Account) => "ACCOUNT",
                Some(Empty::Organization) => "ORGANIZATION",
            };
            error.throttle = Some(bucket.into());
            error
        }
        Service::Tagging => ApiError::new("ThrottledException", message),
        Service::Sts => ApiError::new("Throttling", "Rate exceeded"),
    }
}
