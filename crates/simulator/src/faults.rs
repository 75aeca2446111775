//! What shall go wrong in a simulation, from a file: one fault plan for AWS, one for Kubernetes.

use crate::nearest::hint;
use serde_json::{Map, Value};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The only version there is.
const VERSION: u64 = 1;
const KNOWN: [&str; 3] = ["version", "aws", "kubernetes"];

/// What shall go wrong on both sides of the operator. The default is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// At AWS.
    pub aws: orgsim::FaultPlan,
    /// At the API server.
    pub kubernetes: kubesim::FaultPlan,
}

/// A document of faults that cannot be used: where, what it must be, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {rule}, not {value}")]
pub struct FaultsError {
    /// Dotted path in the document, `aws.rules[0].percent`; `document` for the whole.
    pub path: String,
    /// What it must be.
    pub rule: String,
    /// What it is.
    pub value: String,
}

/// A file of faults that cannot be used. Whoever wrote it should act.
#[derive(Debug, thiserror::Error)]
pub enum FaultsFileError {
    /// It cannot be read.
    #[error("{}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can be read, and is wrong.
    #[error("{}: {error}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: FaultsError,
    },
}

impl Default for Faults {
    /// No faults.
    fn default() -> Self {
        Self {
            aws: orgsim::FaultPlan::default(),
            kubernetes: kubesim::FaultPlan {
                version: VERSION,
                seed: 0,
                rules: Vec::new(),
            },
        }
    }
}

impl FaultsError {
    fn new(path: &str, rule: &str, value: &str) -> Self {
        Self {
            path: path.to_owned(),
            rule: rule.to_owned(),
            value: value.to_owned(),
        }
    }
}

impl Faults {
    /// Reads a file, see [`Faults::parse`].
    pub fn load(path: &Path, seed: u64) -> Result<Self, FaultsFileError> {
        let text = std::fs::read_to_string(path).map_err(|source| FaultsFileError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, seed).map_err(|error| FaultsFileError::Wrong {
            path: path.to_owned(),
            error,
        })
    }

    /// Reads YAML or JSON: `{version: 1, aws: <plan of orgsim>, kubernetes: <plan of kubesim>}`. A part that is absent
    /// has no faults; a part's own `version` is 1 and its `seed` this one unless it says otherwise.
    pub fn parse(text: &str, seed: u64) -> Result<Self, FaultsError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let value: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            FaultsError::new("document", "must be YAML or JSON", &format!("readable: {error}"))
        })?;
        let Value::Object(mut document) = value else {
            return Err(FaultsError::new(
                "document",
                "must be a mapping",
                &value.to_string(),
            ));
        };
        if let Some(unknown) = document.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            let rule = format!("must have no fields but {}", KNOWN.join(", "));
            return Err(FaultsError::new("document", &rule, unknown));
        }
        match document.remove("version") {
            Some(version) if version == VERSION => {}
            version => {
                let version = version.map_or("absent".to_owned(), |version| version.to_string());
                return Err(FaultsError::new("version", "must be 1", &version));
            }
        }
        let aws = part(&mut document, "aws", seed, |plan| {
            orgsim::FaultPlan::try_from(plan).map_err(|error| (error.path, error.rule, error.value))
        })?;
        let kubernetes = part(&mut document, "kubernetes", seed, |plan| {
            let plan =
                kubesim::FaultPlan::try_from(plan).map_err(|error| (error.path, error.rule, error.value))?;
            resources(&plan)?;
            Ok(plan)
        })?;
        let none = Self::default();
        Ok(Self {
            aws: aws.unwrap_or(none.aws),
            kubernetes: kubernetes.unwrap_or(none.kubernetes),
        })
    }
}

/// Does every rule name resources that there are? One that names another never hits, and nobody would notice.
fn resources(plan: &kubesim::FaultPlan) -> Result<(), (String, String, String)> {
    let known = served();
    for (rule, number) in plan.rules.iter().zip(0..) {
        let unknown = rule
            .resources
            .iter()
            .zip(0..)
            .find(|(name, _)| !known.contains(name));
        if let Some((name, at)) = unknown {
            let hint = meant(name, &known);
            return Err((
                format!("rules[{number}].resources[{at}]"),
                "must be a resource that the API server serves, such as awsaccounts.bulkhead.dev or \
                 awsaccounts.bulkhead.dev/status"
                    .to_owned(),
                format!("{name}{hint}"),
            ));
        }
    }
    Ok(())
}

/// What was probably meant: the group is forgotten, or a letter is wrong.
fn meant(name: &str, known: &[String]) -> String {
    let (bare, status) = match name.strip_suffix("/status") {
        Some(bare) => (bare, "/status"),
        None => (name, ""),
    };
    let same = known.iter().find(|known| {
        let plural = known.split('.').next().unwrap_or_default();
        plural == bare && known.ends_with("/status") != status.is_empty()
    });
    match same {
        Some(same) => format!("; did you mean {same}?"),
        None => hint(name, known.iter().map(String::as_str)),
    }
}

/// Every resource of the simulated API server.
fn served() -> Vec<String> {
    let built_in = [
        "namespaces",
        "namespaces/status",
        "configmaps",
        "leases.coordination.k8s.io",
        "events.events.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    ];
    let ours = api::crds().into_iter().flat_map(|crd| {
        let name = format!("{}.{}", crd.spec.names.plural, crd.spec.group);
        [format!("{name}/status"), name]
    });
    built_in.map(str::to_owned).into_iter().chain(ours).collect()
}

/// One part of the document, as a plan with nothing left to assume. `read` says path, rule and value of what is wrong.
fn part<P>(
    document: &mut Map<String, Value>,
    name: &str,
    seed: u64,
    read: impl FnOnce(Value) -> Result<P, (String, String, String)>,
) -> Result<Option<P>, FaultsError> {
    let Some(mut value) = document.remove(name) else {
        return Ok(None);
    };
    if let Some(plan) = value.as_object_mut() {
        plan.entry("version").or_insert_with(|| VERSION.into());
        plan.entry("seed").or_insert_with(|| seed.into());
    }
    read(value).map(Some).map_err(|(path, rule, value)| FaultsError {
        // The plan as a whole is this part.
        path: if path == "plan" {
            name.to_owned()
        } else {
            format!("{name}.{path}")
        },
        rule,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_optional_and_so_are_its_version_and_seed() {
        assert_eq!(Faults::parse("version: 1", 7).unwrap(), Faults::default());
        let text = "version: 1\naws: {rules: [{fault: answerLost, every: 3}]}\nkubernetes: {version: 1, seed: 9, rules: [{fault: gone}]}";
        let faults = Faults::parse(text, 7).unwrap();
        assert_eq!((faults.aws.seed, faults.aws.rules.len()), (7, 1));
        assert_eq!(faults.aws.rules[0].every, Some(3));
        assert_eq!(
            (faults.kubernetes.seed, faults.kubernetes.rules[0].fault),
            (9, kubesim::Fault::Gone)
        );
        let json = r#"{"version": 1, "kubernetes": {"rules": []}}"#;
        assert_eq!(Faults::parse(json, 7).unwrap().kubernetes.seed, 7);
    }

    #[test]
    fn errors_name_path_rule_and_value() {
        for (text, expected) in [
            ("aws: [", "document: must be YAML or JSON, not readable: "),
            ("[]", "document: must be a mapping, not []"),
            ("aws: {rules: []}", "version: must be 1, not absent"),
            ("version: 2", "version: must be 1, not 2"),
            ("version: '1'", "version: must be 1, not \"1\""),
            (
                "version: 1\nazure: {}",
                "document: must have no fields but version, aws, kubernetes, not azure",
            ),
            ("version: 1\naws: 3", "aws: must be a mapping, not 3"),
            ("version: 1\naws: {}", "aws.rules: must be a list, not absent"),
            (
                "version: 1\naws: {version: 2, rules: []}",
                "aws.version: must be 1, not 2",
            ),
            (
                "version: 1\naws: {rules: [], rule: 1}",
                "aws: must have no fields but version, seed, rules, not rule",
            ),
            (
                "version: 1\naws: {rules: [{fault: answerLoss}]}",
                "aws.rules[0].fault: must be one of throttle, ",
            ),
            (
                "version: 1\naws: {rules: [{fault: slow}, {fault: slow, operations: [MakeAccount]}]}",
                "aws.rules[1].operations[0]: must be reads, writes or one of ",
            ),
            (
                "version: 1\naws: {rules: [{fault: slow, percent: 101}]}",
                "aws.rules[0].percent: must be 0 to 100, not 101",
            ),
            (
                "version: 1\nkubernetes: null",
                "kubernetes: must be a mapping, not null",
            ),
            (
                "version: 1\nkubernetes: {rules: [{fault: answerLost}]}",
                "kubernetes.rules[0].fault: must be one of conflict, ",
            ),
            (
                "version: 1\nkubernetes: {rules: [{fault: slow, resources: [namespaces, awsaccounts]}]}",
                "kubernetes.rules[0].resources[1]: must be a resource that the API server serves, such as \
                 awsaccounts.bulkhead.dev or awsaccounts.bulkhead.dev/status, not awsaccounts; did you mean \
                 awsaccounts.bulkhead.dev?",
            ),
            (
                "version: 1\nkubernetes: {rules: [{fault: slow, resources: [awsacounts.bulkhead.dev/status]}]}",
                "kubernetes.rules[0].resources[0]: must be a resource that the API server serves, such as \
                 awsaccounts.bulkhead.dev or awsaccounts.bulkhead.dev/status, not awsacounts.bulkhead.dev/status; \
                 did you mean awsaccounts.bulkhead.dev/status?",
            ),
            (
                "version: 1\nkubernetes: {rules: [{fault: conflict, verbs: [get]}]}",
                "kubernetes.rules[0].verbs[0]: must be a verb conflict can happen to, not get",
            ),
        ] {
            let error = Faults::parse(text, 0).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}\n{expected}");
        }
    }

    #[test]
    fn a_file_is_named() {
        let missing = Faults::load(Path::new("no/such/file.yaml"), 0).unwrap_err();
        assert_eq!(missing.to_string(), "no/such/file.yaml");
    }
}
