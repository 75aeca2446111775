//! As few documents as possible.

use super::{
    CompiledPolicy,
    merge::{document, normal},
};
use crate::{Problem, Refusal, limits, policy::Statement};
use model::PolicyType;
use std::{collections::BTreeSet, rc::Rc};

/// A statement, and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    statement: Statement,
    /// See [`CompiledPolicy::origins`].
    origin: String,
    /// What it decides, whatever it is called and however it is written.
    meaning: Rc<Statement>,
}

impl Placed {
    pub(super) fn new(statement: Statement, origin: String) -> Self {
        let meaning = Rc::new(normal(Statement {
            sid: None,
            ..statement.clone()
        }));
        Self {
            statement,
            origin,
            meaning,
        }
    }
}

/// What has to get into documents.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Which parts of the environment it comes from: one, but for documents of somebody's own that say the same.
    pub(super) parts: Vec<String>,
    pub(super) statements: Vec<Placed>,
    /// Is it a document of somebody's own? Then it is never taken apart.
    pub(super) own: bool,
}

#[derive(Clone, Default)]
struct Bin {
    items: Vec<Item>,
    /// Takes nothing more.
    closed: bool,
}

impl Bin {
    /// Its statements in the order they are written: by part, and within one as they come. What is said already is not said
    /// again. A `Sid` may stand once in a document: the first keeps it, and guardrails, whose `Sid` tells their name, come
    /// first; the console gives each first statement the same `Sid`, so theirs says little.
    fn statements(&self) -> Vec<Placed> {
        let mut items: Vec<&Item> = self.items.iter().collect();
        items.sort_by(|one, other| (&one.parts, first_sid(one)).cmp(&(&other.parts, first_sid(other))));
        let (mut said, mut sids) = (BTreeSet::new(), BTreeSet::new());
        let mut statements = Vec::new();
        for placed in items.into_iter().flat_map(|item| &item.statements) {
            if !said.insert(&placed.meaning) {
                continue;
            }
            let mut placed = placed.clone();
            placed.statement.sid = placed.statement.sid.filter(|sid| sids.insert(sid.clone()));
            statements.push(placed);
        }
        statements
    }

    fn text(&self) -> String {
        let statements = self.statements().into_iter();
        document(statements.map(|placed| placed.statement).collect()).to_text()
    }

    /// Does the item fit?
    fn takes(&self, item: &Item, most: usize) -> bool {
        if self.closed {
            return false;
        }
        let mut with = self.clone();
        with.items.push(item.clone());
        with.text().chars().count() <= most
    }
}

/// Guardrails number their statements, so the length counts before the text: 10 comes after 9.
fn first_sid(item: &Item) -> Option<(usize, &str)> {
    let sid = item.statements.first()?.statement.sid.as_deref()?;
    Some((sid.len(), sid))
}

/// Packs, and proves that every document has a size AWS takes.
pub(super) fn pack(policy_type: &PolicyType, items: Vec<Item>) -> Result<Vec<CompiledPolicy>, Refusal> {
    let most = limits::limits(policy_type).characters;
    let whole = once(items);
    let apart: Vec<Item> = whole.clone().into_iter().flat_map(taken_apart).collect();
    for item in &apart {
        let characters = item.characters();
        if characters > most {
            let path = item.parts.join(", ");
            return Err(Refusal::new(path, Problem::TooLarge { characters, most }));
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

/// Documents of somebody's own that say the same are one.
fn once(items: Vec<Item>) -> Vec<Item> {
    let meaning = |item: &Item| -> BTreeSet<Rc<Statement>> {
        let statements = item.statements.iter();
        statements.map(|placed| Rc::clone(&placed.meaning)).collect()
    };
    let mut kept: Vec<Item> = Vec::new();
    for item in items {
        let same = kept
            .iter_mut()
            .find(|other| other.own && item.own && meaning(other) == meaning(&item));
        match same {
            Some(other) => other.parts.extend(item.parts),
            None => kept.push(item),
        }
    }
    kept
}

fn compiled(policy_type: &PolicyType, bin: &Bin) -> CompiledPolicy {
    let parts: BTreeSet<&String> = bin.items.iter().flat_map(|item| &item.parts).collect();
    CompiledPolicy {
        policy_type: policy_type.clone(),
        text: bin.text(),
        parts: parts.into_iter().cloned().collect(),
        origins: bin.statements().into_iter().map(|placed| placed.origin).collect(),
    }
}

impl Item {
    /// A document with this alone.
    fn text(&self) -> String {
        let bin = Bin {
            items: vec![self.clone()],
            closed: false,
        };
        bin.text()
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
        parts,
        statements,
        own,
    } = item;
    let one = |statement| Item {
        parts: parts.clone(),
        statements: vec![statement],
        own,
    };
    statements.into_iter().map(one).collect()
}

/// First fit, largest first; among those of one size, by what they are, so that the order they came in does not matter.
fn first_fit(mut items: Vec<Item>, most: usize, own_alone: bool) -> Vec<Bin> {
    items.sort_by_cached_key(|item| {
        let text = item.text();
        (std::cmp::Reverse(text.chars().count()), item.parts.clone(), text)
    });
    let mut bins: Vec<Bin> = Vec::new();
    for item in items {
        let closed = own_alone && item.own;
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
