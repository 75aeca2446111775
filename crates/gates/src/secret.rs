//! Secrets of the operator's namespace that gates may use. Whoever writes a gate names a Secret, and would otherwise reach
//! every Secret beside the operator; so a Secret says itself what it is for.

use crate::{hosts, message};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

/// Annotation of a Secret: where its keys may be sent as headers. Hosts as in
/// [`Settings::allowed_hosts`](crate::Settings::allowed_hosts), separated by commas.
pub const GATE_HOSTS: &str = "bulkhead.dev/gate-hosts";

/// The headers, and the texts that must not be shown.
pub(crate) struct Headers {
    pub(crate) map: HeaderMap,
    pub(crate) secrets: Vec<String>,
}

/// Reads the Secret; every key of it is a header.
pub(crate) async fn headers(
    client: &Client,
    namespace: &str,
    name: &str,
    to: &Uri,
) -> Result<Headers, String> {
    let secret = read(client, namespace, name).await?;
    let annotations = secret.metadata.annotations.as_ref();
    let Some(allowed) = annotations.and_then(|all| all.get(GATE_HOSTS)) else {
        return Err(format!(
            "Secret {name} has no annotation {GATE_HOSTS} that says where its headers may be sent"
        ));
    };
    let allowed: Vec<String> = allowed.split(',').map(|host| host.trim().to_owned()).collect();
    if hosts::permits(to, &allowed).is_err() {
        return Err(format!(
            "annotation {GATE_HOSTS} of Secret {name} does not name the host of the URL"
        ));
    }
    let mut headers = Headers {
        map: HeaderMap::new(),
        secrets: Vec::new(),
    };
    for (key, value) in secret.data.unwrap_or_default() {
        let header = HeaderName::try_from(&key)
            .ok()
            .filter(|header| !FRAMING.contains(&header.as_str()))
            .ok_or_else(|| format!("key {key} of Secret {name} cannot be a header"))?;
        // Editors end a file with a line break.
        let text = std::str::from_utf8(&value.0).map(str::trim_end);
        let value = text
            .ok()
            .and_then(|text| HeaderValue::from_str(text).ok())
            .map(|mut value| {
                value.set_sensitive(true);
                value
            })
            .ok_or_else(|| format!("the value of {key} in Secret {name} cannot be a header"))?;
        headers.secrets.extend(text.map(str::to_owned));
        headers.map.insert(header, value);
    }
    Ok(headers)
}

/// Headers that would change which request is sent, or to whom.
const FRAMING: [&str; 8] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(crate) async fn read(client: &Client, namespace: &str, name: &str) -> Result<Secret, String> {
    Api::<Secret>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await
        .map_err(|error| format!("Secret {name} cannot be read: {}", message::chain(&error)))?
        .ok_or_else(|| format!("there is no Secret {name} in namespace {namespace}"))
}
