//! One AwsAccount: what it asks for, or why it cannot have it.

use crate::{
    Inputs, Rejection,
    baseline::{self, Place, Placeholders, Terms},
    selector, tags,
};
use api::{AwsAccount, LabelSelector};
use jiff::Timestamp;
use model::{
    AccountKey, AccountName, Claim, DesiredAccount, Email, Installation, JournalEntry, Outputs, Reason,
    RoleName,
};
use std::collections::BTreeMap;

/// Judges one object.
pub(crate) fn judge(
    inputs: &Inputs<'_>,
    baselines: &BTreeMap<&str, Result<Terms<'_>, Rejection>>,
    key: &AccountKey,
    object: &AwsAccount,
    entry: &JournalEntry,
) -> Result<DesiredAccount, Rejection> {
    let spec = &object.spec;
    let (baseline, terms) = terms(inputs, baselines, object)?;
    let place = place(inputs, baseline, terms, key, object)?;
    let email = email(baseline, terms, key, object, entry)?;
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
    let tags = tags::desired(terms, key, object, account_name.as_str(), &claim)?;
    Ok(DesiredAccount {
        key: key.clone(),
        claim,
        created: created(object),
        workload: spec.workload.clone(),
        environment: spec.environment.clone(),
        revision: terms.revision.clone(),
        email,
        account_name,
        role_name: role_name(place, entry),
        organizational_unit: place.path.clone(),
        bound_unit: place.unit.clone(),
        tags,
        outputs: spec.outputs.as_ref().map(|outputs| Outputs {
            config_map: outputs.config_map_name.clone(),
        }),
        open_gates: open_gates(place, object),
        suspend: spec.suspend.unwrap_or(false),
    })
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

fn terms<'j, 'a>(
    inputs: &Inputs<'j>,
    baselines: &'j BTreeMap<&str, Result<Terms<'a>, Rejection>>,
    object: &'j AwsAccount,
) -> Result<(&'j str, &'j Terms<'a>), Rejection> {
    let named = object
        .spec
        .baseline_ref
        .as_ref()
        .map(|reference| reference.name.as_str());
    let Some(name) = named.or(inputs.default_baseline) else {
        return Err(Rejection::new(
            Reason::InvalidSpec,
            "spec.baselineRef: must be set, because the operator's configuration names no default Baseline",
        ));
    };
    let by = if named.is_some() {
        "spec.baselineRef.name"
    } else {
        "the operator's default Baseline"
    };
    match baselines.get(name) {
        Some(Ok(terms)) => Ok((name, terms)),
        Some(Err(_)) => Err(Rejection::waiting(
            Reason::BaselineNotAccepted,
            format!("{by}: Baseline {name:?} was not accepted; its condition Accepted says why"),
        )),
        None => Err(Rejection::waiting(
            Reason::BaselineNotFound,
            format!("{by}: there is no Baseline {name:?}"),
        )),
    }
}

/// The environment, for a namespace that may vend there. A namespace that may not use the Baseline is not told more.
fn place<'j, 'a>(
    inputs: &Inputs<'_>,
    baseline: &str,
    terms: &'j Terms<'a>,
    key: &AccountKey,
    object: &AwsAccount,
) -> Result<&'j Place<'a>, Rejection> {
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
        &terms.spec.namespace_selector,
        Reason::NamespaceNotAllowed,
        &format!("Baseline {baseline:?}"),
    )?;
    let environment = object.spec.environment.as_str();
    let Some(place) = terms.environments.get(environment) else {
        let known: Vec<&str> = terms.environments.keys().copied().collect();
        return Err(Rejection::new(
            Reason::UnknownEnvironment,
            format!(
                "spec.environment: Baseline {baseline:?} has no environment {environment:?}, it has {}",
                known.join(", ")
            ),
        ));
    };
    if let Some(selector) = place.selector {
        let whose = format!("environment {environment:?} of Baseline {baseline:?}");
        admit(selector, Reason::EnvironmentNotAllowed, &whose)?;
    }
    Ok(place)
}

fn email(
    baseline: &str,
    terms: &Terms<'_>,
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
    if let Some(explicit) = &spec.email {
        if terms.spec.allow_explicit_email != Some(true) {
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
    Email::parse(&baseline::fill(&terms.spec.email_template, &values)).map_err(|error| {
        Rejection::new(
            Reason::InvalidEmail,
            format!("the emailTemplate of Baseline {baseline:?} gives an email that AWS refuses: {error}"),
        )
    })
}

/// AWS does not tell which role it made, so an account keeps the one its creation asked for.
fn role_name(place: &Place<'_>, entry: &JournalEntry) -> RoleName {
    let sent = entry.creation.as_ref().filter(|_| entry.account_id.is_some());
    sent.map_or_else(|| place.role.clone(), |creation| creation.role_name.clone())
}

fn open_gates(place: &Place<'_>, object: &AwsAccount) -> Vec<String> {
    let conditions = object
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let open = |gate: &&&str| !conditions.iter().any(|c| c.type_ == **gate && c.status == "True");
    place
        .gates
        .iter()
        .filter(open)
        .map(|gate| (*gate).to_owned())
        .collect()
}
