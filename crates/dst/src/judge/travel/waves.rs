//! Waves: they end when their accounts have the revision, and bake as long as is said.

use super::{Attempt, Change, State, items, named, share, stages, text, time};
use jiff::SignedDuration;
use serde_json::Value;

/// How long a wave bakes, by what the attempt runs with.
fn bake_time(spec: &Value, wave: &str) -> SignedDuration {
    let strategy = &spec["strategy"];
    let written = match text(strategy, "/type") {
        "Canary" if wave == "canary" => text(strategy, "/canary/bakeTime"),
        "Linear" => text(strategy, "/linear/bakeTime"),
        "Waves" => named(items(strategy, "/waves"), wave).map_or("", |wave| text(wave, "/bakeTime")),
        _ => "",
    };
    written.parse().unwrap_or_default()
}

/// Accounts of a wave, and of those before it.
fn accounts(wave: &Value) -> usize {
    wave["targets"]
        .as_u64()
        .and_then(|targets| usize::try_from(targets).ok())
        .unwrap_or_default()
}

impl State {
    /// Accounts have the revision before anything follows from it.
    pub(super) fn judge_waves(&mut self, change: &Change<'_>) {
        let Change { before, after, .. } = *change;
        if before["attempt"]["id"] != after["attempt"]["id"] {
            return;
        }
        for stage in stages(after) {
            let Some(was) = named(stages(before), text(stage, "/name")) else {
                continue;
            };
            for wave in items(stage, "/waves") {
                let known = named(items(was, "/waves"), text(wave, "/name"));
                let rolled_out = known.is_some_and(|known| known["state"] == "RollingOut");
                let goes_on = ["Verifying", "Baking", "Succeeded"].contains(&text(wave, "/state"));
                if rolled_out && goes_on {
                    self.judge_wave(change, was, wave);
                }
            }
        }
    }

    fn judge_wave(&mut self, change: &Change<'_>, stage: &Value, wave: &Value) {
        let Change { who, of, after, .. } = change;
        let (cluster, uid, attempt) = of;
        let revision = text(after, "/targetRevision/name");
        let objects = self.clusters[*cluster].shared_objects("bulkhead.dev", "awsaccounts");
        let members: Vec<&Value> = items(stage, "/members").collect();
        let mut without = vec![];
        for id in members.iter().take(accounts(wave)) {
            let Some(object) = objects
                .iter()
                .find(|object| object["status"]["accountId"] == **id)
            else {
                continue;
            };
            let leaves = !object["metadata"]["deletionTimestamp"].is_null();
            let elsewhere = object["spec"]["environment"] != stage["environment"];
            if leaves || elsewhere || !object["spec"]["baselinePin"].is_null() {
                continue;
            }
            let baseline = &object["status"]["baseline"];
            let promotion = &baseline["assigned"]["promotion"];
            let given = promotion["uid"] == uid.as_str() && promotion["attempt"] == attempt.as_str();
            let is_applied = baseline["applied"]["revision"] == revision;
            if !given || !is_applied || !self.has_had(object, revision) {
                without.push(text(object, "/metadata/name").to_owned());
            }
        }
        let spec = named(items(after, "/attempt/stages"), text(stage, "/name"));
        let may = spec.and_then(|spec| share(&spec["maxFailures"], members.len()));
        if without.len() > may.unwrap_or_default() {
            let detail = format!(
                "{who}: {}/{} of {attempt} goes on, and {without:?} do not have {revision}",
                stage["name"], wave["name"]
            );
            self.violation("a wave ends when its accounts have the revision", &detail);
        }
    }

    fn has_had(&self, object: &Value, revision: &str) -> bool {
        let (namespace, name) = (
            text(object, "/metadata/namespace"),
            text(object, "/metadata/name"),
        );
        self.policies.has_had(
            &format!("heron/{namespace}/{name}"),
            revision,
            text(object, "/spec/environment"),
        )
    }

    /// A bake ends when it was said to, and that is said once.
    pub(super) fn judge_bakes(&mut self, change: &Change<'_>) {
        let Change {
            of, before, after, ..
        } = change;
        let same = before["attempt"]["id"] == after["attempt"]["id"];
        for stage in stages(after) {
            let name = text(stage, "/name");
            let Some(spec) = named(items(after, "/attempt/stages"), name) else {
                continue;
            };
            let was = named(stages(before), name).filter(|_| same);
            let mut first = 0;
            for wave in items(stage, "/waves") {
                let own = accounts(wave).saturating_sub(first);
                first = first.max(accounts(wave));
                let of_wave = (of.clone(), name.to_owned(), text(wave, "/name").to_owned());
                let bake = bake_time(spec, text(wave, "/name"));
                self.judge_bake(change, &of_wave, wave, bake);
                let known = was.and_then(|was| named(items(was, "/waves"), text(wave, "/name")));
                let ends =
                    wave["state"] == "Succeeded" && known.is_none_or(|known| known["state"] != "Succeeded");
                if ends && own > 0 && !bake.is_zero() {
                    self.judge_baked(change, &of_wave, wave);
                }
            }
        }
    }

    fn judge_bake(
        &mut self,
        change: &Change<'_>,
        of: &(Attempt, String, String),
        wave: &Value,
        bake: SignedDuration,
    ) {
        let end = text(wave, "/bakeEndsAt");
        if end.is_empty() {
            return;
        }
        let (_, stage, name) = of;
        let known = self
            .travel
            .bakes
            .entry(of.clone())
            .or_insert_with(|| end.to_owned());
        if known != end {
            let detail = format!("{}: {stage}/{name}: {known} became {end}", change.who);
            self.violation("the end of a bake is written once", &detail);
        }
        let began = time(text(wave, "/bakeStartedAt"));
        let lasts = began.zip(time(end)).map(|(began, end)| end.duration_since(began));
        if lasts != Some(bake) {
            let detail = format!("{}: {stage}/{name}: {lasts:?}, not {bake:?}", change.who);
            self.violation("a wave bakes as long as the attempt says", &detail);
        }
    }

    fn judge_baked(&mut self, change: &Change<'_>, of: &(Attempt, String, String), wave: &Value) {
        let ((_, uid, attempt), stage, name) = of;
        let now = executor::Clock::now(&self.clock);
        let over = time(text(wave, "/bakeEndsAt")).is_some_and(|end| end <= now);
        let skipped = format!("{attempt}/{stage}/{name}");
        if over {
            return self.note("wave baked");
        }
        if self.travel.skipped.contains(&(uid.clone(), skipped)) {
            return self.note("bake skipped");
        }
        let detail = format!("{}: {attempt} {stage}/{name}: {wave}", change.who);
        self.violation("a bake ends when it is over", &detail);
    }
}
