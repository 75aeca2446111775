//! How kstatus (Flux, kpt, Cluster API) and `kubectl wait` judge an object: their rules, written down once more.

use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kstatus {
    Terminating,
    InProgress,
    Failed,
    Current,
}

/// A number that need not be there.
fn number(object: &Value, pointer: &str) -> Result<Option<i64>, String> {
    match object.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(format!("{pointer} is no integer: {value}")),
        },
    }
}

fn conditions(object: &Value) -> &[Value] {
    object["status"]["conditions"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

/// The first rule that fits decides.
pub(crate) fn kstatus(object: &Value) -> Result<Kstatus, String> {
    if object["metadata"]["deletionTimestamp"]
        .as_str()
        .is_some_and(|at| !at.is_empty())
    {
        return Ok(Kstatus::Terminating);
    }
    if let Some(generation) = number(object, "/metadata/generation")?
        && let Some(observed) = number(object, "/status/observedGeneration")?
        && generation != observed
    {
        return Ok(Kstatus::InProgress);
    }
    for condition in conditions(object)
        .iter()
        .filter(|condition| condition["status"] == "True")
    {
        match condition["type"].as_str() {
            Some("Reconciling") => return Ok(Kstatus::InProgress),
            Some("Stalled") => return Ok(Kstatus::Failed),
            _ => {}
        }
    }
    let mut ready = conditions(object)
        .iter()
        .filter(|condition| condition["type"] == "Ready");
    Ok(match ready.find_map(|ready| ready["status"].as_str()) {
        Some("False" | "Unknown") => Kstatus::InProgress,
        _ => Kstatus::Current,
    })
}

/// `kubectl wait --for=condition=TYPE`: done?
pub(crate) fn waited_for(object: &Value, type_: &str) -> bool {
    let same = |value: &Value, word: &str| {
        value
            .as_str()
            .is_some_and(|value| value.eq_ignore_ascii_case(word))
    };
    let Some(condition) = conditions(object)
        .iter()
        .find(|condition| same(&condition["type"], type_))
    else {
        return false;
    };
    let observed = condition["observedGeneration"]
        .as_i64()
        .or_else(|| object["status"]["observedGeneration"].as_i64());
    let generation = object["metadata"]["generation"].as_i64();
    if let (Some(generation), Some(observed)) = (generation, observed)
        && observed < generation
    {
        return false;
    }
    same(&condition["status"], "True")
}
