//! Can what the spec asks for be done?

use crate::{
    facts::{Input, RevisionPolicy},
    machine::{Accepted, Refused},
    outcome::Why,
    program::Program,
};
use model::Revision;
use std::rc::Rc;

fn refused(why: Why, message: String) -> Refused {
    Refused { why, message }
}

/// The revision and the stages, or the first rule that is broken.
pub(crate) fn accept(input: &Input<'_>) -> Accepted {
    if let Some(older) = input.conflict {
        let message = format!(
            "EnvironmentPromotion {older} is about the Baseline {} as well, and is older",
            input.spec.baseline
        );
        return Err(refused(Why::Conflicted, message));
    }
    let Some(environments) = input.environments else {
        let message = format!("spec.baselineRef: there is no Baseline {}", input.spec.baseline);
        return Err(refused(Why::TargetNotFound, message));
    };
    let stages = &input.spec.stages;
    let program = Program::judge_with(stages, input.allowed_hosts, input.condition, input.gate)
        .map_err(|refusal| refused(Why::Invalid, refusal.to_string()))?;
    for stage in &program.stages {
        if !environments.contains_key(&stage.environment) {
            let message = format!(
                "spec.stages[{}].environment: Baseline {} has no environment {}",
                stage.name, input.spec.baseline, stage.environment
            );
            return Err(refused(Why::TargetNotFound, message));
        }
    }
    let wanted = wanted(input)?;
    let known = input.revisions.get(&wanted.name).map(|fact| &fact.environments);
    for stage in &program.stages {
        if known.is_some_and(|known| !known.contains(&stage.environment)) {
            let message = format!(
                "spec.stages[{}].environment: revision {} has no environment {}",
                stage.name, wanted.name, stage.environment
            );
            return Err(refused(Why::TargetNotFound, message));
        }
    }
    Ok((wanted, Rc::new(program)))
}

/// The revision that is asked for, if it is at hand.
fn wanted(input: &Input<'_>) -> Result<Revision, Refused> {
    let missing = |message: String| refused(Why::RevisionNotFound, message);
    let name = match (input.spec.revision_policy, &input.spec.revision) {
        (RevisionPolicy::Manual, Some(name)) => name.clone(),
        (RevisionPolicy::Manual, None) => {
            let message = "spec.revision: is required while revisionPolicy is Manual".to_owned();
            return Err(refused(Why::Invalid, message));
        }
        (RevisionPolicy::Automatic, _) => {
            input.latest.map(|latest| latest.name.clone()).ok_or_else(|| {
                missing(format!(
                    "Baseline {} has no accepted revision yet",
                    input.spec.baseline
                ))
            })?
        }
    };
    match input.revisions.get(&name) {
        Some(fact) => Ok(fact.revision.clone()),
        None => Err(missing(format!(
            "there is no BaselineRevision {name} of Baseline {}",
            input.spec.baseline
        ))),
    }
}
