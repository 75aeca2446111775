//! A service whose answers the test writes down.

use aws::{
    Aws,
    inprocess::{self, LostAnswer},
};
use bytes::Bytes;
use serde_json::Value;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

/// What the service does with a request.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) delay: Duration,
    pub(crate) lost: Option<LostAnswer>,
}

pub(crate) fn ok(body: impl ToString) -> Answer {
    Answer {
        status: 200,
        body: body.to_string(),
        delay: Duration::ZERO,
        lost: None,
    }
}

pub(crate) fn status(status: u16, body: impl ToString) -> Answer {
    Answer { status, ..ok(body) }
}

pub(crate) fn exception(name: &str) -> Answer {
    status(400, serde_json::json!({ "__type": name, "Message": "no" }))
}

/// STS, action and content of its result.
pub(crate) fn sts(action: &str, result: &str) -> Answer {
    ok(format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
    ))
}

pub(crate) fn sts_error(code: &str) -> Answer {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>no</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    );
    status(403, body)
}

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) operation: String,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }
}

#[derive(Clone, Default)]
pub(crate) struct Requests(Arc<Mutex<Vec<Seen>>>);

impl Requests {
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> Seen {
        self.all().pop().unwrap()
    }
}

/// A client of a service that answers each operation by `answer`, and what it is sent.
pub(crate) fn service(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> (Aws, Requests) {
    let requests = Requests::default();
    let (answer, seen) = (Arc::new(answer), requests.clone());
    let http = inprocess::http_client(move |request: http::Request<Bytes>| {
        let (head, body) = request.into_parts();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let target = head
            .headers
            .get("x-amz-target")
            .map(|target| target.to_str().unwrap());
        let operation = match target {
            Some(target) => target.rsplit('.').next().unwrap().to_owned(),
            None => body
                .strip_prefix("Action=")
                .unwrap()
                .split('&')
                .next()
                .unwrap()
                .to_owned(),
        };
        let answer = answer(&operation);
        let headers = head
            .headers
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_str().unwrap().to_owned()));
        seen.0.lock().unwrap().push(Seen {
            operation,
            uri: head.uri.to_string(),
            headers: headers.collect(),
            body,
        });
        async move {
            tokio::time::sleep(answer.delay).await;
            let response = http::Response::builder()
                .status(answer.status)
                .header("x-amzn-requestid", "request-1")
                .body(Bytes::from(answer.body))
                .unwrap();
            answer.lost.map_or(Ok(response), Err)
        }
    });
    let began = tokio::time::Instant::now();
    let aws = aws::simulated(http, move || {
        UNIX_EPOCH + Duration::from_hours(500_000) + began.elapsed()
    });
    (aws, requests)
}
