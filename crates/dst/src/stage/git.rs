//! The GitOps tool: makes the clusters as Git says.

use super::{SYNC, SYNC_AGAIN, Stage, key};
use http::{Method, Request};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

impl Stage {
    /// The GitOps tool makes the clusters as Git says, one request after the other, until one fails.
    pub(crate) async fn sync(&mut self) {
        for index in 0..self.clusters.len() {
            let now = self.now();
            if self.clusters[index].next_sync > now || self.clusters[index].replicas == 0 {
                continue;
            }
            let done = self.sync_cluster(index).await;
            self.clusters[index].next_sync = self.now() + if done { SYNC } else { SYNC_AGAIN };
        }
    }

    /// The earliest moment at which there is something to compare.
    pub(crate) fn next_sync(&self) -> Duration {
        let active = self.clusters.iter().filter(|cluster| cluster.replicas > 0);
        active
            .map(|cluster| cluster.next_sync)
            .min()
            .unwrap_or(Duration::MAX)
    }

    /// A commit is noticed at once.
    pub(super) fn committed(&mut self) {
        for cluster in &mut self.clusters {
            cluster.next_sync = Duration::ZERO;
        }
    }

    async fn sync_cluster(&mut self, index: usize) -> bool {
        let kubernetes = self.clusters[index].world.kubernetes.clone();
        let files = self.scenario.platform.iter().chain(self.git.values());
        let wanted: Vec<Value> = files.chain(&self.imports).cloned().collect();
        let mut requests = vec![];
        for object in &wanted {
            let path = path(object);
            let live = live(&kubernetes, object);
            if live.is_none_or(|live| live["spec"] != object["spec"] && object["kind"] != "Namespace") {
                requests.push((
                    Method::PATCH,
                    format!("{path}?fieldManager=gitops&force=true"),
                    object.clone(),
                ));
            }
        }
        let accounts = kubernetes.shared_objects("bulkhead.dev", "awsaccounts");
        let promotions = kubernetes.shared_objects("bulkhead.dev", "environmentpromotions");
        for live in accounts.into_iter().chain(promotions) {
            let key = key(&live);
            if !self.git.contains_key(&key) && live["metadata"]["deletionTimestamp"].is_null() {
                requests.push((Method::DELETE, path(&live), Value::Null));
            }
        }
        for (method, uri, body) in requests {
            if !self.send(index, method, uri, &body).await {
                return false;
            }
        }
        // An import is done once; what becomes of it then is the operator's business.
        if !self.imports.is_empty() {
            self.judge.tell("a revision is imported");
            self.imported += 1;
            self.imports.clear();
        }
        true
    }

    /// One request of a person or of the GitOps tool: was it answered well?
    async fn send(&mut self, index: usize, method: Method, uri: String, body: &Value) -> bool {
        let client = self.clusters[index].git_client.clone();
        let mut request = Request::builder().method(method.clone()).uri(uri);
        let bytes = if body.is_null() {
            vec![]
        } else {
            serde_json::to_vec(body).unwrap_or_default()
        };
        if method == Method::PATCH {
            request = request.header("content-type", "application/apply-patch+yaml");
        }
        let Ok(request) = request.body(bytes) else {
            return false;
        };
        let answer = client.request::<Value>(request);
        // The operator works on meanwhile; a request that hangs is given up.
        let answer = self
            .beside(tokio::time::timeout(Duration::from_secs(10), answer))
            .await;
        matches!(answer, Ok(Ok(_)))
    }

    /// Whether it worked is not looked at: what is still there needs not be imported.
    pub(super) async fn delete_by_hand(&mut self, object: &Value) {
        let last = self.clusters.len() - 1;
        self.send(last, Method::DELETE, path(object), &Value::Null).await;
    }
}

fn path(object: &Value) -> String {
    let (namespace, name) = key(object);
    match object["kind"].as_str().unwrap_or_default() {
        "Namespace" => format!("/api/v1/namespaces/{name}"),
        "Baseline" => format!("/apis/bulkhead.dev/v1alpha1/baselines/{name}"),
        "BaselineRevision" => format!("/apis/bulkhead.dev/v1alpha1/baselinerevisions/{name}"),
        "EnvironmentPromotion" => format!("/apis/bulkhead.dev/v1alpha1/environmentpromotions/{name}"),
        _ => format!("/apis/bulkhead.dev/v1alpha1/namespaces/{namespace}/awsaccounts/{name}"),
    }
}

fn live(kubernetes: &kubesim::Kubesim, object: &Value) -> Option<Arc<Value>> {
    let (group, plural) = match object["kind"].as_str().unwrap_or_default() {
        "Namespace" => ("", "namespaces"),
        "Baseline" => ("bulkhead.dev", "baselines"),
        "BaselineRevision" => ("bulkhead.dev", "baselinerevisions"),
        "EnvironmentPromotion" => ("bulkhead.dev", "environmentpromotions"),
        _ => ("bulkhead.dev", "awsaccounts"),
    };
    let (namespace, name) = key(object);
    kubernetes.shared_objects(group, plural).into_iter().find(|live| {
        live["metadata"]["name"] == name.as_str()
            && live["metadata"]["namespace"].as_str().unwrap_or_default() == namespace
            && live["metadata"]["deletionTimestamp"].is_null()
    })
}
