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

mod outcome;
mod publish;
mod resolve;

use crate::{
    journal::KubeJournal,
    run::{Operator, Stop},
    store::SharedStores,
};
use executor::{
    Access, AwsError, Clock, Context, Fence, Organizations, Outcome, ReadResult, SharedPacer, execute, read,
};
use futures::{FutureExt, StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use model::{
    Action, Attempt, Finding, Hold, Journal, Limits, Mark, ObservedOrg, Plan, Read, Step, StepId, Token,
};
use outcome::read_name;
use publish::Published;
use rand::{SeedableRng, rngs::StdRng};
use resolve::Picture;
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};
use tokio::time::Instant;

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
    attempts: BTreeMap<Token, Attempt>,
    /// Tokens this process tried to store: an intent that carries one of them was not sent by anybody else.
    written: BTreeSet<Token>,
    /// Tokens whose call was begun: spent, whatever the stores say later.
    spent: BTreeSet<Token>,
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
    planned_wake: Option<Timestamp>,
    token_wake: Option<Timestamp>,
    panics: u32,
    /// The rule that the last plan broke.
    broken: Option<String>,
    steps: FuturesUnordered<LocalBoxFuture<'o, Outcome>>,
    reads: FuturesUnordered<LocalBoxFuture<'o, ReadDone>>,
    publishing: FuturesUnordered<LocalBoxFuture<'o, Published>>,
    published: publish::Memory,
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
    let own = format!("{installation}:{uid}");
    let settled = stores.read(|stores| {
        let organization = stores.organizations.good(&(String::new(), installation.clone()));
        organization.is_some_and(|organization| {
            organization
                .status
                .as_ref()
                .is_some_and(|status| status.settled_mark.as_ref() == Some(&own))
        })
    });
    let context = Context {
        aws: operator.aws.clone(),
        journal: KubeJournal::new(operator.client.clone(), stores.clone()),
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
        mark: Mark::new(
            own,
            operator.take_over.clone(),
            operator.config.installation_mark.reread,
            settled,
        ),
        attempts: BTreeMap::new(),
        written: BTreeSet::new(),
        spent: BTreeSet::new(),
        drained: false,
        held: BTreeMap::new(),
        in_flight: BTreeSet::new(),
        mutating: false,
        reading: BTreeSet::new(),
        reobserve: BTreeSet::new(),
        looks: 0,
        planned_wake: None,
        token_wake: None,
        panics: 0,
        broken: None,
        steps: FuturesUnordered::new(),
        reads: FuturesUnordered::new(),
        publishing: FuturesUnordered::new(),
        published: publish::Memory::default(),
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
        let mut picture = resolve::resolve(self.stores, &self.operator.config);
        self.take_in_journal(&mut picture);
        // 4 plan and 5 check (no client)
        let Ok((plan, findings)) = catch_unwind(AssertUnwindSafe(|| self.plan(&picture, stopping))) else {
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
        self.planned_wake = plan.wake;
        Ok(())
    }

    fn plan(&self, picture: &Picture, stopping: bool) -> (Plan, Vec<Finding>) {
        let input = planner::Input {
            desired: &picture.resolved.desired,
            observed: &self.observed,
            journal: &picture.resolved.journal,
            attempts: &self.attempts,
            held: &self.held,
            in_flight: &self.in_flight,
            mark: &self.mark,
            limits: &self.limits,
            epoch: self.term.epoch,
            nonce: &self.term.nonce,
            now: self.context.clock.now(),
            stopping,
        };
        let plan = planner::plan(input);
        let findings = planner::check(input, &plan);
        (plan, findings)
    }

    /// What the journal says of attempts: an intent of ours that has appeared in it may be sent after the next look; one
    /// that has gone from it is settled.
    fn take_in_journal(&mut self, picture: &mut Picture) {
        let journal: &Journal = &picture.resolved.journal;
        let mut standing = BTreeSet::new();
        for entry in journal.values().filter(|entry| entry.account_id.is_none()) {
            let Some(creation) = &entry.creation else { continue };
            standing.insert(creation.token.clone());
            let unsent = self.written.contains(&creation.token) && !self.spent.contains(&creation.token);
            if unsent && !self.attempts.contains_key(&creation.token) {
                self.attempts
                    .insert(creation.token.clone(), Attempt::Fresh { look: self.looks + 1 });
            }
        }
        let sending = |attempt: &Attempt| matches!(attempt, Attempt::Sending);
        self.attempts
            .retain(|token, attempt| standing.contains(token) || sending(attempt));
    }

    /// Stage 6: starts what there is a token for.
    fn start_steps(&mut self, plan: &Plan) {
        for step in &plan.steps {
            let side = matches!(
                step.action,
                Action::VerifyAccess { .. } | Action::ApplyOutputs { .. }
            );
            if (step.action.mutates_aws() && self.mutating) || (side && self.steps.len() >= SIDE_STEPS) {
                continue;
            }
            if let Err(at) = self.context.admit(&step.action) {
                self.token_wake = Some(self.token_wake.map_or(at, |wake| wake.min(at)));
                continue;
            }
            self.start(step.clone());
        }
    }

    fn start(&mut self, step: Step) {
        tracing::info!(step = %step.id, kind = step.action.kind(), reason = %step.reason, "step");
        self.in_flight.insert(step.id.clone());
        self.mutating |= step.action.mutates_aws();
        match &step.action {
            Action::Intend(creation) => {
                self.written.insert(creation.token.clone());
            }
            Action::CreateAccount { token, .. } => {
                self.spent.insert(token.clone());
                self.attempts.insert(token.clone(), Attempt::Sending);
            }
            _ => {}
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
            let name = read_name(&wanted);
            let rests = self.held.get(&name).is_some_and(|hold| hold.until > now);
            let single = matches!(wanted, Read::Account(_));
            if rests || self.reading.contains(&name) || (single && self.reading.len() >= ACCOUNT_READS) {
                if rests && let Some(hold) = self.held.get(&name) {
                    let until = hold.until;
                    self.token_wake = Some(self.token_wake.map_or(until, |wake| wake.min(until)));
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
        let at = [self.planned_wake.take(), self.token_wake.take()]
            .into_iter()
            .flatten()
            .min();
        let after = at.map_or(IDLE, |at: Timestamp| {
            at.duration_since(now)
                .max(jiff::SignedDuration::ZERO)
                .unsigned_abs()
        });
        (planned + after.min(IDLE)).max(planned + PACE)
    }
}
