//! The organization itself: pure. Time and chance come in as arguments and streams; nothing here waits.
//!
//! [`World::apply`] first lets everything happen that is due, then answers one request.

mod accounts;
mod buckets;
mod callers;
mod check;
mod close_account;
pub(crate) mod contention;
mod create_account;
mod get_resources;
mod mutate;
mod page;
mod random;
mod sts;
mod tags;
mod units;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::after;
use crate::debug::{Call, FailureReason};
use crate::settings::Settings;
use crate::wire::organizations::Request as OrganizationsRequest;
use crate::wire::{Answer, ApiError, Exchange, Request, Service};
use crate::wire::{sts as wire_sts, tagging as wire_tagging};

use accounts::Account;
use buckets::Buckets;
use callers::{Caller, Session};
use create_account::Creation;
use page::Pager;
use random::Random;
use units::Unit;

/// Something that will happen by itself.
#[derive(Clone, Debug)]
enum Event {
    /// A creation request ends.
    CreationEnds(String),
    /// A closing account is closed.
    AccountCloses(String),
    /// A closed account leaves the organization for good.
    AccountDeparts(String),
    /// GetResources learns the tags of a resource.
    TagsIndexed(String),
}

/// One organization.
pub(crate) struct World {
    settings: Settings,
    now: Timestamp,
    random: Random,
    pager: Pager,
    buckets: Buckets,
    /// By id.
    accounts: BTreeMap<String, Account>,
    /// By id.
    units: BTreeMap<String, Unit>,
    /// By the resource's id; a resource without tags may be absent.
    tags: BTreeMap<String, BTreeMap<String, String>>,
    /// The tags GetResources knows; a resource that ever had one stays.
    tag_index: BTreeMap<String, BTreeMap<String, String>>,
    /// By request id.
    creations: BTreeMap<String, Creation>,
    /// Lowercase emails of every account anywhere, closed, vanished and foreign ones included.
    used_emails: BTreeSet<String>,
    /// When closures of the last 30 days began, oldest first.
    closures: VecDeque<Timestamp>,
    /// By access key id. Kept for ever: a forgotten key would count as the management account's.
    sessions: BTreeMap<String, Session>,
    /// What is due when; the number keeps the order of things due at one moment.
    events: BTreeMap<(Timestamp, u64), Event>,
    denied: BTreeSet<&'static str>,
    failing_creations: VecDeque<FailureReason>,
    /// By operation.
    failing_calls: BTreeMap<&'static str, VecDeque<ApiError>>,
    calls: VecDeque<Call>,
    /// Numbers events and creations.
    sequence: u64,
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        let mut world = Self {
            now: settings.start,
            random: Random::new(settings.seed),
            pager: Pager {
                empty_pages: Random::empty_pages(settings.seed),
                percent: settings.empty_page_percent,
            },
            buckets: Buckets::new(settings.limits),
            accounts: BTreeMap::new(),
            units: BTreeMap::new(),
            tags: BTreeMap::new(),
            tag_index: BTreeMap::new(),
            creations: BTreeMap::new(),
            used_emails: settings
                .foreign_emails
                .iter()
                .map(|email| email.to_lowercase())
                .collect(),
            closures: VecDeque::new(),
            sessions: BTreeMap::new(),
            events: BTreeMap::new(),
            denied: BTreeSet::new(),
            failing_creations: VecDeque::new(),
            failing_calls: BTreeMap::new(),
            calls: VecDeque::new(),
            sequence: 0,
            settings,
        };
        world.add_management_account();
        world
    }

    /// A request has arrived: its id, and how long it will be on its way.
    pub(crate) fn arrive(&mut self) -> (String, Duration) {
        let latency = self.random.latencies.duration(self.settings.latency);
        (self.random.request_ids.uuid(), latency)
    }

    /// Answers one request at `now`. `contended` says that an earlier write of the same target is still unanswered.
    pub(crate) fn apply(
        &mut self,
        exchange: &Exchange,
        contended: bool,
        now: Timestamp,
    ) -> Result<Answer, ApiError> {
        self.settle(now);
        let caller = self.authenticate(exchange);
        let account = caller.as_ref().ok().map(|caller| caller.account.clone());
        let result = caller.and_then(|caller| self.answer(exchange, contended, &caller));
        self.record(exchange, account, &result);
        result
    }

    /// Lets everything happen that is due by `now`, in order. A clock that goes back stands still instead.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        while let Some(entry) = self.events.first_entry() {
            let (due, _) = *entry.key();
            if due > now {
                break;
            }
            let event = entry.remove();
            self.now = self.now.max(due);
            match event {
                Event::CreationEnds(id) => self.end_creation(&id),
                Event::AccountCloses(id) => self.end_closing(&id),
                Event::AccountDeparts(id) => self.depart(&id),
                Event::TagsIndexed(id) => self.index_tags(&id),
            }
        }
        self.now = self.now.max(now);
    }

    /// In AWS's order: the rate, the permission, then the request itself.
    fn answer(&mut self, exchange: &Exchange, contended: bool, caller: &Caller) -> Result<Answer, ApiError> {
        let request = exchange.request.as_ref().map_err(Clone::clone)?;
        let operation = exchange.operation.as_str();
        self.throttle(exchange.service, operation, caller)?;
        if let Some(error) = self.planned_failure(operation) {
            return Err(error);
        }
        self.authorize(request, exchange.service, operation, caller)?;
        if contended {
            let message = "The target of the operation is currently being modified by a different request";
            return Err(ApiError::new("ConcurrentModificationException", message));
        }
        match request {
            Request::Organizations(request) => self.organizations(request).map(Answer::Json),
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

    fn organizations(&mut self, request: &OrganizationsRequest) -> Result<serde_json::Value, ApiError> {
        use OrganizationsRequest as R;
        match request {
            R::CloseAccount(input) => self.close_account(input),
            R::CreateAccount(input) => self.create_account(input),
            R::CreateOrganizationalUnit(input) => self.create_organizational_unit(input),
            R::DeleteOrganizationalUnit(input) => self.delete_organizational_unit(input),
            R::DescribeAccount(input) => self.describe_account(input),
            R::DescribeCreateAccountStatus(input) => self.describe_create_account_status(input),
            R::DescribeOrganization(_) => Ok(self.describe_organization()),
            R::DescribeOrganizationalUnit(input) => self.describe_organizational_unit(input),
            R::ListAccounts(input) => self.list_accounts(input),
            R::ListAccountsForParent(input) => self.list_accounts_for_parent(input),
            R::ListChildren(input) => self.list_children(input),
            R::ListCreateAccountStatus(input) => self.list_create_account_status(input),
            R::ListOrganizationalUnitsForParent(input) => self.list_organizational_units_for_parent(input),
            R::ListParents(input) => self.list_parents(input),
            R::ListRoots(input) => self.list_roots(input),
            R::ListTagsForResource(input) => self.list_tags_for_resource(input),
            R::MoveAccount(input) => self.move_account(input),
            R::TagResource(input) => self.tag_resource(input),
            R::UntagResource(input) => self.untag_resource(input),
            R::UpdateOrganizationalUnit(input) => self.update_organizational_unit(input),
        }
    }

    fn throttle(&mut self, service: Service, operation: &str, caller: &Caller) -> Result<(), ApiError> {
        let taken = self.buckets.take((service, operation), &caller.account, self.now);
        let Err(empty) = taken else { return Ok(()) };
        let message = "You have sent too many requests in too short a period of time";
        let mut error = match service {
            // HTTP 400, where most services answer 429.
            Service::Organizations => ApiError::new("TooManyRequestsException", message),
            Service::Tagging => ApiError::new("ThrottledException", message),
            Service::Sts => ApiError::new("Throttling", "Rate exceeded"),
        };
        if service == Service::Organizations {
            // The values of `Type` are not documented; these say which bucket was empty.
            error.throttle = Some(match empty {
                buckets::Empty::Account => "ACCOUNT",
                buckets::Empty::Organization => "ORGANIZATION",
            });
        }
        Err(error)
    }

    fn planned_failure(&mut self, operation: &str) -> Option<ApiError> {
        let waiting = self.failing_calls.get_mut(operation)?;
        waiting.pop_front()
    }

    fn record(&mut self, exchange: &Exchange, caller: Option<String>, result: &Result<Answer, ApiError>) {
        let outcome = match result {
            Ok(_) => "OK".to_owned(),
            Err(error) => error.code.clone().into_owned(),
        };
        let reason = result.as_ref().err().and_then(|error| error.reason.clone());
        let service = exchange.service.name();
        let operation = &exchange.operation;
        tracing::debug!(
            service,
            operation,
            outcome,
            reason = reason.as_deref(),
            caller,
            "call"
        );
        self.calls.push_back(Call {
            at: self.now,
            service: service.to_owned(),
            operation: operation.clone(),
            outcome,
            reason: reason.map(std::borrow::Cow::into_owned),
            caller,
        });
        while self.calls.len() > self.settings.calls_kept {
            self.calls.pop_front();
        }
    }

    fn schedule(&mut self, delay: Duration, event: Event) {
        self.sequence += 1;
        let due = after(self.now, delay);
        self.events.insert((due, self.sequence), event);
    }
}
