//! The whole operator as one future.

use crate::{
    config::Config,
    health::Health,
    lease::{Elector, Leadership},
    metrics::Metrics,
    organization::{self, Ended},
    store::SharedStores,
    watch,
};
use executor::{Access, Clock, Organizations, Pacer, SharedPacer};
use kube::Client;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{cell::Cell, rc::Rc, time::Duration};
use tokio::sync::Notify;

/// How long work under way may go on after a stop was asked for: inside the 5 s the whole stop may take.
const DRAIN: Duration = Duration::from_millis(3500);

/// Why the operator ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A defect: planning panicked three times in a row. The process should be restarted, and the defect reported.
    #[error("planning panicked three times in a row")]
    Panicked,
}

/// Everything the operator is made of.
pub struct Operator<A, C> {
    /// AWS.
    pub aws: A,
    /// Kubernetes. Its own retries must be off: they would hide minutes.
    pub client: Client,
    /// Configuration.
    pub config: Config,
    /// The value of another installation's mark that a person named to be replaced.
    pub take_over: Option<String>,
    /// Namespace of the lease.
    pub namespace: String,
    /// Name of the host; with a random part it is this replica's identity.
    pub host: String,
    /// The clock.
    pub clock: C,
    /// Seed of everything random: from the operating system in production.
    pub seed: u64,
    /// Makes the measurements that gates of promotions ask for.
    pub gates: crate::Measuring,
    /// Probes.
    pub health: Health,
    /// Metrics.
    pub metrics: Metrics,
}

/// Asks the loop to end what is under way and begin nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    asked: Rc<Cell<bool>>,
    bell: Rc<Notify>,
}

impl Stop {
    pub(crate) fn asked(&self) -> bool {
        self.asked.get()
    }
    pub(crate) async fn wait(&self) {
        if !self.asked() {
            self.bell.notified().await;
        }
    }
    fn ask(&self) {
        self.asked.set(true);
        self.bell.notify_one();
    }
}

/// Runs the operator until `stop` resolves: watches, candidacy, and, while leading, the loop. Work under way is ended and
/// the lease given back in less than 5 s. Nothing is spawned; dropping the future is a crash.
pub async fn run<A, C>(operator: Operator<A, C>, stop: impl Future<Output = ()>) -> Result<(), Error>
where
    A: Organizations + Access + Clone,
    C: Clock,
{
    let mut random = StdRng::seed_from_u64(operator.seed);
    let stores = SharedStores::default();
    let leadership = Leadership::default();
    let identity = format!("{}-{:08x}", operator.host, random.next_u32());
    let mut elector = Elector::new(
        operator.client.clone(),
        &operator.namespace,
        identity.clone(),
        operator.config.leader_election.clone(),
        operator.clock.clone(),
        leadership.clone(),
    );
    let pacer = SharedPacer::new(Pacer::new(operator.config.rates(), operator.clock.now()));
    let stopping = Stop::default();
    let result = {
        let watches = watch::all(operator.client.clone(), stores.clone(), random.next_u64());
        let lead = lead(
            &operator,
            &stores,
            &leadership,
            &pacer,
            &stopping,
            &identity,
            &mut random,
        );
        let mut watches = std::pin::pin!(watches);
        // A replica that cannot list what it works on must not hold the lease.
        let mut election = std::pin::pin!(async {
            while !stores.read(crate::store::Stores::awaited).is_empty() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            elector.run().await;
        });
        let mut lead = std::pin::pin!(lead);
        let mut stop = std::pin::pin!(stop);
        let ended = tokio::select! {
            biased;
            () = &mut stop => None,
            () = &mut election => Some(Ok(())),
            () = &mut watches => Some(Ok(())),
            result = &mut lead => Some(result),
        };
        if let Some(result) = ended {
            result
        } else {
            tracing::info!("stopping");
            stopping.ask();
            tokio::select! {
                biased;
                result = &mut lead => result,
                () = &mut election => Ok(()),
                () = &mut watches => Ok(()),
                () = tokio::time::sleep(DRAIN) => Ok(()),
            }
        }
    };
    elector.release().await;
    result
}

/// Leads whenever this replica holds the lease. Everything the last term believed is forgotten with it.
async fn lead<A, C>(
    operator: &Operator<A, C>,
    stores: &SharedStores,
    leadership: &Leadership,
    pacer: &SharedPacer,
    stop: &Stop,
    identity: &str,
    random: &mut StdRng,
) -> Result<(), Error>
where
    A: Organizations + Access + Clone,
    C: Clock,
{
    loop {
        operator.health.leading(false);
        operator.metrics.leading(false);
        loop {
            let awaited = stores.read(crate::store::Stores::awaited);
            let ready = awaited.is_empty();
            operator.health.awaits(awaited);
            if ready {
                break;
            }
            tokio::select! {
                biased;
                () = stop.wait() => return Ok(()),
                () = stores.changed() => {}
            }
        }
        let epoch = tokio::select! {
            biased;
            () = stop.wait() => return Ok(()),
            epoch = leadership.gained() => epoch,
        };
        operator.health.leading(true);
        operator.metrics.leading(true);
        let term = organization::Term {
            epoch,
            nonce: format!("{:016x}{:016x}", random.next_u64(), random.next_u64()),
            seed: random.next_u64(),
            identity: identity.to_owned(),
        };
        let ended = {
            let work = organization::run(operator, stores, &leadership.fence, pacer, stop, term);
            tokio::select! {
                biased;
                () = leadership.lost(epoch) => Ended::TermOver,
                ended = work => ended,
            }
        };
        match ended {
            Ended::TermOver => tracing::warn!(epoch, "the leadership term is over; standing by"),
            Ended::Stopped => return Ok(()),
            Ended::Panicked => return Err(Error::Panicked),
        }
    }
}
