//! What a CEL expression reads of `self` and `oldSelf`.
//!
//! Binding a variable copies the whole value into the library's form, and a rule at the root of an object mostly looks
//! at one name: only what is read needs to be bound.

use crate::expression::parts;
use kube_cel::cel::{IdedExpr, common::ast::Expr};
use std::collections::BTreeMap;

/// The parts of a value that are read, by CEL's names (escaped where they are no identifiers).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// All of it.
    All,
    /// These members, as far as they are there.
    Members(BTreeMap<String, Reads>),
}

impl Default for Reads {
    fn default() -> Self {
        Self::Members(BTreeMap::new())
    }
}

impl Reads {
    /// The part of a member that is read; `None` when it is not read at all.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::All => Some(self),
            Self::Members(members) => members.get(name),
        }
    }

    /// Adds what an expression reads. A variable of a macro that hides `self` reads too much, never too little.
    pub(crate) fn add(&mut self, expression: &IdedExpr) {
        if let Some(path) = path(expression) {
            self.insert(&path);
            return;
        }
        for part in parts(expression) {
            self.add(part);
        }
    }

    fn insert(&mut self, path: &[&str]) {
        match (path, &mut *self) {
            (_, Self::All) => {}
            ([], _) => *self = Self::All,
            ([first, rest @ ..], Self::Members(members)) => {
                members.entry((*first).to_owned()).or_default().insert(rest);
            }
        }
    }
}

/// `self.a.b` or `oldSelf.a.b` as `[a, b]`; `None` for anything else.
fn path(expression: &IdedExpr) -> Option<Vec<&str>> {
    match &expression.expr {
        Expr::Ident(name) if matches!(name.as_str(), "self" | "oldSelf") => Some(vec![]),
        Expr::Select(select) => {
            let mut path = path(&select.operand)?;
            path.push(&select.field);
            Some(path)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube_cel::cel::Program;

    fn reads(text: &str) -> Reads {
        let mut reads = Reads::default();
        reads.add(Program::compile(text).unwrap().expression());
        reads
    }

    fn members(list: &[(&str, Reads)]) -> Reads {
        Reads::Members(
            list.iter()
                .map(|(name, reads)| ((*name).to_owned(), reads.clone()))
                .collect(),
        )
    }

    #[test]
    fn paths_are_read_and_nothing_beside_them() {
        let name = members(&[("name", Reads::All)]);
        assert_eq!(
            reads("size(self.metadata.name) <= 63"),
            members(&[("metadata", name)])
        );
        assert_eq!(
            reads("has(self.a.b) || self.a.c == oldSelf.d"),
            members(&[
                ("a", members(&[("b", Reads::All), ("c", Reads::All)])),
                ("d", Reads::All)
            ])
        );
        assert_eq!(
            reads("self.a.b == 1 && size(self.a) == 2"),
            members(&[("a", Reads::All)])
        );
        assert_eq!(reads("1 == 1"), members(&[]));
    }

    #[test]
    fn whatever_is_no_path_reads_all() {
        for text in [
            "self == oldSelf",
            "self.all(k, k != '')",
            "self['a'] == 1",
            "[self].size() == 1",
            "{'a': self}.size() == 1",
            "[1].map(x, self)[0] == self.a",
            "self.matches('a')",
        ] {
            assert_eq!(reads(text), Reads::All, "{text}");
        }
        // Inside a macro, in a list, a map, an argument and an index.
        for text in [
            "self.l.all(x, x == self.b)",
            "[self.l, self.b] == []",
            "{self.b: self.l} == {}",
            "'x'.contains(self.b) && self.l",
            "self.l[self.b]",
        ] {
            assert_eq!(
                reads(text),
                members(&[("b", Reads::All), ("l", Reads::All)]),
                "{text}"
            );
        }
    }
}
