//! The judge: sees every AWS call at the moment it is sent, and every write to Kubernetes as it is stored, and compares
//! them with the truth of both, which the operator cannot see. It knows nothing of the operator's code or beliefs.

mod call;
mod creation;
mod leadership;
mod objects;
mod policies;
mod repeat;
mod revisions;
mod sequence;
mod tags;
mod travel;

pub(crate) use call::{Answer, Call, attachment};
pub(crate) use leadership::names;
pub(crate) use policies::{documents, is_ours, leave_no_region};
pub(crate) use sequence::carried;

use jiff::Timestamp;
use kubesim::Kubesim;
use orgsim::Orgsim;
use simulator::VirtualClock;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Tag keys and conventions of the contract, written here again on purpose: the judge shares no code with the judged.
pub(crate) const CLAIM: &str = "bulkhead.dev/claim";
const REVISION: &str = "bulkhead.dev/revision";
const TOKEN: &str = "bulkhead.dev/creation-token";
pub(crate) const MARK: &str = "bulkhead.dev/installation";

/// What came of a seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Rules that were broken, with the virtual time and what happened. Empty: the seed passes.
    pub violations: Vec<String>,
    /// Everything that happened, a line each.
    pub transcript: Vec<String>,
    /// AWS calls that were sent.
    pub aws_calls: u64,
    /// Of these, such that change something; without the deletion of unused policies, which comes when their time is over.
    pub mutations: u64,
    /// Requests to the API server that were sent.
    pub kubernetes_requests: u64,
    /// Virtual time it took.
    pub lasted: Duration,
    /// Operator processes that were started.
    pub processes: u32,
    /// What happened to it, and how often: faults of both sides by name, crashes, disasters, and what the judge saw.
    pub happened: BTreeMap<String, u64>,
}

/// Names a process.
pub(crate) type ProcessId = u32;

/// What the judge knows of one operator process.
#[derive(Debug)]
struct Process {
    /// Which cluster it works in.
    cluster: usize,
    /// `<installation>:<UID of kube-system>`.
    own_mark: String,
    /// The mark's value that a person allowed it to replace.
    take_over: Option<String>,
    /// When it last renewed its lease, by the stored write.
    renewed: Option<Duration>,
    /// Listings by operation.
    listings: BTreeMap<String, creation::Listing>,
    /// CreateAccount calls without an answer yet.
    asking: usize,
    /// Mutations under way, and the version of their subject before them.
    sent: BTreeMap<String, u64>,
    /// Mutations that succeeded, and the version of their subject after them.
    done: BTreeMap<String, u64>,
}

/// Rules of the world that the judge needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// `leaseDuration` of the configuration.
    pub(crate) lease: Duration,
    /// `creation.perHour` of the configuration, where it is tight.
    pub(crate) per_hour: Option<usize>,
    /// `installationMark.reread` of the configuration.
    pub(crate) reread: Duration,
    /// The longest a read can be behind the truth.
    pub(crate) read_lag: Duration,
    /// Accounts get another revision by a promotion only.
    pub(crate) promotes: bool,
    /// There is a promotion.
    pub(crate) travels: bool,
    /// `policies.overlap` of the configuration.
    pub(crate) overlap: Duration,
}

/// The judge; cloning gives another handle.
#[derive(Clone)]
pub(crate) struct Judge(Arc<Mutex<State>>);

struct State {
    clock: VirtualClock,
    organization: Orgsim,
    clusters: Vec<Kubesim>,
    terms: Terms,
    processes: BTreeMap<ProcessId, Process>,
    verdict: Verdict,
    mark: leadership::MarkHistory,
    leases: BTreeMap<usize, leadership::Holder>,
    creations: creation::Ledger,
    frozen: BTreeMap<String, sequence::Object>,
    versions: BTreeMap<String, u64>,
    /// How often a policy was deleted, by us.
    deletions: u64,
    objects: objects::Memory,
    policies: policies::Memory,
    theirs: tags::Theirs,
    travel: travel::Memory,
    /// Of each cluster: when its API server was last set back to an older state.
    restored: BTreeMap<usize, Duration>,
    finished: bool,
}

impl Judge {
    pub(crate) fn new(clock: VirtualClock, organization: Orgsim, terms: Terms) -> Self {
        let state = State {
            clock,
            organization,
            clusters: vec![],
            terms,
            processes: BTreeMap::new(),
            verdict: Verdict::default(),
            mark: leadership::MarkHistory::default(),
            leases: BTreeMap::new(),
            creations: creation::Ledger::default(),
            frozen: BTreeMap::new(),
            versions: BTreeMap::new(),
            deletions: 0,
            objects: objects::Memory::default(),
            policies: policies::Memory::default(),
            theirs: tags::Theirs::new(),
            travel: travel::Memory::default(),
            restored: BTreeMap::new(),
            finished: false,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is another cluster; its number.
    pub(crate) fn add_cluster(&self, kubernetes: &Kubesim) -> usize {
        let mut state = self.state();
        state.clusters.push(kubernetes.clone());
        state.clusters.len() - 1
    }

    /// A process is started.
    pub(crate) fn started(&self, id: ProcessId, cluster: usize, own_mark: String, take_over: Option<String>) {
        let mut state = self.state();
        state.verdict.processes += 1;
        let line = match &take_over {
            None => format!("operator {id} starts in cluster {cluster}"),
            Some(old) => format!("operator {id} starts in cluster {cluster} with --take-over={old}"),
        };
        state.tell(&line);
        let process = Process {
            cluster,
            own_mark,
            take_over,
            renewed: None,
            listings: BTreeMap::new(),
            asking: 0,
            sent: BTreeMap::new(),
            done: BTreeMap::new(),
        };
        state.processes.insert(id, process);
    }

    /// Something that is neither a call nor a write: a line of the transcript.
    pub(crate) fn tell(&self, line: &str) {
        self.state().tell(line);
    }

    /// Somebody else is about to change the organization: what is different by now was not done by them.
    pub(crate) fn disturbs(&self) {
        self.state().see_policies(false);
    }

    /// Somebody else changed the organization: the subjects' versions move on.
    pub(crate) fn disturbed(&self, subjects: &[String], line: &str) {
        let mut state = self.state();
        for subject in subjects {
            state.touch(subject);
        }
        state.see_mark();
        state.tell(line);
        state.see_policies(true);
    }

    /// An API server was set back to an older state.
    pub(crate) fn restored(&self, cluster: usize) {
        let mut state = self.state();
        let now = state.clock.elapsed();
        state.restored.insert(cluster, now);
        state.objects.forget();
        state.policies.forget();
        state.theirs.clear();
        state.travel.forget(cluster);
        state.freeze(cluster);
    }

    /// A call leaves its process.
    pub(crate) fn sending(&self, process: ProcessId, call: &Call) {
        let mut state = self.state();
        state.verdict.aws_calls += 1;
        state.see_mark();
        state.see_policies(false);
        state.listing_begins(process, call);
        if !call.is_mutation() {
            return;
        }
        state.verdict.mutations += u64::from(call.operation != "DeletePolicy");
        state.judge_leadership(process, call);
        state.judge_repeat(process, call);
        state.judge_sequence(process, call);
        state.judge_policies(process, call);
        state.judge_tags(process, call);
        if call.operation == "CreateAccount" {
            state.judge_creation(process, call);
        }
        let line = format!("operator {process} > {}", call.summary());
        state.tell(&line);
    }

    /// A call has its answer, or lost it; the process may be dead by now.
    pub(crate) fn answered(&self, process: ProcessId, call: &Call, answer: &Answer) {
        let mut state = self.state();
        state.listing_ends(process, call, answer);
        state.see_policies(false);
        if !answer.is_ok() {
            state.see_failure(call);
        }
        if call.is_mutation() {
            state.see_mark();
            state.remember_success(process, call, answer);
        }
        if call.operation == "CreateAccount" {
            state.creation_answered(process, call, answer);
        }
        if call.is_mutation() || !answer.is_ok() {
            let line = format!("operator {process} < {} {answer}", call.summary());
            state.tell(&line);
        }
    }

    /// A request to the API server leaves its process.
    pub(crate) fn requested(&self) {
        self.state().verdict.kubernetes_requests += 1;
    }

    /// The API server stored a write.
    pub(crate) fn wrote(&self, cluster: usize, write: &kubesim::Write) {
        self.state().judge_write(cluster, write);
    }

    /// A rule is broken.
    pub(crate) fn violation(&self, rule: &str, detail: &str) {
        self.state().violation(rule, detail);
    }

    /// How many calls that change AWS were sent.
    pub(crate) fn mutations(&self) -> u64 {
        self.state().verdict.mutations
    }

    pub(crate) fn failed(&self) -> bool {
        !self.state().verdict.violations.is_empty()
    }

    /// The end: nothing is judged any more.
    pub(crate) fn verdict(&self) -> Verdict {
        let mut state = self.state();
        state.finished = true;
        state.verdict.lasted = state.clock.elapsed();
        state.verdict.clone()
    }
}

impl State {
    fn tell(&mut self, line: &str) {
        let millis = self.clock.elapsed().as_millis();
        let mut text = String::new();
        let _ = write!(text, "[{:>6}.{:03}] {line}", millis / 1000, millis % 1000);
        self.verdict.transcript.push(text);
    }

    fn violation(&mut self, rule: &str, detail: &str) {
        if self.finished {
            return;
        }
        self.tell(&format!("VIOLATION {rule}: {detail}"));
        let text = self.verdict.transcript.last().cloned().unwrap_or_default();
        self.verdict.violations.push(text);
    }

    /// Something happened that the seeds of every change must show.
    fn note(&mut self, what: &str) {
        *self.verdict.happened.entry(what.to_owned()).or_default() += 1;
    }

    fn touch(&mut self, subject: &str) {
        *self.versions.entry(subject.to_ascii_lowercase()).or_default() += 1;
    }

    /// A wall-clock moment of this world as time since its start.
    fn since_start(&self, at: Timestamp) -> Duration {
        let now = executor::Clock::now(&self.clock);
        let ago = now.duration_since(at);
        if ago.is_negative() {
            self.clock.elapsed() + ago.unsigned_abs()
        } else {
            self.clock.elapsed().saturating_sub(ago.unsigned_abs())
        }
    }
}
