//! As few documents as possible.

use super::{CompiledPolicy, merge::document};
use crate::{
    Problem, Refusal, limits,
    policy::{Document, Statement},
};
use model::PolicyType;
use std::collections::BTreeSet;

/// What has to get into documents.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Which part of the environment it comes from.
    pub(super) part: String,
    pub(super) statements: Vec<Statement>,
    /// Is it a document of somebody's own? Then it is never taken apart.
    pub(super) own: bool,
    /// `Id` of that document, which then shares it with nothing: another would have to lose its name.
    pub(super) id: Option<String>,
}

#[derive(Clone, Default)]
struct Bin {
    items: Vec<Item>,
    /// Takes nothing more.
    closed: bool,
}

impl Bin {
    /// Its statements in the order they are written: by part, and within one as they come.
    fn statements(&self) -> Vec<Statement> {
        let mut items: Vec<&Item> = self.items.iter().collect();
        items.sort_by(|one, other| (&one.part, first_sid(one)).cmp(&(&other.part, first_sid(other))));
        items
            .into_iter()
            .flat_map(|item| item.statements.iter().cloned())
            .collect()
    }

    fn text(&self) -> String {
        match self.items.as_slice() {
            [one] => one.text(),
            _ => document(self.statements()).to_text(),
        }
    }

    /// Does the item fit? A `Sid` may stand once in a document.
    fn takes(&self, item: &Item, most: usize) -> bool {
        let sids = |item: &Item| -> BTreeSet<String> {
            item.statements
                .iter()
                .filter_map(|statement| statement.sid.clone())
                .collect()
        };
        let new = sids(item);
        if self.closed || self.items.iter().any(|held| !sids(held).is_disjoint(&new)) {
            return false;
        }
        let mut with = self.clone();
        with.items.push(item.clone());
        with.text().chars().count() <= most
    }
}

/// Guardrails number their statements, so the length counts before the text: 10 comes after 9.
fn first_sid(item: &Item) -> Option<(usize, &str)> {
    let sid = item.statements.first()?.sid.as_deref()?;
    Some((sid.len(), sid))
}

/// Packs, and proves that every document has a size AWS takes.
pub(super) fn pack(policy_type: &PolicyType, items: Vec<Item>) -> Result<Vec<CompiledPolicy>, Refusal> {
    let most = limits::limits(policy_type).characters;
    let whole: Vec<Item> = items.clone();
    let apart: Vec<Item> = items.into_iter().flat_map(taken_apart).collect();
    for item in &apart {
        let characters = item.characters();
        if characters > most {
            return Err(Refusal::new(&item.part, Problem::TooLarge { characters, most }));
        }
    }
    // From what reads best to what takes least; the first of those that take least is chosen.
    let mut ways = Vec::new();
    if whole.iter().all(|item| item.characters() <= most) {
        ways.push(first_fit(whole.clone(), most, true));
    }
    ways.push(first_fit(apart.clone(), most, true));
    if whole.iter().all(|item| item.characters() <= most) {
        ways.push(first_fit(whole, most, false));
    }
    ways.push(first_fit(apart, most, false));
    let best = ways.into_iter().min_by_key(Vec::len).unwrap_or_default();
    Ok(best.into_iter().map(|bin| compiled(policy_type, &bin)).collect())
}

fn compiled(policy_type: &PolicyType, bin: &Bin) -> CompiledPolicy {
    let parts: BTreeSet<&String> = bin.items.iter().map(|item| &item.part).collect();
    CompiledPolicy {
        policy_type: policy_type.clone(),
        text: bin.text(),
        parts: parts.into_iter().cloned().collect(),
    }
}

impl Item {
    /// A document with this alone.
    fn text(&self) -> String {
        let id = self.id.clone();
        let document = document(self.statements.clone());
        Document { id, ..document }.to_text()
    }

    fn characters(&self) -> usize {
        self.text().chars().count()
    }
}

/// One item for each statement, but what is somebody's own stays whole.
fn taken_apart(item: Item) -> Vec<Item> {
    if item.own {
        return vec![item];
    }
    let Item {
        part,
        statements,
        own,
        id,
    } = item;
    let one = |statement| Item {
        part: part.clone(),
        statements: vec![statement],
        own,
        id: id.clone(),
    };
    statements.into_iter().map(one).collect()
}

/// First fit, largest first; among those of one size, by what they are, so that the order they came in does not matter.
fn first_fit(mut items: Vec<Item>, most: usize, own_alone: bool) -> Vec<Bin> {
    items.sort_by_cached_key(|item| {
        let text = item.text();
        (std::cmp::Reverse(text.chars().count()), item.part.clone(), text)
    });
    let mut bins: Vec<Bin> = Vec::new();
    for item in items {
        let closed = item.id.is_some() || (own_alone && item.own);
        let open = bins.iter_mut().find(|bin| !closed && bin.takes(&item, most));
        match open {
            Some(bin) => bin.items.push(item),
            None => bins.push(Bin {
                items: vec![item],
                closed,
            }),
        }
    }
    bins
}
