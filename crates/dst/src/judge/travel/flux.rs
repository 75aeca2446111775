//! What every status that is written says to GitOps tools, beside the rules of all objects.

use super::{State, items, text};
use serde_json::Value;

impl State {
    pub(super) fn judge_flux(&mut self, who: &str, object: &Value) {
        let find = |type_: &str| {
            let mut conditions = items(object, "/status/conditions");
            conditions.find(|condition| condition["type"] == type_)
        };
        let status = |type_: &str| find(type_).map_or("", |condition| text(condition, "/status"));
        let ready = status("Ready");
        if ready.is_empty() {
            self.violation("Ready is always there", who);
        }
        for abnormal in ["Reconciling", "Stalled"] {
            if status(abnormal) == "True" && ready != "False" {
                let detail = format!("{who}: {abnormal}, Ready {ready}");
                self.violation("what is Reconciling or Stalled is not Ready", &detail);
            }
        }
        if ready == "False" && status("Reconciling") != "True" && status("Stalled") != "True" {
            self.violation("what is not Ready is Reconciling or Stalled", who);
        }
        if ready == "Unknown" || (status("Waiting") == "True" && status("Reconciling") != "True") {
            self.violation("what waits is Reconciling", who);
        }
        let generation = &object["metadata"]["generation"];
        let observed = &object["status"]["observedGeneration"];
        if ready == "True" && observed != generation {
            let detail = format!("{who}: {observed} of {generation}");
            self.violation("what is Ready has been looked at", &detail);
        }
        let mut conditions = items(object, "/status/conditions");
        let other = conditions.find(|condition| condition["observedGeneration"] != *observed);
        if let Some(other) = other {
            let detail = format!("{who}: {other}, status {observed}");
            self.violation("conditions are of the generation of their status", &detail);
        }
        if let (Some(ready), Some(stalled)) = (find("Ready"), find("Stalled"))
            && ready["reason"] != stalled["reason"]
        {
            let detail = format!("{who}: {ready}, {stalled}");
            self.violation("Ready repeats the reason of what is wrong", &detail);
        }
    }
}
