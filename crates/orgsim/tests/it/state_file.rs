//! The state file: whole, of this version, or nothing.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_organizations::config::{BehaviorVersion, Region};
use orgsim::{FaultPlan, Lost, Mutation, Orgsim, Settings, StateFile, StateFileError, tokio_clock};
use serde_json::{Value, json};

use crate::refusal;
use crate::sdk::{World, calm, pass};
use crate::tcp::http;
use crate::wire::request;

struct Server {
    child: Child,
    endpoint: String,
    debug: SocketAddr,
}

impl Server {
    fn start(file: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_orgsim"))
            .args(["--limits", "off", "--speed", "60", "--seed", "3", "--state"])
            .arg(file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let debug = ready["debug"].as_str().unwrap();
        Self {
            child,
            endpoint: ready["endpoint"].as_str().unwrap().to_owned(),
            debug: debug.strip_prefix("http://").unwrap().parse().unwrap(),
        }
    }

    /// SIGKILL: nothing can be tidied up.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn client(&self) -> aws_sdk_organizations::Client {
        let config = aws_sdk_organizations::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::for_tests())
            .endpoint_url(&self.endpoint)
            .build();
        aws_sdk_organizations::Client::from_conf(config)
    }

    async fn create(&self, name: &str) -> String {
        let create = self.client().create_account().account_name(name);
        let created = create.email(format!("{name}@example.com")).send().await.unwrap();
        created.create_account_status.unwrap().id.unwrap()
    }

    async fn state(&self) -> Value {
        http(self.debug, "GET", "/state", "").await.1
    }

    /// Waits until no creation is in progress.
    async fn settled(&self) -> Value {
        loop {
            let state = self.state().await;
            let creations = state["creations"].as_array().unwrap();
            if creations
                .iter()
                .all(|creation| creation["state"] != "IN_PROGRESS")
            {
                return state;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn accounts_and_pending_creations_survive_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("org.json");
    let server = Server::start(&file);
    server.create("a").await;
    let before = server.settled().await;
    let pending = server.create("b").await;
    server.kill();

    let server = Server::start(&file);
    let state = server.state().await;
    assert!(state["now"].as_str().unwrap() >= before["now"].as_str().unwrap());
    for account in before["accounts"].as_array().unwrap() {
        assert!(
            state["accounts"].as_array().unwrap().contains(account),
            "{account}"
        );
    }
    let done = server.settled().await;
    let ended = done["creations"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["id"] == json!(pending));
    assert_eq!(ended.unwrap()["state"], "SUCCEEDED", "it was only on its way");
    let listed = server.client().list_accounts().send().await.unwrap();
    assert!(listed.accounts().len() >= 2);
    let third = server.create("c").await;
    let last = server.settled().await;
    server.kill();
    let again = Server::start(&file);
    assert_eq!(again.settled().await["accounts"], last["accounts"]);

    // The same seed without interruption gives the same ids: the streams went on where they were.
    let whole = directory.path().join("whole.json");
    let one = Server::start(&whole);
    let mut requests = Vec::new();
    for name in ["a", "b", "c"] {
        requests.push(one.create(name).await);
        one.settled().await;
    }
    assert_eq!(requests[1..], [pending, third]);
    let ids = |state: &Value| -> Vec<String> {
        let accounts = state["accounts"].as_array().unwrap();
        accounts
            .iter()
            .map(|account| account["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&one.state().await), ids(&last));
    one.kill();
    again.kill();
}

#[tokio::test(start_paused = true)]
async fn everything_goes_on_in_a_new_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("org.json");
    let settings = || Settings {
        limits: orgsim::Limits::Published,
        policy_types: vec!["SERVICE_CONTROL_POLICY".to_owned()],
        organization_id: "o-cccccccccc".to_owned(),
        ..calm()
    };
    let open = |settings: Settings| {
        let file = StateFile::open(&path, settings).unwrap();
        let clock = tokio_clock(file.now());
        World::of(
            Orgsim::with_state(file, clock),
            &Credentials::for_tests(),
            "us-east-1",
        )
    };
    let world = open(settings());
    let root = world.root();
    let unit = world.unit(&root, "Team").await;
    let a = world.account("a").await;
    world
        .organizations
        .close_account()
        .account_id(&a)
        .send()
        .await
        .unwrap();
    let invite = || {
        aws_sdk_organizations::types::HandshakeParty::builder()
            .id("222222222222")
            .r#type(aws_sdk_organizations::types::HandshakePartyType::Account)
            .build()
            .unwrap()
    };
    let invited = world
        .organizations
        .invite_account_to_organization()
        .target(invite());
    invited.send().await.unwrap();
    world
        .orgsim
        .mutate(Mutation::Deny {
            operations: vec!["MoveAccount".to_owned()],
        })
        .unwrap();
    let fail = json!({"failNext": {"operation": "ListParents", "error": "ServiceException"}});
    world
        .orgsim
        .mutate(serde_json::from_value(fail).unwrap())
        .unwrap();
    let role = format!("arn:aws:iam::{a}:role/OrganizationAccountAccessRole");
    let assumed = world.sts.assume_role().role_arn(role).role_session_name("probe");
    let session = assumed.send().await.unwrap().credentials.unwrap();
    let before = world.orgsim.state();
    drop(world);

    let world = open(Settings {
        limits: orgsim::Limits::Published,
        ..calm()
    });
    assert_eq!(
        world.orgsim.organization_id(),
        "o-cccccccccc",
        "the file knows who it is"
    );
    assert_eq!(world.orgsim.state(), before);
    // The bucket of CloseAccount is still empty, the denial and the planned failure still stand.
    let close = world.organizations.close_account().account_id(&a).send().await;
    assert_eq!(refusal!(close), "TooManyRequestsException");
    let moved = world.organizations.move_account().account_id(&a);
    let moved = moved.source_parent_id(&root).destination_parent_id(&unit);
    assert_eq!(refusal!(moved.send().await), "AccessDeniedException");
    let parents = || world.organizations.list_parents().child_id(&a).send();
    assert_eq!(refusal!(parents().await), "ServiceException");
    parents().await.unwrap();
    let again = world
        .organizations
        .invite_account_to_organization()
        .target(invite());
    assert_eq!(refusal!(again.send().await), "DuplicateHandshakeException");
    let credentials = Credentials::new(
        session.access_key_id,
        session.secret_access_key,
        Some(session.session_token),
        None,
        "test",
    );
    let member = World::of(world.orgsim.clone(), &credentials, "us-east-1");
    let identity = member.sts.get_caller_identity().send().await.unwrap();
    assert_eq!(identity.account(), Some(a.as_str()), "sessions are still known");
    pass(60).await;
    let state = world.orgsim.state();
    let closed = state.accounts.iter().find(|account| account.id == a).unwrap();
    assert_eq!(closed.state, orgsim::AccountState::Closed, "the closing went on");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_yet_enforced_is_enforced_in_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("org.json");
    let open = || {
        let file = StateFile::open(&path, crate::scp::lagging(8)).unwrap();
        let clock = tokio_clock(file.now());
        let orgsim = Orgsim::with_state(file, clock);
        World::of(orgsim, &Credentials::for_tests(), "us-east-1")
    };
    let world = open();
    let account = world.account("a").await;
    let content = crate::scp::deny("organizations:*");
    let policy = crate::policies::made(&world, "deny", crate::policies::SCP, &content).await;
    crate::scp::attach(&world, &policy, &account);
    drop(world);

    let world = open();
    let member = crate::access::enter(&world, &account).await;
    let probe = || member.organizations.describe_organization().send();
    pass(7).await;
    probe().await.unwrap();
    pass(1).await;
    assert_eq!(refusal!(probe().await), "AccessDeniedException");
}

#[test]
fn what_is_no_state_of_this_version_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("org.json");
    drop(StateFile::open(&path, calm()).unwrap());
    let good = std::fs::read_to_string(&path).unwrap();
    let next = good.replacen("\"version\":1", "\"version\":2", 1);
    assert_ne!(next, good);
    let truncated = good[..good.len() / 2].to_owned();
    for (text, says) in [
        (next.as_str(), "is of version 2, and only version 1 is known"),
        (truncated.as_str(), "is not readable: EOF"),
        ("", "is not readable: EOF"),
        ("{}", "is not a state file"),
        (
            r#"{"version": 1, "identity": {}}"#,
            "is not readable: missing field",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_orgsim"))
            .arg("--state")
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{says}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(says), "{stderr}\n{says}");
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            text,
            "nothing is overwritten"
        );
    }
    let nowhere = StateFile::open(directory.path().join("absent").join("org.json"), calm());
    assert!(matches!(nowhere, Err(StateFileError::Unwritable { .. })));
    let a_directory = StateFile::open(directory.path(), calm());
    assert!(matches!(a_directory, Err(StateFileError::Unreadable { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_late_effect_happens_in_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("org.json");
    let open = || {
        let file = StateFile::open(&path, calm()).unwrap();
        let clock = tokio_clock(file.now());
        Orgsim::with_state(file, clock)
    };
    let orgsim = open();
    let plan = "{version: 1, seed: 0, rules: [{fault: timeoutAfterEffect, delay: 20s}]}";
    orgsim.set_faults(FaultPlan::parse(plan).unwrap()).unwrap();
    let create = json!({"Email": "a@example.com", "AccountName": "ä"});
    let call = orgsim.handle(request(
        "CreateAccount",
        &json!({"Email": "a@example.com", "AccountName": "a"}),
    ));
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    let refused = orgsim.handle(request("CreateAccount", &create));
    assert!(
        tokio::time::timeout(Duration::from_secs(1), refused)
            .await
            .is_err()
    );
    drop(orgsim);
    let orgsim = open();
    assert!(orgsim.state().creations.is_empty());
    pass(20).await;
    assert_eq!(orgsim.state().creations.len(), 1);
    let outcomes: Vec<_> = orgsim.calls().into_iter().map(|call| call.outcome).collect();
    assert_eq!(outcomes, ["OK", "InvalidInputException"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_is_not_answered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("org.json");
    let file = StateFile::open(&path, calm()).unwrap();
    let clock = tokio_clock(file.now());
    let orgsim = Orgsim::with_state(file, clock);
    directory.close().unwrap();
    let create = json!({"Email": "a@example.com", "AccountName": "a"});
    let answer = orgsim.handle(request("CreateAccount", &create)).await;
    assert_eq!(answer.unwrap_err(), Lost::Broken);
}
