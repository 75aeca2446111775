//! Which accounts get what, and who says so.

use super::super::REVISION;
use super::{State, is_done, items, named, share, stages, text, time};
use jiff::SignedDuration;
use kubesim::Write;
use serde_json::Value;

/// An account whose deadline is that near may count as lost already: the operator chose it before it was assigned.
const EARLIER: SignedDuration = SignedDuration::from_secs(60);

impl State {
    /// An object says which revision its account is to have, and who decided it.
    pub(in crate::judge) fn travelled(&mut self, cluster: usize, who: &str, write: &Write) {
        if !self.terms.travels {
            return;
        }
        let object = &*write.object;
        let nothing = Value::Null;
        let before = write.before.as_deref().unwrap_or(&nothing);
        let was = &before["status"]["baseline"]["assigned"];
        let is = &object["status"]["baseline"]["assigned"];
        if is.is_null() || (was["sequence"] == is["sequence"] && was["promotion"] == is["promotion"]) {
            return;
        }
        let what = format!("{who}: {} became {}", was["revision"], is);
        if was.is_null() && self.carries(object, text(is, "/revision")) {
            // A cluster that has forgotten it, or never knew: it is only written down.
            return self.note("revision found on an account");
        }
        self.judge_pin(object, was, is, &what);
        let promotions = self.clusters[cluster].shared_objects("bulkhead.dev", "environmentpromotions");
        let uid = &is["promotion"]["uid"];
        let promotion = promotions.iter().find(|known| known["metadata"]["uid"] == *uid);
        match (text(is, "/by"), promotion) {
            ("Automatic", _) => {
                if !was.is_null() && was["revision"] != is["revision"] {
                    self.violation("an account keeps its revision until it is promoted", &what);
                }
            }
            ("Pin", _) => {
                if object["spec"]["baselinePin"]["revision"] != is["revision"] {
                    self.violation("a pin gives what it names", &what);
                }
                self.note("account pinned");
            }
            // It was deleted a moment ago.
            (_, None) => self.note("assigned by a promotion that is gone"),
            ("Promotion", Some(promotion)) if is["promotion"]["wave"].is_string() => {
                self.judge_forward(cluster, object, promotion, is, &what);
            }
            ("Rollback", Some(promotion)) => self.judge_back(promotion, is, &what),
            (_, Some(promotion)) => self.judge_late(cluster, object, promotion, is, &what),
        }
    }

    /// Does the account say in AWS that it has this revision?
    fn carries(&self, object: &Value, revision: &str) -> bool {
        let truth = self.organization.state();
        let mut accounts = truth.accounts.iter();
        let account = accounts.find(|account| object["status"]["accountId"] == account.id.as_str());
        let tag = account.and_then(|account| account.tags.get(REVISION));
        tag.and_then(|tag| tag.split_once('/'))
            .is_some_and(|(carried, _)| carried == revision)
    }

    /// A pin to what the account has keeps it there.
    fn judge_pin(&mut self, object: &Value, was: &Value, is: &Value, what: &str) {
        let pin = &object["spec"]["baselinePin"];
        let now = executor::Clock::now(&self.clock);
        let holds = time(text(pin, "/expiresAt")).is_some_and(|end| now < end);
        if holds && pin["revision"] == was["revision"] && was["revision"] != is["revision"] {
            self.violation("a pinned account is not moved", what);
        }
    }

    /// By a wave: of the attempt at hand, in the stage that rolls out, chosen before, and no more than may.
    fn judge_forward(&mut self, cluster: usize, object: &Value, promotion: &Value, is: &Value, what: &str) {
        let status = &promotion["status"];
        let runs =
            status["attempt"]["outcome"].is_null() && status["attempt"]["id"] == is["promotion"]["attempt"];
        if !runs {
            return self.violation("only the attempt at hand gives accounts a revision", what);
        }
        if is["revision"] != status["targetRevision"]["name"] {
            self.violation("a wave gives what the attempt promotes", what);
        }
        let name = text(is, "/promotion/stage");
        let Some(stage) = named(stages(status), name) else {
            return self.violation("a wave is one of a stage", what);
        };
        let ahead = stages(status).take_while(|known| known["name"] != name);
        if let Some(open) = ahead.clone().find(|known| !is_done(known)) {
            let detail = format!("{what}; {} is {}", open["name"], open["state"]);
            self.violation("a stage gets what has succeeded in all before it", &detail);
        }
        if stage["environment"] != object["spec"]["environment"] {
            self.violation("a stage is about one environment", what);
        }
        let id = &object["status"]["accountId"];
        let mut chosen = items(stage, "/changing").flat_map(|changing| items(changing, "/accounts"));
        if stage["state"] != "RollingOut" || !chosen.any(|chosen| chosen == id) {
            let detail = format!("{what}; stage {}, {}", stage["state"], stage["changing"]);
            self.violation("an account is chosen before it is given a revision", &detail);
        }
        self.judge_budget_of(cluster, promotion, stage, what);
    }

    /// No more accounts are on their way than failures are still allowed, and one.
    fn judge_budget_of(&mut self, cluster: usize, promotion: &Value, stage: &Value, what: &str) {
        let status = &promotion["status"];
        let name = text(stage, "/name");
        let Some(spec) = named(items(status, "/attempt/stages"), name) else {
            return;
        };
        let total = items(stage, "/members").count();
        let failures = share(&spec["maxFailures"], total).unwrap_or_default();
        let at_once = &spec["strategy"]["maxConcurrency"];
        let at_once = share(at_once, total).map_or(usize::MAX, |most| most.max(1));
        let deadline = text(spec, "/strategy/targetDeadline").parse::<SignedDuration>();
        let deadline = deadline.unwrap_or(SignedDuration::from_mins(15)) - EARLIER;
        let now = executor::Clock::now(&self.clock);
        let (mut open, mut timely) = (vec![], 0);
        for object in self.clusters[cluster].shared_objects("bulkhead.dev", "awsaccounts") {
            let baseline = &object["status"]["baseline"];
            let by = &baseline["assigned"]["promotion"];
            let ours = by["uid"] == promotion["metadata"]["uid"]
                && by["attempt"] == status["attempt"]["id"]
                && by["stage"] == name
                && by["wave"].is_string();
            let leaves = !object["metadata"]["deletionTimestamp"].is_null()
                || !object["spec"]["baselinePin"].is_null()
                || object["spec"]["environment"] != stage["environment"];
            if !ours || leaves || baseline["applied"]["hash"] == baseline["assigned"]["hash"] {
                continue;
            }
            open.push(text(&object, "/metadata/name").to_owned());
            let since = time(text(by, "/at"));
            let is_timely = since.is_some_and(|since| now.duration_since(since) < deadline);
            timely += usize::from(is_timely);
        }
        if open.len() > failures + 1 || timely > at_once {
            let detail =
                format!("{what}; {open:?} do not have it, {failures} of {total} may fail, {at_once} at once");
            self.violation("no more accounts change than may fail, and one", &detail);
        }
        if open.len() > 1 {
            self.note("accounts changed together");
        }
    }

    /// Back to what the stage had before.
    fn judge_back(&mut self, promotion: &Value, is: &Value, what: &str) {
        let status = &promotion["status"];
        let stage = named(stages(status), text(is, "/promotion/stage"));
        let goes_back = stage.is_some_and(|stage| {
            stage["state"] == "RollingBack" && stage["currentRevision"]["name"] == is["revision"]
        });
        let runs =
            status["attempt"]["outcome"].is_null() && status["attempt"]["id"] == is["promotion"]["attempt"];
        if !goes_back || !runs {
            let detail = format!("{what}; {stage:?}");
            self.violation("a rollback gives back what its stage had", &detail);
        }
    }

    /// Outside of waves: what succeeded in the account's environment.
    fn judge_late(&mut self, cluster: usize, object: &Value, promotion: &Value, is: &Value, what: &str) {
        let environment = &object["spec"]["environment"];
        let status = &promotion["status"];
        let mut stages = items(status, "/stages");
        let stage = stages.find(|stage| stage["environment"] == *environment);
        let mut current = stage.map_or(&Value::Null, |stage| &stage["currentRevision"]["name"]);
        let baselines = self.clusters[cluster].shared_objects("bulkhead.dev", "baselines");
        if current.is_null() {
            let known = baselines.first();
            let known = known.and_then(|known| {
                let mut environments = items(known, "/status/environments");
                environments.find(|known| known["name"] == *environment)
            });
            current = known.map_or(&Value::Null, |known| &known["revision"]["name"]);
        }
        if *current != is["revision"] {
            let detail = format!("{what}; {environment} has {current}");
            self.violation(
                "outside of waves accounts get what succeeded in their environment",
                &detail,
            );
        }
        self.note("account assigned outside of waves");
    }
}
