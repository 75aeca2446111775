//! The operator's processes: started, killed, crashed and started again.

use super::{Cluster, Stage};
use crate::{
    judge::ProcessId,
    process::{End, Process, Thread},
    wires,
};
use futures::FutureExt as _;
use std::{task::Poll, time::Duration};
use tokio::time::{Instant, sleep_until};

impl Stage {
    /// Starts the replicas of a cluster.
    pub(crate) fn start_replicas(&mut self, cluster: usize) {
        for _ in 0..self.clusters[cluster].replicas {
            self.start(cluster);
        }
    }

    fn start(&mut self, cluster: usize) {
        let id = self.next_process;
        self.next_process += 1;
        let thread = Thread::new(self.crashes.front().map(|(trigger, _)| *trigger));
        let Cluster {
            world,
            own_mark,
            take_over,
            ..
        } = &self.clusters[cluster];
        self.judge
            .started(id, cluster, own_mark.clone(), take_over.clone());
        let http = wires::aws(&self.judge, id, &thread, &world.organization);
        let client = wires::kubernetes(&self.judge, id, &thread, &world.kubernetes);
        let gates = wires::gates(&self.judge, &world.answers, client.clone());
        let seed = self.scenario.seed.wrapping_mul(1009).wrapping_add(u64::from(id));
        let mut operator =
            world.operator_on(http, client, self.config.clone(), &format!("operator-{id}"), seed);
        operator.take_over.clone_from(take_over);
        operator.gates = gates;
        let judge = self.judge.clone();
        let future = async move {
            // Boxed: the operator's future is large.
            let ended = Box::pin(operator::run(operator, std::future::pending())).await;
            judge.violation(
                "the operator never ends by itself",
                &format!("operator {id}: {ended:?}"),
            );
        };
        self.processes.insert(
            id,
            (cluster, Box::pin(Process::new(thread, future.boxed_local()))),
        );
    }

    /// kill -9 of every process of a cluster.
    pub(super) fn kill_all(&mut self, cluster: usize) {
        let killed: Vec<ProcessId> = self
            .processes
            .iter()
            .filter(|(_, (of, _))| *of == cluster)
            .map(|(id, _)| *id)
            .collect();
        for id in killed {
            self.bury(id);
        }
        self.restarts.retain(|(_, of)| *of != cluster);
    }

    fn bury(&mut self, id: ProcessId) -> Option<usize> {
        let (cluster, _) = self.processes.remove(&id)?;
        self.judge.tell(&format!("operator {id} is dead"));
        Some(cluster)
    }

    /// Lets virtual time pass; processes that crash are started again.
    pub(crate) async fn pass_until(&mut self, until: Duration) {
        while self.now() < until {
            let restart = self.restarts.iter().map(|(at, _)| *at).min();
            let next = restart.map_or(until, |at| at.min(until));
            let wake = Instant::now() + next.saturating_sub(self.now());
            let ended = {
                let processes = &mut self.processes;
                let any = std::future::poll_fn(|context| {
                    for (id, (_, process)) in processes.iter_mut() {
                        if let Poll::Ready(end) = process.as_mut().poll(context) {
                            return Poll::Ready((*id, end));
                        }
                    }
                    Poll::Pending
                });
                tokio::select! {
                    biased;
                    ended = any => Some(ended),
                    () = sleep_until(wake) => None,
                }
            };
            if let Some((id, end)) = ended {
                self.ended(id, end);
            }
            self.restart_due();
        }
    }

    fn ended(&mut self, id: ProcessId, end: End) {
        self.crashed += 1;
        let down = match end {
            End::Crashed => self
                .crashes
                .pop_front()
                .map_or(Duration::ZERO, |(trigger, down)| {
                    self.judge
                        .tell(&format!("operator {id} crashes {trigger}; down for {down:?}"));
                    down
                }),
            End::Returned => Duration::from_secs(1),
        };
        let now = self.now();
        if let Some(cluster) = self.bury(id) {
            self.judge.crashed(cluster);
            self.restarts.push((now + down, cluster));
        }
    }

    fn restart_due(&mut self) {
        let now = self.now();
        let due: Vec<usize> = self
            .restarts
            .iter()
            .filter(|(at, _)| *at <= now)
            .map(|(_, cluster)| *cluster)
            .collect();
        self.restarts.retain(|(at, _)| *at > now);
        for cluster in due {
            self.start(cluster);
        }
    }

    /// Awaits something while the processes go on.
    pub(super) async fn beside<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        loop {
            let ended = {
                let processes = &mut self.processes;
                std::future::poll_fn(|context| {
                    if let Poll::Ready(value) = future.as_mut().poll(context) {
                        return Poll::Ready(Ok(value));
                    }
                    for (id, (_, process)) in processes.iter_mut() {
                        if let Poll::Ready(end) = process.as_mut().poll(context) {
                            return Poll::Ready(Err((*id, end)));
                        }
                    }
                    Poll::Pending
                })
                .await
            };
            match ended {
                Ok(value) => return value,
                Err((id, end)) => self.ended(id, end),
            }
        }
    }
}
