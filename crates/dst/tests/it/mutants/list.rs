//! The ways to break the protocol.

use super::{Edit, Mutant};

/// The check of the plan is a second net below the planner; it is cut where the planner itself is to be judged.
const NO_CHECK: Edit = Edit {
    file: "crates/operator/src/organization/mod.rs",
    from: "if findings.is_empty() {",
    to: "if findings.is_empty() || BROKEN {",
};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "the intent is skipped",
        edits: &[
            NO_CHECK,
            Edit {
                file: "crates/planner/src/creation.rs",
                from: "        Action::Intend(creation, revision::at_birth(desired, entry)),\n",
                to: r"        if BROKEN {
            let mut tags = desired.tags.clone();
            if let (Ok(key), Ok(value)) = (
                TagKey::parse(tag_keys::CREATION_TOKEN),
                TagValue::parse(creation.token.as_str()),
            ) {
                tags.insert(key, value);
            }
            Action::CreateAccount {
                token: creation.token,
                email: creation.email,
                account_name: creation.account_name,
                role_name: creation.role_name,
                tags,
            }
        } else {
            Action::Intend(creation, revision::at_birth(desired, entry))
        },
",
            },
            Edit {
                file: "crates/executor/src/execute.rs",
                from: "context.journal.confirm(key, token).await?;",
                to: "if !BROKEN { context.journal.confirm(key, token).await?; }",
            },
        ],
        rules: &["the API holds an intent with the request's token at each CreateAccount"],
    },
    Mutant {
        name: "the look before the act is ignored",
        edits: &[
            NO_CHECK,
            Edit {
                file: "crates/planner/src/creation.rs",
                from: "let looked = observed.look.is_some_and(|(done, _)| done >= *look);",
                to: "let looked = BROKEN || observed.look.is_some_and(|(done, _)| done >= *look);",
            },
        ],
        rules: &["a look begun after the intent is finished before each CreateAccount"],
    },
    Mutant {
        name: "CreateAccount is retried by the SDK",
        edits: &[Edit {
            file: "crates/aws/src/organizations.rs",
            from: ".role_name(role_name.as_str())\n            .set_tags(Some(tags))\n            .customize()\n            .config_override(self.mutation())",
            to: ".role_name(role_name.as_str())\n            .set_tags(Some(tags))\n            .customize()\n            .config_override(if BROKEN {\n                self.mutation().retry_config(aws_smithy_types::retry::RetryConfig::standard())\n            } else {\n                self.mutation()\n            })",
        }],
        rules: &["there is one CreateAccount per token"],
    },
    Mutant {
        name: "the term is not checked",
        edits: &[
            Edit {
                file: "crates/executor/src/execute.rs",
                from: "until.is_some_and(|until| Instant::now() + MUTATION_TIMEOUT <= until)",
                to: "BROKEN || until.is_some_and(|until| Instant::now() + MUTATION_TIMEOUT <= until)",
            },
            Edit {
                file: "crates/operator/src/run.rs",
                from: "() = leadership.lost(epoch) => Ended::TermOver,",
                to: "() = leadership.lost(epoch), if !BROKEN => Ended::TermOver,",
            },
        ],
        rules: &["a mutation needs a valid leadership term"],
    },
    Mutant {
        name: "old policies are taken away before the new ones are there",
        edits: &[
            NO_CHECK,
            Edit {
                file: "crates/planner/src/policies.rs",
                from: "        Err(stage) => Guarded {\n            attached: false,\n            stage,\n        },",
                to: "        Err(stage) => {
            if BROKEN {
                surplus::detach(planning, scene, &wanted, jiff::Timestamp::MIN);
            }
            Guarded { attached: false, stage }
        }",
            },
        ],
        rules: &[
            "an account is never between guardrails",
            "old policies stay until AWS enforces the new ones everywhere",
        ],
    },
    Mutant {
        name: "the overlap is not waited for",
        edits: &[
            NO_CHECK,
            Edit {
                file: "crates/planner/src/policies/surplus.rs",
                from: "if policy_type.is_additive() {",
                to: "if policy_type.is_additive() && !BROKEN {",
            },
        ],
        rules: &["old policies stay until AWS enforces the new ones everywhere"],
    },
    Mutant {
        name: "every policy counts as ours",
        edits: &[
            NO_CHECK,
            Edit {
                file: "crates/planner/src/index.rs",
                from: "if policy.is_of(installation) && !policy.aws_managed {",
                to: "if (BROKEN || policy.is_of(installation)) && !policy.aws_managed {",
            },
        ],
        rules: &["policies of others are never touched"],
    },
    Mutant {
        name: "drift of policies is not repaired",
        edits: &[Edit {
            file: "crates/planner/src/policies.rs",
            from: "if is_at_rest(planning, attached, &wanted) {",
            to: "if (BROKEN && scene.repairs) || is_at_rest(planning, attached, &wanted) {",
        }],
        rules: &["everything converges within two hours after the faults"],
    },
    Mutant {
        name: "unused policies are never deleted",
        edits: &[Edit {
            file: "crates/planner/src/policies/clean.rs",
            from: "if wanted.contains(&(&policy.policy_type, policy.name.as_str())) {",
            to: "if BROKEN || wanted.contains(&(&policy.policy_type, policy.name.as_str())) {",
        }],
        rules: &["nothing uses the policy"],
    },
    Mutant {
        name: "a revision is removed while accounts have it",
        edits: &[Edit {
            file: "crates/operator/src/organization/publish/revisions.rs",
            from: "let needed = needed(picture, &self.observed);",
            to: "let needed = if BROKEN { BTreeSet::new() } else { needed(picture, &self.observed) };",
        }],
        rules: &["a revision stays while something refers to it"],
    },
    Mutant {
        name: "a tag of others is overwritten",
        edits: &[
            NO_CHECK,
            Edit {
                file: "crates/planner/src/revision.rs",
                from: "        && !entry.managed_tags.is_empty()\n        && !is_recorded(entry, key)\n",
                to: "        && !entry.managed_tags.is_empty()\n        && !is_recorded(entry, key)\n        && !BROKEN\n",
            },
        ],
        rules: &["a tag that somebody else wrote is overwritten only when a person approves"],
    },
    Mutant {
        name: "old and new policies may leave no Region together",
        edits: &[Edit {
            file: "crates/planner/src/policies/attach.rs",
            from: "    if !scene.repairs\n        && let Some(message)",
            to: "    if !scene.repairs\n        && !BROKEN\n        && let Some(message)",
        }],
        rules: &["an account always has a Region"],
    },
    Mutant {
        name: "an account is moved before its guardrails are there",
        edits: &[
            NO_CHECK,
            Edit {
                file: "crates/planner/src/placement.rs",
                from: "    if !guarded {",
                to: "    if BROKEN {
        return move_to(planning, desired, entry, account, to);
    }
    if !guarded {",
            },
        ],
        rules: &["no account is moved into a unit before it is guarded"],
    },
];
