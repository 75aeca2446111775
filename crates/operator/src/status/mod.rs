//! Stage 7, the values: what each object's status should say. Pure; the one place where a condition is decided.

mod account;
mod baseline;
mod organization;

pub(crate) use account::{AccountInput, account};
pub(crate) use baseline::{BaselineInput, Users, baseline, malformed};
pub(crate) use organization::{OrganizationInput, organization};

use api::conditions::{READY, RECONCILING, STALLED, WAITING};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use model::Reason;

/// Longest message of a condition, in bytes; the API allows 32 KiB, people read one line.
const MESSAGE_LIMIT: usize = 1024;

/// The three values of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    True,
    False,
    Unknown,
}

/// How an object stands as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Ready(String),
    /// Work is going on.
    Working(Reason, String),
    /// Something else has to happen first.
    Waiting(Reason, String),
    /// A person has to act.
    Stalled(Reason, String),
}

/// Builds the conditions of one object. Times are kept where the status of a condition did not change, so that an
/// unchanged world writes nothing.
pub(crate) struct Conditions<'a> {
    prior: &'a [Condition],
    generation: Option<i64>,
    now: Timestamp,
    built: Vec<Condition>,
}

impl<'a> Conditions<'a> {
    pub(crate) fn new(prior: &'a [Condition], generation: Option<i64>, now: Timestamp) -> Self {
        Self {
            prior,
            generation,
            now,
            built: Vec::new(),
        }
    }

    pub(crate) fn set(&mut self, type_: &str, truth: Truth, reason: Reason, message: &str) {
        self.say(type_, truth, reason.as_str(), message);
    }

    /// The same for a reason that is no [`Reason`].
    pub(crate) fn say(&mut self, type_: &str, truth: Truth, reason: &str, message: &str) {
        let status = match truth {
            Truth::True => "True",
            Truth::False => "False",
            Truth::Unknown => "Unknown",
        };
        let since = self
            .prior
            .iter()
            .find(|condition| condition.type_ == type_ && condition.status == status)
            .map_or_else(
                || Time(whole_second(self.now)),
                |condition| condition.last_transition_time.clone(),
            );
        self.built.push(Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: model::one_line(message, MESSAGE_LIMIT),
            observed_generation: self.generation,
            last_transition_time: since,
        });
    }

    /// Ready, and the conditions that tools read beside it: Reconciling and Stalled are present only while True and never
    /// both (kstatus); Waiting, which kstatus does not know, always comes with Reconciling.
    pub(crate) fn standing(&mut self, standing: &Standing) {
        match standing {
            Standing::Ready(message) => self.ready(Reason::Ready.as_str(), message),
            Standing::Working(reason, message) => self.working(reason.as_str(), message, false),
            Standing::Waiting(reason, message) => self.working(reason.as_str(), message, true),
            Standing::Stalled(reason, message) => self.stalled(reason.as_str(), message),
        }
    }

    pub(crate) fn ready(&mut self, reason: &str, message: &str) {
        self.say(READY, Truth::True, reason, message);
    }

    /// Work goes on, or something else has to happen first.
    pub(crate) fn working(&mut self, reason: &str, message: &str, waits: bool) {
        self.say(READY, Truth::False, reason, message);
        self.say(RECONCILING, Truth::True, reason, message);
        if waits {
            self.say(WAITING, Truth::True, reason, message);
        }
    }

    /// A person has to act.
    pub(crate) fn stalled(&mut self, reason: &str, message: &str) {
        self.say(READY, Truth::False, reason, message);
        self.say(STALLED, Truth::True, reason, message);
    }

    /// Keeps conditions of these types as they were, for the generation at hand.
    pub(crate) fn keep(&mut self, types: &[&str]) {
        for condition in self
            .prior
            .iter()
            .filter(|condition| types.contains(&condition.type_.as_str()))
        {
            self.built.push(Condition {
                observed_generation: self.generation,
                ..condition.clone()
            });
        }
    }

    pub(crate) fn build(self) -> Vec<Condition> {
        self.built
    }
}

/// API times have whole seconds.
pub(crate) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// Is Ready True for this generation?
pub(crate) fn was_ready(conditions: &[Condition], generation: Option<i64>) -> bool {
    conditions
        .iter()
        .any(|c| c.type_ == READY && c.status == "True" && c.observed_generation == generation)
}
