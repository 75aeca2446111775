//! What happens to the world, as the scenario says, and what people decide.

use super::{APPROVES, PERSON, Stage, StageError, key};
use crate::scenario::{Event, is_refused};
use serde_json::json;
use simulator::World;

impl Stage {
    pub(crate) async fn happen(&mut self, event: Event) -> Result<(), StageError> {
        match event {
            Event::Commit(object) => {
                self.judge
                    .tell(&format!("Git: {:?} is {}", key(&object), object["spec"]));
                if object["kind"] == "Baseline" && !is_refused(&object) {
                    self.baseline = object.clone();
                }
                self.git.insert(key(&object), object);
                self.committed();
            }
            Event::Remove { namespace, name } => {
                self.judge.tell(&format!("Git: {namespace}/{name} is removed"));
                self.forgotten.insert((namespace.clone(), name.clone()));
                self.git.remove(&(namespace, name));
                self.committed();
            }
            Event::OtherTool(tool) => self.other_tool(&tool),
            Event::BreakWatches => {
                self.judge.tell("every watch ends");
                self.current().kubernetes.break_watches();
            }
            Event::Compact => {
                self.judge.tell("the API server's history is compacted");
                self.current().kubernetes.compact_history();
            }
            Event::StealLease => self.steal_lease(),
            Event::Backup => {
                self.judge.tell("etcd is saved");
                self.clusters[0].backup = Some(self.clusters[0].world.kubernetes.snapshot());
            }
            Event::Disaster => self.disaster().await?,
            Event::TakeOver => self.take_over(),
            Event::Approve => self.approves_from = Some(self.now()),
            Event::Travel(what) => self.travel(what).await,
            Event::LoseRevision { pick } => self.lose_revision(pick).await,
            Event::ImportRevision => {
                self.imports.extend(self.lost.take());
                self.committed();
            }
        }
        Ok(())
    }

    fn current(&self) -> World {
        let last = self.clusters.len() - 1;
        self.clusters[last].world.clone()
    }

    fn steal_lease(&mut self) {
        let kubernetes = self.current().kubernetes;
        // Before the first leader there is no lease to edit.
        if kubernetes.steal_lease("default", "bulkhead", "somebody").is_ok() {
            self.judge.tell("somebody edits the lease");
        }
    }

    async fn disaster(&mut self) -> Result<(), StageError> {
        match self.scenario.disaster {
            None => {}
            Some(crate::Disaster::OlderEtcd) => {
                let cluster = &self.clusters[0];
                if let Some(backup) = &cluster.backup {
                    self.judge.tell("etcd is restored to the older state");
                    cluster.world.kubernetes.restore(backup);
                    self.judge.restored(0);
                    self.committed();
                }
            }
            Some(disaster) => {
                if disaster == crate::Disaster::Wiped {
                    self.judge.tell("the cluster is lost");
                    self.kill_all(0);
                    self.clusters[0].replicas = 0;
                } else {
                    self.judge.tell("a second cluster appears");
                }
                let settings = kubesim::Settings {
                    seed: self.scenario.seed.wrapping_add(0x0200_0000),
                    ..kubesim::Settings::default()
                };
                let world = self.clusters[0].world.with_new_cluster(settings)?;
                let number = self.add_cluster(world).await?;
                self.start_replicas(number);
            }
        }
        Ok(())
    }

    /// Somebody deletes a revision and has a copy of it.
    async fn lose_revision(&mut self, pick: usize) {
        let revisions = self
            .current()
            .kubernetes
            .objects("bulkhead.dev", "baselinerevisions");
        let Some(revision) = revisions.get(pick % revisions.len().max(1)) else {
            return;
        };
        let metadata = json!({"name": revision["metadata"]["name"]});
        self.lost = Some(json!({
            "apiVersion": revision["apiVersion"], "kind": "BaselineRevision", "metadata": metadata,
            "spec": revision["spec"],
        }));
        self.judge
            .tell(&format!("somebody deletes revision {}", metadata["name"]));
        self.delete_by_hand(revision).await;
    }

    /// A person who has begun to look after an older etcd approves what awaits a decision.
    pub(crate) async fn approve(&mut self) {
        let now = self.now();
        if self.approves_from.is_none_or(|from| from > now) {
            return;
        }
        self.approves_from = Some(now + APPROVES);
        let world = self.current();
        match self.beside(world.decide(PERSON, "Approve")).await {
            Ok(0) => {}
            Ok(count) => self.judge.tell(&format!("a person approves {count} digests")),
            // A fault; next time.
            Err(error) => self.judge.tell(&format!("a person cannot approve: {error}")),
        }
    }

    /// A person reads which value the root carries, and starts the newest cluster's operators with it.
    fn take_over(&mut self) {
        let last = self.clusters.len() - 1;
        let state = self.clusters[last].world.organization.state();
        let mark = state.root.tags.get(crate::judge::MARK).cloned();
        let Some(mark) = mark.filter(|mark| !crate::judge::names(mark, &self.clusters[last].own_mark)) else {
            return;
        };
        self.judge.tell("a person decides: the newest cluster takes over");
        self.kill_all(last);
        self.clusters[last].take_over = Some(mark);
        self.start_replicas(last);
    }
}
