//! From what an environment of a Baseline lists to the policies that its accounts are given.
//!
//! Guardrails of the catalogue become statements; statements of one guardrail that differ in their actions alone, or in
//! their resources alone, become one. Those of different guardrails are never joined, so that the `Sid` of whatever denies a
//! request (`protectVpc`, `requireImdsV2Part2`) names its guardrail. Statements are then packed into as few documents as
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
    policy::{Document, Statement, declarative, grammar},
    refusal::Thousands,
};
use model::{PolicyType, RoleName};
use pack::{Item, Placed};
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
    /// Where each statement comes from, in their order: `guardrails[protectVpc]`,
    /// `policies[no-expensive].document.Statement[0]`. Empty for types whose documents are not made of statements.
    pub origins: Vec<String>,
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
        let part = format!("guardrails[{}]", guardrail.name());
        let statements = merged(guardrail, parameters, &exemptions)?.into_iter();
        let item = Item {
            statements: statements
                .map(|statement| Placed::new(statement, part.clone()))
                .collect(),
            parts: vec![part],
            own: false,
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
            numbered(guardrail.name(), index + 1)
        });
    }
    Ok(statements)
}

/// `protectVpc2`; but `requireImdsV2Part1`, because the first statement of `requireImdsV2` is no V21.
fn numbered(name: &str, number: usize) -> String {
    let between = if name.ends_with(|last: char| last.is_ascii_digit()) {
        "Part"
    } else {
        ""
    };
    format!("{name}{between}{number}")
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
        let names = sorted.iter().filter(|raw| raw.policy_type == **policy_type);
        let why = format!(
            "two would override each other, so make one of {}",
            names
                .map(|raw| format!("policies[{}]", raw.name))
                .collect::<Vec<_>>()
                .join(" and ")
        );
        return Err(too_many("policies", policy_type, [*count, 1], why));
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
    let placed = |(index, statement)| Placed::new(statement, format!("{path}.document.Statement[{index}]"));
    Ok(Item {
        statements: document.statements.into_iter().enumerate().map(placed).collect(),
        parts: vec![path],
        own: true,
    })
}

/// A document of another type: as far as it is known here what AWS takes, it is checked; the rest is up to AWS.
fn own_text(raw: &RawPolicy, path: String) -> Result<CompiledPolicy, Refusal> {
    let document = format!("{path}.document");
    declarative(&raw.policy_type, &raw.document).map_err(|defect| Refusal::document(&document, defect))?;
    let text = sorted(&raw.document).to_string();
    check(&raw.policy_type, &document, &text)?;
    Ok(CompiledPolicy {
        policy_type: raw.policy_type.clone(),
        text,
        parts: vec![path],
        origins: Vec::new(),
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

fn too_many(path: &str, policy_type: &PolicyType, [documents, most]: [usize; 2], why: String) -> Refusal {
    let policy_type = policy_type.to_string();
    let problem = Problem::TooManyPolicies {
        policy_type,
        documents,
        most,
        why,
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
        let (documents, most) = (budget.documents, budget.most_documents);
        if documents > most {
            let why = format!(
                "{}; the largest are {}",
                limits::room(policy_type, reserved),
                largest(policies, policy_type)
            );
            return Err(too_many("", policy_type, [documents, most], why));
        }
    }
    Ok(budgets)
}

/// How many documents are told when there are too many, and how many parts of each.
const TOLD: usize = 3;

/// What the largest documents of a type are made of.
fn largest(policies: &[CompiledPolicy], policy_type: &PolicyType) -> String {
    let mut sizes: Vec<(usize, &[String])> = policies
        .iter()
        .filter(|policy| policy.policy_type == *policy_type)
        .map(|policy| (policy.text.chars().count(), policy.parts.as_slice()))
        .collect();
    sizes.sort_by(|(one, parts), (other, others)| other.cmp(one).then_with(|| parts.cmp(others)));
    let told = sizes.iter().take(TOLD).map(|(characters, parts)| {
        let more = match parts.len().saturating_sub(TOLD) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let parts = parts.get(..TOLD).unwrap_or(parts).join(" with ");
        format!("{parts}{more} ({} characters)", Thousands(*characters))
    });
    told.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
