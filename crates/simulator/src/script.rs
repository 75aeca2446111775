//! A scenario file: what people do, and what gates are answered, at which moment of a simulation.

use crate::{
    manifest::{Manifest, ManifestError, parse},
    nearest::hint,
};
use jiff::{SignedDuration, Timestamp};
use operator::{Config, ConfigError};
use promotion::Phase;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// The annotations of a promotion that the operator answers, without their prefix.
const REQUESTS: [&str; 7] = [
    "abort",
    "hold",
    "reconcile-requested-at",
    "requested-by",
    "retry",
    "reverify",
    "skip-bake",
];

/// The most objects that one template makes.
const MOST: u32 = 1000;

/// A scenario that cannot be used. Whoever wrote it should act.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It cannot be read.
    #[error("{}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is wrong; the reason names the key by its path.
    #[error("{}: {reason}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file of manifests that it names is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// A scenario file, read.
#[derive(Clone, Debug)]
pub struct Script {
    /// When the virtual world begins.
    pub start: Option<Timestamp>,
    /// How long it may take.
    pub limit: Option<SignedDuration>,
    /// Keys of the operator's configuration, laid over those of a simulation.
    pub config: Value,
    /// Who may approve promotions, with the groups each is in.
    pub approvers: BTreeMap<String, Vec<String>>,
    /// What is applied before anything else.
    pub manifests: Vec<Manifest>,
    /// What happens, one after the other.
    pub steps: Vec<Step>,
    /// What must hold at the end.
    pub expect: Vec<State>,
}

/// One step: waits for its moment, then does what it names.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it stands: `scene.yaml: steps[2]`.
    pub place: String,
    /// Virtual time since the start.
    pub at: Option<SignedDuration>,
    /// Virtual time since the step before, or since `when` holds.
    pub after: Option<SignedDuration>,
    /// What must hold first.
    pub when: Option<State>,
    /// What is done.
    pub actions: Vec<Action>,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Objects are applied, as `kubectl apply` does.
    Apply(String, Vec<Manifest>),
    /// A person decides about a promotion.
    Decide(Decide),
    /// From now on requests of gates are answered so.
    Answer(crate::Answer),
    /// A promotion gets an annotation.
    Annotate(Annotate),
}

/// A person decides about what a promotion waits for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decide {
    /// The promotion.
    pub promotion: String,
    /// Who.
    #[serde(rename = "as")]
    pub user: String,
    /// In the name of which group.
    #[serde(default)]
    pub group: Option<String>,
    /// `true`: the API server has to refuse it.
    #[serde(default)]
    pub refused: bool,
    /// `Approve` or `Reject`, by the step's key.
    #[serde(skip)]
    pub decision: String,
}

/// Annotations `bulkhead.dev/KEY` for a promotion.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Annotate {
    /// The promotion.
    pub promotion: String,
    /// The keys without their prefix, and their values.
    #[serde(deserialize_with = "texts")]
    pub set: BTreeMap<String, String>,
}

/// Texts by name. What is no text would become one that nobody has written: `null`, `1e3`.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values: BTreeMap<String, Value> = BTreeMap::deserialize(deserializer)?;
    let text = |(key, value): (String, Value)| match value {
        Value::String(text) => Ok((key, text)),
        Value::Null => Err(D::Error::custom(format!(
            "{key}: must be a text, not null; an empty text takes the annotation away"
        ))),
        other => Err(D::Error::custom(format!(
            "{key}: must be a text, not {other}; write it in quotes"
        ))),
    };
    values.into_iter().map(text).collect()
}

/// Something that holds or not. All that is named must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    /// `true`: every AwsAccount and Baseline is Ready.
    #[serde(default)]
    pub ready: Option<bool>,
    /// A promotion, which the four that follow are about.
    #[serde(default)]
    pub promotion: Option<String>,
    /// Its phase.
    #[serde(default)]
    pub phase: Option<Phase>,
    /// The stage at hand.
    #[serde(default)]
    pub stage: Option<String>,
    /// The wave at hand.
    #[serde(default)]
    pub wave: Option<String>,
    /// The reason of its condition Ready.
    #[serde(default)]
    pub reason: Option<String>,
    /// An environment, which the next is about.
    #[serde(default)]
    pub environment: Option<String>,
    /// How many of its accounts have the newest revision of their Baseline, proven by AWS.
    #[serde(default)]
    pub on_newest: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    start: Option<Timestamp>,
    #[serde(default)]
    limit: Option<SignedDuration>,
    #[serde(default)]
    config: serde_json::Map<String, Value>,
    #[serde(default)]
    approvers: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    answers: Vec<AnswerFile>,
    #[serde(default)]
    apply: Vec<Objects>,
    #[serde(default)]
    steps: Vec<StepFile>,
    #[serde(default)]
    expect: Vec<State>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StepFile {
    #[serde(default)]
    at: Option<SignedDuration>,
    #[serde(default)]
    after: Option<SignedDuration>,
    #[serde(default)]
    when: Option<State>,
    #[serde(default)]
    answer: Option<AnswerFile>,
    #[serde(default)]
    apply: Option<PathBuf>,
    #[serde(default)]
    approve: Option<Decide>,
    #[serde(default)]
    reject: Option<Decide>,
    #[serde(default)]
    annotate: Option<Annotate>,
}

/// A file, or a template and how many objects it makes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Objects {
    file: PathBuf,
    #[serde(default)]
    count: Option<u32>,
    #[serde(default)]
    set: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AnswerFile {
    contains: String,
    #[serde(default)]
    prometheus: Option<Vec<f64>>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    body: Option<String>,
}

impl AnswerFile {
    fn answer(self) -> crate::Answer {
        let body = match (self.prometheus, self.body) {
            (Some(values), _) => vector(&values),
            (None, body) => body.unwrap_or_default(),
        };
        crate::Answer {
            matches: self.contains,
            status: self.status.unwrap_or(200),
            body,
        }
    }
}

/// What Prometheus answers to an instant query that gives these values.
fn vector(values: &[f64]) -> String {
    let samples = values
        .iter()
        .enumerate()
        .map(|(at, value)| json!({"metric": {"series": at.to_string()}, "value": [0, value.to_string()]}));
    let result: Vec<Value> = samples.collect();
    json!({"status": "success", "data": {"resultType": "vector", "result": result}}).to_string()
}

impl Script {
    /// Reads a scenario with all the manifests it names. Their paths are relative to the scenario's directory.
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(path).map_err(|source| ScriptError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let wrong = |reason| ScriptError::Wrong {
            path: path.to_owned(),
            reason,
        };
        let file = read(&text).map_err(wrong)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let mut manifests = Vec::new();
        for objects in &file.apply {
            manifests.extend(made(directory, objects)?);
        }
        manifests.sort_by_key(|manifest| manifest.kind() != "Namespace");
        let mut steps = Vec::new();
        let answers: Vec<Action> = file
            .answers
            .into_iter()
            .map(|a| Action::Answer(a.answer()))
            .collect();
        if !answers.is_empty() {
            steps.push(Step {
                place: format!("{}: answers", path.display()),
                at: None,
                after: None,
                when: None,
                actions: answers,
            });
        }
        for (number, step) in file.steps.into_iter().enumerate() {
            let place = format!("{}: steps[{number}]", path.display());
            steps.push(step_of(place, directory, step)?);
        }
        let script = Self {
            start: file.start,
            limit: file.limit,
            config: Value::Object(file.config),
            approvers: file.approvers,
            manifests,
            steps,
            expect: file.expect,
        };
        // Whoever wrote the keys is told where they are.
        match config("standard", Some(&script)) {
            Ok(_) => Ok(script),
            Err(error) => Err(wrong(error.to_string())),
        }
    }
}

fn read(text: &str) -> Result<File, String> {
    let options = serde_saphyr::options! { with_snippet: false };
    let mut key = String::new();
    let file: File = serde_saphyr::with_deserializer_from_str_with_options(text, options, |file| {
        serde_path_to_error::deserialize(file).map_err(|error| {
            key = error.path().to_string();
            error.into_inner()
        })
    })
    .map_err(|error| match key.as_str() {
        "" | "." => error.to_string(),
        key => format!("{key}: {error}"),
    })?;
    if let Some(place) = negative(&file) {
        return Err(format!("{place}: must not be negative"));
    }
    for (at, objects) in file.apply.iter().enumerate() {
        if objects.count.is_some_and(|count| count == 0 || count > MOST) {
            return Err(format!("apply[{at}].count: must be 1 to {MOST}"));
        }
    }
    let answers = file
        .answers
        .iter()
        .enumerate()
        .map(|(at, answer)| (format!("answers[{at}]"), answer));
    let of_step = |(at, step)| -> Option<(String, _)> {
        let step: &StepFile = step;
        Some((format!("steps[{at}].answer"), step.answer.as_ref()?))
    };
    for (place, answer) in answers.chain(file.steps.iter().enumerate().filter_map(of_step)) {
        if answer.prometheus.is_some() && answer.body.is_some() {
            return Err(format!("{place}: prometheus and body exclude each other"));
        }
    }
    for (number, step) in file.steps.iter().enumerate() {
        people(&file, number, step)?;
    }
    let states = file
        .expect
        .iter()
        .enumerate()
        .map(|(at, state)| (format!("expect[{at}]"), state));
    let of_step = |(at, step)| -> Option<(String, _)> {
        let step: &StepFile = step;
        Some((format!("steps[{at}].when"), step.when.as_ref()?))
    };
    for (place, state) in states.chain(file.steps.iter().enumerate().filter_map(of_step)) {
        let about =
            state.phase.is_some() || state.stage.is_some() || state.wave.is_some() || state.reason.is_some();
        if about && state.promotion.is_none() {
            return Err(format!(
                "{place}.promotion: is required with phase, stage, wave and reason"
            ));
        }
        if state.on_newest.is_some() != state.environment.is_some() {
            return Err(format!("{place}: environment and onNewest go together"));
        }
        if *state == State::default() {
            return Err(format!("{place}: names nothing"));
        }
    }
    Ok(file)
}

/// Who decides is somebody, and what is asked of a promotion is something that it answers.
fn people(file: &File, number: usize, step: &StepFile) -> Result<(), String> {
    for (key, decide) in [("approve", &step.approve), ("reject", &step.reject)] {
        // Whom the API server has to refuse may be anybody.
        let Some(decide) = decide.as_ref().filter(|decide| !decide.refused) else {
            continue;
        };
        if !file.approvers.contains_key(&decide.user) {
            let known: Vec<&str> = file.approvers.keys().map(String::as_str).collect();
            let known = if known.is_empty() {
                "it names nobody".to_owned()
            } else {
                format!("it names {}", known.join(", "))
            };
            return Err(format!(
                "steps[{number}].{key}.as: {:?} is not among approvers: {known}",
                decide.user
            ));
        }
    }
    let unknown = step
        .annotate
        .iter()
        .flat_map(|annotate| annotate.set.keys())
        .find(|key| !REQUESTS.contains(&key.as_str()));
    let Some(key) = unknown else { return Ok(()) };
    let bare = key.strip_prefix("bulkhead.dev/").unwrap_or(key);
    Err(format!(
        "steps[{number}].annotate.set: {key:?} is none of {}{}",
        REQUESTS.join(", "),
        hint(bare, REQUESTS)
    ))
}

/// The first duration before zero.
fn negative(file: &File) -> Option<String> {
    let is = |duration: Option<SignedDuration>| duration.is_some_and(|duration| duration.is_negative());
    if is(file.limit) {
        return Some("limit".to_owned());
    }
    file.steps
        .iter()
        .enumerate()
        .find_map(|(number, step)| match (is(step.at), is(step.after)) {
            (true, _) => Some(format!("steps[{number}].at")),
            (_, true) => Some(format!("steps[{number}].after")),
            _ => None,
        })
}

fn step_of(place: String, directory: &Path, step: StepFile) -> Result<Step, ScriptError> {
    let mut actions = Vec::new();
    if let Some(answer) = step.answer {
        actions.push(Action::Answer(answer.answer()));
    }
    if let Some(file) = step.apply {
        let shown = file.file_name().unwrap_or(file.as_os_str());
        let shown = shown.to_string_lossy().into_owned();
        let objects = Objects {
            file,
            count: None,
            set: BTreeMap::new(),
        };
        actions.push(Action::Apply(shown, made(directory, &objects)?));
    }
    for (decide, decision) in [(step.approve, "Approve"), (step.reject, "Reject")] {
        actions.extend(decide.map(|decide| {
            Action::Decide(Decide {
                decision: decision.to_owned(),
                ..decide
            })
        }));
    }
    actions.extend(step.annotate.map(Action::Annotate));
    Ok(Step {
        place,
        at: step.at,
        after: step.after,
        when: step.when,
        actions,
    })
}

/// The objects of a file; of a template once for each number, `${number}` and what `set` names put in as text.
fn made(directory: &Path, objects: &Objects) -> Result<Vec<Manifest>, ScriptError> {
    let path = directory.join(&objects.file);
    let text = std::fs::read_to_string(&path).map_err(|source| ScriptError::Unreadable {
        path: path.clone(),
        source,
    })?;
    let mut text = text;
    for (key, value) in &objects.set {
        text = text.replace(&format!("${{{key}}}"), value);
    }
    let Some(count) = objects.count else {
        return Ok(parse(&path, &text)?);
    };
    let mut all = Vec::new();
    for number in 1..=count {
        all.extend(parse(&path, &text.replace("${number}", &format!("{number:02}")))?);
    }
    Ok(all)
}

/// The operator's configuration in a simulation: every default, and AWS's whole rate, for nobody else uses this
/// organization; the keys of a scenario are laid over it.
pub fn config(default_baseline: &str, script: Option<&Script>) -> Result<Config, ConfigError> {
    let mut config = json!({
        "installation": "simulation", "defaultBaseline": default_baseline,
        "aws": {"awsShare": 1.0, "enablePolicyTypes": true},
    });
    if let Some(script) = script {
        lay_over(&mut config, &script.config);
    }
    Config::parse(&config.to_string())
}

fn lay_over(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        let refused = |text: &str| read(text).err().unwrap();
        let unknown = refused("steps:\n- {at: 1m, aply: x.yaml}\n");
        assert!(
            unknown.starts_with("steps[0]") && unknown.contains("aply"),
            "{unknown}"
        );
        let phase = refused("expect: [{promotion: standard, phase: Done}]");
        assert!(phase.starts_with("expect[0].phase"), "{phase}");
        assert_eq!(
            refused("steps: [{when: {phase: Baking}}]"),
            "steps[0].when.promotion: is required with phase, stage, wave and reason"
        );
        assert_eq!(
            refused("answers: [{contains: x, prometheus: [0], body: y}]"),
            "answers[0]: prometheus and body exclude each other"
        );
        assert_eq!(
            refused("steps: [{at: 1m}, {after: -5m}]"),
            "steps[1].after: must not be negative"
        );
        let annotate = |set: &str| refused(&format!("steps: [{{annotate: {{promotion: p, set: {set}}}}}]"));
        let null = annotate("{hold: null}");
        assert!(
            null.starts_with("steps[0].annotate.set") && null.contains("hold: must be a text, not null"),
            "{null}"
        );
        assert!(annotate("{retry: 1}").contains("retry: must be a text, not 1"));
        let misspelt = annotate("{skipbake: x}");
        assert!(
            misspelt.starts_with("steps[0].annotate.set: \"skipbake\" is none of abort, ")
                && misspelt.ends_with("; did you mean skip-bake?"),
            "{misspelt}"
        );
        assert!(annotate("{bulkhead.dev/hold: x}").ends_with("; did you mean hold?"));
        assert_eq!(
            refused("approvers: {a: [], b: []}\nsteps: [{}, {reject: {promotion: p, as: c}}]"),
            "steps[1].reject.as: \"c\" is not among approvers: it names a, b"
        );
        assert!(read("steps: [{approve: {promotion: p, as: c, refused: true}}]").is_ok());
        assert_eq!(
            refused("apply: [{file: x, count: 0}]"),
            "apply[0].count: must be 1 to 1000"
        );
    }
}
