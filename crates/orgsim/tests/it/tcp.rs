//! The same organization over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_organizations::config::{BehaviorVersion, Region};
use orgsim::{FaultPlan, Limits, Orgsim, Settings, real_clock, serve};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::sdk::calm;

/// One HTTP exchange by hand; status and body.
pub(crate) async fn http(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: orgsim\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

#[tokio::test]
async fn the_sdk_reaches_all_three_services_on_one_port() {
    let settings = Settings {
        limits: Limits::Published,
        ..calm()
    };
    let clock = real_clock(settings.start, 100.0);
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let running = serve(Orgsim::new(settings, clock), any, any).await.unwrap();
    let url = format!("http://{}", running.address);
    macro_rules! client {
        ($service:ident) => {
            $service::Client::from_conf(
                $service::Config::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .region(Region::new("us-east-1"))
                    .credentials_provider(Credentials::for_tests())
                    .endpoint_url(&url)
                    .build(),
            )
        };
    }
    let organizations = client!(aws_sdk_organizations);
    let (sts, tagging) = (client!(aws_sdk_sts), client!(aws_sdk_resourcegroupstagging));

    let created = organizations
        .create_account()
        .email("a@example.com")
        .account_name("a")
        .send()
        .await
        .unwrap();
    let request = created.create_account_status.unwrap().id.unwrap();
    // 5 simulated seconds are 50 real milliseconds.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let status = organizations
        .describe_create_account_status()
        .create_account_request_id(request);
    let id = status
        .send()
        .await
        .unwrap()
        .create_account_status
        .unwrap()
        .account_id
        .unwrap();
    let role = format!("arn:aws:iam::{id}:role/OrganizationAccountAccessRole");
    sts.assume_role()
        .role_arn(role)
        .role_session_name("probe")
        .send()
        .await
        .unwrap();
    tagging.get_resources().send().await.unwrap();

    let (status, state) = http(running.debug_address, "GET", "/state", "").await;
    assert_eq!(status, 200);
    assert_eq!(state["accounts"].as_array().unwrap().len(), 2);
    let close = format!("{{\"close\": {{\"account\": \"{id}\"}}}}");
    assert_eq!(
        http(running.debug_address, "POST", "/mutate", &close).await.0,
        200
    );
    let (_, calls) = http(running.debug_address, "GET", "/calls", "").await;
    assert_eq!(calls["calls"].as_array().unwrap().len(), 4);

    let address = running.address;
    running.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let settings = calm();
    let clock = real_clock(settings.start, 1.0);
    let running = serve(Orgsim::new(settings, clock), any, any).await.unwrap();
    let (address, debug) = (running.address, running.debug_address);
    assert_eq!(http(debug, "GET", "/calls", "").await.0, 200);
    drop(running);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(TcpStream::connect(address).await.is_err());
    assert!(TcpStream::connect(debug).await.is_err());
}

/// What comes back on a connection of one request; an error when the connection was reset.
async fn raw(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let head = "POST / HTTP/1.1\r\nHost: orgsim\r\nX-Amz-Target: AWSOrganizationsV20161128.ListRoots\r\n";
    stream
        .write_all(format!("{head}Content-Length: 2\r\n\r\n{{}}").as_bytes())
        .await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_lost_answer_closes_the_connection_and_a_timeout_never_answers() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let settings = calm();
    let clock = real_clock(settings.start, 1.0);
    let orgsim = Orgsim::new(settings, clock);
    let running = serve(orgsim.clone(), any, any).await.unwrap();
    let set = |fault: &str| {
        let plan = format!("{{version: 1, seed: 0, rules: [{{fault: {fault}}}]}}");
        orgsim.set_faults(FaultPlan::parse(&plan).unwrap()).unwrap();
    };
    for fault in ["answerLost", "requestLost", "refused"] {
        set(fault);
        let answer = raw(running.address).await.unwrap_or_default();
        assert_eq!(answer, b"", "{fault}");
    }
    set("timeout");
    let waited = tokio::time::timeout(Duration::from_millis(300), raw(running.address)).await;
    assert!(waited.is_err());
    assert_eq!(orgsim.calls().len(), 4);
    running.shutdown().await;
}
