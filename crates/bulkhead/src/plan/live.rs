//! What there is now, asked of the cluster and of AWS themselves. Nothing is changed: the cluster is only listed, and the
//! calls to AWS run inside of a leadership term that is over, so that one that changed something would not be sent.

use super::document::{Document, Finding};
use crate::{clock::WallClock, kubernetes};
use api::{Approval, AwsAccount, Baseline, BaselineRevision, EnvironmentPromotion, Organization};
use aws::Aws;
use executor::{AwsError, Clock, Context, Fence, Pacer, ReadResult, SharedPacer, read};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::SignedDuration;
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams},
};
use model::{AccountId, Mark, Observation, ObservedAccount, Read};
use operator::Config;
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path, time::Duration};

/// Objects in one answer of the API server.
const PAGE: u32 = 500;
/// How long one such answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Accounts that are asked for at the same time, as the operator does.
const ACCOUNT_READS: usize = 8;
/// What is kept of annotations: others may hold anything.
const OURS: &str = "bulkhead.dev/";

/// Why nothing can be said of what there is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Kubernetes(#[from] kubernetes::Error),
    #[error("you may not list {resource} in the whole cluster: {message}")]
    Forbidden { resource: String, message: String },
    #[error("the cluster does not serve {resource}: Bulkhead's CustomResourceDefinitions are not installed")]
    NotServed { resource: String },
    #[error("list {resource}")]
    List {
        resource: String,
        source: Box<kube::Error>,
    },
    #[error("list {resource}: no answer within {} s", PATIENCE.as_secs())]
    Silent { resource: String },
    #[error(transparent)]
    Client(aws::Error),
    #[error("AWS: {0}")]
    Aws(AwsError),
    #[error("AWS: the read of {0} brought something else")]
    Unexpected(&'static str),
    #[error(
        "the organization carries the mark {found:?}, and of this cluster and configuration it would be {own:?}: \
         its operator governs nothing here"
    )]
    OthersMark { found: String, own: String },
    #[error(
        "--config: installation is {own:?}, and the Organizations of this cluster are of {}",
        found.join(", ")
    )]
    OtherInstallation { own: String, found: Vec<String> },
    #[error(
        "the AWS credentials are of organization {seen}, and Organization {name} of this cluster is {known}"
    )]
    OtherOrganization {
        seen: String,
        name: String,
        known: String,
    },
    #[error("{0}: {1}")]
    Unfit(String, String),
    #[error("the snapshot cannot be written as JSON")]
    Json(#[source] serde_json::Error),
}

impl From<Finding> for Error {
    fn from((key, reason): Finding) -> Self {
        Self::Unfit(key, reason)
    }
}

/// Where to look.
pub(super) struct Place<'a> {
    pub(super) config: &'a Config,
    pub(super) kubeconfig: Option<&'a Path>,
    pub(super) context: Option<&'a str>,
}

/// Looks. `doubtful` names the accounts of which the lists say something that is worth asking the accounts themselves: how
/// far AWS's lists are behind is not documented.
pub(super) async fn take(
    place: &Place<'_>,
    doubtful: impl FnOnce(&Document) -> Result<BTreeSet<AccountId>, Finding>,
) -> Result<Document, Error> {
    let kubernetes = kubernetes::config(place.kubeconfig, place.context).await?;
    let objects = objects(&kubernetes::client(kubernetes)?).await?;
    let organization = Reader::new(place.config).await?;
    own_cluster(place.config, &objects)?;
    organization.own_mark(&objects).await?;
    let at = organization.context.clock.now();
    let seen = organization.full().await?;
    own_organization(place.config, &objects, seen.organization.as_str())?;
    let mut document = Document::taken(at, place.config, objects, seen).map_err(Error::Json)?;
    let doubtful = doubtful(&document)?;
    let asked = stream::iter(doubtful).map(|id| organization.account(id));
    let answers: Vec<_> = asked.buffer_unordered(ACCOUNT_READS).try_collect().await?;
    for (id, account) in answers {
        document.correct(&id, account);
    }
    Ok(document)
}

/// Every object that a plan depends on, in the order of their names.
async fn objects(client: &Client) -> Result<Vec<Value>, Error> {
    let mut objects = Vec::new();
    for resource in [
        ApiResource::erase::<Organization>(&()),
        ApiResource::erase::<Namespace>(&()),
        ApiResource::erase::<Baseline>(&()),
        ApiResource::erase::<BaselineRevision>(&()),
        ApiResource::erase::<AwsAccount>(&()),
        ApiResource::erase::<EnvironmentPromotion>(&()),
        ApiResource::erase::<Approval>(&()),
    ] {
        objects.extend(listed(client, &resource).await?);
    }
    Ok(objects)
}

async fn listed(client: &Client, resource: &ApiResource) -> Result<Vec<Value>, Error> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let name = match resource.group.as_str() {
        "" => resource.plural.clone(),
        group => format!("{}.{group}", resource.plural),
    };
    let mut params = ListParams::default().limit(PAGE);
    let mut objects = Vec::new();
    loop {
        let Ok(answer) = tokio::time::timeout(PATIENCE, page(&api, resource, &params)).await else {
            return Err(Error::Silent { resource: name });
        };
        let (items, next) = answer.map_err(|error| sort(name.clone(), error))?;
        objects.extend(items);
        match next.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(objects),
        }
    }
}

/// Objects, and where the next ones begin.
async fn page(
    api: &Api<DynamicObject>,
    resource: &ApiResource,
    params: &ListParams,
) -> Result<(Vec<Value>, Option<String>), kube::Error> {
    // Of a Namespace only the metadata is anybody's business here.
    if resource.kind == "Namespace" {
        let list = api.list_metadata(params).await?;
        let items = list.items.into_iter();
        let items = items.map(|object| kept(resource, object.metadata, &Value::Null));
        return Ok((items.collect(), list.metadata.continue_));
    }
    let list = api.list(params).await?;
    let items = list.items.into_iter();
    let items = items.map(|object| kept(resource, object.metadata, &object.data));
    Ok((items.collect(), list.metadata.continue_))
}

fn sort(resource: String, error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) if status.code == 403 => Error::Forbidden {
            resource,
            message: status.message.clone(),
        },
        kube::Error::Api(status) if status.code == 404 => Error::NotServed { resource },
        error => Error::List {
            resource,
            source: Box::new(error),
        },
    }
}

/// What a snapshot keeps of an object: no history of its fields, and no annotations of others.
fn kept(resource: &ApiResource, meta: ObjectMeta, data: &Value) -> Value {
    let annotations = meta.annotations.map(|mut annotations| {
        annotations.retain(|key, _| key.starts_with(OURS));
        annotations
    });
    let meta = ObjectMeta {
        name: meta.name,
        namespace: meta.namespace,
        uid: meta.uid,
        generation: meta.generation,
        labels: meta.labels,
        annotations: annotations.filter(|annotations| !annotations.is_empty()),
        finalizers: meta.finalizers,
        creation_timestamp: meta.creation_timestamp,
        deletion_timestamp: meta.deletion_timestamp,
        ..ObjectMeta::default()
    };
    let mut object = json!({"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta});
    for field in ["spec", "status"] {
        if let Some(value) = data.get(field) {
            object[field] = value.clone();
        }
    }
    object
}

fn text<'o>(object: &'o Value, pointer: &str) -> Option<&'o str> {
    object.pointer(pointer).and_then(Value::as_str)
}

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> impl Iterator<Item = &'o Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// Is the configuration that of this cluster? Where no operator has run yet, nothing says otherwise.
fn own_cluster(config: &Config, objects: &[Value]) -> Result<(), Error> {
    let names = of_kind(objects, "Organization").filter_map(|object| text(object, "/metadata/name"));
    let found: Vec<String> = names.map(str::to_owned).collect();
    let own = config.installation.to_string();
    if found.is_empty() || found.contains(&own) {
        return Ok(());
    }
    Err(Error::OtherInstallation { own, found })
}

/// Are the credentials those of the organization that this cluster governs?
fn own_organization(config: &Config, objects: &[Value], seen: &str) -> Result<(), Error> {
    let name = config.installation.as_str();
    let known = of_kind(objects, "Organization")
        .filter(|object| text(object, "/metadata/name") == Some(name))
        .find_map(|object| text(object, "/status/organizationId"));
    match known {
        Some(known) if known != seen => Err(Error::OtherOrganization {
            seen: seen.to_owned(),
            name: name.to_owned(),
            known: known.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// AWS, as the operator reads it.
struct Reader {
    context: Context<Aws, (), WallClock>,
}

impl Reader {
    async fn new(config: &Config) -> Result<Self, Error> {
        let options = aws::Options {
            endpoint_url: config.aws.endpoint_url.clone(),
            ..aws::Options::default()
        };
        let clock = WallClock::new();
        Ok(Self {
            context: Context {
                aws: Aws::from_environment(&options).await.map_err(Error::Client)?,
                journal: (),
                clock,
                pacer: SharedPacer::new(Pacer::new(config.rates(), clock.now())),
                fence: Fence::default(),
                installation: config.installation.to_string(),
            },
        })
    }

    async fn read(&self, what: Read) -> Result<ReadResult, Error> {
        let read = Box::pin(read(self.context.clone(), what, 1, None));
        self.context.fence.around(read).await.map_err(Error::Aws)
    }

    /// Is the organization that of this cluster? One that carries no mark is nobody's yet.
    async fn own_mark(&self, objects: &[Value]) -> Result<(), Error> {
        let ReadResult::Mark { value, .. } = self.read(Read::Mark).await? else {
            return Err(Error::Unexpected("the mark"));
        };
        let uid = of_kind(objects, "Namespace")
            .filter(|object| text(object, "/metadata/name") == Some("kube-system"))
            .find_map(|object| text(object, "/metadata/uid"));
        let own = format!("{}:{}", self.context.installation, uid.unwrap_or_default());
        let mark = Mark::new(own.clone(), None, SignedDuration::ZERO, false);
        match value {
            Some(found) if !mark.names_us(&found) => Err(Error::OthersMark { found, own }),
            _ => Ok(()),
        }
    }

    async fn full(&self) -> Result<model::Snapshot, Error> {
        match self.read(Read::Full).await? {
            ReadResult::Organization(Observation::Full { snapshot, .. }) => Ok(*snapshot),
            _ => Err(Error::Unexpected("the organization")),
        }
    }

    async fn account(&self, id: AccountId) -> Result<(AccountId, Option<ObservedAccount>), Error> {
        match self.read(Read::Account(id)).await? {
            ReadResult::Organization(Observation::Account { id, account, .. }) => Ok((id, account)),
            _ => Err(Error::Unexpected("an account")),
        }
    }
}
