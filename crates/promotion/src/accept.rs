//! Can what the spec asks for be done?

use crate::{
    JudgeCondition, JudgeGate,
    facts::{Input, RevisionFact, RevisionPolicy, Spec},
    machine::{Accepted, Refused},
    outcome::Why,
    program::Program,
};
use model::{Revision, RevisionName};
use std::{collections::BTreeMap, rc::Rc};

/// What decides whether a spec is accepted: a part of [`Input`], which says more of each.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// What people ask for.
    pub spec: &'a Spec,
    /// An older EnvironmentPromotion about the same Baseline.
    pub conflict: Option<&'a str>,
    /// Environments of the Baseline; `None`: there is no such Baseline.
    pub environments: Option<&'a BTreeMap<String, Option<Revision>>>,
    /// The Baseline's newest accepted revision.
    pub latest: Option<&'a Revision>,
    /// Revisions at hand.
    pub revisions: &'a BTreeMap<RevisionName, RevisionFact>,
    /// Hosts that gates may ask.
    pub allowed_hosts: &'a [String],
    /// Judges a condition in CEL.
    pub condition: JudgeCondition<'a>,
    /// Judges a gate.
    pub gate: JudgeGate<'a>,
}

/// Why a spec is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// As the condition `Accepted` says it. [`Why::RevisionNotFound`] may be over without a change of the spec.
    pub why: Why,
    /// The field that it is about.
    pub path: String,
    /// The whole sentence: field, rule and value.
    pub message: String,
}

impl<'a> Terms<'a> {
    pub(crate) fn of(input: &Input<'a>) -> Self {
        Self {
            spec: input.spec,
            conflict: input.conflict,
            environments: input.environments,
            latest: input.latest,
            revisions: input.revisions,
            allowed_hosts: input.allowed_hosts,
            condition: input.condition,
            gate: input.gate,
        }
    }

    fn conflicts(&self) -> Option<Objection> {
        let older = self.conflict?;
        let message = format!(
            "EnvironmentPromotion {older} is about the Baseline {} as well, and is older",
            self.spec.baseline
        );
        Some(objection(Why::Conflicted, BASELINE, message))
    }

    fn no_baseline(&self) -> Option<Objection> {
        if self.environments.is_some() {
            return None;
        }
        let message = format!("{BASELINE}: there is no Baseline {}", self.spec.baseline);
        Some(objection(Why::TargetNotFound, BASELINE, message))
    }

    /// Stages about an environment that the Baseline does not have.
    fn of_no_environment(&self) -> impl Iterator<Item = Objection> {
        let environments = self.environments;
        let baseline = &self.spec.baseline;
        let unknown = move |environment: &String| {
            environments.is_some_and(|environments| !environments.contains_key(environment))
        };
        let stages = self.spec.stages.iter();
        stages
            .filter(move |stage| unknown(&stage.environment))
            .map(move |stage| {
                let what = format!("Baseline {baseline}");
                nowhere(&stage.name, &what, &stage.environment)
            })
    }

    /// Stages about an environment that the revision does not have.
    fn of_no_content(&self, wanted: &Revision) -> impl Iterator<Item = Objection> {
        let known = self.revisions.get(&wanted.name).map(|fact| &fact.environments);
        let what = format!("revision {}", wanted.name);
        let stages = self.spec.stages.iter();
        stages
            .filter(move |stage| known.is_some_and(|known| !known.contains(&stage.environment)))
            .map(move |stage| nowhere(&stage.name, &what, &stage.environment))
    }

    /// The revision that is asked for, if it is at hand.
    fn wanted(&self) -> Result<Revision, Objection> {
        let missing = |message: String| objection(Why::RevisionNotFound, REVISION, message);
        let name = match (self.spec.revision_policy, &self.spec.revision) {
            (RevisionPolicy::Manual, Some(name)) => name.clone(),
            (RevisionPolicy::Manual, None) => {
                let message = format!("{REVISION}: is required while revisionPolicy is Manual");
                return Err(objection(Why::Invalid, REVISION, message));
            }
            (RevisionPolicy::Automatic, _) => {
                self.latest.map(|latest| latest.name.clone()).ok_or_else(|| {
                    missing(format!(
                        "Baseline {} has no accepted revision yet",
                        self.spec.baseline
                    ))
                })?
            }
        };
        match self.revisions.get(&name) {
            Some(fact) => Ok(fact.revision.clone()),
            None => Err(missing(format!(
                "there is no BaselineRevision {name} of Baseline {}",
                self.spec.baseline
            ))),
        }
    }
}

const BASELINE: &str = "spec.baselineRef";
const REVISION: &str = "spec.revision";

fn objection(why: Why, path: &str, message: String) -> Objection {
    Objection {
        why,
        path: path.to_owned(),
        message,
    }
}

fn nowhere(stage: &str, what: &str, environment: &str) -> Objection {
    let path = format!("spec.stages[{stage}].environment");
    let message = format!("{path}: {what} has no environment {environment}");
    objection(Why::TargetNotFound, &path, message)
}

impl From<Objection> for Refused {
    fn from(Objection { why, message, .. }: Objection) -> Self {
        Self { why, message }
    }
}

impl From<crate::Refusal> for Objection {
    fn from(refusal: crate::Refusal) -> Self {
        let message = refusal.to_string();
        objection(Why::Invalid, &refusal.path, message)
    }
}

fn judged(terms: &Terms<'_>) -> Result<(Revision, Program), Objection> {
    let first = |found: Option<Objection>| found.map_or(Ok(()), Err);
    first(terms.conflicts())?;
    first(terms.no_baseline())?;
    let stages = &terms.spec.stages;
    let program = Program::judge_with(stages, terms.allowed_hosts, terms.condition, terms.gate)?;
    first(terms.of_no_environment().next())?;
    let wanted = terms.wanted()?;
    first(terms.of_no_content(&wanted).next())?;
    Ok((wanted, program))
}

/// The revision and the stages, or the first rule that is broken.
pub(crate) fn accept(terms: &Terms<'_>) -> Accepted {
    let (wanted, program) = judged(terms)?;
    Ok((wanted, Rc::new(program)))
}

/// Everything that keeps a spec from being accepted, as far as one does not hide another: none exactly where the state
/// machine accepts it.
pub fn objections(terms: &Terms<'_>) -> Vec<Objection> {
    let Err(first) = judged(terms) else {
        return Vec::new();
    };
    let stages = &terms.spec.stages;
    let of_stages = Program::refusals(stages, terms.allowed_hosts, terms.condition, terms.gate);
    let wanted = terms.wanted();
    let mut found: Vec<Objection> = terms.conflicts().into_iter().chain(terms.no_baseline()).collect();
    found.extend(of_stages.into_iter().map(Objection::from));
    found.extend(terms.of_no_environment());
    match wanted {
        Ok(wanted) => {
            // What the Baseline does not have its revision need not have.
            let of_revision = terms.of_no_content(&wanted);
            let new: Vec<Objection> = of_revision
                .filter(|objection| found.iter().all(|known| known.path != objection.path))
                .collect();
            found.extend(new);
        }
        // Of a Baseline that is not there no revision can be.
        Err(_) if terms.environments.is_none() => {}
        Err(missing) => found.push(missing),
    }
    if !found.contains(&first) {
        found.insert(0, first);
    }
    found
}
