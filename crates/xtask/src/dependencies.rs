//! Which crate may reach which: the arrows of the architecture, as a table that fails the build.
//!
//! What a crate reaches is asked of `cargo tree -p CRATE`, one crate at a time. The resolve graph of
//! `cargo metadata` would not do: it unifies features over the whole workspace, so that as soon as the
//! operator asks for kube's client, every crate that names kube for its derive macros seems to reach it too.
//! `cargo tree -p` resolves features for that one crate, as `cargo build -p` does. Development and build
//! dependencies and procedural macros are left out: they are not in the program.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    error::{Error, output},
    workspace::Workspace,
};

/// One rule: none of `crates` reaches, directly or not, anything in `never`.
struct Rule {
    crates: &'static [&'static str],
    never: &'static [Forbidden],
    why: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Forbidden {
    /// This package.
    Named(&'static str),
    /// Packages whose name begins so.
    Prefix(&'static str),
    /// Any crate of this workspace but itself.
    Ours,
}

use Forbidden::{Named, Ours, Prefix};

const RULES: &[Rule] = &[
    Rule {
        crates: &[
            "bulkhead-api",
            "bulkhead-model",
            "bulkhead-guardrails",
            "bulkhead-desired",
            "bulkhead-planner",
            "bulkhead-promotion",
        ],
        never: &[
            Named("tokio"),
            Named("kube-client"),
            Named("kube-runtime"),
            Prefix("aws-"),
        ],
        why: "they decide, and touch nothing: no clock, no I/O, the same answer every time",
    },
    Rule {
        crates: &[
            "bulkhead-model",
            "bulkhead-guardrails",
            "bulkhead-planner",
            "bulkhead-promotion",
        ],
        never: &[
            Named("bulkhead-api"),
            Named("kube"),
            Named("kube-core"),
            Named("k8s-openapi"),
        ],
        why: "decisions are about an AWS organization; Kubernetes objects end at `desired`",
    },
    Rule {
        crates: &["bulkhead-executor"],
        never: &[
            Named("bulkhead-aws"),
            Named("bulkhead-api"),
            Named("kube"),
            Prefix("kube-"),
            Named("k8s-openapi"),
            Named("aws-config"),
            Prefix("aws-sdk-"),
        ],
        why: "it owns the ports that others implement; it must run against any implementation",
    },
    Rule {
        crates: &["bulkhead-aws"],
        never: &[
            Named("bulkhead-api"),
            Named("kube"),
            Prefix("kube-"),
            Named("k8s-openapi"),
        ],
        why: "the AWS side is tested and used without a cluster",
    },
    Rule {
        crates: &["bulkhead-operator"],
        never: &[Named("bulkhead-aws"), Named("aws-config"), Prefix("aws-sdk-")],
        why: "it is generic over the ports; only the binary joins it with AWS",
    },
    Rule {
        crates: &["bulkhead-gates"],
        never: &[
            Named("bulkhead-api"),
            Named("bulkhead-aws"),
            Named("bulkhead-desired"),
            Named("bulkhead-executor"),
            Named("bulkhead-operator"),
            Named("bulkhead-planner"),
            Named("aws-config"),
            Prefix("aws-sdk-"),
            Prefix("aws-smithy-"),
        ],
        why: "it measures what it is asked; what is done with the result is decided elsewhere",
    },
    Rule {
        crates: &["orgsim", "kubesim"],
        never: &[Ours],
        why: "a simulator that shares our types shares our mistakes, and proves nothing",
    },
    Rule {
        crates: &["controlplane"],
        never: &[Ours],
        why: "every crate's tests may use it",
    },
    Rule {
        crates: &["bulkhead"],
        never: &[Named("bulkhead-dst"), Named("controlplane"), Named("xtask")],
        why: "what only developers need stays out of the product",
    },
];

/// What each crate of ours reaches, itself left out.
type Graph = BTreeMap<String, BTreeSet<String>>;

pub(crate) fn run(workspace: &Workspace) -> Result<(), Error> {
    let findings = findings(RULES, &graph(workspace)?);
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(Error::Findings(format!(
            "{} dependencies that the rules in crates/xtask/src/dependencies.rs forbid",
            findings.len()
        )))
    }
}

fn graph(workspace: &Workspace) -> Result<Graph, Error> {
    let mut graph = Graph::new();
    for package in &workspace.packages {
        let mut command = workspace.cargo();
        // All features: an optional dependency counts as well.
        command
            .args([
                "tree",
                "--package",
                &package.name,
                "--all-features",
                "--edges",
                "normal,no-proc-macro",
            ])
            .args(["--prefix", "none", "--format", "{p}"]);
        // Each line is `name v1.2.3 (where from) (*)`.
        let text = output(&mut command)?;
        let mut reached: BTreeSet<String> = text
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .map(str::to_owned)
            .collect();
        reached.remove(&package.name);
        graph.insert(package.name.clone(), reached);
    }
    Ok(graph)
}

fn findings(rules: &[Rule], graph: &Graph) -> Vec<String> {
    let mut findings = Vec::new();
    for rule in rules {
        for &name in rule.crates {
            let Some(reached) = graph.get(name) else {
                // Otherwise a renamed crate would silently escape its rules.
                findings.push(format!(
                    "a rule names {name}, which is no crate of this workspace"
                ));
                continue;
            };
            for other in reached
                .iter()
                .filter(|other| rule.never.iter().any(|one| one.matches(other, graph)))
            {
                findings.push(format!(
                    "{name} must not reach {other}: {}\n  see how it does: cargo tree -p {name} -e normal -i {other}",
                    rule.why
                ));
            }
        }
    }
    findings
}

impl Forbidden {
    fn matches(self, package: &str, graph: &Graph) -> bool {
        match self {
            Named(name) => package == name,
            Prefix(prefix) => package.starts_with(prefix),
            Ours => graph.contains_key(package),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &[Rule] = &[
        Rule {
            crates: &["pure", "later"],
            never: &[Named("tokio"), Prefix("aws-")],
            why: "it decides",
        },
        Rule {
            crates: &["sim"],
            never: &[Ours],
            why: "it is independent",
        },
    ];

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        edges
            .iter()
            .map(|&(name, reached)| (name.to_owned(), owned(reached)))
            .collect()
    }

    #[test]
    fn what_is_allowed_passes() {
        let graph = graph(&[
            ("pure", &["serde", "tokio-util", "laws-of-nature"]),
            ("later", &[]),
            ("sim", &["tokio", "http"]),
        ]);
        assert_eq!(findings(RULES, &graph), Vec::<String>::new());
    }

    #[test]
    fn each_kind_of_rule_can_fail() {
        let graph = graph(&[
            ("pure", &["tokio", "aws-sdk-sts", "serde"]),
            ("later", &[]),
            ("sim", &["pure"]),
        ]);
        let findings = findings(RULES, &graph);
        let starts: Vec<&str> = findings
            .iter()
            .filter_map(|finding| finding.split(':').next())
            .collect();
        assert_eq!(
            starts,
            [
                "pure must not reach aws-sdk-sts",
                "pure must not reach tokio",
                "sim must not reach pure"
            ]
        );
        assert!(findings[0].contains("it decides") && findings[0].contains("cargo tree -p pure"));
    }

    #[test]
    fn a_crate_that_is_gone_does_not_escape_its_rule() {
        let graph = graph(&[("pure", &[]), ("sim", &[])]);
        assert_eq!(
            findings(RULES, &graph),
            ["a rule names later, which is no crate of this workspace"]
        );
    }
}
