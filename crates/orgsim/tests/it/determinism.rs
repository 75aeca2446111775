//! One seed, one world: byte for byte.

use std::fmt::Write as _;
use std::time::Duration;

use orgsim::{Mutation, Orgsim, Settings, tokio_clock};
use serde_json::json;

use crate::wire::request;

/// Everything two runs must agree on.
async fn transcript(seed: u64) -> String {
    let settings = Settings {
        seed,
        ..Settings::default()
    };
    let clock = tokio_clock(settings.start);
    let orgsim = Orgsim::new(settings, clock);
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
            writeln!(transcript, "{:?}", response.headers()).unwrap();
            transcript.push_str(&String::from_utf8_lossy(response.body()));
            transcript.push('\n');
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
        let (first, second) = (transcript(seed).await, transcript(seed).await);
        assert!(first.len() > 10_000);
        assert_eq!(first, second);
    }
}

#[tokio::test(start_paused = true)]
async fn another_seed_gives_another_world() {
    assert_ne!(transcript(1).await, transcript(2).await);
}
