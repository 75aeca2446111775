//! The organization itself: pure. Time and chance come in as arguments and streams; nothing here waits.
//!
//! [`World::apply`] first lets everything happen that is due, then answers one request; `answer.rs`.

mod accounts;
pub(crate) mod answer;
mod attachments;
mod buckets;
mod callers;
mod check;
mod close_account;
pub(crate) mod contention;
mod create_account;
mod delegation;
mod effective_policy;
mod enforcement;
mod get_resources;
mod handshakes;
mod leave;
mod mutate;
mod page;
mod pairs;
mod past;
mod policies;
mod policy_grammar;
mod policy_types;
pub(crate) mod random;
mod records;
mod saved;
pub(crate) mod scp;
mod sts;
mod tags;
mod units;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::after;
use crate::debug::{Call, FailureReason};
use crate::faults::Faults;
use crate::settings::Settings;
use crate::wire::{ApiError, RawRequest};

use accounts::Account;
use buckets::Buckets;
use callers::Session;
use enforcement::Enforcement;
use page::Pager;
use past::Past;
use policy_types::TypeStatus;
use random::Random;
use records::Records;

/// Something that will happen by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Event {
    /// A creation request ends.
    CreationEnds(String),
    /// A closing account is closed.
    AccountCloses(String),
    /// A closed account leaves the organization for good.
    AccountDeparts(String),
    /// GetResources learns the tags of a resource.
    TagsIndexed(String),
    /// A type of policies is enabled or disabled.
    PolicyTypeSettles(String),
    /// An invitation is open for too long.
    HandshakeExpires(String),
    /// A request whose caller gets no answer takes effect.
    LateEffect(RawRequest),
}

/// One organization. What is written to a state file is everything but what `serde(skip)` says.
#[derive(Serialize, Deserialize)]
pub(crate) struct World {
    #[serde(skip)]
    settings: Settings,
    now: Timestamp,
    random: Random,
    pager: Pager,
    buckets: Buckets,
    records: Records,
    #[serde(default)]
    enforcement: Enforcement,
    #[serde(skip)]
    past: Past,
    #[serde(skip)]
    faults: Faults,
    /// Lowercase emails of every account anywhere, closed, vanished and foreign ones included.
    used_emails: BTreeSet<String>,
    /// Accounts that left the organization, by id.
    outside: BTreeMap<String, Account>,
    /// When closures of the last 30 days began, oldest first.
    closures: VecDeque<Timestamp>,
    /// By access key id. Kept for ever: a forgotten key would count as the management account's.
    sessions: BTreeMap<String, Session>,
    /// What is due when; the number keeps the order of things due at one moment.
    #[serde(with = "pairs")]
    events: BTreeMap<(Timestamp, u64), Event>,
    denied: BTreeSet<String>,
    failing_creations: VecDeque<FailureReason>,
    /// By operation.
    failing_calls: BTreeMap<String, VecDeque<ApiError>>,
    #[serde(skip)]
    calls: VecDeque<Call>,
    /// Counts what happens to policies and their attachments.
    #[serde(skip)]
    policy_changes: u64,
    /// Numbers events and creations.
    sequence: u64,
    /// Whether something has changed since the state was last written.
    #[serde(skip)]
    unsaved: bool,
    /// The time the written state shows.
    #[serde(skip)]
    saved_at: Timestamp,
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        let mut world = Self {
            now: settings.start,
            random: Random::new(settings.seed),
            pager: Pager {
                empty_pages: Random::empty_pages(settings.seed),
                percent: settings.empty_page_percent,
                force: false,
            },
            buckets: Buckets::new(settings.limits),
            records: Records::default(),
            enforcement: Enforcement::default(),
            past: Past::default(),
            faults: Faults::default(),
            used_emails: settings
                .foreign_emails
                .iter()
                .map(|email| email.to_lowercase())
                .collect(),
            outside: BTreeMap::new(),
            closures: VecDeque::new(),
            sessions: BTreeMap::new(),
            events: BTreeMap::new(),
            denied: BTreeSet::new(),
            failing_creations: VecDeque::new(),
            failing_calls: BTreeMap::new(),
            calls: VecDeque::new(),
            policy_changes: 0,
            sequence: 0,
            unsaved: true,
            saved_at: settings.start,
            settings,
        };
        world.add_management_account();
        world.add_managed_policies();
        for name in world.settings.policy_types.clone() {
            world
                .records
                .policy_types
                .insert(name.clone(), TypeStatus::Enabled);
            world.attach_managed_everywhere(&name);
        }
        world
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
                Event::PolicyTypeSettles(name) => self.settle_policy_type(&name),
                Event::HandshakeExpires(id) => self.expire_handshake(&id),
                Event::LateEffect(request) => self.take_late_effect(&request),
            }
            self.changed();
        }
        self.now = self.now.max(now);
    }

    /// Something worth writing has changed.
    fn changed(&mut self) {
        self.unsaved = true;
        self.remember();
    }

    fn schedule(&mut self, delay: Duration, event: Event) {
        self.sequence += 1;
        let due = after(self.now, delay);
        self.events.insert((due, self.sequence), event);
    }
}
