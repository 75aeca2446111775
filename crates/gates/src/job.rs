//! A Kubernetes Job as a test: it succeeds, or it fails.
//!
//! The Job is the memory of the measurement: its name follows from what is measured, so that a second try, after a restart
//! too, finds the first and goes on.

use crate::{
    message, permission,
    runner::Settings,
    template::{self, Built, MEASUREMENT},
};
use http::{Method, Request, header::CONTENT_TYPE};
use k8s_openapi::api::batch::v1::Job;
use kube::{Api, Client, Error};
use promotion::{JobGate, Measure, Measured, MeasuredResult};
use std::time::Duration;

/// `activeDeadlineSeconds` of a Job whose template has none.
pub const JOB_DEADLINE: u64 = 600;
/// `ttlSecondsAfterFinished` of a Job whose template has none: a day.
pub const JOB_KEPT: u64 = 86_400;
/// Seconds that a Job is waited for beyond its deadline, until the cluster has said how it ended.
pub const JOB_GRACE: u64 = 60;

/// Time between two looks.
const POLL: Duration = Duration::from_secs(5);
/// Looks that may fail in a row.
const LOOKS: u32 = 6;

pub(crate) async fn measure(
    client: &Client,
    settings: &Settings,
    measure: &Measure,
    gate: &JobGate,
) -> Result<Measured, String> {
    let built = template::build(measure, &gate.template, settings)?;
    let within = Duration::from_secs(built.deadline + JOB_GRACE);
    match tokio::time::timeout(within, run(client, settings, &built)).await {
        Ok(measured) => measured,
        Err(_) => Err(format!(
            "Job {} had not ended {JOB_GRACE} s after its deadline of {} s",
            built.name, built.deadline
        )),
    }
}

async fn run(client: &Client, settings: &Settings, built: &Built) -> Result<Measured, String> {
    for name in &built.uses.secrets {
        permission::of_secret(client, &settings.namespace, name).await?;
    }
    for name in &built.uses.service_accounts {
        permission::of_service_account(client, &settings.namespace, name).await?;
    }
    let api: Api<Job> = Api::namespaced(client.clone(), &settings.namespace);
    let mut job = match create(client, settings, built).await {
        Ok(job) => job,
        Err(Error::Api(status)) if status.reason == "AlreadyExists" => existing(&api, built).await?,
        Err(Error::Api(status)) => {
            return Err(format!(
                "the API server refused Job {}: {}",
                built.name, status.message
            ));
        }
        Err(error) => {
            return Err(format!(
                "Job {} cannot be created: {}",
                built.name,
                message::chain(&error)
            ));
        }
    };
    let mut failures = 0;
    loop {
        if let Some(measured) = outcome(&job, &built.name) {
            return measured;
        }
        tokio::time::sleep(POLL).await;
        match api.get_opt(&built.name).await {
            Ok(Some(now)) => {
                failures = 0;
                job = now;
            }
            Ok(None) => return Err(format!("Job {} was deleted before it ended", built.name)),
            Err(error) => {
                failures += 1;
                if failures == LOOKS {
                    let cause = message::chain(&error);
                    return Err(format!("Job {} cannot be read: {cause}", built.name));
                }
            }
        }
    }
}

/// As written, with unknown fields refused: read into a type, a misspelt field would be lost without a word.
async fn create(client: &Client, settings: &Settings, built: &Built) -> Result<Job, Error> {
    let path = format!(
        "/apis/batch/v1/namespaces/{}/jobs?fieldManager=bulkhead&fieldValidation=Strict",
        settings.namespace
    );
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(CONTENT_TYPE, "application/json")
        .body(built.job.to_string().into_bytes())
        .map_err(kube::core::request::Error::BuildRequest)
        .map_err(Error::BuildRequest)?;
    client.request(request).await
}

/// The Job of an earlier try. One that only has the name says nothing.
async fn existing(api: &Api<Job>, built: &Built) -> Result<Job, String> {
    let job = api
        .get(&built.name)
        .await
        .map_err(|error| format!("Job {} cannot be read: {}", built.name, message::chain(&error)))?;
    let label = job
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(MEASUREMENT));
    if label == Some(&built.measurement) {
        Ok(job)
    } else {
        Err(format!(
            "Job {} is there and is not of this gate: its label {MEASUREMENT} differs",
            built.name
        ))
    }
}

/// How the Job ended; `None`: it has not. One that ran out of time has not tested.
fn outcome(job: &Job, name: &str) -> Option<Result<Measured, String>> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let ended = conditions.iter().find(|condition| {
        matches!(condition.type_.as_str(), "Complete" | "Failed") && condition.status == "True"
    })?;
    if ended.type_ == "Complete" {
        let text = format!("Job {name} completed");
        return Some(Ok(message::measured(MeasuredResult::Success, &text)));
    }
    let reason = ended.reason.as_deref().unwrap_or("no reason given");
    let said = ended.message.as_deref().unwrap_or_default();
    let text = format!("Job {name} failed: {reason}: {said}");
    Some(if reason == "DeadlineExceeded" {
        Err(text)
    } else {
        Ok(message::measured(MeasuredResult::Failure, &text))
    })
}

#[cfg(test)]
mod tests;
