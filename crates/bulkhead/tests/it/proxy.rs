//! A proxy between an operator and AWS, on TCP: tells whose calls are whose, and loses answers.

use std::{
    io::{self, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use crate::aws::reads_only;

/// A call that changes something, or would.
#[derive(Clone, Debug)]
pub(crate) struct Mutation {
    pub(crate) operation: String,
    /// AWS's answer was thrown away and the connection closed.
    pub(crate) lost: bool,
}

/// Forwards HTTP/1.1 as it comes. Lives as long as the test's process.
pub(crate) struct Proxy {
    address: SocketAddr,
    record: Arc<Mutex<Vec<Mutation>>>,
}

impl Proxy {
    /// Forwards everything.
    pub(crate) fn start(upstream: SocketAddr) -> Self {
        Self::losing(upstream, 0)
    }

    /// Loses AWS's answer to every `nth` mutation, after AWS has acted; 0 for none.
    pub(crate) fn losing(upstream: SocketAddr, nth: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let record: Arc<Mutex<Vec<Mutation>>> = Arc::default();
        let seen = record.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let record = seen.clone();
                thread::spawn(move || serve(&client, upstream, nth, &record));
            }
        });
        Self { address, record }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has passed and changes something, in the order of AWS's answers.
    pub(crate) fn mutations(&self) -> Vec<Mutation> {
        self.record.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, operation: &str) -> usize {
        let mutations = self.mutations();
        mutations
            .iter()
            .filter(|mutation| mutation.operation == operation)
            .count()
    }
}

/// One connection of the operator's, with one of its own to AWS. An error is the end of either of them.
fn serve(
    client: &TcpStream,
    upstream: SocketAddr,
    nth: usize,
    record: &Mutex<Vec<Mutation>>,
) -> io::Result<()> {
    let aws = TcpStream::connect(upstream)?;
    let (mut requests, mut answers) = (BufReader::new(client), BufReader::new(&aws));
    while let Some(request) = message(&mut requests)? {
        (&aws).write_all(&request)?;
        let Some(answer) = message(&mut answers)? else {
            break;
        };
        let lost = noted(&operation(&request), nth, record);
        if lost {
            break;
        }
        let mut client = client;
        client.write_all(&answer)?;
    }
    client.shutdown(std::net::Shutdown::Both)
}

/// Takes note of an answered call; whether its answer is to be lost.
fn noted(operation: &str, nth: usize, record: &Mutex<Vec<Mutation>>) -> bool {
    if reads_only(operation) {
        return false;
    }
    let mut record = record.lock().unwrap();
    let lost = nth > 0 && (record.len() + 1).is_multiple_of(nth);
    record.push(Mutation {
        operation: operation.to_owned(),
        lost,
    });
    lost
}

/// Head and body of one message; none at the end of the connection.
fn message(from: &mut impl io::BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    let mut length = 0;
    loop {
        let begin = message.len();
        if from.read_until(b'\n', &mut message)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&message[begin..]).to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        assert!(!line.starts_with("transfer-encoding"), "bodies have a length");
        if line.trim().is_empty() {
            break;
        }
    }
    from.take(length).read_to_end(&mut message)?;
    Ok(Some(message))
}

/// AWS's name of the operation: of awsJson by header, of awsQuery by form field.
fn operation(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    let target = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("x-amz-target").then_some(value)
    });
    let name = match target {
        Some(target) => target.rsplit('.').next(),
        None => text
            .split_once("Action=")
            .and_then(|(_, rest)| rest.split('&').next()),
    };
    name.unwrap_or_default().trim().to_owned()
}
