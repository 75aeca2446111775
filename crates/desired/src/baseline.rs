//! What a Baseline says, with everything in it parsed; and why it is not accepted.

use crate::{Rejection, effect, selector, tags};
use api::{Baseline, BaselineSpec, Environment, LabelSelector, TagField};
use model::{Email, Invalid, OuId, OuPath, Reason, Revision, RoleName};
use std::collections::BTreeMap;

/// The role AWS makes in a new account when nobody says otherwise (AWS Organizations API, CreateAccount, `RoleName`).
const DEFAULT_ROLE: &str = "OrganizationAccountAccessRole";

/// An accepted Baseline.
pub(crate) struct Terms<'a> {
    pub(crate) spec: &'a BaselineSpec,
    pub(crate) environments: BTreeMap<&'a str, Place<'a>>,
    pub(crate) tags: Vec<tags::Rule<'a>>,
    pub(crate) revision: Revision,
}

/// One environment of an accepted Baseline.
pub(crate) struct Place<'a> {
    pub(crate) path: OuPath,
    pub(crate) unit: Option<OuId>,
    pub(crate) role: RoleName,
    pub(crate) selector: Option<&'a LabelSelector>,
    pub(crate) gates: Vec<&'a str>,
}

/// Judges one Baseline, also where the API server has judged already: manifests can be read from files.
pub(crate) fn judge<'a>(name: &str, object: &'a Baseline) -> Result<Terms<'a>, Rejection> {
    let spec = &object.spec;
    judge_selector("spec.namespaceSelector", &spec.namespace_selector)?;
    if spec.environments.is_empty() {
        return Err(invalid("spec.environments", "must name at least one environment"));
    }
    let mut environments = BTreeMap::new();
    for environment in &spec.environments {
        let place = place(object, environment)?;
        if environments.insert(environment.name.as_str(), place).is_some() {
            return Err(invalid(
                "spec.environments",
                format!("names {:?} twice", environment.name),
            ));
        }
    }
    judge_template(name, spec)?;
    let tags = tags::rules(spec)?;
    let revision = effect::revision(name, spec, &environments)?;
    Ok(Terms {
        spec,
        environments,
        tags,
        revision,
    })
}

/// A finding about a field of a Baseline.
pub(crate) fn invalid(field: &str, finding: impl std::fmt::Display) -> Rejection {
    Rejection::new(Reason::InvalidSpec, format!("{field}: {finding}"))
}

fn place<'a>(object: &'a Baseline, environment: &'a Environment) -> Result<Place<'a>, Rejection> {
    let field = |name: &str| format!("spec.environments[{}].{name}", environment.name);
    let at = |name: &str| {
        let field = field(name);
        move |error: Invalid| invalid(&field, error)
    };
    let path = OuPath::parse(&environment.organizational_unit).map_err(at("organizationalUnit"))?;
    let role = environment.access_role_name.as_deref().unwrap_or(DEFAULT_ROLE);
    if let Some(selector) = &environment.namespace_selector {
        judge_selector(&field("namespaceSelector"), selector)?;
    }
    // The binding counts for the path it was made for; another path is another unit.
    let bindings = object.status.iter().flat_map(|status| &status.environments);
    let unit = bindings
        .filter(|binding| binding.name == environment.name)
        .filter_map(|binding| binding.organizational_unit.as_ref())
        .filter(|unit| unit.path.as_deref() == Some(environment.organizational_unit.as_str()))
        .find_map(|unit| OuId::parse(unit.id.as_deref()?).ok());
    Ok(Place {
        path,
        unit,
        role: RoleName::parse(role).map_err(at("accessRoleName"))?,
        selector: environment.namespace_selector.as_ref(),
        gates: environment
            .readiness_gates
            .iter()
            .map(|gate| gate.condition_type.as_str())
            .collect(),
    })
}

fn judge_selector(field: &str, selector: &LabelSelector) -> Result<(), Rejection> {
    selector::error(selector).map_or(Ok(()), |error| Err(invalid(field, error)))
}

/// The values that an email template can show.
pub(crate) struct Placeholders<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) workload: &'a str,
    pub(crate) environment: &'a str,
}

/// The template with its placeholders filled in. No value has braces, so the order does not matter.
pub(crate) fn fill(template: &str, values: &Placeholders<'_>) -> String {
    let Placeholders {
        name,
        namespace,
        workload,
        environment,
    } = values;
    template
        .replace("{name}", name)
        .replace("{namespace}", namespace)
        .replace("{workload}", workload)
        .replace("{environment}", environment)
}

/// A template that gives no valid email for the shortest of names gives none at all.
fn judge_template(name: &str, spec: &BaselineSpec) -> Result<(), Rejection> {
    let template = spec.email_template.as_str();
    let field = "spec.emailTemplate";
    for placeholder in ["{namespace}", "{name}"] {
        if !template.contains(placeholder) {
            return Err(invalid(
                field,
                format!("{template:?} must contain {placeholder}, so that no two objects get the same email"),
            ));
        }
    }
    for environment in &spec.environments {
        let sample = Placeholders {
            name: "x",
            namespace: "x",
            workload: "x",
            environment: &environment.name,
        };
        let email = fill(template, &sample);
        if email.contains(['{', '}']) {
            let known = "{name}, {namespace}, {workload} and {environment}";
            return Err(invalid(
                field,
                format!("{template:?} may contain no other placeholders than {known}"),
            ));
        }
        Email::parse(&email).map_err(|error| {
            invalid(
                field,
                format!("{template:?} of Baseline {name:?} gives an email that AWS refuses: {error}"),
            )
        })?;
    }
    Ok(())
}

/// Where in the manifest a field stands.
pub(crate) const fn manifest_path(field: TagField) -> &'static str {
    match field {
        TagField::AccountName => "spec.accountName",
        TagField::Namespace => "metadata.namespace",
        TagField::Name => "metadata.name",
        TagField::Workload => "spec.workload",
        TagField::Environment => "spec.environment",
        TagField::Purpose => "spec.purpose",
        TagField::OwnerTeam => "spec.owner.team",
        TagField::OwnerContact => "spec.owner.contact",
        TagField::CostCenter => "spec.costCenter",
    }
}
