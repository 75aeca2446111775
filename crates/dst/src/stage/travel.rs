//! People and their promotion: what they commit, ask, approve and answer.

use super::Stage;
use crate::{
    json::text,
    scenario::{AUTHOR, Ask, GROUP, HOST, PROMOTION, Says, Travel},
};
use http::{Method, Request};
use kube::Client;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use simulator::Answer;
use std::time::Duration;

/// Who decides about promotions. The author is one of them.
pub(super) const PEOPLE: [&str; 3] = [AUTHOR, "alice", "carol"];
const PATH: &str = "/apis/bulkhead.dev/v1alpha1";
/// A request that hangs is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// People on a journey.
pub(super) struct Company {
    random: StdRng,
    /// When somebody looks next.
    next: Duration,
    /// A promotion that is committed once a revision can be named, and which one is picked.
    naming: Option<(Value, usize)>,
    held: bool,
    /// What is asked for once there is something to ask it of.
    wants: Vec<Ask>,
    asked: u32,
}

impl Company {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed ^ 0xc0c0_0a11_ba5e_0001),
            next: Duration::ZERO,
            naming: None,
            held: false,
            wants: vec![],
            asked: 0,
        }
    }
}

fn answer(stage: &str, says: Says) -> Answer {
    let (status, word) = match says {
        Says::Good => (200, "good"),
        Says::Bad => (200, "bad"),
        Says::Neither => (200, "perhaps"),
        Says::Nothing => (503, ""),
    };
    Answer {
        matches: format!("{HOST}/{stage}"),
        status,
        body: json!({"said": word}).to_string(),
    }
}

/// Is there something to ask this of?
fn fits(promotion: &Value, ask: Ask) -> bool {
    let attempt = &promotion["status"]["attempt"];
    let runs = !attempt.is_null() && attempt["outcome"].is_null();
    let waves = || at(promotion).and_then(|stage| stage["waves"].as_array());
    match ask {
        Ask::Abort => runs && at(promotion).is_some_and(|stage| !stage["startedAt"].is_null()),
        Ask::Retry => !runs && !promotion["status"]["rejected"].is_null(),
        Ask::Reverify => runs,
        Ask::SkipBake => {
            runs && waves().is_some_and(|waves| waves.iter().any(|wave| wave["state"] == "Baking"))
        }
        Ask::Hold | Ask::Release => true,
    }
}

/// The stage at hand.
fn at(promotion: &Value) -> Option<&Value> {
    let mut stages = promotion["status"]["stages"].as_array()?.iter();
    stages.find(|stage| !["Succeeded", "Skipped"].contains(&text(stage, "/state")))
}

impl Stage {
    /// Does the scenario have a promotion?
    pub(crate) fn travels(&self) -> bool {
        self.scenario.travels
    }

    /// The promotion as the governing cluster has it.
    pub(crate) fn promotion(&self) -> Option<Value> {
        let cluster = self.clusters.last()?;
        let promotions = cluster
            .world
            .kubernetes
            .objects("bulkhead.dev", "environmentpromotions");
        promotions
            .into_iter()
            .find(|object| object["metadata"]["deletionTimestamp"].is_null())
    }

    /// Gates are answered well from the beginning.
    pub(super) fn answers(&self) {
        for stage in ["dev", "stage", "prod"] {
            self.clusters[0].world.answers.set(answer(stage, Says::Good));
        }
    }

    pub(super) async fn travel(&mut self, what: Travel) {
        match what {
            Travel::Commit { object, pick } => {
                self.company.naming = None;
                match pick {
                    Some(pick) => {
                        self.company.naming = Some((object, pick));
                        self.name();
                    }
                    None => self.commit_promotion(object),
                }
            }
            Travel::Answer { stage, says } => {
                self.judge
                    .tell(&format!("gates of {stage} are answered {says:?}"));
                self.clusters[0].world.answers.set(answer(stage, says));
            }
            Travel::Pin { pick, lasts } => self.pin(pick, lasts),
            Travel::Ask(ask) => self.ask(ask).await,
        }
    }

    /// A promotion that names none keeps the revision that Git names.
    fn commit_promotion(&mut self, mut object: Value) {
        let key = (String::new(), PROMOTION.to_owned());
        if object["spec"]["revisionPolicy"] == "Manual" && object["spec"]["revision"].is_null() {
            let named = self.git.get(&key).map(|known| known["spec"]["revision"].clone());
            let Some(named) = named.filter(|named| !named.is_null()) else {
                return;
            };
            object["spec"]["revision"] = named;
        }
        self.judge
            .tell(&format!("Git: the promotion is {}", object["spec"]));
        self.git.insert(key, object);
        self.committed();
    }

    /// Names a revision, mostly the newest, once there is one.
    fn name(&mut self) {
        let Some((mut object, pick)) = self.company.naming.clone() else {
            return;
        };
        let Some(cluster) = self.clusters.last() else {
            return;
        };
        let kubernetes = &cluster.world.kubernetes;
        let baselines = kubernetes.objects("bulkhead.dev", "baselines");
        let latest = baselines
            .first()
            .map_or("", |baseline| text(baseline, "/status/latestRevision/name"));
        let all = kubernetes.objects("bulkhead.dev", "baselinerevisions");
        let name = match pick {
            0 => "standard-0123456789".to_owned(),
            1..6 => all
                .get(pick % all.len().max(1))
                .map_or("", |revision| text(revision, "/metadata/name"))
                .to_owned(),
            _ => latest.to_owned(),
        };
        if name.is_empty() {
            return;
        }
        self.company.naming = None;
        object["spec"]["revision"] = json!(name);
        self.commit_promotion(object);
    }

    /// An account keeps the revision that it has.
    fn pin(&mut self, pick: usize, lasts: Duration) {
        let Some(cluster) = self.clusters.last() else {
            return;
        };
        let objects = cluster.world.kubernetes.objects("bulkhead.dev", "awsaccounts");
        let Some(object) = objects.get(pick % objects.len().max(1)) else {
            return;
        };
        let revision = text(object, "/status/baseline/assigned/revision");
        let key = super::key(object);
        let until = executor::Clock::now(&cluster.world.clock).checked_add(lasts);
        let (Some(wanted), Ok(until), false) = (self.git.get_mut(&key), until, revision.is_empty()) else {
            return;
        };
        let until = until.round(jiff::Unit::Second).unwrap_or(until);
        wanted["spec"]["baselinePin"] = json!({"revision": revision, "reason": "The egg is about to hatch", "expiresAt": until.to_string()});
        self.judge
            .tell(&format!("Git: {key:?} is pinned to {revision} until {until}"));
        self.committed();
    }

    async fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Hold => self.company.held = true,
            Ask::Release => self.company.held = false,
            _ => {}
        }
        let promotion = self.promotion();
        let Some(promotion) = promotion.filter(|promotion| fits(promotion, ask)) else {
            return self.company.wants.push(ask);
        };
        let attempt = text(&promotion, "/status/attempt/id").to_owned();
        self.company.asked += 1;
        let number = self.company.asked;
        let stage = at(&promotion);
        let name = |pointer: &str| stage.map_or("", |stage| text(stage, pointer)).to_owned();
        let (key, value) = match ask {
            Ask::Abort => ("abort", Some(attempt)),
            Ask::Retry => ("retry", Some(format!("again-{number}"))),
            Ask::Hold => ("hold", Some("the weather is bad".to_owned())),
            Ask::Release => ("hold", None),
            Ask::Reverify => {
                let word = format!("{}/asked@{attempt}#{number}", name("/name"));
                ("reverify", Some(word))
            }
            Ask::SkipBake => {
                let waves = stage.and_then(|stage| stage["waves"].as_array());
                let wave = waves.into_iter().flatten().find(|wave| wave["state"] == "Baking");
                let Some(wave) = wave else { return };
                let word = format!("{attempt}/{}/{}", name("/name"), text(wave, "/name"));
                ("skip-bake", Some(word))
            }
        };
        self.annotate(key, value.as_deref()).await;
    }

    /// Is it not stored, somebody may try again.
    async fn annotate(&mut self, key: &str, value: Option<&str>) {
        let annotations = json!({format!("bulkhead.dev/{key}"): value});
        let body = json!({"metadata": {"annotations": annotations}});
        let client = self.clusters[self.clusters.len() - 1].git_client.clone();
        let uri = format!("{PATH}/environmentpromotions/{PROMOTION}");
        let done = self
            .request(&client, Method::PATCH, uri, "application/merge-patch+json", &body)
            .await;
        self.judge.tell(&format!(
            "somebody annotates the promotion: {key} {value:?}{}",
            if done { "" } else { ", and fails" }
        ));
    }

    async fn request(
        &mut self,
        client: &Client,
        method: Method,
        uri: String,
        kind: &str,
        body: &Value,
    ) -> bool {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("content-type", kind)
            .body(body.to_string().into_bytes());
        let Ok(request) = request else { return false };
        let answer = tokio::time::timeout(PATIENCE, client.request::<Value>(request));
        matches!(self.beside(answer).await, Ok(Ok(_)))
    }

    /// From now on nobody holds anything.
    pub(super) fn homewards(&mut self) {
        self.company.held = false;
        self.company.wants.retain(|ask| !matches!(ask, Ask::Hold));
    }

    /// Somebody looks after the promotion.
    pub(crate) async fn look_after(&mut self) {
        let now = self.now();
        if !self.travels() || self.company.next > now {
            return;
        }
        let pause = self.company.random.random_range(30..180);
        self.company.next = now + Duration::from_secs(pause);
        self.name();
        for ask in std::mem::take(&mut self.company.wants) {
            self.ask(ask).await;
        }
        let Some(promotion) = self.promotion() else { return };
        let held = !promotion["metadata"]["annotations"]["bulkhead.dev/hold"].is_null();
        if held && !self.company.held {
            self.annotate("hold", None).await;
        }
        let conditions = promotion["status"]["conditions"].as_array().into_iter().flatten();
        let mut ready = conditions.filter(|condition| condition["type"] == "Ready");
        let waits = ready
            .next()
            .is_some_and(|ready| ready["reason"] == "Inconclusive");
        if waits && self.company.random.random_bool(0.5) {
            self.go_on(&promotion).await;
        }
        let awaiting = promotion["status"]["awaiting"][0]["digest"].as_str();
        if let Some(digest) = awaiting.map(str::to_owned) {
            self.decide(&promotion, &digest).await;
        }
    }

    /// A gate has no verdict: it is asked again when there is something to see, or the attempt ends.
    async fn go_on(&mut self, promotion: &Value) {
        let attempt = text(promotion, "/status/attempt/id").to_owned();
        if self.company.random.random_bool(0.2) {
            return self.annotate("abort", Some(&attempt)).await;
        }
        let gates = |stage: &Value| stage["gates"].as_array().cloned().unwrap_or_default();
        let stages = promotion["status"]["stages"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let open = stages.iter().find_map(|stage| {
            let mut gates = gates(stage).into_iter();
            let gate = gates.find(|gate| gate["verdict"] == "Inconclusive")?;
            Some((text(stage, "/name").to_owned(), text(&gate, "/name").to_owned()))
        });
        let Some((stage, gate)) = open else { return };
        self.clusters[0].world.answers.set(answer(&stage, Says::Good));
        self.company.asked += 1;
        let word = format!("{stage}/{gate}@{attempt}#{}", self.company.asked);
        self.annotate("reverify", Some(&word)).await;
    }

    /// One of the people says yes, or no.
    async fn decide(&mut self, promotion: &Value, digest: &str) {
        let random = &mut self.company.random;
        let who = PEOPLE[random.random_range(0..PEOPLE.len())];
        let decision = if random.random_bool(0.05) {
            "Reject"
        } else {
            "Approve"
        };
        let mut spec = json!({
            "action": "Promotion", "digest": digest, "decision": decision, "approver": who, "group": GROUP,
            "subject": {"kind": "EnvironmentPromotion", "name": PROMOTION},
        });
        let author = &promotion["status"]["attempt"]["requestedBy"];
        if author.is_string() && random.random_bool(0.5) {
            spec["requestedBy"] = author.clone();
        }
        let approval = json!({
            "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Approval",
            "metadata": {"generateName": "journey-"}, "spec": spec,
        });
        let world = &self.clusters[self.clusters.len() - 1].world;
        let client = world.client_as(who, &[GROUP]);
        let uri = format!("{PATH}/approvals");
        let done = self
            .request(&client, Method::POST, uri, "application/json", &approval)
            .await;
        let what = if done { "" } else { ", which is refused" };
        self.judge.tell(&format!("{who}: {decision} of {digest}{what}"));
    }
}
