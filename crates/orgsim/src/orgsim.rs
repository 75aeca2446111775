//! The handle: one organization, reachable in process.

use std::collections::BTreeMap;
use std::fmt;
use std::future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;

use crate::debug::{self, Call, FailureReason, MutateError, Mutation, PolicyView, State};
use crate::faults::{Fault, FaultPlan, FaultPlanError, Lost};
use crate::settings::Settings;
use crate::state_file::{self, StateFile};
use crate::wire::{self, Exchange, RawRequest};
use crate::world::World;
use crate::world::answer::Arrival;
use crate::world::contention::{self, InFlight};

/// A simulated organization: Organizations, STS and the tagging API. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Orgsim {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    world: Mutex<World>,
    in_flight: Mutex<InFlight>,
    /// Where the state is kept.
    file: Option<PathBuf>,
}

impl Orgsim {
    /// A new organization with a root and a management account. `clock` is asked at every effect; it should begin at
    /// `settings.start` ([`tokio_clock`](crate::tokio_clock), [`real_clock`](crate::real_clock)).
    pub fn new(settings: Settings, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self::of(World::new(settings), None, clock)
    }

    /// The organization of a state file, which is written anew after each change, before the change is answered.
    /// `clock` should begin at [`StateFile::now`]. Fault plans and the list of calls are not kept.
    pub fn with_state(file: StateFile, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self::of(file.world, Some(file.path), clock)
    }

    fn of(
        world: World,
        file: Option<PathBuf>,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        let inner = Inner {
            settings: world.settings().clone(),
            world: Mutex::new(world),
            in_flight: Mutex::default(),
            clock: Box::new(clock),
            file,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Answers one request of any of the three services, told apart by its headers.
    ///
    /// The effect happens after half of the simulated latency: dropping the future before means that the request never
    /// arrived, dropping it later that its answer was lost.
    ///
    /// [`Lost`] when a fault of the plan says so, or when the effect cannot be written to the state file; a timeout of
    /// the plan never resolves.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Lost> {
        let raw = RawRequest::of(&request);
        let exchange = raw.decode();
        let now = (self.inner.clock)();
        let Arrival {
            request_id,
            latency,
            hit,
        } = self.world().arrive(&exchange, now);
        let half = latency / 2;
        match hit.map(|hit| (hit.fault, hit.delay)) {
            Some((fault @ (Fault::Refused | Fault::RequestLost | Fault::Timeout), _)) => {
                return self.never_arrives(&exchange, fault, half).await;
            }
            Some((Fault::TimeoutAfterEffect, delay)) => {
                self.take_effect_after(half + delay, raw, now)?;
                return future::pending().await;
            }
            _ => {}
        }
        let write = self.begin_write(&exchange);
        pause(half).await;
        let contended = write.as_ref().is_some_and(Write::is_contended);
        let now = (self.inner.clock)();
        let result = {
            let mut world = self.world();
            let result = world.apply(&exchange, contended, hit, now);
            self.keep(&mut world)?;
            result
        };
        let slower = hit.filter(|hit| hit.fault == Fault::Slow).map(|hit| hit.delay);
        pause(latency.saturating_sub(half) + slower.unwrap_or_default()).await;
        drop(write);
        if hit.is_some_and(|hit| hit.fault == Fault::AnswerLost) {
            return Err(Lost::Broken);
        }
        Ok(wire::encode(exchange.service, &request_id, &result))
    }

    /// Without effect; the connection is refused, breaks, or nothing is ever heard.
    async fn never_arrives(
        &self,
        exchange: &Exchange,
        fault: Fault,
        way: Duration,
    ) -> Result<Response<Bytes>, Lost> {
        pause(way).await;
        let now = (self.inner.clock)();
        self.world().miss(exchange, fault, now);
        match fault {
            Fault::Timeout => future::pending().await,
            Fault::Refused => Err(Lost::Refused),
            _ => Err(Lost::Broken),
        }
    }

    /// From now on calls go wrong as planned; replaces the plan before, and the plan's times count from this moment.
    /// An empty plan ends all faults. What a plan has already let loose (a late effect) still happens.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the plan is handed over; nobody needs it afterwards"
    )]
    pub fn set_faults(&self, plan: FaultPlan) -> Result<(), FaultPlanError> {
        self.settled().set_faults(&plan)
    }

    /// Answers one request of the debug address: `GET /state`, `GET /calls`, `POST /mutate`.
    pub fn debug(&self, request: Request<Bytes>) -> Response<Bytes> {
        debug::handle(self, request)
    }

    /// The organization as it truly is now.
    pub fn state(&self) -> State {
        self.settled().state()
    }

    /// The tags that an account, a unit, the root or a policy truly has now; none where there is no such resource.
    pub fn tags(&self, resource: &str) -> BTreeMap<String, String> {
        self.settled().tags_of(resource)
    }

    /// The latest calls of all three services, oldest first; [`Settings::calls_kept`] of them.
    pub fn calls(&self) -> Vec<Call> {
        self.settled().calls()
    }

    /// The policies attached directly to the root, to every unit and to every account, by the target's id, in order of
    /// the policies' ids; in truth, whatever listings show yet.
    pub fn attached_policies(&self) -> BTreeMap<String, Vec<Arc<PolicyView>>> {
        self.settled().attached_policies()
    }

    /// Grows with every policy that is made, edited or deleted and with every attachment that comes or goes: while it
    /// stays the same, so does [`Orgsim::attached_policies`]. Begins anew with every process.
    pub fn policy_changes(&self) -> u64 {
        self.settled().policy_changes()
    }

    /// The contents of the service control policies that are enforced on the account now, a list for each level from the
    /// root to the account: what was attached [`Settings::scp_enforcement_lag`] ago. None when the account is not in the
    /// organization or the type is not enabled.
    pub fn enforced_policies(&self, account: &str) -> Option<Vec<Vec<String>>> {
        self.settled().enforced_policies(account)
    }

    /// Changes the organization as another tool would, or arranges a refusal. See [`Mutation`].
    pub fn mutate(&self, mutation: Mutation) -> Result<(), MutateError> {
        let mut world = self.settled();
        let result = world.mutate(mutation);
        // The state goes into the file with the next change; the caller is told that this one happened.
        let _ = self.keep(&mut world);
        result
    }

    /// The next CreateAccount that is accepted fails with `reason`. Several wait in line.
    pub fn fail_next_creation(&self, reason: FailureReason) {
        self.settled().fail_next_creation(reason);
    }

    /// 12 digits.
    pub fn management_account_id(&self) -> &str {
        &self.inner.settings.management_account_id
    }

    /// `o-..`
    pub fn organization_id(&self) -> &str {
        &self.inner.settings.organization_id
    }

    /// `r-..`
    pub fn root_id(&self) -> &str {
        &self.inner.settings.root_id
    }

    fn take_effect_after(&self, delay: Duration, raw: RawRequest, now: Timestamp) -> Result<(), Lost> {
        let mut world = self.world();
        world.take_effect_after(delay, raw, now);
        self.keep(&mut world)
    }

    /// Writes the state, when there is a file for it and something to write. An effect that could not be kept is not
    /// answered: the connection breaks.
    fn keep(&self, world: &mut World) -> Result<(), Lost> {
        let Some(path) = &self.inner.file else {
            return Ok(());
        };
        let text = world.unsaved().map_err(std::io::Error::from);
        let written = text.and_then(|text| match text {
            None => Ok(()),
            Some(text) => {
                state_file::write(path, &text)?;
                world.saved();
                Ok(())
            }
        });
        written.map_err(|error| {
            tracing::error!(path = %path.display(), %error, "the state cannot be written");
            Lost::Broken
        })
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.inner.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world with everything happened that is due.
    fn settled(&self) -> MutexGuard<'_, World> {
        let now = (self.inner.clock)();
        let mut world = self.world();
        world.settle(now);
        world
    }

    fn begin_write(&self, exchange: &Exchange) -> Option<Write> {
        if !self.inner.settings.concurrent_modification {
            return None;
        }
        let targets = contention::targets(exchange.request.as_ref().ok()?);
        if targets.is_empty() {
            return None;
        }
        let inner = Arc::clone(&self.inner);
        let ticket = in_flight(&inner).enter(targets);
        Some(Write { inner, ticket })
    }
}

impl fmt::Debug for Orgsim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.inner.settings;
        formatter
            .debug_struct("Orgsim")
            .field("settings", settings)
            .finish_non_exhaustive()
    }
}

/// A write between its arrival and its answer; ends when dropped, also by a caller that gave up.
struct Write {
    inner: Arc<Inner>,
    ticket: u64,
}

impl Write {
    fn is_contended(&self) -> bool {
        in_flight(&self.inner).contended(self.ticket)
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        in_flight(&self.inner).leave(self.ticket);
    }
}

fn in_flight(inner: &Inner) -> MutexGuard<'_, InFlight> {
    inner.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Even a sleep of nothing would wait for the timer's next tick.
async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}
