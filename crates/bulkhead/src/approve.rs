//! `bulkhead approve`: one person's decision on what an object's status shows as awaiting.

mod promotion;

use crate::{
    args::{ApproveArgs, ApproveKind, DecideAccountArgs, KubernetesArgs, RejectArgs, RejectKind},
    ask::{AskError, answer, found, told, user, wait_for},
    kubernetes, output, promotions,
};
use api::{
    Approval, ApprovalAction, ApprovalDecision, ApprovalSpec, ApprovalSubject, Awaiting, AwsAccount,
    SubjectKind,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use std::process::ExitCode;

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Promotions(#[from] promotions::Error),
    #[error(transparent)]
    Promotion(#[from] promotion::Refused),
    #[error("there is no AwsAccount {name:?} in namespace {namespace:?}")]
    NotFound { namespace: String, name: String },
    #[error("AwsAccount {namespace}/{name} awaits no approval; {standing}")]
    Nothing {
        namespace: String,
        name: String,
        standing: String,
    },
    #[error("AwsAccount {namespace}/{name} awaits several approvals ({actions}); say which with --action")]
    Several {
        namespace: String,
        name: String,
        actions: String,
    },
    #[error(transparent)]
    Output(#[from] output::Error),
}

/// `bulkhead approve`. Exit status 1 when nothing was decided.
pub(crate) fn approve(args: &ApproveArgs) -> ExitCode {
    match &args.kind {
        ApproveKind::Awsaccount(args) => told(wait_for(account(args, ApprovalDecision::Approve))),
        ApproveKind::Promotion(args) => told(wait_for(promotion::run(args, ApprovalDecision::Approve))),
    }
}

/// `bulkhead reject`. Exit status 1 when nothing was decided.
pub(crate) fn reject(args: &RejectArgs) -> ExitCode {
    told(match &args.kind {
        RejectKind::Awsaccount(args) => wait_for(account(args, ApprovalDecision::Reject)),
        RejectKind::Promotion(args) => wait_for(promotion::run(args, ApprovalDecision::Reject)),
    })
}

async fn account(subject: &DecideAccountArgs, decision: ApprovalDecision) -> Result<String, Error> {
    let KubernetesArgs { kubeconfig, context } = &subject.kubernetes;
    let config = kubernetes::config(kubeconfig.as_deref(), context.as_deref()).await;
    let config = config.map_err(AskError::from)?;
    let namespace = subject
        .namespace
        .clone()
        .unwrap_or_else(|| config.default_namespace.clone());
    let client = kubernetes::client(config).map_err(AskError::from)?;
    let awaiting = awaiting(&client, &namespace, &subject.name, subject.action).await?;
    output::line(&format!("{}: {}", awaiting.action, awaiting.summary))?;
    let spec = ApprovalSpec {
        action: awaiting.action,
        subject: ApprovalSubject {
            kind: SubjectKind::AwsAccount,
            namespace: Some(namespace),
            name: subject.name.clone(),
        },
        digest: awaiting.digest,
        decision,
        approver: user(&client).await?,
        group: subject.group.clone(),
        requested_by: None,
        comment: subject.comment.clone(),
        expires_at: None,
    };
    create(client, spec).await
}

/// Stores the decision, and says under which name.
async fn create(client: Client, spec: ApprovalSpec) -> Result<String, Error> {
    let approval = Approval {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", spec.subject.name)),
            ..ObjectMeta::default()
        },
        spec,
    };
    let api: Api<Approval> = Api::all(client);
    let params = PostParams::default();
    let made = answer("create this Approval", api.create(&params, &approval)).await?;
    let word = match made.spec.decision {
        ApprovalDecision::Approve => "approved",
        ApprovalDecision::Reject => "rejected",
    };
    Ok(format!(
        "{word} as {}: approval.bulkhead.dev/{}",
        made.spec.approver,
        made.metadata.name.unwrap_or_default()
    ))
}

/// What the object waits for.
async fn awaiting(
    client: &Client,
    namespace: &str,
    name: &str,
    action: Option<ApprovalAction>,
) -> Result<Awaiting, Error> {
    let api: Api<AwsAccount> = Api::namespaced(client.clone(), namespace);
    let object = found("read the AwsAccount", api.get(name)).await?;
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    let Some(object) = object else {
        return Err(Error::NotFound { namespace, name });
    };
    let status = object.status.unwrap_or_default();
    let wanted = |awaiting: &Awaiting| action.is_none_or(|action| awaiting.action == action);
    let mut waiting: Vec<Awaiting> = status.awaiting.into_iter().filter(wanted).collect();
    if waiting.len() > 1 {
        let actions: Vec<&str> = waiting.iter().map(|awaiting| awaiting.action.as_str()).collect();
        let actions = actions.join(", ");
        return Err(Error::Several {
            namespace,
            name,
            actions,
        });
    }
    waiting.pop().ok_or_else(|| {
        let ready = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Ready");
        let standing = ready.map_or_else(
            || "it has no status yet".to_owned(),
            |ready| {
                format!(
                    "it is Ready={} ({}): {}",
                    ready.status, ready.reason, ready.message
                )
            },
        );
        Error::Nothing {
            namespace,
            name,
            standing,
        }
    })
}
