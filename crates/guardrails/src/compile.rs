//! From what an environment of a Baseline lists to the policies that its accounts are given.
//!
//! Guardrails of the catalogue become statements; statements of one guardrail that differ in their actions alone, or in
//! their resources alone, become one. Those of different guardrails are never joined, so that the `Sid` of whatever denies a
//! request (`protectVpc`, `requireImdsV22`) names its guardrail. Statements are then packed into as few documents as
//! possible. Where there is a choice, a guardrail stays in one document, and a service control policy or resource control
//! policy of somebody's own stays a document of its own; it shares one only if that saves a document. That changes no verdict:
//! all policies of one level are one set of statements, and in a document of `Version` 2012-10-17 no statement depends on its
//! neighbours.
//!
//! An exemption is only as strong as the exempted role: with any guardrail that exempts somebody, the guardrail
//! `protectAccessRole` is compiled too, with its defaults, unless it is listed itself.
//!
//! Nothing depends on the order of the input.

mod merge;
mod pack;

use crate::{
    Exemptions, Problem, Refusal,
    catalogue::{Catalogue, Guardrail, PROTECT_ACCESS_ROLE, Parameters},
    limits,
    policy::{Document, Statement, grammar},
};
use model::{PolicyType, RoleName};
use pack::Item;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A guardrail that an environment lists.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardrailRef {
    /// Its name in the catalogue.
    pub name: String,
    /// Values of its parameters.
    pub parameters: Parameters,
}

/// A policy of the platform team's own.
#[derive(Clone, Debug, PartialEq)]
pub struct RawPolicy {
    /// Its name within the environment.
    pub name: String,
    /// Its type.
    pub policy_type: PolicyType,
    /// Its content.
    pub document: Value,
}

/// What is compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Name of the environment, `prod`. The accounts of another one with the same content get the same documents.
    pub environment: String,
    /// Guardrails of the catalogue, in any order.
    pub guardrails: Vec<GuardrailRef>,
    /// Policies beside the catalogue, in any order.
    pub policies: Vec<RawPolicy>,
    /// The operator's role in each account, `accessRoleName`.
    pub access_role: RoleName,
    /// `aws.exemptPrincipals` of the configuration: see [`Exemptions::new`].
    pub exempt_principals: Vec<String>,
    /// `policies.reservedSlots` of the configuration: slots of each account that are left to other tools.
    pub reserved_slots: usize,
}

/// One policy to attach to every account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CompiledPolicy {
    /// Its type.
    pub policy_type: PolicyType,
    /// Its content, exactly as AWS is given it.
    pub text: String,
    /// What is in it, sorted: `guardrails[protectVpc]`, `policies[no-expensive]`. One that is too large for one document
    /// is in several.
    pub parts: Vec<String>,
}

/// How much of AWS's limits one type takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Documents there are.
    pub documents: usize,
    /// Documents there may be.
    pub most_documents: usize,
    /// Characters of each document, in the order of [`Compiled::policies`].
    pub characters: Vec<usize>,
    /// Characters each may have.
    pub most_characters: usize,
}

/// What the accounts of an environment get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Name of the environment.
    pub environment: String,
    /// The policies, by type and parts.
    pub policies: Vec<CompiledPolicy>,
    /// The budget of each type there are policies of.
    pub budgets: BTreeMap<PolicyType, Budget>,
}

/// Compiles an environment, and proves that it fits.
pub fn compile(input: &Input) -> Result<Compiled, Refusal> {
    let exemptions = Exemptions::new(&input.access_role, &input.exempt_principals)?;
    let mut types: BTreeMap<PolicyType, Vec<Item>> = BTreeMap::new();
    for (guardrail, parameters) in listed(&input.guardrails)? {
        let item = Item {
            part: format!("guardrails[{}]", guardrail.name()),
            statements: merged(guardrail, parameters, &exemptions)?,
            own: false,
            id: None,
        };
        types
            .entry(guardrail.policy_type().clone())
            .or_default()
            .push(item);
    }
    let mut policies = Vec::new();
    for raw in own(&input.policies)? {
        let path = format!("policies[{}]", raw.name);
        if raw.policy_type.is_additive() {
            let item = own_statements(raw, path)?;
            types.entry(raw.policy_type.clone()).or_default().push(item);
        } else {
            policies.push(own_text(raw, path)?);
        }
    }
    for (policy_type, items) in types {
        policies.extend(pack::pack(&policy_type, items)?);
    }
    policies.sort_by(|one, other| order(one).cmp(&order(other)));
    let budgets = budgets(&policies, input.reserved_slots)?;
    Ok(Compiled {
        environment: input.environment.clone(),
        policies,
        budgets,
    })
}

fn order(policy: &CompiledPolicy) -> (&PolicyType, &[String], &str) {
    (&policy.policy_type, &policy.parts, &policy.text)
}

/// The statements of a guardrail as they are compiled: merged, and with the `Sid` that names it.
pub fn merged(
    guardrail: &Guardrail,
    parameters: &Parameters,
    exemptions: &Exemptions,
) -> Result<Vec<Statement>, Refusal> {
    let statements = guardrail.statements(parameters, exemptions)?;
    let most = limits::limits(guardrail.policy_type()).characters;
    let mut statements = merge::merge(statements, most);
    let alone = statements.len() == 1;
    for (index, statement) in statements.iter_mut().enumerate() {
        statement.sid = Some(if alone {
            guardrail.name().to_owned()
        } else {
            format!("{}{}", guardrail.name(), index + 1)
        });
    }
    Ok(statements)
}

/// The guardrails that are listed, and the one that follows from them.
fn listed(refs: &[GuardrailRef]) -> Result<Vec<(&'static Guardrail, &Parameters)>, Refusal> {
    static DEFAULTS: Parameters = Parameters::new();
    let catalogue = Catalogue::bundled();
    let mut by_name: BTreeMap<&str, (&Guardrail, &Parameters)> = BTreeMap::new();
    for listed in refs {
        let guardrail = catalogue.get(&listed.name)?;
        if by_name
            .insert(guardrail.name(), (guardrail, &listed.parameters))
            .is_some()
        {
            return Err(Refusal::new(
                format!("guardrails[{}]", listed.name),
                Problem::Twice,
            ));
        }
    }
    if by_name.values().any(|(guardrail, _)| guardrail.exempts())
        && !by_name.contains_key(PROTECT_ACCESS_ROLE)
    {
        let protection = catalogue.get(PROTECT_ACCESS_ROLE)?;
        by_name.insert(PROTECT_ACCESS_ROLE, (protection, &DEFAULTS));
    }
    Ok(by_name.into_values().collect())
}

/// The policies beside the catalogue, sorted.
fn own(policies: &[RawPolicy]) -> Result<Vec<&RawPolicy>, Refusal> {
    let mut names = BTreeSet::new();
    let mut types: BTreeMap<&PolicyType, usize> = BTreeMap::new();
    let mut sorted: Vec<&RawPolicy> = policies.iter().collect();
    sorted.sort_by_key(|raw| (&raw.policy_type, &raw.name));
    for raw in &sorted {
        let path = || format!("policies[{}]", raw.name);
        if !names.insert(&raw.name) {
            return Err(Refusal::new(path(), Problem::Twice));
        }
        *types.entry(&raw.policy_type).or_default() += 1;
    }
    // Two of ours that do not add to each other would fight over what they say.
    let fighting = types
        .iter()
        .find(|(policy_type, count)| !policy_type.is_additive() && **count > 1);
    if let Some((policy_type, count)) = fighting {
        return Err(too_many("policies", policy_type, *count, 1));
    }
    Ok(sorted)
}

/// A document that is made of statements.
fn own_statements(raw: &RawPolicy, path: String) -> Result<Item, Refusal> {
    let document = Document::parse(&raw.document)
        .and_then(|document| grammar(&raw.policy_type, &document).map(|()| document))
        .map_err(|defect| Refusal::document(&format!("{path}.document"), defect))?;
    let text = document.to_text();
    check(&raw.policy_type, &format!("{path}.document"), &text)?;
    Ok(Item {
        part: path,
        statements: document.statements,
        own: true,
        id: document.id,
    })
}

/// A document of another type: whatever it says is up to AWS.
fn own_text(raw: &RawPolicy, path: String) -> Result<CompiledPolicy, Refusal> {
    let document = format!("{path}.document");
    if raw.document.as_object().is_none_or(serde_json::Map::is_empty) {
        let value = raw.document.to_string();
        return Err(Refusal::invalid(
            document,
            "must be an object that is not empty",
            value,
        ));
    }
    let text = sorted(&raw.document).to_string();
    check(&raw.policy_type, &document, &text)?;
    Ok(CompiledPolicy {
        policy_type: raw.policy_type.clone(),
        text,
        parts: vec![path],
    })
}

/// The same value with the members of each object in the order of their names, whatever order they came in.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(members) => {
            let members: BTreeMap<&String, &Value> = members.iter().collect();
            let members = members
                .into_iter()
                .map(|(name, value)| (name.clone(), sorted(value)));
            Value::Object(members.collect())
        }
        other => other.clone(),
    }
}

/// Does a text fit into one document?
fn check(policy_type: &PolicyType, path: &str, text: &str) -> Result<(), Refusal> {
    let most = limits::limits(policy_type).characters;
    let characters = text.chars().count();
    if characters > most {
        return Err(Refusal::new(path, Problem::TooLarge { characters, most }));
    }
    Ok(())
}

fn too_many(path: &str, policy_type: &PolicyType, documents: usize, most: usize) -> Refusal {
    let policy_type = policy_type.to_string();
    let problem = Problem::TooManyPolicies {
        policy_type,
        documents,
        most,
    };
    Refusal::new(path, problem)
}

fn budgets(policies: &[CompiledPolicy], reserved: usize) -> Result<BTreeMap<PolicyType, Budget>, Refusal> {
    let mut budgets: BTreeMap<PolicyType, Budget> = BTreeMap::new();
    for policy in policies {
        let policy_type = &policy.policy_type;
        let budget = budgets.entry(policy_type.clone()).or_insert_with(|| Budget {
            documents: 0,
            most_documents: limits::usable(policy_type, reserved),
            characters: Vec::new(),
            most_characters: limits::limits(policy_type).characters,
        });
        budget.documents += 1;
        budget.characters.push(policy.text.chars().count());
    }
    for (policy_type, budget) in &budgets {
        if budget.documents > budget.most_documents {
            let guarded = |policy: &CompiledPolicy| {
                let part = policy.parts.first();
                policy.policy_type == *policy_type && part.is_some_and(|part| part.starts_with("guardrails"))
            };
            let path = if policies.iter().any(guarded) {
                "guardrails"
            } else {
                "policies"
            };
            return Err(too_many(
                path,
                policy_type,
                budget.documents,
                budget.most_documents,
            ));
        }
    }
    Ok(budgets)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
