//! The driver: one loop per organization, seven stages.
//!
//! AWS Organizations is one shared state with global limits, so there is one plan for the whole organization and not one
//! reconcile per object. Everything that happens (a watch, a finished step, a finished read, a timer) rings one bell; the
//! loop then runs the stages, at most every 100 ms:
//!
//! | # | stage | where | client |
//! |---|---|---|---|
//! | 1 | dereference | `store` | none (watches feed the stores) |
//! | 2 | resolve | `desired` | none |
//! | 3 | observe | `executor::read`, as the plan asks for it | AWS |
//! | 4 | plan | `planner::plan` | none |
//! | 5 | check | `planner::check` | none |
//! | 6 | execute | `executor::execute`, as tokens allow | AWS, Kubernetes |
//! | 7 | status | `publish`, values from `status` | Kubernetes |
//!
//! Stages 3, 6 and 7 run while the loop goes on; what they bring enters the picture, and the plan is made again.

mod approvals;
mod attempts;
mod outcome;
mod promote;
mod publish;
mod resolve;
mod wake;

use crate::{
    brake::Ledger,
    journal::KubeJournal,
    run::{Operator, Stop},
    store::SharedStores,
};
use api::conditions::READY;
use approvals::PolicyMemory;
pub use approvals::decisions;
use attempts::Attempts;
use executor::{
    Access, AwsError, Clock, Context, Fence, Organizations, Outcome, ReadResult, SharedPacer, execute, read,
};
use futures::{FutureExt, StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use model::{
    AccountKey, Action, Approvals, Class, Finding, Hold, Limits, Mark, ObservedOrg, Plan, Read, Spending,
    Step, StepId, Turns, Verdict,
};
use promote::{Conditions, MeasureDone, Measurements};
pub use promote::{Measuring, measuring};
use publish::Published;
use rand::{SeedableRng, rngs::StdRng};
use resolve::Picture;
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};
use tokio::time::Instant;
use wake::Wake;

/// The loop plans at most this often.
const PACE: Duration = Duration::from_millis(100);
/// Without anything happening the loop plans this often, should a timer have been forgotten.
const IDLE: Duration = Duration::from_mins(5);
/// Probes and outputs that are under way at the same time, with whatever else is.
const SIDE_STEPS: usize = 16;
/// Single accounts that are read at the same time.
const ACCOUNT_READS: usize = 8;
/// Panics in a row after which the process ends.
const PANICS: u32 = 3;

/// One term of leadership.
pub(crate) struct Term {
    pub(crate) epoch: i64,
    /// A secret of this term, for tokens.
    pub(crate) nonce: String,
    pub(crate) seed: u64,
    pub(crate) identity: String,
}

/// Why the loop ended.
pub(crate) enum Ended {
    TermOver,
    Stopped,
    Panicked,
}

/// What a read brought, under the name it rests by.
type ReadDone = (StepId, Result<ReadResult, AwsError>);

/// The loop's memory of one term. All of it can be lost: what must not be is in the journal.
pub(crate) struct Driver<'o, A, C> {
    operator: &'o Operator<A, C>,
    stores: &'o SharedStores,
    context: Context<A, KubeJournal, C>,
    term: Term,
    random: StdRng,
    limits: Limits,
    observed: ObservedOrg,
    mark: Mark,
    attempts: Attempts,
    /// The budgets, and the clock they are counted by.
    ledger: Ledger,
    /// Who had a turn when.
    turns: Turns,
    /// Asked to stop, and nothing that has to be stored is left.
    drained: bool,
    held: BTreeMap<StepId, Hold>,
    in_flight: BTreeSet<StepId>,
    /// A call that changes AWS is under way: they go one at a time, because AWS refuses concurrent changes
    /// (ConcurrentModificationException) and its rates leave room.
    mutating: bool,
    reading: BTreeSet<StepId>,
    /// Reads that a finished step asked for.
    reobserve: BTreeSet<Read>,
    looks: u64,
    /// When to plan again though nothing happens.
    wake: Wake,
    panics: u32,
    /// What resolve need not work out again.
    judged: desired::Memory,
    /// The rule that the last plan broke.
    broken: Option<String>,
    steps: FuturesUnordered<LocalBoxFuture<'o, Outcome>>,
    reads: FuturesUnordered<LocalBoxFuture<'o, ReadDone>>,
    /// Measurements that gates of promotions asked for.
    measurements: Measurements,
    /// What was found of the conditions of gates.
    conditions: Conditions,
    measuring: FuturesUnordered<LocalBoxFuture<'static, MeasureDone>>,
    publishing: FuturesUnordered<LocalBoxFuture<'o, Published>>,
    published: publish::Memory,
    /// The admission policy on Approvals.
    policy: PolicyMemory,
    /// Objects that were read from the API server itself in this term.
    reread: BTreeSet<AccountKey>,
}

/// Leads for one term.
pub(crate) async fn run<A, C>(
    operator: &Operator<A, C>,
    stores: &SharedStores,
    fence: &Fence,
    pacer: &SharedPacer,
    stop: &Stop,
    term: Term,
) -> Ended
where
    A: Organizations + Access + Clone,
    C: Clock,
{
    let Some(uid) = cluster_uid(operator, stop).await else {
        return Ended::Stopped;
    };
    let installation = operator.config.installation.to_string();
    let known = stores.read(|stores| {
        let organization = stores
            .organizations
            .good(&(String::new(), installation.clone()))?;
        organization.status.as_ref()?.settled_mark.clone()
    });
    let reread = operator.config.installation_mark.reread;
    let own = format!("{installation}:{uid}");
    let mut mark = Mark::new(own, operator.take_over.clone(), reread, false);
    if let Some(known) = known.filter(|known| mark.names_us(known)) {
        // Settled under this value, with its number; under another one it has to settle anew.
        mark.own = known;
        mark.settled = true;
    }
    let now = operator.clock.now();
    pacer.restart(now);
    let ledger = Ledger::new(operator.config.limits().brake, now);
    let context = Context {
        aws: operator.aws.clone(),
        journal: KubeJournal::new(operator.client.clone(), stores.clone(), &installation, ledger),
        clock: operator.clock.clone(),
        pacer: pacer.clone(),
        fence: fence.clone(),
        installation,
    };
    let driver = Driver {
        operator,
        stores,
        context,
        random: StdRng::seed_from_u64(term.seed),
        term,
        limits: operator.config.limits(),
        observed: ObservedOrg::default(),
        mark,
        attempts: Attempts::default(),
        ledger,
        turns: Turns::default(),
        drained: false,
        held: BTreeMap::new(),
        in_flight: BTreeSet::new(),
        mutating: false,
        reading: BTreeSet::new(),
        reobserve: BTreeSet::new(),
        looks: 0,
        wake: Wake::default(),
        panics: 0,
        judged: desired::Memory::default(),
        broken: None,
        steps: FuturesUnordered::new(),
        reads: FuturesUnordered::new(),
        measurements: Measurements::default(),
        conditions: Conditions::default(),
        measuring: FuturesUnordered::new(),
        publishing: FuturesUnordered::new(),
        published: publish::Memory::default(),
        policy: PolicyMemory::default(),
        reread: BTreeSet::new(),
    };
    driver.run(stop).await
}

/// UID of the namespace kube-system: it names this cluster, and no two clusters have the same.
async fn cluster_uid<A, C>(operator: &Operator<A, C>, stop: &Stop) -> Option<String> {
    use k8s_openapi::api::core::v1::Namespace;
    let api: kube::Api<Namespace> = kube::Api::all(operator.client.clone());
    loop {
        match crate::journal::timed(api.get_metadata("kube-system")).await {
            Ok(namespace) => return namespace.metadata.uid,
            Err(error) => tracing::warn!(%error, "the namespace kube-system cannot be read"),
        }
        tokio::select! {
            biased;
            () = stop.wait() => return None,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

impl<A, C> Driver<'_, A, C>
where
    A: Organizations + Access + Clone,
    C: Clock,
{
    async fn run(mut self, stop: &Stop) -> Ended {
        let mut planned = Instant::now();
        let mut wake = planned;
        loop {
            let stopping = stop.asked();
            if stopping && self.drained && self.steps.is_empty() {
                return Ended::Stopped;
            }
            let dirty = tokio::select! {
                biased;
                () = stop.wait(), if !stopping => true,
                Some(outcome) = self.steps.next(), if !self.steps.is_empty() => {
                    self.finished(outcome);
                    self.drained = false;
                    true
                }
                Some(read) = self.reads.next(), if !self.reads.is_empty() => { self.has_read(read); true }
                Some(measured) = self.measuring.next(), if !self.measuring.is_empty() => {
                    self.measurements.ended(measured);
                    true
                }
                Some(published) = self.publishing.next(), if !self.publishing.is_empty() => self.has_published(published),
                () = self.stores.changed() => true,
                () = tokio::time::sleep_until(wake) => {
                    planned = Instant::now();
                    if self.stages(stopping).is_err() {
                        return Ended::Panicked;
                    }
                    wake = self.next_wake(planned);
                    false
                }
            };
            if dirty {
                wake = wake.min((planned + PACE).max(Instant::now()));
            }
        }
    }

    /// Stages 1, 2, 4 and 5; then what they say is started: stages 3, 6 and 7.
    fn stages(&mut self, stopping: bool) -> Result<(), ()> {
        let began = Instant::now();
        // 1 dereference and 2 resolve (no client)
        let objects = resolve::dereference(self.stores);
        let decided = approvals::decided(self.stores, &self.policy, self.context.clock.now());
        let spoken = self.promote(&objects, &decided);
        let awaits = spoken.awaits;
        let approvals = decided.approvals;
        let picture = resolve::resolve(objects, spoken, &self.operator.config, &mut self.judged);
        self.attempts.take_in(&picture.resolved.journal, self.looks + 1);
        let spending = self.spending();
        // 4 plan and 5 check (no client)
        let Ok((plan, findings)) = catch_unwind(AssertUnwindSafe(|| {
            self.plan(&picture, spending.as_ref(), &approvals, stopping)
        })) else {
            self.panics += 1;
            tracing::error!(panics = self.panics, "planning panicked; nothing is done");
            return if self.panics >= PANICS { Err(()) } else { Ok(()) };
        };
        self.panics = 0;
        self.operator
            .metrics
            .planned(began.elapsed().as_secs_f64(), self.context.clock.now());
        // 3 observe (AWS): also when a finding stops the rest, which may come of an old picture
        if !stopping {
            self.start_reads(&plan);
        }
        // 6 execute (AWS, Kubernetes); a plan made for stopping only stores what must not be lost
        if findings.is_empty() {
            self.start_steps(&plan);
        }
        for finding in &findings {
            tracing::error!(%finding, "the plan breaks a rule; nothing is done");
        }
        self.broken = findings.first().map(ToString::to_string);
        self.drained = stopping && self.steps.is_empty();
        // 7 status (Kubernetes)
        self.publish(&picture, &plan);
        self.look_at_policy(&plan, awaits);
        if let Some(at) = plan.wake {
            self.wake.at(at);
        }
        Ok(())
    }

    fn plan(
        &self,
        picture: &Picture,
        spending: Option<&Spending>,
        approvals: &Approvals,
        stopping: bool,
    ) -> (Plan, Vec<Finding>) {
        let input = planner::Input {
            desired: &picture.resolved.desired,
            observed: &self.observed,
            journal: &picture.resolved.journal,
            attempts: self.attempts.known(),
            held: &self.held,
            in_flight: &self.in_flight,
            mark: &self.mark,
            limits: &self.limits,
            spending,
            spending_now: self.ledger.now(),
            turns: &self.turns,
            approvals,
            reread: &self.reread,
            epoch: self.term.epoch,
            nonce: &self.term.nonce,
            now: self.context.clock.now(),
            stopping,
        };
        let plan = planner::plan(input);
        let findings = planner::check(input, &plan);
        (plan, findings)
    }

    /// Approvals count only while the admission policy is there; it matters only while something waits for one.
    fn look_at_policy(&mut self, plan: &Plan, promotion: bool) {
        if !promotion && plan.accounts.values().all(|view| view.awaiting.is_empty()) {
            return;
        }
        match self.policy.due(self.context.clock.now()) {
            Ok(()) => {
                let client = self.operator.client.clone();
                let look = async move { Published::Policies(approvals::look(client).await) };
                self.publishing.push(look.boxed_local());
            }
            Err(at) => self.wake.at(at),
        }
    }

    /// What is spent of the budgets, as the API server holds it.
    fn spending(&self) -> Option<Spending> {
        let key = (String::new(), self.context.installation.clone());
        let organization = self.stores.read(|stores| stores.organizations.good(&key))?;
        let spending = self.ledger.read(&organization)?;
        let rooms = self.limits.brake.rooms(&spending, self.ledger.now());
        self.operator.metrics.budgets(&rooms);
        Some(spending)
    }

    /// Stage 6: starts what there is a token for, in the order of the plan. Who could have been started and was not, is
    /// noted: it has its turn in the end.
    fn start_steps(&mut self, plan: &Plan) {
        let now = self.context.clock.now();
        let mut asked: BTreeSet<&'static str> = BTreeSet::new();
        let mut passed_over: BTreeSet<Class> = BTreeSet::new();
        for step in &plan.steps {
            let (action, kind) = (&step.action, step.action.kind());
            let side = matches!(action, Action::VerifyAccess { .. } | Action::ApplyOutputs { .. });
            if asked.contains(kind) || (side && self.steps.len() >= SIDE_STEPS) || self.untold(step, plan) {
                continue;
            }
            if action.mutates_aws() && self.mutating {
                asked.insert(kind);
                if self.context.ready(action) {
                    passed_over.insert(action.class());
                }
            } else if let Err(at) = self.context.admit(action) {
                // A token that comes a moment later is not for the next one of its kind.
                asked.insert(kind);
                self.wake.at(at);
            } else {
                self.start(step.clone());
            }
        }
        self.turns.passed_over(&passed_over, now);
    }

    /// Would this give an account another revision while its status still says Ready of the one before? The status that this
    /// turn writes says otherwise, and once it is written the step follows: whoever waits for Ready never finds the new
    /// revision beside a Ready that is about the old one.
    fn untold(&self, step: &Step, plan: &Plan) -> bool {
        let (Action::Assign { .. }, Some(key)) = (&step.action, &step.key) else {
            return false;
        };
        let view = plan.accounts.get(key);
        view.is_some_and(|view| view.verdict != Verdict::Ready)
            && self.stores.read(|stores| {
                let object = stores.accounts.good(&(key.namespace.clone(), key.name.clone()));
                object.is_some_and(|object| {
                    let mut conditions = object.status.iter().flat_map(|status| &status.conditions);
                    conditions.any(|condition| condition.type_ == READY && condition.status == "True")
                })
            })
    }

    fn start(&mut self, step: Step) {
        tracing::info!(step = %step.id, kind = step.action.kind(), reason = %step.reason, "step");
        self.in_flight.insert(step.id.clone());
        self.mutating |= step.action.mutates_aws();
        self.attempts.started(&step.action);
        if step.action.mutates_aws() {
            self.turns.started(&step);
        }
        let root = self.observed.root.clone();
        self.steps
            .push(execute(self.context.clone(), step, root).boxed_local());
    }

    /// Stage 3: starts the reads the plan asks for, each kind once at a time.
    fn start_reads(&mut self, plan: &Plan) {
        let again = std::mem::take(&mut self.reobserve);
        let asked: BTreeSet<Read> = plan.reads.union(&again).cloned().collect();
        let now = self.context.clock.now();
        for wanted in asked {
            let name = wanted.id();
            let rests = self.held.get(&name).is_some_and(|hold| hold.until > now);
            let single = matches!(
                wanted,
                Read::Account(_) | Read::Attachments(..) | Read::EffectivePolicy(..)
            );
            if rests || self.reading.contains(&name) || (single && self.reading.len() >= ACCOUNT_READS) {
                if rests && let Some(hold) = self.held.get(&name) {
                    self.wake.at(hold.until);
                }
                // A read that began before the failure does not answer it.
                if again.contains(&wanted) {
                    self.reobserve.insert(wanted);
                }
                continue;
            }
            if matches!(wanted, Read::Full | Read::Look) {
                self.looks += 1;
            }
            self.reading.insert(name.clone());
            let (context, look, root) = (self.context.clone(), self.looks, self.observed.root.clone());
            self.reads
                .push(async move { (name, read(context, wanted, look, root).await) }.boxed_local());
        }
    }

    /// When to plan again though nothing happens.
    fn next_wake(&mut self, planned: Instant) -> Instant {
        let now = self.context.clock.now();
        let after = self.wake.take().map_or(IDLE, |at: Timestamp| {
            at.duration_since(now)
                .max(jiff::SignedDuration::ZERO)
                .unsigned_abs()
        });
        (planned + after.min(IDLE)).max(planned + PACE)
    }
}
