//! What gates of promotions are answered in a simulated world.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};
use tower::Service;

/// What is answered to some requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// A text that the request's URI contains, `%` escapes undone.
    pub matches: String,
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: String,
}

/// A server that answers every host. The newest answer that matches counts; without one it is 404.
#[derive(Clone, Debug, Default)]
pub struct Answers(Arc<Mutex<Vec<Answer>>>);

impl Answers {
    /// From now on this is answered.
    pub fn set(&self, answer: Answer) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.push(answer);
    }

    fn find(&self, uri: &str) -> Option<Answer> {
        let text = percent_encoding::percent_decode_str(uri).decode_utf8_lossy();
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = answers.iter().rev().find(|answer| text.contains(&answer.matches));
        found.cloned()
    }
}

impl Service<Request<Full<Bytes>>> for Answers {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let found = self.find(&request.uri().to_string());
        let (status, body) = found.map_or((404, String::new()), |answer| (answer.status, answer.body));
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        std::future::ready(Ok(response))
    }
}
