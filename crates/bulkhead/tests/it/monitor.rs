//! A Prometheus that says how many checks fail, as it is told.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::json;

/// Failing checks by environment.
type Failing = Arc<Mutex<BTreeMap<String, u32>>>;

/// Serves until the process ends.
pub(crate) struct Monitor {
    failing: Failing,
    address: SocketAddr,
}

impl Monitor {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let failing = Failing::default();
        let told = Arc::clone(&failing);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                // Whoever hangs up early has no answer.
                let _ = answer(&connection, &told);
            }
        });
        Self { failing, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on so many checks of this environment fail.
    pub(crate) fn failing(&self, environment: &str, checks: u32) {
        self.failing
            .lock()
            .unwrap()
            .insert(environment.to_owned(), checks);
    }
}

/// One request, whose environment stands in its query: an instant vector with one value.
fn answer(mut connection: &TcpStream, failing: &Failing) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut text = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        text.push_str(&line);
    }
    let mut body = vec![0; length];
    std::io::Read::read_exact(&mut reader, &mut body)?;
    text.push_str(&String::from_utf8_lossy(&body));
    let value = failing
        .lock()
        .unwrap()
        .iter()
        .filter(|(environment, _)| text.contains(environment.as_str()))
        .map(|(_, checks)| checks)
        .sum::<u32>();
    let sample = json!({"metric": {}, "value": [0, value.to_string()]});
    let body = json!({"status": "success", "data": {"resultType": "vector", "result": [sample]}}).to_string();
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
