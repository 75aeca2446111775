//! The control plane itself.

use std::{
    collections::BTreeMap,
    fs, io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::{Children, Error, assets};

/// Name of the user in group `system:masters` that every control plane has.
pub const ADMIN: &str = "admin";

/// The controllers worth running without nodes: the cascade, namespace deletion, aggregated roles, tokens,
/// quotas and Jobs.
const CONTROLLERS: &str = "garbage-collector-controller,namespace-controller,\
    clusterrole-aggregation-controller,serviceaccount-controller,serviceaccount-token-controller,\
    resourcequota-controller,job-controller";

/// A user of the API server, known by a bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name, as in a RoleBinding's subject.
    pub name: String,
    /// Bearer token; must be unique.
    pub token: String,
    /// Groups, as in a RoleBinding's subject; may be empty.
    pub groups: Vec<String>,
}

impl User {
    /// A user whose token is `NAME-token`: the server listens on the loopback address only and guards nothing.
    pub fn new(name: impl Into<String>, groups: &[&str]) -> Self {
        let name = name.into();
        let token = format!("{name}-token");
        Self {
            name,
            token,
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
        }
    }

    /// A line of the API server's token file: token, name, uid and, as one field, the groups.
    fn token_file_line(&self) -> String {
        let fields = [
            &self.token,
            &self.name,
            &format!("uid-{}", self.name),
            &self.groups.join(","),
        ];
        fields
            .map(|field| format!("\"{}\"", field.replace('"', "\"\"")))
            .join(",")
    }
}

/// How to start a control plane.
#[derive(Debug, Clone)]
pub struct Options {
    /// Users besides [`ADMIN`].
    pub users: Vec<User>,
    /// Whether to run kube-controller-manager too: garbage collection, namespace deletion, Jobs.
    pub controller_manager: bool,
    /// Further arguments of kube-apiserver, after ours, so that they win.
    pub extra_api_server_args: Vec<String>,
    /// Directory of binaries; `None` means [`assets`].
    pub assets: Option<PathBuf>,
    /// How long the API server may take. It needs about four seconds on an idle machine.
    pub ready_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            users: Vec::new(),
            controller_manager: false,
            extra_api_server_args: Vec::new(),
            assets: None,
            ready_within: Duration::from_secs(90),
        }
    }
}

/// A running control plane. Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct ControlPlane {
    assets: PathBuf,
    url: String,
    // Per user: the kubeconfig file and what it says.
    users: BTreeMap<String, (PathBuf, Config)>,
    children: Children,
}

impl ControlPlane {
    /// Starts the processes and waits until the API server is ready and namespace `default` exists.
    ///
    /// [`Error::NoBinaries`] means that the binaries are not there; see
    /// [`start_or_skip`](crate::start_or_skip).
    pub async fn start(options: Options) -> Result<Self, Error> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match Self::try_start(&options).await {
                // A free port is only known to be free at the moment of asking; two control planes that start
                // together can be told the same one.
                Err(Error::NotReady { log, .. })
                    if attempts < 3 && log.contains("address already in use") => {}
                result => return result,
            }
        }
    }

    async fn try_start(options: &Options) -> Result<Self, Error> {
        let assets = match &options.assets {
            Some(directory) => directory.clone(),
            None => assets()?,
        };
        let mut children = Children::new()?;
        let directory = children.directory().to_owned();
        let [etcd_port, peer_port, api_port] = free_ports()?;
        let url = format!("https://127.0.0.1:{api_port}");

        let users: Vec<User> = std::iter::once(User::new(ADMIN, &["system:masters"]))
            .chain(options.users.iter().cloned())
            .collect();
        let lines: String = users.iter().map(|user| user.token_file_line() + "\n").collect();
        fs::write(directory.join("tokens.csv"), lines)?;
        // The public key must be its own file: the API server refuses to take it from a PKCS#8 private key.
        let key = rcgen::KeyPair::generate()?;
        fs::write(directory.join("sa.key"), key.serialize_pem())?;
        fs::write(directory.join("sa.pub"), key.public_key_pem())?;

        children.spawn(
            "etcd",
            program(&assets, "etcd")?.args(etcd_arguments(&directory, etcd_port, peer_port)),
        )?;
        children.spawn(
            "kube-apiserver",
            program(&assets, "kube-apiserver")?
                .args(api_server_arguments(&directory, etcd_port, api_port))
                .args(&options.extra_api_server_args),
        )?;

        let deadline = Instant::now() + options.ready_within;
        let certificate = directory.join("certs").join("apiserver.crt");
        while !has_certificate(&certificate) {
            wait(&mut children, deadline).await?;
        }
        let mut known = BTreeMap::new();
        for user in &users {
            known.insert(
                user.name.clone(),
                write_kubeconfig(&directory, &url, &certificate, user).await?,
            );
        }
        let mut cluster = Self {
            assets,
            url,
            users: known,
            children,
        };
        let client = cluster.client()?;
        while !is_ready(&client).await {
            wait(&mut cluster.children, deadline).await?;
        }
        if options.controller_manager {
            cluster.start_controller_manager()?;
        }
        Ok(cluster)
    }

    fn start_controller_manager(&mut self) -> Result<(), Error> {
        let mut command = program(&self.assets, "kube-controller-manager")?;
        command
            .arg(format!("--kubeconfig={}", self.kubeconfig_for(ADMIN)?.display()))
            .arg(format!("--controllers={CONTROLLERS}"))
            .arg(format!(
                "--service-account-private-key-file={}",
                self.children.directory().join("sa.key").display()
            ))
            .args([
                "--leader-elect=false",
                "--secure-port=0",
                "--use-service-account-credentials=false",
            ]);
        self.children.spawn("kube-controller-manager", &mut command)
    }

    /// A client for [`ADMIN`]. Must be called inside the tokio runtime that will use it.
    pub fn client(&self) -> Result<Client, Error> {
        self.client_for(ADMIN)
    }

    /// A client for the named user, see [`client`](Self::client).
    pub fn client_for(&self, user: &str) -> Result<Client, Error> {
        Ok(Client::try_from(self.config_for(user)?)?)
    }

    /// The client configuration of the named user, without kube's default retry, which may hide an answer for
    /// minutes.
    pub fn config_for(&self, user: &str) -> Result<Config, Error> {
        self.user(user).map(|(_, config)| config.clone())
    }

    /// The kubeconfig file of [`ADMIN`].
    pub fn kubeconfig(&self) -> &Path {
        // `start` always adds the administrator; without it there would be no file to name.
        self.users.get(ADMIN).map_or(Path::new(""), |(path, _)| path)
    }

    /// The kubeconfig file of the named user.
    pub fn kubeconfig_for(&self, user: &str) -> Result<&Path, Error> {
        self.user(user).map(|(path, _)| path.as_path())
    }

    /// The API server's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The temporary directory with the logs (`kube-apiserver.log`, ...); it goes when the control plane goes.
    pub fn directory(&self) -> &Path {
        self.children.directory()
    }

    /// The directory the binaries were taken from.
    pub fn assets(&self) -> &Path {
        &self.assets
    }

    /// The kubectl beside the other binaries, if it is there.
    pub fn kubectl(&self) -> Option<PathBuf> {
        program_path(&self.assets, "kubectl").ok()
    }

    /// The helm beside the other binaries, if it is there.
    pub fn helm(&self) -> Option<PathBuf> {
        program_path(&self.assets, "helm").ok()
    }

    /// The child processes, to start further ones that end with the control plane.
    pub fn children(&mut self) -> &mut Children {
        &mut self.children
    }

    fn user(&self, name: &str) -> Result<&(PathBuf, Config), Error> {
        self.users
            .get(name)
            .ok_or_else(|| Error::UnknownUser(name.to_owned()))
    }
}

fn program_path(assets: &Path, name: &str) -> Result<PathBuf, Error> {
    let path = assets.join(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(Error::NoBinaries(path))
    }
}

fn program(assets: &Path, name: &str) -> Result<Command, Error> {
    program_path(assets, name).map(Command::new)
}

/// Three different ports that nobody listens on: all are held until all are known.
fn free_ports() -> io::Result<[u16; 3]> {
    let listen = || TcpListener::bind("127.0.0.1:0");
    let listeners = [listen()?, listen()?, listen()?];
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
    Ok([port(&listeners[0])?, port(&listeners[1])?, port(&listeners[2])?])
}

fn etcd_arguments(directory: &Path, client_port: u16, peer_port: u16) -> [String; 8] {
    let (client, peer) = (
        format!("http://127.0.0.1:{client_port}"),
        format!("http://127.0.0.1:{peer_port}"),
    );
    [
        format!("--data-dir={}", directory.join("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        "--log-level=warn".to_owned(),
        // The data goes with the process, so that nothing is gained by waiting for the disk.
        "--unsafe-no-fsync".to_owned(),
    ]
}

fn api_server_arguments(directory: &Path, etcd_port: u16, port: u16) -> [String; 13] {
    let file = |name: &str| directory.join(name).display().to_string();
    [
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        // The server signs a certificate for 127.0.0.1 itself and leaves it here.
        format!("--cert-dir={}", file("certs")),
        "--authorization-mode=RBAC".to_owned(),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", file("sa.pub")),
        format!("--service-account-signing-key-file={}", file("sa.key")),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        // The usual reconciler keeps a lease per API server and delays the shutdown.
        "--endpoint-reconciler-type=none".to_owned(),
    ]
}

/// Whether the API server has finished writing its certificate.
fn has_certificate(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.trim_end().ends_with("-----END CERTIFICATE-----"))
}

async fn write_kubeconfig(
    directory: &Path,
    url: &str,
    certificate: &Path,
    user: &User,
) -> Result<(PathBuf, Config), Error> {
    // JSON is YAML, and needs no quoting rules of our own.
    let content = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bulkhead",
        "clusters": [{"name": "bulkhead", "cluster": {"server": url, "certificate-authority": certificate}}],
        "contexts": [{"name": "bulkhead", "context": {"cluster": "bulkhead", "user": user.name}}],
        "users": [{"name": user.name, "user": {"token": user.token}}],
    });
    // Names like `system:serviceaccount:ns:name` are no good as part of a path that goes into a variable.
    let safe: String = user
        .name
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let path = directory.join(format!("{safe}.kubeconfig"));
    fs::write(&path, format!("{content:#}\n"))?;
    let parsed = Kubeconfig::read_from(&path)?;
    let mut config = Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await?;
    config.default_retry = false;
    Ok((path, config))
}

/// Whether the server says so, and namespace `default`, which it creates a moment later, exists.
async fn is_ready(client: &Client) -> bool {
    let ask = async {
        let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else {
            return false;
        };
        let says_so = client.request_text(request).await.is_ok_and(|text| text == "ok");
        says_so && Api::<Namespace>::all(client.clone()).get("default").await.is_ok()
    };
    tokio::time::timeout(Duration::from_secs(5), ask)
        .await
        .unwrap_or(false)
}

/// A moment's pause; an error if a process has ended or the time is up.
async fn wait(children: &mut Children, deadline: Instant) -> Result<(), Error> {
    let to_blame = match children.ended()? {
        Some((name, _)) => Some(name),
        None => (Instant::now() > deadline).then(|| "kube-apiserver".to_owned()),
    };
    if let Some(process) = to_blame {
        let log = children.log_tail(&process, 15);
        return Err(Error::NotReady { process, log });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_line_quotes_what_needs_it() {
        let user = User::new("system:serviceaccount:a:b", &["one", "two"]);
        assert_eq!(
            user.token_file_line(),
            r#""system:serviceaccount:a:b-token","system:serviceaccount:a:b","uid-system:serviceaccount:a:b","one,two""#
        );
        assert_eq!(
            User {
                name: "a\"b".into(),
                token: "t".into(),
                groups: vec![]
            }
            .token_file_line(),
            r#""t","a""b","uid-a""b","""#
        );
    }

    #[tokio::test]
    async fn missing_binaries_are_distinguishable() {
        let nowhere = tempfile::tempdir().unwrap();
        let options = Options {
            assets: Some(nowhere.path().to_owned()),
            ..Options::default()
        };
        let error = ControlPlane::start(options).await.unwrap_err();
        assert!(matches!(error, Error::NoBinaries(path) if path.ends_with("etcd")));
    }
}
