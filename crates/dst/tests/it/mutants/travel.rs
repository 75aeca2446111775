//! The ways to break promotions.

use super::{Edit, Mutant};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a bake ends at once",
        edits: &[Edit {
            file: "crates/promotion/src/machine/waves.rs",
            from: "if ends.is_none_or(|ends| self.input.now < ends) || ",
            to: "if (!BROKEN && ends.is_none_or(|ends| self.input.now < ends)) || ",
        }],
        rules: &["a bake ends when it is over"],
    },
    Mutant {
        name: "failures that are left do not limit how many accounts change",
        edits: &[Edit {
            file: "crates/promotion/src/machine/tally.rs",
            from: "let slots = at_once(program, total, tally.lost()).saturating_sub(busy);",
            to: "let slots = if BROKEN { total } else { at_once(program, total, tally.lost()).saturating_sub(busy) };",
        }],
        rules: &["no more accounts change than may fail, and one"],
    },
    Mutant {
        name: "what an account had before counts",
        edits: &[Edit {
            file: "crates/promotion/src/roster.rs",
            from: "        if has(target, given) {\n            Member::Done",
            to: "        if BROKEN || has(target, given) {\n            Member::Done",
        }],
        rules: &["a wave ends when its accounts have the revision"],
    },
    Mutant {
        name: "one Approval is enough",
        edits: &[Edit {
            file: "crates/promotion/src/machine/approvals.rs",
            from: "        approval\n            .required\n            .saturating_sub(",
            to: "        (if BROKEN { 1 } else { approval.required })\n            .saturating_sub(",
        }],
        rules: &["a stage that wants Approvals starts with them"],
    },
];
