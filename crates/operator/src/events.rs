//! Events on transitions: which ones (pure), and their writing.
//!
//! Not kube's Recorder, which reads the wall clock and draws its own random names: a simulation replays ours.

use api::conditions::{
    POLICIES_IN_PLACE, READY, RECONCILING, STALLED, UNITS_BOUND, UPDATE_AVAILABLE, WAITING,
};
use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{Condition, MicroTime},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};

/// Longest note of an Event (Kubernetes events.k8s.io/v1: 1 kB).
const NOTE_LIMIT: usize = 1000;

/// One thing that happened, worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Happening {
    pub(crate) warning: bool,
    pub(crate) reason: String,
    pub(crate) note: String,
}

/// What happened between two sets of conditions of one object.
pub(crate) fn transitions(before: &[Condition], after: &[Condition]) -> Vec<Happening> {
    let prior = |type_: &str| before.iter().find(|condition| condition.type_ == type_);
    let mut happenings = Vec::new();
    for condition in after {
        let changed = |field: fn(&Condition) -> &str| {
            prior(&condition.type_).is_none_or(|prior| field(prior) != field(condition))
        };
        let (warning, tell) = match condition.type_.as_str() {
            // Stalled tells what a person has to do, and anew when that changes.
            STALLED => (true, changed(|c| &c.reason) || changed(|c| &c.message)),
            RECONCILING => (false, false),
            // Only drift is news.
            UNITS_BOUND | POLICIES_IN_PLACE => (true, condition.status == "False" && changed(|c| &c.message)),
            // A wait is told once per reason.
            WAITING => (false, changed(|c| &c.reason)),
            // Each offer is news, with its deadline.
            UPDATE_AVAILABLE => (false, changed(|c| &c.message)),
            READY => {
                let lost =
                    condition.status == "False" && prior(READY).is_some_and(|prior| prior.status == "True");
                (
                    lost,
                    changed(|c| &c.status) && (condition.status == "True" || lost),
                )
            }
            _ => (false, condition.status == "True" && changed(|c| &c.status)),
        };
        let told = happenings
            .iter()
            .any(|h: &Happening| h.reason == condition.reason);
        if tell && !told {
            happenings.push(Happening {
                warning,
                reason: condition.reason.clone(),
                note: condition.message.chars().take(NOTE_LIMIT).collect(),
            });
        }
    }
    happenings
}

/// Writes one Event about one object. A failure is logged and no more: an Event is a courtesy.
pub(crate) async fn publish(
    client: Client,
    about: ObjectReference,
    happening: Happening,
    id: u64,
    now: Timestamp,
    host: String,
) {
    let namespace = about.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let name = about.name.clone().unwrap_or_default();
    let event = Event {
        metadata: ObjectMeta {
            // Names have 253 characters at most, and the object's own may use them up.
            name: Some(format!(
                "{}.{id:016x}",
                name.chars().take(200).collect::<String>()
            )),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        action: Some("Reconcile".to_owned()),
        reason: Some(happening.reason),
        note: Some(happening.note),
        type_: Some(if happening.warning { "Warning" } else { "Normal" }.to_owned()),
        reporting_controller: Some("bulkhead.dev/operator".to_owned()),
        reporting_instance: Some(host),
        regarding: Some(about),
        ..Event::default()
    };
    let api: Api<Event> = Api::namespaced(client, &namespace);
    match tokio::time::timeout(
        crate::journal::WRITE_TIMEOUT,
        api.create(&PostParams::default(), &event),
    )
    .await
    {
        Ok(Ok(_)) => {}
        // A namespace on its way out takes no new objects.
        Ok(Err(kube::Error::Api(status)))
            if crate::journal::terminating(&status) || status.is_not_found() => {}
        Ok(Err(error)) => tracing::warn!(%error, "an Event could not be written"),
        Err(_) => tracing::warn!("an Event could not be written in time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    fn condition(type_: &str, status: &str, reason: &str) -> Condition {
        Condition {
            type_: type_.into(),
            status: status.into(),
            reason: reason.into(),
            message: format!("because {reason}"),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        }
    }
    fn reasons(before: &[Condition], after: &[Condition]) -> Vec<String> {
        transitions(before, after).into_iter().map(|h| h.reason).collect()
    }

    #[test]
    fn each_offer_is_told() {
        let offer = |message: &str| Condition {
            message: message.into(),
            ..condition(UPDATE_AVAILABLE, "True", UPDATE_AVAILABLE)
        };
        let (old, new) = ([offer("until Monday")], [offer("until Friday")]);
        assert_eq!(reasons(&[], &old), [UPDATE_AVAILABLE]);
        assert_eq!(reasons(&old, &old), Vec::<String>::new());
        assert_eq!(reasons(&old, &new), [UPDATE_AVAILABLE]);
        assert_eq!(reasons(&new, &[]), Vec::<String>::new());
    }

    #[test]
    fn only_changes_are_told_and_each_once() {
        let vended = [
            condition("Vended", "True", "AccountCreated"),
            condition(READY, "False", "Moving"),
        ];
        assert_eq!(reasons(&[], &vended), ["AccountCreated"]);
        assert_eq!(reasons(&vended, &vended), Vec::<String>::new());
        let stalled = [
            condition(READY, "False", "EmailInUse"),
            condition(STALLED, "True", "EmailInUse"),
        ];
        assert_eq!(reasons(&vended, &stalled), ["EmailInUse"]);
        assert!(transitions(&vended, &stalled)[0].warning);
        let ready = [condition(READY, "True", "Ready")];
        assert_eq!(reasons(&stalled, &ready), ["Ready"]);
        assert_eq!(
            reasons(&ready, &[condition(READY, "False", "AccountSuspended")]),
            ["AccountSuspended"]
        );
    }

    #[test]
    fn drift_that_nothing_repairs_is_told_and_its_end_is_not() {
        for type_ in [UNITS_BOUND, POLICIES_IN_PLACE] {
            let well = [condition(type_, "True", "Done")];
            let drift = [condition(type_, "False", "Drift")];
            assert_eq!(reasons(&well, &drift), ["Drift"]);
            assert!(transitions(&well, &drift)[0].warning);
            assert_eq!(reasons(&drift, &drift), Vec::<String>::new());
            assert_eq!(reasons(&drift, &well), Vec::<String>::new());
        }
    }
}
