//! A decision on the stage that a promotion waits with.

use super::{Error, create};
use crate::{
    args::DecidePromotionArgs,
    ask::user,
    output,
    promotions::{self, Standing},
};
use api::{
    ApprovalAction, ApprovalDecision, ApprovalSpec, ApprovalSubject, EnvironmentPromotion, SubjectKind,
};

/// Why nothing was decided.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("EnvironmentPromotion {name} awaits no approval; it is {standing}")]
    Nothing { name: String, standing: String },
    #[error("no Approval would count: {0}")]
    PolicyMissing(String),
    #[error("{given} is not what EnvironmentPromotion {name} waits for now: that is {now}; look at it again")]
    OldDigest {
        name: String,
        given: String,
        now: String,
    },
    #[error("you asked for attempt {attempt} yourself; stage {stage} counts only approvals of others")]
    Author { attempt: String, stage: String },
    #[error(
        "nobody knows who asked for attempt {attempt}, so stage {stage} counts no approval: set the annotation bulkhead.dev/requested-by, abort and retry"
    )]
    AuthorUnknown { attempt: String, stage: String },
    #[error("stage {stage} counts only decisions in the name of {groups}; say which with --group")]
    Group { stage: String, groups: String },
    #[error("you approved it already, with approval.bulkhead.dev/{0}")]
    Twice(String),
}

/// What the person decides, and what they see of it.
#[derive(Debug)]
struct Decided {
    shown: String,
    spec: ApprovalSpec,
}

pub(super) async fn run(args: &DecidePromotionArgs, decision: ApprovalDecision) -> Result<String, Error> {
    let client = promotions::client(&args.kubernetes).await?;
    let object = promotions::get(&client, &args.name).await?;
    let decided = decide(&object, args, decision, user(&client).await?)?;
    output::line(&decided.shown)?;
    create(client, decided.spec).await
}

/// The machine counts only decisions on the digest that its status shows; what it would not count is refused here.
fn decide(
    object: &EnvironmentPromotion,
    args: &DecidePromotionArgs,
    decision: ApprovalDecision,
    user: String,
) -> Result<Decided, Refused> {
    let standing = Standing::of(object);
    let awaiting = standing
        .status
        .awaiting
        .iter()
        .find(|awaiting| awaiting.action == ApprovalAction::Promotion);
    let waits = standing.running().zip(standing.at_hand()).zip(awaiting);
    let Some(((attempt, (stage, state)), awaiting)) = waits else {
        return Err(Refused::Nothing {
            name: standing.name.clone(),
            standing: standing.summary(),
        });
    };
    if let Some(ready) = standing.ready()
        && ready.reason == "ApprovalPolicyMissing"
    {
        return Err(Refused::PolicyMissing(ready.message.clone()));
    }
    if let Some(given) = args.digest.as_ref().filter(|given| **given != awaiting.digest) {
        return Err(Refused::OldDigest {
            name: standing.name.clone(),
            given: given.clone(),
            now: awaiting.digest.clone(),
        });
    }
    let (attempt_id, stage_name) = (attempt.id.clone(), stage.name.clone());
    let rules = stage.approval.as_ref();
    let approves = decision == ApprovalDecision::Approve;
    let exclude = approves && rules.is_some_and(|rules| rules.exclude_author == Some(true));
    match &attempt.requested_by {
        None if exclude => {
            return Err(Refused::AuthorUnknown {
                attempt: attempt_id,
                stage: stage_name,
            });
        }
        Some(author) if exclude && *author == user => {
            return Err(Refused::Author {
                attempt: attempt_id,
                stage: stage_name,
            });
        }
        _ => {}
    }
    let known = state
        .approvals
        .iter()
        .find(|known| known.by == user && known.decision == "Approve");
    if let Some(known) = known.filter(|_| approves) {
        return Err(Refused::Twice(known.name.clone()));
    }
    let shown = shown(&standing, &awaiting.summary, &awaiting.digest);
    Ok(Decided {
        shown,
        spec: ApprovalSpec {
            action: ApprovalAction::Promotion,
            subject: ApprovalSubject {
                kind: SubjectKind::EnvironmentPromotion,
                namespace: None,
                name: standing.name.clone(),
            },
            digest: awaiting.digest.clone(),
            decision,
            approver: user,
            group: group(
                args.group.as_ref(),
                rules.map_or(&[], |rules| &rules.groups),
                &stage_name,
            )?,
            // Where the author is excluded, the admission policy compares too.
            requested_by: attempt.requested_by.clone().filter(|_| exclude),
            comment: args.comment.clone(),
            expires_at: None,
        },
    })
}

/// The group in whose name the decision is made, one of those that count.
fn group(given: Option<&String>, counted: &[String], stage: &str) -> Result<Option<String>, Refused> {
    match (given, counted) {
        (None, [only]) => Ok(Some(only.clone())),
        (given, []) => Ok(given.cloned()),
        (Some(given), counted) if counted.contains(given) => Ok(Some(given.clone())),
        (_, counted) => Err(Refused::Group {
            stage: stage.to_owned(),
            groups: counted.join(" or "),
        }),
    }
}

fn shown(standing: &Standing<'_>, summary: &str, digest: &str) -> String {
    let mut lines = vec![format!("Promotion: {}", promotions::clean(summary))];
    if let Some(plan) = &standing.status.plan {
        lines.push(format!("Plan:      {}", promotions::plan(plan)));
        lines.push(format!("           {}", plan.digest));
    }
    lines.push(format!("Digest:    {digest}"));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        args::KubernetesArgs,
        promotions::fixtures::{self, DIGEST, Phase},
    };
    use serde_json::{Value, json};

    fn args(change: impl FnOnce(&mut DecidePromotionArgs)) -> DecidePromotionArgs {
        let mut args = DecidePromotionArgs {
            name: "org-guardrails".into(),
            digest: None,
            comment: None,
            group: None,
            kubernetes: KubernetesArgs {
                kubeconfig: None,
                context: None,
            },
        };
        change(&mut args);
        args
    }

    fn by(
        user: &str,
        decision: ApprovalDecision,
        args: &DecidePromotionArgs,
        change: impl FnOnce(&mut Value),
    ) -> Result<Decided, Refused> {
        let object = fixtures::changed(Phase::WaitingApproval, change);
        decide(&object, args, decision, user.to_owned())
    }

    fn approve(user: &str, args: &DecidePromotionArgs) -> Result<Decided, Refused> {
        by(user, ApprovalDecision::Approve, args, |_| {})
    }

    #[test]
    fn it_names_the_digest_that_waits_and_shows_the_plan() {
        let decided = approve("carol", &args(|args| args.comment = Some("reviewed".into()))).unwrap();
        assert_eq!(
            decided.shown,
            format!(
                "Promotion: standard-3f9c2ab41d enters prod; 38 accounts change: +1 SCP statement\n\
                 Plan:      prod: 38 accounts change, 2 do not: +1 SCP statement\n           {}\n\
                 Digest:    {DIGEST}",
                fixtures::PLAN
            )
        );
        assert_eq!(
            serde_json::to_value(decided.spec).unwrap(),
            json!({
                "action": "Promotion", "decision": "Approve", "digest": DIGEST,
                "subject": {"kind": "EnvironmentPromotion", "name": "org-guardrails"},
                "approver": "carol", "group": "cloud-platform", "requestedBy": "bob", "comment": "reviewed",
            })
        );
        let same = args(|args| args.digest = Some(DIGEST.into()));
        assert!(approve("carol", &same).is_ok());
    }

    #[test]
    fn an_old_digest_is_refused() {
        let old = format!("sha256:{}", "0".repeat(64));
        let error = approve("carol", &args(|args| args.digest = Some(old.clone()))).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{old} is not what EnvironmentPromotion org-guardrails waits for now: that is {DIGEST}; look at it again"
            )
        );
    }

    #[test]
    fn what_would_not_count_is_refused() {
        let refused = |result: Result<Decided, Refused>| result.unwrap_err().to_string();
        assert_eq!(
            refused(approve("bob", &args(|_| {}))),
            "you asked for attempt a-13 yourself; stage prod counts only approvals of others"
        );
        assert_eq!(
            refused(approve("alice", &args(|_| {}))),
            "you approved it already, with approval.bulkhead.dev/org-guardrails-x7k2p"
        );
        assert_eq!(
            refused(approve("carol", &args(|args| args.group = Some("sales".into())))),
            "stage prod counts only decisions in the name of cloud-platform; say which with --group"
        );
        let unknown = by("carol", ApprovalDecision::Approve, &args(|_| {}), |object| {
            object["status"]["attempt"]
                .as_object_mut()
                .unwrap()
                .remove("requestedBy");
        });
        assert!(refused(unknown).starts_with("nobody knows who asked for attempt a-13"));
        let missing = by("carol", ApprovalDecision::Approve, &args(|_| {}), |object| {
            object["status"]["conditions"][0]["reason"] = "ApprovalPolicyMissing".into();
            object["status"]["conditions"][0]["message"] = "there is no policy".into();
        });
        assert_eq!(refused(missing), "no Approval would count: there is no policy");
    }

    #[test]
    fn the_author_may_reject() {
        let decided = by("bob", ApprovalDecision::Reject, &args(|_| {}), |_| {}).unwrap();
        assert_eq!(decided.spec.decision, ApprovalDecision::Reject);
        assert_eq!(
            decided.spec.requested_by, None,
            "the policy refuses one's own name there"
        );
        let again = by("alice", ApprovalDecision::Reject, &args(|_| {}), |_| {});
        assert!(again.is_ok(), "who approved may reject later");
    }

    #[test]
    fn what_waits_for_nobody_cannot_be_decided() {
        for phase in Phase::ALL
            .iter()
            .copied()
            .filter(|phase| *phase != Phase::WaitingApproval)
        {
            let object = fixtures::object(phase);
            let error =
                decide(&object, &args(|_| {}), ApprovalDecision::Approve, "carol".into()).unwrap_err();
            let said = error.to_string();
            assert!(
                said.starts_with("EnvironmentPromotion org-guardrails awaits no approval; it is "),
                "{phase:?}: {said}"
            );
        }
    }
}
