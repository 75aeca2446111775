//! `bulkhead promotions` and the commands about one promotion. What is shown follows from the object alone; what is asked
//! are the annotations that the operator answers, so that Git, Argo CD and kubectl can ask for the same.

#[cfg(test)]
pub(crate) mod fixtures;
mod list;
mod next;
mod render;
mod request;
mod standing;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use render::{clean, plan};
pub(crate) use standing::Standing;

use crate::{
    args::{
        AbortArgs, Format, HoldArgs, KubernetesArgs, PromotionArgs, PromotionsArgs, ReleaseArgs, RetryArgs,
        ReverifyArgs, SkipBakeArgs,
    },
    ask::{AskError, answer, found, told, user, wait_for},
    clock::WallClock,
    kubernetes,
};
use api::EnvironmentPromotion;
use executor::Clock;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use request::{Asked, Refused};
use std::process::ExitCode;

/// How people call the binary where they read about it.
const PROGRAM: &str = "kubectl bulkhead";
/// Field manager of annotations that people set with these commands.
const MANAGER: &str = "kubectl-bulkhead";

/// Why nothing is shown, or nothing was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("there is no EnvironmentPromotion {0:?}; `{PROGRAM} promotions` lists them")]
    NotFound(String),
    #[error("what is known cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// `bulkhead promotions`.
pub(crate) fn all(args: &PromotionsArgs) -> ExitCode {
    told::<Error>(wait_for(async {
        let client = client(&args.kubernetes).await?;
        let api: Api<EnvironmentPromotion> = Api::all(client);
        let all = ListParams::default();
        let found = answer("list EnvironmentPromotions", api.list(&all)).await?;
        let rows = list::rows(&found.items);
        Ok(match args.output {
            Format::Json => serde_json::to_string_pretty(&rows)?,
            Format::Table => list::text(&rows, WallClock::new().now()),
        })
    }))
}

/// `bulkhead promotion NAME`.
pub(crate) fn one(args: &PromotionArgs) -> ExitCode {
    told::<Error>(wait_for(async {
        let client = client(&args.kubernetes).await?;
        let object = get(&client, &args.name).await?;
        let view = view::View::of(&object);
        Ok(match args.output {
            Format::Json => serde_json::to_string_pretty(&view)?,
            Format::Table => render::text(&view),
        })
    }))
}

/// `bulkhead abort NAME`.
pub(crate) fn abort(args: AbortArgs) -> ExitCode {
    asked(
        &args.kubernetes,
        &args.name,
        &Asked::Abort {
            attempt: args.attempt,
        },
    )
}

/// `bulkhead retry NAME`.
pub(crate) fn retry(args: &RetryArgs) -> ExitCode {
    asked(&args.kubernetes, &args.name, &Asked::Retry)
}

/// `bulkhead reverify NAME`.
pub(crate) fn reverify(args: ReverifyArgs) -> ExitCode {
    asked(&args.kubernetes, &args.name, &Asked::Reverify { gate: args.gate })
}

/// `bulkhead hold NAME`.
pub(crate) fn hold(args: HoldArgs) -> ExitCode {
    asked(&args.kubernetes, &args.name, &Asked::Hold { reason: args.reason })
}

/// `bulkhead release NAME`.
pub(crate) fn release(args: &ReleaseArgs) -> ExitCode {
    asked(&args.kubernetes, &args.name, &Asked::Release)
}

/// `bulkhead skip-bake NAME`.
pub(crate) fn skip_bake(args: SkipBakeArgs) -> ExitCode {
    asked(&args.kubernetes, &args.name, &Asked::SkipBake { wave: args.wave })
}

fn asked(cluster: &KubernetesArgs, name: &str, asked: &Asked) -> ExitCode {
    told::<Error>(wait_for(async {
        let client = client(cluster).await?;
        let object = get(&client, name).await?;
        let user = match asked {
            // Who retries is the author of the attempt that begins.
            Asked::Retry => Some(user(&client).await?),
            _ => None,
        };
        let change = request::change(&object, asked, user.as_deref(), WallClock::new().now())?;
        let api: Api<EnvironmentPromotion> = Api::all(client);
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(change.patch);
        let patched = api.patch(name, &params, &patch);
        answer("ask this of the EnvironmentPromotion", patched).await?;
        Ok(format!("{name}: {}", change.told))
    }))
}

/// A client of the cluster that the arguments name.
pub(crate) async fn client(cluster: &KubernetesArgs) -> Result<Client, AskError> {
    let config = kubernetes::config(cluster.kubeconfig.as_deref(), cluster.context.as_deref()).await?;
    Ok(kubernetes::client(config)?)
}

/// The promotion of this name.
pub(crate) async fn get(client: &Client, name: &str) -> Result<EnvironmentPromotion, Error> {
    let api: Api<EnvironmentPromotion> = Api::all(client.clone());
    let found = found("read the EnvironmentPromotion", api.get(name)).await?;
    found.ok_or_else(|| Error::NotFound(name.to_owned()))
}
