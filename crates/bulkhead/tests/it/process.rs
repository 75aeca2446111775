//! The operator as a process.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use controlplane::Children;
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, NAMESPACE},
    wait::eventually,
};

/// The installation every scenario runs as.
pub(crate) const INSTALLATION: &str = "acme";
/// The shortest a term may last by the rules of the configuration.
const LEASE: Duration = Duration::from_secs(11);

/// How long a candidate may take after the leader was killed: the lease, and one retry period for each of the two
/// replicas.
pub(crate) const SUCCESSION: u64 = LEASE.as_secs() + 4;

/// A configuration with everything as quick as it may be.
pub(crate) fn config(aws: &str) -> Value {
    json!({
        "installation": INSTALLATION,
        "defaultBaseline": "standard",
        "aws": {"endpointUrl": aws, "rates": 50, "awsShare": 1.0, "enablePolicyTypes": true},
        "policies": {"overlap": "2s", "deleteUnusedAfter": "5s"},
        "creation": {"grace": "8s", "poll": "1s"},
        "installationMark": {"reread": "1s"},
        "leaderElection": {
            "leaseDuration": format!("{}s", LEASE.as_secs()), "renewDeadline": "6s", "retryPeriod": "1s",
            "namespace": NAMESPACE,
        },
    })
}

/// One running operator. Killed when dropped, and whatever happens to this process.
pub(crate) struct Operator {
    name: String,
    children: Children,
    pid: u32,
    pub(crate) address: SocketAddr,
}

impl Operator {
    /// Starts it and waits until its HTTP server listens.
    pub(crate) fn start(cluster: &Cluster, name: &str, config: &Value, arguments: &[&str]) -> Self {
        let config = cluster.file(&format!("{name}.yaml"), &config.to_string());
        Self::start_with(name, &config, &cluster.kubeconfig(), arguments)
    }

    pub(crate) fn start_with(name: &str, config: &Path, kubeconfig: &Path, arguments: &[&str]) -> Self {
        let mut children = Children::new().unwrap();
        let home = children.directory().to_owned();
        let mut command = Command::new("sh");
        // The shell tells its process id, which stays the operator's.
        command
            .args([
                "-c",
                "echo $$; exec \"$0\" \"$@\"",
                env!("CARGO_BIN_EXE_bulkhead"),
            ])
            .args(["controller", "--metrics-addr=127.0.0.1:0", "--config"])
            .arg(config)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(arguments)
            // Nothing of the machine's own AWS or Kubernetes set-up may reach the operator.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("HOSTNAME", name)
            .env("RUST_BACKTRACE", "1")
            .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "example")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        children.spawn(name, &mut command).unwrap();
        let (pid, address) = eventually("the operator listens", 30, || {
            if let Some((_, status)) = children.ended().unwrap() {
                panic!(
                    "the operator ended with {status}:\n{}",
                    children.log_tail(name, 20)
                );
            }
            let log = children.log_tail(name, 10_000);
            let pid = log.lines().next().and_then(|line| line.parse().ok());
            let address = records(&log).find_map(|record| record["address"].as_str()?.parse().ok());
            pid.zip(address).ok_or(log)
        });
        Self {
            name: name.to_owned(),
            children,
            pid,
            address,
        }
    }

    /// GET on the operator's own HTTP server: status, head and body.
    pub(crate) fn http(&self, path: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: bulkhead\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_owned(), body.to_owned())
    }

    /// Readiness: status and text.
    pub(crate) fn ready(&self) -> (u16, String) {
        let (status, _, body) = self.http("/readyz");
        (status, body)
    }

    pub(crate) fn leads(&self) -> bool {
        self.metric("bulkhead_leader") == Some(1.0)
    }

    pub(crate) fn wait_until_leading(&self, seconds: u64) {
        eventually(&format!("{} leads", self.name), seconds, || {
            if self.leads() { Ok(()) } else { Err(self.ready().1) }
        });
    }

    /// The sum of a metric over all its labels; `None` when it has no sample.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let (_, _, text) = self.http("/metrics");
        let values: Vec<f64> = text
            .lines()
            .filter(|line| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with([' ', '{']))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    pub(crate) fn log(&self) -> String {
        self.children.log_tail(&self.name, usize::MAX)
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.children.stop();
    }

    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Stops the process where it stands, as a frozen machine does; until [`Operator::go_on`].
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.pid.to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(status.success(), "{} could not be sent SIG{name}", self.name);
    }

    /// SIGTERM; ends with success, and gives how long that took.
    pub(crate) fn stop(mut self) -> Duration {
        let begin = Instant::now();
        self.terminate();
        let name = self.name.clone();
        let status = eventually(&format!("{name} ends"), 10, || {
            let ended = self.children.ended().unwrap();
            ended
                .map(|(_, status)| status)
                .ok_or_else(|| "it runs".to_owned())
        });
        assert!(status.success(), "{name} ended with {status}");
        let log = self.log();
        for word in ["panicked", "breaks a rule"] {
            assert!(!log.contains(word), "{name} logged {word:?}:\n{log}");
        }
        begin.elapsed()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the end of the log of {}", self.name);
            eprintln!("{}", self.children.log_tail(&self.name, 60));
        }
    }
}

/// The JSON lines of a log.
pub(crate) fn records(log: &str) -> impl Iterator<Item = Value> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok())
}
