//! What a Baseline says, judged: who may use it, what it gives, and why it is not accepted.

use crate::{
    PolicySettings, Rejection,
    content::{Content, invalid},
    effect::{self, Effect, TagRule},
    policies, selector, tags,
};
use api::{Baseline, BaselineSpec, Environment, MandatoryTag, TagChange, TagField};
use model::{Email, Installation, Invalid, OuPath, RoleName};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The role AWS makes in a new account when nobody says otherwise (AWS Organizations API, CreateAccount, `RoleName`).
const DEFAULT_ROLE: &str = "OrganizationAccountAccessRole";

/// The verdict on one Baseline by itself. It depends on nothing but its name, its spec and the settings.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    /// Can be said who may use it, and how?
    pub(crate) limits: Result<(), Rejection>,
    /// What it gives.
    pub(crate) content: Result<Arc<Content>, Rejection>,
}

/// Judges one Baseline, also where the API server has judged already: manifests can be read from files.
pub(crate) fn judge(
    name: &str,
    object: &Baseline,
    installation: &Installation,
    settings: &PolicySettings,
) -> Judged {
    let limits = limits(name, &object.spec);
    let content = limits
        .clone()
        .and_then(|()| effect(&object.spec, installation, settings))
        .and_then(|effect| Content::new(name, &effect)?.fits());
    Judged {
        limits,
        content: content.map(Arc::new),
    }
}

/// Who may use it, and how.
fn limits(name: &str, spec: &BaselineSpec) -> Result<(), Rejection> {
    judge_selector("spec.namespaceSelector", &spec.namespace_selector)?;
    if spec.environments.is_empty() {
        return Err(invalid("spec.environments", "must name at least one environment"));
    }
    let mut names = BTreeSet::new();
    for environment in &spec.environments {
        if !names.insert(environment.name.as_str()) {
            return Err(invalid(
                "spec.environments",
                format!("names {:?} twice", environment.name),
            ));
        }
        if let Some(selector) = &environment.namespace_selector {
            let field = format!("spec.environments[{}].namespaceSelector", environment.name);
            judge_selector(&field, selector)?;
        }
    }
    judge_template(name, spec)?;
    tags::judge_allowed_keys(&spec.allowed_tag_keys)
}

/// What it gives, with its defaults spelled out.
fn effect(
    spec: &BaselineSpec,
    installation: &Installation,
    settings: &PolicySettings,
) -> Result<Effect, Rejection> {
    let mut environments = BTreeMap::new();
    for environment in &spec.environments {
        environments.insert(
            environment.name.clone(),
            place(environment, installation, settings)?,
        );
    }
    let mut mandatory_tags = BTreeMap::new();
    for tag in &spec.mandatory_tags {
        if mandatory_tags.insert(tag.key.clone(), tag_rule(tag)).is_some() {
            return Err(invalid(
                "spec.mandatoryTags",
                format!("names {:?} twice", tag.key),
            ));
        }
    }
    Ok(Effect {
        environments,
        mandatory_tags,
    })
}

fn place(
    environment: &Environment,
    installation: &Installation,
    settings: &PolicySettings,
) -> Result<effect::Environment, Rejection> {
    let at = |name: &str| {
        let field = format!("spec.environments[{}].{name}", environment.name);
        move |error: Invalid| invalid(&field, error)
    };
    let path = OuPath::parse(&environment.organizational_unit).map_err(at("organizationalUnit"))?;
    let role = environment.access_role_name.as_deref().unwrap_or(DEFAULT_ROLE);
    let role = RoleName::parse(role).map_err(at("accessRoleName"))?;
    let gates = environment.readiness_gates.iter();
    let assertions = effect::assertions(&environment.assertions);
    if assertions.len() < environment.assertions.len() {
        let field = format!("spec.environments[{}].assertions", environment.name);
        return Err(invalid(&field, "names one twice"));
    }
    Ok(effect::Environment {
        assertions,
        organizational_unit: path.to_string(),
        policies: policies::compile(environment, &role, installation, settings)?,
        access_role_name: role.as_str().to_owned(),
        readiness_gates: gates.map(|gate| gate.condition_type.clone()).collect(),
    })
}

fn tag_rule(tag: &MandatoryTag) -> TagRule {
    let MandatoryTag {
        key: _,
        value_from,
        pattern,
        allowed_values,
        change,
    } = tag;
    TagRule {
        allowed_values: allowed_values.iter().cloned().collect(),
        change: change.filter(|change| *change != TagChange::Free),
        from_field: value_from.field,
        from_tag: value_from.tag.clone(),
        pattern: pattern.clone(),
    }
}

fn judge_selector(field: &str, selector: &api::LabelSelector) -> Result<(), Rejection> {
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
