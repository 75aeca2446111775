//! What several tests need: measurements, answers without a network, an API server that knows one Secret and its Jobs.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use kube::{Client, client::Body};
use promotion::{GateSpec, Measure, MeasureKey, RunAt};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};
use tower::{Service, service_fn, util::BoxCloneService};

use crate::runner::Settings;

pub(crate) const NAMESPACE: &str = "bulkhead-system";

pub(crate) fn settings() -> Settings {
    Settings {
        allowed_hosts: vec![
            "checks.example.com".to_owned(),
            "prometheus.example.com".to_owned(),
        ],
        prometheus_address: Some("https://prometheus.example.com".to_owned()),
        namespace: NAMESPACE.to_owned(),
        service_account: "operator".to_owned(),
    }
}

/// A measurement of the gate that `block` describes: `{"type": .., "http": {..}}`.
pub(crate) fn measure(block: &Value) -> Measure {
    let mut gate = json!({"name": "smoke", "runAt": ["AfterWave"]});
    let fields = block.as_object().unwrap().clone();
    gate.as_object_mut().unwrap().extend(fields);
    let gate: GateSpec = serde_json::from_value(gate).unwrap();
    Measure {
        promotion_uid: "7e3c1f4e-0000-4000-8000-000000000001".to_owned(),
        key: MeasureKey {
            attempt: "a-3".to_owned(),
            revision: model::RevisionHash::parse(&format!("sha256:{}", "3f".repeat(32))).unwrap(),
            generation: 1,
            stage: "prod".to_owned(),
            gate: "smoke".to_owned(),
            run: 1,
            number: 2,
        },
        gate,
        run_at: RunAt::AfterWave,
        wave: Some("one-box".to_owned()),
        environment: "production".to_owned(),
    }
}

/// A request as an endpoint saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

pub(crate) type Wire = BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, Infallible>;

/// An endpoint that answers always the same, and what it saw.
pub(crate) fn endpoint(status: u16, body: impl Into<String>) -> (Wire, Arc<Mutex<Vec<Seen>>>) {
    endpoint_with(status, body, &[])
}

pub(crate) fn endpoint_with(
    status: u16,
    body: impl Into<String>,
    headers: &[(&'static str, &'static str)],
) -> (Wire, Arc<Mutex<Vec<Seen>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (body, headers, log) = (body.into(), headers.to_vec(), Arc::clone(&seen));
    let service = service_fn(move |request: Request<Full<Bytes>>| {
        let (body, headers, log) = (body.clone(), headers.clone(), Arc::clone(&log));
        async move {
            let (parts, sent) = request.into_parts();
            let sent = sent.collect().await.unwrap().to_bytes();
            log.lock().unwrap().push(Seen {
                method: parts.method,
                uri: parts.uri.to_string(),
                headers: parts.headers,
                body: String::from_utf8(sent.to_vec()).unwrap(),
            });
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok::<_, Infallible>(response.body(Full::from(body)).unwrap())
        }
    });
    (BoxCloneService::new(service), seen)
}

/// An API server with Secrets, service accounts and Jobs, and every request to it.
#[derive(Clone, Default)]
pub(crate) struct Cluster {
    pub(crate) secrets: Arc<Mutex<BTreeMap<String, Value>>>,
    pub(crate) service_accounts: Arc<Mutex<BTreeMap<String, Value>>>,
    pub(crate) jobs: Arc<Mutex<BTreeMap<String, Value>>>,
    pub(crate) log: Arc<Mutex<Vec<String>>>,
    /// Answers to come before any other: a status, and a message.
    pub(crate) refusals: Arc<Mutex<Vec<(u16, String)>>>,
}

impl Cluster {
    pub(crate) fn client(&self) -> Client {
        let cluster = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let cluster = cluster.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let (status, answer) = cluster.answer(&parts.method, &parts.uri.to_string(), &body);
                Ok::<_, Infallible>(
                    Response::builder()
                        .status(status)
                        .body(Full::<Bytes>::from(answer.to_string()))
                        .unwrap(),
                )
            }
        });
        Client::new(assert_service(service), NAMESPACE)
    }

    pub(crate) fn secret(&self, name: &str, annotations: &Value, data: &Value) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": NAMESPACE, "annotations": annotations}, "data": data,
        });
        self.secrets.lock().unwrap().insert(name.to_owned(), secret);
    }

    pub(crate) fn service_account(&self, name: &str, annotations: &Value) {
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": NAMESPACE, "annotations": annotations},
        });
        self.service_accounts
            .lock()
            .unwrap()
            .insert(name.to_owned(), account);
    }

    fn answer(&self, method: &Method, uri: &str, body: &[u8]) -> (StatusCode, Value) {
        self.log.lock().unwrap().push(format!("{method} {uri}"));
        let mut refusals = self.refusals.lock().unwrap();
        if !refusals.is_empty() {
            let (code, message) = refusals.remove(0);
            return failure(code, "Refused", &message);
        }
        let path = uri.split('?').next().unwrap();
        let (place, rest) = path
            .split_once(&format!("/namespaces/{NAMESPACE}/"))
            .unwrap_or_else(|| panic!("{uri}"));
        let (kind, name) = rest.split_once('/').unwrap_or((rest, ""));
        let objects = match (place, kind) {
            ("/api/v1", "secrets") => &self.secrets,
            ("/api/v1", "serviceaccounts") => &self.service_accounts,
            ("/apis/batch/v1", "jobs") => &self.jobs,
            _ => panic!("{uri}"),
        };
        let mut objects = objects.lock().unwrap();
        if method == Method::POST {
            let object: Value = serde_json::from_slice(body).unwrap();
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            if objects.contains_key(&name) {
                return failure(409, "AlreadyExists", "it is there");
            }
            objects.insert(name, object.clone());
            return (StatusCode::CREATED, object);
        }
        assert_eq!(method, Method::GET);
        match objects.get(name) {
            Some(object) => (StatusCode::OK, object.clone()),
            None => failure(404, "NotFound", "not found"),
        }
    }
}

fn failure(code: u16, reason: &str, message: &str) -> (StatusCode, Value) {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message,
    });
    (StatusCode::from_u16(code).unwrap(), status)
}

fn assert_service<S: Service<Request<Body>>>(service: S) -> S {
    service
}
