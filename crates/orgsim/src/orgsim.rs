//! The handle: one organization, reachable in process.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;

use crate::debug::{self, Call, FailureReason, MutateError, Mutation, State};
use crate::settings::Settings;
use crate::wire::{self, Exchange};
use crate::world::World;
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
}

impl Orgsim {
    /// A new organization with a root and a management account. `clock` is asked at every effect; it should begin at
    /// `settings.start` ([`tokio_clock`](crate::tokio_clock), [`real_clock`](crate::real_clock)).
    pub fn new(settings: Settings, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let inner = Inner {
            world: Mutex::new(World::new(settings.clone())),
            in_flight: Mutex::default(),
            clock: Box::new(clock),
            settings,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Answers one request of any of the three services, told apart by its headers.
    ///
    /// The effect happens after half of the simulated latency: dropping the future before means that the request never
    /// arrived, dropping it later that its answer was lost.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let exchange = wire::decode(&request);
        let (request_id, latency) = self.world().arrive();
        let write = self.begin_write(&exchange);
        let half = latency / 2;
        pause(half).await;
        let contended = write.as_ref().is_some_and(Write::is_contended);
        let now = (self.inner.clock)();
        let result = self.world().apply(&exchange, contended, now);
        pause(latency.saturating_sub(half)).await;
        drop(write);
        wire::encode(exchange.service, &request_id, &result)
    }

    /// Answers one request of the debug address: `GET /state`, `GET /calls`, `POST /mutate`.
    pub fn debug(&self, request: Request<Bytes>) -> Response<Bytes> {
        debug::handle(self, request)
    }

    /// The organization as it truly is now.
    pub fn state(&self) -> State {
        self.settled().state()
    }

    /// The latest calls of all three services, oldest first; [`Settings::calls_kept`] of them.
    pub fn calls(&self) -> Vec<Call> {
        self.world().calls()
    }

    /// Changes the organization as another tool would, or arranges a refusal. See [`Mutation`].
    pub fn mutate(&self, mutation: Mutation) -> Result<(), MutateError> {
        self.settled().mutate(mutation)
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
        let target = contention::target(exchange.request.as_ref().ok()?)?;
        let inner = Arc::clone(&self.inner);
        let ticket = in_flight(&inner).enter(target);
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
