//! A real control plane with our CRDs, seen through kubectl and through the API.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use controlplane::{ControlPlane, Options, User};
use kube::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::wait::eventually;

/// The user the operator runs as.
pub(crate) const OPERATOR: &str = "bulkhead";
/// Namespace of the operator's lease.
pub(crate) const NAMESPACE: &str = "bulkhead-system";

pub(crate) const ACCOUNTS: &str = "/apis/bulkhead.dev/v1alpha1/awsaccounts";
pub(crate) const BASELINES: &str = "/apis/bulkhead.dev/v1alpha1/baselines";
pub(crate) const PROMOTIONS: &str = "/apis/bulkhead.dev/v1alpha1/environmentpromotions";
pub(crate) const ORGANIZATIONS: &str = "/apis/bulkhead.dev/v1alpha1/organizations";

pub(crate) struct Cluster {
    runtime: Runtime,
    client: Client,
    plane: ControlPlane,
    home: TempDir,
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.status, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }
}

impl Cluster {
    /// A control plane that serves our kinds and knows the operator's user; `None` without its binaries.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Option<Self> {
        Self::start_as(arguments, &[], false)
    }

    /// The same with people.
    pub(crate) fn start_for(people: &[User]) -> Option<Self> {
        Self::start_as(&[], people, false)
    }

    /// The same with the controllers of Jobs.
    pub(crate) fn start_with_jobs_for(people: &[User]) -> Option<Self> {
        Self::start_as(&[], people, true)
    }

    fn start_as(arguments: &[&str], people: &[User], controller_manager: bool) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let options = Options {
            users: [&[User::new(OPERATOR, &[])], people].concat(),
            controller_manager,
            extra_api_server_args: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            ..Options::default()
        };
        let plane = runtime.block_on(controlplane::start_or_skip(options))?;
        let client = runtime.block_on(async { plane.client() }).unwrap();
        let home = tempfile::tempdir().unwrap();
        let cluster = Self {
            runtime,
            client,
            plane,
            home,
        };
        cluster.install();
        Some(cluster)
    }

    fn install(&self) {
        let crds = api::crds();
        let crds: Vec<Value> = crds
            .iter()
            .map(|crd| serde_json::to_value(crd).unwrap())
            .collect();
        self.kubectl_with(&["apply", "--server-side", "-f", "-"], &list(&crds))
            .ok();
        self.kubectl(&[
            "wait",
            "--for=condition=Established",
            "crd",
            "--all",
            "--timeout=30s",
        ])
        .ok();
        self.kubectl_with(&["apply", "-f", "-"], &rights()).ok();
        // Established is said a moment before the paths are served (404, then 429 "storage is (re)initializing").
        for path in [ACCOUNTS, BASELINES, PROMOTIONS, ORGANIZATIONS] {
            eventually("our kinds are served", 30, || {
                self.ask(path).map_err(|error| error.to_string())
            });
        }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_for(OPERATOR)
    }

    pub(crate) fn kubeconfig_for(&self, user: &str) -> PathBuf {
        self.plane.kubeconfig_for(user).unwrap().to_owned()
    }

    pub(crate) fn kubectl_program(&self) -> PathBuf {
        self.plane.kubectl().unwrap()
    }

    pub(crate) fn watch_client(&self) -> kube::Config {
        self.plane.config_for(controlplane::ADMIN).unwrap()
    }

    /// kubectl as the administrator.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Answer {
        self.run(self.plane.kubeconfig(), arguments, None)
    }

    /// kubectl as the administrator, with an object on standard input.
    pub(crate) fn kubectl_with(&self, arguments: &[&str], object: &Value) -> Answer {
        self.run(self.plane.kubeconfig(), arguments, Some(object))
    }

    /// kubectl as the operator's user.
    pub(crate) fn kubectl_as_operator(&self, arguments: &[&str]) -> Answer {
        self.run(&self.kubeconfig(), arguments, None)
    }

    /// kubectl as another user, with an object on standard input.
    pub(crate) fn kubectl_as(&self, user: &str, arguments: &[&str], object: &Value) -> Answer {
        self.run(&self.kubeconfig_for(user), arguments, Some(object))
    }

    /// `kubectl bulkhead ...` as one of the people.
    pub(crate) fn bulkhead(&self, user: &str, arguments: &[&str]) -> Answer {
        let output = Command::new(env!("CARGO_BIN_EXE_bulkhead"))
            .args(arguments)
            .arg("--kubeconfig")
            .arg(self.kubeconfig_for(user))
            .output()
            .unwrap();
        Answer {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn run(&self, kubeconfig: &Path, arguments: &[&str], object: Option<&Value>) -> Answer {
        let kubectl = self
            .plane
            .kubectl()
            .expect("kubectl is beside the other binaries");
        let mut child = Command::new(kubectl)
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            .env("HOME", self.home.path())
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        if let Some(object) = object {
            write!(stdin, "{object}").unwrap();
        }
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        Answer {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// `kubectl apply` of several objects at once.
    pub(crate) fn apply(&self, objects: &[Value]) -> String {
        self.kubectl_with(&["apply", "-f", "-"], &list(objects)).ok()
    }

    /// All objects the examples of Acme consist of.
    pub(crate) fn apply_acme(&self) -> String {
        self.kubectl(&["apply", "-f", "examples/acme"]).ok()
    }

    /// `kubectl wait` until every AwsAccount is Ready.
    pub(crate) fn wait_until_all_are_ready(&self) {
        let ready = [
            "wait",
            "--for=condition=Ready",
            "awsaccount",
            "--all",
            "-A",
            "--timeout=120s",
        ];
        let answer = self.kubectl(&ready);
        assert_eq!(answer.status, Some(0), "{}\n{}", answer.stderr, self.standing());
    }

    /// How every AwsAccount stands, for a failure's message.
    pub(crate) fn standing(&self) -> String {
        let mut text = String::new();
        for object in self.objects(ACCOUNTS) {
            let object = Object(object);
            let ready = object.condition("Ready").unwrap_or_default();
            let _ = writeln!(
                text,
                "{}: {} {}",
                object.name(),
                ready["reason"],
                ready["message"]
            );
        }
        text
    }

    /// What the API server answers to GET, `None` for 404.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        match self.ask(path) {
            Ok(value) => Some(value),
            Err(kube::Error::Api(status)) if status.is_not_found() => None,
            Err(error) => panic!("GET {path}: {error}"),
        }
    }

    fn ask(&self, path: &str) -> Result<Value, kube::Error> {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        self.runtime.block_on(self.client.request(request))
    }

    pub(crate) fn objects(&self, path: &str) -> Vec<Value> {
        let list = self.get(path).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    pub(crate) fn account(&self, namespace: &str, name: &str) -> Object {
        let path = format!("/apis/bulkhead.dev/v1alpha1/namespaces/{namespace}/awsaccounts/{name}");
        Object(
            self.get(&path)
                .unwrap_or_else(|| panic!("no AwsAccount {namespace}/{name}")),
        )
    }

    pub(crate) fn accounts(&self) -> Vec<Object> {
        self.objects(ACCOUNTS).into_iter().map(Object).collect()
    }

    /// Type and reason of every Event about this AwsAccount.
    pub(crate) fn events(&self, namespace: &str, name: &str) -> Vec<(String, String, String)> {
        let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
        self.objects(&format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events"))
            .iter()
            .filter(|event| event["regarding"]["kind"] == "AwsAccount" && event["regarding"]["name"] == name)
            .map(|event| (text(event, "type"), text(event, "reason"), text(event, "note")))
            .collect()
    }

    /// Which AWS account each object has.
    pub(crate) fn account_ids(&self) -> BTreeMap<String, String> {
        let id = |object: &Object| object.text("/status/accountId").to_owned();
        self.accounts()
            .iter()
            .map(|object| (object.name(), id(object)))
            .collect()
    }

    /// The resourceVersion of everything the operator could write, except its Lease.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let kinds = [
            ACCOUNTS,
            BASELINES,
            ORGANIZATIONS,
            "/api/v1/configmaps",
            "/api/v1/namespaces",
            "/api/v1/secrets",
            "/apis/events.k8s.io/v1/events",
        ];
        let mut versions = BTreeMap::new();
        for kind in kinds {
            for object in self.objects(kind).into_iter().map(Object) {
                let version = object.text("/metadata/resourceVersion").to_owned();
                versions.insert(format!("{kind} {}", object.name()), version);
            }
        }
        versions
    }

    /// A directory for files of this scenario.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// `kube-system`'s UID, which names the cluster.
    pub(crate) fn uid(&self) -> String {
        let namespace = Object(self.get("/api/v1/namespaces/kube-system").unwrap());
        namespace.text("/metadata/uid").to_owned()
    }
}

/// One object as the API server gives it.
#[derive(Clone, Debug)]
pub(crate) struct Object(pub(crate) Value);

impl Object {
    /// `namespace/name`, or the name alone.
    pub(crate) fn name(&self) -> String {
        let meta = &self.0["metadata"];
        let name = meta["name"].as_str().unwrap_or_default();
        match meta["namespace"].as_str() {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        }
    }

    /// The text at a JSON pointer; empty when there is none.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.0
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn conditions(&self) -> &[Value] {
        let conditions = self.0.pointer("/status/conditions");
        conditions
            .and_then(Value::as_array)
            .map_or(&[], |conditions| conditions.as_slice())
    }

    pub(crate) fn condition(&self, type_: &str) -> Option<Value> {
        self.conditions()
            .iter()
            .find(|condition| condition["type"] == type_)
            .cloned()
    }

    /// Status and reason of Ready, and which of Reconciling, Waiting and Stalled are there.
    pub(crate) fn standing(&self) -> (String, String, Vec<&'static str>) {
        let ready = self.condition("Ready").unwrap_or_default();
        let text = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
        let abnormal = ["Reconciling", "Waiting", "Stalled"];
        let there = abnormal
            .into_iter()
            .filter(|type_| self.condition(type_).is_some())
            .collect();
        (text("status"), text("reason"), there)
    }
}

pub(crate) fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// The rules the operator publishes, word for word, bound to its user.
fn rights() -> Value {
    let rules = |own: bool| -> Vec<Value> {
        let rules = operator::rbac::RULES
            .iter()
            .filter(|rule| rule.own_namespace == own);
        rules
            .map(|rule| {
                let mut granted =
                    json!({"apiGroups": [rule.group], "resources": [rule.resource], "verbs": rule.verbs});
                if !rule.names.is_empty() {
                    granted["resourceNames"] = json!(rule.names);
                }
                granted
            })
            .collect()
    };
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let meta = json!({"name": "bulkhead"});
    let here = json!({"name": "bulkhead", "namespace": NAMESPACE});
    let subjects = json!([{"apiGroup": group, "kind": "User", "name": OPERATOR}]);
    let role = |kind: &str| json!({"apiGroup": group, "kind": kind, "name": "bulkhead"});
    list(&[
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({"apiVersion": version, "kind": "ClusterRole", "metadata": meta, "rules": rules(false)}),
        json!({"apiVersion": version, "kind": "ClusterRoleBinding", "metadata": meta, "subjects": subjects, "roleRef": role("ClusterRole")}),
        json!({"apiVersion": version, "kind": "Role", "metadata": here, "rules": rules(true)}),
        json!({"apiVersion": version, "kind": "RoleBinding", "metadata": here, "subjects": subjects, "roleRef": role("Role")}),
    ])
}
