//! What Jobs of gates may use: whoever writes a gate would otherwise act as every service account beside the operator, and
//! read every Secret there. So each of them says itself that Jobs may use it.

use crate::{message, secret};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client, api::ObjectMeta};

/// Annotation of a Secret or a service account in the operator's namespace: `"true"` lets the Jobs of gates use it.
pub const GATE_JOBS: &str = "bulkhead.dev/gate-jobs";

/// Checks that Jobs may use the Secret.
pub(crate) async fn of_secret(client: &Client, namespace: &str, name: &str) -> Result<(), String> {
    let secret = secret::read(client, namespace, name).await?;
    judge("Secret", name, &secret.metadata)
}

/// Checks that Jobs may run as the service account.
pub(crate) async fn of_service_account(client: &Client, namespace: &str, name: &str) -> Result<(), String> {
    let account = Api::<ServiceAccount>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await
        .map_err(|error| {
            let cause = message::chain(&error);
            format!("ServiceAccount {name} cannot be read: {cause}")
        })?
        .ok_or_else(|| format!("there is no ServiceAccount {name} in namespace {namespace}"))?;
    judge("ServiceAccount", name, &account.metadata)
}

fn judge(kind: &str, name: &str, metadata: &ObjectMeta) -> Result<(), String> {
    let said = metadata.annotations.as_ref().and_then(|all| all.get(GATE_JOBS));
    if said.is_some_and(|said| said == "true") {
        return Ok(());
    }
    Err(format!(
        "{kind} {name} has no annotation {GATE_JOBS}: \"true\" that lets the Jobs of gates use it"
    ))
}
