//! One seed, one world: byte for byte.

use std::fmt::Write as _;
use std::time::Duration;

use orgsim::{FaultPlan, Mutation, Orgsim, Settings, tokio_clock};
use serde_json::json;

use crate::wire::request;

/// Everything that can go wrong without a caller waiting for ever.
const FAULTS: &str = "
version: 1
seed: 5
rules:
  - {fault: answerLost, percent: 10}
  - {fault: refused, every: 11}
  - {fault: throttle, operations: [CreateAccount], percent: 20}
  - {fault: staleRead, percent: 30}
  - {fault: emptyPage, percent: 20}
  - {fault: slow, percent: 10, delay: 2s}
";

/// Everything two runs must agree on.
async fn transcript(seed: u64, faults: bool) -> String {
    let settings = Settings {
        seed,
        ..Settings::default()
    };
    let clock = tokio_clock(settings.start);
    let orgsim = Orgsim::new(settings, clock);
    if faults {
        orgsim.set_faults(FaultPlan::parse(FAULTS).unwrap()).unwrap();
    }
    let mut transcript = String::new();
    let root = orgsim.root_id().to_owned();
    for number in 0..40_u32 {
        let calls = [
            (
                "CreateAccount",
                json!({"Email": format!("a{}@example.com", number / 2), "AccountName": "a",
                       "Tags": [{"Key": "n", "Value": number.to_string()}]}),
            ),
            ("ListAccounts", json!({"MaxResults": 3})),
            ("ListCreateAccountStatus", json!({"States": ["IN_PROGRESS"]})),
            (
                "CreateOrganizationalUnit",
                json!({"ParentId": root, "Name": number.to_string()}),
            ),
            ("ListRoots", json!({})),
        ];
        let answers = calls
            .iter()
            .map(|(operation, body)| orgsim.handle(request(operation, body)));
        for response in futures::future::join_all(answers).await {
            match response {
                Ok(response) => {
                    writeln!(transcript, "{:?}", response.headers()).unwrap();
                    transcript.push_str(&String::from_utf8_lossy(response.body()));
                    transcript.push('\n');
                }
                Err(lost) => writeln!(transcript, "{lost}").unwrap(),
            }
        }
        if number == 20 {
            let state = orgsim.state();
            let member = |account: &&orgsim::AccountView| account.id != orgsim.management_account_id();
            let account = state.accounts.iter().find(member).unwrap().id.clone();
            orgsim.mutate(Mutation::Close { account }).unwrap();
        }
        tokio::time::sleep(Duration::from_secs(7)).await;
    }
    transcript.push_str(&json!(orgsim.state()).to_string());
    transcript.push_str(&json!(orgsim.calls()).to_string());
    transcript
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_bytes() {
    for seed in [0, 1, 42] {
        for faults in [false, true] {
            let (first, second) = (transcript(seed, faults).await, transcript(seed, faults).await);
            assert!(first.len() > 10_000);
            assert_eq!(first.contains("connection refused"), faults);
            assert_eq!(first, second);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_seed_gives_another_world() {
    assert_ne!(transcript(1, false).await, transcript(2, false).await);
}
