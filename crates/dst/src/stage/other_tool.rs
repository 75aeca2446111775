//! The hands of others in the organization.

use super::{FOREIGN, Stage};
use crate::{
    judge::{CLAIM, attachment, is_ours},
    scenario::OtherTool,
};
use orgsim::{Mutation, PolicyView, State};
use serde_json::json;
use std::{collections::BTreeMap, ops::Range};

impl Stage {
    pub(super) fn other_tool(&mut self, tool: &OtherTool) {
        let organization = self.clusters[0].world.organization.clone();
        let state = organization.state();
        let ours: Vec<&orgsim::AccountView> = state
            .accounts
            .iter()
            .filter(|account| account.tags.contains_key(CLAIM))
            .collect();
        let picked = |pick: usize| {
            ours.get(pick % ours.len().max(1))
                .map(|account| account.id.clone())
        };
        let tag = |account: String, key: &str, value: &str| Mutation::Tag {
            resource: account,
            tags: BTreeMap::from([(key.to_owned(), value.to_owned())]),
        };
        let (subject, mutation) = match tool {
            OtherTool::Move { pick } => {
                let Some(account) = picked(*pick) else { return };
                let to = state.root.id.clone();
                (account.clone(), Mutation::Move { account, to })
            }
            OtherTool::Tag { pick, key, value } => {
                let Some(account) = picked(*pick) else { return };
                if key.starts_with("finance:") {
                    self.foreign_tags.insert((account.clone(), key), value.clone());
                }
                self.mutate(std::slice::from_ref(&account), tag(account.clone(), key, value));
                return self.judge.tagged(&account, key);
            }
            OtherTool::Untag { pick, key } => {
                let Some(account) = picked(*pick) else { return };
                let keys = vec![(*key).to_owned()];
                (
                    account.clone(),
                    Mutation::Untag {
                        resource: account,
                        keys,
                    },
                )
            }
            OtherTool::Unit { name } => {
                let parent = state.root.id.clone();
                (
                    parent.clone(),
                    Mutation::CreateUnit {
                        parent,
                        name: (*name).to_owned(),
                    },
                )
            }
            OtherTool::Account { name } => {
                let (email, name) = (format!("{FOREIGN}{name}@example.com"), name.clone());
                (
                    email.clone(),
                    Mutation::CreateAccount {
                        email,
                        name,
                        tags: BTreeMap::new(),
                        parent: None,
                    },
                )
            }
            OtherTool::Drain => (String::new(), Mutation::DrainBuckets {}),
            OtherTool::Traffic { percent } => (String::new(), Mutation::OtherTraffic { percent: *percent }),
            OtherTool::FailNextCreation(reason) => (String::new(), Mutation::FailNextCreation(*reason)),
            _ => return self.meddle(tool, &state),
        };
        self.mutate(&[subject], mutation);
    }

    fn mutate(&mut self, subjects: &[String], mutation: Mutation) {
        let organization = self.clusters[0].world.organization.clone();
        let line = format!("another tool: {mutation:?}");
        self.judge.disturbs();
        // A move to where the account is, or a second unit of the name, is refused: nothing happened.
        if organization.mutate(mutation).is_ok() {
            self.judge.disturbed(subjects, &line);
        }
    }

    /// What another tool does to policies.
    fn meddle(&mut self, tool: &OtherTool, state: &State) {
        let of = |ours: bool| -> Vec<&PolicyView> {
            let policies = state.policies.iter().filter(|policy| !policy.aws_managed);
            policies.filter(|policy| is_ours(policy) == ours).collect()
        };
        let pick_of = |policies: &[&PolicyView], pick: usize| {
            let picked = policies.get(pick % policies.len().max(1));
            picked.map(|policy| (policy.id.clone(), policy.name.clone()))
        };
        let targets = |ours: bool| -> Vec<(String, String)> {
            let policies = of(ours);
            let attachments = state.attachments.iter();
            attachments
                .filter(|attachment| policies.iter().any(|policy| policy.id == attachment.policy))
                .map(|attachment| (attachment.policy.clone(), attachment.target.clone()))
                .collect()
        };
        let (subjects, mutation) = match tool {
            OtherTool::Fill { pick } => return self.fill(state, *pick),
            OtherTool::Clear => return self.clear(state),
            OtherTool::Policy { number } => (vec![], policy_of_theirs(*number)),
            OtherTool::Attach { pick, target } => {
                let Some((policy, _)) = pick_of(&of(false), *pick) else {
                    return;
                };
                let Some(target) = target_of(state, *target) else {
                    return;
                };
                (vec![target.clone()], Mutation::AttachPolicy { policy, target })
            }
            OtherTool::Detach { pick } | OtherTool::DetachTheirs { pick } => {
                let pairs = targets(matches!(tool, OtherTool::Detach { .. }));
                let Some((policy, target)) = pairs.get(pick % pairs.len().max(1)).cloned() else {
                    return;
                };
                let subjects = vec![target.clone(), attachment(&policy, &target)];
                (subjects, Mutation::Detach { policy, target })
            }
            OtherTool::EditOurs { pick } | OtherTool::EditTheirs { pick } => {
                let Some((policy, _)) = pick_of(&of(matches!(tool, OtherTool::EditOurs { .. })), *pick)
                else {
                    return;
                };
                let content = denies(&format!("sumerian:Edit{pick}"));
                (vec![policy.clone()], Mutation::EditPolicy { policy, content })
            }
            OtherTool::DeleteUnattached { pick } => {
                let attached = |id: &str| state.attachments.iter().any(|known| known.policy == id);
                let policies: Vec<&PolicyView> = state
                    .policies
                    .iter()
                    .filter(|policy| !policy.aws_managed && !attached(&policy.id))
                    .collect();
                let Some((policy, name)) = pick_of(&policies, *pick) else {
                    return;
                };
                (vec![policy.clone(), name], Mutation::DeletePolicy { policy })
            }
            _ => return,
        };
        self.mutate(&subjects, mutation);
    }

    /// Takes every place for policies on an account of ours.
    fn fill(&mut self, state: &State, pick: usize) {
        let Some(target) = target_of(state, Some(pick)) else {
            return;
        };
        for number in FILLING {
            self.mutate(&[], policy_of_theirs(number));
            let policies = self.clusters[0].world.organization.state().policies;
            let made = policies
                .into_iter()
                .find(|policy| policy.name == name_of_theirs(number));
            if let Some(policy) = made {
                let attach = Mutation::AttachPolicy {
                    policy: policy.id,
                    target: target.clone(),
                };
                self.mutate(std::slice::from_ref(&target), attach);
            }
        }
    }

    /// Gives the places back.
    fn clear(&mut self, state: &State) {
        let names: Vec<String> = FILLING.map(name_of_theirs).collect();
        let fills = |id: &str| {
            let mut policies = state.policies.iter();
            policies.any(|policy| policy.id == id && names.contains(&policy.name))
        };
        for attached in state.attachments.iter().filter(|known| fills(&known.policy)) {
            let (policy, target) = (attached.policy.clone(), attached.target.clone());
            let subjects = [target.clone(), attachment(&policy, &target)];
            self.mutate(&subjects, Mutation::Detach { policy, target });
        }
    }
}

/// Numbers of the policies that take every place: more than AWS attaches to one account.
const FILLING: Range<usize> = 100..110;

fn name_of_theirs(number: usize) -> String {
    format!("corp-{number}")
}

/// An account of ours, or the root.
fn target_of(state: &State, account: Option<usize>) -> Option<String> {
    let Some(pick) = account else {
        return Some(state.root.id.clone());
    };
    let ours: Vec<&orgsim::AccountView> = state
        .accounts
        .iter()
        .filter(|account| account.tags.contains_key(CLAIM))
        .collect();
    ours.get(pick % ours.len().max(1))
        .map(|account| account.id.clone())
}

fn denies(action: &str) -> String {
    let statement = json!({"Effect": "Deny", "Action": action, "Resource": "*"});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

fn policy_of_theirs(number: usize) -> Mutation {
    Mutation::CreatePolicy {
        r#type: "SERVICE_CONTROL_POLICY".to_owned(),
        name: name_of_theirs(number),
        content: denies(&format!("sumerian:Make{number}")),
        description: "Of another team".to_owned(),
        tags: BTreeMap::from([("team".to_owned(), "corp".to_owned())]),
    }
}
