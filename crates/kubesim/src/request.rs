//! What a request asks: its path, its query, who sent it, and in what form.

use crate::{
    failure::Failure,
    resource::{Registry, Resource},
};
use http::{HeaderMap, Method, Uri, header};
use std::{collections::BTreeMap, sync::Arc};

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    /// Only `status` is served.
    pub(crate) status: bool,
}

impl Target {
    pub(crate) fn key(&self) -> (String, String) {
        (self.resource.group.clone(), self.resource.plural.clone())
    }

    pub(crate) fn object_key(&self) -> (String, String) {
        (
            self.namespace.clone().unwrap_or_default(),
            self.name.clone().unwrap_or_default(),
        )
    }

    /// Plural, group, and the subresource: what requests are counted by, and what fault plans name.
    pub(crate) fn counted(&self) -> String {
        let resource = self.resource.display();
        if self.status {
            format!("{resource}/status")
        } else {
            resource
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

/// `fieldValidation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// The user behind a request.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) user: String,
    pub(crate) groups: Vec<String>,
    /// Tells clients apart that have the same user; empty unless the service has a name.
    pub(crate) label: String,
}

/// The options of a write.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) identity: Identity,
    pub(crate) agent: String,
    pub(crate) manager: String,
    pub(crate) manager_given: bool,
    pub(crate) dry_run: bool,
    pub(crate) force: bool,
    pub(crate) validation: FieldValidation,
}

impl Options {
    pub(crate) fn parse(query: &Query, headers: &HeaderMap, identity: Identity) -> Result<Self, Failure> {
        let given = query.get("fieldManager");
        let agent = headers
            .get(header::USER_AGENT)
            .and_then(|agent| agent.to_str().ok())
            .unwrap_or_default();
        // Without a fieldManager the part of the user agent before the slash stands in.
        let manager = given
            .map(str::to_owned)
            .or_else(|| {
                agent
                    .split('/')
                    .next()
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
            })
            .unwrap_or_else(|| "unknown".to_owned());
        Ok(Self {
            identity,
            agent: agent.to_owned(),
            manager,
            manager_given: given.is_some(),
            dry_run: query.get("dryRun") == Some("All"),
            force: query.flag("force"),
            validation: match query.get("fieldValidation") {
                Some("Ignore") => FieldValidation::Ignore,
                None | Some("Warn") => FieldValidation::Warn,
                Some("Strict") => FieldValidation::Strict,
                Some(other) => {
                    return Err(Failure::bad_request(format!("invalid fieldValidation {other:?}")));
                }
            },
        })
    }
}

/// Query parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn parse(uri: &Uri) -> Self {
        let pairs = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(key), decode(value))
                })
                .collect(),
        )
    }

    /// A parameter; an empty one counts as absent, as in the server's option structs.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let number: i64 = text
            .parse()
            .map_err(|_| Failure::bad_request(format!("unable to parse {name}={text:?}: invalid syntax")))?;
        Ok(u64::try_from(number).ok().filter(|number| *number > 0))
    }
}

/// Percent decoding with `+` for a space.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes
            .get(i + 1..i + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[i], hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The form the client wants objects in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Full,
    Metadata,
    MetadataList,
}

impl Form {
    /// The first of the accepted media types that kubesim speaks.
    pub(crate) fn parse(headers: &HeaderMap) -> Result<Self, Failure> {
        let accept = headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .unwrap_or("*/*");
        for range in accept.split(',').map(|range| range.replace(' ', "")) {
            let (media, parameters) = range.split_once(';').unwrap_or((&range, ""));
            let view = parameters
                .split(';')
                .find_map(|parameter| parameter.strip_prefix("as="));
            match (media, view) {
                ("application/json" | "*/*" | "application/*", None) => return Ok(Self::Full),
                ("application/json", Some("PartialObjectMetadata")) => return Ok(Self::Metadata),
                ("application/json", Some("PartialObjectMetadataList")) => return Ok(Self::MetadataList),
                _ => {}
            }
        }
        Err(Failure::not_implemented(&format!("responses of type {accept}")))
    }
}

/// Finds the resource a path names.
pub(crate) fn route(registry: &Registry, method: &Method, path: &str) -> Result<Target, Failure> {
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    let (group, version, rest) = match steps.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(Failure::not_implemented(&format!("{method} {path}"))),
    };
    let (namespace, rest) = match rest {
        // `namespaces/x/status` is a subresource of a namespace, everything else below a namespace a resource in it.
        ["namespaces", namespace, plural, rest @ ..] if !matches!(*plural, "status" | "finalize") => {
            (Some((*namespace).to_owned()), [&[*plural], rest].concat())
        }
        rest => (None, rest.to_vec()),
    };
    let (plural, name, subresource) = match rest.as_slice() {
        [plural] => (*plural, None, None),
        [plural, name] => (*plural, Some((*name).to_owned()), None),
        [plural, name, subresource] => (*plural, Some((*name).to_owned()), Some(*subresource)),
        _ => return Err(Failure::not_implemented(&format!("{method} {path}"))),
    };
    let resource = registry
        .get(&(group.to_owned(), plural.to_owned()))
        .filter(|found| found.version == version);
    let Some(resource) = resource else {
        // The real server would serve many kinds here; saying 404 would make an omission look like an answer.
        return Err(Failure::not_implemented(&format!(
            "the resource {plural} of {group}/{version}"
        )));
    };
    let mismatch = resource.namespaced && namespace.is_none() && (name.is_some() || method == Method::POST)
        || !resource.namespaced && namespace.is_some();
    if mismatch {
        return Err(Failure::no_such_resource(path));
    }
    let status = match subresource {
        None => false,
        Some("status") if resource.has_status => true,
        Some(other) if resource.custom || other == "status" => {
            return Err(Failure::not_found(
                resource.subject(name.as_deref().unwrap_or_default()),
            ));
        }
        Some(other) => {
            return Err(Failure::not_implemented(&format!(
                "the subresource {other} of {}",
                resource.display()
            )));
        }
    };
    Ok(Target {
        resource: resource.clone(),
        namespace,
        name,
        status,
    })
}
