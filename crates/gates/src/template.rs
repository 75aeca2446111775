//! The Job of a gate, made from its template. Whoever writes a gate must not come to act as the operator, or reach the
//! machine that a Pod runs on; a namespace's Pod Security level says the rest.

use crate::{
    job::{JOB_DEADLINE, JOB_KEPT},
    runner::Settings,
};
use promotion::Measure;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeSet, fmt::Write as _};

/// Label of a gate's Job: which measurement it is for.
pub(crate) const MEASUREMENT: &str = "bulkhead.dev/measurement";
/// Label of a gate's Job: UID of the EnvironmentPromotion.
const PROMOTION: &str = "bulkhead.dev/promotion-uid";

/// The only capability that a container may add: it harms nobody, and web servers ask for it.
const CAPABILITY: &str = "NET_BIND_SERVICE";

/// The service account of Pods that name none.
const DEFAULT_ACCOUNT: &str = "default";

type Object = Map<String, Value>;

/// A Job to be created.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) name: String,
    /// Value of the label [`MEASUREMENT`].
    pub(crate) measurement: String,
    pub(crate) job: Value,
    /// Its `activeDeadlineSeconds`.
    pub(crate) deadline: u64,
    /// What its Pods use, and has to agree to it.
    pub(crate) uses: Uses,
}

/// Objects beside a Job that say themselves whether Jobs of gates may use them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// Secrets that its Pods use.
    pub(crate) secrets: BTreeSet<String>,
    /// Service accounts that its Pods act as; empty where they act as nobody.
    pub(crate) service_accounts: BTreeSet<String>,
}

/// Checks a template without a measurement.
pub(crate) fn check(template: &Value, settings: &Settings) -> Result<(), String> {
    spec(template, settings, &[]).map(|_| ())
}

/// The Job of a measurement. The same measurement has the same Job, after a restart, too.
pub(crate) fn build(measure: &Measure, template: &Value, settings: &Settings) -> Result<Built, String> {
    let key = &measure.key;
    let wave = measure.wave.clone().unwrap_or_default();
    let revision = key.revision.to_string();
    let facts = [
        ("ATTEMPT", key.attempt.as_str()),
        ("REVISION", &revision),
        ("STAGE", &key.stage),
        ("WAVE", &wave),
        ("GATE", &key.gate),
        ("ENVIRONMENT", &measure.environment),
    ];
    let (spec, deadline, uses) = spec(template, settings, &facts)?;
    let measurement = hash(&[
        &measure.promotion_uid,
        &key.attempt,
        // What one measured says nothing of another revision, nor of what the gate was before an edit.
        &revision,
        &key.generation.to_string(),
        &key.stage,
        &wave,
        &key.gate,
        &key.run.to_string(),
        &key.number.to_string(),
    ]);
    let name = format!("bulkhead-gate-{measurement}");
    let mut labels = written(template, "labels")?;
    labels.insert("app.kubernetes.io/managed-by".to_owned(), json!("bulkhead"));
    labels.insert(PROMOTION.to_owned(), json!(measure.promotion_uid));
    labels.insert(MEASUREMENT.to_owned(), json!(measurement));
    let mut annotations = written(template, "annotations")?;
    for (fact, value) in facts {
        annotations.insert(format!("bulkhead.dev/{}", fact.to_lowercase()), json!(value));
    }
    let metadata = json!({
        "name": name, "namespace": settings.namespace, "labels": labels, "annotations": annotations,
    });
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec});
    Ok(Built {
        name,
        measurement,
        job,
        deadline,
        uses,
    })
}

fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        // The length in front keeps ("ab", "c") and ("a", "bc") apart.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher
        .finalize()
        .iter()
        .take(16)
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
            text
        })
}

/// `metadata.labels` or `metadata.annotations` of the template.
fn written(template: &Value, what: &str) -> Result<Object, String> {
    match &template["metadata"][what] {
        Value::Null => Ok(Object::new()),
        Value::Object(map) => Ok(map.clone()),
        _ => Err(format!("template.metadata.{what} is no map")),
    }
}

fn spec(
    template: &Value,
    settings: &Settings,
    facts: &[(&str, &str)],
) -> Result<(Object, u64, Uses), String> {
    let whole = object(template, "template")?;
    only(whole, &["metadata", "spec"], "template")?;
    if let Some(metadata) = whole.get("metadata") {
        let metadata = object(metadata, "template.metadata")?;
        only(
            metadata,
            &["labels", "annotations", "namespace"],
            "template.metadata",
        )?;
        if metadata
            .get("namespace")
            .is_some_and(|namespace| namespace != settings.namespace.as_str())
        {
            return Err("the Jobs of gates run in the operator's namespace; template.metadata.namespace names another".to_owned());
        }
    }
    let mut spec = object(&template["spec"], "template.spec")?.clone();
    for field in ["selector", "manualSelector", "managedBy"] {
        if spec.contains_key(field) {
            return Err(format!("template.spec.{field} may not be set"));
        }
    }
    if spec
        .get("suspend")
        .is_some_and(|suspend| *suspend != json!(false))
    {
        return Err("template.spec.suspend may not be set: the Job would never run".to_owned());
    }
    let deadline = seconds(&mut spec, "activeDeadlineSeconds", JOB_DEADLINE, 1, 86_400)?;
    // The Job is the memory of its result: one that is gone at once could not be read.
    seconds(&mut spec, "ttlSecondsAfterFinished", JOB_KEPT, 600, 30 * 86_400)?;
    let pod = spec
        .get_mut("template")
        .and_then(|template| template.get_mut("spec"))
        .and_then(Value::as_object_mut)
        .ok_or("template.spec.template.spec is no map")?;
    check_pod(pod, settings)?;
    let mut uses = Uses {
        service_accounts: service_accounts(pod)?,
        ..Uses::default()
    };
    collect_secrets(pod, &mut uses.secrets)?;
    complete_pod(pod, facts)?;
    Ok((spec, deadline, uses))
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Object, String> {
    value.as_object().ok_or_else(|| format!("{what} is no map"))
}

fn only(map: &Object, known: &[&str], what: &str) -> Result<(), String> {
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(other) => Err(format!("{what}.{other} may not be set")),
        None => Ok(()),
    }
}

/// The field, with its default filled in.
fn seconds(spec: &mut Object, field: &str, default: u64, least: u64, most: u64) -> Result<u64, String> {
    let value = spec.entry(field).or_insert_with(|| json!(default));
    value
        .as_u64()
        .filter(|seconds| (least..=most).contains(seconds))
        .ok_or_else(|| format!("template.spec.{field} is not a number from {least} to {most}"))
}

fn check_pod(pod: &Object, settings: &Settings) -> Result<(), String> {
    for field in ["serviceAccountName", "serviceAccount"] {
        match pod.get(field) {
            None => {}
            Some(Value::String(name)) if !is_operators(name, settings) => {}
            Some(_) => {
                return Err(format!(
                    "{field}: a gate does not run as the operator; names that begin with `bulkhead` are its own"
                ));
            }
        }
    }
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod.get(field).is_some_and(|value| *value != json!(false)) {
            return Err(format!(
                "{field} may not be set: a gate stays off the machine it runs on"
            ));
        }
    }
    for volume in list(pod, "volumes")? {
        if volume.get("hostPath").is_some() {
            return Err("a volume may not be a hostPath: a gate stays off the machine it runs on".to_owned());
        }
    }
    if pod.contains_key("ephemeralContainers") {
        return Err("ephemeralContainers may not be set".to_owned());
    }
    for container in list(pod, "initContainers")?
        .iter()
        .chain(list(pod, "containers")?)
    {
        let context = &container["securityContext"];
        if context
            .get("privileged")
            .is_some_and(|value| *value != json!(false))
        {
            return Err("a container may not be privileged".to_owned());
        }
        let capabilities = &context["capabilities"]["add"];
        let harmless = |value: &Value| value == CAPABILITY;
        if !(capabilities.is_null()
            || capabilities
                .as_array()
                .is_some_and(|all| all.iter().all(harmless)))
        {
            return Err(format!("a container may add no capability but {CAPABILITY}"));
        }
    }
    Ok(())
}

/// What the Pod would act as. The account of every Pod, `default`, has to agree only where the Pod gets its token.
fn service_accounts(pod: &Object) -> Result<BTreeSet<String>, String> {
    let mut names: BTreeSet<String> = ["serviceAccountName", "serviceAccount"]
        .into_iter()
        .filter_map(|field| pod.get(field)?.as_str())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let mounted = pod
        .get("automountServiceAccountToken")
        .is_some_and(|value| *value != json!(false));
    let projected = list(pod, "volumes")?
        .iter()
        .filter_map(|volume| volume["projected"]["sources"].as_array())
        .flatten()
        .any(|source| source.get("serviceAccountToken").is_some());
    if names.is_empty() {
        names.insert(DEFAULT_ACCOUNT.to_owned());
    }
    if !mounted && !projected {
        names.remove(DEFAULT_ACCOUNT);
    }
    Ok(names)
}

fn is_operators(name: &str, settings: &Settings) -> bool {
    name.starts_with("bulkhead") || name == settings.service_account
}

fn list<'a>(pod: &'a Object, field: &str) -> Result<&'a [Value], String> {
    match pod.get(field) {
        None => Ok(&[]),
        Some(Value::Array(items)) if items.iter().all(Value::is_object) => Ok(items),
        Some(_) => Err(format!("{field} is no list of maps")),
    }
}

/// Every Secret that the Pod names, wherever: Kubernetes has a dozen places, each with `secret` in its name. Pull secrets
/// are read by the kubelet alone.
fn collect_secrets(part: &Object, found: &mut BTreeSet<String>) -> Result<(), String> {
    for (key, value) in part {
        match key.as_str() {
            "imagePullSecrets"
            | "nodeSelector"
            | "affinity"
            | "tolerations"
            | "topologySpreadConstraints" => {}
            key if key.to_ascii_lowercase().contains("secret") => {
                let name = match value {
                    Value::String(name) => Some(name),
                    Value::Object(reference) => {
                        match reference.get("secretName").or_else(|| reference.get("name")) {
                            Some(Value::String(name)) => Some(name),
                            _ => None,
                        }
                    }
                    _ => None,
                };
                found.insert(name.ok_or_else(|| format!("{key} names no Secret"))?.clone());
            }
            _ => collect_in(value, found)?,
        }
    }
    Ok(())
}

fn collect_in(value: &Value, found: &mut BTreeSet<String>) -> Result<(), String> {
    match value {
        Value::Object(part) => collect_secrets(part, found),
        Value::Array(items) => items.iter().try_for_each(|item| collect_in(item, found)),
        _ => Ok(()),
    }
}

/// What a Pod gets that its template leaves out, and the facts as environment variables of every container.
fn complete_pod(pod: &mut Object, facts: &[(&str, &str)]) -> Result<(), String> {
    pod.entry("restartPolicy").or_insert_with(|| json!("Never"));
    if !pod.contains_key("serviceAccount") {
        pod.entry("serviceAccountName")
            .or_insert_with(|| json!(DEFAULT_ACCOUNT));
    }
    pod.entry("automountServiceAccountToken")
        .or_insert_with(|| json!(false));
    for field in ["initContainers", "containers"] {
        let Some(containers) = pod.get_mut(field).and_then(Value::as_array_mut) else {
            continue;
        };
        for container in containers {
            let Some(container) = container.as_object_mut() else {
                continue;
            };
            let environment = container
                .entry("env")
                .or_insert_with(|| json!([]))
                .as_array_mut()
                .ok_or("env is no list")?;
            for (fact, value) in facts {
                let name = format!("BULKHEAD_{fact}");
                environment.retain(|variable| variable["name"] != name.as_str());
                environment.push(json!({"name": name, "value": value}));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
