//! `bulkhead approve`: one person's decision on what an object's status shows as awaiting.

use crate::{
    args::{ApproveArgs, ApproveKind, KubernetesArgs},
    complain, kubernetes,
};
use api::{
    Approval, ApprovalAction, ApprovalDecision, ApprovalSpec, ApprovalSubject, Awaiting, AwsAccount,
    SubjectKind,
};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use std::{io, process::ExitCode};

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Kubernetes(#[from] kubernetes::Error),
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
    #[error("you may not {what}: {message}")]
    Forbidden { what: &'static str, message: String },
    #[error("{what} failed")]
    Failed {
        what: &'static str,
        source: Box<kube::Error>,
    },
    #[error("the API server does not say who you are")]
    Nobody,
    #[error("the runtime could not be started")]
    Runtime(#[source] io::Error),
}

/// Sorts the answer to one request.
fn answer<T>(what: &'static str, result: Result<T, kube::Error>) -> Result<T, Error> {
    result.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 403 => Error::Forbidden {
            what,
            message: status.message.clone(),
        },
        error => Error::Failed {
            what,
            source: Box::new(error),
        },
    })
}

/// Exit status 1 when nothing was decided.
pub(crate) fn main(args: &ApproveArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime);
    match runtime.and_then(|runtime| runtime.block_on(run(args))) {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &ApproveArgs) -> Result<String, Error> {
    let ApproveKind::Awsaccount(subject) = &args.kind;
    let KubernetesArgs { kubeconfig, context } = &subject.kubernetes;
    let config = kubernetes::config(kubeconfig.as_deref(), context.as_deref()).await?;
    let namespace = subject
        .namespace
        .clone()
        .unwrap_or_else(|| config.default_namespace.clone());
    let client = kubernetes::client(config)?;
    let awaiting = awaiting(&client, &namespace, &subject.name, subject.action).await?;
    println!("{}: {}", awaiting.action, awaiting.summary);
    let approval = Approval {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", subject.name)),
            ..ObjectMeta::default()
        },
        spec: ApprovalSpec {
            action: awaiting.action,
            subject: ApprovalSubject {
                kind: SubjectKind::AwsAccount,
                namespace: Some(namespace),
                name: subject.name.clone(),
            },
            digest: awaiting.digest,
            decision: if subject.reject {
                ApprovalDecision::Reject
            } else {
                ApprovalDecision::Approve
            },
            approver: user(&client).await?,
            group: subject.group.clone(),
            requested_by: None,
            comment: subject.comment.clone(),
            expires_at: None,
        },
    };
    let api: Api<Approval> = Api::all(client);
    let made = api.create(&PostParams::default(), &approval).await;
    let made = answer("create this Approval", made)?;
    let word = if subject.reject { "rejected" } else { "approved" };
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
    let object = answer("read the AwsAccount", api.get_opt(name).await)?;
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    let Some(object) = object else {
        return Err(Error::NotFound { namespace, name });
    };
    let status = object.status.unwrap_or_default();
    let wanted = |awaiting: &Awaiting| action.is_none_or(|action| awaiting.action == action);
    let mut found: Vec<Awaiting> = status.awaiting.into_iter().filter(wanted).collect();
    if found.len() > 1 {
        let actions: Vec<&str> = found.iter().map(|awaiting| awaiting.action.as_str()).collect();
        let actions = actions.join(", ");
        return Err(Error::Several {
            namespace,
            name,
            actions,
        });
    }
    found.pop().ok_or_else(|| {
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

/// Who the API server takes us for.
async fn user(client: &Client) -> Result<String, Error> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await;
    let review = answer("ask who you are", review)?;
    let user = review.status.and_then(|status| status.user_info);
    user.and_then(|user| user.username).ok_or(Error::Nobody)
}
