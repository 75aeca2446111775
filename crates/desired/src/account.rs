//! One AwsAccount: what it asks for, or why it cannot have it.

use crate::{
    Inputs, Rejection,
    baseline::{self, Placeholders},
    content::Place,
    lines::{Line, Lines},
    roles, selector, tags,
};
use api::{AwsAccount, BaselineSpec, LabelSelector};
use jiff::Timestamp;
use model::{
    AccountKey, AccountName, AssignedBy, Claim, DesiredAccount, Email, Installation, JournalEntry, Outputs,
    Reason, Revision, RoleName,
};

/// Judges one object: the account it asks for, and a later revision that the account does not get by itself.
pub(crate) fn judge(
    inputs: &Inputs<'_>,
    lines: &Lines<'_>,
    key: &AccountKey,
    object: &AwsAccount,
    entry: &JournalEntry,
) -> Result<(DesiredAccount, Option<Revision>), Rejection> {
    let spec = &object.spec;
    let (baseline, by) = named(inputs, object)?;
    let missing;
    let line = if let Some(line) = lines.get(baseline) {
        line
    } else {
        missing = Line::missing(baseline);
        &missing
    };
    let assigned = entry.assigned.as_ref().map(|assigned| &assigned.revision);
    let assigned = line.own(assigned);
    if assigned.is_none() && !line.serves(&spec.environment) {
        return Err(line.unusable(by));
    }
    if let Some(limits) = line.limits {
        admitted(inputs, baseline, limits, key, object)?;
    }
    let environment = spec.environment.as_str();
    if let Some(why) = inputs.promoted.refused_pins.get(key) {
        return Err(Rejection::new(Reason::PinNotAllowed, why.clone()));
    }
    let given = inputs.promoted.given.get(key);
    let revision = given.map(|given| &given.revision);
    let target = line.target(&lines.shelf, environment, revision, assigned, by)?;
    let decided = given.filter(|given| given.revision == target.content.revision);
    let Some(place) = target.content.environments.get(environment) else {
        return Err(line.unusable(by));
    };
    let role_name = role_name(place, entry);
    roles::exempted(environment, place, &role_name)?;
    let email = email(line, by, key, object, entry)?;
    let account_name =
        AccountName::parse(spec.account_name.as_deref().unwrap_or(&key.name)).map_err(|error| {
            let field = if spec.account_name.is_some() {
                "spec.accountName"
            } else {
                "metadata.name"
            };
            Rejection::new(Reason::InvalidAccountName, format!("{field}: {error}"))
        })?;
    let claim = claim(inputs.installation, key);
    let rules = &target.content.tags;
    let tags = tags::desired(line.limits, rules, key, object, account_name.as_str(), &claim)?;
    let account = DesiredAccount {
        key: key.clone(),
        claim,
        created: created(object),
        workload: spec.workload.clone(),
        environment: spec.environment.clone(),
        revision: target.content.revision.clone(),
        by: decided.map_or(AssignedBy::Automatic, |given| given.by.clone()),
        email,
        account_name,
        role_name,
        organizational_unit: place.path.clone(),
        bound_unit: line.unit(environment, &place.path.to_string()),
        tags,
        policies: place.policies.clone(),
        assertions: place.assertions.clone(),
        tag_changes: tags::changes(rules),
        update: line.update,
        outputs: spec.outputs.as_ref().map(|outputs| Outputs {
            config_map: outputs.config_map_name.clone(),
        }),
        open_gates: open_gates(place, object),
        suspend: spec.suspend.unwrap_or(false),
    };
    Ok((account, target.update))
}

/// Whose account it is.
pub(crate) fn claim(installation: &Installation, key: &AccountKey) -> Claim {
    Claim::new(installation, &key.namespace, &key.name)
}

/// Age of the object. Manifests from files have none and count as the oldest.
pub(crate) fn created(object: &AwsAccount) -> Timestamp {
    object
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

/// The email of an account that exists: what was sent to AWS, else what the status says AWS holds.
pub(crate) fn frozen_email<'a>(object: &'a AwsAccount, entry: &'a JournalEntry) -> Option<&'a str> {
    entry.account_id.as_ref()?;
    let sent = entry.creation.as_ref().map(|creation| creation.email.as_str());
    sent.or_else(|| object.status.as_ref()?.email.as_deref())
}

/// The Baseline that the object names, or the default one, and which field or setting does.
fn named<'j>(inputs: &Inputs<'j>, object: &'j AwsAccount) -> Result<(&'j str, &'static str), Rejection> {
    let reference = object.spec.baseline_ref.as_ref();
    let reference = reference.map(|reference| (reference.name.as_str(), "spec.baselineRef.name"));
    let default = inputs
        .default_baseline
        .map(|name| (name, "the operator's default Baseline"));
    reference.or(default).ok_or_else(|| {
        Rejection::new(
            Reason::InvalidSpec,
            "spec.baselineRef: must be set, because the operator's configuration names no default Baseline",
        )
    })
}

/// May the namespace vend here? One that may not use the Baseline is not told more.
fn admitted(
    inputs: &Inputs<'_>,
    baseline: &str,
    limits: &BaselineSpec,
    key: &AccountKey,
    object: &AwsAccount,
) -> Result<(), Rejection> {
    let namespace = &key.namespace;
    let Some(labels) = inputs.namespaces.get(namespace) else {
        return Err(Rejection::waiting(
            Reason::NamespaceNotAllowed,
            format!("metadata.namespace: the labels of namespace {namespace:?} are not known"),
        ));
    };
    let admit = |selector: &LabelSelector, reason: Reason, whose: &str| {
        if selector::admits(selector, labels) {
            return Ok(());
        }
        Err(Rejection::new(
            reason,
            format!(
                "metadata.namespace: namespace {namespace:?} is not admitted by the namespaceSelector of {whose}, which \
                 demands the labels {}",
                selector::text(selector)
            ),
        ))
    };
    admit(
        &limits.namespace_selector,
        Reason::NamespaceNotAllowed,
        &format!("Baseline {baseline:?}"),
    )?;
    let name = object.spec.environment.as_str();
    let environment = limits.environments.iter().find(|e| e.name == name);
    match environment.and_then(|environment| environment.namespace_selector.as_ref()) {
        Some(selector) => {
            let whose = format!("environment {name:?} of Baseline {baseline:?}");
            admit(selector, Reason::EnvironmentNotAllowed, &whose)
        }
        None => Ok(()),
    }
}

fn email(
    line: &Line<'_>,
    by: &str,
    key: &AccountKey,
    object: &AwsAccount,
    entry: &JournalEntry,
) -> Result<Email, Rejection> {
    let spec = &object.spec;
    // The account exists with this email; what the spec or the template would give today is no longer asked.
    if let Some(frozen) = frozen_email(object, entry) {
        return Email::parse(frozen)
            .map_err(|error| Rejection::new(Reason::InvalidEmail, format!("status.email: {error}")));
    }
    let baseline = line.name();
    let limits = line.limits.ok_or_else(|| line.unusable(by))?;
    if let Some(explicit) = &spec.email {
        if limits.allow_explicit_email != Some(true) {
            return Err(Rejection::new(
                Reason::EmailNotAllowed,
                format!(
                    "spec.email: {explicit:?} cannot be used, because Baseline {baseline:?} does not say allowExplicitEmail"
                ),
            ));
        }
        return Email::parse(explicit)
            .map_err(|error| Rejection::new(Reason::InvalidEmail, format!("spec.email: {error}")));
    }
    let values = Placeholders {
        name: &key.name,
        namespace: &key.namespace,
        workload: &spec.workload,
        environment: &spec.environment,
    };
    Email::parse(&baseline::fill(&limits.email_template, &values)).map_err(|error| {
        Rejection::new(
            Reason::InvalidEmail,
            format!("the emailTemplate of Baseline {baseline:?} gives an email that AWS refuses: {error}"),
        )
    })
}

/// AWS does not tell which role it made, so an account keeps the one its creation asked for.
fn role_name(place: &Place, entry: &JournalEntry) -> RoleName {
    let sent = entry.creation.as_ref().filter(|_| entry.account_id.is_some());
    sent.map_or_else(|| place.role.clone(), |creation| creation.role_name.clone())
}

fn open_gates(place: &Place, object: &AwsAccount) -> Vec<String> {
    let conditions = object
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let open = |gate: &&String| !conditions.iter().any(|c| c.type_ == **gate && c.status == "True");
    place.gates.iter().filter(open).cloned().collect()
}
