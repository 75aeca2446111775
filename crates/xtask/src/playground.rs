//! A control plane, a simulated AWS organization and the operator, on this machine, until Ctrl-C.
//!
//! Every process is a child of the control plane's [`controlplane::Children`], so that nothing is left behind
//! however this command ends.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use controlplane::ControlPlane;
use serde::Deserialize;

use crate::{
    control_plane,
    error::{Error, run as run_command},
    workspace::Workspace,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// End as soon as the operator is ready, for scripts that check that the playground works
    #[arg(long)]
    exit_when_ready: bool,
}

/// How long a part may take to come up.
const PATIENCE: Duration = Duration::from_mins(1);

/// The simulator answers 50 times as fast as AWS, and two replicas need not be told apart for long.
const CONFIGURATION: &str = "\
installation: playground
defaultBaseline: standard
aws:
  rates: 50
  enablePolicyTypes: true
policies:
  overlap: 20s
  deleteUnusedAfter: 5m
installationMark:
  reread: 2s
leaderElection:
  namespace: default
";

/// The line `orgsim` prints when it listens.
#[derive(Debug, Deserialize)]
struct Listening {
    endpoint: String,
    debug: String,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<(), Error> {
    let assets = control_plane::directory(workspace)?;
    run_command(
        workspace
            .cargo()
            .args(["build", "--package", "bulkhead", "--package", "orgsim"]),
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Start {
            command: "playground".to_owned(),
            source,
        })?;
    runtime.block_on(play(workspace, assets, args))
}

async fn play(workspace: &Workspace, assets: PathBuf, args: &Args) -> Result<(), Error> {
    let binaries = workspace.target.join("debug");
    let examples = workspace.root.join("examples").join("acme");

    eprintln!("starting etcd, kube-apiserver, kube-controller-manager");
    let options = controlplane::Options {
        controller_manager: true,
        assets: Some(assets.clone()),
        ..controlplane::Options::default()
    };
    let mut cluster = ControlPlane::start(options).await?;

    eprintln!("installing crds/ and the example's Baseline and Namespaces");
    let (crds, deploy) = (workspace.root.join("crds"), workspace.root.join("deploy"));
    let policies = ["approval-policy.yaml", "promotion-policy.yaml"].map(|file| deploy.join(file));
    apply(&cluster, &[&crds, &policies[0], &policies[1]])?;
    kubectl(&cluster)?.and_run(&[
        "wait",
        "--for=condition=Established",
        "crd",
        "--all",
        "--timeout=30s",
    ])?;
    apply(
        &cluster,
        &[&examples.join("baseline.yaml"), &examples.join("namespaces.yaml")],
    )?;

    eprintln!("starting orgsim");
    cluster.children().spawn(
        "orgsim",
        Command::new(binaries.join("orgsim"))
            .args(["--listen", "127.0.0.1:0", "--debug-listen", "127.0.0.1:0"])
            .args(["--limits", "relaxed", "--speed", "20"]),
    )?;
    let organization = until(&mut cluster, "orgsim", listening).await?;

    eprintln!("starting the operator");
    let metrics = free_address()?;
    start_operator(&mut cluster, &binaries, &organization, metrics)?;
    until(&mut cluster, "operator", |_| {
        answers_ok(metrics, "/readyz").then_some(())
    })
    .await?;

    print!("{}", guide(&cluster, workspace, &organization, metrics));
    if args.exit_when_ready {
        return Ok(());
    }
    until_ctrl_c(&mut cluster).await
}

fn start_operator(
    cluster: &mut ControlPlane,
    binaries: &Path,
    organization: &Listening,
    metrics: SocketAddr,
) -> Result<(), Error> {
    let configuration = cluster.directory().join("operator.yaml");
    fs::write(&configuration, CONFIGURATION).map_err(Error::file(&configuration))?;
    let mut command = Command::new(binaries.join("bulkhead"));
    command
        .arg("controller")
        .arg("--config")
        .arg(&configuration)
        .arg("--kubeconfig")
        .arg(cluster.kubeconfig())
        .args([
            "--aws-endpoint-url",
            &organization.endpoint,
            "--metrics-addr",
            &metrics.to_string(),
        ])
        // The simulator takes any credentials; without them the SDK would go looking for the developer's own.
        .env("AWS_ACCESS_KEY_ID", "playground")
        .env("AWS_SECRET_ACCESS_KEY", "playground")
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_PROFILE")
        .env("AWS_REGION", "us-east-1");
    Ok(cluster.children().spawn("operator", &mut command)?)
}

/// The kubectl beside the API server, with the administrator's kubeconfig.
struct Kubectl(Command);

fn kubectl(cluster: &ControlPlane) -> Result<Kubectl, Error> {
    let path = cluster
        .kubectl()
        .ok_or_else(|| controlplane::Error::NoBinaries(cluster.assets().join("kubectl")))?;
    let mut command = Command::new(path);
    command.arg("--kubeconfig").arg(cluster.kubeconfig());
    Ok(Kubectl(command))
}

impl Kubectl {
    fn and_run(mut self, arguments: &[&str]) -> Result<(), Error> {
        run_command(self.0.args(arguments).stdout(std::io::stderr()))
    }
}

fn apply(cluster: &ControlPlane, paths: &[&Path]) -> Result<(), Error> {
    let mut kubectl = kubectl(cluster)?;
    for path in paths {
        kubectl.0.arg("-f").arg(path);
    }
    kubectl.and_run(&["apply", "--server-side"])
}

/// Polls until a child has come up; an error with the end of its log if any child ends or the time is up.
async fn until<T>(
    cluster: &mut ControlPlane,
    name: &str,
    ready: impl Fn(&ControlPlane) -> Option<T>,
) -> Result<T, Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        all_run(cluster)?;
        if let Some(result) = ready(cluster) {
            return Ok(result);
        }
        if Instant::now() > deadline {
            return Err(failed(
                cluster,
                name,
                format!("is not ready after {} s", PATIENCE.as_secs()),
            ));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn all_run(cluster: &mut ControlPlane) -> Result<(), Error> {
    match cluster.children().ended()? {
        Some((name, status)) => Err(failed(cluster, &name, format!("has ended ({status})"))),
        None => Ok(()),
    }
}

fn failed(cluster: &mut ControlPlane, name: &str, problem: String) -> Error {
    let log = cluster.children().log_tail(name, 20);
    Error::Playground {
        name: name.to_owned(),
        problem,
        log,
    }
}

/// The simulator's line, once it is in its log.
fn listening(cluster: &ControlPlane) -> Option<Listening> {
    let log = fs::read_to_string(cluster.directory().join("orgsim.log")).ok()?;
    log.lines().find_map(|line| serde_json::from_str(line).ok())
}

/// An address nobody listens on. The operator could choose one itself, but then we would not know it.
fn free_address() -> Result<SocketAddr, Error> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(|source| Error::Start {
            command: "operator".to_owned(),
            source,
        })
}

/// Whether a GET is answered 200. Too little for an HTTP client.
fn answers_ok(address: SocketAddr, path: &str) -> bool {
    let answer = || {
        let timeout = Duration::from_secs(2);
        let mut stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.take(64).read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    answer().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}

async fn until_ctrl_c(cluster: &mut ControlPlane) -> Result<(), Error> {
    let ended = async {
        loop {
            all_run(cluster)?;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        biased;
        signal = tokio::signal::ctrl_c() => {
            signal.map_err(|source| Error::Start { command: "playground".to_owned(), source })?;
            eprintln!("\nstopping");
            Ok(())
        }
        result = ended => result,
    }
}

/// What to type next.
fn guide(
    cluster: &ControlPlane,
    workspace: &Workspace,
    organization: &Listening,
    metrics: SocketAddr,
) -> String {
    let team = first_team(&workspace.root).unwrap_or_else(|| "examples/acme".to_owned());
    format!(
        "\
Ready. In another terminal:

  export KUBECONFIG={kubeconfig}
  export PATH={assets}:$PATH
  kubectl apply --server-side -f {team}
  kubectl get awsaccounts --all-namespaces --watch

The operator's log:       {log}
The operator's metrics:   http://{metrics}/metrics
The simulated AWS:        {endpoint}
What it holds (debug):    {debug}

Ctrl-C ends everything and removes its files.
",
        kubeconfig = cluster.kubeconfig().display(),
        assets = cluster.assets().display(),
        log = cluster.directory().join("operator.log").display(),
        endpoint = organization.endpoint,
        debug = organization.debug,
    )
}

/// The first file of the example that is not applied already, as a path from the root.
fn first_team(root: &Path) -> Option<String> {
    let applied = [Path::new("baseline.yaml"), Path::new("namespaces.yaml")];
    let mut teams: Vec<String> = fs::read_dir(root.join("examples/acme"))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .filter(|name| !applied.contains(&Path::new(name)))
        .collect();
    teams.sort();
    teams.first().map(|name| format!("examples/acme/{name}"))
}
