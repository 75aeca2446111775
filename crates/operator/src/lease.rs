//! Leader election by compare-and-swap on a Lease.
//!
//! A candidate waits one lease duration from the moment *it* first saw the record unchanged, never comparing another
//! process's clock with its own. A term has an epoch (`leaseTransitions`) and a local expiry, which ends before any
//! other candidate can take the lease; the executor checks it in the poll that sends each mutation.

use crate::config::LeaderElectionConfig;
use executor::{Clock, Fence};
use jiff::SignedDuration;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use std::{cell::Cell, rc::Rc, time::Duration};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

/// Name of the Lease.
pub(crate) const NAME: &str = "bulkhead";

/// Who holds the lease, as far as this process may act on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leadership {
    term: Rc<Cell<Option<(i64, Instant)>>>,
    changed: Rc<Notify>,
    /// The same term as the executor sees it.
    pub(crate) fence: Fence,
}

impl Leadership {
    /// The epoch of the current term.
    pub(crate) fn epoch(&self) -> Option<i64> {
        self.term
            .get()
            .filter(|(_, until)| Instant::now() < *until)
            .map(|(epoch, _)| epoch)
    }
    /// Resolves at the beginning of a term.
    pub(crate) async fn gained(&self) -> i64 {
        loop {
            if let Some(epoch) = self.epoch() {
                return epoch;
            }
            self.changed.notified().await;
        }
    }
    /// Resolves when the term of this epoch is over.
    pub(crate) async fn lost(&self, epoch: i64) {
        while let Some((current, until)) = self.term.get() {
            if current != epoch || Instant::now() >= until {
                return;
            }
            tokio::select! {
                biased;
                () = self.changed.notified() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }
    fn set(&self, term: Option<(i64, Instant)>) {
        self.term.set(term);
        match term {
            Some((_, until)) => self.fence.open_until(until),
            None => self.fence.close(),
        }
        self.changed.notify_waiters();
    }
}

/// A candidate for the lease.
pub(crate) struct Elector<C> {
    api: Api<Lease>,
    identity: String,
    config: LeaderElectionConfig,
    clock: C,
    seen: Option<(Lease, Instant)>,
    leadership: Leadership,
}

fn std_duration(duration: SignedDuration) -> Duration {
    duration.unsigned_abs()
}

impl<C: Clock> Elector<C> {
    pub(crate) fn new(
        client: Client,
        namespace: &str,
        identity: String,
        config: LeaderElectionConfig,
        clock: C,
        leadership: Leadership,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            identity,
            config,
            clock,
            seen: None,
            leadership,
        }
    }

    /// Holds or asks for the lease, for ever.
    pub(crate) async fn run(&mut self) {
        loop {
            self.attempt().await;
            sleep(std_duration(self.config.retry_period)).await;
        }
    }

    async fn attempt(&mut self) {
        let started = Instant::now();
        let budget = std_duration(self.config.retry_period);
        match timeout(budget, self.step()).await {
            Ok(Ok(Some(epoch))) => {
                let until = started + std_duration(self.config.renew_deadline);
                if self.leadership.epoch() != Some(epoch) {
                    tracing::info!(epoch, identity = self.identity, "leading");
                }
                self.leadership.set(Some((epoch, until)));
            }
            Ok(Ok(None)) => {
                if self.leadership.epoch().is_some() {
                    tracing::warn!("the lease was taken by another replica");
                }
                self.leadership.set(None);
            }
            Ok(Err(error)) => tracing::warn!(%error, "lease could not be renewed"),
            Err(_) => tracing::warn!("lease could not be renewed in time"),
        }
    }

    /// `Some(epoch)`: we hold it.
    async fn step(&mut self) -> Result<Option<i64>, kube::Error> {
        let Some(current) = self.api.get_opt(NAME).await? else {
            return self.create().await;
        };
        let known = self
            .seen
            .as_ref()
            .and_then(|(lease, _)| lease.metadata.resource_version.clone());
        if known.is_none() || known != current.metadata.resource_version {
            self.seen = Some((current.clone(), Instant::now()));
        }
        let since = self.seen.as_ref().map_or_else(Instant::now, |(_, since)| *since);
        let spec = current.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let mine = holder == self.identity;
        let patience =
            Duration::from_secs(u64::try_from(spec.lease_duration_seconds.unwrap_or(1).max(1)).unwrap_or(1));
        if !mine && !holder.is_empty() && since.elapsed() < patience {
            return Ok(None);
        }
        // A record that is ours by name but was not renewed in time may have been taken and given back: a new epoch.
        let renewed = mine && self.leadership.epoch().is_some();
        let epoch = spec.lease_transitions.unwrap_or(0) + i32::from(!renewed);
        let acquired = if renewed {
            spec.acquire_time
        } else {
            Some(self.now())
        };
        let mut lease = current;
        lease.spec = Some(self.spec(epoch, acquired));
        self.store(
            self.api.replace(NAME, &PostParams::default(), &lease).await,
            epoch,
        )
    }

    async fn create(&mut self) -> Result<Option<i64>, kube::Error> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                ..ObjectMeta::default()
            },
            spec: Some(self.spec(1, Some(self.now()))),
        };
        self.store(self.api.create(&PostParams::default(), &lease).await, 1)
    }

    /// A conflict means that somebody else was faster.
    fn store(&mut self, answer: Result<Lease, kube::Error>, epoch: i32) -> Result<Option<i64>, kube::Error> {
        match answer {
            Ok(lease) => {
                self.seen = Some((lease, Instant::now()));
                Ok(Some(i64::from(epoch)))
            }
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn now(&self) -> MicroTime {
        MicroTime(self.clock.now())
    }

    fn spec(&self, epoch: i32, acquired: Option<MicroTime>) -> LeaseSpec {
        let seconds = i32::try_from(self.config.lease_duration.as_secs()).unwrap_or(i32::MAX);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(seconds),
            acquire_time: acquired,
            renew_time: Some(self.now()),
            lease_transitions: Some(epoch),
            ..LeaseSpec::default()
        }
    }

    /// Gives the lease back, so that a successor need not wait for its end.
    pub(crate) async fn release(&mut self) {
        if self.leadership.epoch().is_none() {
            return;
        }
        self.leadership.set(None);
        let Some((mut lease, _)) = self.seen.take() else {
            return;
        };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(self.clock.now()));
        }
        let params = PostParams::default();
        let replace = self.api.replace(NAME, &params, &lease);
        match timeout(Duration::from_secs(1), replace).await {
            Ok(Ok(_)) => tracing::info!("lease given back"),
            Ok(Err(error)) => tracing::warn!(%error, "lease could not be given back"),
            Err(_) => tracing::warn!("lease could not be given back in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, future::LocalBoxFuture};
    use jiff::Timestamp;
    use kubesim::Kubesim;
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };
    use tower::ServiceExt;

    #[derive(Clone, Copy)]
    struct Virtual(Instant);
    impl Clock for Virtual {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(1_767_225_600).unwrap() + self.0.elapsed()
        }
    }

    struct Candidate {
        leadership: Leadership,
        connected: Arc<AtomicBool>,
        running: LocalBoxFuture<'static, ()>,
    }

    fn candidate(server: &Kubesim, name: &str) -> Candidate {
        let connected = Arc::new(AtomicBool::new(true));
        let (gate, service) = (connected.clone(), server.service());
        // A request into a broken network hangs; only the caller's own time limit ends it.
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let (gate, service) = (gate.clone(), service.clone());
            async move {
                while !gate.load(Ordering::Relaxed) {
                    sleep(Duration::from_millis(100)).await;
                }
                service.oneshot(request).await
            }
        });
        let leadership = Leadership::default();
        let mut elector = Elector::new(
            Client::new(service, "default"),
            "default",
            name.to_owned(),
            LeaderElectionConfig::default(),
            Virtual(Instant::now()),
            leadership.clone(),
        );
        Candidate {
            leadership,
            connected,
            running: async move { elector.run().await }.boxed_local(),
        }
    }

    fn server() -> Kubesim {
        let clock = Virtual(Instant::now());
        Kubesim::new(kubesim::Settings::default(), move || clock.now())
    }

    /// Runs all candidates and looks at every 50 ms: never two leaders, and never an epoch twice by different ones.
    async fn run(candidates: &mut [Candidate], time: Duration) -> Vec<(usize, i64)> {
        let terms: Vec<Leadership> = candidates
            .iter()
            .map(|candidate| candidate.leadership.clone())
            .collect();
        let all =
            futures::future::join_all(candidates.iter_mut().map(|candidate| candidate.running.as_mut()));
        let mut seen: Vec<(usize, i64)> = Vec::new();
        let watch = async {
            let end = Instant::now() + time;
            while Instant::now() < end {
                let leaders: Vec<(usize, i64)> = terms
                    .iter()
                    .enumerate()
                    .filter_map(|(n, term)| Some((n, term.epoch()?)))
                    .collect();
                assert!(leaders.len() <= 1, "two leaders: {leaders:?}");
                if let Some(leader) = leaders.first()
                    && seen.last() != Some(leader)
                {
                    assert!(
                        seen.iter().all(|(_, epoch)| *epoch < leader.1),
                        "{seen:?} then {leader:?}"
                    );
                    seen.push(*leader);
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            biased;
            _ = all => {}
            () = watch => {}
        }
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_candidates_one_leads() {
        let server = server();
        let mut candidates: Vec<Candidate> = (0..10)
            .map(|n| candidate(&server, &format!("replica-{n}")))
            .collect();
        let terms = run(&mut candidates, Duration::from_mins(5)).await;
        assert_eq!(
            terms.len(),
            1,
            "a leader that renews in time keeps its term: {terms:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_partitioned_leader_is_out_before_its_successor_is_in() {
        let server = server();
        let mut candidates: Vec<Candidate> = (0..3)
            .map(|n| candidate(&server, &format!("replica-{n}")))
            .collect();
        let first = run(&mut candidates, Duration::from_secs(30)).await;
        candidates[first[0].0].connected.store(false, Ordering::Relaxed);
        let second = run(&mut candidates, Duration::from_mins(1)).await;
        let last = second.last().unwrap();
        assert_ne!(last.0, first[0].0);
        assert!(last.1 > first[0].1);
        // Back in the network, the old leader finds that it is one no more.
        candidates[first[0].0].connected.store(true, Ordering::Relaxed);
        let third = run(&mut candidates, Duration::from_mins(1)).await;
        assert_eq!(third, [*last]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_mutation_is_started_near_the_end_of_a_term() {
        let leadership = Leadership::default();
        leadership.set(Some((1, Instant::now() + Duration::from_secs(12))));
        assert!(leadership.fence.permits());
        sleep(Duration::from_secs(9)).await;
        assert_eq!(leadership.epoch(), Some(1));
        assert!(
            !leadership.fence.permits(),
            "less than one mutation's time is left"
        );
    }
}
