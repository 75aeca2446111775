//! The person who decides what Bulkhead will not do alone.

use crate::World;
use http::Method;
use kube::Client;
use serde_json::{Value, json};

const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";

impl World {
    /// A client of the cluster for another caller.
    pub fn client_as(&self, user: &str, groups: &[&str]) -> Client {
        Client::new(self.kubernetes.service_as(user, groups), "default")
    }

    /// Installs the policies on Approvals and on who asks for a promotion, as `deploy/` has them.
    pub async fn install_admission_policies(&self) -> Result<(), kube::Error> {
        let approvals = operator::approval_policy::manifests();
        let promotions = operator::promotion_policy::manifests();
        for manifest in approvals.iter().chain(&promotions) {
            let plural = match manifest["kind"].as_str() {
                Some("ValidatingAdmissionPolicy") => "validatingadmissionpolicies",
                _ => "validatingadmissionpolicybindings",
            };
            post(&self.client(), &format!("{ADMISSION}/{plural}"), manifest).await?;
        }
        Ok(())
    }

    /// Lets this user decide about accounts whose cluster was restored to an older state, about changes of tags, and about
    /// promotions.
    pub fn allow_to_approve(&self, user: &str) {
        let actions = [
            api::ApprovalAction::StateRestore,
            api::ApprovalAction::TagChange,
            api::ApprovalAction::Promotion,
        ];
        for action in actions {
            self.kubernetes
                .allow(user, "approve", api::GROUP, action.resource());
        }
    }

    /// Creates an Approval as this user, for each digest that an AwsAccount's status shows. Gives how many there were.
    pub async fn decide(&self, user: &str, decision: &str) -> Result<usize, kube::Error> {
        let client = self.client_as(user, &[]);
        let mut count = 0;
        for object in self.kubernetes.objects(api::GROUP, "awsaccounts") {
            for awaiting in object["status"]["awaiting"].as_array().into_iter().flatten() {
                count += 1;
                let approval = json!({
                    "apiVersion": format!("{}/{}", api::GROUP, api::VERSION), "kind": "Approval",
                    "metadata": {"generateName": "decision-"},
                    "spec": {
                        "action": awaiting["action"], "digest": awaiting["digest"],
                        "subject": {
                            "kind": "AwsAccount", "namespace": object["metadata"]["namespace"],
                            "name": object["metadata"]["name"],
                        },
                        "decision": decision, "approver": user,
                    },
                });
                let path = format!("/apis/{}/{}/approvals", api::GROUP, api::VERSION);
                post(&client, &path, &approval).await?;
            }
        }
        Ok(count)
    }
}

pub(crate) async fn post(client: &Client, path: &str, object: &Value) -> Result<(), kube::Error> {
    let request = http::Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("content-type", "application/json")
        .body(object.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    client.request::<Value>(request).await.map(drop)
}
