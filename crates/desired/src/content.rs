//! One content of a Baseline with everything in it parsed: what accounts that have this revision are to be.

use crate::{
    Rejection,
    effect::{self, Effect},
    tags,
};
use api::{BaselineRevision, BaselineRevisionSpec, Expectation};
use guardrails::{policy::Document, proof};
use model::{
    Assertion, DesiredPolicy, Invalid, KnownRevision, OuPath, PolicyContent, PolicyType, Reason, Revision,
    RoleName,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

/// Bytes of a revision: etcd takes 1.5 MiB in one request, of which the API server uses some.
const MOST_BYTES: usize = 900 * 1024;

/// One content of a Baseline.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) revision: Revision,
    /// As its BaselineRevision holds it.
    pub(crate) spec: Arc<BaselineRevisionSpec>,
    pub(crate) environments: BTreeMap<String, Place>,
    pub(crate) tags: Vec<tags::Rule>,
}

/// One environment.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) path: OuPath,
    pub(crate) role: RoleName,
    pub(crate) gates: Vec<String>,
    pub(crate) policies: Arc<[DesiredPolicy]>,
    pub(crate) assertions: Arc<[Assertion]>,
    /// The Regions that its policies leave; `None`: all of them.
    pub(crate) regions: Option<BTreeSet<String>>,
}

/// A finding about a field of a Baseline.
pub(crate) fn invalid(field: &str, finding: impl fmt::Display) -> Rejection {
    Rejection::new(Reason::InvalidSpec, format!("{field}: {finding}"))
}

impl Content {
    /// Parses what the Baseline of this name gives.
    pub(crate) fn new(baseline: &str, effect: &Effect) -> Result<Self, Rejection> {
        let revision = effect.revision(baseline)?;
        let environments = effect.environments.iter();
        Ok(Self {
            spec: Arc::new(effect.spec(baseline, &revision.hash)),
            revision,
            environments: environments
                .map(|(name, environment)| Ok((name.clone(), Place::new(name, environment)?)))
                .collect::<Result<_, Rejection>>()?,
            tags: tags::rules(&effect.mandatory_tags)?,
        })
    }

    /// A BaselineRevision, believed only where its name and its hash say what it holds.
    pub(crate) fn verified(name: &str, object: &BaselineRevision) -> Result<Self, Rejection> {
        let spec = &object.spec;
        let content = Self::new(&spec.baseline, &Effect::from(spec))?;
        if content.revision.name.as_str() == name && *content.spec == *spec {
            return Ok(content);
        }
        Err(Rejection::new(
            Reason::RevisionConflict,
            format!(
                "BaselineRevision {name:?} says it is {}, and holds {}",
                spec.hash,
                content.revision.hash.as_str()
            ),
        ))
    }

    /// What the plan has to know of it.
    pub(crate) fn known(&self) -> KnownRevision {
        let environments = self.environments.iter();
        KnownRevision {
            revision: self.revision.clone(),
            policies: environments
                .map(|(name, place)| (name.clone(), Arc::clone(&place.policies)))
                .collect(),
        }
    }

    /// One object must hold it.
    pub(crate) fn fits(self) -> Result<Self, Rejection> {
        let bytes = serde_json::to_vec(self.spec.as_ref()).map_or(usize::MAX, |text| text.len());
        if bytes <= MOST_BYTES {
            return Ok(self);
        }
        Err(Rejection::new(
            Reason::TooLarge,
            format!(
                "spec: the revision has {bytes} bytes, and may have {MOST_BYTES}; the policies of all environments are \
                 in it"
            ),
        ))
    }
}

impl Place {
    fn new(name: &str, environment: &effect::Environment) -> Result<Self, Rejection> {
        let at = |field: &str| {
            let field = format!("spec.environments[{name}].{field}");
            move |error: Invalid| invalid(&field, error)
        };
        let policies = environment.policies.iter().map(|(name, policy)| {
            Ok(DesiredPolicy {
                name: name.clone(),
                policy_type: PolicyType::parse(&policy.kind).map_err(at("policies"))?,
                content: PolicyContent::parse(&policy.content).map_err(at("policies"))?,
                parts: policy.parts.clone(),
            })
        });
        let policies: Arc<[DesiredPolicy]> = policies.collect::<Result<_, Rejection>>()?;
        let assertions = environment.assertions.iter();
        Ok(Self {
            path: OuPath::parse(&environment.organizational_unit).map_err(at("organizationalUnit"))?,
            role: RoleName::parse(&environment.access_role_name).map_err(at("accessRoleName"))?,
            gates: environment.readiness_gates.iter().cloned().collect(),
            assertions: assertions.map(|(name, one)| assertion(name, one)).collect(),
            regions: proof::regions(&service_control(&policies)),
            policies,
        })
    }
}

/// The service control policies among them, read.
fn service_control(policies: &[DesiredPolicy]) -> Vec<Document> {
    policies
        .iter()
        .filter(|policy| policy.policy_type.as_str() == PolicyType::SERVICE_CONTROL)
        .filter_map(|policy| Document::parse_text(policy.content.as_str()).ok())
        .collect()
}

/// In the words of the proof.
pub(crate) fn assertion(name: &str, assertion: &effect::Assertion) -> Assertion {
    Assertion {
        name: name.to_owned(),
        allow: assertion.expect == Expectation::Allow,
        principal: assertion.principal.clone(),
        action: assertion.action.clone(),
        resource: assertion.resource.clone(),
        region: assertion.region.clone(),
        context: assertion.context.clone(),
    }
}
